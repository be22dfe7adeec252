// The peer book on disk: the supernodes that this node remembers, so that it finds its network
// again when no seed is alive. Read at the start; written a few seconds after something new was
// learnt, every few minutes while that goes on, and at the end. The file appears whole or not at
// all, and only its owner may read it. What is in it, and why: overlay/mesh/peer_book.h.
#pragma once

#include <string>

#include "node/outcome.h"
#include "node/timer.h"

namespace byway {

// Empty where there is none. A problem: it is there and cannot be read, or is far too large.
Outcome<Bytes> read_peer_book(const std::string& path);

class PeerBookFile {
 public:
  PeerBookFile(Runtime& runtime, std::string path);

  void start();
  // Now, if anything is new.
  void save();

 private:
  void look();

  Runtime& runtime_;
  std::string path_;
  Timer timer_;
  std::uint64_t saved_version_ = 0;
  bool complained_ = false;
};

}  // namespace byway

// What a node knows that has to survive a restart, on disk: the peer book, so that it finds its
// network again when no seed is alive (overlay/mesh/peer_book.h), and the proof of its address, so
// that it goes on serving (overlay/reach/kept_proof.h). A file each, read at the start; written a
// few seconds after something new was learnt, every minute while that goes on, and at the end. It
// appears whole or not at all, and only its owner may read it.
#pragma once

#include <string>

#include "node/outcome.h"
#include "node/timer.h"

namespace byway {

// Empty where there is none. A problem: it is there and cannot be read, or is far too large.
// `what` it is, for that sentence: "peer book".
Outcome<Bytes> read_kept_file(const std::string& path, const std::string& what);

class KeptFile {
 public:
  // What the core gives, and what tells when that is another than before.
  using Content = Bytes (Overlay::*)() const;
  using Version = std::uint64_t (Overlay::*)() const;
  KeptFile(Runtime& runtime, std::string path, std::string what, Content content, Version version);

  void start();
  // Now, if anything is new.
  void save();

 private:
  void look();

  Runtime& runtime_;
  std::string path_;
  std::string what_;
  Content content_;
  Version version_;
  Timer timer_;
  std::uint64_t saved_version_ = 0;
  bool complained_ = false;
};

}  // namespace byway

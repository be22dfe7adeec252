// What a node keeps of its own proof for when it is started anew.
//
// Being started anew changes nothing about whether strangers reach a host. So an address that was
// proved less than a day ago and is still an interface's own goes on being proved, by the dials
// that reached it; and whoever served there serves on at once. It has to: where all supernodes of
// a network are started anew in the same moment, somebody must serve before anybody can be dialled.
// A router's address does not count, for the router may since have given it to somebody else.
//
//   magic 14 | served 1 | dials 1 | each dial: from 16, at 8 (Unix ms), size 1, attestation |
//   SHA-256 of all that 32
//
// Times are wall times; a clock that was set back only makes a dial look fresh.
#pragma once

#include <vector>

#include "protocol/attestation.h"

namespace byway {

// One that reached us.
struct KeptDial {
  IpAddress from;
  WallTime at{};  // by our clock
  Attestation attestation;
};

struct KeptProof {
  static constexpr std::size_t max_dials = 32;

  bool served = false;          // others, as a supernode that was not told to be one
  std::vector<KeptDial> dials;  // those over the limit are not saved

  Bytes save(const Crypto& crypto) const;
  // malformed, truncated: damaged, or not ours, or not about `self`.
  static Result<KeptProof> load(const Crypto& crypto, const NodeId& self, ByteView saved);
};

}  // namespace byway

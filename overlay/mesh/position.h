// Where a node stands on the ring: 64 bits, the same for everybody who knows its id.
//
// A public key is as good as random already, so it is only mixed, not hashed: whoever wants a
// certain place has to try keys either way, and what a place gives (judging one's neighbours) is
// never given to one node alone.
#pragma once

#include <algorithm>
#include <cstdint>

#include "protocol/identity.h"

namespace byway {

using Position = std::uint64_t;

inline Position position_of(const NodeId& id) {
  const ByteView key = id.key();
  std::uint64_t mixed = 0;
  for (std::size_t at = 0; at < key.size(); at += 8) {
    mixed ^= load_be<std::uint64_t>(key.subspan(at, 8));
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    mixed ^= mixed >> 31;
  }
  return mixed;
}

// The shorter way round.
inline std::uint64_t ring_distance(Position a, Position b) {
  return std::min(a - b, b - a);
}

}  // namespace byway

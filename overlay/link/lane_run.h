// Where a train of datagrams is cut: neighbours that name one lane stay together, everything else
// is by itself. Only headers are read, and nobody is believed yet.
#pragma once

#include <algorithm>

#include "protocol/packet.h"

namespace byway {

inline std::size_t count_of(std::size_t bytes, std::size_t segment) {
  return (bytes + segment - 1) / segment;
}

// The lane that a datagram names; 0: it is no relay frame with a payload that has to be told apart
// from its neighbours.
inline LaneId lane_of(ByteView datagram) {
  if (datagram.size() < relay_header_size) return 0;
  if (datagram[0] != static_cast<std::uint8_t>(PacketKind::relay)) return 0;
  return load_be<LaneId>(datagram.subspan(1, 8));
}

// The beginning of `train` that is in the lane of its first datagram.
inline ByteView lane_run(ByteView train, std::size_t segment, LaneId lane) {
  std::size_t end = std::min(segment, train.size());
  while (end < train.size() &&
         lane_of(train.subspan(end, std::min(segment, train.size() - end))) == lane)
    end += std::min(segment, train.size() - end);
  return train.first(end);
}

}  // namespace byway

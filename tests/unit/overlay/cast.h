// Who and where the stories of the overlay's machines play: nodes that need no key of their own,
// endpoints written as a person would, and one moment from which time is counted.
#pragma once

#include <string_view>

#include "protocol/identity.h"
#include "protocol/message.h"

namespace byway {

// Far from zero, as a running host's clock is.
inline constexpr TimePoint noon{100h};
inline constexpr WallTime wall_noon{std::chrono::hours{24 * 365 * 50}};

// The same number is always the same node. Enough where only names are compared.
inline NodeId node(std::uint64_t number) {
  Key key{};
  store_be<std::uint64_t>(key, number + 1);
  return NodeId::trusted(key);
}

inline Endpoint at(std::string_view text) {
  return *Endpoint::parse(text);
}
inline IpAddress address(std::string_view text) {
  return *IpAddress::parse(text);
}

inline Candidate candidate(std::string_view endpoint, How how = How::observed) {
  return {at(endpoint), Proto::udp, how};
}

}  // namespace byway

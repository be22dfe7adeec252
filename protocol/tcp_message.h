// What two peers say to one another so that both connect by TCP at the same moment, as a plain
// struct, and its way to bytes and back (tcp.capnp).
//
//   ana  -- Meet: where I may be reached by TCP -->  bo      over the relay
//   ana  waits half a round trip, then connects      bo      connects as it arrives
//
// Whoever learns its own outside endpoint later says so later; the last Meet sets the moment.
#pragma once

#include <string_view>
#include <vector>

#include "protocol/message.h"
#include "protocol/result.h"

namespace byway {

// What a network lets out, as far as its node knows.
enum class Outlet : std::uint8_t { unknown, anything, tcp, tcp_443 };
std::string_view to_string(Outlet outlet);

inline constexpr std::size_t max_meet_endpoints = 8;

struct Meet {
  std::vector<Candidate> endpoints;  // all of them Proto::tcp; at most max_meet_endpoints
  Behaviour mapping = Behaviour::unknown;
  Ports ports = Ports::unknown;
  Outlet outlet = Outlet::unknown;
  bool operator==(const Meet&) const = default;
};

Bytes encode(const Meet& meet);
// Whatever is not in our form, or over its limit, is malformed.
Result<Meet> decode_meet(ByteView bytes);

}  // namespace byway

// The numbers of asking a router by PCP, each beside the sentence that chose it.
#pragma once

#include <cstdint>

#include "protocol/time.h"

namespace byway::limits::pcp {

// The router is one hop away and most speak no PCP, so the next protocol must have its turn soon:
// three questions, as NAT-PMP asks them (RFC 6886), where RFC 6887 would wait three seconds after
// the first. That makes three packets of 66 bytes at most where nobody answers.
inline constexpr Duration first_wait = 250ms;
inline constexpr int sends = 3;  // 250, 500 and 1,000 ms are waited

// RFC 6887, section 15: a mapping that is said to last longer is taken to last a day, and an error
// half an hour.
inline constexpr Duration longest_lifetime = 24h;
inline constexpr Duration longest_error = 30min;
// And no shorter than this is any use: it would have to be renewed faster than every four seconds,
// which section 11.2.1 forbids.
inline constexpr Duration shortest_lifetime = 8s;

// How far a router's seconds may differ from ours (section 8.5): a sixteenth, two seconds beside
// it, and one second backwards.
inline constexpr int clock_share = 16;
inline constexpr Duration clock_slack = 2s;
inline constexpr Duration clock_back = 1s;

// Where removal is refused, the mapping is asked for again for this long: the router makes of it
// its own shortest, and it ends by itself. (miniupnpd 2.3.1 refuses to remove an IPv6 pinhole that
// was renewed once.)
inline constexpr Duration shortest_asked = 1s;

}  // namespace byway::limits::pcp

// The numbers of TCP, beside the sentences that chose them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "protocol/time.h"

namespace byway::limits {

// A leaf asks a supernode by UDP, then by TCP, then by TCP at port 443: each so much after the one
// before, so that a network that blocks UDP costs a third of a second and not a timeout. Where
// UDP is known to be blocked both others begin at once.
inline constexpr Duration tcp_stagger = 300ms;
inline constexpr std::uint16_t https_port = 443;
// From the first SYN until it is given up: it is repeated after 1 s and 3 s.
inline constexpr Duration tcp_connect_patience = 5s;
// A connection by which nobody has proved who he is.
inline constexpr Duration tcp_unproved_lifetime = 10s;
// A stranger's connection costs about 4 kB here and as much in the kernel.
inline constexpr std::size_t tcp_connections = 16'384;
inline constexpr std::size_t tcp_strangers = 256;             // accepted and not proved
inline constexpr std::size_t tcp_strangers_per_address = 16;  // likewise; an office behind a NAT
inline constexpr std::size_t tcp_connections_per_address = 256;
inline constexpr std::size_t tcp_openings = 64;  // attempts of ours under way

// While a home is reached by TCP, UDP is tried again and again, ever more seldom: it is the better
// way.
inline constexpr Duration udp_retry_first = 2s;
inline constexpr Duration udp_retry_last = 60s;
// And until it has been silent for so long, the first time, nobody says that UDP is blocked: it has
// been asked twice by then, 200 ms apart, and had as long to answer.
inline constexpr Duration udp_patience = 400ms;
// A connection that a better path has made needless is kept this long.
inline constexpr Duration tcp_spare_kept = 60s;
// What supernodes say of our TCP comes from this many of them: two show whether the NAT keeps a
// port for other destinations.
inline constexpr std::size_t tcp_views = 2;

// --- punching ---

// An attempt that was refused met a NAT that answers what it does not expect: the peer's SYN is
// about to make it expect ours. Again after these, and then no more in this round.
inline constexpr std::array<Duration, 4> tcp_refused_again{50ms, 100ms, 200ms, 400ms};
// A round is over so long after its moment: time for the kernel's second SYN, and for proof.
inline constexpr Duration tcp_punch_patience = 2500ms;
inline constexpr std::size_t max_tcp_candidates = 8;
// An attempt ends before its third SYN. What it may send to somebody who does not answer is paid
// from the knock budget, whose bucket of 16 is just enough for a peer whose port is guessed.
inline constexpr Duration tcp_punch_attempt = 2500ms;
inline constexpr int syns_per_attempt = 2;
// Rounds after the first, while the pair stays relayed: soon, for a lost SYN may have been all that
// was wrong, then each after five times as long, counted from the beginning of the one before.
inline constexpr Duration tcp_round_first = 2s;
inline constexpr int tcp_round_growth = 5;
inline constexpr Duration tcp_round_last = 10min;
// A Meet is sent twice: if it is lost one side connects alone, and the kernel sends a SYN again
// only after a second.
inline constexpr Duration tcp_meet_again = 10ms;
// Two Meets closer together than this belong to one round.
inline constexpr Duration tcp_meet_apart = 2s;

}  // namespace byway::limits

// The numbers of finding out what a NAT does, each beside the sentence that chose it.
#pragma once

#include <cstddef>

#include "protocol/time.h"

namespace byway::limits::nat {

// --- asking ---

// Homes are gained one after another; what two of them can tell is worth waiting for this long.
inline constexpr Duration company = 300ms;
// A question or its answer that is lost: with 5 % loss each way all three fail once in a thousand.
inline constexpr int asks = 3;
inline constexpr Duration ask_again = 250ms;
// Mappings that are looked at before it is said how ports are chosen. Three of three that kept
// their port are no chance (a random one is the same once in 64,512 times). Five tell steps and
// randomness: four differences under 64 of one sign come by chance once in 10^11 times. Only to
// know how large a block is takes ten: all of them in one half of it, once in 500 times.
inline constexpr std::size_t samples_kept = 3;
inline constexpr std::size_t samples_told = 5;
inline constexpr std::size_t samples_sized = 10;
// Others behind the same NAT open flows between ours: a busy household's twenty a second put one
// between two of ours at most, a carrier's thousands a second perhaps twenty.
inline constexpr int largest_step = 64;
// Larger blocks are no help to anybody who would have to guess a port in them.
inline constexpr std::uint32_t largest_block = 4096;
// What is sent for TryFilter, from each of the two: once might be lost.
inline constexpr int echoes = 3;
inline constexpr Duration echo_gap = 150ms;
// Nothing that was sent arrives later than this, plus two round trips.
inline constexpr Duration echo_patience = 300ms;
// The supernode finds a stranger, who may have to be linked first.
inline constexpr Duration stranger_patience = 2500ms;
// By TCP: a SYN that is lost is sent again after a second.
inline constexpr Duration tcp_patience = 1500ms;
inline constexpr int hairpin_knocks = 2;
inline constexpr Duration hairpin_gap = 100ms;
inline constexpr Duration hairpin_patience = 400ms;
// Where something stayed open for want of another supernode and there is one now: after this
// time, then after twice as long each time, and in the end no more.
inline constexpr Duration measure_again = 30s;
inline constexpr Duration measure_again_last = 4min;
// As a network is left and entered again, what was found there is still true.
inline constexpr std::size_t networks = 16;
inline constexpr Duration remembered = 24h;
// A node is ready when it knows its NAT, or so long after it has a home.
inline constexpr Duration ready_patience = 3s;
// So many supernodes at different addresses did not answer, and none did: UDP does not pass.
inline constexpr std::size_t unanswered = 2;
// The answer to Look is no larger than it; and what TryFilter sets off, with headers (48 bytes of
// IPv6 and UDP each): one Sighting and six dial-backs of 17 bytes.
inline constexpr std::size_t look_padding = 64;
inline constexpr std::size_t filter_padding = 480;

// --- the binding's lifetime ---

// Begun late and done slowly: the first idle time is a long keepalive, and each test is five
// packets.
inline constexpr Duration lifetime_start = 20s;
inline constexpr Duration lifetime_first = 30s;
inline constexpr Duration lifetime_least = 5s;
// Beyond this it makes no difference: keepalives are as rare as they become.
inline constexpr Duration lifetime_most = 180s;
inline constexpr Duration lifetime_resend = 700ms;
inline constexpr int lifetime_sends = 5;
// So many late datagrams must have been sent and not have come before the binding counts as gone:
// where every twentieth is lost, two are too few for one leaf in a hundred, which would ask its
// homes up to four times as often as it has to, for ever.
inline constexpr int lifetime_confirmed = 3;
inline constexpr Duration lifetime_retry = 60s;  // after a test that told nothing
// Keepalives at this part of the lifetime, and within these bounds. No NAT is known to forget in
// less than 10 s, and at 120 s (what RFC 4787 asks for) three homes cost a leaf 0.75 MB a day. That
// homes die is not found out by these alone: the other homes tell (HomeGone).
inline constexpr double keepalive_part = 0.7;
inline constexpr Duration keepalive_least = 5s;
inline constexpr Duration keepalive_most = 84s;

// --- answering ---

// One asker: a measurement is about 20 looks, a wish for filtering and later a late packet now
// and then. And all that is sent to one address, for carriers have many behind one.
inline constexpr double looks_per_second = 1;
inline constexpr double looks_burst = 40;
inline constexpr double wishes_per_second = 1.0 / 10;
inline constexpr double wishes_burst = 6;
inline constexpr double echoes_per_target_per_second = 2;
inline constexpr double echoes_per_target_burst = 20;
inline constexpr double orders_per_second = 20;
inline constexpr double orders_burst = 60;
inline constexpr std::size_t tracked = 4096;
inline constexpr std::size_t pending = 256;
inline constexpr Duration order_patience = 3s;

}  // namespace byway::limits::nat

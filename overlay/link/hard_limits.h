// The numbers of punching through NATs that pick a new port for every destination, each beside the
// sentence that chose it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "protocol/time.h"

namespace byway::limits::hard {

// --- measuring ---

// The ordinary punch knocks first, so that its mappings are not among those that are foretold.
// Where the peer's router has kept such a flow for itself, a probe to that port would have it give
// our peer another port, for that probe and for all that follow.
inline constexpr Duration measured_after = 10ms;
// So many fresh sockets ask so many supernodes each: six mappings in a row tell counting from
// chance beyond doubt, and are less than a third of what a supernode answers a /24 in a second.
inline constexpr std::size_t sample_sockets = 3;
inline constexpr std::size_t sample_supernodes = 2;
inline constexpr std::array<Duration, 3> sample_times{0ms, 150ms, 400ms};
inline constexpr Duration sample_patience = 900ms;
inline constexpr std::size_t samples_needed = 4;
// A NAT that gives ports by chance does so tomorrow too; where the counter of one that counts
// stands has to be asked every time.
inline constexpr Duration forecast_kept = 10min;
// Which packets get past our own NAT and die soon after: those with one hop less than reach a
// supernode. So many hops are tried; where none of them reaches it, openers begin with 4.
inline constexpr std::array<std::uint8_t, 5> hops_tried{2, 3, 4, 6, 8};
inline constexpr std::uint8_t first_hops = 4;
inline constexpr std::uint8_t second_hops = 8;

// --- prediction ---

// A step between two mappings that is larger than this is chance.
inline constexpr int largest_delta = 64;
inline constexpr std::size_t near_guesses = 16;  // last + 1 … last + 16
inline constexpr int wide_guesses = 50;          // then up to 50 either way
inline constexpr std::size_t meeting_sockets = 25;
// Both count: all sockets of one side send to one port of the other's, which has to be among the
// ports that its sockets get. The 20th leaves room for 19 strangers' mappings in between.
inline constexpr int meeting_offset = 20;
inline constexpr std::size_t guesses_at_once = 16;
inline constexpr Duration guesses_every = 120ms;  // what lies between two samples is told within 80
inline constexpr Duration predicted_patience = 1300ms;

// --- birthday ---

// 256 open ports among 64,512: after 174 probes the chance is one half, after 1,160 it is 99 %,
// after 1,750 99.9 %.
inline constexpr std::size_t birthday_sockets = 256;
inline constexpr std::size_t birthday_probes = 1750;
inline constexpr std::size_t probes_at_once = 5;  // every 10 ms: 500 a second
inline constexpr Duration probes_every = 10ms;
// Of a block every 64th port at least is open, if it has no more than the largest block's ports.
inline constexpr std::size_t block_sockets = 64;
inline constexpr int largest_block = 4096;
inline constexpr std::size_t openers_at_once = 64;
inline constexpr Duration openers_every = 4ms;
inline constexpr Duration birthday_patience = 4600ms;  // probing takes 3.5 s of them
inline constexpr Duration birthday_pause = 20s;        // from one birthday of this node to the next
inline constexpr std::uint16_t first_port = 1024;      // RFC 4787 REQ-3: lower ones are not given

// --- the two together ---

inline constexpr std::array<Duration, 3> plan_times{0ms, 300ms, 700ms};  // a lost plan is repeated
// The plan that answers the other is what has both begin. If it is lost its sender acts alone, and
// what it sends comes uninvited: so it is sent twice, the second time early enough to be of use.
inline constexpr Duration answer_again = 10ms;
// Our homes are asked again to tell the peer where they see us: their word may have been lost.
inline constexpr std::array<Duration, 2> witness_times{0ms, 300ms};
inline constexpr Duration plan_patience = 2500ms;
// A punch of the ordinary kind, begun at the same time, has the first word: one round trip over
// the relay and this much.
inline constexpr Duration grace = 20ms;
inline constexpr Duration round_trip_guess = 100ms;
// What found nothing is tried again so long after its end, while the relay carries: what was lost
// the first time will hardly be lost twice. After these only with the rounds of a relayed pair.
inline constexpr std::array<Duration, 4> tried_again{300ms, 1s, 3s, 10s};
inline constexpr std::size_t at_once = 4;    // attempts of one node
inline constexpr std::size_t witnesses = 2;  // supernodes that see the peer at its address
inline constexpr Duration witness_kept = 10min;
// What one leaf may have its home tell others, and what a supernode passes on for another one's.
inline constexpr double testimonies_per_leaf = 4;  // a second
inline constexpr double testimonies_burst = 32;

}  // namespace byway::limits::hard

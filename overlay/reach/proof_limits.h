// The numbers of proving that we can be reached, each beside the sentence that chose it.
#pragma once

#include <cstddef>

#include "protocol/time.h"

namespace byway::limits::proof {

// --- what makes a proof ---

// Three diallers from three netgroups: one could be mistaken, or the asker's friend.
inline constexpr std::size_t diallers = 3;
// An attestation is good for a day; an hourly dial notices sooner that it became untrue.
inline constexpr Duration lifetime = 24h;
inline constexpr Duration again = 1h;
// Three failures of the last five: one dial may fail for its dialler's sake, three do not.
inline constexpr std::size_t remembered_outcomes = 5;
inline constexpr std::size_t failures_to_lose = 3;
// Successes kept: enough that losing some to age does not lose the proof.
inline constexpr std::size_t kept_successes = 8;
// When more netgroups come to exist than a proof was made with (or one of its three grew old),
// there is an hour to find the missing diallers before it counts as lost.
inline constexpr Duration time_to_complete = 1h;
// How far a dialler's clock may be from ours: as far as a handshake's.
inline constexpr auto clock_skew = 24h;

// --- strangers to a NAT ---

// Longer than any NAT's UDP mapping lives without traffic that is worth being called closed
// (RFC 4787 asks for at least two minutes, five are recommended; ten is beyond what is met).
inline constexpr Duration silence = 10min;
// Addresses sent to in that time that are remembered, 64 B each at most: as many as the largest
// supernode has leaves, since where this overflows fewer can prove anything to us.
inline constexpr std::size_t contacted = 131'072;
// Two known supernodes are left uncontacted, so that somebody remains who can dial us, and as many
// as a proof takes while there is none; homes come first: once a node is known not to be
// reachable, so many supernodes are its homes' anyway.
inline constexpr std::size_t reserved = 2;
inline constexpr std::size_t left_for_homes = 3;

// --- asking ---

// The answer to a request carries an attestation. Padding makes the request larger than that
// and than the three dials together with their headers, so that nobody gets out more than he
// put in.
inline constexpr std::size_t request_padding = 192;
// A dial takes dial_patience, and a link to the dialler may have to be made first.
inline constexpr Duration ask_patience = 12s;
inline constexpr Duration helper_patience = 9s;
inline constexpr Duration dial_patience = 3s;
// A helper lets one address be dialled once a minute; the next request a second after that.
inline constexpr Duration helper_gap = 61s;
inline constexpr Duration helper_gap_last = 1h;
// A helper that has dialled as often as it may in this minute says when it may again. It can make
// us wait, but not ask faster than this; and one that knew nobody to dial has spent nothing.
inline constexpr Duration asked_again = 5s;
// Whom we know of is told to a helper where the mesh is so small that they could be drawn.
inline constexpr std::size_t small_mesh = 64;
// A dial that proved nothing (nobody to dial, or one we know) is repeated soon, then less often.
inline constexpr Duration inconclusive_first = 10s;
inline constexpr Duration inconclusive_last = 10min;
// A dial unanswered most often means a NAT, which is not worth more than a try an hour.
inline constexpr Duration unanswered_first = 30s;
inline constexpr Duration unanswered_last = 1h;
// While there is nobody to dial us a host that could serve asks this often for somebody.
inline constexpr Duration nobody_yet = 30s;
// In a small network each dial makes two acquaintances of two strangers, so those who are likely
// to pass come first: where a NAT stands in front, the first request waits for this.
inline constexpr Duration first_ask_behind_nat = 60s;
// Where it was found out that the NAT lets in nobody whom we have not sent to, only a port that is
// forwarded by hand could be reached: worth a try after an hour and then every six.
inline constexpr Duration first_ask_in_vain = 1h;
inline constexpr Duration unanswered_in_vain = 6h;
// Where the address is no interface's own there is a NAT, and few of those let strangers in.
inline constexpr Duration unanswered_behind_nat = 10min;
// But a proof that begins to fail is decided within minutes.
inline constexpr Duration doubtful = 60s;
// Supernodes that are remembered as helpers: it takes three, and a spare for each that is busy.
inline constexpr std::size_t helpers = 16;

// --- helping and dialling ---

// All of them at once if need be: when a network begins, everybody asks the same helper.
inline constexpr std::size_t dials = 12;
inline constexpr Duration dials_window = 60s;
inline constexpr double dials_per_target_per_second = 1.0 / 60;
inline constexpr std::size_t tracked_targets = 1024;
inline constexpr std::size_t pending = 32;  // a guard: no more than 12 begin in a minute
// The same datagram again, should one be lost: with 5 % loss each way all three fail once in a
// thousand times, and the request is still larger than all of them.
inline constexpr int dial_sends = 3;
inline constexpr Duration dial_resend = 600ms;
// Diallers looked at before the best so far is taken.
inline constexpr std::size_t looks = 64;

}  // namespace byway::limits::proof

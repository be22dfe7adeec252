// Every number of the directory, beside the sentence that chose it.
#pragma once

#include <cstddef>

#include "protocol/time.h"

namespace byway::limits {

// --- placement ---

// Eight holders in eight netgroups: with 30 % of all supernodes gone at once, all eight of a record
// are gone once in 15,000 times, and nobody who owns few netgroups holds all copies of anything.
inline constexpr std::size_t holders_per_record = 8;
// Two supernodes never know quite the same others. Who is among the twelve best in its own view
// keeps a record: each side may be unaware of four that the other counts.
inline constexpr std::size_t plausible_holders = 12;

// --- store ---

// A record is forgotten 30 days after it was received last, by the holder's own clock.
inline constexpr Duration record_lifetime = 30 * 24h;
// 65,536 records of about 350 bytes; no more than 32 MiB if all of them are as large as can be.
// One holder in a network of 10,000 leaves to a supernode needs 80,000 / 8 netgroups and up.
inline constexpr std::size_t stored_records = 65'536;
inline constexpr std::size_t stored_bytes = 32u << 20;
// What one home may have here: a home has at most some 10,000 leaves, and in a network of eight
// supernodes every holder keeps all of them.
inline constexpr std::size_t stored_per_home = 16'384;
// A home sends 100 placements a second to all holders together; in a small network all to one.
inline constexpr double places_per_home = 200;  // a second
inline constexpr double places_burst = 1000;
// Each placement costs a signature check (40 µs): a tenth of one core at most.
inline constexpr double verifications = 2500;  // a second
inline constexpr double verifications_burst = 5000;
// Looking up is a home's work for many leaves, who call one another a few times a minute.
inline constexpr double finds_per_asker = 50;  // a second
inline constexpr double finds_burst = 200;
inline constexpr std::size_t tracked_askers = 4096;

// --- lookup ---

inline constexpr std::size_t holders_asked_first = 3;
// A question is repeated once when its time is up (and somebody else asked besides): at 5 % loss
// each way both fail once in a hundred times.
inline constexpr int question_sends = 2;
// A home has nobody besides who could answer for it, and a leaf may have but one: at 5 % loss four
// fail once in ten thousand times.
inline constexpr int home_question_sends = 4;
inline constexpr int longest_wait = 4;  // times the first: 1, 2, 4, 4
// How long an answer may take: as measured (RFC 6298), within these bounds. The first question to
// a node may have to wait for a handshake.
inline constexpr Duration answer_patience_first = 1s;
inline constexpr Duration answer_patience_least = 250ms;
inline constexpr Duration answer_patience_most = 3s;
inline constexpr std::size_t lookups_at_once = 1024;
// What was found stays good for one call's attempts, unless the home is lost meanwhile: which takes
// 15 s to be known. That somebody is unknown may change at any moment, so it is only kept to soften
// a loop of retries.
inline constexpr Duration found_remembered = 10s;
inline constexpr Duration missing_remembered = 5s;
// Where a home was silent it may be dead, and its leaf is about to find another.
inline constexpr Duration silent_remembered = 500ms;
inline constexpr std::size_t lookups_remembered = 1024;

// --- keeper ---

// Placements leave at this pace at most. When 30 % of a large network vanish, a home of 3,000
// leaves has 7,200 of them to do: done in 72 s, with 40 kB/s.
inline constexpr double placements_per_second = 100;
inline constexpr double placements_burst = 32;
// After a change of membership; everybody notices it at about the same time.
inline constexpr Duration replace_spread = 5s;
// A leaf that changes its record all the time has it placed no more often than this.
inline constexpr Duration record_gap = 5s;
inline constexpr Duration place_patience = 1s;  // doubled with each try
inline constexpr Duration place_retry_last = 5min;
inline constexpr Duration not_mine_retry = 30s;  // until the views agree
// The homes of a leaf share its seats, and each sees to its own at once. To those of the others it
// sees an hour later, if the record is still the same: one of them may neglect its duty, and the
// other seats are enough for as long as that.
inline constexpr Duration place_for_others = 1h;
// Placed anew now and then: a holder may have lost its memory without anybody noticing.
inline constexpr Duration place_refresh = 24h;

}  // namespace byway::limits

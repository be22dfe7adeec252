// The numbers of choosing homes, each beside the sentence that chose it. How many there are and how
// they are kept stands in overlay/core/limits.h.
#pragma once

#include <array>
#include <cstddef>

#include "protocol/time.h"

namespace byway::limits {

// --- how far is it? ---

// So many are asked before one of them is dialled: the nearest of eight drawn at random is nearer
// than seven eighths of all. They cost 864 bytes, answers and headers included.
inline constexpr std::size_t asked_for_a_home = 8;
// And so many where homes may be changed for nearer ones: as many as samples name.
inline constexpr std::size_t asked_for_a_move = 16;
// When a question is asked, and asked again where the answer is missing.
inline constexpr std::array<Duration, 2> distance_times{0ms, 250ms};
inline constexpr Duration distance_patience = 1s;
// What was found out holds for the dials that follow at once; a minute later somebody may be dead.
inline constexpr Duration distance_fresh = 10s;

// --- who is near enough ---

// Whoever is no more than a quarter and 10 ms farther than the nearest is as good: among these
// chance decides, and how full they are, so that not all who live in one place have one home.
inline constexpr double near_factor = 1.25;
inline constexpr Duration near_slack = 10ms;

// --- moving nearer ---

// Worth a move is what halves the round trip and saves more than 30 ms.
inline constexpr int move_halves = 2;
inline constexpr Duration move_saves = 30ms;
// Looked for one to three minutes after the third home is found, by when samples have come and
// nothing else is going on; half an hour to an hour after a move, and otherwise every two hours or
// so: 2 kB each, if there is somebody to be asked.
inline constexpr Duration look_first = 2min;
inline constexpr Duration look_after_move = 40min;
inline constexpr Duration look_again = 2h;

// --- who is remembered ---

// Whom nobody has named for so long makes room for somebody new.
inline constexpr Duration unnamed_for_long = 1h;

}  // namespace byway::limits

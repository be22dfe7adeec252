// The numbers of becoming a supernode and ceasing to be one, beside the sentences that chose them.
#pragma once

#include <cstddef>

#include "protocol/time.h"

namespace byway::limits::promotion {

// One address for this long, unless --promote-after says otherwise: most dial-up reconnects and
// sleeping laptops have shown themselves by then.
inline constexpr Duration promote_after = 20min;
// Less than eight supernodes known, and one more is welcome whatever the load.
inline constexpr std::size_t supernodes_wanted = 8;
// The nearest sixteen stand for the mesh around us. More than 60 % of their capacity used leaves
// too little for the leaves of one that fails; the wish ends only below 50 %, and above ten known
// supernodes, so that a figure that swings around its limit does not swing us.
inline constexpr double load_high = 0.60;
inline constexpr double load_relieved = 0.50;
inline constexpr std::size_t supernodes_relieved = 10;
// A fifth of the neighbourhood gone at once is a failure, and the leaves of those that failed are
// looking for homes now. After half an hour the smaller neighbourhood is what is usual.
inline constexpr double shrink = 0.20;
inline constexpr Duration shrink_remembered = 30min;
// Many see the same need at the same moment. Each waits for a random part of this (or of
// promote-after, in a lab where that is shorter), and looks again before it steps up.
inline constexpr Duration spread = 2min;
// A machine that could not take even this many leaves is more trouble than help.
inline constexpr std::size_t least_capacity = 32;
// While the address is another one and not yet proved, a supernode stays for so long: three dials
// take a few minutes.
inline constexpr Duration unproved_grace = 5min;
// Leaves told to find another home do so within seconds, and their records spread within a minute.
inline constexpr Duration hand_over = 60s;
// Who had to step down waits as long as if it were new, and twice as long each time after that.
// Whoever served for a day has made good for it.
inline constexpr int most_doublings = 6;
inline constexpr Duration steady = 24h;
// A new supernode takes a tenth of what it can at once (the least capacity at least), and all of
// it ten minutes later: it has not shown yet that it stays.
inline constexpr Duration ramp = 10min;
inline constexpr double ramp_from = 0.10;

}  // namespace byway::limits::promotion

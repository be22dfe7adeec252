// How patient a survey is, and how much of it a supernode bears.
#pragma once

#include <cstddef>

#include "protocol/time.h"

namespace byway::limits {

// --- asking ---

// Of a supernode that is there the handshake's answer comes within one round trip; in 5 s four of
// its messages were sent.
inline constexpr Duration survey_dial_patience = 5s;
// A question is asked three times, a second apart, and the last answer has a second to come.
inline constexpr Duration survey_resend = 1s;
inline constexpr int survey_sends = 3;
// A proof takes the dialler's 3 s (proof_limits.h) and two ways on each side of it. It is asked for
// once: for the helper the same again would be a second dial.
inline constexpr Duration survey_proof_patience = 8s;
inline constexpr std::size_t survey_questions = 4096;  // under way at once

// --- answering ---

// A network (a /24 or /48: keys cost nothing, addresses do) may ask so often. A thousand supernodes
// are told in 200 pages: 4 s. All tools together take a few percent of a core and 600 kB/s at most.
inline constexpr double surveys_per_asker = 50;  // a second
inline constexpr double surveys_burst = 100;
inline constexpr double surveys_per_second = 500;
inline constexpr double surveys_per_second_burst = 1000;

}  // namespace byway::limits

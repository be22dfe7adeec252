// A raw stream on this process's standard input and output: what `pipe` and `listen` end up with.
#pragma once

#include <cstdint>
#include <string>

#include "node/cli/command.h"
#include "node/cli/interrupts.h"
#include "node/control_codec.h"
#include "node/lent_ends.h"
#include "node/unique_fd.h"

namespace byway::cli {

constexpr int exit_interrupted = 130;

// Of standard input and output, what the node can be lent: to be told with the request.
LentEnds lendable_stdio();

// Carries it to its end (carry.h). With a terminal for input the peer's end is the end of both. The
// exit code; what failed has been said, beginning with `what` ("the pipe to bob").
int carry_on_stdio(const Call& call, UniqueFd stream, const control::Raw& raw, LentEnds lent,
                   const Interrupts& interrupts, const std::string& what);

}  // namespace byway::cli

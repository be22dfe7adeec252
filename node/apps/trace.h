// What `byway overlay trace` tells: how the conversation with a peer came about, step by step.
#pragma once

#include "node/apps/context.h"
#include "node/apps/replies.h"
#include "node/control_codec.h"

namespace byway {

// A line {"ms","kind","text"} for each step; then one of what came of it: {"peer","name","path",
// "endpoint","via","method","rtt_ms","why","left_out"}.
void tell_trace(const AppContext& context, const control::Trace& request, Replies& replies);

}  // namespace byway

// Why two peers are not connected directly, in one sentence that a person understands.
#pragma once

#include <string>

#include "overlay/link/hard_punch.h"
#include "overlay/link/punch.h"
#include "protocol/message.h"

namespace byway {

std::string why_relayed(const Punch& punch, const NatSummary& ours, const NatSummary& theirs,
                        std::size_t candidates, const HardPunch* hard = nullptr);

}  // namespace byway

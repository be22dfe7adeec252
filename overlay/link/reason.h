// Why two peers are not connected directly, in one sentence that a person understands.
#pragma once

#include <string>

#include "overlay/link/hard_punch.h"
#include "overlay/link/punch.h"
#include "overlay/link/tcp_punch.h"
#include "protocol/message.h"
#include "protocol/tcp_message.h"

namespace byway {

std::string why_relayed(const Punch& punch, const NatSummary& ours, const NatSummary& theirs,
                        std::size_t candidates, const HardPunch* hard = nullptr);

// Where UDP is blocked on a side: why not by TCP either.
struct TcpSide {
  bool blocked = false;  // its UDP
  Outlet outlet = Outlet::unknown;
  Behaviour nat = Behaviour::unknown;  // its NAT's mapping, for TCP
};
std::string why_tcp_relayed(const TcpSide& ours, const TcpSide& theirs, const TcpPunch& punch);

}  // namespace byway

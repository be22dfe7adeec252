// One way that datagrams to a node can go: straight to an endpoint, or in a lane at a relay.
#pragma once

#include "overlay/core/io.h"
#include "protocol/packet.h"

namespace byway {

struct Route {
  SocketId socket = main_socket;
  Proto proto = Proto::udp;
  Endpoint endpoint;  // the peer's; with a lane, the relay's
  LaneId lane = 0;    // 0: direct

  bool relayed() const { return lane != 0; }
  auto operator<=>(const Route&) const = default;
};

}  // namespace byway

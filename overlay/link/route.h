// One way that datagrams to a node can go: straight to an endpoint, by a TCP connection, or in a
// lane at a relay.
#pragma once

#include "overlay/core/io.h"
#include "protocol/packet.h"

namespace byway {

struct Route {
  SocketId socket = main_socket;
  Proto proto = Proto::udp;
  Endpoint endpoint;     // the peer's; with a lane, the relay's
  LaneId lane = 0;       // 0: direct
  TcpId connection = 0;  // where proto is tcp

  bool relayed() const { return lane != 0; }
  auto operator<=>(const Route&) const = default;
};

// How it came, and so how an answer goes back.
inline Route route_of(const Datagram& datagram) {
  return {datagram.socket, datagram.proto, datagram.from, 0, datagram.connection};
}

}  // namespace byway

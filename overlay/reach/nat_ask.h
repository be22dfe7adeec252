// A question about our NAT, on its way to a supernode.
#pragma once

#include "overlay/core/io.h"
#include "protocol/identity.h"
#include "protocol/nat_message.h"

namespace byway {

struct NatAsk {
  NodeId to;
  // From which socket, and to which of the supernode's ports. The main socket's questions go by
  // whatever way leads there.
  SocketId socket = main_socket;
  Endpoint at;
  NatMessage message;
};

}  // namespace byway

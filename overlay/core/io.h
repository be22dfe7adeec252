// What goes in and out of the core: datagrams that arrived, datagrams to be sent.
#pragma once

#include <optional>

#include "protocol/bytes.h"
#include "protocol/endpoint.h"
#include "protocol/time.h"

namespace byway {

// A local socket, by the number that the shell and the core agree on. 0 is the main UDP socket
// of the node; punching may ask for more of them.
using SocketId = std::uint16_t;
constexpr SocketId main_socket = 0;
// Only hears what is sent to the groups of protocol/lan_packet.h; nothing is sent from it.
constexpr SocketId lan_socket = 0xffff;

struct Datagram {
  Endpoint from;
  ByteView bytes;
  SocketId socket = main_socket;
  Proto proto = Proto::udp;
};

struct Transmit {
  Endpoint to;
  Bytes bytes;
  // Where bytes holds several datagrams: the size of each (the last may be shorter), ready for
  // UDP_SEGMENT. 0: bytes is one datagram.
  std::size_t segment_size = 0;
  SocketId socket = main_socket;
  Proto proto = Proto::udp;
  std::uint8_t ttl = 0;  // 0: the system's
};

}  // namespace byway

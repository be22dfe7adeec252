// What goes in and out of the core: datagrams that arrived, datagrams to be sent.
#pragma once

#include <optional>
#include <variant>

#include "protocol/bytes.h"
#include "protocol/endpoint.h"
#include "protocol/time.h"

namespace byway {

// A local UDP socket, by the number that the shell and the core agree on: 0 is the main socket of
// the node (one for each address family), 1 … 4095 are spare ones that the core asks for
// (overlay/core/sockets.h), and the shell's further listening sockets come after those.
using SocketId = std::uint16_t;
constexpr SocketId main_socket = 0;
constexpr SocketId first_spare_socket = 1;
constexpr SocketId last_spare_socket = 4095;
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

// A spare socket is wanted. The shell answers with on_socket_opened or on_socket_failed; what is
// sent from it meanwhile leaves from it, or is lost.
struct OpenSocket {
  SocketId id;
  // Where to bind it. None: where the main socket is bound, at a port that the system chooses. An
  // unspecified address: where the first listening socket of that family is bound; port 0 likewise.
  std::optional<Endpoint> bind;
};
// After everything that was sent from it.
struct CloseSocket {
  SocketId id;
};
using SocketOrder = std::variant<OpenSocket, CloseSocket>;

}  // namespace byway

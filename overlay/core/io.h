// What goes in and out of the core: datagrams that arrived, datagrams to be sent, and TCP
// connections for those that cannot travel by UDP.
#pragma once

#include <optional>
#include <string_view>
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

// A TCP connection, by the number that the core gave it; never used twice. 0: none.
using TcpId = std::uint32_t;

struct Datagram {
  Endpoint from;
  ByteView bytes;
  SocketId socket = main_socket;
  Proto proto = Proto::udp;
  // Where bytes holds several datagrams of one sender that arrived together (a train): the size of
  // each; the last may be shorter. 0: bytes is one datagram.
  std::size_t segment_size = 0;
  TcpId connection = 0;  // by which it came, where proto is tcp
};

struct Transmit {
  Endpoint to;
  Bytes bytes;
  // What is only passed on is not copied: it lies where it was received, `bytes` is empty, and it
  // is to be sent or copied before the receive buffer is used again (overlay.h).
  ByteView borrowed;
  // Where bytes holds several datagrams: the size of each (the last may be shorter), ready for
  // UDP_SEGMENT. 0: bytes is one datagram.
  std::size_t segment_size = 0;
  SocketId socket = main_socket;
  Proto proto = Proto::udp;
  std::uint8_t ttl = 0;  // 0: the system's
  TcpId connection = 0;  // where proto is tcp; gone meanwhile: dropped

  ByteView view() const { return borrowed.empty() ? ByteView{bytes} : borrowed; }
  void own() {
    if (borrowed.empty()) return;
    bytes = to_bytes(borrowed);
    borrowed = {};
  }
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

// The near end of a connection that is to be opened.
enum class TcpFrom : std::uint8_t {
  // The port on which TCP is listened, so that every connection has one outside endpoint where the
  // NAT allows it; where that port is not free, any other.
  listening,
  listening_only,  // not any other: the peer expects this one
  fresh            // any other: a NAT that counts gives each its next one outside
};
struct OpenTcp {
  TcpId id;
  Endpoint to;
  TcpFrom from = TcpFrom::listening;
};
// No more is heard of it. What was to be sent on it still leaves where that costs no waiting.
struct CloseTcp {
  TcpId id;
};
using TcpOrder = std::variant<OpenTcp, CloseTcp>;

enum class TcpEnd : std::uint8_t {
  refused,    // a reset in answer to the attempt
  timed_out,  // no answer to the attempt
  taken,      // a connection between the same two endpoints exists: theirs was first
  closed,     // by the other end, or reset
  broken,     // what came in was not our framing
  unable      // this host could not: no route, no address of that family, no room
};
std::string_view to_string(TcpEnd end);

}  // namespace byway

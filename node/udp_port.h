// The node's UDP sockets. Asio only says when one is readable or writable again; the datagrams
// themselves go by recvmmsg and sendmmsg on the native handle, many per system call:
//
//   in    a batch of messages, each of which may be a whole train of datagrams of one sender that
//         the kernel joined (UDP_GRO); handed on as it is, with no copy
//   out   what is sent between two flushes is gathered; neighbours with the same target and size
//         leave as one train (UDP_SEGMENT). What is only passed on leaves from the receive buffer,
//         and is copied only where the socket is full
//
// Where the kernel has neither, or a device refuses a train, the same datagrams go one by one.
// A send that fails is counted and not told: UDP promises nothing, and the layers above notice.
// Beside the listening sockets there are spare ones, opened and closed as the core asks (see
// OpenSocket); what is to leave from a spare socket that is not open is not sent at all. Spare
// sockets keep the order among themselves: it decides which ports a NAT gives them.
// On request the kernel tells when it received each message (SO_TIMESTAMPNS), which is what ping(8)
// goes by: how soon we were woken and came to it is left out.
// All sockets set "don't fragment" and ignore the kernel's path MTU cache (packet size is the
// stream layer's decision, and an ICMP message proves nothing).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "node/outcome.h"
#include "overlay/core/io.h"
#include "protocol/time.h"

namespace byway {

class UdpPort {
 public:
  struct Options {
    bool receive_trains = true;  // UDP_GRO
    bool send_trains = true;     // UDP_SEGMENT
    int buffer_bytes = 4 << 20;  // asked of the kernel, each way
    bool joins = false;          // binds where another port of ours shares (SO_REUSEPORT)
  };
  struct Counters {
    std::uint64_t receive_calls = 0;
    std::uint64_t trains_in = 0;
    std::uint64_t send_calls = 0;
    std::uint64_t trains_out = 0;
    std::uint64_t send_errors = 0;   // the kernel refused it: no route, too large …
    std::uint64_t dropped_full = 0;  // the socket stayed full for too long
    std::uint64_t no_socket = 0;     // none of this protocol or family, or that spare one is closed

    Counters& operator+=(const Counters& other);
  };
  // Datagrams, and trains of them, that arrived together; their bytes live until the call returns.
  using Receive = std::function<void(std::span<const Datagram>)>;
  // The memory of what was sent.
  using Spent = std::function<void(Bytes)>;

  UdpPort(boost::asio::io_context& io, Options options);
  explicit UdpPort(boost::asio::io_context& io) : UdpPort(io, Options{}) {}
  ~UdpPort();
  UdpPort(const UdpPort&) = delete;
  UdpPort& operator=(const UdpPort&) = delete;

  // Binds one socket more. The first of each address family is the main socket of that family: for
  // the core they are one, since the address says which is meant. The problem names --listen.
  Outcome<Endpoint> bind(const Endpoint& endpoint);
  // Lets others join the listening sockets from now on: the kernel then deals out what arrives by
  // its two endpoints. Before that nobody could have had the same port, so nobody else's is shared.
  void share();
  void start(Receive receive);
  void on_spent(Spent spent) { spent_ = std::move(spent); }
  void close();
  // From now on, or no longer: arrived() is known. It costs every message a clock's reading.
  void stamp_arrivals(bool wanted);
  // While datagrams are handed on: when the kernel received the last of them. None: not known.
  std::optional<TimePoint> arrived() const { return arrived_; }

  // A spare socket, and where it is bound. Nothing: the system has none for us.
  std::optional<Endpoint> open_spare(SocketId id, const std::optional<Endpoint>& bind);
  void close_spare(SocketId id);  // after what was gathered for it

  // Gathers; flush() sends. Whoever sends a lot is flushed in between.
  void send(Transmit transmit);
  void flush();
  // Once, just before something is handed to the kernel.
  void before_next_call(std::function<void()> tell) { before_call_ = std::move(tell); }

  // What each listening socket is bound to, with the port it really has.
  std::vector<Endpoint> bound() const;
  // Of the main socket of that family; -1: there is none.
  int main_handle(bool v6) const;
  const Counters& counters() const { return counters_; }

 private:
  struct Socket;
  struct Buffers;

  Outcome<std::shared_ptr<Socket>> make_socket(SocketId id, const Endpoint& endpoint);
  void wait_readable(const std::shared_ptr<Socket>& socket);
  void on_readable(const std::shared_ptr<Socket>& socket);
  SocketId id_for(const Endpoint& endpoint) const;
  bool receive_batch(Socket& socket);
  Socket* socket_for(const Transmit& transmit);
  void send_gathered(Socket& socket);
  void wait_writable(Socket& socket);

  boost::asio::io_context& io_;
  Options options_;
  Receive receive_;
  Spent spent_;
  std::function<void()> before_call_;
  std::vector<std::shared_ptr<Socket>> sockets_;
  std::map<SocketId, std::shared_ptr<Socket>> spare_;
  SocketId gathering_ = main_socket;  // the spare socket that was last sent from, until a flush
  std::unique_ptr<Buffers> buffers_;
  bool stamps_ = false;
  std::optional<TimePoint> arrived_;
  Counters counters_;
  // Gone with us: what Asio still has to tell then, nobody hears.
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace byway

// The node's TCP: listeners, and the connections that were accepted or asked for. To the core a
// connection is a number by which datagrams come and go (protocol/tcp_frame.h); this is all that
// knows of streams of bytes, and of how full they are.
//
//   out   what is sent between two flushes leaves with one system call. A connection that is full
//         keeps 256 KiB and then drops the oldest datagrams whole: they may be lost, what is
//         above copes, and nobody ever waits for a slow reader
//   in    what one read brought is handed on as one batch
//
// Connections leave from the port on which we listen (SO_REUSEADDR and SO_REUSEPORT on all), so
// that a NAT that keeps one outside endpoint for an inside one does so for all of them. That is
// what makes a hole that a peer can foresee. TCP_USER_TIMEOUT ends what is not acknowledged.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "node/outcome.h"
#include "overlay/core/io.h"

namespace byway {

class TcpPort {
 public:
  struct Options {
    std::size_t queue_bytes = 256 * 1024;  // waiting to be sent, of one connection
    // Listening rests beyond. 0: half of the files that this process may open; as many as it may
    // ask for are asked for.
    std::size_t most_connections = 0;
  };
  struct Counters {
    std::uint64_t opened = 0;
    std::uint64_t accepted = 0;
    std::uint64_t failed = 0;         // attempts of ours
    std::uint64_t broken = 0;         // closed because of what came in
    std::uint64_t dropped_full = 0;   // datagrams
    std::uint64_t no_connection = 0;  // datagrams for one that is gone
  };
  struct Hear {
    // Datagrams that arrived together; their bytes live until the call returns.
    std::function<void(std::span<const Datagram>)> datagrams;
    std::function<TcpId(const Endpoint& local, const Endpoint& remote)> accepted;
    std::function<void(TcpId, const Endpoint& local)> opened;
    std::function<void(TcpId, TcpEnd)> closed;
  };

  TcpPort(boost::asio::io_context& io, Options options);
  explicit TcpPort(boost::asio::io_context& io) : TcpPort(io, Options{}) {}
  ~TcpPort();
  TcpPort(const TcpPort&) = delete;
  TcpPort& operator=(const TcpPort&) = delete;

  // Before or after start(). The problem names --listen. Connections leave from the ports of
  // those with `shared`; others only listen.
  Outcome<Endpoint> listen(const Endpoint& endpoint, bool shared = true);
  void start(Hear hear);
  void close();

  void carry_out(const TcpOrder& order);
  // Gathers; flush() sends.
  void send(const Transmit& transmit);
  void flush();

  // What is listened on, with the port it really has.
  std::vector<Endpoint> listening() const;
  std::size_t connections() const { return connections_.size(); }
  const Counters& counters() const { return counters_; }

 private:
  struct Listener;
  struct Connection;
  using ConnectionPtr = std::shared_ptr<Connection>;

  void wait_for_callers(Listener& listener);
  void accept_callers(Listener& listener);
  void open(const OpenTcp& order);
  int connect(const OpenTcp& order, Connection& connection, bool from_shared);
  const Listener* shared_listener(const IpAddress& to) const;
  void on_connected(const ConnectionPtr& connection);
  void begin(const ConnectionPtr& connection);
  void fail_later(TcpId id, TcpEnd why);
  void wait_readable(const ConnectionPtr& connection);
  void on_readable(const ConnectionPtr& connection);
  void queue(Connection& connection, ByteView datagram);
  void write(const ConnectionPtr& connection);
  void wait_writable(const ConnectionPtr& connection);
  void end(const ConnectionPtr& connection, TcpEnd why);

  boost::asio::io_context& io_;
  Options options_;
  Hear hear_;
  bool started_ = false;
  bool closed_ = false;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::map<TcpId, ConnectionPtr> connections_;
  std::vector<ConnectionPtr> unflushed_;
  Bytes room_;
  std::vector<ByteView> frames_;
  std::vector<Datagram> batch_;
  Counters counters_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace byway

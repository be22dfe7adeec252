#include "node/tcp_port.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <deque>

#include "node/socket_address.h"
#include "protocol/tcp_frame.h"

namespace byway {
namespace {

namespace ip = boost::asio::ip;

constexpr int listen_backlog = 128;
constexpr int callers_at_once = 32;            // then others have their turn
constexpr std::size_t read_room = 128 * 1024;  // of one read
constexpr int reads_at_once = 4;
constexpr int user_timeout_ms = 10'000;      // unacknowledged for so long: it is gone
constexpr int unsent_in_kernel = 64 * 1024;  // more waits here, where the oldest can be dropped
constexpr std::size_t vectors_at_once = 64;
constexpr auto rest_when_full = std::chrono::milliseconds{200};

Endpoint near_end(int fd) {
  SocketAddress address;
  socklen_t size = sizeof(address);
  return ::getsockname(fd, &address.any, &size) == 0 ? endpoint_of(address) : Endpoint{};
}

std::optional<Endpoint> far_end(int fd) {
  SocketAddress address;
  socklen_t size = sizeof(address);
  if (::getpeername(fd, &address.any, &size) != 0) return std::nullopt;
  return endpoint_of(address);
}

void set_option(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof(value));  // best effort
}

int make_socket(const IpAddress& family_of) {
  const int family = family_of.is_v4() ? AF_INET : AF_INET6;
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd >= 0 && family == AF_INET6) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  return fd;
}

void tune(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms);
  set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, unsent_in_kernel);
}

ip::tcp protocol_of(const IpAddress& address) {
  return address.is_v4() ? ip::tcp::v4() : ip::tcp::v6();
}

TcpEnd end_for(int error) {
  switch (error) {
    case ECONNREFUSED:
    case ECONNRESET:
      return TcpEnd::refused;
    case ETIMEDOUT:
    case EHOSTUNREACH:
      return TcpEnd::timed_out;
    case EADDRNOTAVAIL:
    case EADDRINUSE:
    case EISCONN:
      return TcpEnd::taken;
    default:
      return TcpEnd::unable;
  }
}

std::size_t room_for_connections() {
  constexpr rlim_t plenty = 65'536;
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return 512;
  rlimit more = files;
  more.rlim_cur = std::max(files.rlim_cur, std::min(files.rlim_max, plenty));
  if (::setrlimit(RLIMIT_NOFILE, &more) == 0) files = more;
  return static_cast<std::size_t>(std::min(files.rlim_cur, plenty) / 2);
}

}  // namespace

struct TcpPort::Listener {
  explicit Listener(boost::asio::io_context& io) : handle(io), rest(io) {}
  ip::tcp::acceptor handle;
  boost::asio::steady_timer rest;  // while there is no room for another connection
  Endpoint bound;
  bool shared = true;
};

struct TcpPort::Connection {
  explicit Connection(boost::asio::io_context& io) : handle(io) {}
  ip::tcp::socket handle;
  TcpId id = 0;
  Endpoint remote;
  bool open = false;
  bool full = false;       // waiting until it is writable
  bool unflushed = false;  // among those that flush() looks at
  TcpFrameReader reader;
  // Framed, the oldest first; of the first one `sent` bytes are gone, so it cannot be dropped.
  std::deque<Bytes> waiting;
  std::size_t waiting_bytes = 0;
  std::size_t sent = 0;
  bool greeted = false;  // our opening is in the queue, or gone
};

TcpPort::TcpPort(boost::asio::io_context& io, Options options)
    : io_(io), options_(options), room_(read_room) {
  if (options_.most_connections == 0) options_.most_connections = room_for_connections();
}

TcpPort::~TcpPort() = default;

// --- listening -----------------------------------------------------------------------------------

Outcome<Endpoint> TcpPort::listen(const Endpoint& endpoint, bool shared) {
  const auto failed = [&](int error, const std::string& remedy) {
    return Problem{"--listen " + endpoint.to_string() + " (TCP): " + std::strerror(error) + remedy};
  };
  const int fd = make_socket(endpoint.address);
  if (fd < 0) return failed(errno, "; this system may lack the address family, leave it out");
  set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (shared) set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  SocketAddress address;
  const socklen_t length = fill(address, endpoint);
  if (::bind(fd, &address.any, length) != 0 || ::listen(fd, listen_backlog) != 0) {
    const int error = errno;
    ::close(fd);
    if (error == EADDRINUSE)
      return failed(error, "; choose another port, or stop the program that has it");
    if (error == EADDRNOTAVAIL)
      return failed(error, "; it must be an address of this host, or 0.0.0.0 for all of them");
    if (error == EACCES) return failed(error, "; ports below 1024 need privileges");
    return failed(error, "");
  }
  auto listener = std::make_unique<Listener>(io_);
  boost::system::error_code ignored;
  listener->handle.assign(protocol_of(endpoint.address), fd, ignored);
  listener->bound = near_end(fd);
  listener->shared = shared;
  listeners_.push_back(std::move(listener));
  if (started_) wait_for_callers(*listeners_.back());
  return listeners_.back()->bound;
}

void TcpPort::start(Hear hear) {
  hear_ = std::move(hear);
  started_ = true;
  for (auto& listener : listeners_) wait_for_callers(*listener);
}

void TcpPort::close() {
  closed_ = true;
  boost::system::error_code ignored;
  for (auto& listener : listeners_) {
    listener->rest.cancel();
    listener->handle.close(ignored);
  }
  for (auto& [id, connection] : connections_) connection->handle.close(ignored);
  connections_.clear();
  unflushed_.clear();
}

std::vector<Endpoint> TcpPort::listening() const {
  std::vector<Endpoint> all;
  for (const auto& listener : listeners_) all.push_back(listener->bound);
  return all;
}

void TcpPort::wait_for_callers(Listener& listener) {
  const auto again = [this, &listener,
                      alive = std::weak_ptr<int>(alive_)](const boost::system::error_code& error) {
    if (!error && !alive.expired() && !closed_) accept_callers(listener);
  };
  if (connections_.size() < options_.most_connections)
    return listener.handle.async_wait(ip::tcp::acceptor::wait_read, again);
  listener.rest.expires_after(rest_when_full);
  listener.rest.async_wait(again);
}

void TcpPort::accept_callers(Listener& listener) {
  bool out_of_files = false;
  for (int i = 0; i < callers_at_once && connections_.size() < options_.most_connections; ++i) {
    SocketAddress from;
    socklen_t size = sizeof(from);
    const int fd =
        ::accept4(listener.handle.native_handle(), &from.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      out_of_files = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
      if (errno == ECONNABORTED || errno == EINTR) continue;
      break;
    }
    const Endpoint remote = endpoint_of(from);
    const TcpId id = hear_.accepted(near_end(fd), remote);
    if (id == 0) {
      // A reset, and no state left in the kernel for a caller who was one too many.
      const linger at_once{1, 0};
      ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
      ::close(fd);
      continue;
    }
    auto connection = std::make_shared<Connection>(io_);
    boost::system::error_code ignored;
    connection->handle.assign(protocol_of(remote.address), fd, ignored);
    connection->id = id;
    connection->remote = remote;
    ++counters_.accepted;
    connections_[id] = connection;
    begin(connection);
  }
  if (!listener.handle.is_open()) return;
  if (!out_of_files) return wait_for_callers(listener);
  listener.rest.expires_after(rest_when_full);
  listener.rest.async_wait([this, &listener, alive = std::weak_ptr<int>(alive_)](
                               const boost::system::error_code& error) {
    if (!error && !alive.expired() && !closed_) wait_for_callers(listener);
  });
}

// --- connecting ----------------------------------------------------------------------------------

void TcpPort::carry_out(const TcpOrder& order) {
  if (closed_) return;
  if (const auto* wish = std::get_if<OpenTcp>(&order)) return open(*wish);
  const auto found = connections_.find(std::get<CloseTcp>(order).id);
  if (found == connections_.end()) return;
  const ConnectionPtr connection = found->second;
  if (connection->open && !connection->full) write(connection);
  connections_.erase(connection->id);
  boost::system::error_code ignored;
  connection->handle.close(ignored);
}

const TcpPort::Listener* TcpPort::shared_listener(const IpAddress& to) const {
  for (const auto& listener : listeners_)
    if (listener->shared && listener->bound.address.is_v4() == to.is_v4()) return listener.get();
  return nullptr;
}

// 0, or why not.
int TcpPort::connect(const OpenTcp& order, Connection& connection, bool from_shared) {
  const int fd = make_socket(order.to.address);
  if (fd < 0) return errno;
  const auto fail = [&](int error) {
    ::close(fd);
    return error;
  };
  tune(fd);
  const Listener* listener = from_shared ? shared_listener(order.to.address) : nullptr;
  if (from_shared && !listener) return fail(EADDRNOTAVAIL);
  SocketAddress address;
  if (listener) {
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    const socklen_t length = fill(address, listener->bound);
    if (::bind(fd, &address.any, length) != 0) return fail(errno);
  }
  const socklen_t length = fill(address, order.to);
  if (::connect(fd, &address.any, length) != 0 && errno != EINPROGRESS) return fail(errno);
  boost::system::error_code ignored;
  connection.handle.assign(protocol_of(order.to.address), fd, ignored);
  return 0;
}

void TcpPort::open(const OpenTcp& order) {
  auto connection = std::make_shared<Connection>(io_);
  connection->id = order.id;
  connection->remote = order.to;
  int error = EADDRNOTAVAIL;
  if (order.from != TcpFrom::fresh) error = connect(order, *connection, true);
  if (error != 0 && order.from != TcpFrom::listening_only)
    error = connect(order, *connection, false);
  if (error != 0) return fail_later(order.id, end_for(error));
  connections_[order.id] = connection;
  connection->handle.async_wait(ip::tcp::socket::wait_write,
                                [this, connection, alive = std::weak_ptr<int>(alive_)](
                                    const boost::system::error_code& failure) {
                                  if (!failure && !alive.expired() && connection->handle.is_open())
                                    on_connected(connection);
                                });
}

// The core is told after it has been asked, not while.
void TcpPort::fail_later(TcpId id, TcpEnd why) {
  ++counters_.failed;
  boost::asio::post(io_, [this, id, why, alive = std::weak_ptr<int>(alive_)] {
    if (!alive.expired() && !closed_) hear_.closed(id, why);
  });
}

void TcpPort::on_connected(const ConnectionPtr& connection) {
  const int fd = connection->handle.native_handle();
  int error = 0;
  socklen_t size = sizeof(error);
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  const auto remote = far_end(fd);
  if (error == 0 && !remote) error = ENOTCONN;
  // A SYN that meets its own sender makes a connection of a socket with itself.
  if (error == 0 && *remote == near_end(fd)) error = EADDRINUSE;
  if (error != 0) {
    ++counters_.failed;
    return end(connection, end_for(error));
  }
  ++counters_.opened;
  begin(connection);
  hear_.opened(connection->id, near_end(fd));
}

void TcpPort::begin(const ConnectionPtr& connection) {
  tune(connection->handle.native_handle());
  connection->open = true;
  wait_readable(connection);
}

void TcpPort::end(const ConnectionPtr& connection, TcpEnd why) {
  connections_.erase(connection->id);
  boost::system::error_code ignored;
  connection->handle.close(ignored);
  hear_.closed(connection->id, why);
}

// --- in ------------------------------------------------------------------------------------------

void TcpPort::wait_readable(const ConnectionPtr& connection) {
  connection->handle.async_wait(ip::tcp::socket::wait_read,
                                [this, connection, alive = std::weak_ptr<int>(alive_)](
                                    const boost::system::error_code& error) {
                                  if (!error && !alive.expired() && connection->handle.is_open())
                                    on_readable(connection);
                                });
}

void TcpPort::on_readable(const ConnectionPtr& connection) {
  for (int i = 0; i < reads_at_once; ++i) {
    const ssize_t count =
        ::recv(connection->handle.native_handle(), room_.data(), room_.size(), MSG_DONTWAIT);
    if (count == 0) return end(connection, TcpEnd::closed);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      return end(connection, TcpEnd::closed);
    }
    frames_.clear();
    const auto read = static_cast<std::size_t>(count);
    const bool sound = connection->reader.feed(ByteView(room_).first(read), frames_);
    batch_.clear();
    for (const ByteView frame : frames_)
      batch_.push_back({.from = connection->remote,
                        .bytes = frame,
                        .proto = Proto::tcp,
                        .connection = connection->id});
    if (!batch_.empty()) hear_.datagrams(batch_);
    if (!connection->handle.is_open()) return;  // so the core decided
    if (!sound) {
      ++counters_.broken;
      return end(connection, TcpEnd::broken);
    }
    if (read < room_.size()) break;
  }
  wait_readable(connection);
}

// --- out -----------------------------------------------------------------------------------------

void TcpPort::send(const Transmit& transmit) {
  const auto found = connections_.find(transmit.connection);
  if (found == connections_.end() || !found->second->open) {
    ++counters_.no_connection;
    return;
  }
  Connection& connection = *found->second;
  ByteView rest = transmit.view();
  const std::size_t segment = transmit.segment_size ? transmit.segment_size : rest.size();
  while (!rest.empty()) {
    const ByteView datagram = rest.first(std::min(segment, rest.size()));
    rest = rest.subspan(datagram.size());
    queue(connection, datagram);
  }
  // Whoever sends a lot is flushed in between, before anything has to be dropped.
  if (!connection.full && connection.waiting_bytes > options_.queue_bytes / 4)
    return write(found->second);
  if (!std::exchange(connection.unflushed, true)) unflushed_.push_back(found->second);
}

void TcpPort::queue(Connection& connection, ByteView datagram) {
  if (datagram.empty() || datagram.size() > max_tcp_datagram) return;
  Bytes framed;
  framed.reserve(datagram.size() + tcp_opening.size() + tcp_frame_header_size);
  if (!std::exchange(connection.greeted, true)) append(framed, tcp_opening);
  append_tcp_frame(framed, datagram);
  connection.waiting_bytes += framed.size();
  connection.waiting.push_back(std::move(framed));

  // The oldest goes, unless part of it has gone already, or the opening is in it.
  const auto& waiting = connection.waiting;
  while (connection.waiting_bytes > options_.queue_bytes && waiting.size() > 2) {
    const auto oldest = std::next(connection.waiting.begin());
    connection.waiting_bytes -= oldest->size();
    connection.waiting.erase(oldest);
    ++counters_.dropped_full;
  }
}

void TcpPort::flush() {
  const auto all = std::exchange(unflushed_, {});
  for (const ConnectionPtr& connection : all) {
    connection->unflushed = false;
    if (connection->open && !connection->full) write(connection);
  }
}

void TcpPort::write(const ConnectionPtr& connection) {
  Connection& c = *connection;
  while (!c.waiting.empty() && c.handle.is_open()) {
    std::array<iovec, vectors_at_once> vectors;
    std::size_t count = 0;
    for (Bytes& framed : c.waiting) {
      if (count == vectors.size()) break;
      const std::size_t skip = count == 0 ? c.sent : 0;
      vectors[count++] = {framed.data() + skip, framed.size() - skip};
    }
    msghdr header{};
    header.msg_iov = vectors.data();
    header.msg_iovlen = count;
    const ssize_t sent = ::sendmsg(c.handle.native_handle(), &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return wait_writable(connection);
      // It is gone: reading tells so, and the core is told then.
      c.waiting.clear();
      c.waiting_bytes = c.sent = 0;
      return;
    }
    c.sent += static_cast<std::size_t>(sent);
    while (!c.waiting.empty() && c.sent >= c.waiting.front().size()) {
      c.sent -= c.waiting.front().size();
      c.waiting_bytes -= c.waiting.front().size();
      c.waiting.pop_front();
    }
  }
}

void TcpPort::wait_writable(const ConnectionPtr& connection) {
  connection->full = true;
  connection->handle.async_wait(ip::tcp::socket::wait_write,
                                [this, connection, alive = std::weak_ptr<int>(alive_)](
                                    const boost::system::error_code& error) {
                                  connection->full = false;
                                  if (!error && !alive.expired() && connection->handle.is_open())
                                    write(connection);
                                });
}

}  // namespace byway

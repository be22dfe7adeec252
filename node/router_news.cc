#include "node/router_news.h"

#include <algorithm>
#include <boost/asio/ip/v6_only.hpp>

#include "node/default_routes.h"
#include "node/socket_address.h"
#include "protocol/pcp.h"

namespace byway {
namespace {

namespace ip = boost::asio::ip;

constexpr Duration rest_for = std::chrono::seconds{10};
constexpr int datagrams_per_wake_up = 16;  // then others have their turn

bool is_router(const IpAddress& address) {
  if (address.scope() == Scope::link_local) return true;
  const auto routes = default_routes(address.is_v6());
  return std::any_of(routes.begin(), routes.end(),
                     [&](const DefaultRoute& route) { return route.gateway == address; });
}

}  // namespace

RouterNews::RouterNews(boost::asio::io_context& io, std::function<void()> tell)
    : v4_(io), v6_(io), timer_(io), tell_(std::move(tell)) {}

// Every host is in both groups by itself (RFC 1112, RFC 4291); nothing has to be joined.
void RouterNews::start() {
  open(v4_, false);
  open(v6_, true);
}

void RouterNews::open(Socket& socket, bool v6) {
  boost::system::error_code error;
  socket.open(v6 ? ip::udp::v6() : ip::udp::v4(), error);
  if (error) return;
  if (v6) socket.set_option(ip::v6_only(true), error);
  socket.set_option(ip::udp::socket::reuse_address(true), error);
  socket.bind({v6 ? ip::udp::v6() : ip::udp::v4(), pcp_client_port}, error);
  if (!error) socket.non_blocking(true, error);
  if (error) {
    socket.close(error);
    return;
  }
  wait(socket);
}

void RouterNews::wait(Socket& socket) {
  socket.async_wait(Socket::wait_read, [this, &socket, alive = std::weak_ptr<int>(alive_)](
                                           const boost::system::error_code& error) {
    if (error || alive.expired()) return;
    std::array<std::uint8_t, pcp_max_size + 1> buffer;
    for (int i = 0; i < datagrams_per_wake_up; ++i) {
      SocketAddress from{};
      socklen_t length = sizeof(from);
      const ssize_t size = ::recvfrom(socket.native_handle(), buffer.data(), buffer.size(),
                                      MSG_DONTWAIT, &from.any, &length);
      if (size < 0) break;
      on_datagram(endpoint_of(from), {buffer.data(), static_cast<std::size_t>(size)});
      if (alive.expired()) return;
    }
    wait(socket);
  });
}

void RouterNews::on_datagram(const Endpoint& from, ByteView datagram) {
  const bool news =
      from.port == pcp_server_port && is_router_announcement(datagram) && is_router(from.address);
  if (!news) return;
  heard_ = true;
  if (!resting_) rest();
}

void RouterNews::rest() {
  resting_ = std::exchange(heard_, false);
  if (!resting_) return;
  timer_.expires_after(rest_for);
  timer_.async_wait(
      [this, alive = std::weak_ptr<int>(alive_)](const boost::system::error_code& error) {
        if (!error && !alive.expired()) rest();
      });
  tell_();
}

}  // namespace byway

#include "node/lan_port.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/v6_only.hpp>
#include <cerrno>
#include <cstring>

#include "protocol/lan_packet.h"

namespace byway {
namespace {

namespace ip = boost::asio::ip;

constexpr std::size_t interfaces_at_most = 16;
constexpr int datagrams_per_wake_up = 64;  // then others have their turn

// Interfaces that are up, can multicast, and have an address of the family; without loopback.
std::vector<unsigned> interfaces(bool v6) {
  std::vector<unsigned> found;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return found;
  for (const ifaddrs* i = list; i; i = i->ifa_next) {
    const bool fits = i->ifa_addr && i->ifa_addr->sa_family == (v6 ? AF_INET6 : AF_INET);
    if (!fits || !(i->ifa_flags & IFF_UP) || !(i->ifa_flags & IFF_MULTICAST) ||
        (i->ifa_flags & IFF_LOOPBACK))
      continue;
    const unsigned number = ::if_nametoindex(i->ifa_name);
    if (number != 0 && std::find(found.begin(), found.end(), number) == found.end() &&
        found.size() < interfaces_at_most)
      found.push_back(number);
  }
  ::freeifaddrs(list);
  return found;
}

in_addr v4_group() {
  in_addr group;
  std::memcpy(&group, lan_group_v4().address.bytes().data(), sizeof(group));
  return group;
}
in6_addr v6_group() {
  in6_addr group;
  std::memcpy(&group, lan_group_v6().address.bytes().data(), sizeof(group));
  return group;
}

void change_membership(int fd, bool v6, unsigned interface, bool join) {
  if (v6) {
    ipv6_mreq request{};
    request.ipv6mr_multiaddr = v6_group();
    request.ipv6mr_interface = interface;
    ::setsockopt(fd, IPPROTO_IPV6, join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &request,
                 sizeof(request));
    return;
  }
  ip_mreqn request{};
  request.imr_multiaddr = v4_group();
  request.imr_ifindex = static_cast<int>(interface);
  ::setsockopt(fd, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &request,
               sizeof(request));
}

}  // namespace

LanPort::LanPort(boost::asio::io_context& io) : v4_(io), v6_(io) {}

void LanPort::start(std::function<void(const Datagram&)> receive) {
  receive_ = std::move(receive);
  open(v4_, false);
  open(v6_, true);
  join();
}

void LanPort::open(Socket& socket, bool v6) {
  boost::system::error_code error;
  socket.open(v6 ? ip::udp::v6() : ip::udp::v4(), error);
  if (error) return;
  if (v6) socket.set_option(ip::v6_only(true), error);
  socket.set_option(ip::udp::socket::reuse_address(true), error);
  // Bound to the group, not to every address: only what was sent to everybody arrives here.
  const ip::address group = v6 ? ip::address(ip::make_address_v6(
                                     ip::address_v6::bytes_type(lan_group_v6().address.mapped())))
                               : ip::address(ip::make_address("239.255.98.119"));
  socket.bind({group, lan_port}, error);
  if (!error) socket.non_blocking(true, error);
  if (error) {
    socket.close(error);
    return;
  }
  wait(socket);
}

void LanPort::join() {
  const auto follow = [](Socket& socket, bool v6, std::vector<unsigned>& joined) {
    if (!socket.is_open()) return;
    auto wanted = interfaces(v6);
    // Left and joined again: an interface that was taken down has forgotten us, under its old
    // number.
    for (const unsigned interface : joined)
      change_membership(socket.native_handle(), v6, interface, false);
    for (const unsigned interface : wanted)
      change_membership(socket.native_handle(), v6, interface, true);
    joined = std::move(wanted);
  };
  follow(v4_, false, joined_v4_);
  follow(v6_, true, joined_v6_);
}

void LanPort::close() {
  boost::system::error_code ignored;
  v4_.close(ignored);
  v6_.close(ignored);
}

void LanPort::wait(Socket& socket) {
  socket.async_wait(Socket::wait_read, [this, &socket, alive = std::weak_ptr<int>(alive_)](
                                           const boost::system::error_code& error) {
    if (error || alive.expired()) return;
    drain(socket);
    if (socket.is_open()) wait(socket);
  });
}

void LanPort::drain(Socket& socket) {
  for (int i = 0; i < datagrams_per_wake_up && socket.is_open(); ++i) {
    std::array<std::uint8_t, lan_packet_size + 1> bytes;  // what is longer is no packet of ours
    ip::udp::endpoint from;
    boost::system::error_code error;
    const std::size_t size = socket.receive_from(boost::asio::buffer(bytes), from, 0, error);
    if (error) return;
    Datagram datagram{.bytes = ByteView(bytes).first(size), .socket = lan_socket};
    datagram.from.port = from.port();
    if (from.address().is_v4())
      datagram.from.address = IpAddress::v4(from.address().to_v4().to_bytes());
    else
      datagram.from.address = IpAddress::v6(from.address().to_v6().to_bytes());
    receive_(datagram);
  }
}

void LanPort::send(const Transmit& transmit, int main) const {
  const bool v6 = transmit.to.address.is_v6();
  for (const unsigned interface : v6 ? joined_v6_ : joined_v4_) {
    if (v6) {
      sockaddr_in6 to{};
      to.sin6_family = AF_INET6;
      to.sin6_port = htons(transmit.to.port);
      to.sin6_addr = v6_group();
      const int number = static_cast<int>(interface);
      ::setsockopt(main, IPPROTO_IPV6, IPV6_MULTICAST_IF, &number, sizeof(number));
      ::sendto(main, transmit.bytes.data(), transmit.bytes.size(), MSG_DONTWAIT,
               reinterpret_cast<const sockaddr*>(&to), sizeof(to));
      continue;
    }
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(transmit.to.port);
    to.sin_addr = v4_group();
    ip_mreqn by{};
    by.imr_ifindex = static_cast<int>(interface);
    ::setsockopt(main, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof(by));
    ::sendto(main, transmit.bytes.data(), transmit.bytes.size(), MSG_DONTWAIT,
             reinterpret_cast<const sockaddr*>(&to), sizeof(to));
  }
}

}  // namespace byway

#include "node/network_monitor.h"

#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <set>

#include "node/default_routes.h"

namespace byway {
namespace {

constexpr Duration gather_for = std::chrono::milliseconds{100};

int open_netlink() {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (fd < 0) return fd;
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups =
      RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  ::close(fd);
  return -1;
}

}  // namespace

std::string way_out() {
  std::set<std::string> found;
  for (const bool v6 : {false, true})
    for (const DefaultRoute& route : default_routes(v6))
      found.insert(route.interface + " via " + route.gateway.to_string());
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) == 0) {
    for (const ifaddrs* i = list; i; i = i->ifa_next)
      if (!(i->ifa_flags & IFF_LOOPBACK) && (i->ifa_flags & IFF_UP) &&
          (i->ifa_flags & IFF_RUNNING) && i->ifa_addr &&
          (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6))
        found.insert(std::string(i->ifa_name) + " runs");
    ::freeifaddrs(list);
  }
  std::string text;
  for (const std::string& one : found) text += one + "\n";
  return text;
}

NetworkMonitor::NetworkMonitor(boost::asio::io_context& io)
    : socket_(io), timer_(io), known_(way_out()) {}

void NetworkMonitor::start(std::function<void()> look) {
  look_ = std::move(look);
  known_ = way_out();
  const int fd = open_netlink();
  if (fd < 0) return;
  socket_.assign(fd);
  wait_for_report();
}

void NetworkMonitor::close() {
  boost::system::error_code ignored;
  timer_.cancel();
  if (socket_.is_open()) socket_.close(ignored);
}

bool NetworkMonitor::take_change() {
  auto way = way_out();
  if (way == known_) return false;
  known_ = std::move(way);
  return true;
}

void NetworkMonitor::wait_for_report() {
  socket_.async_wait(
      boost::asio::posix::stream_descriptor::wait_read,
      [this, alive = std::weak_ptr<int>(alive_)](const boost::system::error_code& error) {
        if (error || alive.expired()) return;
        // What they say is not read: who looks at the host sees the sum of them. ENOBUFS (some were
        // lost) is a report like any other.
        std::array<char, 8192> report;
        while (::recv(socket_.native_handle(), report.data(), report.size(), MSG_DONTWAIT) > 0 ||
               errno == ENOBUFS)
          errno = 0;
        more_ = true;
        if (!gathering_) gather();
        wait_for_report();
      });
}

void NetworkMonitor::gather() {
  gathering_ = true;
  more_ = false;
  timer_.expires_after(gather_for);
  timer_.async_wait(
      [this, alive = std::weak_ptr<int>(alive_)](const boost::system::error_code& error) {
        if (error || alive.expired()) return;
        gathering_ = false;
        if (more_) gather();
        look_();
      });
}

}  // namespace byway

#include "node/cli/tcp.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

namespace byway::cli {
namespace {

constexpr const char* this_host = "127.0.0.1";
constexpr unsigned long last_port = 65535;
constexpr int backlog = 64;
constexpr int connect_patience_ms = 20'000;

std::string in_brackets(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

bool is_port(const std::string& text) {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         std::stoul(text) <= last_port;
}

bool is_loopback(const sockaddr& address) {
  if (address.sa_family == AF_INET6)
    return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
  if (address.sa_family != AF_INET) return false;
  return ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr) >> 24 ==
         IN_LOOPBACKNET;
}

// BBR, some systems' default, paces what it sends with a timer for each burst. Within one host
// there is no path to be gentle with, and by timers a connection to it carried a third less. To be
// asked before there is a connection: one that was paced once stays so.
void do_not_pace_within_host(int fd, const sockaddr& address) {
  if (!is_loopback(address)) return;
  for (const std::string_view unpaced : {"cubic", "reno"})  // not everybody may have the first
    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, unpaced.data(),
                   static_cast<socklen_t>(unpaced.size())) == 0)
      return;
}

// A socket on the first of its addresses with which `take` succeeds, else the last error.
template <typename Take>
UniqueFd first_that_works(const TcpAddress& address, int flags, std::string& why, Take&& take) {
  addrinfo wanted{}, *found = nullptr;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = flags;
  if (const int error = getaddrinfo(address.host.c_str(), address.port.c_str(), &wanted, &found)) {
    why = error == EAI_SYSTEM ? strerrordesc_np(errno) : gai_strerror(error);
    return {};
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> all{found, freeaddrinfo};
  for (const addrinfo* one = found; one; one = one->ai_next) {
    UniqueFd fd{socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (fd.is_open()) do_not_pace_within_host(fd.get(), *one->ai_addr);
    if (fd.is_open() && take(fd.get(), *one)) return fd;
    why = strerrordesc_np(errno);
  }
  return {};
}

using Name = int (*)(int, sockaddr*, socklen_t*);

std::string name_by(Name ask, int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  if (ask(fd, any, &size) != 0 || getnameinfo(any, size, host.data(), host.size(), port.data(),
                                              port.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return "?";
  return in_brackets(host.data()) + ":" + port.data();
}

}  // namespace

std::string TcpAddress::text() const {
  return in_brackets(host) + ":" + port;
}

std::optional<TcpAddress> parse_tcp(const std::string& text) {
  if (is_port(text)) return TcpAddress{this_host, text};
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0 || !is_port(text.substr(colon + 1))) return {};
  std::string host = text.substr(0, colon);
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  if (!brackets && host.find_first_of(":[]") != std::string::npos) return {};
  return TcpAddress{host, text.substr(colon + 1)};
}

UniqueFd connect_tcp(const TcpAddress& to, int stop, std::string& why) {
  return first_that_works(to, 0, why, [&](int fd, const addrinfo& address) {
    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (connect(fd, address.ai_addr, address.ai_addrlen) == 0) return true;
    if (errno != EINPROGRESS) return false;
    std::array<pollfd, 2> polled{{{fd, POLLOUT, 0}, {stop, POLLIN, 0}}};
    const int ready = poll(polled.data(), polled.size(), connect_patience_ms);
    int error = ready == 0 ? ETIMEDOUT : ECANCELED;
    socklen_t size = sizeof error;
    if (polled[0].revents != 0) getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    errno = error;
    return error == 0;
  });
}

UniqueFd listen_tcp(const TcpAddress& at, std::string& why) {
  return first_that_works(at, AI_PASSIVE, why, [](int fd, const addrinfo& address) {
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(fd, address.ai_addr, address.ai_addrlen) == 0 && listen(fd, backlog) == 0;
  });
}

std::string local_of(int fd) {
  return name_by(getsockname, fd);
}

std::string remote_of(int fd) {
  return name_by(getpeername, fd);
}

}  // namespace byway::cli

#include "node/pcp_control.h"

#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "node/clock.h"
#include "node/default_routes.h"
#include "node/runtime.h"
#include "node/socket_address.h"
#include "overlay/reach/pcp_client.h"

namespace byway {
namespace {

// Any address of the part of IPv6 that is given out (2000::/3): the kernel is asked for a way
// there, and nothing is sent.
constexpr const char* somewhere = "2000::1";

// A UDP socket that talks with one endpoint only, so that the kernel drops what others send.
class Line {
 public:
  Line() = default;
  Line(Line&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Line& operator=(Line&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Line() {
    if (fd_ >= 0) ::close(fd_);
  }

  // `from`: unspecified, the kernel chooses. `interface`: for link-local addresses.
  static std::optional<Line> open(const IpAddress& from, const Endpoint& to, unsigned interface) {
    Line line;
    line.fd_ = ::socket(to.address.is_v4() ? AF_INET : AF_INET6,
                        SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (line.fd_ < 0) return {};
    SocketAddress address;
    if (!from.is_unspecified()) {
      const socklen_t size = fill(address, {from, 0});
      if (::bind(line.fd_, &address.any, size) != 0) return {};
    }
    const socklen_t size = fill(address, to);
    if (to.address.scope() == Scope::link_local && to.address.is_v6())
      address.v6.sin6_scope_id = interface;
    if (::connect(line.fd_, &address.any, size) != 0) return {};
    return line;
  }

  int fd() const { return fd_; }
  std::optional<IpAddress> own() const {
    SocketAddress address{};
    socklen_t size = sizeof(address);
    if (::getsockname(fd_, &address.any, &size) != 0) return {};
    return endpoint_of(address).address;
  }

 private:
  int fd_ = -1;
};

class Pcp final : public RouterControl {
 public:
  explicit Pcp(const IpAddress& listen) : own_(listen) {}
  Pcp(const Endpoint& server, const IpAddress& own) : fixed_(server), own_(own) {}
  std::string_view name() const override { return "pcp"; }

  bool find(const Cancelled& cancelled) override {
    if (!reach_server()) return false;
    client_->announce(monotonic_now());
    return run(cancelled).kind == PcpClient::Kind::there;
  }

  Outcome<PortMapping> map(Proto proto, std::uint16_t inside, std::uint16_t outside, Duration lease,
                           const Cancelled& cancelled) override {
    client_->map(monotonic_now(), proto, inside, outside, lease);
    const auto outcome = run(cancelled);
    switch (outcome.kind) {
      case PcpClient::Kind::mapped:
        return PortMapping{proto, inside, outcome.outside, outcome.lifetime};
      case PcpClient::Kind::refused:
        return Problem{in_words(outcome.code)};
      case PcpClient::Kind::no_pcp:
        return Problem{in_words(PcpCode::unsupported_version)};
      default:
        return Problem{"the router did not answer in time"};
    }
  }

  void unmap(const PortMapping& mapping, const Cancelled& cancelled) override {
    if (!client_) return;
    client_->unmap(monotonic_now(), mapping.proto, mapping.inside);
    run(cancelled);
  }

  bool take_restart() override { return client_ && client_->take_restart(); }

 private:
  struct Target {
    Endpoint server;
    unsigned interface = 0;
  };
  std::optional<Target> target() const {
    if (fixed_) return Target{*fixed_};
    for (const DefaultRoute& route : default_routes(own_.is_v6()))
      if (!route.gateway.is_unspecified())
        return Target{{route.gateway, pcp_server_port}, ::if_nametoindex(route.interface.c_str())};
    return {};
  }

  // Another router, or another address of ours, is another story with other nonces.
  bool reach_server() {
    const auto to = target();
    if (!to) return false;
    std::optional<IpAddress> from = own_;
    if (own_.is_v6() && own_.is_unspecified()) from = outgoing_v6();
    if (!from) return false;
    auto line = Line::open(*from, to->server, to->interface);
    if (!line) return false;
    const auto own = line->own();
    if (!own) return false;
    line_ = std::move(*line);
    if (!client_ || client_->server() != to->server || client_->own() != *own)
      client_.emplace(strong_random(), to->server, *own);
    return true;
  }

  PcpClient::Outcome run(const Cancelled& cancelled) {
    std::array<std::uint8_t, pcp_max_size + 1> buffer;  // what is larger shows that it is
    for (;;) {
      while (const auto question = client_->poll_transmit())
        ::send(line_.fd(), question->data(), question->size(), 0);
      if (const auto outcome = client_->poll_outcome()) return *outcome;
      if (cancelled()) return {};
      const auto next = client_->next_timeout();
      if (!next) return {};
      const Duration nap = std::clamp<Duration>(*next - monotonic_now(), Duration{}, look_every);
      pollfd wait{line_.fd(), POLLIN, 0};
      ::poll(&wait, 1, static_cast<int>(nap / 1ms) + 1);
      const ssize_t size = ::recv(line_.fd(), buffer.data(), buffer.size(), 0);
      // The router says by ICMP that nobody listens there: the next protocol need not wait.
      if (size < 0 && errno == ECONNREFUSED) return {};
      if (size >= 0)
        client_->on_datagram(monotonic_now(), client_->server(),
                             {buffer.data(), static_cast<std::size_t>(size)});
      client_->on_timeout(monotonic_now());
    }
  }

  std::optional<Endpoint> fixed_;
  IpAddress own_;
  std::optional<PcpClient> client_;
  Line line_;
};

}  // namespace

std::unique_ptr<RouterControl> pcp_control(const IpAddress& listen) {
  return std::make_unique<Pcp>(listen);
}

std::unique_ptr<RouterControl> pcp_control_at(const Endpoint& server, const IpAddress& own) {
  return std::make_unique<Pcp>(server, own);
}

std::optional<IpAddress> outgoing_v6() {
  const auto line =
      Line::open(IpAddress::v6({}), {*IpAddress::parse(somewhere), pcp_server_port}, 0);
  const auto own = line ? line->own() : std::nullopt;
  if (!own || own->scope() != Scope::public_net) return {};
  return own;
}

}  // namespace byway

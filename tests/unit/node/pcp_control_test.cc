#include "node/pcp_control.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include "node/socket_address.h"
#include "overlay/reach/pcp_limits.h"
#include "tests/unit/protocol/pcp_router.h"

namespace byway::pcp_control_test {
namespace {

using Replies = std::vector<Bytes>;

// A router on a loopback port, on a thread of its own; `reply` gets each question.
class Router {
 public:
  Router(const IpAddress& at, std::function<Replies(ByteView)> reply) : reply_(std::move(reply)) {
    fd_ = ::socket(at.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    SocketAddress address;
    socklen_t size = fill(address, {at, 0});
    is_bound = fd_ >= 0 && ::bind(fd_, &address.any, size) == 0;
    ::getsockname(fd_, &address.any, &size);
    endpoint = endpoint_of(address);
    thread_ = std::thread([this] { serve(); });
  }
  ~Router() {
    stopping_ = true;
    thread_.join();
    ::close(fd_);
  }

  bool is_bound = false;
  Endpoint endpoint;
  std::atomic<int> asked{0};

 private:
  void serve() {
    while (!stopping_) {
      pollfd wait{fd_, POLLIN, 0};
      if (::poll(&wait, 1, 10) <= 0) continue;
      std::array<std::uint8_t, 2048> buffer;
      SocketAddress from;
      socklen_t size = sizeof(from);
      const auto got = ::recvfrom(fd_, buffer.data(), buffer.size(), 0, &from.any, &size);
      if (got < 0) continue;
      ++asked;
      for (const Bytes& answer : reply_({buffer.data(), static_cast<std::size_t>(got)}))
        ::sendto(fd_, answer.data(), answer.size(), 0, &from.any, size);
    }
  }

  std::function<Replies(ByteView)> reply_;
  std::atomic<bool> stopping_{false};
  int fd_ = -1;
  std::thread thread_;
};

const IpAddress v4_here = *IpAddress::parse("127.0.0.1");
const IpAddress v6_here = *IpAddress::parse("::1");
bool never() {
  return false;
}

TEST(PcpControl, AMappingIsAskedForAndGranted) {
  for (const IpAddress& here : {v4_here, v6_here}) {
    const Endpoint outside{here.is_v4() ? *IpAddress::parse("203.0.113.5") : here, 7001};
    Router router(here, [&](ByteView question) {
      return Replies{pcp_answer(question, {.outside = outside})};
    });
    if (!router.is_bound && here.is_v6()) continue;  // a machine without IPv6
    const auto control = pcp_control_at(router.endpoint, here);
    ASSERT_TRUE(control->find(never));
    const auto mapping = control->map(Proto::tcp, 7000, 7000, 1h, never);
    ASSERT_TRUE(mapping);
    EXPECT_EQ(mapping->outside, outside);
    EXPECT_EQ(mapping->lease, 1h);
    control->unmap(*mapping, never);
    EXPECT_EQ(router.asked, 3);
  }
}

TEST(PcpControl, ARouterThatSpeaksOnlyNatPmpIsAskedOnce) {
  Router router(v4_here, [](ByteView question) { return Replies{nat_pmp_refusal(question)}; });
  const auto control = pcp_control_at(router.endpoint, v4_here);
  EXPECT_FALSE(control->find(never));
  EXPECT_EQ(router.asked, 1);
}

TEST(PcpControl, ASilentRouterIsGivenUp) {
  Router router(v4_here, [](ByteView) { return Replies{}; });
  const auto control = pcp_control_at(router.endpoint, v4_here);
  EXPECT_FALSE(control->find(never));
  EXPECT_EQ(router.asked, limits::pcp::sends);
}

TEST(PcpControl, NobodyThereIsNoRouter) {
  Endpoint gone;
  {
    gone = Router(v4_here, [](ByteView) { return Replies{}; }).endpoint;
  }
  EXPECT_FALSE(pcp_control_at(gone, v4_here)->find(never));
}

TEST(PcpControl, GarbageBeforeTheAnswerIsPassedOver) {
  Router router(v4_here, [](ByteView question) {
    return Replies{{}, Bytes(3, 0xff), Bytes(1400, 2), pcp_answer(question, {})};
  });
  EXPECT_TRUE(pcp_control_at(router.endpoint, v4_here)->find(never));
}

TEST(PcpControl, ARefusalIsOneClause) {
  Router router(v4_here, [](ByteView question) {
    return Replies{pcp_answer(question, {.code = PcpCode::not_authorized})};
  });
  const auto control = pcp_control_at(router.endpoint, v4_here);
  ASSERT_TRUE(control->find(never));
  const auto mapping = control->map(Proto::udp, 7000, 7000, 1h, never);
  ASSERT_FALSE(mapping);
  EXPECT_EQ(mapping.error().sentence, "the router does not allow mappings");
}

TEST(PcpControl, WhoeverIsToldToGiveUpDoes) {
  Router router(v4_here, [](ByteView) { return Replies{}; });
  EXPECT_FALSE(pcp_control_at(router.endpoint, v4_here)->find([] { return true; }));
  EXPECT_LE(router.asked, 1);
}

}  // namespace
}  // namespace byway::pcp_control_test

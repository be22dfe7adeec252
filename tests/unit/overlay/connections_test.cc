#include "overlay/link/connections.h"

#include <gtest/gtest.h>

#include "overlay/link/tcp_limits.h"
#include "tests/unit/overlay/cast.h"

namespace byway::connections_test {
namespace {

using Purpose = Connections::Purpose;

const Endpoint here = at("192.168.1.7:7000");
const Endpoint hub = at("203.0.113.10:7000");

template <typename Order>
std::optional<Order> next_order(Connections& connections) {
  const auto order = connections.poll_order();
  if (!order) return std::nullopt;
  EXPECT_TRUE(std::holds_alternative<Order>(*order));
  return std::get<Order>(*order);
}

TEST(Connections, OneThatIsAskedForIsOpenedProvedAndClosed) {
  Connections connections;
  const TcpId id = connections.open(noon, hub, Purpose::dial, node(1));
  ASSERT_NE(id, 0u);
  const auto order = next_order<OpenTcp>(connections);
  ASSERT_TRUE(order);
  EXPECT_EQ(order->id, id);
  EXPECT_EQ(order->to, hub);
  EXPECT_EQ(order->from, TcpFrom::listening);
  ASSERT_TRUE(connections.on_open(noon + 40ms, id, here));
  EXPECT_FALSE(connections.on_open(noon + 41ms, id, here)) << "once";
  connections.on_proved(id, node(1));
  EXPECT_EQ(connections.next_timeout(), std::nullopt);
  EXPECT_FALSE(connections.poll_expired(noon + 10h));

  connections.close(id);
  EXPECT_EQ(next_order<CloseTcp>(connections)->id, id);
  EXPECT_FALSE(connections.on_closed(id)) << "we knew";
  EXPECT_EQ(connections.size(), 0u);
}

TEST(Connections, OneThatThePeerExpectsLeavesFromThePortThatItWasTold) {
  Connections connections;
  connections.open(noon, hub, Purpose::punch, node(1), TcpFrom::listening_only);
  EXPECT_EQ(next_order<OpenTcp>(connections)->from, TcpFrom::listening_only);
}

TEST(Connections, AnAttemptAndAStrangerHaveTheirTime) {
  Connections connections;
  const TcpId attempt = connections.open(noon, hub, Purpose::dial, node(1));
  const TcpId stranger = connections.on_accepted(noon, here, at("198.51.100.9:4711"));
  EXPECT_EQ(connections.next_timeout(), noon + limits::tcp_connect_patience);
  EXPECT_FALSE(connections.poll_expired(noon + 4s));
  EXPECT_EQ(connections.poll_expired(noon + 5s)->id, attempt);
  EXPECT_EQ(connections.poll_expired(noon + 10s)->id, stranger);
  EXPECT_EQ(connections.size(), 0u);
  next_order<OpenTcp>(connections);
  EXPECT_EQ(next_order<CloseTcp>(connections)->id, attempt);
  EXPECT_EQ(next_order<CloseTcp>(connections)->id, stranger);
}

TEST(Connections, AnAttemptToMeetAPeerEndsBeforeItsThirdSyn) {
  Connections connections;
  connections.open(noon, hub, Purpose::punch, node(1));
  EXPECT_FALSE(connections.poll_expired(noon + 2s));
  EXPECT_TRUE(connections.poll_expired(noon + 2999ms));
}

TEST(Connections, StrangersAreFewAndFewFromOneAddressAndTheProvedDoNotCount) {
  Connections connections;
  const auto from = [](std::uint8_t host, std::size_t port) {
    return Endpoint{IpAddress::v4({198, 51, 100, host}), static_cast<std::uint16_t>(port)};
  };
  for (std::size_t i = 1; i <= 200; ++i) {
    const TcpId id = connections.on_accepted(noon, here, from(1, i));
    ASSERT_NE(id, 0u);
    connections.on_proved(id, node(i));
  }
  std::size_t taken = 0;
  for (std::size_t i = 1; i <= 100; ++i)
    taken += connections.on_accepted(noon, here, from(2, i)) != 0;
  EXPECT_EQ(taken, limits::tcp_strangers_per_address);
  for (std::size_t host = 3; host < 250; ++host)
    for (std::size_t i = 1; i <= 3; ++i)
      taken += connections.on_accepted(noon, here, from(static_cast<std::uint8_t>(host), i)) != 0;
  EXPECT_EQ(taken, limits::tcp_strangers);
  EXPECT_NE(connections.open(noon, hub, Purpose::dial, node(1)), 0u) << "we may still connect";

  while (connections.poll_expired(noon + 10s)) {
  }
  EXPECT_EQ(connections.size(), 200u);
  for (std::size_t i = 0; i < 300; ++i)
    if (const TcpId id = connections.on_accepted(noon + 10s, here, from(1, 1000 + i)))
      connections.on_proved(id, node(i));
  EXPECT_EQ(connections.size(), limits::tcp_connections_per_address);
}

TEST(Connections, AttemptsOfOursAreFewToo) {
  Connections connections;
  std::size_t begun = 0;
  for (std::size_t i = 0; i < 200; ++i)
    begun += connections.open(noon, hub, Purpose::dial, node(i)) != 0;
  EXPECT_EQ(begun, limits::tcp_openings);
}

TEST(Connections, AttemptsAreGivenUpAndWhatStandsIsLeftToThePeerToo) {
  Connections connections;
  const TcpId first = connections.open(noon, hub, Purpose::punch, node(1));
  const TcpId second = connections.open(noon, hub, Purpose::punch, node(1));
  connections.on_open(noon, second, here);
  connections.give_up_attempts(node(1), Purpose::punch);
  EXPECT_FALSE(connections.find(first));
  EXPECT_TRUE(connections.find(second));
}

TEST(Connections, WhoGoesTakesItsConnectionsAlongAndNobodyElses) {
  Connections connections;
  const TcpId dial = connections.open(noon, hub, Purpose::dial, node(1));
  const TcpId look = connections.open(noon, hub, Purpose::look, node(1));
  const TcpId other = connections.open(noon, hub, Purpose::dial, node(2));
  connections.close_all_of(node(1), Purpose::dial);
  EXPECT_FALSE(connections.find(dial));
  EXPECT_TRUE(connections.find(node(1), hub));
  EXPECT_EQ(connections.looking(node(1)), 1u);
  connections.close_all_of(node(1), {}, look);
  EXPECT_TRUE(connections.find(look)) << "but this one";
  connections.on_proved(look, node(3));
  connections.close_all_of(node(1));
  EXPECT_TRUE(connections.find(look)) << "it leads to somebody else";
  connections.close_all_of(node(3));
  EXPECT_FALSE(connections.find(look));
  EXPECT_TRUE(connections.find(other));
}

}  // namespace
}  // namespace byway::connections_test

// Datagrams over the loopback interface, in trains and one by one.
#include "node/udp_port.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "node/clock.h"
#include "node/local_addresses.h"

namespace byway::udp_port_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Endpoint loopback(std::uint16_t port = 0) {
  return *Endpoint::parse("127.0.0.1:" + std::to_string(port));
}

Bytes filled(std::size_t size, std::uint8_t with) {
  return Bytes(size, with);
}

// Two ports that talk; what arrives at the second is kept.
struct Pair {
  explicit Pair(UdpPort::Options sending = {}, UdpPort::Options receiving = {})
      : from(io, sending), to(io, receiving) {
    source = *from.bind(loopback());
    target = *to.bind(loopback());
    from.start([](std::span<const Datagram>) {});
    to.start([this](std::span<const Datagram> datagrams) {
      for (const Datagram& datagram : datagrams) {
        EXPECT_EQ(datagram.from, source);
        const std::size_t whole = datagram.bytes.size();
        const std::size_t segment = datagram.segment_size ? datagram.segment_size : whole;
        for (std::size_t at = 0; at < whole; at += segment)
          arrived.push_back(to_bytes(datagram.bytes.subspan(at, std::min(segment, whole - at))));
        if (whole == 0) arrived.emplace_back();
      }
    });
  }
  bool run_until(std::size_t count) {
    for (int i = 0; i < 1000 && arrived.size() < count; ++i)
      io.run_one_for(std::chrono::milliseconds(5));
    return arrived.size() >= count;
  }

  boost::asio::io_context io;
  UdpPort from, to;
  Endpoint source, target;
  std::vector<Bytes> arrived;
};

Transmit transmit(const Endpoint& to, Bytes bytes, std::size_t segment_size = 0) {
  Transmit t;
  t.to = to;
  t.bytes = std::move(bytes);
  t.segment_size = segment_size;
  return t;
}

// Three datagrams of 1,000 bytes and a last one of 17.
Transmit train(const Endpoint& to) {
  Bytes bytes;
  for (std::uint8_t i = 1; i <= 3; ++i) append(bytes, filled(1000, i));
  append(bytes, filled(17, 4));
  return transmit(to, bytes, 1000);
}

class UdpPortWays : public testing::TestWithParam<std::pair<bool, bool>> {};

TEST_P(UdpPortWays, ATrainArrivesAsItsDatagramsWhateverTheKernelCanDo) {
  Pair pair({.receive_trains = false, .send_trains = GetParam().first},
            {.receive_trains = GetParam().second, .send_trains = false});
  pair.from.send(train(pair.target));
  pair.from.flush();
  ASSERT_TRUE(pair.run_until(4));
  EXPECT_THAT(pair.arrived,
              ElementsAre(filled(1000, 1), filled(1000, 2), filled(1000, 3), filled(17, 4)));
  EXPECT_EQ(pair.from.counters().send_errors, 0u);
}

INSTANTIATE_TEST_SUITE_P(SendAndReceive, UdpPortWays,
                         testing::Values(std::pair{true, true}, std::pair{true, false},
                                         std::pair{false, true}, std::pair{false, false}));

TEST(UdpPort, NeighboursOfOneSizeShareOneCall) {
  Pair pair;
  for (std::uint8_t i = 0; i < 10; ++i) pair.from.send(transmit(pair.target, filled(500, i)));
  pair.from.send(transmit(pair.target, filled(20, 99)));
  pair.from.flush();
  ASSERT_TRUE(pair.run_until(11));
  for (std::uint8_t i = 0; i < 10; ++i) EXPECT_EQ(pair.arrived[i], filled(500, i));
  EXPECT_EQ(pair.arrived[10], filled(20, 99));
  EXPECT_EQ(pair.from.counters().send_calls, 1u);
  EXPECT_EQ(pair.from.counters().trains_out, 1u);
}

TEST(UdpPort, OrderIsKeptAcrossSizesAndTargets) {
  Pair pair;
  std::vector<Bytes> expected;
  for (std::uint8_t i = 0; i < 40; ++i) {
    expected.push_back(filled(1 + (i * 37u) % 300, i));
    pair.from.send(transmit(pair.target, expected.back()));
    if (i % 7 == 0) pair.from.send(transmit(pair.source, filled(5, i)));  // to somebody else
  }
  pair.from.flush();
  ASSERT_TRUE(pair.run_until(40));
  EXPECT_EQ(pair.arrived, expected);
}

TEST(UdpPort, WhatCannotBeSentIsCountedAndTheRestGoesOn) {
  Pair pair;
  pair.from.send(transmit(pair.target, filled(10, 1)));
  pair.from.send(transmit(pair.target, filled(65'530, 2)));  // no datagram can be so large
  pair.from.send(transmit(*Endpoint::parse("[2001:db8::1]:9"), filled(10, 3)));
  pair.from.send(transmit(pair.target, filled(10, 4)));
  pair.from.flush();
  ASSERT_TRUE(pair.run_until(2));
  EXPECT_THAT(pair.arrived, ElementsAre(filled(10, 1), filled(10, 4)));
  EXPECT_EQ(pair.from.counters().send_errors, 1u);
  EXPECT_EQ(pair.from.counters().no_socket, 1u);
}

TEST(UdpPort, ASpareSocketHasAPortOfItsOwnAndHearsTheAnswersToIt) {
  boost::asio::io_context io;
  UdpPort ana(io), bo(io);
  const Endpoint main = *ana.bind(loopback());
  const Endpoint target = *bo.bind(loopback());
  std::vector<Endpoint> callers;
  std::vector<SocketId> heard_on;
  bo.start([&](std::span<const Datagram> datagrams) {
    for (const Datagram& datagram : datagrams) {
      callers.push_back(datagram.from);
      bo.send(transmit(datagram.from, filled(3, 3)));
    }
    bo.flush();
  });
  ana.start([&](std::span<const Datagram> datagrams) {
    for (const Datagram& datagram : datagrams) {
      heard_on.push_back(datagram.socket);
      ana.close_spare(datagram.socket);  // inside its own callback
    }
  });

  const auto spare = ana.open_spare(17, std::nullopt);
  ASSERT_TRUE(spare);
  EXPECT_EQ(spare->address, main.address);
  EXPECT_NE(spare->port, main.port);
  EXPECT_EQ(ana.bound(), std::vector{main});
  EXPECT_EQ(ana.open_spare(17, std::nullopt), std::nullopt);
  auto question = transmit(target, filled(5, 5));
  question.socket = 17;
  question.ttl = 3;
  ana.send(question);
  ana.flush();
  for (int i = 0; i < 1000 && heard_on.empty(); ++i) io.run_one_for(std::chrono::milliseconds(5));
  EXPECT_THAT(callers, ElementsAre(*spare));
  EXPECT_THAT(heard_on, ElementsAre(17));

  ana.send(question);  // it is closed by now
  ana.flush();
  EXPECT_EQ(ana.counters().no_socket, 1u);
  EXPECT_TRUE(ana.open_spare(17, std::nullopt));
}

TEST(UdpPort, OnRequestItKnowsWhenTheKernelHadADatagramHoweverLateItIsRead) {
  constexpr Duration late = 20ms;
  boost::asio::io_context io;
  UdpPort ana(io), bo(io);
  ana.bind(loopback());
  const Endpoint target = *bo.bind(loopback());
  std::size_t heard = 0;
  std::optional<Duration> age;
  ana.start([](std::span<const Datagram>) {});
  bo.start([&](std::span<const Datagram>) {
    ++heard;
    age.reset();
    if (const auto arrived = bo.arrived()) age = monotonic_now() - *arrived;
  });
  const auto read_late = [&] {
    ana.send(transmit(target, filled(5, 5)));
    ana.flush();
    std::this_thread::sleep_for(late);
    const auto before = heard;
    for (int i = 0; i < 1000 && heard == before; ++i) io.run_one_for(5ms);
    ASSERT_EQ(heard, before + 1);
    EXPECT_EQ(bo.arrived(), std::nullopt);  // only while it is told
  };
  read_late();
  EXPECT_EQ(age, std::nullopt);
  bo.stamp_arrivals(true);
  // The kernel begins a moment after it is asked; until then it says when it was read.
  for (int i = 0; i < 50 && age.value_or(0ms) < late; ++i) read_late();
  EXPECT_GE(age, late);
  bo.stamp_arrivals(false);
  read_late();
  EXPECT_EQ(age, std::nullopt);
}

TEST(UdpPort, SpareSocketsSendInTheOrderTheyAreTold) {
  boost::asio::io_context io;
  UdpPort from(io), to(io);
  ASSERT_TRUE(from.bind(loopback()));
  const Endpoint target = *to.bind(loopback());
  std::vector<Bytes> arrived;
  from.start([](std::span<const Datagram>) {});
  to.start([&](std::span<const Datagram> datagrams) {
    for (const Datagram& train : datagrams) {
      const std::size_t whole = train.bytes.size();
      const std::size_t segment = train.segment_size ? train.segment_size : whole;
      for (std::size_t at = 0; at < whole; at += segment)
        arrived.push_back(to_bytes(train.bytes.subspan(at, std::min(segment, whole - at))));
    }
  });
  for (SocketId id = 1; id <= 3; ++id) ASSERT_TRUE(from.open_spare(id, std::nullopt));
  std::vector<Bytes> expected;
  for (const SocketId id : std::initializer_list<SocketId>{1, 3, 2, 2, 1, 3}) {
    expected.push_back(filled(10, static_cast<std::uint8_t>(expected.size())));
    auto next = transmit(target, expected.back());
    next.socket = id;
    from.send(next);
  }
  from.flush();
  for (int i = 0; i < 1000 && arrived.size() < expected.size(); ++i)
    io.run_one_for(std::chrono::milliseconds(5));
  EXPECT_EQ(arrived, expected);
}

TEST(UdpPort, WhatWasGatheredForASpareSocketLeavesBeforeItCloses) {
  Pair pair;
  const auto spare = pair.from.open_spare(first_spare_socket, std::nullopt);
  ASSERT_TRUE(spare);
  pair.source = *spare;
  auto last_word = transmit(pair.target, filled(9, 9));
  last_word.socket = first_spare_socket;
  pair.from.send(last_word);
  pair.from.close_spare(first_spare_socket);
  ASSERT_TRUE(pair.run_until(1));
  EXPECT_THAT(pair.arrived, ElementsAre(filled(9, 9)));
}

TEST(UdpPort, APortInUseGetsASentence) {
  boost::asio::io_context io;
  UdpPort one(io), other(io);
  const auto bound = one.bind(loopback());
  ASSERT_TRUE(bound);
  const auto again = other.bind(*bound);
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().sentence, HasSubstr("--listen " + bound->to_string()));
  EXPECT_THAT(again.error().sentence, HasSubstr("in use"));
  const auto foreign = other.bind(*Endpoint::parse("192.0.2.77:0"));
  ASSERT_FALSE(foreign);
  EXPECT_THAT(foreign.error().sentence, HasSubstr("0.0.0.0"));
}

TEST(LocalEndpoints, AWildcardStandsForTheHostsAddressesButNotForLoopback) {
  const std::vector<IpAddress> host{*IpAddress::parse("10.0.0.5"), *IpAddress::parse("127.0.0.1"),
                                    *IpAddress::parse("2001:db8::5")};
  const std::vector<Endpoint> any{*Endpoint::parse("0.0.0.0:7000")};
  EXPECT_THAT(local_endpoints(any, host), ElementsAre(*Endpoint::parse("10.0.0.5:7000")));
  const std::vector<Endpoint> bound{*Endpoint::parse("127.0.0.1:7000")};
  EXPECT_THAT(local_endpoints(bound, host), ElementsAre(bound[0]));
  const std::vector<IpAddress> alone{*IpAddress::parse("127.0.0.1")};
  EXPECT_THAT(local_endpoints(any, alone), ElementsAre(*Endpoint::parse("127.0.0.1:7000")));

  // Where IPv4 has nothing but loopback there is no IPv4.
  const std::vector<Endpoint> both{any[0], *Endpoint::parse("[::]:7000")};
  const std::vector<IpAddress> v6_host{*IpAddress::parse("127.0.0.1"), *IpAddress::parse("::1"),
                                       *IpAddress::parse("2001:db8::5")};
  EXPECT_THAT(local_endpoints(both, v6_host), ElementsAre(*Endpoint::parse("[2001:db8::5]:7000")));
}

}  // namespace
}  // namespace byway::udp_port_test

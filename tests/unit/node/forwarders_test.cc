// Threads that forward beside a node's own, over the loopback interface. Which socket of a port
// hears a sender is the kernel's choice, so each story has many senders.
#include "node/forwarders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "node/clock.h"
#include "overlay/link/lane_run.h"

namespace byway::forwarders_test {
namespace {

using testing::HasSubstr;

Endpoint loopback(std::uint16_t port = 0) {
  return *Endpoint::parse("127.0.0.1:" + std::to_string(port));
}

constexpr std::size_t pairs = 24;
constexpr std::size_t frame_size = 100;

// A node that knows no lanes by itself and only notes what it hears, and people in pairs.
class Threads : public testing::Test {
 protected:
  Threads() {
    node = *port.bind(loopback());
    port.start([this](std::span<const Datagram> datagrams) { hear(datagrams); });
    for (std::size_t i = 0; i < 2 * pairs; ++i) {
      people.push_back(std::make_unique<UdpPort>(io));
      where.push_back(*people.back()->bind(loopback()));
      people.back()->start([this, i](std::span<const Datagram> datagrams) {
        for (const Datagram& datagram : datagrams) {
          EXPECT_EQ(datagram.from, node) << "whichever thread sent it";
          for (const Bytes& one : cut(datagram)) arrived[i].push_back(one);
        }
      });
    }
  }
  ~Threads() override { forwarders.stop(); }

  static std::vector<Bytes> cut(const Datagram& train) {
    std::vector<Bytes> all;
    const std::size_t whole = train.bytes.size();
    const std::size_t segment = train.segment_size ? train.segment_size : whole;
    if (whole == 0) all.emplace_back();
    for (std::size_t at = 0; at < whole; at += segment)
      all.push_back(to_bytes(train.bytes.subspan(at, std::min(segment, whole - at))));
    return all;
  }
  void hear(std::span<const Datagram> datagrams) {
    for (const Datagram& train : datagrams)
      for (const Bytes& one : cut(train)) heard[train.from].push_back(one);
  }
  std::size_t heard_in_all() const {
    std::size_t count = 0;
    for (const auto& [from, all] : heard) count += all.size();
    return count;
  }
  std::size_t arrived_in_all() const {
    std::size_t count = 0;
    for (const auto& [who, all] : arrived) count += all.size();
    return count;
  }

  void start(std::size_t threads) {
    const auto problem = forwarders.start(threads, port);
    ASSERT_FALSE(problem) << problem->sentence;
  }
  void open(std::size_t pair, std::optional<std::size_t> moved_to = {}) {
    const LaneChange change{.lane = 1 + pair,
                            .ends = {{Route{.endpoint = where[2 * pair]},
                                      Route{.endpoint = where[moved_to.value_or(2 * pair + 1)]}}}};
    forwarders.publish({&change, 1});
  }
  void close(std::size_t pair) {
    const LaneChange change{.lane = 1 + pair, .ends = {}};
    forwarders.publish({&change, 1});
  }
  static Bytes frame(LaneId lane, std::uint8_t with, std::size_t size = frame_size) {
    return make_relay_frame(lane, Bytes(size - relay_header_size, with));
  }
  void send(std::size_t who, Bytes bytes, std::size_t segment = 0) {
    Transmit t;
    t.to = node;
    t.bytes = std::move(bytes);
    t.segment_size = segment;
    people[who]->send(std::move(t));
    people[who]->flush();
  }
  bool until(const std::function<bool()>& holds) {
    for (const TimePoint end = monotonic_now() + 20s; !holds();) {
      if (monotonic_now() > end) return false;
      io.run_one_for(std::chrono::milliseconds(5));
    }
    return true;
  }

  boost::asio::io_context io{1};
  UdpPort port{io};
  Endpoint node;
  std::vector<std::unique_ptr<UdpPort>> people;
  std::vector<Endpoint> where;
  std::map<std::size_t, std::vector<Bytes>> arrived;  // at each of the people
  std::map<Endpoint, std::vector<Bytes>> heard;       // by the node
  std::uint64_t reported = 0, reported_bytes = 0, dropped = 0;
  Forwarders forwarders{io,
                        99,
                        {[this](std::span<const Datagram> datagrams) { hear(datagrams); },
                         [this](const Forwarded& forwarded) {
                           for (const LaneUse& use : forwarded.lanes) {
                             reported += use.datagrams[0] + use.datagrams[1];
                             reported_bytes += use.bytes[0] + use.bytes[1];
                           }
                           dropped += forwarded.dropped;
                         }}};
};

TEST_F(Threads, PassOnWhatIsInLanesAndHandOverTheRest) {
  start(3);
  for (std::size_t i = 0; i < pairs; ++i) open(i);
  Bytes train;
  for (std::uint8_t k = 1; k <= 4; ++k) append(train, frame(1, k));  // the lane is filled in below
  for (std::size_t i = 0; i < pairs; ++i)
    for (const std::size_t who : {2 * i, 2 * i + 1}) {
      for (std::size_t k = 0; k < 4; ++k)
        store_be<std::uint64_t>(MutableBytes(train).subspan(k * frame_size + 1, 8), 1 + i);
      send(who, train, frame_size);
      send(who, Bytes(33, 0x13));
    }
  // Who is dealt to the node's own socket is heard there: a node would judge it itself.
  ASSERT_TRUE(until([&] { return arrived_in_all() + heard_in_all() == 2 * pairs * 5; }));
  ASSERT_TRUE(until([&] { return reported == arrived_in_all(); }));
  EXPECT_EQ(reported_bytes, reported * frame_size);
  EXPECT_EQ(dropped, 0u);
  EXPECT_GT(arrived.size(), pairs / 2) << "three of four sockets are theirs";
  for (const auto& [who, all] : arrived) {
    const std::size_t pair = who / 2;
    ASSERT_EQ(all.size(), 4u);
    for (std::uint8_t k = 1; k <= 4; ++k) EXPECT_EQ(all[k - 1], frame(1 + pair, k));
    const auto& rest = heard[where[who ^ 1]];
    ASSERT_EQ(rest.size(), 1u) << "its sender's other datagram";
    EXPECT_EQ(rest[0], Bytes(33, 0x13));
  }
  EXPECT_GT(forwarders.counters().receive_calls, 0u);
}

TEST_F(Threads, HandOverAMixedTrainInOrder) {
  start(3);
  for (std::size_t i = 0; i < pairs; ++i) open(i);
  for (std::size_t i = 0; i < pairs; ++i) {
    Bytes train;
    append(train, Bytes(frame_size, 0x13));
    append(train, Bytes(frame_size, 0x12));
    append(train, frame(1 + i, 1));
    append(train, frame(4711, 2));
    append(train, Bytes(17, 0x11));
    send(2 * i, train, frame_size);
  }
  ASSERT_TRUE(until([&] { return arrived_in_all() + heard_in_all() == pairs * 5; }));
  std::size_t forwarded = 0;
  for (std::size_t i = 0; i < pairs; ++i) {
    std::vector<Bytes> rest = heard[where[2 * i]];
    if (arrived[2 * i + 1].empty()) continue;  // by the node's own socket
    ++forwarded;
    EXPECT_EQ(arrived[2 * i + 1], std::vector<Bytes>{frame(1 + i, 1)});
    EXPECT_EQ(rest, (std::vector<Bytes>{Bytes(frame_size, 0x13), Bytes(frame_size, 0x12),
                                        frame(4711, 2), Bytes(17, 0x11)}));
  }
  EXPECT_GT(forwarded, 0u);
}

TEST_F(Threads, FollowLanesThatMoveAndClose) {
  start(3);
  for (std::size_t i = 0; i < pairs; ++i) open(i);
  for (std::size_t i = 0; i < pairs; ++i) open(i, 1);  // all to one
  for (std::size_t i = 1; i < pairs; ++i) send(2 * i, frame(1 + i, 9));
  ASSERT_TRUE(until([&] { return arrived_in_all() + heard_in_all() == pairs - 1; }));
  EXPECT_EQ(arrived.size(), 1u);
  EXPECT_GT(arrived[1].size(), 0u);
  for (std::size_t i = 0; i < pairs; ++i) close(i);
  const std::size_t before = arrived_in_all(), own = heard_in_all();
  for (std::size_t i = 1; i < pairs; ++i) send(2 * i, frame(1 + i, 9));
  ASSERT_TRUE(until([&] { return heard_in_all() == own + pairs - 1; }));
  EXPECT_EQ(arrived_in_all(), before);
}

// Under ThreadSanitizer this is where they would meet.
TEST_F(Threads, ForwardWhileLanesComeAndGoAndNothingIsLostOfTheAccount) {
  start(2);
  std::size_t sent = 0;
  std::uint64_t heard_calls = 0;
  for (int round = 0; round < 50; ++round) {
    for (std::size_t i = 0; i < pairs; ++i) {
      if ((static_cast<std::size_t>(round) + i) % 3 == 0)
        close(i);
      else
        open(i);
      send(2 * i, frame(1 + i, 1));
      send(2 * i + 1, frame(1 + i, 2));
      sent += 2;
    }
    for (int k = 0; k < 20; ++k) io.poll_one();
    heard_calls = std::max(heard_calls, forwarders.counters().receive_calls);
  }
  ASSERT_TRUE(until([&] { return arrived_in_all() + heard_in_all() == sent; }));
  ASSERT_TRUE(until([&] { return reported == arrived_in_all(); }));
  EXPECT_GT(reported, 0u);
  EXPECT_GE(forwarders.counters().receive_calls, heard_calls);
}

TEST_F(Threads, WhenTheyStopWhatTheyHaveIsHeardAndThePortIsTheNodesAlone) {
  start(3);
  open(0);
  const std::size_t before = pairs;
  for (std::size_t i = 0; i < before; ++i) send(2 * i, Bytes(20, 0x13));
  // Nothing has run on this thread yet: what threads have taken waits in their boxes.
  ASSERT_TRUE(until([&] { return heard_in_all() > 0; }));
  ASSERT_TRUE(until([&] { return heard_in_all() == before; }));
  forwarders.stop();
  EXPECT_EQ(forwarders.threads(), 0u);
  for (std::size_t i = 0; i < pairs; ++i) send(2 * i, Bytes(20, 0x12));
  ASSERT_TRUE(until([&] { return heard_in_all() == before + pairs; }));
  start(2);  // and again
  for (std::size_t i = 0; i < pairs; ++i) send(2 * i, Bytes(20, 0x12));
  ASSERT_TRUE(until([&] { return heard_in_all() == before + 2 * pairs; }));
}

// A node that is too slow loses what does not fit, and knows how much; whoever guesses at lanes
// cannot use up all the room.
TEST_F(Threads, WhatHasNoRoomIsDroppedAndCounted) {
  boost::asio::io_context busy{1};  // that node does nothing at first
  Forwarders behind{busy,
                    99,
                    {[this](std::span<const Datagram> datagrams) { hear(datagrams); },
                     [this](const Forwarded& forwarded) { dropped += forwarded.dropped; }}};
  ASSERT_FALSE(behind.start(3, port));
  constexpr std::size_t rounds = 12, guessers = 16, in_a_train = 60;
  Bytes train;
  for (std::size_t k = 0; k < in_a_train; ++k) append(train, frame(4711, 1, 1000));
  std::size_t sent = 0, trains = 0;
  const auto all_are_in = [&] {  // so that none is lost in a socket's own room
    return port.counters().trains_in + behind.counters().trains_in >= trains;
  };
  for (std::size_t round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < guessers; ++i, ++trains, sent += in_a_train) send(i, train, 1000);
    ASSERT_TRUE(until(all_are_in));
  }
  for (std::size_t i = guessers; i < 2 * pairs; ++i, ++sent) send(i, Bytes(20, 0x13));
  ASSERT_TRUE(until([&] {
    busy.poll();
    return heard_in_all() + dropped == sent;
  })) << heard_in_all()
      << " + " << dropped << " of " << sent;
  EXPECT_GT(dropped, 0u);
  EXPECT_EQ(dropped % in_a_train, 0u);
  for (std::size_t i = guessers; i < 2 * pairs; ++i)
    EXPECT_EQ(heard[where[i]].size(), 1u) << "no guesser is in its way";
  behind.stop();
}

TEST_F(Threads, NobodyElseGetsASharedPort) {
  start(1);
  boost::asio::io_context other_io;
  UdpPort other(other_io);
  const auto bound = other.bind(node);
  ASSERT_FALSE(bound);
  EXPECT_THAT(bound.error().sentence, HasSubstr("the port is in use"));
}

}  // namespace
}  // namespace byway::forwarders_test

// Trains at a supernode: many datagrams of one sender that arrived as one, to be cut only where
// they part.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "overlay/overlay.h"
#include "protocol/codec.h"
#include "protocol/packet.h"
#include "protocol/record.h"
#include "protocol/seal.h"
#include "tests/unit/overlay/cast.h"
#include "tests/unit/protocol/people.h"

namespace byway::trains_test {
namespace {

using ::testing::SizeIs;

const Crypto& crypto = sodium_crypto();

// A leaf by hand: its link, and no more.
struct Leaf {
  Identity identity;
  Endpoint endpoint;
  std::optional<Seal> seal;
  Random random{identity.id().key()};
};

class Trains : public testing::Test {
 protected:
  explicit Trains(std::uint64_t monthly_cap = 0)
      : hub({.role = Role::supernode,
             .local_endpoints = {at("192.0.2.1:7000")},
             .relay_monthly_cap = monthly_cap},
            hub_identity, crypto, Random(1), noon, wall_noon) {
    join(ana);
    join(bo);
    join(cleo);
    open_lane(ana, bo, 1001);
    open_lane(ana, bo, 1002);
    open_lane(ana, cleo, 1003);
  }

  std::vector<Transmit> sent() {
    std::vector<Transmit> all;
    while (auto transmit = hub.poll_transmit(noon)) {
      transmit->own();
      all.push_back(std::move(*transmit));
    }
    return all;
  }
  std::vector<Transmit> hear(const Leaf& from, ByteView bytes, std::size_t segment = 0) {
    const Datagram train{.from = from.endpoint, .bytes = bytes, .segment_size = segment};
    hub.on_datagrams(noon, {&train, 1});
    return sent();
  }

  Identity hub_identity = person(9);
  Overlay hub;
  Leaf ana{person(1), at("198.51.100.1:7000"), {}};
  Leaf bo{person(2), at("198.51.100.2:7000"), {}};
  Leaf cleo{person(3), at("198.51.100.3:7000"), {}};

 private:
  void join(Leaf& leaf) {
    auto initiator = *Initiator::make(crypto, leaf.identity, hub.id(), 7, leaf.random);
    const auto record = SignedRecord::sign(
        leaf.identity, {.id = leaf.identity.id(), .sequence = 1, .agent = "test"});
    const Hello hello{.id = leaf.identity.id(),
                      .wall = wall_noon + 1s,
                      .wish = Registration{to_bytes(record.exact_bytes()), 1}};
    const auto answer = hear(leaf, initiator.start(encode(hello, 300)));
    ASSERT_THAT(answer, SizeIs(1));
    leaf.seal.emplace(crypto, initiator.finish(answer[0].bytes)->keys);
    ASSERT_FALSE(hear(leaf, sealed(leaf, Ping{.nonce = 1, .padding = 40})).empty());
  }
  void open_lane(Leaf& from, const Leaf& to, LaneId lane) {
    const Introduce introduce{
        .target = to.identity.id(), .lane = lane, .handshake = Bytes(handshake1_overhead)};
    ASSERT_THAT(hear(from, sealed(from, introduce)), SizeIs(2));
  }

 protected:
  static Bytes sealed(Leaf& leaf, const Message& message) {
    Bytes body{static_cast<std::uint8_t>(Area::link)};
    append(body, encode(message));
    return leaf.seal->seal(body);
  }
  static Bytes frame(LaneId lane, std::uint8_t with, std::size_t size = 100) {
    return make_relay_frame(lane, Bytes(size - relay_header_size, with));
  }
};

Bytes joined(std::initializer_list<Bytes> all) {
  Bytes whole;
  for (const Bytes& one : all) append(whole, one);
  return whole;
}

TEST_F(Trains, ATrainInOneLaneLeavesAsItCame) {
  const Bytes train = joined({frame(1001, 1), frame(1001, 2), frame(1001, 3), frame(1001, 4, 30)});
  const auto out = hear(ana, train, 100);
  ASSERT_THAT(out, SizeIs(1));
  EXPECT_EQ(out[0].to, bo.endpoint);
  EXPECT_EQ(out[0].bytes, train);
  EXPECT_EQ(out[0].segment_size, 100u);
  EXPECT_EQ(hub.counters().relayed_datagrams, 4u);
  EXPECT_EQ(hub.counters().relayed_bytes, 330u);
}

TEST_F(Trains, ATrainIsCutWhereTheLaneChanges) {
  const Bytes train = joined({frame(1001, 1), frame(1001, 2), frame(1003, 3), frame(1001, 4)});
  const auto out = hear(ana, train, 100);
  ASSERT_THAT(out, SizeIs(3));
  EXPECT_EQ(out[0].to, bo.endpoint);
  EXPECT_EQ(out[0].bytes, joined({frame(1001, 1), frame(1001, 2)}));
  EXPECT_EQ(out[0].segment_size, 100u);
  EXPECT_EQ(out[1].to, cleo.endpoint);
  EXPECT_EQ(out[1].bytes, frame(1003, 3));
  EXPECT_EQ(out[1].segment_size, 0u) << "a datagram alone is no train";
  EXPECT_EQ(out[2].bytes, frame(1001, 4));
}

TEST_F(Trains, WhatIsForUsInTheMiddleIsHeardAndTheRestGoesOn) {
  Bytes ping;
  for (std::uint16_t padding = 28; ping.size() != 100; ++padding)
    ping = sealed(ana, Ping{.nonce = padding, .padding = padding});
  const auto out = hear(ana, joined({frame(1001, 1), ping, frame(1001, 2)}), 100);
  ASSERT_THAT(out, SizeIs(3));  // and the pong
  EXPECT_EQ(out[0].bytes, frame(1001, 1));
  EXPECT_EQ(out[1].to, ana.endpoint);
  EXPECT_EQ(classify(out[1].bytes), PacketKind::sealed);
  EXPECT_EQ(out[2].bytes, frame(1001, 2));
}

TEST_F(Trains, OneForeignLaneInATrainIsDroppedAlone) {
  const auto in_before = hub.counters().datagrams_in;
  const auto used_before = hub.counters().datagrams_used;
  const auto out = hear(
      bo, joined({frame(1001, 1), frame(1003, 2), frame(1003, 3), frame(4711, 4), frame(1002, 5)}),
      100);
  ASSERT_THAT(out, SizeIs(2)) << "bo is no end of 1003";
  EXPECT_EQ(out[0].bytes, frame(1001, 1));
  EXPECT_EQ(out[1].bytes, frame(1002, 5));
  EXPECT_EQ(hub.counters().dropped(Drop::unknown_lane), 3u);
  EXPECT_EQ(hub.counters().datagrams_in - in_before, 5u);
  EXPECT_EQ(hub.counters().datagrams_used - used_before, 2u);
}

TEST_F(Trains, ATrainFromElsewhereOpensNothing) {
  const Leaf eve{person(4), at("203.0.113.66:666"), {}};
  EXPECT_THAT(hear(eve, joined({frame(1001, 1), frame(1001, 2)}), 100), SizeIs(0));
  EXPECT_EQ(hub.counters().dropped(Drop::unknown_lane), 2u);
}

TEST_F(Trains, HeaderTooShortAtTheEndOfATrainIsMalformed) {
  const auto out = hear(ana, joined({frame(1001, 1), Bytes{0x14, 0, 0}}), 100);
  ASSERT_THAT(out, SizeIs(1));
  EXPECT_EQ(out[0].bytes, frame(1001, 1));
  EXPECT_EQ(hub.counters().dropped(Drop::malformed), 1u);
}

TEST_F(Trains, WhatIsPassedOnIsNotCopiedUnlessTheInputGoes) {
  Bytes train = joined({frame(1001, 1), frame(1001, 2)});
  const Datagram datagram{.from = ana.endpoint, .bytes = train, .segment_size = 100};
  hub.on_datagrams(noon, {&datagram, 1});
  const auto at_once = hub.poll_transmit(noon);
  ASSERT_TRUE(at_once);
  EXPECT_EQ(at_once->view().data(), train.data());
  EXPECT_TRUE(at_once->bytes.empty());

  const Bytes before = train;
  hub.on_datagrams(noon, {&datagram, 1});
  hub.release_input();
  std::fill(train.begin(), train.end(), std::uint8_t{0xee});
  const auto later = hub.poll_transmit(noon);
  ASSERT_TRUE(later);
  EXPECT_EQ(later->bytes, before);
}

// Threads beside the node pass on by what it publishes (overlay/link/lane_table.h).
TEST_F(Trains, WhatOthersPassedOnIsAccountedForAsIfItHadBeenHere) {
  hub.publish_lanes(true);
  LaneTable table(5);
  while (const auto change = hub.poll_lane_change()) table.apply(*change);
  EXPECT_EQ(table.size(), 3u);
  const Route* to = table.judge({.endpoint = ana.endpoint}, 1003, 7, 700);
  ASSERT_TRUE(to);
  EXPECT_EQ(to->endpoint, cleo.endpoint);

  const Counters before = hub.counters();
  hub.on_forwarded(noon, {.lanes = table.take_use(), .dropped = 2, .dropped_bytes = 60});
  const Counters& after = hub.counters();
  EXPECT_EQ(after.datagrams_in - before.datagrams_in, 9u);
  EXPECT_EQ(after.bytes_in - before.bytes_in, 760u);
  EXPECT_EQ(after.relayed_datagrams - before.relayed_datagrams, 7u);
  EXPECT_EQ(after.relayed_bytes - before.relayed_bytes, 700u);
  EXPECT_EQ(after.relayed_by_others, 7u);
  EXPECT_EQ(after.bytes_out - before.bytes_out, 700u);
  EXPECT_EQ(after.dropped(Drop::owner_busy), 2u);
  EXPECT_EQ(after.datagrams_in, after.datagrams_used + after.dropped());
}

class CappedTrains : public Trains {
 protected:
  CappedTrains() : Trains(1000) {}

  bool introduces() {
    const Introduce introduce{
        .target = bo.identity.id(), .lane = 1009, .handshake = Bytes(handshake1_overhead)};
    return hear(ana, sealed(ana, introduce)).size() == 2;  // to both
  }
};

TEST_F(CappedTrains, AfterWhatIsGivenInAMonthLanesAreClosedAndNoneIsOpenedUntilTheNext) {
  hub.publish_lanes(true);
  while (hub.poll_lane_change()) {
  }
  const Bytes train = joined({frame(1001, 1), frame(1001, 2), frame(1001, 3)});
  for (int i = 0; i < 3; ++i) EXPECT_THAT(hear(ana, train, 100), SizeIs(1));
  EXPECT_EQ(hub.status(noon).relayed_this_month, 900u);
  EXPECT_EQ(hub.status(noon).lanes, 3u);
  EXPECT_THAT(hear(ana, train, 100), SizeIs(1)) << "a train is not cut for it";
  EXPECT_EQ(hub.status(noon).lanes, 0u);
  EXPECT_THAT(hear(ana, train, 100), SizeIs(0));
  EXPECT_FALSE(introduces());
  std::size_t closed = 0;
  while (const auto change = hub.poll_lane_change()) closed += change->ends ? 0 : 1;
  EXPECT_EQ(closed, 3u) << "and whoever passes on beside us is told";

  hub.on_wall_clock(noon, wall_noon + 31 * 24h);
  EXPECT_EQ(hub.status(noon).relayed_this_month, 0u);
  EXPECT_TRUE(introduces());
}

TEST_F(CappedTrains, WhatOthersPassedOnCountsAsWell) {
  hub.on_forwarded(noon, {.lanes = {{.lane = 1001, .datagrams = {5, 6}, .bytes = {500, 600}}}});
  EXPECT_EQ(hub.status(noon).relayed_this_month, 1100u);
  EXPECT_EQ(hub.status(noon).lanes, 0u);
  EXPECT_FALSE(introduces());
}

}  // namespace
}  // namespace byway::trains_test

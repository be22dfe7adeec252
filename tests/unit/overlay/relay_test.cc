#include "overlay/link/relay.h"

#include <gtest/gtest.h>

#include "protocol/random.h"
#include "tests/unit/overlay/cast.h"

namespace byway::relay_test {
namespace {

using Opened = Relay::Opened;

const Route from_ana{.endpoint = at("198.51.100.1:7000")};
const Route from_bo{.endpoint = at("198.51.100.2:7000")};
const Route from_eve{.endpoint = at("198.51.100.66:7000")};
const Relay::End ana{node(1), from_ana}, bo{node(2), from_bo}, eve{node(66), from_eve};
constexpr LaneId lane = 77;

TEST(Relay, CarriesBetweenItsTwoEndsAndForNobodyElse) {
  Relay relay({});
  ASSERT_EQ(relay.open(noon, lane, ana.node, ana, bo), Opened::yes);
  EXPECT_EQ(relay.judge(noon, from_ana, lane, 100).forward_to, from_bo);
  EXPECT_EQ(relay.judge(noon, from_bo, lane, 100).forward_to, from_ana);

  const auto verdict = relay.judge(noon, from_eve, lane, 100);
  EXPECT_EQ(verdict.forward_to, std::nullopt);
  EXPECT_EQ(verdict.drop, Drop::unknown_lane);
  EXPECT_EQ(relay.judge(noon, from_ana, lane + 1, 100).forward_to, std::nullopt);
  Route another_socket = from_ana;
  another_socket.proto = Proto::tcp;
  EXPECT_EQ(relay.judge(noon, another_socket, lane, 100).forward_to, std::nullopt);
}

TEST(Relay, EitherEndMayOpenItAgain) {
  Relay relay({});
  ASSERT_EQ(relay.open(noon, lane, ana.node, ana, bo), Opened::yes);
  const Relay::End bo_elsewhere{bo.node, {.endpoint = at("203.0.113.2:9000")}};
  EXPECT_EQ(relay.open(noon, lane, bo_elsewhere.node, bo_elsewhere, ana), Opened::yes);
  EXPECT_EQ(relay.lanes(), 1u);
  EXPECT_EQ(relay.judge(noon, from_ana, lane, 100).forward_to, bo_elsewhere.route);
  EXPECT_EQ(relay.judge(noon, bo_elsewhere.route, lane, 100).forward_to, from_ana);
  EXPECT_EQ(relay.judge(noon, from_bo, lane, 100).forward_to, std::nullopt);
}

TEST(Relay, NobodyTakesOverALaneByItsNumber) {
  Relay relay({});
  ASSERT_EQ(relay.open(noon, lane, ana.node, ana, bo), Opened::yes);
  EXPECT_EQ(relay.open(noon, lane, eve.node, eve, bo), Opened::taken);
  EXPECT_EQ(relay.open(noon, lane, ana.node, ana, eve), Opened::taken);
  EXPECT_EQ(relay.open(noon, lane, bo.node, bo, eve), Opened::taken);
  EXPECT_EQ(relay.open(noon, lane, eve.node, eve, ana), Opened::taken);
  EXPECT_EQ(relay.judge(noon, from_ana, lane, 100).forward_to, from_bo);
}

TEST(Relay, ALinkThatMovesTakesItsLanesAlong) {
  Relay relay({});
  relay.open(noon, lane, ana.node, ana, bo);
  relay.open(noon, lane + 1, eve.node, eve, ana);
  const Route moved{.endpoint = at("203.0.113.1:9000")};
  relay.rebind(ana.node, moved);
  EXPECT_EQ(relay.judge(noon, moved, lane, 100).forward_to, from_bo);
  EXPECT_EQ(relay.judge(noon, from_bo, lane, 100).forward_to, moved);
  EXPECT_EQ(relay.judge(noon, from_eve, lane + 1, 100).forward_to, moved);
  EXPECT_EQ(relay.judge(noon, from_ana, lane, 100).forward_to, std::nullopt);
}

TEST(Relay, WhoChangesBetweenUdpAndTcpIsHeardFromBothAndSpokenToByTheNew) {
  Relay relay({});
  relay.open(noon, lane, ana.node, ana, bo);
  Route by_tcp = from_ana;
  by_tcp.proto = Proto::tcp;
  by_tcp.connection = 5;
  relay.rebind(ana.node, by_tcp);
  EXPECT_EQ(relay.judge(noon, from_bo, lane, 100).forward_to, by_tcp);
  EXPECT_EQ(relay.judge(noon, from_ana, lane, 100).forward_to, from_bo) << "was under way";
  EXPECT_EQ(relay.judge(noon, by_tcp, lane, 100).forward_to, from_bo);
  Route another = by_tcp;
  another.connection = 6;
  EXPECT_EQ(relay.judge(noon, another, lane, 100).forward_to, std::nullopt);
  EXPECT_EQ(relay.judge(noon, another, lane, 100, 100, ana.node).forward_to, from_bo)
      << "a second connection, proved to be hers";
  EXPECT_EQ(relay.judge(noon, another, lane, 100, 100, eve.node).forward_to, std::nullopt);
}

TEST(Relay, AnIdleLaneIsGoneAndAUsedOneStays) {
  Relay relay({});
  relay.open(noon, lane, ana.node, ana, bo);
  relay.open(noon, lane + 1, ana.node, ana, eve);
  TimePoint now = noon;
  for (int i = 0; i < 40; ++i) {
    now += 5s;
    EXPECT_TRUE(relay.judge(now, from_bo, lane, 10).forward_to);
    EXPECT_FALSE(relay.judge(now, from_ana, lane + 7, 10).forward_to);
    relay.on_timeout(now);
    const auto next = relay.next_timeout();
    ASSERT_TRUE(next && *next > now);
  }
  EXPECT_EQ(relay.lanes(), 1u);
  EXPECT_FALSE(relay.judge(now, from_ana, lane + 1, 10).forward_to);

  while (const auto next = relay.next_timeout()) {
    ASSERT_LE(*next, now + 2 * limits::lane_idle);
    relay.on_timeout(*next);
  }
  EXPECT_EQ(relay.lanes(), 0u);
}

TEST(Relay, WhoHasNoRightToALaneDoesNotKeepItAlive) {
  Relay relay({});
  relay.open(noon, lane, ana.node, ana, bo);
  for (int i = 0; i < 100; ++i) relay.judge(noon + i * 1s, from_eve, lane, 10);
  relay.on_timeout(noon + 100s);
  EXPECT_EQ(relay.lanes(), 0u);
}

TEST(Relay, WhenANodeGoesAllItsLanesGo) {
  Relay relay({});
  relay.open(noon, lane, ana.node, ana, bo);
  relay.open(noon, lane + 1, eve.node, eve, ana);
  relay.open(noon, lane + 2, bo.node, bo, eve);
  relay.close_all_of(ana.node);
  EXPECT_EQ(relay.lanes(), 1u);
  EXPECT_EQ(relay.judge(noon, from_bo, lane + 2, 10).forward_to, from_eve);
  relay.close_all_of(node(4711));
  relay.close_all_of(bo.node);
  EXPECT_EQ(relay.lanes(), 0u);
}

TEST(Relay, OneCallerHasSoManyLanesAndNoMore) {
  Relay relay({});
  for (LaneId i = 0; i < limits::lanes_per_node; ++i)
    ASSERT_EQ(relay.open(noon, i + 1, ana.node, ana, {node(100 + i), from_bo}), Opened::yes);
  EXPECT_EQ(relay.open(noon, 4711, ana.node, ana, bo), Opened::full);
  EXPECT_EQ(relay.open(noon, 1, ana.node, ana, {node(100), from_bo}), Opened::yes)
      << "renewing is free";
  EXPECT_EQ(relay.open(noon, 4711, bo.node, bo, eve), Opened::yes);
  relay.close_all_of(node(100));
  EXPECT_EQ(relay.open(noon, 4712, ana.node, ana, bo), Opened::yes);
}

TEST(Relay, AllTogetherAreBoundedToo) {
  Relay relay({});
  for (LaneId i = 0; i < limits::max_lanes; ++i)
    ASSERT_EQ(relay.open(noon, i + 1, node(1000 + i), {node(1000 + i), from_ana},
                         {node(1'000'000 + i), from_bo}),
              Opened::yes);
  EXPECT_EQ(relay.open(noon, 0, ana.node, ana, bo), Opened::full);
  EXPECT_EQ(relay.lanes(), limits::max_lanes);
}

std::uint64_t carried_in(Relay& relay, LaneId which, const Route& from, Duration span) {
  std::uint64_t bytes = 0;
  for (TimePoint now = noon; now < noon + span; now += 1ms)
    for (int i = 0; i < 3; ++i)
      if (relay.judge(now, from, which, 1000).forward_to) bytes += 1000;
  return bytes;
}

TEST(Relay, ALaneMayUseItsRateAndNoMore) {
  Relay relay({.pair = 1'000'000});  // offered is three times as much
  relay.open(noon, lane, ana.node, ana, bo);
  const auto bytes = carried_in(relay, lane, from_ana, 10s);
  EXPECT_GE(bytes, 9'900'000u);
  EXPECT_LE(bytes, 10'000'000u + 100'000);
  EXPECT_EQ(relay.judge(noon + 10s, from_ana, lane, 200'000).drop, Drop::lane_budget);
}

TEST(Relay, OfATrainGoesOnWhatItsLaneMayStillSendInWholeDatagrams) {
  Relay relay({.pair = 1'000'000});  // a bucket of 64 KiB at least
  relay.open(noon, lane, ana.node, ana, bo);
  const auto whole = relay.judge(noon, from_ana, lane, 5 * 1000 + 300, 1000);
  EXPECT_EQ(whole.forward_to, from_bo);
  EXPECT_EQ(whole.bytes, 5300u);

  std::size_t passed = 0;
  Relay::Verdict cut;
  for (int i = 0; i < 1000 && (passed == 0 || cut.bytes == 64 * 1000u); ++i) {
    cut = relay.judge(noon, from_ana, lane, 64 * 1000, 1000);
    passed += cut.bytes;
  }
  EXPECT_EQ(cut.bytes % 1000, 0u);
  EXPECT_LT(cut.bytes, 64 * 1000u);
  EXPECT_EQ(cut.drop, Drop::lane_budget);
  EXPECT_EQ(relay.judge(noon, from_ana, lane, 64 * 1000, 1000).forward_to, std::nullopt);
  EXPECT_EQ(relay.carried_for(ana.node), 5300 + passed);
  EXPECT_EQ(relay.carried_for(bo.node), 0u) << "counted for who asked for the lane";
}

// A total of 10 MB/s for ten seconds. One lane floods with 100 MB/s.
struct Shares {
  std::uint64_t flood = 0, small = 0, large = 0;
};
Shares shared_out(bool small_one, bool large_one) {
  Relay relay({.total = 10'000'000});
  relay.open(noon, lane, ana.node, ana, bo);
  relay.open(noon, lane + 1, bo.node, bo, eve);
  relay.open(noon, lane + 2, eve.node, eve, ana);
  Shares got;
  for (TimePoint now = noon; now < noon + 10s; now += 1ms) {
    for (int i = 0; i < 100; ++i)
      if (relay.judge(now, from_ana, lane, 1000).forward_to) got.flood += 1000;
    if (small_one && relay.judge(now, from_bo, lane + 1, 1000).forward_to) got.small += 1000;
    for (int i = 0; large_one && i < 50; ++i)
      if (relay.judge(now, from_eve, lane + 2, 1000).forward_to) got.large += 1000;
  }
  return got;
}

TEST(Relay, AFloodInOneLaneTakesNothingFromAnother) {
  const Shares alone = shared_out(false, false);
  EXPECT_GE(alone.flood, 99'000'000u) << "what nobody else wants is there to be used";
  const Shares two = shared_out(true, false);
  EXPECT_EQ(two.small, 10'000'000u) << "it sends 1 MB/s and loses nothing";
  EXPECT_GE(two.flood, 85'000'000u);
  const Shares three = shared_out(true, true);
  EXPECT_EQ(three.small, 10'000'000u);
  EXPECT_GE(three.large, 33'000'000u) << "a third, for there are three";
  EXPECT_GE(three.flood, 33'000'000u);
  EXPECT_LE(three.flood + three.large + three.small, 106'000'000u);
}

TEST(Relay, AllLanesTogetherMayUseTheTotal) {
  Relay relay({.total = 1'000'000});
  relay.open(noon, lane, ana.node, ana, bo);
  relay.open(noon, lane + 1, eve.node, eve, bo);
  std::uint64_t bytes = 0;
  for (TimePoint now = noon; now < noon + 10s; now += 1ms) {
    if (relay.judge(now, from_ana, lane, 1000).forward_to) bytes += 1000;
    if (relay.judge(now, from_eve, lane + 1, 1000).forward_to) bytes += 1000;
  }
  EXPECT_GE(bytes, 9'900'000u);
  EXPECT_LE(bytes, 10'000'000u + 100'000);
}

TEST(Relay, APairHasOneRateHoweverManyLanesItOpens) {
  Relay relay({.pair = 1'000'000});
  for (LaneId i = 0; i < 5; ++i) relay.open(noon, lane + i, ana.node, ana, bo);
  relay.open(noon, lane + 5, bo.node, bo, ana);
  relay.open(noon, lane + 6, ana.node, ana, eve);
  std::uint64_t of_the_pair = 0, of_another = 0;
  for (TimePoint now = noon; now < noon + 10s; now += 1ms) {
    for (LaneId i = 0; i < 6; ++i)
      if (relay.judge(now, from_ana, lane + i, 1000).forward_to) of_the_pair += 1000;
    if (relay.judge(now, from_ana, lane + 6, 500).forward_to) of_another += 500;
  }
  EXPECT_GE(of_the_pair, 9'900'000u);
  EXPECT_LE(of_the_pair, 10'100'000u);
  EXPECT_EQ(of_another, 5'000'000u) << "within its own rate";
  EXPECT_EQ(relay.carried_between(bo.node, ana.node), of_the_pair);
  EXPECT_EQ(relay.carried_between(ana.node, eve.node), of_another);
  relay.close_all_of(bo.node);
  EXPECT_EQ(relay.carried_between(bo.node, ana.node), 0u);
}

TEST(Relay, ALaneThatGoesOnAtAnotherHomeIsCountedForThePairAndNotForTheHome) {
  Relay relay({});
  relay.open(noon, lane, ana.node, ana, {node(7), from_eve}, bo.node);
  relay.judge(noon, from_ana, lane, 1000);
  EXPECT_EQ(relay.carried_between(ana.node, bo.node), 1000u);
  EXPECT_EQ(relay.carried_between(ana.node, node(7)), 0u);
}

TEST(Relay, ANodeHasOneRateWhomeverItTalksTo) {
  Relay relay({.node = 1'000'000});
  for (LaneId i = 0; i < 5; ++i)
    relay.open(noon, lane + i, ana.node, ana, {node(100 + i), from_bo});
  relay.open(noon, lane + 5, eve.node, eve, ana);
  std::uint64_t of_ana = 0, of_eve = 0;
  for (TimePoint now = noon; now < noon + 10s; now += 1ms) {
    for (LaneId i = 0; i < 5; ++i)
      if (relay.judge(now, from_bo, lane + i, 1000).forward_to) of_ana += 1000;
    if (relay.judge(now, from_eve, lane + 5, 500).forward_to) of_eve += 500;
  }
  EXPECT_GE(of_ana, 9'900'000u);
  EXPECT_LE(of_ana, 10'100'000u);
  EXPECT_EQ(of_eve, 5'000'000u) << "that she talks to ana is not ana's expense";
  const auto accounts = relay.accounts(1);
  ASSERT_EQ(accounts.size(), 1u);
  EXPECT_EQ(accounts[0].owner, ana.node);
  EXPECT_EQ(accounts[0].lanes, 5u);
  EXPECT_EQ(accounts[0].bytes, of_ana);
  EXPECT_EQ(relay.accounts(16).size(), 2u);
}

TEST(Relay, WhoHasManyLanesGetsNoMoreThanWhoHasOne) {
  Relay relay({.total = 10'000'000});
  for (LaneId i = 0; i < 30; ++i)
    relay.open(noon, lane + i, ana.node, ana, {node(100 + i), from_bo});
  relay.open(noon, lane + 30, eve.node, eve, bo);
  std::array<std::uint64_t, 31> got{};
  for (TimePoint now = noon; now < noon + 10s; now += 1ms)
    for (int k = 0; k < 20; ++k)
      for (LaneId i = 0; i <= 30; ++i)
        if (relay.judge(now, i < 30 ? from_ana : from_eve, lane + i, 1000).forward_to)
          got[i] += 1000;
  EXPECT_GE(got[30], 45'000'000u) << "half, for there are two who ask";
  for (LaneId i = 0; i < 30; ++i) EXPECT_GE(got[i], 1'000'000u) << "and hers share the other half";
}

TEST(Relay, WhatOneRateRefusesIsNotTakenFromAnother) {
  Relay relay({.total = 1'000'000, .pair = 100'000});
  relay.open(noon, lane, ana.node, ana, bo);
  relay.open(noon, lane + 1, eve.node, eve, bo);
  std::uint64_t flood = 0, other = 0;
  for (TimePoint now = noon; now < noon + 10s; now += 1ms) {
    for (int i = 0; i < 10; ++i)
      if (relay.judge(now, from_ana, lane, 1000).forward_to) flood += 1000;
    if (relay.judge(now, from_eve, lane + 1, 90).forward_to) other += 90;
  }
  EXPECT_LE(flood, 1'100'000u);
  EXPECT_EQ(other, 900'000u);
}

TEST(Relay, AllLanesCanBeClosedAtOnce) {
  Relay relay({});
  for (LaneId i = 0; i < 100; ++i) relay.open(noon, lane + i, node(i), {node(i), from_ana}, bo);
  relay.close_all();
  EXPECT_EQ(relay.lanes(), 0u);
  EXPECT_EQ(relay.accounts(200).size(), 0u);
  EXPECT_EQ(relay.open(noon, lane, ana.node, ana, bo), Opened::yes);
}

// Whatever is opened, moved and closed, what is forwarded goes from one end to the other.
TEST(Relay, NoHistoryMakesItForwardToAnybodyButTheOtherEnd) {
  Random random(9);
  Relay relay({});
  struct Ends {
    NodeId a, b;
  };
  std::map<LaneId, Ends> open;
  std::map<NodeId, Route> where;
  const auto route_of = [&](const NodeId& id) {
    auto& route = where[id];
    if (!route.endpoint.is_set())
      route = {.endpoint = {address("198.51.100.1"), static_cast<std::uint16_t>(1 + where.size())}};
    return route;
  };
  std::uint16_t fresh_port = 1000;
  for (int i = 0; i < 20'000; ++i) {
    const NodeId a = node(random.below(8)), b = node(random.below(8));
    const LaneId which = 1 + random.below(20);
    if (a == b) continue;
    const auto known = open.find(which);
    switch (random.below(6)) {
      case 0: {
        const bool same = known != open.end() && ((known->second.a == a && known->second.b == b) ||
                                                  (known->second.a == b && known->second.b == a));
        const auto opened = relay.open(noon, which, a, {a, route_of(a)}, {b, route_of(b)});
        ASSERT_EQ(opened == Opened::yes, known == open.end() || same) << i;
        if (opened == Opened::yes) open[which] = {a, b};
        break;
      }
      case 1:
        where[a] = {.endpoint = {address("203.0.113.1"), ++fresh_port}};
        relay.rebind(a, where[a]);
        break;
      case 2:
        if (random.chance(0.9)) break;
        relay.close_all_of(a);
        std::erase_if(open, [&](const auto& l) { return l.second.a == a || l.second.b == a; });
        break;
      default: {
        const auto to = relay.judge(noon, route_of(a), which, 10).forward_to;
        const bool end = known != open.end() && (known->second.a == a || known->second.b == a);
        ASSERT_EQ(to.has_value(), end) << i;
        if (end) {
          ASSERT_EQ(*to, route_of(known->second.a == a ? known->second.b : known->second.a)) << i;
        }
      }
    }
    ASSERT_EQ(relay.lanes(), open.size());
  }
}

}  // namespace
}  // namespace byway::relay_test

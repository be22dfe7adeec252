// A relay that decides and a table that only passes on, kept in step by what the one publishes.
#include "overlay/link/lane_table.h"

#include <gtest/gtest.h>

#include "overlay/link/lane_run.h"
#include "overlay/link/relay.h"
#include "protocol/random.h"
#include "tests/unit/overlay/cast.h"

namespace byway::lane_table_test {
namespace {

const Route from_ana{.endpoint = at("198.51.100.1:7000")};
const Route from_bo{.endpoint = at("198.51.100.2:7000")};
const Route from_eve{.endpoint = at("198.51.100.66:7000")};
const Relay::End ana{node(1), from_ana}, bo{node(2), from_bo}, eve{node(66), from_eve};
constexpr LaneId lane = 77;

class Tables : public testing::Test {
 protected:
  Tables() { relay.publish(true); }

  void keep_in_step() {
    while (const auto change = relay.poll_change()) table.apply(*change);
  }
  std::optional<Route> judge(const Route& from, LaneId which = lane) {
    keep_in_step();
    const Route* to = table.judge(from, which, 1, 100);
    return to ? std::optional(*to) : std::nullopt;
  }

  Relay relay{{}};
  LaneTable table{4711};
};

TEST_F(Tables, KnowALaneFromTheMomentItIsOpenedToTheMomentItIsClosed) {
  EXPECT_EQ(judge(from_ana), std::nullopt);
  relay.open(noon, lane, ana.node, ana, bo);
  EXPECT_EQ(judge(from_ana), from_bo);
  EXPECT_EQ(judge(from_bo), from_ana);
  EXPECT_EQ(judge(from_eve), std::nullopt);
  EXPECT_EQ(judge(from_ana, lane + 1), std::nullopt);
  relay.close_all_of(bo.node);
  EXPECT_EQ(judge(from_ana), std::nullopt);
  EXPECT_EQ(table.size(), 0u);
}

TEST_F(Tables, FollowAnEndThatMoves) {
  relay.open(noon, lane, ana.node, ana, bo);
  EXPECT_EQ(judge(from_ana), from_bo);
  const Route moved{.endpoint = at("203.0.113.1:9000")};
  relay.rebind(ana.node, moved);
  EXPECT_EQ(judge(from_ana), std::nullopt) << "the old address opens nothing";
  EXPECT_EQ(judge(moved), from_bo);
  EXPECT_EQ(judge(from_bo), moved);
}

TEST_F(Tables, LeaveALaneWithAnEndByTcpToItsOwner) {
  relay.open(noon, lane, ana.node, ana, bo);
  Route by_tcp = from_ana;
  by_tcp.proto = Proto::tcp;
  by_tcp.connection = 5;
  relay.rebind(ana.node, by_tcp);
  EXPECT_EQ(judge(from_bo), std::nullopt);
  EXPECT_EQ(judge(from_ana), std::nullopt);
  relay.rebind(ana.node, from_ana);
  EXPECT_EQ(judge(from_bo), from_ana);
}

TEST_F(Tables, LeaveALaneFromASpareSocketToItsOwner) {
  Route spare = from_ana;
  spare.socket = first_spare_socket;
  relay.open(noon, lane, ana.node, {ana.node, spare}, bo);
  EXPECT_EQ(judge(from_bo), std::nullopt);
  Route second_port = from_ana;
  second_port.socket = last_spare_socket + 1;
  relay.rebind(ana.node, second_port);
  EXPECT_EQ(judge(from_bo), second_port) << "listening sockets are everybody's";
}

TEST_F(Tables, KnowWhatWasOpenBeforeTheyWereAskedFor) {
  Relay old({});
  old.open(noon, lane, ana.node, ana, bo);
  EXPECT_EQ(old.poll_change(), std::nullopt);
  old.publish(true);
  const auto change = old.poll_change();
  ASSERT_TRUE(change && change->ends);
  table.apply(*change);
  EXPECT_EQ(table.judge(from_ana, lane, 1, 100)->endpoint, from_bo.endpoint);
  old.publish(false);
  old.close(lane);
  EXPECT_EQ(old.poll_change(), std::nullopt);
}

TEST_F(Tables, WhereARateIsLimitedThereIsOneJudge) {
  for (const Relay::Rates rates :
       {Relay::Rates{.total = 1'000'000}, Relay::Rates{.pair = 1'000'000},
        Relay::Rates{.node = 1'000'000}}) {
    Relay limited(rates);
    limited.publish(true);
    limited.open(noon, lane, ana.node, ana, bo);
    EXPECT_EQ(limited.poll_change(), std::nullopt);
  }
}

TEST_F(Tables, TheirUseKeepsALaneAliveAndIsCountedForWhoAskedForIt) {
  relay.open(noon, lane, ana.node, ana, bo);
  relay.open(noon, lane + 1, ana.node, ana, eve);
  TimePoint now = noon;
  for (int i = 0; i < 40; ++i) {
    now += 5s;
    judge(from_ana);
    judge(from_bo);
    judge(from_bo);
    for (const LaneUse& use : table.take_use()) {
      EXPECT_EQ(use.lane, lane);
      const auto carried = relay.on_use(now, use);
      EXPECT_EQ(carried.datagrams, 3u);
      EXPECT_EQ(carried.bytes, 300u);
    }
    EXPECT_FALSE(table.has_use());
    relay.on_timeout(now);
  }
  EXPECT_EQ(relay.lanes(), 1u) << "the other one was idle";
  EXPECT_EQ(relay.carried_for(ana.node), 40 * 300u);
}

TEST_F(Tables, UseOfALaneThatIsGoneIsStillToldAndHarmless) {
  relay.open(noon, lane, ana.node, ana, bo);
  judge(from_ana);
  relay.close(lane);
  keep_in_step();
  const auto uses = table.take_use();
  ASSERT_EQ(uses.size(), 1u);
  const auto carried = relay.on_use(noon, uses[0]);
  EXPECT_EQ(carried.datagrams, 1u);
  EXPECT_FALSE(carried.ends);
  EXPECT_EQ(relay.lanes(), 0u);
}

// Whatever happens, a table in step says what the relay would, or leaves it to the relay.
TEST_F(Tables, NeverSayAnythingThatTheRelayWouldNot) {
  Random random(3);
  std::vector<Route> routes;
  for (std::uint16_t i = 0; i < 12; ++i)
    routes.push_back({.socket = i % 5 == 4 ? first_spare_socket : main_socket,
                      .proto = i % 6 == 5 ? Proto::tcp : Proto::udp,
                      .endpoint = {address("198.51.100.1"), std::uint16_t(1 + i)},
                      .connection = i % 6 == 5 ? 9u : 0u});
  const auto anywhere = [&] { return routes[random.below(routes.size())]; };
  std::size_t said = 0;
  for (int i = 0; i < 40'000; ++i) {
    const NodeId a = node(random.below(6)), b = node(random.below(6));
    const LaneId which = 1 + random.below(10);
    switch (random.below(5)) {
      case 0:
        if (a != b) relay.open(noon, which, a, {a, anywhere()}, {b, anywhere()});
        break;
      case 1:
        relay.rebind(a, anywhere());
        break;
      case 2:
        if (random.chance(0.2)) relay.close(which);
        break;
      default: {
        const Route from = anywhere();
        const auto answer = judge(from, which);
        if (!answer) break;
        ++said;
        ASSERT_EQ(relay.judge(noon, from, which, 100).forward_to, answer);
      }
    }
  }
  EXPECT_GT(said, 500u);
}

TEST(LaneRun, IsCutWhereTheLaneChanges) {
  Bytes train;
  for (const LaneId of : {1, 1, 2, 0}) {
    Bytes frame = of == 0 ? Bytes(20, 0x13) : make_relay_frame(of, Bytes(11, 7));
    append(train, frame);
  }
  append(train, Bytes(5, 0x13));
  EXPECT_EQ(lane_run(train, 20, 1).size(), 40u);
  EXPECT_EQ(lane_run(ByteView(train).subspan(40), 20, 2).size(), 20u);
  EXPECT_EQ(lane_run(ByteView(train).subspan(60), 20, 0).size(), 25u);
  EXPECT_EQ(lane_run(ByteView(train).first(9), 20, 0).size(), 9u);
  EXPECT_EQ(lane_of(ByteView(train).first(relay_header_size - 1)), 0u);
}

}  // namespace
}  // namespace byway::lane_table_test

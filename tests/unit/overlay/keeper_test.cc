#include "overlay/directory/keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "overlay/directory/lookup.h"
#include "overlay/directory/store.h"
#include "tests/unit/overlay/directory_cast.h"

namespace byway::keeper_test {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

// A home among supernodes that keep what they are given.
class KeeperTest : public ::testing::Test {
 protected:
  explicit KeeperTest(std::size_t netgroups = 20, std::size_t each = 2)
      : members(supernodes(netgroups, each)), placement(placement_of(members)) {}

  RecordPtr leaf(std::uint64_t number, std::uint64_t sequence = 1) {
    return leaf_record(number, {home}, sequence);
  }
  // Carries out everything that is due until `end`.
  void run_until(TimePoint end) {
    for (;;) {
      keeper.on_timeout(now);
      while (const auto out = keeper.poll_message(now)) take(*out);
      const auto next = keeper.next_timeout();
      if (!next || *next > end) break;
      ASSERT_GT(*next, now - 1ns) << "a moment that stays in the past";
      now = std::max(now, *next);
    }
    now = end;
  }
  void run_for(Duration time) { run_until(now + time); }
  void take(const Keeper::Outgoing& out) {
    EXPECT_EQ(out.message.target, verified(out.message.record).value()->record().id);
    placed.push_back(out.to);
    times.push_back(now);
    held[out.to].insert(out.message.target);
    if (silent.contains(out.to)) return;
    keeper.on_placed(now, out.to, {out.message.number, outcome});
  }
  void leave(const RecordPtr& member) {
    placement.remove(*member);
    keeper.on_left(now, *member);
  }

  std::vector<RecordPtr> members;
  Placement placement;
  NodeId home = id_of(members[0]);
  Keeper keeper{home, placement, Random(1)};
  TimePoint now = noon;
  std::vector<NodeId> placed;
  std::vector<TimePoint> times;
  std::map<NodeId, std::set<NodeId>> held;
  std::set<NodeId> silent;
  PlaceOutcome outcome = PlaceOutcome::kept;
};

TEST_F(KeeperTest, ARegistrationIsPlacedWithEightHoldersAtOnce) {
  const RecordPtr ana = leaf(1);
  keeper.keep(now, ana);
  run_for(0s);
  EXPECT_EQ(placed, placement.holders(id_of(ana)));
  EXPECT_EQ(keeper.filled(id_of(ana)), 8u);
  run_for(1h);
  EXPECT_THAT(placed, SizeIs(8)) << "and then there is silence";
}

TEST_F(KeeperTest, WhoDoesNotAnswerIsAskedAgainLessAndLessOften) {
  const RecordPtr ana = leaf(1);
  const NodeId dead = placement.holders(id_of(ana))[3];
  silent = {dead};
  keeper.keep(now, ana);
  run_for(60s);
  EXPECT_EQ(keeper.filled(id_of(ana)), 7u);
  EXPECT_THAT(placed, SizeIs(testing::AllOf(testing::Ge(7u + 4u), testing::Le(7u + 8u))));
  silent.clear();
  run_for(5min);
  EXPECT_EQ(keeper.filled(id_of(ana)), 8u);
}

TEST_F(KeeperTest, WhenASupernodeGoesOnlyWhatItHeldMovesAndOnlyThatSeat) {
  for (std::uint64_t i = 0; i < 50; ++i) keeper.keep(now, leaf(i));
  run_for(60s);
  const RecordPtr gone = members[7];
  const std::size_t affected = held[id_of(gone)].size();
  ASSERT_GT(affected, 0u);
  ASSERT_LT(affected, 30u);
  placed.clear();
  times.clear();
  leave(gone);
  run_for(60s);
  EXPECT_THAT(placed, SizeIs(affected));
  EXPECT_GT(times.back() - times.front(), 1s) << "not all homes at the same moment";
  EXPECT_LT(times.back() - times.front(), limits::replace_spread);
  for (std::uint64_t i = 0; i < 50; ++i) EXPECT_EQ(keeper.filled(id_of(leaf(i))), 8u);
}

TEST_F(KeeperTest, ANewcomerGetsWhatIsItsOwnAndNobodyElseIsTroubled) {
  for (std::uint64_t i = 0; i < 50; ++i) keeper.keep(now, leaf(i));
  run_for(60s);
  placed.clear();
  const RecordPtr newcomer = supernode_at(7, in_netgroup(90, 1));
  placement.add(newcomer);
  keeper.on_joined(now, *newcomer);
  run_for(60s);
  std::size_t its = 0;
  for (std::uint64_t i = 0; i < 50; ++i) {
    const auto holders = placement.holders(id_of(leaf(i)));
    its += static_cast<std::size_t>(std::ranges::count(holders, id_of(newcomer)));
  }
  EXPECT_GT(its, 0u);
  EXPECT_EQ(placed, std::vector<NodeId>(its, id_of(newcomer)));
}

TEST_F(KeeperTest, AHolderThatCameBackHasForgottenAndIsGivenItsRecordsAgain) {
  const RecordPtr ana = leaf(1);
  keeper.keep(now, ana);
  run_for(1s);
  const NodeId restarted = placement.holders(id_of(ana))[2];
  const auto its = std::ranges::find(members, restarted, id_of);
  placed.clear();
  placement.add(*its);
  keeper.on_renewed(now, **its);
  run_for(10s);
  EXPECT_THAT(placed, ElementsAre(restarted));
}

TEST_F(KeeperTest, ANewRecordReplacesTheOldAndAnOldOneNothing) {
  keeper.keep(now, leaf(1, 5));
  run_for(60s);
  placed.clear();
  keeper.keep(now, leaf(1, 4));
  keeper.keep(now, leaf(1, 5));
  run_for(60s);
  EXPECT_THAT(placed, SizeIs(0));
  keeper.keep(now, leaf(1, 6));
  run_for(60s);
  EXPECT_THAT(placed, SizeIs(8));
}

TEST_F(KeeperTest, ALeafThatChangesItsMindAllTheTimeIsPlacedAtOurPace) {
  for (std::uint64_t i = 0; i < 600; ++i) {
    keeper.keep(now, leaf(1, 1 + i));
    run_for(100ms);
  }
  run_for(1h);
  EXPECT_LE(placed.size(), 8u * (60s / limits::record_gap + 2));
  EXPECT_EQ(keeper.filled(id_of(leaf(1))), 8u) << "and the last one counts";
}

TEST_F(KeeperTest, ARecordThatDoesNotNameUsIsAnothersToPlace) {
  keeper.keep(now, leaf_record(1, {node(4)}));
  EXPECT_EQ(keeper.leaves(), 0u);
  EXPECT_EQ(keeper.next_timeout(), std::nullopt);
}

TEST_F(KeeperTest, WhoLeftIsPlacedNoMore) {
  const RecordPtr ana = leaf(1);
  silent = {placement.holders(id_of(ana))[0]};
  keeper.keep(now, ana);
  run_for(1ms);
  placed.clear();
  keeper.release(id_of(ana));
  leave(members[3]);
  run_for(48h);
  EXPECT_THAT(placed, SizeIs(0));
  EXPECT_EQ(keeper.next_timeout(), std::nullopt);
}

TEST_F(KeeperTest, WhatAHolderDeclinesIsOfferedAgainLater) {
  outcome = PlaceOutcome::not_mine;
  const RecordPtr ana = leaf(1);
  keeper.keep(now, ana);
  run_for(10s);
  EXPECT_THAT(placed, SizeIs(8));
  EXPECT_EQ(keeper.filled(id_of(ana)), 0u);
  outcome = PlaceOutcome::kept;
  run_for(60s);
  EXPECT_EQ(keeper.filled(id_of(ana)), 8u);
}

TEST_F(KeeperTest, OnlyTheHolderItselfAcknowledges) {
  keeper.keep(now, leaf(1));
  keeper.on_timeout(now);
  const auto out = keeper.poll_message(now);
  ASSERT_TRUE(out);
  keeper.on_placed(now, node(66), {out->message.number, PlaceOutcome::kept});
  keeper.on_placed(now, out->to, {out->message.number + 1, PlaceOutcome::kept});
  EXPECT_EQ(keeper.filled(out->message.target), 0u);
  keeper.on_placed(now, out->to, {out->message.number, PlaceOutcome::kept});
  EXPECT_EQ(keeper.filled(out->message.target), 1u);
}

TEST_F(KeeperTest, EveryDayOrSoARecordIsPlacedAnewForHoldersThatLostTheirMemory) {
  keeper.keep(now, leaf(1));
  run_for(1s);
  run_for(28h);
  EXPECT_THAT(placed, SizeIs(16));
  EXPECT_EQ(keeper.filled(id_of(leaf(1))), 8u);
}

// The record names three homes, of which we are one and the others are told nothing here.
TEST_F(KeeperTest, HomesShareTheHoldersAndLookAfterThoseOfOthersAnHourLater) {
  const std::vector<NodeId> homes{home, id_of(members[5]), id_of(members[9])};
  const RecordPtr ana = leaf_record(1, homes);
  std::vector<NodeId> told;
  for (const NodeId& one : homes) {
    Keeper its(one, placement, Random(2));
    its.keep(now, ana);
    its.on_timeout(now);
    const std::size_t before = told.size();
    while (const auto out = its.poll_message(now)) told.push_back(out->to);
    EXPECT_LT(told.size() - before, 8u) << "not all of them by one";
  }
  EXPECT_THAT(told, testing::UnorderedElementsAreArray(placement.holders(id_of(ana))));

  keeper.keep(now, ana);
  run_for(30min);
  EXPECT_LT(placed.size(), 8u);
  run_for(1h);
  EXPECT_THAT(placed, testing::UnorderedElementsAreArray(placement.holders(id_of(ana))));
  EXPECT_EQ(keeper.filled(id_of(ana)), 8u);
}

TEST_F(KeeperTest, WhoIsTheOnlyHomeLeftSeesToAllHoldersAtOnce) {
  const RecordPtr with_others = leaf_record(1, {id_of(members[5]), home, id_of(members[9])}, 1);
  keeper.keep(now, with_others);
  run_for(60s);
  placed.clear();
  keeper.keep(now, leaf(1, 2));
  run_for(60s);
  EXPECT_THAT(placed, testing::UnorderedElementsAreArray(placement.holders(id_of(with_others))));
}

class LargeKeeperTest : public KeeperTest {
 protected:
  LargeKeeperTest() : KeeperTest(100, 3) {}
};

TEST_F(LargeKeeperTest, WhenAThirdOfTheNetworkVanishesThereIsNoStorm) {
  for (std::uint64_t i = 0; i < 500; ++i) keeper.keep(now, leaf(i));
  run_for(5min);
  placed.clear();
  times.clear();
  for (std::size_t i = 1; i < members.size(); ++i)
    if (i % 10 < 3) leave(members[i]);
  const TimePoint vanished = now;
  run_for(1h);
  EXPECT_GT(placed.size(), 500u);
  for (std::size_t i = 0; i + 132 < times.size(); ++i)
    EXPECT_GT(times[i + 132] - times[i], 980ms) << "100 a second and 32 saved up";
  for (std::uint64_t i = 0; i < 500; ++i) EXPECT_EQ(keeper.filled(id_of(leaf(i))), 8u);
  EXPECT_LT(times.back() - vanished, 60s);
}

TEST_F(LargeKeeperTest, MembersThatComeAndGoAllTheTimeLeaveNothingBehind) {
  for (std::uint64_t i = 0; i < 20; ++i) keeper.keep(now, leaf(i));
  run_for(10s);
  for (int round = 0; round < 2'000; ++round) {
    const RecordPtr& member = members[static_cast<std::size_t>(round) % 30];
    leave(member);
    keeper.on_timeout(now += 10s);  // so much becomes due, and nothing may be sent
    placement.add(member);
    keeper.on_joined(now, *member);
    keeper.on_timeout(now += 10s);
  }
  EXPECT_LE(keeper.waiting(), 2 * 8 * 20u + 64u);
}

// Home, holders and another home together, with the messages handed over by hand.
TEST(Directory, ALeafIsFoundAfterAThirdOfTheSupernodesVanished) {
  auto members = supernodes(40, 1);
  Placement placement = placement_of(members);
  std::map<NodeId, Store> stores;
  std::map<NodeId, const SignedRecord*> present;
  for (const RecordPtr& member : members) {
    stores.try_emplace(id_of(member), id_of(member), placement, verified);
    present[id_of(member)] = member.get();
  }
  const NodeId home = id_of(members[0]);
  Keeper keeper(home, placement, Random(1));
  Lookup lookup(placement, verified, Random(2));
  std::vector<RecordPtr> leaves;
  for (std::uint64_t i = 0; i < 30; ++i) leaves.push_back(leaf_record(i, {home}));

  TimePoint now = noon;
  const auto keep_for = [&](Duration time) {
    for (const TimePoint end = now + time; now < end; now += 50ms) {
      keeper.on_timeout(now);
      while (const auto out = keeper.poll_message(now))
        if (present.contains(out->to))
          keeper.on_placed(now, out->to,
                           stores.at(out->to).on_place(now, home, members[0].get(), out->message));
    }
  };
  for (const RecordPtr& leaf : leaves) keeper.keep(now, leaf);
  keep_for(30s);

  // Thirteen go at once, and are noticed one by one.
  for (std::size_t i = 1; i < members.size(); i += 3) present.erase(id_of(members[i]));
  for (std::size_t i = 1; i < members.size(); i += 3) {
    placement.remove(*members[i]);
    keeper.on_left(now, *members[i]);
    keep_for(1s);
  }
  keep_for(60s);

  for (const RecordPtr& leaf : leaves) {
    EXPECT_EQ(keeper.filled(id_of(leaf)), 8u);
    lookup.find(now, id_of(leaf));
    while (const auto out = lookup.poll_message()) {
      ASSERT_TRUE(present.contains(out->to)) << "the dead are not asked";
      if (const auto* find = std::get_if<Find>(&out->message))
        lookup.on_found(now, out->to, stores.at(out->to).on_find(now, node(1), *find));
      else
        lookup.on_located(now, out->to, {std::get<Locate>(out->message).number, out->to == home});
    }
    const auto finding = lookup.poll_finding();
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->outcome, Lookup::Outcome::found);
    EXPECT_EQ(finding->home, home);
  }
}

}  // namespace
}  // namespace byway::keeper_test

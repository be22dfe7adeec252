#include "overlay/reach/homes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "overlay/core/limits.h"
#include "overlay/reach/home_limits.h"
#include "tests/unit/overlay/cast.h"

namespace byway::homes_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

const NodeId hub = node(1), mill = node(2), inn = node(3), barn = node(4);

class HomesStory : public testing::Test {
 protected:
  std::vector<NodeId> dialled(TimePoint now) {
    std::vector<NodeId> ids;
    while (const auto target = homes.poll_dial(now)) {
      ids.push_back(target->id);
      if (ids.size() > 100) break;
    }
    return ids;
  }
  void know(const NodeId& id, std::string_view endpoint) {
    homes.add_supernode(noon, id, at(endpoint));
  }

  Homes homes{Random(7), 16, 32};
};

TEST_F(HomesStory, ThreeAreWantedAndNoMore) {
  know(hub, "198.51.100.1:7000");
  know(mill, "203.0.113.1:7000");
  know(inn, "192.0.2.1:7000");
  know(barn, "100.65.0.1:7000");
  const auto first = dialled(noon);
  EXPECT_THAT(first, SizeIs(3));
  for (const NodeId& id : first) homes.on_registered(id);
  EXPECT_THAT(dialled(noon + 1h), IsEmpty());
  EXPECT_EQ(homes.next_timeout(), std::nullopt);
}

TEST_F(HomesStory, WhoNeitherAnsweredNorWasNamedIsNotCountedAmongTheLiving) {
  const auto living = [&] {
    std::vector<NodeId> ids;
    for (const Homes::Known& known : homes.living()) ids.push_back(known.id);
    return ids;
  };
  know(hub, "198.51.100.1:7000");
  know(mill, "203.0.113.1:7000");
  know(inn, "192.0.2.1:7000");
  EXPECT_THAT(living(), ElementsAre(hub, mill, inn)) << "nobody has told yet";
  dialled(noon);
  homes.on_registered(hub);
  homes.on_failed(noon + 6s, mill);
  EXPECT_THAT(living(), ElementsAre(hub, inn));
  know(barn, "100.65.0.1:7000");
  homes.on_named(noon, barn, {});
  EXPECT_THAT(living(), ElementsAre(hub, barn)) << "of the inn nobody has heard";
}

TEST_F(HomesStory, WhatSomebodyOffersIsOfferedUntilHeIsSilent) {
  know(hub, "198.51.100.1:7000");
  know(mill, "203.0.113.1:7000");
  homes.on_named(noon, hub, {.ipv6 = true});
  homes.on_named(noon, mill, {.tcp443 = true});
  EXPECT_EQ(homes.offered(), (Homes::Offers{.tcp443 = true, .ipv6 = true}));
  dialled(noon);
  homes.on_failed(noon + 12s, hub);
  EXPECT_EQ(homes.offered(), (Homes::Offers{.tcp443 = true, .ipv6 = false}));
}

TEST_F(HomesStory, WhoDidNotAnswerTheLastTimeIsAskedAfterTheOthers) {
  know(hub, "198.51.100.1:7000");
  know(mill, "203.0.113.1:7000");
  ASSERT_THAT(dialled(noon), ElementsAre(hub, mill));
  homes.on_failed(noon + 12s, hub);
  know(inn, "203.0.113.2:7000");  // in the mill's netgroup, but nothing is known against it
  EXPECT_THAT(dialled(noon + 1h), ElementsAre(inn, hub));
}

class ThreeHomes : public HomesStory {
 protected:
  ThreeHomes() {
    know(hub, "198.51.100.1:7000");
    know(mill, "203.0.113.1:7000");
    know(inn, "192.0.2.1:7000");
    for (const NodeId& id : dialled(noon)) homes.on_registered(id);
    know(barn, "100.65.0.1:7000");
  }
};

TEST_F(ThreeHomes, AHomeThatAsksToBeRelievedIsSoByOneThatHasRoom) {
  const std::vector<NodeId> by{barn};
  homes.on_relief_wanted(noon, hub, by);
  const auto target = homes.poll_dial(noon);
  ASSERT_TRUE(target);
  EXPECT_EQ(target->id, barn);
  EXPECT_EQ(target->seeking, 4);
  EXPECT_THAT(dialled(noon), IsEmpty()) << "nobody else";
  EXPECT_FALSE(homes.move_to(mill));
  homes.on_registered(barn);
  const auto move = homes.move_to(barn);
  ASSERT_TRUE(move);
  EXPECT_EQ(move->from, hub);
  EXPECT_FALSE(move->nearer);
  homes.on_surplus(noon, hub);
  EXPECT_THAT(homes.ids(), UnorderedElementsAre(barn, mill, inn));

  homes.on_relief_wanted(noon + limits::move_pause - 1s, barn, std::vector{hub});
  EXPECT_THAT(dialled(noon + limits::move_pause - 1s), IsEmpty()) << "not so soon again";
  homes.on_relief_wanted(noon + limits::move_pause, barn, std::vector{hub});
  EXPECT_THAT(dialled(noon + limits::move_pause), ElementsAre(hub));
}

TEST_F(ThreeHomes, WhoIsTurnedAwayAsTheFourthStaysWhereItIs) {
  homes.on_relief_wanted(noon, hub, std::vector{barn});
  ASSERT_THAT(dialled(noon), ElementsAre(barn));
  homes.on_refused(noon, barn, Refusal{.reason = RefusalReason::busy, .retry_s = 30});
  EXPECT_FALSE(homes.move_to(barn));
  EXPECT_THAT(dialled(noon + 1h), IsEmpty());
  EXPECT_EQ(homes.sound(), 3u);
}

TEST_F(ThreeHomes, NobodyMovesToTheNetgroupOfAHomeThatStaysNorWhileAHomeIsLate) {
  const NodeId cottage = node(9);
  know(cottage, "203.0.113.2:7000");  // the mill's
  homes.on_relief_wanted(noon, hub, std::vector{cottage});
  EXPECT_THAT(dialled(noon), IsEmpty());
  homes.on_late(inn, true);
  homes.on_relief_wanted(noon, hub, std::vector{barn});
  EXPECT_THAT(dialled(noon), IsEmpty());
  homes.on_late(inn, false);
  homes.on_relief_wanted(noon, mill, std::vector{cottage});
  EXPECT_THAT(dialled(noon), ElementsAre(cottage)) << "in its own place it may";
}

TEST_F(HomesStory, WithoutAnyHomeOneMoreIsDialledEvery150Ms) {
  for (std::uint64_t i = 0; i < 12; ++i)
    know(node(10 + i), "198." + std::to_string(i) + ".1.1:7000");
  EXPECT_THAT(dialled(noon), SizeIs(3));
  EXPECT_EQ(homes.next_timeout(), noon + limits::home_stagger);
  EXPECT_THAT(dialled(noon + limits::home_stagger - 1ms), IsEmpty());
  std::size_t more = 0;
  for (int i = 1; i < 40; ++i) more += dialled(noon + i * limits::home_stagger).size();
  EXPECT_EQ(3 + more, limits::dials_at_once) << "and there is an end to it";
  homes.on_registered(node(10));
  homes.on_failed(noon + 10s, node(11));
  EXPECT_THAT(dialled(noon + 10s), IsEmpty()) << "with one home there is no hurry";
}

TEST_F(HomesStory, WhereAllHomesAreLateOthersAreDialledBeforeTheyAreLost) {
  know(hub, "198.51.100.1:7000");
  know(mill, "203.0.113.1:7000");
  know(inn, "192.0.2.1:7000");
  know(barn, "100.65.0.1:7000");
  const auto first = dialled(noon);
  for (const NodeId& id : first) homes.on_registered(id);
  homes.on_late(first[0], true);
  homes.on_late(first[1], true);
  EXPECT_THAT(dialled(noon + 1s), IsEmpty()) << "one is sound";
  homes.on_late(first[2], true);
  const auto fourth = dialled(noon + 1s);
  ASSERT_THAT(fourth, SizeIs(1));
  homes.on_registered(fourth[0]);
  EXPECT_THAT(homes.ids(), ElementsAre(fourth[0], first[0], first[1], first[2]))
      << "who is sound comes first";
  homes.on_late(first[0], false);
  EXPECT_EQ(homes.sound(), 2u);
}

TEST_F(HomesStory, ReservedStrangersStayUndialledWhileThereIsAnybodyElse) {
  know(hub, "198.51.100.1:7000");
  know(mill, "203.0.113.1:7000");
  homes.set_reserved(std::vector<NodeId>{mill});
  EXPECT_THAT(dialled(noon), ElementsAre(hub));
  EXPECT_EQ(homes.next_timeout(), noon + limits::reserve_patience);
  EXPECT_THAT(dialled(noon + limits::reserve_patience - 1ms), IsEmpty());
  EXPECT_THAT(dialled(noon + limits::reserve_patience), ElementsAre(mill)) << "better than nobody";
}

TEST_F(HomesStory, ToHomesThatWereLostTogetherNobodyReturnsAtOnceUnlessSomebodyWaits) {
  Duration longest{};
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Homes other(Random(seed), 16, 32);
    other.add_supernode(noon, hub, at("198.51.100.1:7000"));
    other.add_supernode(noon, mill, at("203.0.113.1:7000"));
    while (const auto target = other.poll_dial(noon)) other.on_registered(target->id);
    other.on_failed(noon + 5s, hub);
    other.on_failed(noon + 6s, mill);
    other.on_registered(hub);  // the first one came back by itself
    const auto next = other.next_timeout();
    ASSERT_TRUE(next);
    EXPECT_LE(*next, noon + 6s + limits::herd_spread);
    longest = std::max(longest, *next - (noon + 6s));
    other.hurry(noon + 6s);
    EXPECT_LE(*other.next_timeout(), noon + 6s + limits::home_retry_first);
  }
  EXPECT_GT(longest, limits::herd_spread * 3 / 4);
}

TEST_F(HomesStory, HomesAreSoughtInDifferentNetgroupsWhereTheyCan) {
  know(hub, "198.51.100.1:7000");
  know(mill, "198.51.200.2:7000");
  know(inn, "198.51.1.3:7000");
  know(barn, "203.0.113.1:7000");
  EXPECT_THAT(dialled(noon), ElementsAre(hub, barn, mill));
}

TEST_F(HomesStory, OfIPv6TheFirst32BitsAreANetgroup) {
  know(hub, "[2001:db8:1::1]:7000");
  know(mill, "[2001:db8:2::1]:7000");
  know(inn, "[2001:db9::1]:7000");
  ASSERT_TRUE(homes.poll_dial(noon));
  EXPECT_EQ(homes.poll_dial(noon)->id, inn);
}

TEST_F(HomesStory, EachIsToldWhichHomeItWouldBe) {
  know(hub, "198.51.100.1:7000");
  EXPECT_EQ(homes.poll_dial(noon)->seeking, 1);
  EXPECT_TRUE(homes.is_dialing(hub));
  EXPECT_FALSE(homes.is_home(hub));
  homes.on_registered(hub);
  EXPECT_TRUE(homes.is_home(hub));
  know(mill, "203.0.113.1:7000");
  EXPECT_EQ(homes.poll_dial(noon)->seeking, 2);
}

TEST_F(HomesStory, AHomeIsGainedOnceAndListedInTheOrderGained) {
  know(hub, "198.51.100.1:7000");
  know(mill, "203.0.113.1:7000");
  dialled(noon);
  EXPECT_TRUE(homes.on_registered(mill));
  EXPECT_TRUE(homes.on_registered(hub));
  EXPECT_FALSE(homes.on_registered(mill)) << "a renewal is no news";
  EXPECT_THAT(homes.ids(), ElementsAre(mill, hub));
  EXPECT_FALSE(homes.on_registered(node(4711)));
}

TEST_F(HomesStory, BackOffGrowsFromASecondToFiveMinutesWithFullJitter) {
  know(hub, "198.51.100.1:7000");
  TimePoint now = noon;
  Duration expected = limits::home_retry_first, longest{};
  bool below_half = false;
  for (int attempt = 0; attempt < 60; ++attempt) {
    ASSERT_THAT(dialled(now), ElementsAre(hub)) << attempt;
    homes.on_failed(now, hub);
    const auto next = homes.next_timeout();
    ASSERT_TRUE(next);
    const Duration wait = *next - now;
    ASSERT_GE(wait, 0ns);
    ASSERT_LE(wait, expected) << attempt;
    if (attempt > 10) below_half = below_half || wait < expected / 2;
    if (wait > 1ns) {
      EXPECT_THAT(dialled(*next - 1ns), IsEmpty());
    }
    longest = std::max(longest, wait);
    expected = std::min(2 * expected, limits::home_retry_last);
    now = *next;
  }
  EXPECT_TRUE(below_half) << "jitter is full, not a little";
  EXPECT_GT(longest, limits::home_retry_last * 3 / 4);
}

TEST_F(HomesStory, OnceReachedTheNextTroubleStartsFromASecondAgain) {
  know(hub, "198.51.100.1:7000");
  TimePoint now = noon;
  for (int i = 0; i < 12; ++i) {
    ASSERT_THAT(dialled(now), ElementsAre(hub));
    homes.on_failed(now, hub);
    now = *homes.next_timeout();
  }
  dialled(now);
  homes.on_registered(hub);
  homes.on_failed(now, hub);
  EXPECT_LE(*homes.next_timeout() - now, limits::home_retry_first);
}

TEST_F(HomesStory, TroubleIsToldOncePerBout) {
  know(hub, "198.51.100.1:7000");
  TimePoint now = noon;
  std::vector<bool> told;
  for (int i = 0; i < 3; ++i) {
    dialled(now);
    told.push_back(homes.on_failed(now, hub));
    now = *homes.next_timeout();
  }
  EXPECT_THAT(told, ElementsAre(true, false, false));
  EXPECT_FALSE(homes.on_failed(now, hub)) << "it is not even being tried";
  dialled(now);
  homes.on_registered(hub);
  EXPECT_TRUE(homes.on_failed(now, hub)) << "a new bout";
}

TEST_F(HomesStory, ABusyOneIsTriedWhenItSaidAndAnotherMeanwhile) {
  know(hub, "198.51.100.1:7000");
  dialled(noon);
  homes.on_refused(noon, hub, {RefusalReason::busy, 30});
  EXPECT_FALSE(homes.is_dialing(hub));
  know(mill, "203.0.113.1:7000");
  EXPECT_THAT(dialled(noon + 20s), ElementsAre(mill));
  EXPECT_THAT(dialled(noon + 35s), ElementsAre(hub));
}

TEST_F(HomesStory, WhoHadNoRoomForASecondHomeIsAskedAgainWhenTheFirstIsLost) {
  know(hub, "198.51.100.1:7000");
  know(mill, "203.0.113.1:7000");
  EXPECT_THAT(dialled(noon), SizeIs(2));
  homes.on_registered(hub);
  homes.on_refused(noon, mill, {RefusalReason::busy, 30});
  EXPECT_THAT(dialled(noon + 10s), IsEmpty());
  homes.on_failed(noon + 10s, hub);
  EXPECT_THAT(dialled(noon + 11s), UnorderedElementsAre(hub, mill));
}

TEST_F(HomesStory, NoRetryTimeIsTooLargeToBeCountedWith) {
  know(hub, "198.51.100.1:7000");
  dialled(noon);
  homes.on_refused(noon, hub, {RefusalReason::busy, 0xffffffff});
  const auto next = homes.next_timeout();
  ASSERT_TRUE(next);
  EXPECT_GT(*next, noon);
  EXPECT_LE(*next, noon + 24h) << "it will not be shunned for a century";
}

TEST_F(HomesStory, ALostHomeIsReplacedByWhoeverIsReady) {
  know(hub, "198.51.100.1:7000");
  know(mill, "203.0.113.1:7000");
  know(inn, "192.0.2.1:7000");
  know(barn, "100.65.0.1:7000");
  const auto first = dialled(noon);
  for (const NodeId& id : first) homes.on_registered(id);
  homes.on_failed(noon + 1min, first[1]);
  EXPECT_THAT(homes.ids(), UnorderedElementsAre(first[0], first[2]));
  EXPECT_THAT(dialled(noon + 1min), SizeIs(1));
}

TEST_F(HomesStory, AfterANetworkChangeEverybodyIsWorthAnotherTry) {
  know(hub, "198.51.100.1:7000");
  TimePoint now = noon;
  for (int i = 0; i < 12; ++i) {
    dialled(now);
    homes.on_failed(now, hub);
    now = *homes.next_timeout();
  }
  dialled(now);
  homes.on_failed(now, hub);
  homes.on_network_change(now);
  EXPECT_THAT(dialled(now), ElementsAre(hub));
  homes.on_failed(now, hub);
  EXPECT_LE(*homes.next_timeout() - now, limits::home_retry_first);
}

TEST_F(HomesStory, ASupernodeIsKnownOnceAndMayMoveWhileItIsNoHome) {
  know(hub, "198.51.100.1:7000");
  know(hub, "203.0.113.9:7000");
  EXPECT_EQ(homes.known(), 1u);
  EXPECT_EQ(homes.endpoint_of(hub), at("203.0.113.9:7000"));
  ASSERT_TRUE(homes.poll_dial(noon));
  know(hub, "192.0.2.77:7000");
  EXPECT_EQ(homes.endpoint_of(hub), at("203.0.113.9:7000")) << "not while it is being dialled";
  EXPECT_EQ(homes.endpoint_of(mill), std::nullopt);
}

TEST_F(HomesStory, OfADualStackSupernodeTheOtherAddressIsTriedNext) {
  know(hub, "198.51.100.1:7000");
  know(hub, "[2001:db8::1]:7000");
  EXPECT_EQ(homes.known(), 1u);
  EXPECT_EQ(homes.poll_dial(noon)->endpoint, at("198.51.100.1:7000"));
  homes.on_failed(noon, hub);
  EXPECT_EQ(homes.poll_dial(noon + 1min)->endpoint, at("[2001:db8::1]:7000"));
  homes.on_failed(noon + 1min, hub);
  EXPECT_EQ(homes.poll_dial(noon + 10min)->endpoint, at("198.51.100.1:7000"));
}

TEST_F(HomesStory, AnAddressOfAFamilyThatWeLackIsNotTriedWhereThereIsAnother) {
  homes.set_families(false, true);
  know(hub, "198.51.100.1:7000");
  know(hub, "[2001:db8::1]:7000");
  EXPECT_EQ(homes.poll_dial(noon)->endpoint, at("[2001:db8::1]:7000"));
  homes.on_failed(noon, hub);
  EXPECT_EQ(homes.poll_dial(noon + 1min)->endpoint, at("[2001:db8::1]:7000"));
  know(mill, "203.0.113.1:7000");
  EXPECT_EQ(homes.poll_dial(noon + 1min)->endpoint, at("203.0.113.1:7000")) << "the only one";
}

// --- how far they are ----------------------------------------------------------------------------

class FarAndNear : public ThreeHomes {
 protected:
  FarAndNear() { homes.set_asks(true); }

  std::vector<NodeId> asked(TimePoint now) {
    std::vector<NodeId> ids;
    for (const Homes::Known& known : homes.poll_question(now)) ids.push_back(known.id);
    return ids;
  }
  void tell(TimePoint now, std::vector<Homes::Distance> distances) {
    homes.on_distances(now, distances, [this](const NodeId& home) { return home != in_use; });
  }
  // Looks until somebody is asked, as it is after a while.
  TimePoint look(TimePoint from) {
    asked(from);
    const auto when = homes.next_timeout();
    EXPECT_TRUE(when);
    return when.value_or(from);
  }

  const NodeId forge = node(5), well = node(6);
  NodeId in_use;
};

TEST_F(FarAndNear, TheNearestOfThoseWhoAnswerTakesTheLostOnesPlace) {
  know(forge, "100.66.0.1:7000");
  know(well, "100.67.0.1:7000");
  homes.on_failed(noon, inn);
  EXPECT_THAT(asked(noon), UnorderedElementsAre(barn, forge, well));
  EXPECT_THAT(dialled(noon), IsEmpty()) << "they are being asked";
  EXPECT_THAT(asked(noon + 10ms), IsEmpty());
  tell(noon + 90ms, {{barn, {}}, {forge, 90ms}, {well, 20ms}});
  EXPECT_THAT(asked(noon + 90ms), IsEmpty());
  EXPECT_THAT(dialled(noon + 90ms), ElementsAre(well));
}

TEST_F(FarAndNear, WhoIsAloneIsNotAskedAndWithoutAHomeNobodyIs) {
  homes.on_failed(noon, inn);
  EXPECT_THAT(asked(noon), IsEmpty());
  EXPECT_THAT(dialled(noon), ElementsAre(barn)) << "there is no choice";
  know(forge, "100.66.0.1:7000");
  homes.on_failed(noon, hub);
  homes.on_failed(noon, mill);
  EXPECT_THAT(asked(noon), IsEmpty());
  EXPECT_THAT(dialled(noon), ElementsAre(forge)) << "there is no time";
}

TEST_F(FarAndNear, TheDeadAreNotDialledWhileThereIsAnybodyElseToAsk) {
  std::vector<Homes::Distance> nobody;
  for (std::uint64_t i = 0; i < 2 * limits::asked_for_a_home; ++i) {
    const NodeId ghost = node(100 + i);
    know(ghost, "100." + std::to_string(70 + i) + ".0.1:7000");
    nobody.push_back({ghost, {}});
  }
  homes.on_failed(noon, inn);
  std::set<NodeId> all;
  for (TimePoint now = noon; all.size() < nobody.size() + 1; now += 1s) {
    const auto some = asked(now);
    ASSERT_THAT(some, ::testing::Not(IsEmpty())) << all.size();
    ASSERT_LE(some.size(), limits::asked_for_a_home);
    EXPECT_THAT(dialled(now), IsEmpty());
    all.insert(some.begin(), some.end());
    nobody.clear();
    for (const NodeId& id : some) nobody.push_back({id, {}});
    tell(now + 1s, nobody);
    if (all.size() == 17) break;
    nobody.resize(16);
  }
  EXPECT_THAT(dialled(noon + 3s), SizeIs(1)) << "perhaps it is only that question that is lost";
}

TEST_F(FarAndNear, ThoseWhoWereNamedLastAreAskedFirst) {
  for (std::uint64_t i = 0; i < limits::asked_for_a_home; ++i)
    know(node(100 + i), "100." + std::to_string(70 + i) + ".0.1:7000");
  know(forge, "100.66.0.1:7000");
  homes.on_named(noon + 1h, forge, {});
  homes.on_failed(noon + 1h, inn);
  const auto some = asked(noon + 1h);
  ASSERT_THAT(some, SizeIs(limits::asked_for_a_home));
  EXPECT_EQ(some.front(), forge);
}

TEST_F(FarAndNear, AmongThoseWhoAreAboutAsNearTheEmptierIsLikelier) {
  int forges = 0, wells = 0, barns = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    homes = Homes{Random(seed), 16, 32};
    homes.set_asks(true);
    know(hub, "198.51.100.1:7000");
    dialled(noon);
    homes.on_registered(hub);
    know(barn, "100.65.0.1:7000");
    know(forge, "100.66.0.1:7000");
    know(well, "100.67.0.1:7000");
    homes.on_named(noon, forge, {}, 7);
    homes.on_named(noon, well, {}, 1);
    asked(noon);
    tell(noon, {{barn, 60ms}, {forge, 20ms}, {well, 24ms}});
    const auto target = homes.poll_dial(noon);
    ASSERT_TRUE(target);
    forges += target->id == forge;
    wells += target->id == well;
    barns += target->id == barn;
  }
  EXPECT_EQ(barns, 0);
  EXPECT_GE(forges, 10) << "one of eight";
  EXPECT_GE(wells, 150);
}

TEST_F(FarAndNear, AHomeGivesWayToOneThatIsLessThanHalfAsFar) {
  const TimePoint when = look(noon);
  EXPECT_GE(when, noon + limits::look_first / 2);
  EXPECT_THAT(asked(when), UnorderedElementsAre(hub, mill, inn, barn));
  tell(when, {{hub, 70ms}, {mill, 90ms}, {inn, 95ms}, {barn, 40ms}});
  const auto target = homes.poll_dial(when);
  ASSERT_TRUE(target);
  EXPECT_EQ(target->id, barn);
  EXPECT_EQ(target->seeking, 4);
  homes.on_registered(barn);
  const auto move = homes.move_to(barn);
  ASSERT_TRUE(move);
  EXPECT_EQ(move->from, inn) << "the farthest";
  EXPECT_TRUE(move->nearer);
  homes.on_surplus(when, inn);

  know(forge, "100.66.0.1:7000");
  EXPECT_THAT(asked(when + 29min), IsEmpty()) << "not so soon again";
  EXPECT_GE(look(when), when + 29min);
}

TEST_F(FarAndNear, NobodyMovesForLittle) {
  const auto moves = [&](std::vector<Homes::Distance> distances) {
    const TimePoint when = look(noon + 10h);
    EXPECT_THAT(asked(when), SizeIs(4));
    tell(when, std::move(distances));
    return homes.poll_dial(when).has_value();
  };
  EXPECT_FALSE(moves({{hub, 90ms}, {mill, 90ms}, {inn, 90ms}, {barn, 46ms}})) << "hardly half";
  EXPECT_FALSE(moves({{hub, 39ms}, {mill, 39ms}, {inn, 39ms}, {barn, 10ms}})) << "29 ms";
  EXPECT_FALSE(moves({{hub, 90ms}, {mill, 90ms}, {inn, 90ms}, {barn, {}}})) << "no answer";
  EXPECT_FALSE(moves({{hub, {}}, {mill, {}}, {inn, {}}, {barn, 5ms}})) << "nothing to compare";
  homes.on_named(noon, barn, {}, limits::relief_from);
  EXPECT_FALSE(moves({{hub, 90ms}, {mill, 90ms}, {inn, 90ms}, {barn, 10ms}})) << "rather full";
  homes.on_named(noon, barn, {}, limits::relief_from - 1);
  in_use = inn;
  EXPECT_FALSE(moves({{hub, 10ms}, {mill, 10ms}, {inn, 90ms}, {barn, 10ms}})) << "in use";
  EXPECT_TRUE(moves({{hub, 60ms}, {mill, 10ms}, {inn, 90ms}, {barn, 10ms}}));
}

TEST_F(FarAndNear, NobodyReturnsToWhomItWasTooFull) {
  homes.on_relief_wanted(noon, inn, std::vector{barn});
  ASSERT_THAT(dialled(noon), ElementsAre(barn));
  homes.on_registered(barn);
  ASSERT_TRUE(homes.move_to(barn));
  homes.on_surplus(noon, inn);
  const TimePoint when = look(noon + 1h);
  EXPECT_THAT(asked(when), UnorderedElementsAre(hub, mill, inn, barn));
  tell(when, {{hub, 90ms}, {mill, 90ms}, {barn, 90ms}, {inn, 10ms}});
  EXPECT_THAT(dialled(when), IsEmpty());
}

TEST_F(HomesStory, WhoIsNamedNowFindsRoomAmongThoseNobodyNamedForLong) {
  know(hub, "198.51.100.1:7000");
  dialled(noon);
  homes.on_registered(hub);
  const auto endpoint = [](std::uint64_t i) {
    return "100." + std::to_string(64 + i) + ".0.1:7000";
  };
  for (std::uint64_t i = 1; i < limits::known_supernodes; ++i) know(node(100 + i), endpoint(i));
  ASSERT_EQ(homes.known(), limits::known_supernodes);
  know(barn, "203.0.113.1:7000");
  EXPECT_FALSE(homes.endpoint_of(barn)) << "all may be alive";

  homes.on_named(noon + 1h, node(101), {});
  homes.add_supernode(noon + 1h, barn, at("203.0.113.1:7000"));
  EXPECT_TRUE(homes.endpoint_of(barn));
  EXPECT_TRUE(homes.endpoint_of(hub)) << "it is a home";
  EXPECT_TRUE(homes.endpoint_of(node(101)));
  EXPECT_EQ(homes.known(), limits::known_supernodes);
}

}  // namespace
}  // namespace byway::homes_test

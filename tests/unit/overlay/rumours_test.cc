#include "overlay/mesh/rumours.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "overlay/mesh/mesh_limits.h"

namespace byway::rumours_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

NodeId node(std::size_t number) {
  Key key{};
  store_be<std::uint64_t>(key, number);
  return NodeId::trusted(key);
}

Rumours::Topic record_of(std::size_t number) {
  return {node(number), Rumours::Kind::record, {}};
}

// Who is told of in one datagram that has room for so many.
std::vector<NodeId> told(Rumours& rumours, std::size_t room, std::size_t listeners = 1) {
  std::vector<NodeId> subjects;
  rumours.offer(listeners, [&](const Rumours::Topic& topic) {
    if (subjects.size() == room) return Rumours::Taken::no_room;
    subjects.push_back(topic.subject);
    return Rumours::Taken::yes;
  });
  return subjects;
}

TEST(Rumours, ARumourIsToldSoManyTimesAndThenForgotten) {
  Rumours rumours;
  rumours.add(record_of(1), 2);
  EXPECT_TRUE(rumours.has_fresh());
  EXPECT_THAT(told(rumours, 9), ElementsAre(node(1)));
  EXPECT_FALSE(rumours.has_fresh());
  EXPECT_THAT(told(rumours, 9), ElementsAre(node(1)));
  EXPECT_THAT(told(rumours, 9), IsEmpty());
  EXPECT_EQ(rumours.size(), 0u);
}

TEST(Rumours, ToldToThreeAtOnceItHasBeenToldThreeTimes) {
  Rumours rumours;
  rumours.add(record_of(1), 4);
  EXPECT_THAT(told(rumours, 9, 3), ElementsAre(node(1)));
  EXPECT_THAT(told(rumours, 9, 3), ElementsAre(node(1)));
  EXPECT_THAT(told(rumours, 9, 3), IsEmpty());
}

TEST(Rumours, WhatWasToldLeastGoesFirst) {
  Rumours rumours;
  rumours.add(record_of(1), 3);
  rumours.add(record_of(2), 3);
  EXPECT_THAT(told(rumours, 1), ElementsAre(node(1)));
  EXPECT_THAT(told(rumours, 2), ElementsAre(node(2), node(1)));
}

TEST(Rumours, WhatEverybodyTellsUsIsToldLessOften) {
  Rumours rumours;
  rumours.add(record_of(1), 4);
  EXPECT_THAT(told(rumours, 9), ElementsAre(node(1)));
  rumours.heard_again(record_of(1));
  rumours.heard_again(record_of(1));
  EXPECT_THAT(told(rumours, 9), ElementsAre(node(1)));
  EXPECT_THAT(told(rumours, 9), IsEmpty());
}

TEST(Rumours, HoweverOftenItIsHeardWeTellItOnce) {
  Rumours rumours;
  rumours.add(record_of(1), 3);
  for (int times = 0; times < 9; ++times) rumours.heard_again(record_of(1));
  EXPECT_THAT(told(rumours, 9), ElementsAre(node(1)));
  EXPECT_THAT(told(rumours, 9), IsEmpty());
}

TEST(Rumours, WhatIsNotFreshWaitsForAnOccasion) {
  Rumours rumours;
  rumours.add(record_of(1), 1, false);
  EXPECT_FALSE(rumours.has_fresh());
  EXPECT_EQ(rumours.size(), 1u);
  EXPECT_THAT(told(rumours, 9), ElementsAre(node(1)));
  EXPECT_FALSE(rumours.has_fresh());
  EXPECT_EQ(rumours.size(), 0u);
}

TEST(Rumours, WhatIsVoidOrForgottenIsNotOfferedAgain) {
  Rumours rumours;
  rumours.add(record_of(1), 3);
  rumours.add({node(1), Rumours::Kind::voucher, node(7)}, 3);
  rumours.add(record_of(2), 3);
  rumours.forget(node(1));
  EXPECT_THAT(told(rumours, 9), ElementsAre(node(2)));
  rumours.offer(1, [](const Rumours::Topic&) { return Rumours::Taken::nothing_left; });
  EXPECT_EQ(rumours.size(), 0u);
}

TEST(Rumours, WhereThereIsNoRoomTheOneToldMostGivesWay) {
  Rumours rumours;
  for (std::size_t i = 0; i < limits::rumours; ++i) rumours.add(record_of(i), 3);
  EXPECT_THAT(told(rumours, 1), ElementsAre(node(0)));
  rumours.add(record_of(limits::rumours), 3);
  EXPECT_EQ(rumours.size(), limits::rumours);
  rumours.forget(node(0));
  EXPECT_EQ(rumours.size(), limits::rumours) << "it was gone already";
}

}  // namespace
}  // namespace byway::rumours_test

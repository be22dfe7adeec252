#include "overlay/core/alarms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>

#include "overlay/core/timers.h"
#include "protocol/random.h"
#include "tests/unit/overlay/cast.h"

namespace byway::alarms_test {
namespace {

using ::testing::ElementsAre;

struct Thing {
  int id = 0;
  AlarmPlace alarm{};
};

std::vector<int> due(Alarms<Thing>& alarms, TimePoint now) {
  std::vector<int> ids;
  while (const Thing* thing = alarms.pop_due(now)) ids.push_back(thing->id);
  return ids;
}

TEST(Alarms, GoOffInTheOrderOfTheirDeadlinesAndThenOfTheIds) {
  std::array<Thing, 4> things{{{1}, {2}, {3}, {4}}};
  Alarms<Thing> alarms;
  alarms.set(things[3], noon + 2s);
  alarms.set(things[0], noon + 3s);
  alarms.set(things[2], noon + 2s);
  alarms.set(things[1], noon + 1s);
  EXPECT_EQ(alarms.next(), noon + 1s);
  EXPECT_THAT(due(alarms, noon), ElementsAre());
  EXPECT_THAT(due(alarms, noon + 2s), ElementsAre(2, 3, 4));
  EXPECT_EQ(alarms.next(), noon + 3s);
}

TEST(Alarms, WhoseDeadlineIsTakenBackIsFreeToGo) {
  Thing stays{1};
  Alarms<Thing> alarms;
  {
    Thing goes{2};
    alarms.set(goes, noon);
    alarms.set(stays, noon + 1s);
    alarms.set(goes, std::nullopt);
    alarms.set(goes, std::nullopt);
  }
  EXPECT_THAT(due(alarms, noon + 2s), ElementsAre(1));
  EXPECT_EQ(alarms.next(), std::nullopt);
}

TEST(Alarms, GoOffAsTimersDoWhateverIsSet) {
  Random random{11};
  std::array<Thing, 60> things;
  for (int i = 0; i < 60; ++i) things[static_cast<std::size_t>(i)].id = i;
  Alarms<Thing> alarms;
  Timers<int> timers;
  TimePoint now = noon;
  for (int i = 0; i < 20'000; ++i) {
    Thing& thing = things[random.below(things.size())];
    std::optional<TimePoint> deadline;
    if (!random.chance(0.15)) deadline = now + random.below(40) * 1ms;
    alarms.set(thing, deadline);
    timers.set(thing.id, deadline);
    if (random.chance(0.1)) now += random.below(30) * 1ms;
    while (const Thing* woken = alarms.pop_due(now)) ASSERT_EQ(timers.pop_due(now), woken->id);
    ASSERT_EQ(timers.pop_due(now), std::nullopt);
    ASSERT_EQ(alarms.next(), timers.next());
  }
}

}  // namespace
}  // namespace byway::alarms_test

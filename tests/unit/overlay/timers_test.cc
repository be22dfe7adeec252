#include "overlay/core/timers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "protocol/random.h"
#include "tests/unit/overlay/cast.h"

namespace byway::timers_test {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> due(Timers<std::string>& timers, TimePoint now) {
  std::vector<std::string> keys;
  while (const auto key = timers.pop_due(now)) keys.push_back(*key);
  return keys;
}

TEST(Timers, WakeInTheOrderOfTheirDeadlines) {
  Timers<std::string> timers;
  timers.set("late", noon + 3s);
  timers.set("early", noon + 1s);
  timers.set("between", noon + 2s);
  EXPECT_EQ(timers.next(), noon + 1s);
  EXPECT_THAT(due(timers, noon), ElementsAre());
  EXPECT_THAT(due(timers, noon + 2s), ElementsAre("early", "between"));
  EXPECT_EQ(timers.next(), noon + 3s);
}

TEST(Timers, ANewDeadlineReplacesTheOldOne) {
  Timers<std::string> timers;
  timers.set("ana", noon + 1s);
  timers.set("ana", noon + 5s);
  EXPECT_THAT(due(timers, noon + 4s), ElementsAre());
  timers.set("ana", noon + 2s);
  timers.set("ana", noon + 2s);
  EXPECT_THAT(due(timers, noon + 10s), ElementsAre("ana"));
  EXPECT_EQ(timers.next(), std::nullopt);
}

TEST(Timers, WhoseDeadlineIsRemovedIsNotWoken) {
  Timers<std::string> timers;
  timers.set("ana", noon);
  timers.set("bo", noon);
  timers.set("ana", std::nullopt);
  timers.set("nobody", std::nullopt);
  EXPECT_THAT(due(timers, noon + 1s), ElementsAre("bo"));
}

TEST(Timers, AreWokenAsASortedListWouldHaveIt) {
  Random random{11};
  Timers<int> timers;
  std::map<int, TimePoint> expected;
  TimePoint now = noon;
  for (int i = 0; i < 20'000; ++i) {
    const int key = static_cast<int>(random.below(60));
    if (random.chance(0.15)) {
      timers.set(key, std::nullopt);
      expected.erase(key);
    } else {
      timers.set(key, expected[key] = now + random.below(40) * 1ms);
    }
    if (random.chance(0.1)) now += random.below(30) * 1ms;
    while (const auto woken = timers.pop_due(now)) {
      const auto first =
          std::min_element(expected.begin(), expected.end(), [](const auto& a, const auto& b) {
            return std::pair(a.second, a.first) < std::pair(b.second, b.first);
          });
      ASSERT_TRUE(first != expected.end());
      ASSERT_EQ(*woken, first->first);
      ASSERT_LE(first->second, now);
      expected.erase(first);
    }
    std::optional<TimePoint> next;
    for (const auto& [k, at] : expected) next = earlier(next, at);
    ASSERT_EQ(timers.next(), next);
  }
}

TEST(Timers, EarlierPrefersAnyDeadlineToNone) {
  EXPECT_EQ(earlier(std::nullopt, std::nullopt), std::nullopt);
  EXPECT_EQ(earlier(noon, std::nullopt), noon);
  EXPECT_EQ(earlier(std::nullopt, noon), noon);
  EXPECT_EQ(earlier(noon + 1s, noon), noon);
}

}  // namespace
}  // namespace byway::timers_test

#include "overlay/link/knock_budget.h"

#include <gtest/gtest.h>

#include <deque>

#include "protocol/random.h"
#include "tests/unit/overlay/cast.h"

namespace byway::knock_budget_test {
namespace {

TEST(KnockBudget, NoStrangerIsKnockedAtMoreThanSixtyFourTimesInAnyMinute) {
  const IpAddress victim = address("198.51.100.7");
  std::size_t most = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Random random(seed);
    KnockBudget budget;
    std::deque<TimePoint> minute;
    TimePoint now = noon;
    for (int i = 0; i < 3000; ++i) {
      // Whoever wants to do harm may wait as it likes, and then ask as often as it likes.
      now += random.chance(0.02) ? random.upto(90s) : random.upto(300ms);
      for (auto tries = random.below(40); tries > 0; --tries)
        if (budget.take(now, victim)) minute.push_back(now);
      while (!minute.empty() && minute.front() <= now - 60s) minute.pop_front();
      most = std::max(most, minute.size());
      ASSERT_LE(minute.size(), static_cast<std::size_t>(limits::knocks_per_minute))
          << "seed " << seed;
    }
  }
  EXPECT_GE(most, 60u) << "what is allowed can also be used";
}

TEST(KnockBudget, OneIntroductionMayUseItsSixteenAtOnce) {
  KnockBudget budget;
  int passed = 0;
  for (int i = 0; i < 100; ++i) passed += budget.take(noon, address("198.51.100.7"));
  EXPECT_EQ(passed, limits::knocks_per_introduction);
  EXPECT_TRUE(budget.take(noon, address("198.51.100.8")));
}

TEST(KnockBudget, WhenTooManyStrangersAreNamedFurtherOnesAreLeftAlone) {
  KnockBudget budget;
  const auto nth = [](std::uint32_t n) {
    ByteArray<4> octets;
    store_be<std::uint32_t>(octets, 0xcb000000u + n);
    return IpAddress::v4(octets);
  };
  std::size_t passed = 0;
  for (std::uint32_t n = 0; n < 3 * limits::tracked_strangers; ++n)
    passed += budget.take(noon, nth(n));
  EXPECT_EQ(passed, limits::tracked_strangers);
}

}  // namespace
}  // namespace byway::knock_budget_test

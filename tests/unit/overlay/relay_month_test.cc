#include "overlay/link/relay_month.h"

#include <gtest/gtest.h>

namespace byway::relay_month_test {
namespace {

using namespace std::chrono;

WallTime at(year_month_day day, milliseconds of_the_day = {}) {
  return WallTime{sys_days(day).time_since_epoch() + of_the_day};
}

TEST(RelayMonth, BeginsAnewWithTheCalendarMonth) {
  RelayMonth month(1000, {});
  const WallTime last = at(2027y / January / 31, 24h - 1ms);
  month.add(at(2027y / January / 3), 600);
  EXPECT_FALSE(month.is_used_up(last));
  month.add(last, 400);
  EXPECT_TRUE(month.is_used_up(last));
  EXPECT_EQ(month.carried(last), 1000u);
  EXPECT_FALSE(month.is_used_up(last + 1ms)) << "before anything is carried in it";
  EXPECT_EQ(month.carried(last + 1ms), 0u);
  month.add(last + 1ms, 7);
  EXPECT_EQ(month.carried(at(2027y / February / 28)), 7u);
  month.add(at(2027y / December / 31), 5);
  EXPECT_EQ(month.carried(at(2027y / December / 31)), 5u);
  EXPECT_EQ(month.carried(at(2028y / January / 1)), 0u);
}

TEST(RelayMonth, WithoutACapIsOnlyAnAccount) {
  RelayMonth month(0, {});
  month.add(at(2027y / May / 1), UINT64_MAX / 2);
  EXPECT_FALSE(month.is_used_up(at(2027y / May / 1)));
}

TEST(RelayMonth, SurvivesARestart) {
  const WallTime now = at(2027y / May / 9);
  RelayMonth before(1000, {});
  EXPECT_EQ(before.version(), 0u) << "nothing worth keeping";
  before.add(now, 999);
  EXPECT_NE(before.version(), 0u);
  RelayMonth after(1000, before.save());
  EXPECT_EQ(after.carried(now), 999u);
  after.add(now, 1);
  EXPECT_TRUE(after.is_used_up(now));
  EXPECT_FALSE(RelayMonth(1000, after.save()).is_used_up(at(2027y / June / 1)));
  EXPECT_EQ(RelayMonth(1000, Bytes(3, 1)).carried(now), 0u) << "damaged";
}

TEST(RelayMonth, AClockThatIsSetBackChangesNothing) {
  RelayMonth month(1000, {});
  month.add(at(2027y / May / 1), 1000);
  month.add(at(2027y / April / 30), 1);
  EXPECT_TRUE(month.is_used_up(at(2027y / April / 30)));
  EXPECT_EQ(month.carried(at(2027y / May / 2)), 1001u);
}

}  // namespace
}  // namespace byway::relay_month_test

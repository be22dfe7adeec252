#include "overlay/core/watched.h"

#include <gtest/gtest.h>

namespace byway::watched_test {
namespace {

struct Machine {
  explicit Machine(TimePoint at) : wakes(at) {}
  std::optional<TimePoint> wakes;
};
constexpr TimePoint noon = TimePoint{} + 12h;

TEST(Watched, ADeadlineIsAskedForAgainWhereAMachineWasChangedAndOnlyThen) {
  Deadline deadline;
  Watched<Machine> one(deadline, noon + 5s);
  Watched<Machine> other(deadline, noon + 3s);
  int asked = 0;
  const auto next = [&] {
    return deadline.next([&] {
      ++asked;
      return std::min(one->wakes, other->wakes);
    });
  };
  EXPECT_EQ(next(), noon + 3s);
  EXPECT_EQ(next(), noon + 3s);
  EXPECT_EQ(asked, 1);
  one.change().wakes = noon + 1s;
  EXPECT_EQ(next(), noon + 1s);
  EXPECT_EQ(next(), noon + 1s);
  EXPECT_EQ(asked, 2);
}

TEST(Watched, ItMayBeDueWhenItsTimeHasComeAndAfterAChange) {
  Deadline deadline;
  Watched<Machine> one(deadline, noon);
  EXPECT_TRUE(deadline.may_be_due(noon - 1h)) << "never asked";
  deadline.next([&] { return one->wakes; });
  EXPECT_FALSE(deadline.may_be_due(noon - 1ns));
  EXPECT_TRUE(deadline.may_be_due(noon));
  one.change();
  EXPECT_TRUE(deadline.may_be_due(noon - 1h));
  one.change().wakes.reset();
  deadline.next([&] { return one->wakes; });
  EXPECT_FALSE(deadline.may_be_due(noon + 1h));
}

}  // namespace
}  // namespace byway::watched_test

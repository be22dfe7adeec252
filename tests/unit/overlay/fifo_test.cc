#include "overlay/core/fifo.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>

#include "protocol/random.h"

namespace byway::fifo_test {
namespace {

TEST(Fifo, IsAQueueLikeAnyOther) {
  Random random{3};
  Fifo<int> fifo;
  std::deque<int> expected;
  for (int i = 0; i < 20'000; ++i) {
    if (random.chance(i % 2000 < 1000 ? 0.7 : 0.3)) {
      fifo.push(i);
      expected.push_back(i);
    } else if (!expected.empty()) {
      ASSERT_EQ(fifo.front(), expected.front());
      ASSERT_EQ(fifo.pop(), expected.front());
      expected.pop_front();
    }
    ASSERT_EQ(fifo.size(), expected.size());
    if (!expected.empty()) {
      ASSERT_EQ(fifo[fifo.size() - 1], expected.back());
    }
  }
}

TEST(Fifo, HoldsNothingThatWasTaken) {
  Fifo<std::shared_ptr<int>> fifo;
  const auto thing = std::make_shared<int>(7);
  for (int i = 0; i < 20; ++i) fifo.push(thing);
  fifo.pop();
  fifo.drop();
  EXPECT_EQ(thing.use_count(), 19);
  fifo.clear();
  EXPECT_EQ(thing.use_count(), 1);
  EXPECT_TRUE(fifo.empty());
}

}  // namespace
}  // namespace byway::fifo_test

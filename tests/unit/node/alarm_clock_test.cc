#include "node/alarm_clock.h"

#include <gtest/gtest.h>

#include <vector>

#include "node/clock.h"

namespace byway::alarm_clock_test {
namespace {

struct Bedroom {
  boost::asio::io_context io;
  std::vector<TimePoint> rung;
  AlarmClock clock{io, [this] { rung.push_back(monotonic_now()); }};
};

TEST(AlarmClock, RingsOnceAtItsTime) {
  Bedroom room;
  const auto when = monotonic_now() + 20ms;
  room.clock.set(when);
  room.io.run_one();
  room.io.run_for(30ms);
  ASSERT_EQ(room.rung.size(), 1u);
  EXPECT_GE(room.rung[0], when);
}

TEST(AlarmClock, ASecondTimeReplacesTheFirst) {
  Bedroom room;
  room.clock.set(monotonic_now() + 1h);
  const auto when = monotonic_now() + 5ms;
  room.clock.set(when);
  room.io.run_one();
  ASSERT_EQ(room.rung.size(), 1u);
  EXPECT_GE(room.rung[0], when);
}

TEST(AlarmClock, WhatIsPastRingsAtOnce) {
  Bedroom room;
  room.clock.set(TimePoint{});
  room.io.run_one();
  EXPECT_EQ(room.rung.size(), 1u);
}

TEST(AlarmClock, WhoIsRungMaySetItAgain) {
  boost::asio::io_context io;
  int rings = 0;
  AlarmClock* self = nullptr;
  AlarmClock clock(io, [&] {
    if (++rings < 100) self->set(monotonic_now() + 10us);
  });
  self = &clock;
  clock.set(monotonic_now());
  while (rings < 100) ASSERT_GT(io.run_one_for(10s), 0u);
}

TEST(AlarmClock, ClosedItKeepsNobodyWaiting) {
  Bedroom room;
  room.clock.set(monotonic_now() + 1h);
  room.clock.close();
  room.io.run();
  EXPECT_TRUE(room.rung.empty());
}

}  // namespace
}  // namespace byway::alarm_clock_test

#include "overlay/link/introducer.h"

#include <gtest/gtest.h>

#include "tests/unit/overlay/cast.h"

namespace byway::introducer_test {
namespace {

const NodeId hub = node(1), mill = node(2);

TEST(Introducer, ACallerMayAskForABurstAndThenForFiveASecond) {
  Introducer introducer;
  int passed = 0;
  for (int i = 0; i < 100; ++i) passed += introducer.may_call(noon, node(9));
  EXPECT_EQ(passed, 20);
  passed = 0;
  for (int i = 1; i <= 1000; ++i) passed += introducer.may_call(noon + i * 10ms, node(9));
  EXPECT_NEAR(passed, 50, 1);
  EXPECT_TRUE(introducer.may_call(noon, node(8))) << "another caller is not held back by it";
}

TEST(Introducer, ACallerWithManyKeysIsStillOneAddress) {
  Introducer introducer;
  int passed = 0;
  for (int i = 0; i < 100; ++i)
    passed += introducer.may_be_called(noon, hub, address("198.51.100.7"));
  EXPECT_EQ(passed, 16);
  EXPECT_TRUE(introducer.may_be_called(noon, hub, address("198.51.100.8")));
  EXPECT_TRUE(introducer.may_be_called(noon, mill, address("198.51.100.7")))
      << "what one home claims about an address does not spoil another home's word";
}

TEST(Introducer, AHomeThatTurnedBadCannotDrownUs) {
  Introducer introducer;
  int passed = 0;
  TimePoint now = noon;
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    now += 1ms;
    ByteArray<4> octets;
    store_be<std::uint32_t>(octets, 0xcb000000u + i);
    passed += introducer.may_be_called(now, hub, IpAddress::v4(octets));
  }
  EXPECT_LE(passed, 128 + 20 * 64 + 1);
  EXPECT_GE(passed, 20 * 64);
  EXPECT_TRUE(introducer.may_be_called(now, mill, address("198.51.100.7")));
}

}  // namespace
}  // namespace byway::introducer_test

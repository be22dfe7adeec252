#include "overlay/reach/contacted.h"

#include <gtest/gtest.h>

namespace byway {
namespace {

constexpr TimePoint noon = TimePoint{} + 12h;

IpAddress address(int number) {
  return IpAddress::v4(
      {20, 0, static_cast<std::uint8_t>(number / 256), static_cast<std::uint8_t>(number % 256)});
}

TEST(Contacted, AnAddressIsQuietTenMinutesAfterTheLastPacketAndNotAfterTheFirst) {
  Contacted contacted(10min, 100);
  EXPECT_TRUE(contacted.is_quiet(noon, address(1)));
  contacted.on_sent(noon, address(1));
  contacted.on_sent(noon + 6min, address(1));
  EXPECT_FALSE(contacted.is_quiet(noon + 12min, address(1)));
  EXPECT_TRUE(contacted.is_quiet(noon + 16min, address(1)));
}

TEST(Contacted, WhatIsOldIsForgottenAndWhatWasUsedSinceIsKept) {
  Contacted contacted(10min, 100);
  for (int i = 0; i < 20; ++i) contacted.on_sent(noon, address(i));
  for (int i = 0; i < 5; ++i) contacted.on_sent(noon + 5min, address(i));
  contacted.on_sent(noon + 11min, address(99));
  EXPECT_EQ(contacted.size(), 6u);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(contacted.is_quiet(noon + 11min, address(i)));
  contacted.on_sent(noon + 15min, address(99));
  EXPECT_EQ(contacted.size(), 1u);
  EXPECT_TRUE(contacted.is_quiet(noon + 15min, address(7)));
}

TEST(Contacted, WhereOneHadToMakeRoomNothingIsKnownOfOthersUntilItWouldBeOld) {
  Contacted contacted(10min, 3);
  contacted.on_sent(noon, address(1));
  contacted.on_sent(noon + 1min, address(2));
  contacted.on_sent(noon + 2min, address(3));
  contacted.on_sent(noon + 3min, address(1));  // now the second is the oldest
  contacted.on_sent(noon + 4min, address(4));
  EXPECT_EQ(contacted.size(), 3u);
  EXPECT_FALSE(contacted.is_quiet(noon + 10min, address(2)));
  EXPECT_FALSE(contacted.is_quiet(noon + 10min, address(50))) << "who knows";
  EXPECT_TRUE(contacted.is_quiet(noon + 11min, address(50)));
  EXPECT_FALSE(contacted.is_quiet(noon + 11min, address(1)));
}

}  // namespace
}  // namespace byway

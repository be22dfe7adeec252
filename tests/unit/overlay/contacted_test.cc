#include "overlay/reach/contacted.h"

#include <gtest/gtest.h>

namespace byway::contacted_test {
namespace {

constexpr std::uint64_t salt = 1;
constexpr TimePoint noon = TimePoint{} + 12h;

IpAddress address(int number) {
  return IpAddress::v4(
      {20, 0, static_cast<std::uint8_t>(number / 256), static_cast<std::uint8_t>(number % 256)});
}

TEST(Contacted, AnAddressIsQuietTenMinutesAfterTheLastPacketAndNotAfterTheFirst) {
  Contacted contacted(10min, 100, salt);
  EXPECT_TRUE(contacted.is_quiet(noon, address(1)));
  contacted.on_sent(noon, address(1));
  contacted.on_sent(noon + 6min, address(1));
  EXPECT_FALSE(contacted.is_quiet(noon + 12min, address(1)));
  EXPECT_FALSE(contacted.is_quiet(noon + 16min - 1ns, address(1)));
  EXPECT_TRUE(contacted.is_quiet(noon + 16min, address(1)));
}

TEST(Contacted, WhatIsOldIsForgottenAndWhatWasUsedSinceIsKept) {
  Contacted contacted(10min, 100, salt);
  for (int i = 0; i < 20; ++i) contacted.on_sent(noon, address(i));
  for (int i = 0; i < 5; ++i) contacted.on_sent(noon + 5min, address(i));
  contacted.on_sent(noon + 11min, address(99));
  EXPECT_EQ(contacted.size(noon + 11min), 6u);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(contacted.is_quiet(noon + 11min, address(i)));
  contacted.on_sent(noon + 15min, address(99));
  EXPECT_EQ(contacted.size(noon + 15min), 1u);
  EXPECT_TRUE(contacted.is_quiet(noon + 15min, address(7)));
}

TEST(Contacted, PartOfASecondCountsAsSent) {
  Contacted contacted(10min, 100, salt);
  contacted.on_sent(noon + 900ms, address(1));
  EXPECT_FALSE(contacted.is_quiet(noon + 10min + 899ms, address(1)));
  EXPECT_TRUE(contacted.is_quiet(noon + 10min + 1s, address(1)));
}

// A small network has few who could dial, and none of them may be taken for contacted by chance.
TEST(Contacted, WhereFewWereContactedAllOthersAreQuiet) {
  for (std::uint64_t any = 1; any <= 100; ++any) {
    Contacted contacted(10min, 131'072, any);
    for (int i = 0; i < 20; ++i) {
      contacted.on_sent(noon, address(i));
      for (int j = 0; j < 40; ++j)
        ASSERT_EQ(contacted.is_quiet(noon, address(j)), j > i) << "salt " << any;
    }
  }
}

TEST(Contacted, NoneOfManyIsLostAndNobodyElseIsTakenForOne) {
  Contacted contacted(10min, 65'536, salt);
  for (int i = 0; i < 4096; ++i) contacted.on_sent(noon, address(i));
  EXPECT_EQ(contacted.size(noon), 4096u);
  for (int i = 0; i < 4096; ++i) EXPECT_FALSE(contacted.is_quiet(noon, address(i)));
  for (int i = 4096; i < 8192; ++i) EXPECT_TRUE(contacted.is_quiet(noon, address(i)));
  for (int i = 0; i < 4096; ++i) contacted.on_sent(noon + 1h, address(i + 10000));
  EXPECT_EQ(contacted.size(noon + 1h), 4096u);
}

TEST(Contacted, WhereOneHadToMakeRoomNothingIsKnownOfOthersUntilItWouldBeOld) {
  Contacted contacted(10min, 1, salt);  // one bucket of eight
  for (int i = 0; i < 8; ++i) contacted.on_sent(noon + i * 1min, address(i));
  EXPECT_FALSE(contacted.is_quiet(noon + 8min, address(50))) << "who knows";
  contacted.on_sent(noon + 8min, address(0));  // now the second is the oldest
  contacted.on_sent(noon + 9min, address(8));
  EXPECT_EQ(contacted.size(noon + 9min), 8u);
  EXPECT_FALSE(contacted.is_quiet(noon + 10min, address(1)));
  EXPECT_FALSE(contacted.is_quiet(noon + 10min, address(50)));
  EXPECT_TRUE(contacted.is_quiet(noon + 12min, address(1)));
  EXPECT_TRUE(contacted.is_quiet(noon + 12min, address(50)));
  EXPECT_FALSE(contacted.is_quiet(noon + 12min, address(3)));
}

}  // namespace
}  // namespace byway::contacted_test

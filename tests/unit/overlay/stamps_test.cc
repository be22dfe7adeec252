#include "overlay/link/stamps.h"

#include <gtest/gtest.h>

#include "overlay/core/limits.h"
#include "tests/unit/overlay/cast.h"

namespace byway::stamps_test {
namespace {

using Verdict = Stamps::Verdict;

const NodeId ana = node(1), bo = node(2);
constexpr WallTime start = wall_noon;

// Takes the stamp as the conductor does: judged, and remembered when it is fresh.
Verdict offer(Stamps& stamps, WallTime wall, const NodeId& id, WallTime stamp) {
  const Verdict verdict = stamps.judge(wall, id, stamp);
  if (verdict == Verdict::fresh) stamps.accept(wall, id, stamp);
  return verdict;
}

TEST(Stamps, EveryStampIsGoodOnce) {
  Stamps stamps(start);
  EXPECT_EQ(offer(stamps, start + 1s, ana, start + 1s), Verdict::fresh);
  EXPECT_EQ(offer(stamps, start + 1s, ana, start + 1s), Verdict::repeated);
  EXPECT_EQ(offer(stamps, start + 2s, ana, start + 2s), Verdict::fresh);
  EXPECT_EQ(offer(stamps, start + 2s, ana, start + 1s), Verdict::stale);
}

TEST(Stamps, OneKeySpeaksOnlyForItself) {
  Stamps stamps(start);
  offer(stamps, start + 9s, ana, start + 9s);
  EXPECT_EQ(offer(stamps, start + 9s, bo, start + 5s), Verdict::fresh);
}

TEST(Stamps, WhatIsJudgedAndThenFoundBadIsNotRemembered) {
  Stamps stamps(start);
  EXPECT_EQ(stamps.judge(start, ana, start + 8s), Verdict::fresh);
  EXPECT_EQ(stamps.judge(start, ana, start + 1s), Verdict::fresh);
}

TEST(Stamps, WhatWasRecordedBeforeWeStartedIsOfNoUse) {
  Stamps stamps(start);
  EXPECT_EQ(offer(stamps, start + 1s, ana, start), Verdict::stale);
  EXPECT_EQ(offer(stamps, start + 1s, ana, start - 1s), Verdict::stale);
  EXPECT_EQ(offer(stamps, start + 1s, ana, start + 1ms), Verdict::fresh);
}

TEST(Stamps, AClockMayBeADayOffAndNoMore) {
  Stamps stamps(start);
  const WallTime now = start + 48h;
  EXPECT_EQ(stamps.judge(now, ana, now + 24h), Verdict::fresh);
  EXPECT_EQ(stamps.judge(now, ana, now + 24h + 1ms), Verdict::stale);
  EXPECT_EQ(stamps.judge(now, ana, now - 24h), Verdict::fresh);
  EXPECT_EQ(stamps.judge(now, ana, now - 24h - 1ms), Verdict::stale);
}

TEST(Stamps, WhoWasForgottenForRoomCannotBeReplayed) {
  Stamps stamps(start);
  WallTime now = start + 1s;
  const WallTime recorded = now;
  ASSERT_EQ(offer(stamps, now, ana, recorded), Verdict::fresh);
  for (std::uint64_t i = 0; i < limits::remembered_stamps; ++i) {
    now += 1ms;
    ASSERT_EQ(offer(stamps, now, node(100 + i), now), Verdict::fresh);
  }
  EXPECT_EQ(offer(stamps, now, ana, recorded), Verdict::stale);
  EXPECT_EQ(offer(stamps, now, ana, now), Verdict::fresh) << "but it may come again itself";
}

TEST(Stamps, WhoKeepsComingIsNotForgotten) {
  Stamps stamps(start);
  WallTime now = start + 1s;
  for (std::uint64_t i = 0; i < 2 * limits::remembered_stamps; ++i) {
    now += 1ms;
    if (i % 1000 == 0) {
      ASSERT_EQ(offer(stamps, now, ana, now), Verdict::fresh);
    }
    ASSERT_EQ(offer(stamps, now, node(100 + i), now), Verdict::fresh);
  }
  EXPECT_EQ(offer(stamps, now, ana, now), Verdict::fresh);
  EXPECT_EQ(offer(stamps, now, ana, now), Verdict::repeated);
}

TEST(Stamps, AThousandKeysFromTheFutureLockNobodyOut) {
  Stamps stamps(start);
  WallTime now = start + 1s;
  for (std::uint64_t i = 0; i < 2 * limits::remembered_stamps; ++i) {
    now += 1ms;
    ASSERT_EQ(offer(stamps, now, node(100 + i), now + 23h), Verdict::fresh);
  }
  EXPECT_EQ(offer(stamps, now + 1s, bo, now + 1s), Verdict::fresh);
}

}  // namespace
}  // namespace byway::stamps_test

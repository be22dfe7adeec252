#include "overlay/core/rate_limiter.h"

#include <gtest/gtest.h>

#include "protocol/random.h"
#include "tests/unit/overlay/cast.h"

namespace byway::rate_limiter_test {
namespace {

TEST(TokenBucket, WhatWasSavedUpIsSpentAtOnceAndThenTheRateHolds) {
  TokenBucket bucket(10, 5);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(bucket.take(noon)) << i;
  EXPECT_FALSE(bucket.take(noon));
  EXPECT_FALSE(bucket.take(noon + 99ms));
  EXPECT_TRUE(bucket.take(noon + 101ms));
  EXPECT_FALSE(bucket.take(noon + 102ms));
}

TEST(TokenBucket, ALongRestFillsItNoHigherThanItsBrim) {
  TokenBucket bucket(10, 5);
  for (int i = 0; i < 5; ++i) bucket.take(noon);
  EXPECT_FALSE(bucket.full(noon + 499ms));
  EXPECT_TRUE(bucket.full(noon + 501ms));
  int taken = 0;
  while (bucket.take(noon + 24h)) ++taken;
  EXPECT_EQ(taken, 5);
}

TEST(TokenBucket, ARefusalCostsNothing) {
  TokenBucket bucket(1, 100);
  EXPECT_TRUE(bucket.take(noon, 60));
  EXPECT_FALSE(bucket.take(noon, 60));
  EXPECT_TRUE(bucket.take(noon, 40));
}

TEST(TokenBucket, TimeThatStandsStillOrGoesBackGivesNothing) {
  TokenBucket bucket(1000, 1);
  EXPECT_TRUE(bucket.take(noon));
  EXPECT_FALSE(bucket.take(noon - 1h));
  EXPECT_FALSE(bucket.take(noon));
  EXPECT_TRUE(bucket.take(noon + 2ms));
}

TEST(TokenBucket, WithoutARateNothingIsRefused) {
  TokenBucket bucket(0, 1);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(bucket.take(noon, 1e9));
}

TEST(RateLimiter, OneGreedyNeighbourDoesNotSpendForAnother) {
  RateLimiter<NodeId> limiter(1, 3, 100);
  int greedy = 0;
  for (int i = 0; i < 50; ++i) greedy += limiter.take(noon, node(1));
  EXPECT_EQ(greedy, 3);
  EXPECT_TRUE(limiter.take(noon, node(2)));
}

TEST(RateLimiter, AFloodFromManyAddressesNeverGrowsTheTable) {
  RateLimiter<NodeId> limiter(1, 3, 64);
  Random random(1);
  TimePoint now = noon;
  for (int i = 0; i < 20'000; ++i) {
    now += random.upto(2ms);
    limiter.take(now, node(random.u64()));
    ASSERT_LE(limiter.size(), 64u);
  }
}

TEST(RateLimiter, WhenFullNewcomersWaitAndWhoIsKnownGoesOn) {
  RateLimiter<NodeId> limiter(1, 3, 4);
  for (std::uint64_t key = 0; key < 4; ++key) EXPECT_TRUE(limiter.take(noon, node(key)));
  EXPECT_FALSE(limiter.take(noon, node(4)));
  EXPECT_TRUE(limiter.take(noon, node(0)));
}

TEST(RateLimiter, BucketsThatFilledUpAgainMakeRoom) {
  RateLimiter<NodeId> limiter(1, 3, 4);
  for (std::uint64_t key = 0; key < 4; ++key) limiter.take(noon, node(key));
  EXPECT_FALSE(limiter.take(noon + 500ms, node(4)));
  EXPECT_TRUE(limiter.take(noon + 1200ms, node(4)));
  EXPECT_EQ(limiter.size(), 1u);
}

TEST(RateLimiter, BeingForgottenGivesNobodyMoreThanTheBurst) {
  RateLimiter<NodeId> limiter(1, 3, 2);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.take(noon, node(1)));
  limiter.take(noon, node(2));
  // Key 2 has filled up, key 1 has not: a newcomer may push out only the one that is full.
  EXPECT_TRUE(limiter.take(noon + 2s, node(3)));
  EXPECT_TRUE(limiter.take(noon + 2s, node(1)));
  EXPECT_TRUE(limiter.take(noon + 2s, node(1)));
  EXPECT_FALSE(limiter.take(noon + 2s, node(1)));
}

}  // namespace
}  // namespace byway::rate_limiter_test

#include "protocol/random.h"

#include <gtest/gtest.h>

#include <set>

namespace byway::random_test {
namespace {

TEST(Random, TheSameSeedTellsTheSameStory) {
  Random one(7), same(7), other(8);
  const auto first = one.bytes<32>();
  EXPECT_EQ(first, same.bytes<32>());
  EXPECT_NE(first, other.bytes<32>());
  EXPECT_NE(first, one.bytes<32>());
}

TEST(Random, TheStoryDoesNotDependOnTheSizeOfTheGulps) {
  Random sips(7), gulp(7);
  const auto whole = gulp.bytes<1000>();
  Bytes pieces;
  for (std::size_t size = 1; pieces.size() < whole.size(); ++size) {
    Bytes piece(std::min(size, whole.size() - pieces.size()));
    sips.fill(piece);
    append(pieces, piece);
  }
  EXPECT_EQ(pieces, to_bytes(whole));
}

TEST(Random, BelowReachesEveryValueAndNoneBeyond) {
  Random random(7);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random.below(6));
  EXPECT_EQ(seen, (std::set<std::uint64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(random.below(1), 0u);
}

TEST(Random, JitterStaysWithinItsSpread) {
  Random random(7);
  Duration least = Duration::max(), most = Duration::min();
  for (int i = 0; i < 1000; ++i) {
    const Duration drawn = random.jittered(20s, 0.15);
    least = std::min(least, drawn);
    most = std::max(most, drawn);
    EXPECT_LT(random.upto(5s), 5s);
  }
  EXPECT_GE(least, 17s);
  EXPECT_LE(most, 23s);
  EXPECT_GT(most - least, 5s);  // and makes use of it
}

TEST(Random, AForkGoesItsOwnWayAndIsReproducible) {
  Random random(7), again(7);
  Random fork = random.fork(), same_fork = again.fork();
  random.u64();  // what the parent draws later is no matter to the child
  const auto drawn = fork.bytes<32>();
  EXPECT_EQ(drawn, same_fork.bytes<32>());
  EXPECT_NE(drawn, again.bytes<32>());
}

TEST(Random, ChanceKnowsCertainties) {
  Random random(7);
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(random.chance(1.0));
    EXPECT_FALSE(random.chance(0.0));
  }
}

}  // namespace
}  // namespace byway::random_test

#include "overlay/mesh/hash_tree.h"

#include <gtest/gtest.h>

#include <map>

#include "protocol/random.h"

namespace byway::hash_tree_test {
namespace {

std::map<Position, std::uint64_t> crowd(std::uint64_t seed, int size) {
  Random random(seed);
  std::map<Position, std::uint64_t> people;
  for (int i = 0; i < size; ++i) {
    const Position position = random.u64();
    people[position] = random.u64();
  }
  return people;
}

TEST(HashTree, TheOrderInWhichPeopleCameLeavesNoTrace) {
  const auto people = crowd(1, 500);
  HashTree forwards;
  HashTree backwards;
  for (const auto& [position, digest] : people) forwards.add(position, digest);
  for (auto p = people.rbegin(); p != people.rend(); ++p) backwards.add(p->first, p->second);
  EXPECT_EQ(forwards.root(), backwards.root());
  for (std::uint16_t prefix = 0; prefix < 256; ++prefix)
    EXPECT_EQ(forwards.parts(2, prefix), backwards.parts(2, prefix));
}

TEST(HashTree, WhoLeavesLeavesNoTrace) {
  HashTree tree;
  for (const auto& [position, digest] : crowd(1, 100)) tree.add(position, digest);
  const auto before = tree.root();
  tree.add(77, 1234);
  EXPECT_NE(tree.root(), before);
  tree.remove(77, 1234);
  EXPECT_EQ(tree.root(), before);
}

TEST(HashTree, APartIsTheSumOfItsParts) {
  HashTree tree;
  for (const auto& [position, digest] : crowd(2, 1000)) tree.add(position, digest);
  std::uint64_t all = 0;
  for (std::uint16_t i = 0; i < 16; ++i) {
    const std::uint64_t part = tree.parts(0, 0)[i];
    all += part;
    std::uint64_t below = 0;
    for (const std::uint64_t sum : tree.parts(1, i)) below += sum;
    EXPECT_EQ(below, part);
  }
  EXPECT_EQ(all, tree.root());
}

TEST(HashTree, ThreeStepsLeadToTheOneBucketThatDiffers) {
  HashTree ours;
  HashTree theirs;
  for (const auto& [position, digest] : crowd(3, 2000)) {
    ours.add(position, digest);
    theirs.add(position, digest);
  }
  const Position newcomer = 0xabcdef0123456789;
  theirs.add(newcomer, 42);

  std::uint16_t prefix = 0;
  for (int level = 0; level < HashTree::levels; ++level) {
    const auto a = ours.parts(level, prefix);
    const auto b = theirs.parts(level, prefix);
    int differing = 0;
    std::uint16_t where = 0;
    for (std::uint16_t i = 0; i < 16; ++i)
      if (a[i] != b[i]) {
        ++differing;
        where = i;
      }
    ASSERT_EQ(differing, 1);
    prefix = static_cast<std::uint16_t>(16 * prefix + where);
  }
  EXPECT_EQ(prefix, HashTree::bucket_of(newcomer));
}

}  // namespace
}  // namespace byway::hash_tree_test

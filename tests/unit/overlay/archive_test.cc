#include "overlay/mesh/archive.h"

#include <gtest/gtest.h>

#include "tests/unit/overlay/cast.h"

namespace byway::archive_test {
namespace {

class ArchiveTest : public testing::Test {
 protected:
  Bytes record_of(const Identity& who, std::uint64_t sequence) {
    const Record record{.id = who.id(),
                        .sequence = sequence,
                        .role = Record::Role::supernode,
                        .endpoints = {at("203.0.113.1:7000")}};
    return to_bytes(SignedRecord::sign(who, record).exact_bytes());
  }
  Voucher voucher(const Identity& by, const Identity& subject) {
    return Voucher::sign(by, subject.id(), address("203.0.113.1"), wall_noon);
  }

  Random random_{3};
  Identity ana_ = Identity::generate(random_);
  Identity bo_ = Identity::generate(random_);
  Identity cy_ = Identity::generate(random_);
  Archive archive_{sodium_crypto()};
};

TEST_F(ArchiveTest, WhatIsTheSameIsKeptOnce) {
  const Bytes bytes = record_of(ana_, 1);
  const auto one = archive_.record(bytes);
  const auto other = archive_.record(Bytes(bytes));
  ASSERT_TRUE(one);
  EXPECT_EQ(*one, *other);
  const auto by_bo = archive_.voucher(ana_.id(), voucher(bo_, ana_));
  const auto by_cy = archive_.voucher(ana_.id(), voucher(cy_, ana_));
  EXPECT_EQ(by_bo, archive_.voucher(ana_.id(), voucher(bo_, ana_)));
  EXPECT_EQ(archive_.dossier(*one, {by_bo, by_cy}), archive_.dossier(*one, {by_cy, by_bo}))
      << "in whatever order";
  EXPECT_NE(archive_.dossier(*one, {by_bo, by_cy}), archive_.dossier(*one, {by_bo}));
  EXPECT_EQ(archive_.dossier(*one, {by_bo, by_cy})->digest, archive_.dossier(*one, {by_bo})->digest)
      << "who vouches is not part of what has to be the same everywhere";
  const auto newer = archive_.record(record_of(ana_, 2));
  EXPECT_NE(archive_.dossier(*newer, {by_bo})->digest, archive_.dossier(*one, {by_bo})->digest);
}

TEST_F(ArchiveTest, LiesAreNotKept) {
  Bytes forged = record_of(ana_, 1);
  forged[3] ^= 1;
  EXPECT_FALSE(archive_.record(forged));
  EXPECT_FALSE(archive_.voucher(cy_.id(), voucher(bo_, ana_))) << "said of another";
  EXPECT_EQ(archive_.size(), 0u);

  const Gone gone = Gone::sign(bo_, ana_.id(), 1);
  EXPECT_TRUE(archive_.is_true(ana_.id(), gone));
  EXPECT_TRUE(archive_.is_true(ana_.id(), gone)) << "now from memory";
  EXPECT_FALSE(archive_.is_true(cy_.id(), gone));
  Gone later = gone;
  later.sequence = 2;
  EXPECT_FALSE(archive_.is_true(ana_.id(), later));
}

TEST_F(ArchiveTest, WhatNobodyHoldsIsForgotten) {
  for (std::uint64_t sequence = 1; sequence < 500; ++sequence)
    ASSERT_TRUE(archive_.record(record_of(ana_, sequence)));
  EXPECT_LE(archive_.size(), 64u);
}

}  // namespace
}  // namespace byway::archive_test

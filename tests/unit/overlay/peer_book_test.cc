#include "overlay/mesh/peer_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "protocol/crypto.h"
#include "tests/unit/overlay/cast.h"

namespace byway::peer_book_test {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::SizeIs;
using Kind = PeerBook::Candidate::Kind;

constexpr WallTime wall = wall_noon;

PeerBook book_of(std::uint64_t seed) {
  return PeerBook(sodium_crypto(), Random(seed), 16, 32);
}

// The number-th address in one /16.
Endpoint in(std::uint8_t netgroup, std::uint64_t number) {
  return {IpAddress::v4({51, netgroup, static_cast<std::uint8_t>(number / 250),
                         static_cast<std::uint8_t>(1 + number % 250)}),
          7000};
}
// Each honest supernode has a netgroup of its own.
Endpoint honest_at(std::uint64_t number) {
  return {IpAddress::v4({static_cast<std::uint8_t>(60 + number / 250),
                         static_cast<std::uint8_t>(1 + number % 250), 1, 1}),
          7000};
}
NodeId honest(std::uint64_t number) {
  return node(1'000'000 + number);
}

// A book that has met so many honest supernodes, the first two of which served it for long.
PeerBook honest_book(std::uint64_t met, std::uint64_t heard_of = 0) {
  PeerBook book = book_of(1);
  for (std::uint64_t i = 0; i < met; ++i) book.good(wall, honest(i), honest_at(i));
  for (std::uint64_t i = met; i < met + heard_of; ++i)
    book.add(wall, honest(i), honest_at(i), honest_at(i % met).address);
  if (met >= 2) {
    book.steady(honest(0));
    book.steady(honest(1));
  }
  return book;
}

// Four netgroups, a hundred thousand addresses, every one of which answers when it is asked.
constexpr std::uint64_t flood = 100'000;
void flood_with(PeerBook& book, bool they_connect) {
  for (std::uint64_t i = 0; i < flood; ++i) {
    const auto group = static_cast<std::uint8_t>(i % 4);
    const Endpoint endpoint = in(group, i / 4);
    const auto teller = static_cast<std::uint8_t>(i / 4 % 4);
    book.add(wall + 1h, node(i), endpoint, in(teller, 1).address);
    if (they_connect) book.good(wall + 1h, node(i), endpoint);
  }
}
std::size_t attackers(const std::vector<PeerBook::Candidate>& candidates) {
  return static_cast<std::size_t>(std::ranges::count_if(
      candidates, [](const auto& c) { return c.endpoint.address.bytes()[0] == 51; }));
}

TEST(PeerBook, AHundredThousandAddressesOutOfFourNetgroupsStayAFewPercentOfTried) {
  PeerBook book = honest_book(250);
  const std::size_t before = book.tried();
  flood_with(book, true);
  std::size_t theirs = 0, lost = 0;
  for (std::uint64_t i = 0; i < flood; ++i) theirs += book.is_tried(node(i));
  for (std::uint64_t i = 0; i < 250; ++i) lost += !book.is_tried(honest(i));
  EXPECT_LE(theirs, 16u) << "four places for each netgroup";
  EXPECT_GT(theirs, 0u) << "they answer, so they are not kept out either";
  EXPECT_EQ(book.tried(), before + theirs) << "and nobody was pushed out";
  EXPECT_EQ(lost, 250 - before);
}

TEST(PeerBook, AFloodOfHearsayStaysASmallPartOfNew) {
  PeerBook book = honest_book(100, 300);
  const std::size_t before = book.size();
  flood_with(book, false);
  EXPECT_LE(book.size() - before, 4u * 4u * limits::book_bucket_size);
}

TEST(PeerBook, ATellerReachesEightBucketsHoweverMuchHeTells) {
  PeerBook book = book_of(1);
  for (std::uint64_t i = 0; i < 10'000; ++i)
    book.add(wall, node(i), honest_at(i % 10'000), in(0, 1).address);
  EXPECT_LE(book.size(), limits::book_buckets_per_source * limits::book_bucket_size);
  EXPECT_GT(book.size(), 16u);
}

TEST(PeerBook, AfterTheFloodMostTriesStillGoToHonestNodes) {
  PeerBook book = honest_book(100, 300);
  flood_with(book, true);
  std::vector<PeerBook::Candidate> tries;
  for (int i = 0; i < 1'000; ++i) tries.push_back(*book.select(wall + 2h + i * 20min));
  EXPECT_LT(attackers(tries), 250u);
}

TEST(PeerBook, AnchorsCannotBePushedOutAndAreTriedFirstAfterARestart) {
  PeerBook book = honest_book(250);
  flood_with(book, true);
  for (std::uint64_t i = 0; i < flood; i += 100) book.steady(node(i));
  auto restarted = PeerBook::load(book.save(), sodium_crypto(), Random(9), 16, 32);
  ASSERT_TRUE(restarted);
  PeerBook& again = *restarted;
  EXPECT_THAT(again.anchors(),
              ElementsAre(PeerBook::Candidate{honest(0), honest_at(0), Kind::anchor},
                          PeerBook::Candidate{honest(1), honest_at(1), Kind::anchor}));
  EXPECT_EQ(again.select(wall + 2h)->id, honest(0));
  EXPECT_EQ(again.select(wall + 2h)->id, honest(1));
  EXPECT_NE(again.select(wall + 2h)->kind, Kind::anchor) << "once is enough for ten minutes";
}

TEST(PeerBook, AnAnchorIsGivenUpOnlyAfterItFailedAgainAndAgain) {
  PeerBook book = honest_book(10);
  for (int i = 1; i < limits::book_failures_anchor; ++i) book.failed(wall, honest(0));
  EXPECT_THAT(book.anchors(), SizeIs(2));
  book.good(wall, honest(0), honest_at(0));
  book.failed(wall, honest(0));
  EXPECT_THAT(book.anchors(), SizeIs(2)) << "failures in a row";
  for (int i = 0; i < limits::book_failures_anchor; ++i) book.failed(wall, honest(0));
  EXPECT_THAT(book.anchors(), SizeIs(1));
  book.steady(honest(5));
  EXPECT_EQ(book.anchors().back().id, honest(5));
}

TEST(PeerBook, AnchorsStandInDifferentNetgroups) {
  PeerBook book = book_of(1);
  for (std::uint64_t i = 0; i < 3; ++i) book.good(wall, node(i), in(1, i));
  book.good(wall, node(9), in(2, 1));
  book.steady(node(0));
  book.steady(node(1));
  EXPECT_THAT(book.anchors(), SizeIs(1));
  book.steady(node(9));
  EXPECT_THAT(book.anchors(), SizeIs(2));
}

// A netgroup whose four places are taken, and a fifth that answers too.
class FullBucket : public ::testing::Test {
 protected:
  FullBucket() {
    for (std::uint64_t i = 0; i < 4; ++i) book.good(wall + i * 1min, node(i), in(1, i));
    book.good(later, node(4), in(1, 4));
  }
  std::optional<PeerBook::Candidate> feeler() {
    book.poll_feeler(now, later);
    now = *book.next_feeler();
    return book.poll_feeler(now, later);
  }
  WallTime later = wall + 1h;
  TimePoint now = noon;
  PeerBook book = book_of(1);
};

TEST_F(FullBucket, NobodyLosesHisPlaceUntested) {
  EXPECT_FALSE(book.is_tried(node(4)));
  for (std::uint64_t i = 0; i < 4; ++i) EXPECT_TRUE(book.is_tried(node(i)));
  EXPECT_TRUE(book.knows(node(4)));
}

TEST_F(FullBucket, TheOneLongestUnconfirmedIsAskedAndKeepsItsPlaceWhenItAnswers) {
  const auto asked = feeler();
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->id, node(0));
  book.good(later, asked->id, asked->endpoint);
  EXPECT_TRUE(book.is_tried(node(0)));
  EXPECT_FALSE(book.is_tried(node(4)));
}

TEST_F(FullBucket, AndLosesItToTheNewcomerWhenItDoesNot) {
  const auto asked = feeler();
  book.failed(later, asked->id);
  EXPECT_FALSE(book.is_tried(node(0)));
  EXPECT_TRUE(book.is_tried(node(4)));
  EXPECT_EQ(book.tried(), 4u);
}

TEST_F(FullBucket, AnAnchorKeepsItsPlaceThoughItFailsOnce) {
  book.steady(node(0));
  book.failed(later, feeler()->id);
  EXPECT_TRUE(book.is_tried(node(0)));
  EXPECT_THAT(book.anchors(), SizeIs(1));
}

TEST_F(FullBucket, AnAnchorThatMovesThereIsGivenThePlaceOfTheLeastConfirmed) {
  book.good(later, node(9), in(2, 1));
  book.steady(node(9));
  book.good(later, node(9), in(1, 9));
  EXPECT_TRUE(book.is_tried(node(9)));
  EXPECT_THAT(book.anchors(), ElementsAre(PeerBook::Candidate{node(9), in(1, 9), Kind::anchor}));
  EXPECT_FALSE(book.is_tried(node(0)));
  EXPECT_EQ(book.tried(), 4u);
}

TEST(PeerBook, FeelersAskNewEntriesAndThoseThatAnswerAreTried) {
  PeerBook book = honest_book(10, 50);
  TimePoint now = noon;
  std::size_t asked = 0;
  EXPECT_FALSE(book.poll_feeler(now, wall));
  for (; now < noon + 60min; now = *book.next_feeler()) {
    const WallTime its_wall =
        wall + std::chrono::duration_cast<std::chrono::milliseconds>(now - noon);
    const auto feeler = book.poll_feeler(now, its_wall);
    EXPECT_GT(*book.next_feeler(), now);
    if (!feeler) continue;
    ++asked;
    EXPECT_EQ(feeler->kind, Kind::fresh);
    book.good(its_wall, feeler->id, feeler->endpoint);
    EXPECT_TRUE(book.is_tried(feeler->id));
  }
  EXPECT_GE(asked, 25u);
  EXPECT_LE(asked, 36u);
}

TEST(PeerBook, WhatNeverAnswersMakesRoomForOthers) {
  PeerBook book = book_of(1);
  for (std::uint64_t i = 0; i < 4; ++i)
    ASSERT_TRUE(book.add(wall, node(i), in(1, i), in(2, 1).address));
  EXPECT_FALSE(book.add(wall, node(4), in(1, 4), in(2, 1).address)) << "the bucket is full";
  for (int i = 0; i < limits::book_failures_new; ++i) book.failed(wall, node(2));
  EXPECT_TRUE(book.add(wall, node(4), in(1, 4), in(2, 1).address));
  EXPECT_FALSE(book.knows(node(2)));
  EXPECT_EQ(book.size(), 4u);
}

TEST(PeerBook, WhatWasNotHeardOfForAMonthMakesRoomToo) {
  PeerBook book = book_of(1);
  for (std::uint64_t i = 0; i < 4; ++i) book.add(wall, node(i), in(1, i), in(2, 1).address);
  const WallTime later = wall + 31 * 24h;
  for (std::uint64_t i = 0; i < 3; ++i) book.add(later, node(i), in(1, i), in(2, 1).address);
  EXPECT_TRUE(book.add(later, node(4), in(1, 4), in(2, 1).address));
  EXPECT_FALSE(book.knows(node(3)));
  EXPECT_FALSE(book.add(later, node(5), in(1, 5), in(2, 1).address));
}

TEST(PeerBook, WhoFailsIsTriedLessOftenThanWhoDoesNot) {
  PeerBook book = book_of(1);
  for (std::uint64_t i = 0; i < 10; ++i) book.good(wall, honest(i), honest_at(i));
  for (int i = 0; i < 6; ++i) book.failed(wall, honest(3));
  std::map<NodeId, int> tries;
  for (int i = 0; i < 1'000; ++i) ++tries[book.select(wall + 1h + i * 1h)->id];
  EXPECT_LT(tries[honest(3)], 30);
  EXPECT_GT(tries[honest(4)], 70);
}

TEST(PeerBook, OneTriesTheOthersBeforeComingBackToTheFirst) {
  PeerBook book = book_of(1);
  for (std::uint64_t i = 0; i < 8; ++i) book.good(wall, honest(i), honest_at(i));
  std::set<NodeId> first_eight;
  for (int i = 0; i < 8; ++i) first_eight.insert(book.select(wall + 1h)->id);
  EXPECT_GE(first_eight.size(), 7u);
}

TEST(PeerBook, AnEmptyBookHasNobody) {
  PeerBook book = book_of(1);
  EXPECT_FALSE(book.select(wall));
  book.poll_feeler(noon, wall);
  EXPECT_FALSE(book.poll_feeler(noon + 1h, wall));
  EXPECT_THAT(book.anchors(), SizeIs(0));
}

TEST(PeerBook, AddressesNobodyCanBeAtAreNotWritten) {
  PeerBook book = book_of(1);
  for (const char* nowhere : {"0.0.0.0:7000", "224.0.0.1:7000", "255.255.255.255:7000",
                              "[ff02::1]:7000", "198.51.100.1:0"})
    EXPECT_FALSE(book.add(wall, node(1), at(nowhere), address("198.51.100.9"))) << nowhere;
  EXPECT_EQ(book.size(), 0u);
}

TEST(PeerBook, HearsayDoesNotMoveWhatWorksAndSuccessDoes) {
  PeerBook book = book_of(1);
  book.good(wall, node(1), in(1, 1));
  book.add(wall, node(1), in(2, 2), in(3, 3).address);
  EXPECT_EQ(book.select(wall + 1h)->endpoint, in(1, 1));
  book.good(wall, node(1), in(2, 2));
  EXPECT_EQ(book.select(wall + 1h)->endpoint, in(2, 2));
  EXPECT_EQ(book.tried(), 1u);
  EXPECT_EQ(book.size(), 1u);

  book.add(wall, node(2), in(4, 1), in(3, 3).address);
  book.add(wall, node(2), in(5, 1), in(3, 3).address);
  EXPECT_EQ(book.size(), 2u);
}

TEST(PeerBook, TwoHundredEntriesSurviveARestart) {
  const PeerBook book = honest_book(150, 150);
  ASSERT_GE(book.size(), 200u);
  const auto restarted = PeerBook::load(book.save(), sodium_crypto(), Random(9), 16, 32);
  ASSERT_TRUE(restarted);
  EXPECT_EQ(restarted->size(), book.size());
  EXPECT_EQ(restarted->tried(), book.tried());
  for (std::uint64_t i = 0; i < 300; ++i) {
    EXPECT_EQ(restarted->knows(honest(i)), book.knows(honest(i)));
    EXPECT_EQ(restarted->is_tried(honest(i)), book.is_tried(honest(i)));
  }
  EXPECT_EQ(restarted->save(), book.save()) << "the secret too, so everything keeps its bucket";
}

TEST(PeerBook, AnyByteOfDamageIsNoticed) {
  const Bytes saved = honest_book(3, 3).save();
  for (std::size_t i = 0; i < saved.size(); ++i) {
    Bytes damaged = saved;
    damaged[i] ^= 0x40;
    EXPECT_FALSE(PeerBook::load(damaged, sodium_crypto(), Random(9), 16, 32)) << i;
    EXPECT_FALSE(PeerBook::load(ByteView(saved).first(i), sodium_crypto(), Random(9), 16, 32)) << i;
  }
  EXPECT_TRUE(PeerBook::load(saved, sodium_crypto(), Random(9), 16, 32));
}

// A file that somebody wrote with care, its hash included.
Result<PeerBook> load_forged(Bytes saved) {
  saved.resize(saved.size() - 32);
  append(saved, sodium_crypto().hash(saved));
  return PeerBook::load(saved, sodium_crypto(), Random(9), 16, 32);
}

TEST(PeerBook, AForgedFileIsNoWorseThanAStranger) {
  constexpr std::size_t head = 12 + 32, first = head + 2, entry = 84;
  const Bytes saved = honest_book(4).save();
  ASSERT_TRUE(load_forged(saved));
  const auto with = [&](std::size_t at, std::uint8_t value) {
    Bytes forged = saved;
    forged[at] = value;
    return load_forged(forged).has_value();
  };
  EXPECT_FALSE(with(0, 'B')) << "another format";
  EXPECT_FALSE(with(head, 0xff)) << "more entries than it has";
  EXPECT_FALSE(with(head + 1, 3)) << "fewer";
  EXPECT_FALSE(with(first, 7)) << "flags nobody knows";
  EXPECT_FALSE(with(first, 2)) << "an anchor that never answered";
  EXPECT_FALSE(with(first + 2 * entry, 3)) << "a third anchor";
  EXPECT_FALSE(with(first + 1 + 32 + 12, 255)) << "nobody lives at a broadcast address";
  EXPECT_FALSE(with(first + 1 + 32 + 16 + 2 + 16, 1)) << "a time no clock shows";

  Bytes twice = saved;
  std::copy_n(saved.begin() + first, entry, twice.begin() + first + entry);
  EXPECT_FALSE(load_forged(twice)) << "the same node twice";
}

}  // namespace
}  // namespace byway::peer_book_test

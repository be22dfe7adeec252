#include "protocol/seal.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "protocol/random.h"

namespace byway::seal_test {
namespace {

const Crypto& crypto = sodium_crypto();

TEST(ReplayWindow, EachCounterIsWelcomeOnceInAnyOrder) {
  ReplayWindow window;
  for (const std::uint64_t counter : {0, 3, 1, 2, 70, 65, 2000}) {
    EXPECT_TRUE(window.check(counter)) << counter;
    window.accept(counter);
    EXPECT_FALSE(window.check(counter)) << counter;
  }
  EXPECT_TRUE(window.check(4));
}

TEST(ReplayWindow, WhatFellOutOfTheWindowCountsAsSeen) {
  ReplayWindow window;
  window.accept(5000);
  EXPECT_TRUE(window.check(5000 - (ReplayWindow::width - 1)));
  EXPECT_FALSE(window.check(5000 - ReplayWindow::width));
  EXPECT_FALSE(window.check(0));
}

TEST(ReplayWindow, AFarJumpForgetsNothingItShouldRemember) {
  ReplayWindow window;
  for (std::uint64_t counter = 0; counter < 3000; ++counter) window.accept(counter);
  window.accept(1'000'000);
  for (std::uint64_t back = 1; back < ReplayWindow::width; ++back)
    ASSERT_TRUE(window.check(1'000'000 - back)) << back;
}

TEST(ReplayWindow, CheckingAloneMovesNothing) {
  ReplayWindow window;
  window.accept(10);
  EXPECT_TRUE(window.check(1'000'000));
  EXPECT_TRUE(window.check(9));
  EXPECT_FALSE(window.check(std::numeric_limits<std::uint64_t>::max()));
}

// The obvious implementation: a set of everything ever accepted.
TEST(ReplayWindow, AgreesWithASetThatForgetsNothing) {
  Random random(7);
  ReplayWindow window;
  std::set<std::uint64_t> accepted;
  std::uint64_t near = 0;
  for (int i = 0; i < 50'000; ++i) {
    if (random.chance(0.002)) near += random.below(5000);
    near += random.below(3);
    const std::uint64_t counter =
        near + 60 - std::min<std::uint64_t>(near + 60, random.below(2300));
    const std::uint64_t highest = accepted.empty() ? 0 : *accepted.rbegin();
    const bool too_old = counter + ReplayWindow::width <= highest;
    const bool welcome = !too_old && !accepted.contains(counter);
    ASSERT_EQ(window.check(counter), welcome) << counter << " with highest " << highest;
    if (!welcome) continue;
    window.accept(counter);
    accepted.insert(counter);
  }
}

// Two ends of a link after the handshake.
class SealPair : public testing::Test {
 protected:
  Seal ana{crypto,
           {.send = Key{1}, .receive = Key{2}, .hash = {}, .local_index = 11, .remote_index = 22}};
  Seal bo{crypto,
          {.send = Key{2}, .receive = Key{1}, .hash = {}, .local_index = 22, .remote_index = 11}};
};

TEST_F(SealPair, WhatOneSealsTheOtherOpens) {
  const Bytes datagram = ana.seal(bytes_of("hello bo"));
  EXPECT_EQ(datagram.size(), sealed_overhead + 8);
  EXPECT_EQ(*receiver_index(datagram), bo.local_index());
  EXPECT_EQ(text_of(*bo.open(datagram)), "hello bo");
  EXPECT_EQ(text_of(*ana.open(bo.seal(bytes_of("hello ana")))), "hello ana");
  EXPECT_EQ(ana.sent(), 1u);
}

TEST_F(SealPair, TheSameWordsNeverLookTheSameTwice) {
  EXPECT_NE(ana.seal(bytes_of("hello")), ana.seal(bytes_of("hello")));
  EXPECT_EQ(ana.sent(), 2u);
}

TEST_F(SealPair, ADatagramRecordedAndSentAgainIsNotHeardAgain) {
  const Bytes first = ana.seal(bytes_of("pay bo")), second = ana.seal({});
  EXPECT_TRUE(bo.open(second));  // overtook the first
  EXPECT_TRUE(bo.open(first));
  EXPECT_EQ(bo.open(first).error(), Error::replayed);
  EXPECT_EQ(bo.open(second).error(), Error::replayed);
}

TEST_F(SealPair, AChangedByteIsNoticedAndLeavesTheWindowWhereItWas) {
  Bytes datagram = ana.seal(bytes_of("hello bo"));
  for (std::size_t i = 0; i < datagram.size(); ++i) {
    datagram[i] ^= 1;
    EXPECT_FALSE(bo.open(datagram)) << i;
    datagram[i] ^= 1;
  }
  Bytes far_ahead = datagram;
  far_ahead[8] = 0x7f;  // a counter that would throw everything out of the window
  EXPECT_EQ(bo.open(far_ahead).error(), Error::unauthentic);
  EXPECT_TRUE(bo.open(datagram));
}

TEST_F(SealPair, AReflectedDatagramIsNotOpenedByItsSender) {
  Bytes datagram = ana.seal(bytes_of("hello bo"));
  EXPECT_EQ(ana.open(datagram).error(), Error::unknown_session);
  store_be<std::uint32_t>(MutableBytes(datagram).subspan(4), ana.local_index());
  EXPECT_EQ(ana.open(datagram).error(), Error::unauthentic);
}

TEST_F(SealPair, ASupernodeCanAffordAHundredThousandOfThem) {
  EXPECT_LE(sizeof(Seal), 128u) << "and nothing else, while all arrives in order";
}

}  // namespace
}  // namespace byway::seal_test

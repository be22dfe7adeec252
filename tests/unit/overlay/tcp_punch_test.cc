#include "overlay/link/tcp_punch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "overlay/link/tcp_limits.h"
#include "tests/unit/overlay/cast.h"

namespace byway::tcp_punch_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Candidate by_tcp(std::string_view where, How how = How::observed) {
  return {at(where), Proto::tcp, how};
}

std::vector<Endpoint> attempts(TcpPunch& punch, TimePoint now) {
  std::vector<Endpoint> all;
  while (const auto to = punch.poll_attempt(now)) all.push_back(*to);
  return all;
}

const Endpoint bo = at("198.51.100.7:7000");

TEST(TcpPunch, ConnectsAtTheMomentAndOnce) {
  TcpPunch punch;
  EXPECT_TRUE(punch.start(noon, noon + 40ms, {by_tcp("198.51.100.7:7000")}));
  EXPECT_THAT(attempts(punch, noon + 39ms), IsEmpty());
  EXPECT_EQ(punch.next_timeout(), noon + 40ms);
  EXPECT_THAT(attempts(punch, noon + 40ms), ElementsAre(bo));
  EXPECT_THAT(attempts(punch, noon + 3s), IsEmpty()) << "the kernel repeats the SYN";
  punch.on_timeout(noon + 4040ms);
  EXPECT_EQ(punch.state(), TcpPunch::State::failed);
  EXPECT_EQ(punch.next_timeout(), std::nullopt);
}

TEST(TcpPunch, APublicAddressIsTriedAtOnce) {
  TcpPunch punch;
  punch.start(noon, noon + 40ms, {by_tcp("198.51.100.7:7000", How::local)});
  EXPECT_THAT(attempts(punch, noon), ElementsAre(bo));
}

TEST(TcpPunch, WhatIsRefusedIsBegunAgainALittleLaterAndNotForEver) {
  TcpPunch punch;
  punch.start(noon, noon, {by_tcp("198.51.100.7:7000")});
  TimePoint now = noon;
  for (const Duration gap : limits::tcp_refused_again) {
    EXPECT_THAT(attempts(punch, now), ElementsAre(bo));
    punch.on_ended(now, bo, TcpEnd::refused);
    EXPECT_THAT(attempts(punch, now + gap - 1ms), IsEmpty());
    now += gap;
  }
  EXPECT_THAT(attempts(punch, now), ElementsAre(bo));
  punch.on_ended(now, bo, TcpEnd::refused);
  EXPECT_THAT(attempts(punch, now + 3s), IsEmpty());
  EXPECT_EQ(punch.attempts(), 5);
}

TEST(TcpPunch, WhoseConnectionCameFirstIsNotConnectedToAgain) {
  TcpPunch punch;
  punch.start(noon, noon, {by_tcp("198.51.100.7:7000")});
  attempts(punch, noon);
  punch.on_ended(noon + 1ms, bo, TcpEnd::taken);
  punch.on_ended(noon + 1ms, bo, TcpEnd::timed_out);
  EXPECT_THAT(attempts(punch, noon + 2s), IsEmpty());
}

TEST(TcpPunch, AGuessedPortIsTriedOnce) {
  TcpPunch punch;
  punch.start(noon, noon, {by_tcp("198.51.100.7:7000", How::predicted)});
  attempts(punch, noon);
  punch.on_ended(noon, bo, TcpEnd::refused);
  EXPECT_THAT(attempts(punch, noon + 3s), IsEmpty());
}

TEST(TcpPunch, ToldAgainItKeepsTheMomentAndTakesInWhatIsNew) {
  TcpPunch punch;
  EXPECT_TRUE(punch.start(noon, noon + 40ms, {by_tcp("198.51.100.7:7000")}));
  EXPECT_FALSE(punch.start(noon + 1ms, noon + 1ms,
                           {by_tcp("198.51.100.7:7000"), by_tcp("198.51.100.7:7001")}));
  EXPECT_THAT(attempts(punch, noon + 1ms), IsEmpty());
  EXPECT_THAT(attempts(punch, noon + 40ms), SizeIs(2));
  EXPECT_EQ(punch.rounds(), 1);
  EXPECT_TRUE(punch.start(noon + 3s, noon + 3s, {by_tcp("198.51.100.7:7000")}));
  EXPECT_THAT(attempts(punch, noon + 3s), ElementsAre(bo));
  EXPECT_EQ(punch.rounds(), 2);
}

TEST(TcpPunch, WithNowhereToConnectToThereIsNoRound) {
  TcpPunch punch;
  EXPECT_FALSE(punch.start(noon, noon, {}));
  EXPECT_EQ(punch.state(), TcpPunch::State::resting);
}

TEST(TcpKnockable, OnlyPublicAddressesAtDecentPortsAndNotOurOwnAndFew) {
  const auto left = tcp_knockable(
      {by_tcp("198.51.100.7:7000"), by_tcp("198.51.100.7:7000"), by_tcp("198.51.100.7:443"),
       by_tcp("198.51.100.7:25"), by_tcp("192.168.1.7:7000"), by_tcp("127.0.0.1:7000"),
       by_tcp("203.0.113.5:7000"), candidate("198.51.100.8:7000")},
      {by_tcp("203.0.113.5:7000")});
  EXPECT_THAT(left, ElementsAre(by_tcp("198.51.100.7:7000"), by_tcp("198.51.100.7:443")));

  std::vector<Candidate> many;
  for (int i = 0; i < 12; ++i) many.push_back(by_tcp("198.51.100.7:" + std::to_string(2000 + i)));
  EXPECT_THAT(tcp_knockable(many, {}), SizeIs(limits::max_tcp_candidates));
}

}  // namespace
}  // namespace byway::tcp_punch_test

#include "overlay/link/punch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "overlay/core/limits.h"
#include "protocol/random.h"
#include "tests/unit/overlay/cast.h"

namespace byway::punch_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using State = Punch::State;

struct Knocked {
  Duration when;  // since noon
  std::string where;
  bool operator==(const Knocked&) const = default;
};
void PrintTo(const Knocked& knocked, std::ostream* out) {
  *out << to_ms(knocked.when) << " ms at " << knocked.where;
}

class PunchStory : public testing::Test {
 protected:
  // Everything that leaves from now on, until it rests.
  std::vector<Knocked> knocks(TimePoint from = noon) {
    std::vector<Knocked> all;
    TimePoint now = from;
    for (int steps = 0; steps < 1000; ++steps) {
      while (const auto knock = punch.poll_knock(now))
        all.push_back({now - noon, knock->candidate.endpoint.to_string()});
      punch.on_timeout(now);
      const auto next = punch.next_timeout();
      if (!next) return all;
      EXPECT_GT(*next, now) << "a deadline in the past that nothing resolves";
      if (*next <= now) return all;
      now = *next;
    }
    ADD_FAILURE() << "knocking without end";
    return all;
  }

  Punch punch;
};

TEST_F(PunchStory, TheKnocksOfOneDoorAreSpreadOverFourTenthsOfASecond) {
  punch.start(noon, noon, {candidate("198.51.100.7:7000")});
  EXPECT_EQ(punch.state(), State::knocking);
  EXPECT_THAT(knocks(),
              ElementsAre(Knocked{0ms, "198.51.100.7:7000"}, Knocked{50ms, "198.51.100.7:7000"},
                          Knocked{100ms, "198.51.100.7:7000"}, Knocked{200ms, "198.51.100.7:7000"},
                          Knocked{400ms, "198.51.100.7:7000"}));
  EXPECT_EQ(punch.knocks(), 5);
}

TEST_F(PunchStory, BehindANatItWaitsForTheAgreedMoment) {
  punch.start(noon, noon + 80ms, {candidate("198.51.100.7:7000")});
  EXPECT_FALSE(punch.poll_knock(noon));
  EXPECT_FALSE(punch.poll_knock(noon + 79ms));
  EXPECT_EQ(punch.next_timeout(), noon + 80ms);
  EXPECT_TRUE(punch.poll_knock(noon + 80ms));
}

TEST_F(PunchStory, WhatNeedsNoSimultaneityIsKnockedAtAtOnce) {
  punch.start(noon, noon + 80ms,
              {candidate("198.51.100.7:7000", How::observed),
               candidate("198.51.100.8:7000", How::local), candidate("192.168.1.7:7000")});
  std::vector<std::string> at_once;
  while (const auto knock = punch.poll_knock(noon))
    at_once.push_back(knock->candidate.endpoint.to_string());
  EXPECT_THAT(at_once, ElementsAre("198.51.100.8:7000", "192.168.1.7:7000"));
}

TEST_F(PunchStory, APrivateAddressGetsThreeKnocks) {
  punch.start(noon, noon, {candidate("192.168.1.7:7000", How::local)});
  EXPECT_EQ(knocks().size(), 3u);
}

TEST_F(PunchStory, UntilThePeerIsConfirmedSixteenKnocksLeaveAndNoMore) {
  std::vector<Candidate> many;
  for (int i = 1; i <= 8; ++i)
    many.push_back(candidate("198.51.100." + std::to_string(i) + ":7000"));
  punch.start(noon, noon, many);
  EXPECT_EQ(knocks().size(), 16u);
  EXPECT_EQ(punch.state(), State::failed);

  punch.start(noon + 5s, noon + 5s, many);
  EXPECT_THAT(knocks(noon + 5s), IsEmpty()) << "another round is no new allowance";
  punch.on_confirmed();
  punch.start(noon + 9s, noon + 9s, many);
  EXPECT_EQ(knocks(noon + 9s).size(), 40u);
}

TEST_F(PunchStory, ManyPortsOfOneStrangerCountAsOneStranger) {
  punch.on_confirmed();
  std::vector<Candidate> ports;
  for (int i = 0; i < 8; ++i)
    ports.push_back(candidate("198.51.100.7:" + std::to_string(7000 + i)));
  punch.start(noon, noon, ports);
  EXPECT_EQ(knocks().size(), 16u);
}

TEST_F(PunchStory, AnAddressThatAnsweredIsNoStranger) {
  punch.on_confirmed();
  punch.on_heard_from(address("198.51.100.7"));
  std::vector<Candidate> ports;
  for (int i = 0; i < 8; ++i)
    ports.push_back(candidate("198.51.100.7:" + std::to_string(7000 + i)));
  punch.start(noon, noon, ports);
  const auto first = punch.poll_knock(noon);
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->stranger);
  EXPECT_EQ(knocks().size(), 39u);
}

TEST_F(PunchStory, AStrangerIsPaidFor) {
  punch.start(noon, noon, {candidate("198.51.100.7:7000")});
  EXPECT_TRUE(punch.poll_knock(noon)->stranger);
  punch.on_heard_from(address("198.51.100.7"));
  EXPECT_FALSE(punch.poll_knock(noon + 50ms)->stranger);
}

TEST_F(PunchStory, SilenceIsGivenUpAfterItsPatience) {
  punch.start(noon, noon + 80ms, {candidate("198.51.100.7:7000")});
  knocks();
  EXPECT_EQ(punch.state(), State::failed);
  punch = {};
  punch.start(noon, noon + 80ms, {candidate("198.51.100.7:7000")});
  punch.on_timeout(noon + 80ms + limits::punch_patience - 1ms);
  EXPECT_EQ(punch.state(), State::knocking);
  punch.on_timeout(noon + 80ms + limits::punch_patience);
  EXPECT_EQ(punch.state(), State::failed);
}

TEST_F(PunchStory, WhenTheDoorOpensNobodyKnocksAnyMore) {
  punch.start(noon, noon, {candidate("198.51.100.7:7000")});
  EXPECT_TRUE(punch.poll_knock(noon));
  punch.on_direct_path();
  EXPECT_THAT(knocks(noon + 1s), IsEmpty());
  EXPECT_EQ(punch.state(), State::open);
  EXPECT_EQ(punch.knocks(), 1);

  punch.rest();
  EXPECT_EQ(punch.state(), State::resting);
  punch.start(noon + 2s, noon + 2s, {candidate("198.51.100.7:7000")});
  EXPECT_EQ(punch.state(), State::knocking);
  EXPECT_EQ(punch.rounds(), 2);
}

TEST_F(PunchStory, ARoundBeginsAfreshAndCountsOn) {
  punch.on_confirmed();
  const std::vector<Candidate> door{candidate("198.51.100.7:7000")};
  punch.start(noon, noon, door);
  EXPECT_EQ(knocks().size(), 5u);
  punch.start(noon + 5s, noon + 5s, door);
  EXPECT_EQ(knocks(noon + 5s).size(), 5u);
  EXPECT_EQ(punch.rounds(), 2);
  EXPECT_EQ(punch.knocks(), 10);
  EXPECT_EQ(punch.targets(), 1u);
}

TEST_F(PunchStory, WithNoDoorToKnockAtNothingBegins) {
  punch.start(noon, noon, {});
  EXPECT_EQ(punch.state(), State::resting);
  EXPECT_EQ(punch.rounds(), 0);
  EXPECT_EQ(punch.next_timeout(), std::nullopt);
}

TEST_F(PunchStory, OfStrangersWhoAreNamedRoundAfterRoundNoneIsRemembered) {
  punch.on_confirmed();
  for (int round = 0; round < 2000; ++round) {
    const TimePoint now = noon + round * 10ms;
    std::vector<Candidate> named;
    for (int i = 1; i <= 8; ++i) {
      const auto octet = [&](int n) { return std::to_string(n); };
      named.push_back(candidate("203." + octet(round / 250) + "." + octet(round % 250) + "." +
                                octet(i) + ":7000"));
    }
    punch.start(now, now, named);
    while (punch.poll_knock(now)) {
    }
    ASSERT_LE(punch.remembered(), limits::paths_per_peer + 20);
    punch.on_heard_from(named[0].endpoint.address);
  }
}

}  // namespace
}  // namespace byway::punch_test

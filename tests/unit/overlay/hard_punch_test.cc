#include "overlay/link/hard_punch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "overlay/core/limits.h"
#include "overlay/link/hard_limits.h"
#include "protocol/match.h"
#include "tests/unit/overlay/cast.h"

namespace byway::hard_punch_test {
namespace {

using State = HardPunch::State;
using Part = HardPunch::Part;
using End = HardPunch::End;
using ::testing::Each;
using ::testing::SizeIs;

const Endpoint hub = at("203.0.113.10:7000"), other_hub = at("198.18.0.10:7000");
constexpr Duration rtt = 80ms;

// One side and its NAT: what it sends is noted, supernodes answer as told.
class Side {
 public:
  Side(std::uint64_t seed, bool hard, std::string_view seen)
      : punch(Random(seed)), hard_(hard), seen_(at(seen)) {}

  void start(TimePoint now, std::uint16_t round = 0,
             const std::optional<HardPunch::Known>& known = {}) {
    // It is asked for 10 ms after the beginning, so it begins that much earlier here.
    punch.start(now - limits::hard::measured_after, round,
                {hard_, fresh, anew, seen_, {hub, other_hub}, {node(7), node(8), node(9)}}, rtt,
                known);
  }

  // Does all that is due. What supernodes are asked is answered at once, each time with the port
  // that `next_port` gives.
  void run(TimePoint now) {
    punch.on_timeout(now);
    for (int steps = 0; steps < 10'000; ++steps) {
      if (const std::size_t count = punch.wanted(now); count > 0) {
        std::vector<SocketId> sockets;
        for (std::size_t i = 0; i < count; ++i) sockets.push_back(++last_socket);
        punch.on_sockets(now, sockets);
      } else if (const auto wish = punch.poll(now)) {
        std::visit(Match{[&](const HardPunch::AskWitnesses&) { ++witnesses_asked; },
                         [&](const PunchPlan& plan) { plans.push_back(plan); },
                         [&](const PunchPorts& told) { ports.push_back(told); },
                         [&](const PortSampler::Question& question) { answer(now, question); },
                         [&](const HardPunch::Send& send) { sends.push_back(send); }},
                   *wish);
      } else if (punch.wants_to_act(now)) {
        punch.act(now);
      } else {
        return;
      }
    }
    ADD_FAILURE() << "never quiet";
  }
  // Until the moment, at every deadline on the way.
  void run_until(TimePoint now, TimePoint end) {
    for (int steps = 0; steps < 10'000; ++steps) {
      run(now);
      const auto next = punch.next_timeout();
      if (!next || *next > end) return;
      EXPECT_GT(*next, now) << "a deadline in the past that nothing resolves";
      if (*next <= now) return;
      now = *next;
    }
    ADD_FAILURE() << "without end";
  }

  HardPunch punch;
  std::function<std::uint16_t()> next_port;
  bool supernodes_answer = true;
  bool fresh = false, anew = false;
  int witnesses_asked = 0;
  SocketId last_socket = 0;
  std::vector<PunchPlan> plans;
  std::vector<PunchPorts> ports;
  std::vector<HardPunch::Send> sends;

 private:
  void answer(TimePoint now, const PortSampler::Question& question) {
    if (!supernodes_answer || question.hops == 2) return;
    const auto key = std::pair(question.socket, question.to);
    if (!mapped_.contains(key)) mapped_[key] = next_port();
    const auto response = stun_binding_response(stun_binding_request(question.transaction),
                                                {seen_.address, mapped_[key]});
    EXPECT_TRUE(punch.on_stun(now, question.socket, question.to, *response));
  }

  bool hard_;
  Endpoint seen_;
  std::map<std::pair<SocketId, Endpoint>, std::uint16_t> mapped_;
};

class HardPunchStory : public testing::Test {
 protected:
  HardPunchStory() {
    hard.next_port = [this] { return counter++; };
  }

  // Both have measured, and the hard side answers the easy one's plan.
  void agree() {
    easy.start(noon);
    hard.start(noon);
    easy.run(noon);
    hard.punch.on_plan(noon, easy.plans.at(0));
    hard.run(noon);
    easy.punch.on_plan(noon + rtt / 2, hard.plans.at(0));
  }

  std::uint16_t counter = 40'000;
  Side easy{1, false, "198.51.100.1:7000"};
  Side hard{2, true, "198.51.100.2:41000"};
};

TEST_F(HardPunchStory, TheEasySideKnowsItsPlanAtOnceTheHardOneAsksFirst) {
  easy.start(noon);
  easy.run(noon);
  ASSERT_THAT(easy.plans, SizeIs(1));
  EXPECT_EQ(easy.plans[0].kind, NatKind::easy);
  EXPECT_EQ(easy.plans[0].endpoint, at("198.51.100.1:7000"));
  EXPECT_FALSE(easy.plans[0].answer);
  EXPECT_EQ(easy.last_socket, 0) << "it needs no further socket";

  hard.start(noon);
  hard.run(noon);
  EXPECT_EQ(hard.last_socket, 3);
  ASSERT_THAT(hard.plans, SizeIs(1));
  EXPECT_EQ(hard.plans[0].kind, NatKind::sequential);
  EXPECT_EQ(hard.plans[0].delta, 1);
  EXPECT_EQ(hard.plans[0].endpoint, at("198.51.100.2:40005"));
}

TEST_F(HardPunchStory, APlanIsRepeatedUntilTheOtherComesAndNotForEver) {
  easy.start(noon);
  easy.run_until(noon, noon + 10s);
  EXPECT_THAT(easy.plans, SizeIs(3));
  EXPECT_EQ(easy.punch.state(), State::failed);
  EXPECT_EQ(easy.punch.end(), End::no_plan);
}

TEST_F(HardPunchStory, NothingIsSentToAnAddressThatNobodyHasSeenThePeerAt) {
  agree();
  easy.run_until(noon + rtt / 2, noon + 10s);
  hard.run_until(noon, noon + 10s);
  for (const Side* side : {&easy, &hard}) {
    EXPECT_TRUE(side->sends.empty());
    EXPECT_EQ(side->punch.state(), State::failed);
    EXPECT_EQ(side->punch.end(), End::unwitnessed);
  }
}

TEST_F(HardPunchStory, TheOneWhoAnswersActsAsItsPlanArrives) {
  agree();
  easy.punch.set_witnessed(true);
  hard.punch.set_witnessed(true);
  EXPECT_TRUE(hard.plans[0].answer);
  hard.run(noon + limits::hard::answer_again);
  EXPECT_THAT(hard.plans, SizeIs(2)) << "for the first may be lost";
  // Half a round trip later, and not before the ordinary punch had its chance.
  EXPECT_EQ(hard.punch.next_timeout(),
            noon + rtt + limits::hard::grace - limits::hard::measured_after);
  EXPECT_FALSE(hard.punch.wants_to_act(noon + rtt));
  hard.run(noon + 100ms);
  EXPECT_EQ(hard.punch.part(), Part::open_one);
  easy.run(noon + 100ms);
  EXPECT_EQ(easy.punch.part(), Part::probe_next);
  ASSERT_THAT(easy.sends, SizeIs(limits::hard::near_guesses));
  EXPECT_EQ(easy.sends[0].to, at("198.51.100.2:40006"));
  EXPECT_EQ(easy.sends[15].to, at("198.51.100.2:40021"));
  ASSERT_THAT(hard.sends, SizeIs(1));
  EXPECT_EQ(hard.sends[0].to, at("198.51.100.1:7000"));
  EXPECT_NE(hard.sends[0].socket, main_socket);
}

TEST_F(HardPunchStory, ThePortBetweenTwoSamplesIsToldToThePeer) {
  agree();
  hard.punch.set_witnessed(true);
  counter = 41'234;  // somebody has been very busy
  bool knocked = false;
  hard.next_port = [&] {
    // The knock takes a port between the two questions.
    if (std::exchange(knocked, true)) return static_cast<std::uint16_t>(counter + 2);
    return counter;
  };
  hard.run(noon + 100ms);
  ASSERT_THAT(hard.ports, SizeIs(1));
  EXPECT_THAT(hard.ports[0].ports, testing::ElementsAre(41'235));

  easy.punch.set_witnessed(true);
  easy.run(noon + 100ms);
  easy.sends.clear();
  easy.punch.on_ports(noon + 140ms, hard.ports[0]);
  easy.run(noon + 140ms);
  ASSERT_FALSE(easy.sends.empty());
  EXPECT_EQ(easy.sends[0].to, at("198.51.100.2:41235"));
  const std::size_t sent = easy.sends.size();
  for (int i = 0; i < 50; ++i) easy.punch.on_ports(noon + 140ms, hard.ports[0]);
  easy.run_until(noon + 140ms, noon + 10s);
  EXPECT_LE(easy.sends.size() - sent, 200u) << "however often it is told";
}

TEST_F(HardPunchStory, QuestionsThatNobodyAnswersDoNotKeepItAwake) {
  agree();
  hard.punch.set_witnessed(true);
  hard.run(noon + 90ms);
  hard.supernodes_answer = false;
  hard.run_until(noon + 100ms, noon + 10s);
  EXPECT_EQ(hard.punch.end(), End::not_found);
}

TEST_F(HardPunchStory, APongProvesOnlyTheWayThatWasAsked) {
  agree();
  easy.punch.set_witnessed(true);
  hard.punch.set_witnessed(true);
  easy.run(noon + 100ms);
  hard.run(noon + 100ms);
  const auto& probe = easy.sends[2];
  EXPECT_FALSE(
      easy.punch.on_pong(noon + 180ms, main_socket, at("198.51.100.2:40007"), probe.nonce));
  EXPECT_FALSE(
      easy.punch.on_pong(noon + 180ms, main_socket, at("198.51.100.9:40008"), probe.nonce));
  EXPECT_FALSE(easy.punch.on_pong(noon + 180ms, main_socket, probe.to, probe.nonce + 1));
  const auto answer = easy.punch.on_pong(noon + 180ms, main_socket, probe.to, probe.nonce);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rtt, 80ms);
  EXPECT_TRUE(easy.punch.tried(main_socket, probe.to));
  EXPECT_FALSE(easy.punch.tried(main_socket, at("198.51.100.2:39000")));

  const auto& knock = hard.sends[0];
  EXPECT_FALSE(hard.punch.on_pong(noon + 180ms, main_socket, knock.to, knock.nonce));
  EXPECT_TRUE(hard.punch.on_pong(noon + 180ms, knock.socket, knock.to, knock.nonce));
  EXPECT_TRUE(hard.punch.used(knock.socket));
  hard.punch.on_open();
  EXPECT_FALSE(hard.punch.used(knock.socket)) << "a path keeps it, if there is one";
  EXPECT_FALSE(hard.punch.next_timeout());
}

TEST_F(HardPunchStory, ABirthdayHasItsBoundsOnBothSides) {
  Random random(5);
  hard.next_port = [&] { return static_cast<std::uint16_t>(1024 + random.below(64'512)); };
  agree();
  EXPECT_EQ(hard.plans[0].kind, NatKind::random);
  easy.punch.set_witnessed(true);
  hard.punch.set_witnessed(true);
  easy.run_until(noon + 40ms, noon + 20s);
  hard.run_until(noon + 40ms, noon + 20s);
  EXPECT_THAT(easy.sends, SizeIs(limits::hard::birthday_probes));
  EXPECT_EQ(hard.last_socket, limits::hard::sample_sockets + limits::hard::birthday_sockets);
  EXPECT_THAT(hard.sends, SizeIs(4 * limits::hard::birthday_sockets));
  // Three hops reached a supernode here: two pass our NAT, and no more than that leave.
  EXPECT_THAT(hard.sends, Each(testing::Field(&HardPunch::Send::hops, 2)));
  for (const Side* side : {&easy, &hard}) {
    EXPECT_EQ(side->punch.end(), End::not_found);
    EXPECT_EQ(side->punch.took(), limits::hard::birthday_patience);
  }
  EXPECT_TRUE(hard.punch.learnt()) << "it need not be measured again";
  EXPECT_FALSE(easy.punch.learnt());
}

TEST_F(HardPunchStory, WhatIsKnownOfANatByChanceIsNotMeasuredAgain) {
  PortForecast by_chance{.ports = Ports::random, .last = 5};
  hard.start(noon, 0, HardPunch::Known{by_chance, std::nullopt});
  hard.run(noon);
  EXPECT_EQ(hard.last_socket, 0);
  ASSERT_THAT(hard.plans, SizeIs(1));
  EXPECT_EQ(hard.plans[0].kind, NatKind::random);
}

TEST_F(HardPunchStory, TwoThatCountAimAtOnePortThatEachOfThemWillHave) {
  Side other{3, true, "198.51.100.3:50000"};
  std::uint16_t its_counter = 50'000;
  other.next_port = [&] { return its_counter += 2; };
  other.start(noon);
  hard.start(noon);
  other.run(noon);
  hard.punch.on_plan(noon, other.plans.at(0));
  hard.run(noon);
  other.punch.on_plan(noon + 40ms, hard.plans.at(0));
  other.punch.set_witnessed(true);
  hard.punch.set_witnessed(true);
  hard.run(noon + 100ms);
  other.run(noon + 100ms);
  ASSERT_THAT(hard.sends, SizeIs(25));
  ASSERT_THAT(other.sends, SizeIs(25));
  EXPECT_EQ(hard.punch.method(), Method::predicted);
  // The NATs give port after port to these sockets: each aims at one that the other's will have.
  EXPECT_EQ(hard.sends[0].to.port, its_counter + 2 * limits::hard::meeting_offset);
  EXPECT_EQ(other.sends[0].to.port, counter - 1 + limits::hard::meeting_offset);
  EXPECT_LT(limits::hard::meeting_offset, static_cast<int>(limits::hard::meeting_sockets));
}

TEST_F(HardPunchStory, WhereThereIsNoWayBothSayWhyAndSendNothing) {
  Random random(6);
  Side other{3, true, "198.51.100.3:50000"};
  other.next_port = [&] { return static_cast<std::uint16_t>(1024 + random.below(64'512)); };
  other.start(noon);
  hard.start(noon);
  other.run(noon);
  hard.punch.on_plan(noon, other.plans.at(0));
  hard.run(noon);
  ASSERT_THAT(hard.plans, SizeIs(1)) << "the other has to learn it too";
  other.punch.on_plan(noon + 40ms, hard.plans.at(0));
  other.run(noon + 40ms);
  for (const Side* side : {&other, &hard}) {
    EXPECT_EQ(side->punch.end(), End::hopeless);
    EXPECT_TRUE(side->sends.empty());
  }
}

TEST_F(HardPunchStory, WithoutAnswersNothingIsKnownAndNothingTried) {
  hard.supernodes_answer = false;
  hard.start(noon);
  hard.run_until(noon, noon + 10s);
  EXPECT_EQ(hard.punch.end(), End::unmeasured);
  EXPECT_TRUE(hard.plans.empty());
}

TEST_F(HardPunchStory, AForgedAnswerIsNone) {
  hard.supernodes_answer = false;
  hard.start(noon);
  hard.run(noon);
  const auto response =
      stun_binding_response(stun_binding_request(StunTransaction{7}), at("198.51.100.66:666"));
  EXPECT_FALSE(hard.punch.on_stun(noon, 1, hub, *response));
  EXPECT_FALSE(hard.punch.on_stun(noon, 1, at("192.0.2.66:7000"), *response));
}

TEST_F(HardPunchStory, APlanOfAnotherRoundIsNotActedUpon) {
  easy.start(noon, 3);
  easy.run(noon);
  hard.start(noon, 2);
  hard.run(noon);
  easy.punch.on_plan(noon, hard.plans.at(0));
  EXPECT_FALSE(easy.punch.theirs());
}

TEST_F(HardPunchStory, ALostAnswerIsGivenAgain) {
  agree();
  hard.punch.on_plan(noon + 300ms, easy.plans.at(0));  // it asks again
  hard.run(noon + 300ms);
  EXPECT_THAT(hard.plans, SizeIs(2));
  for (int i = 0; i < 100; ++i) {
    hard.punch.on_plan(noon + 300ms, easy.plans.at(0));
    hard.run(noon + 300ms);
  }
  EXPECT_LE(hard.plans.size(), 6u) << "but not as often as it likes";
}

// Its mapping is the same for all, so the first answer tells it.
TEST_F(HardPunchStory, ASecondTryLeavesFromASocketThatNobodyHasSeen) {
  easy.fresh = true;
  easy.next_port = [] { return std::uint16_t{7077}; };
  agree();
  EXPECT_EQ(easy.last_socket, 1);
  EXPECT_EQ(easy.plans[0].endpoint, at("198.51.100.1:7077"));
  easy.punch.set_witnessed(true);
  hard.punch.set_witnessed(true);
  EXPECT_TRUE(easy.punch.used(1)) << "until it is over";
  easy.run(noon + 100ms);
  hard.run(noon + 100ms);
  ASSERT_THAT(easy.sends, SizeIs(limits::hard::near_guesses));
  EXPECT_THAT(easy.sends, Each(testing::Field(&HardPunch::Send::socket, 1)));
  ASSERT_FALSE(hard.sends.empty());
  EXPECT_EQ(hard.sends[0].to, at("198.51.100.1:7077"));
  const auto& probe = easy.sends[0];
  EXPECT_FALSE(easy.punch.on_pong(noon + 180ms, main_socket, probe.to, probe.nonce));
  EXPECT_TRUE(easy.punch.on_pong(noon + 180ms, 1, probe.to, probe.nonce));
  easy.run_until(noon + 180ms, noon + 10s);
  EXPECT_EQ(easy.punch.state(), State::failed);
  EXPECT_FALSE(easy.punch.used(1));
}

TEST_F(HardPunchStory, WithoutASocketToSpareTheMainOneTriesAgain) {
  easy.fresh = true;
  easy.punch.start(noon, 0, {false, true, false, at("198.51.100.1:7000"), {hub, other_hub}, {}},
                   rtt, {});
  ASSERT_EQ(easy.punch.wanted(noon), 1u);
  easy.punch.on_sockets(noon, {});
  easy.run(noon);
  ASSERT_THAT(easy.plans, SizeIs(1));
  EXPECT_EQ(easy.plans[0].endpoint, at("198.51.100.1:7000"));
}

TEST_F(HardPunchStory, TwoEasyOnesKnockAtOneAnotherFromFreshSockets) {
  Side other{3, false, "198.51.100.3:7000"};
  for (Side* side : {&easy, &other}) {
    side->fresh = side->anew = true;
    side->next_port = [side] { return static_cast<std::uint16_t>(side->last_socket + 8000); };
    side->start(noon);
    side->run(noon);
  }
  easy.punch.on_plan(noon + 40ms, other.plans.at(0));
  other.punch.on_plan(noon + 40ms, easy.plans.at(0));
  for (Side* side : {&easy, &other}) {
    side->punch.set_witnessed(true);
    side->run_until(noon + 40ms, noon + 10s);
    EXPECT_THAT(side->sends, SizeIs(limits::knock_times.size()));
    EXPECT_THAT(side->sends, Each(testing::Field(&HardPunch::Send::socket, 1)));
    EXPECT_EQ(side->punch.method(), Method::punch);
    EXPECT_EQ(side->punch.end(), End::not_found);
  }
  EXPECT_THAT(easy.sends, Each(testing::Field(&HardPunch::Send::to, at("198.51.100.3:8001"))));
}

TEST_F(HardPunchStory, ThePlanThatHasBothBeginIsSentTwiceInTimeToBeOfUse) {
  agree();
  hard.run_until(noon, noon + 60ms);
  ASSERT_THAT(hard.plans, SizeIs(2));
  EXPECT_EQ(hard.plans[0], hard.plans[1]);
  EXPECT_TRUE(hard.plans[0].answer);
  EXPECT_EQ(hard.witnesses_asked, 1);
}

}  // namespace
}  // namespace byway::hard_punch_test

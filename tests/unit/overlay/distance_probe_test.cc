#include "overlay/reach/distance_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "overlay/reach/home_limits.h"
#include "tests/unit/overlay/cast.h"

namespace byway::distance_probe_test {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class Distances : public testing::Test {
 protected:
  std::vector<Transmit> sent(TimePoint now) {
    std::vector<Transmit> all;
    while (auto transmit = probe.poll_transmit(now)) all.push_back(std::move(*transmit));
    return all;
  }
  bool answered(TimePoint now, const Transmit& question) {
    const auto answer = stun_binding_response(question.bytes, at("203.0.113.9:4000"));
    return probe.on_stun(now, main_socket, question.to, *answer);
  }

  const DistanceProbe::Whom hub{node(1), at("198.51.100.1:7000")};
  const DistanceProbe::Whom mill{node(2), at("203.0.113.1:7000")};
  DistanceProbe probe{Random(7)};
};

TEST_F(Distances, AreToldAsSoonAsAllHaveAnswered) {
  probe.ask(noon, std::vector{hub, mill});
  const auto questions = sent(noon);
  ASSERT_THAT(questions, SizeIs(2));
  EXPECT_EQ(questions[0].bytes.size(), stun_header_size);
  EXPECT_TRUE(answered(noon + 20ms, questions[1]));
  EXPECT_FALSE(probe.poll_answers(noon + 20ms));
  EXPECT_TRUE(answered(noon + 70ms, questions[0]));
  const auto answers = probe.poll_answers(noon + 70ms);
  ASSERT_TRUE(answers);
  EXPECT_EQ(answers->at(0).id, hub.id);
  EXPECT_EQ(answers->at(0).rtt, 70ms);
  EXPECT_EQ(answers->at(1).rtt, 20ms);
  EXPECT_FALSE(probe.poll_answers(noon + 1h)) << "once";
  EXPECT_EQ(probe.next_timeout(), std::nullopt);
}

TEST_F(Distances, WhoDoesNotAnswerIsAskedOnceMoreAndThenGivenUp) {
  probe.ask(noon, std::vector{hub});
  EXPECT_THAT(sent(noon), SizeIs(1));
  const TimePoint again = noon + limits::distance_times[1];
  EXPECT_EQ(probe.next_timeout(), again);
  EXPECT_THAT(sent(again), SizeIs(1));
  EXPECT_THAT(sent(noon + limits::distance_patience - 1ms), IsEmpty());
  EXPECT_FALSE(probe.poll_answers(noon + limits::distance_patience - 1ms));
  const auto answers = probe.poll_answers(noon + limits::distance_patience);
  ASSERT_TRUE(answers);
  EXPECT_EQ(answers->at(0).rtt, std::nullopt);
}

TEST_F(Distances, ALateAnswerToTheFirstQuestionIsNotTakenForAQuickOneToTheSecond) {
  probe.ask(noon, std::vector{hub});
  const auto first = sent(noon);
  sent(noon + 250ms);
  EXPECT_TRUE(answered(noon + 260ms, first[0]));
  EXPECT_EQ(probe.poll_answers(noon + 260ms)->at(0).rtt, 260ms);
}

TEST_F(Distances, WhereOthersAreNearNobodyIsWaitedForTheWholeTime) {
  probe.ask(noon, std::vector{hub, mill});
  const auto questions = sent(noon);
  answered(noon + 30ms, questions[0]);
  sent(noon + 250ms);
  EXPECT_FALSE(probe.poll_answers(noon + 309ms));
  EXPECT_TRUE(probe.poll_answers(noon + 310ms));
}

TEST_F(Distances, AnAnswerFromElsewhereOrToAnotherQuestionSaysNothing) {
  probe.ask(noon, std::vector{hub});
  const auto question = sent(noon)[0];
  const auto answer = stun_binding_response(question.bytes, at("203.0.113.9:4000"));
  EXPECT_FALSE(probe.on_stun(noon + 1ms, main_socket, mill.endpoint, *answer));
  EXPECT_FALSE(probe.on_stun(noon + 1ms, SocketId{77}, hub.endpoint, *answer));
  const auto other = stun_binding_response(stun_binding_request({1, 2, 3}), at("203.0.113.9:4000"));
  EXPECT_FALSE(probe.on_stun(noon + 1ms, main_socket, hub.endpoint, *other));
  EXPECT_TRUE(probe.on_stun(noon + 1ms, main_socket, hub.endpoint, *answer));
  EXPECT_FALSE(probe.on_stun(noon + 2ms, main_socket, hub.endpoint, *answer)) << "twice";
}

}  // namespace
}  // namespace byway::distance_probe_test

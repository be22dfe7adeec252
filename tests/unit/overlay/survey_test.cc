// Questions that end, each exactly once, whoever answers or does not.
#include "overlay/survey/survey.h"

#include <gtest/gtest.h>

#include "overlay/survey/survey_limits.h"
#include "protocol/packet.h"

namespace byway::survey_test {
namespace {

class SurveyMachine : public testing::Test {
 protected:
  static NodeId node(std::uint8_t number) { return NodeId::trusted(Key{number}); }
  static ProofNonce nonce(std::uint8_t number) {
    ProofNonce drawn{};
    drawn[0] = number;
    return drawn;
  }
  std::uint64_t ask(SurveyQuestion question = StateRequest{}, std::uint8_t number = 1) {
    return survey.ask(now, node(1), there, std::move(question), nonce(number));
  }
  void link() { survey.on_linked(now, node(1), here, 20ms); }
  void pass(Duration time) {
    now += time;
    survey.on_timeout(now);
  }
  SupernodeState state(std::uint64_t number) { return {.number = number, .leaves = 3}; }

  TimePoint now{1s};
  Endpoint there = *Endpoint::parse("203.0.113.10:7000");
  Endpoint here = *Endpoint::parse("198.51.100.10:7000");
  Survey survey;
};

TEST_F(SurveyMachine, DialsOnceForManyQuestionsAndAsksWhenThereIsALink) {
  ask(StateRequest{}, 1);
  ask(StateRequest{}, 2);
  const auto dial = survey.poll_dial();
  ASSERT_TRUE(dial);
  EXPECT_EQ(dial->where, there);
  EXPECT_FALSE(survey.poll_dial());
  EXPECT_FALSE(survey.poll_letter(now));
  link();
  EXPECT_TRUE(survey.poll_letter(now));
  EXPECT_TRUE(survey.poll_letter(now));
  EXPECT_FALSE(survey.poll_letter(now));
}

TEST_F(SurveyMachine, AnAnswerCountsOnceAndOnlyFromWhomWasAsked) {
  const auto number = ask();
  link();
  ASSERT_TRUE(survey.poll_letter(now));
  now += 30ms;
  EXPECT_FALSE(survey.on_answer(now, node(2), state(number)));
  EXPECT_FALSE(survey.on_answer(now, node(1), state(number + 1)));
  EXPECT_FALSE(survey.on_answer(now, node(1), MembersPage{.number = number, .members = {}}));
  EXPECT_TRUE(survey.on_answer(now, node(1), state(number)));
  EXPECT_FALSE(survey.on_answer(now, node(1), state(number)));
  const auto done = survey.poll_done();
  ASSERT_TRUE(done);
  EXPECT_EQ(done->number, number);
  EXPECT_EQ(done->rtt, Duration{30ms});
  EXPECT_EQ(done->observed, here);
  EXPECT_FALSE(survey.poll_done());
  EXPECT_TRUE(survey.idle());
}

TEST_F(SurveyMachine, AsksThreeTimesAndThenGivesUp) {
  ask();
  link();
  int sent = 0;
  for (int i = 0; i < 10 && !survey.idle(); ++i) {
    while (survey.poll_letter(now)) ++sent;
    if (const auto done = survey.poll_done()) {
      EXPECT_FALSE(done->answer);
      EXPECT_EQ(done->why, "it is there, but does not answer");
      break;
    }
    pass(limits::survey_resend);
  }
  EXPECT_EQ(sent, limits::survey_sends);
  EXPECT_TRUE(survey.idle());
}

TEST_F(SurveyMachine, TheTimeOfAnAnswerAskedForTwiceIsNotBelieved) {
  const auto number = ask();
  link();
  ASSERT_TRUE(survey.poll_letter(now));
  pass(limits::survey_resend);
  ASSERT_TRUE(survey.poll_letter(now));
  EXPECT_TRUE(survey.on_answer(now, node(1), state(number)));
  EXPECT_FALSE(survey.poll_done()->rtt);
}

TEST_F(SurveyMachine, WhoeverCannotBeReachedEndsAllItsQuestionsAndIsDialledAnew) {
  ask(StateRequest{}, 1);
  ask(MembersRequest{}, 2);
  ASSERT_TRUE(survey.poll_dial());
  survey.on_unreachable(now, node(1), "it refused: busy");
  EXPECT_EQ(survey.poll_done()->why, "it refused: busy");
  EXPECT_EQ(survey.poll_done()->why, "it refused: busy");
  ask(StateRequest{}, 3);
  EXPECT_TRUE(survey.poll_dial());
}

TEST_F(SurveyMachine, ADialThatNobodyAnswersEndsTheQuestionInTime) {
  ask();
  ASSERT_TRUE(survey.poll_dial());
  ASSERT_TRUE(survey.next_timeout());
  EXPECT_EQ(*survey.next_timeout(), now + limits::survey_dial_patience);
  pass(limits::survey_dial_patience);
  EXPECT_EQ(survey.poll_done()->why, "it did not answer");
}

TEST_F(SurveyMachine, AProofClaimsWhereWeAreSeenAndIsAskedForOnce) {
  ask(ProveRequest{});
  link();
  const auto letter = survey.poll_letter(now);
  ASSERT_TRUE(letter);
  EXPECT_EQ(std::get<ProveRequest>(letter->question).endpoint, here);
  EXPECT_EQ(std::get<ProveRequest>(letter->question).nonce, nonce(1));
  pass(limits::survey_resend);
  EXPECT_FALSE(survey.poll_letter(now));
  pass(limits::survey_proof_patience);
  EXPECT_TRUE(survey.poll_done());
}

TEST_F(SurveyMachine, ADialBackIsEchoedToItsFirstSenderOnly) {
  const Endpoint dialler = *Endpoint::parse("203.0.113.77:7000");
  const Endpoint other = *Endpoint::parse("203.0.113.78:7000");
  const Bytes ours = make_dialback(nonce(1));
  const Bytes theirs = make_dialback(nonce(9));
  EXPECT_FALSE(survey.on_dialback(now, {.from = dialler, .bytes = ours})) << "nobody asked yet";
  ask(ProveRequest{});
  link();
  ASSERT_TRUE(survey.poll_letter(now));
  EXPECT_FALSE(survey.on_dialback(now, {.from = dialler, .bytes = theirs}));
  EXPECT_TRUE(survey.on_dialback(now, {.from = dialler, .bytes = ours}));
  EXPECT_FALSE(survey.on_dialback(now, {.from = other, .bytes = ours}));
  EXPECT_TRUE(survey.on_dialback(now, {.from = dialler, .bytes = ours}));
  const auto echo = survey.poll_transmit();
  ASSERT_TRUE(echo);
  EXPECT_EQ(echo->to, dialler);
  EXPECT_EQ(echo->bytes.size(), dialback_size);

  EXPECT_TRUE(survey.on_answer(now, node(1), ProveResult{.nonce = nonce(1), .attestation = {}}));
  EXPECT_EQ(survey.poll_done()->dialled_from, dialler);
}

}  // namespace
}  // namespace byway::survey_test

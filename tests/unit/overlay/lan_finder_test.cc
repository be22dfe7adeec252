#include "overlay/link/lan_finder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "overlay/core/limits.h"
#include "tests/unit/overlay/cast.h"

namespace byway::lan_finder_test {
namespace {

// Ana looks for Bo; Cy is in the same network.
class LanStory : public testing::Test {
 protected:
  std::vector<Transmit> drain(LanFinder& finder) {
    std::vector<Transmit> all;
    while (auto transmit = finder.poll_transmit(now)) all.push_back(std::move(*transmit));
    return all;
  }
  Transmit question() {
    ana.seek(now, bo_id, true, false);
    const auto sent = drain(ana);
    EXPECT_EQ(sent.size(), 1u);
    return sent.front();
  }
  LanFinder::Outcome bo_hears(const Transmit& transmit, const Endpoint& from) {
    return bo.on_datagram(now, {.from = from, .bytes = transmit.bytes});
  }

  TimePoint now = noon;
  NodeId ana_id = node(1), bo_id = node(2), cy_id = node(3);
  LanFinder ana{ana_id, sodium_crypto(), Random{1}};
  LanFinder bo{bo_id, sodium_crypto(), Random{2}};
  LanFinder cy{cy_id, sodium_crypto(), Random{3}};
  const Endpoint ana_at = at("192.168.1.20:7000"), bo_at = at("192.168.1.21:7000");
};

TEST_F(LanStory, WhoIsLookedForAnswersFromWhereItIs) {
  const Transmit asked = question();
  EXPECT_EQ(asked.to, lan_group_v4());
  EXPECT_FALSE(bo_hears(asked, ana_at).drop);
  const auto answers = drain(bo);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].to, ana_at);
  EXPECT_EQ(answers[0].ttl, 1) << "it must not leave this network";
  EXPECT_EQ(answers[0].bytes.size(), asked.bytes.size());

  const auto outcome = ana.on_datagram(now, {.from = bo_at, .bytes = answers[0].bytes});
  ASSERT_TRUE(outcome.found);
  EXPECT_EQ(outcome.found->id, bo_id);
  EXPECT_EQ(outcome.found->at, bo_at);
}

TEST_F(LanStory, OthersSayNothing) {
  const Transmit asked = question();
  EXPECT_EQ(cy.on_datagram(now, {.from = ana_at, .bytes = asked.bytes}).drop, Drop::lan_other);
  EXPECT_TRUE(drain(cy).empty());
}

TEST_F(LanStory, AnAnswerThatNobodyAskedForIsDropped) {
  const Bytes answer = make_lan_packet(sodium_crypto(), LanKind::answer, bo_id, LanSalt{1, 2, 3});
  EXPECT_EQ(ana.on_datagram(now, {.from = bo_at, .bytes = answer}).drop, Drop::lan_unasked);
}

TEST_F(LanStory, CyCannotAnswerForBo) {
  const Transmit asked = question();
  const auto packet = parse_lan_packet(asked.bytes);
  ASSERT_TRUE(packet);
  const Bytes answer = make_lan_packet(sodium_crypto(), LanKind::answer, cy_id, packet->salt);
  EXPECT_EQ(ana.on_datagram(now, {.from = bo_at, .bytes = answer}).drop, Drop::lan_unasked);
}

TEST_F(LanStory, AskedThreeTimesAndThenNoMore) {
  ana.seek(now, bo_id, true, true);
  std::size_t sent = drain(ana).size();
  while (const auto next = ana.next_timeout()) {
    ASSERT_GT(*next, now);
    now = *next;
    sent += drain(ana).size();
  }
  EXPECT_EQ(sent, 2 * limits::lan_ask_times.size()) << "in each of two families";
  EXPECT_LE(now - noon, 1s);
  EXPECT_EQ(ana.asking(), 0u);
}

TEST_F(LanStory, OnceAnsweredItIsNotAskedAgain) {
  const Transmit asked = question();
  bo_hears(asked, ana_at);
  ana.on_datagram(now, {.from = bo_at, .bytes = drain(bo).front().bytes});
  now += 1s;
  EXPECT_TRUE(drain(ana).empty());
}

TEST_F(LanStory, OneAskerGetsOnlySoManyAnswers) {
  const Transmit asked = question();
  std::size_t answers = 0;
  for (int i = 0; i < 1000; ++i) {
    bo_hears(asked, ana_at);
    answers += drain(bo).size();
  }
  EXPECT_EQ(answers, static_cast<std::size_t>(limits::lan_answers_to_one_burst));
}

TEST_F(LanStory, ManyAskersGetOnlySoManyAnswersTogether) {
  const Transmit asked = question();
  std::size_t answers = 0;
  for (int i = 0; i < 1000; ++i) {
    bo_hears(asked,
             at("10.0." + std::to_string(i / 200) + "." + std::to_string(i % 200) + ":7000"));
    answers += drain(bo).size();
  }
  EXPECT_EQ(answers, static_cast<std::size_t>(limits::lan_answers_per_second));
}

TEST_F(LanStory, NobodyIsAnsweredWhereThereIsNoWayBack) {
  const Transmit asked = question();
  for (const char* from : {"[fe80::1]:7000", "0.0.0.0:7000", "239.255.98.119:7117", "10.0.0.1:0"})
    EXPECT_EQ(bo_hears(asked, at(from)).drop, Drop::lan_rate) << from;
}

TEST_F(LanStory, WhoeverLooksForThousandsRemembersFew) {
  for (int i = 0; i < 1000; ++i) ana.seek(now, node(100 + i), true, false);
  EXPECT_LE(ana.asking(), limits::lan_seeks);
  EXPECT_LE(drain(ana).size(), static_cast<std::size_t>(limits::lan_asks_burst));
}

}  // namespace
}  // namespace byway::lan_finder_test

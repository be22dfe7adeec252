#include "protocol/survey_message.h"

#include <gtest/gtest.h>

#include "protocol/record.h"
#include "tests/unit/protocol/people.h"

namespace byway::survey_message_test {
namespace {

SupernodeState busy_state() {
  return {.number = ~0ull,
          .version = 0xffff,
          .netgroup_bits_v4 = 32,
          .netgroup_bits_v6 = 128,
          .relays = true,
          .established = true,
          .handing_over = true,
          .agent = std::string(max_survey_agent, '~'),
          .uptime_s = ~0u,
          .leaves = ~0u,
          .limit = ~0u,
          .lanes = ~0u,
          .relay_rate = ~0ull,
          .relayed_bytes = ~0ull,
          .known = ~0u,
          .admitted = ~0u,
          .netgroups = ~0u,
          .root = ~0ull,
          .sequence = ~0ull};
}

Bytes noise(std::size_t size) {
  Random random(size);
  Bytes bytes(size);
  random.fill(bytes);
  return bytes;
}

std::vector<SurveyMessage> one_of_each() {
  return {StateRequest{7}, busy_state(), MembersRequest{8, 9, 10},
          MembersPage{11, 12, {{noise(200), true, 3}, {noise(210), false}}, true, 13}};
}

TEST(SurveyMessage, WhatIsSaidIsHeardAsItWasSaid) {
  for (const SurveyMessage& message : one_of_each()) {
    const auto heard = decode_survey(encode(message));
    ASSERT_TRUE(heard);
    EXPECT_EQ(*heard, message);
  }
}

TEST(SurveyMessage, TheLargestAnswerIsNoLargerThanItsQuestion) {
  EXPECT_LE(encode(SurveyMessage(busy_state())).size(),
            encode(SurveyMessage(StateRequest{1})).size());
  const MembersPage longest{~0ull, ~0ull, {{noise(max_record_size), true, 7}}, true, ~0ull};
  const std::size_t question = encode(SurveyMessage(MembersRequest{1})).size();
  EXPECT_LE(encode(SurveyMessage(longest)).size(), question);
  EXPECT_LE(question, 1150u);
}

TEST(SurveyMessage, WhatIsOverALimitIsRefused) {
  const auto refused = [](const SurveyMessage& message) { return !decode_survey(encode(message)); };
  SupernodeState state = busy_state();
  state.agent += '~';
  EXPECT_TRUE(refused(state));
  state.agent = "two\nlines";
  EXPECT_TRUE(refused(state));
  state = busy_state();
  state.netgroup_bits_v4 = 33;
  EXPECT_TRUE(refused(state));
  state.netgroup_bits_v4 = 0;
  EXPECT_TRUE(refused(state));
  EXPECT_TRUE(refused(MembersPage{1, 2, {{noise(max_record_size + 1), true, 1}}}));
  EXPECT_TRUE(refused(MembersPage{1, 2, {{noise(10), true, 8}}}));
  EXPECT_TRUE(refused(MembersPage{1, 2, std::vector<SurveyedMember>(max_surveyed_members + 1)}));
}

TEST(SurveyMessage, NoGarbageGetsThroughAsMoreThanAnError) {
  Random random(1);
  for (const SurveyMessage& message : one_of_each()) {
    const Bytes good = encode(message);
    for (std::size_t size = 0; size < good.size(); ++size)
      (void)decode_survey(ByteView(good).first(size));
    for (int i = 0; i < 2'000; ++i) {
      Bytes bad = good;
      bad[random.below(bad.size())] = static_cast<std::uint8_t>(random.u32());
      const auto heard = decode_survey(bad);
      if (!heard) continue;
      if (const auto* page = std::get_if<MembersPage>(&*heard)) {
        EXPECT_LE(page->members.size(), max_surveyed_members);
      }
    }
  }
  EXPECT_FALSE(decode_survey({}));
  EXPECT_FALSE(decode_survey(Bytes(100, 0xff)));
}

}  // namespace
}  // namespace byway::survey_message_test

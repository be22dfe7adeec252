#include "protocol/lan_packet.h"

#include <gtest/gtest.h>

#include "protocol/packet.h"
#include "protocol/random.h"

namespace byway::lan_packet_test {
namespace {

class LanPacketStory : public testing::Test {
 protected:
  Random random{7};
  const NodeId bo = Identity::generate(random).id();
  const NodeId cy = Identity::generate(random).id();
  const LanSalt salt = random.bytes<16>();
};

TEST_F(LanPacketStory, OnlyWhoKnowsTheIdRecognisesTheQuestion) {
  const Bytes question = make_lan_packet(sodium_crypto(), LanKind::ask, bo, salt);
  EXPECT_EQ(question.size(), lan_packet_size);
  EXPECT_EQ(classify(question), PacketKind::lan);
  const auto packet = parse_lan_packet(question);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->kind, LanKind::ask);
  EXPECT_EQ(packet->salt, salt);
  EXPECT_TRUE(is_about(sodium_crypto(), *packet, bo));
  EXPECT_FALSE(is_about(sodium_crypto(), *packet, cy));
}

TEST_F(LanPacketStory, AQuestionTurnedRoundIsNoAnswer) {
  Bytes question = make_lan_packet(sodium_crypto(), LanKind::ask, bo, salt);
  question[1] = static_cast<std::uint8_t>(LanKind::answer);
  const auto packet = parse_lan_packet(question);
  ASSERT_TRUE(packet);
  EXPECT_FALSE(is_about(sodium_crypto(), *packet, bo));
}

TEST_F(LanPacketStory, NoTwoQuestionsLookAlike) {
  const Bytes one = make_lan_packet(sodium_crypto(), LanKind::ask, bo, salt);
  const Bytes other = make_lan_packet(sodium_crypto(), LanKind::ask, bo, random.bytes<16>());
  EXPECT_NE(Bytes(one.end() - 16, one.end()), Bytes(other.end() - 16, other.end()));
}

TEST_F(LanPacketStory, WhatIsNotOfItsOneShapeIsRefused) {
  const Bytes question = make_lan_packet(sodium_crypto(), LanKind::ask, bo, salt);
  EXPECT_EQ(parse_lan_packet({}).error(), Error::truncated);
  EXPECT_EQ(parse_lan_packet(ByteView(question).first(33)).error(), Error::truncated);
  Bytes longer = question;
  longer.push_back(0);
  EXPECT_EQ(parse_lan_packet(longer).error(), Error::too_large);
  Bytes other = question;
  other[0] = 0x16;
  EXPECT_EQ(parse_lan_packet(other).error(), Error::malformed);
  other = question;
  other[1] = 2;
  EXPECT_EQ(parse_lan_packet(other).error(), Error::malformed);
}

}  // namespace
}  // namespace byway::lan_packet_test

#include "overlay/reach/pcp_client.h"

#include <gtest/gtest.h>

#include "overlay/reach/pcp_limits.h"
#include "tests/unit/overlay/cast.h"
#include "tests/unit/protocol/pcp_router.h"

namespace byway::pcp_client_test {
namespace {

using Kind = PcpClient::Kind;

class PcpStory : public testing::Test {
 protected:
  // What the client has said since this was last asked; it must have said something.
  Bytes said() {
    const auto bytes = client.poll_transmit();
    EXPECT_TRUE(bytes);
    return bytes.value_or(Bytes(pcp_map_size));
  }
  PcpMap map_in(ByteView question) { return *parse_pcp_answer(pcp_answer(question, {}))->map; }
  std::uint32_t lifetime_in(ByteView question) {
    return load_be<std::uint32_t>(question.subspan(4));
  }
  bool hears(const Bytes& answer, std::string_view from = "192.168.1.1:5351") {
    return client.on_datagram(now, at(from), answer);
  }
  void asks() { client.map(now, Proto::udp, 7000, 7000, 1h); }
  // Asks, and is granted it.
  PcpClient::Outcome mapped(const PcpGrant& grant) {
    asks();
    EXPECT_TRUE(hears(pcp_answer(said(), grant)));
    return client.poll_outcome().value_or(PcpClient::Outcome{});
  }
  // Lets the time pass until something is said or decided.
  void waits() {
    now = *client.next_timeout();
    client.on_timeout(now);
  }

  PcpClient client{Random{5}, at("192.168.1.1:5351"), at("192.168.1.20:1").address};
  TimePoint now{1h};
  PcpGrant good{.outside = at("203.0.113.5:7001")};
};

TEST_F(PcpStory, AMappingIsGrantedAndToldWithItsLifetime) {
  const auto outcome = mapped(good);
  EXPECT_EQ(outcome.kind, Kind::mapped);
  EXPECT_EQ(outcome.outside, at("203.0.113.5:7001"));
  EXPECT_EQ(outcome.lifetime, 1h);
  EXPECT_FALSE(client.next_timeout());
}

TEST_F(PcpStory, RenewingAndRemovingBringTheSameNonceAndAnotherMappingAnotherOne) {
  asks();
  const PcpMap first = map_in(said());
  EXPECT_EQ(first.outside.port, 7000);
  hears(pcp_answer(encode({.own = {}, .lifetime_s = 0, .map = first}), good));
  asks();
  const PcpMap second = map_in(said());
  EXPECT_EQ(second.nonce, first.nonce);
  EXPECT_EQ(second.outside.port, 7001) << "the port that it gave before";
  EXPECT_TRUE(second.outside.address.is_unspecified());
  client.map(now, Proto::tcp, 7000, 7000, 1h);
  EXPECT_NE(map_in(said()).nonce, first.nonce);
  client.unmap(now, Proto::udp, 7000);
  const Bytes removal = said();
  EXPECT_EQ(map_in(removal).nonce, first.nonce);
  EXPECT_EQ(lifetime_in(removal), 0u);
  hears(pcp_answer(removal, {.lifetime_s = 0}));
  EXPECT_EQ(client.poll_outcome()->kind, Kind::removed);
}

TEST_F(PcpStory, ASilentRouterIsAskedThreeTimesWithinTwoSeconds) {
  const TimePoint began = now;
  asks();
  int asked = 0;
  while (client.next_timeout()) {
    if (client.poll_transmit()) ++asked;
    waits();
  }
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(client.poll_outcome()->kind, Kind::silent);
  EXPECT_LT(now - began, 2s);
}

TEST_F(PcpStory, ALostAnswerIsAskedForAgainInTheSameWords) {
  asks();
  const Bytes first = said();
  waits();
  EXPECT_EQ(said(), first);
  EXPECT_TRUE(hears(pcp_answer(first, good)));
  EXPECT_EQ(client.poll_outcome()->kind, Kind::mapped);
}

TEST_F(PcpStory, ARouterThatSpeaksOnlyNatPmpIsKnownAtOnce) {
  client.announce(now);
  EXPECT_TRUE(hears(nat_pmp_refusal(said())));
  EXPECT_EQ(client.poll_outcome()->kind, Kind::no_pcp);
  EXPECT_FALSE(client.next_timeout());
}

TEST_F(PcpStory, WhoeverAnswersAnnounceSpeaksPcpEvenWhereItMakesNoSenseOfIt) {
  client.announce(now);
  EXPECT_TRUE(hears(pcp_answer(said(), {.code = PcpCode::unsupported_opcode})));
  EXPECT_EQ(client.poll_outcome()->kind, Kind::there);
}

// --- hostile answers -----------------------------------------------------------------------------

TEST_F(PcpStory, AnAnswerFromElsewhereIsNone) {
  asks();
  const Bytes question = said();
  EXPECT_FALSE(hears(pcp_answer(question, good), "192.168.1.2:5351"));
  EXPECT_FALSE(hears(pcp_answer(question, good), "192.168.1.1:5350"));
  EXPECT_FALSE(client.poll_outcome());
  EXPECT_EQ(client.ignored(), 2u);
  EXPECT_TRUE(hears(pcp_answer(question, good)));
}

TEST_F(PcpStory, WhoHasNotSeenTheNonceCannotAnswer) {
  asks();
  const Bytes question = said();
  Bytes forged = pcp_answer(question, good);
  forged[pcp_header_size] ^= 1;
  EXPECT_FALSE(hears(forged));
  EXPECT_FALSE(client.poll_outcome());
  EXPECT_TRUE(hears(pcp_answer(question, good)));
}

TEST_F(PcpStory, AnAnswerAboutAnotherPortOrProtocolIsNone) {
  asks();
  const Bytes question = said();
  Bytes tcp = pcp_answer(question, good);
  tcp[pcp_header_size + 12] = 6;
  Bytes elsewhere = pcp_answer(question, good);
  elsewhere[pcp_header_size + 17] ^= 1;
  client.announce(now);
  const Bytes announced = pcp_answer(said(), {});
  asks();
  for (const Bytes& wrong : {tcp, elsewhere, announced}) EXPECT_FALSE(hears(wrong));
}

TEST_F(PcpStory, ATruncatedAnswerLeavesTheQuestionOpen) {
  asks();
  const Bytes answer = pcp_answer(said(), good);
  for (std::size_t size = 0; size < answer.size(); ++size)
    EXPECT_FALSE(hears(Bytes(answer.begin(), answer.begin() + std::ptrdiff_t(size))));
  EXPECT_FALSE(client.poll_outcome());
  EXPECT_TRUE(hears(answer));
}

TEST_F(PcpStory, AnAnswerCountsOnce) {
  asks();
  const Bytes answer = pcp_answer(said(), good);
  EXPECT_TRUE(hears(answer));
  EXPECT_FALSE(hears(answer));
  EXPECT_EQ(client.ignored(), 1u);
}

TEST_F(PcpStory, ALifetimeOfCenturiesIsTakenForADay) {
  good.lifetime_s = 0xffff'ffff;
  EXPECT_EQ(mapped(good).lifetime, 24h);
}

TEST_F(PcpStory, ALifetimeThatWouldHaveUsAskWithoutEndIsARefusal) {
  for (const std::uint32_t seconds : {0u, 1u, 7u}) {
    good.lifetime_s = seconds;
    EXPECT_EQ(mapped(good).kind, Kind::refused) << seconds;
  }
}

TEST_F(PcpStory, ARefusalIsNotAskedAboutAgainBeforeItsTime) {
  EXPECT_EQ(mapped({.code = PcpCode::not_authorized, .lifetime_s = 600}).code,
            PcpCode::not_authorized);
  now += 599s;
  asks();
  EXPECT_FALSE(client.poll_transmit());
  EXPECT_EQ(client.poll_outcome()->kind, Kind::refused);
  now += 1s;
  asks();
  EXPECT_TRUE(client.poll_transmit());
}

TEST_F(PcpStory, NoRefusalLastsLongerThanHalfAnHour) {
  mapped({.code = PcpCode::no_resources, .lifetime_s = 0xffff'ffff});
  now += 30min;
  asks();
  EXPECT_TRUE(client.poll_transmit());
}

// miniupnpd 2.3.1 does that to an IPv6 pinhole that was renewed.
TEST_F(PcpStory, WhereRemovalIsRefusedTheMappingIsLeftToEndSoon) {
  mapped(good);
  client.unmap(now, Proto::udp, 7000);
  EXPECT_TRUE(hears(pcp_answer(said(), {.code = PcpCode::not_authorized, .lifetime_s = 0})));
  EXPECT_FALSE(client.poll_outcome());
  const Bytes shorter = said();
  EXPECT_EQ(lifetime_in(shorter), 1u);
  EXPECT_TRUE(hears(pcp_answer(shorter, {.lifetime_s = 120})));
  EXPECT_EQ(client.poll_outcome()->kind, Kind::removed);
}

// --- the epoch -----------------------------------------------------------------------------------

TEST_F(PcpStory, ARouterWhoseClockGoesOnHasForgottenNothing) {
  good.epoch_s = 100;
  mapped(good);
  for (int i = 0; i < 10; ++i) {
    now += 10min;
    good.epoch_s += 600 + (i % 2 ? 1 : 0);
    mapped(good);
  }
  EXPECT_FALSE(client.take_restart());
}

TEST_F(PcpStory, AClockThatIsASixteenthOffIsNoRestart) {
  mapped(good);
  now += 1600s;
  good.epoch_s += 1500;
  mapped(good);
  now += 1500s;
  good.epoch_s += 1600;
  mapped(good);
  EXPECT_FALSE(client.take_restart());
}

TEST_F(PcpStory, AnEpochThatBeginsAnewIsARestartAndToldOnce) {
  good.epoch_s = 5000;
  mapped(good);
  now += 10min;
  good.epoch_s = 3;
  mapped(good);
  EXPECT_TRUE(client.take_restart());
  EXPECT_FALSE(client.take_restart());
}

TEST_F(PcpStory, ARestartIsSeenEvenWhereTheNewEpochIsLargerThanTheOld) {
  good.epoch_s = 100;
  mapped(good);
  now += 1h;
  good.epoch_s = 600;  // it has run for ten minutes, and not for an hour and more
  mapped(good);
  EXPECT_TRUE(client.take_restart());
}

TEST_F(PcpStory, ANearlyUnchangedClockWithinTwoSecondsIsNone) {
  good.epoch_s = 100;
  mapped(good);
  now += 1500ms;
  mapped(good);
  good.epoch_s = 99;
  mapped(good);
  EXPECT_FALSE(client.take_restart());
}

}  // namespace
}  // namespace byway::pcp_client_test

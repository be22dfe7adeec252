#include "protocol/pcp.h"

#include <gtest/gtest.h>

#include "tests/unit/protocol/pcp_router.h"
#include "tests/unit/protocol/people.h"

namespace byway::pcp_test {
namespace {

const PcpNonce nonce = array_from_hex<12>("000102030405060708090a0b");

Endpoint endpoint(std::string_view text) {
  return *Endpoint::parse(text);
}

PcpQuestion question() {
  return {.own = endpoint("192.168.1.20:1").address,
          .lifetime_s = 3600,
          .map = PcpMap{nonce, Proto::udp, 7000, {IpAddress{}, 7000}}};
}

TEST(Pcp, AQuestionIsLaidOutAsTheRfcDrawsIt) {
  EXPECT_EQ(to_hex(encode(question())),
            "02010000"                            // version 2, MAP
            "00000e10"                            // an hour
            "00000000000000000000ffffc0a80114"    // from 192.168.1.20
            "000102030405060708090a0b"            // the nonce
            "11000000"                            // UDP
            "1b581b58"                            // 7000 inside, 7000 outside if it can be
            "00000000000000000000ffff00000000");  // at any IPv4 address
}

TEST(Pcp, AnIpv6QuestionAsksForAnyIpv6Address) {
  const PcpQuestion wish{.own = endpoint("[2001:db8::20]:1").address,
                         .lifetime_s = 1,
                         .map = PcpMap{nonce, Proto::tcp, 443, {IpAddress::v6({}), 443}}};
  EXPECT_EQ(to_hex(encode(wish)),
            "020100000000000120010db8000000000000000000000020"
            "000102030405060708090a0b0600000001bb01bb00000000000000000000000000000000");
}

TEST(Pcp, AnnounceIsAHeaderAlone) {
  const Bytes asked = encode({.own = endpoint("192.168.1.20:1").address});
  EXPECT_EQ(to_hex(asked), "020000000000000000000000000000000000ffffc0a80114");
  const auto answer = parse_pcp_answer(pcp_answer(asked, {.lifetime_s = 0, .epoch_s = 77}));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->epoch_s, 77u);
  EXPECT_FALSE(answer->map);
}

TEST(Pcp, WhatARouterGrantsIsRead) {
  const auto answer = parse_pcp_answer(pcp_answer(
      encode(question()), {.lifetime_s = 1800, .outside = endpoint("203.0.113.5:7001")}));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->code, PcpCode::success);
  EXPECT_EQ(answer->lifetime_s, 1800u);
  EXPECT_EQ(answer->epoch_s, 100u);
  EXPECT_EQ(*answer->map, (PcpMap{nonce, Proto::udp, 7000, endpoint("203.0.113.5:7001")}));
}

// Bytes that a real one sent: miniupnpd 2.3.1, asked for an IPv6 pinhole.
TEST(Pcp, ARealRoutersAnswerIsRead) {
  const auto answer = parse_pcp_answer(
      from_hex("0281000000000e10000000010000000000000000000000006e6e6e6e6e6e6e6e6e6e6e6e"
               "110000001b581b5820010db8000200010000000000000101"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->lifetime_s, 3600u);
  EXPECT_EQ(answer->map->outside, endpoint("[2001:db8:2:1::101]:7000"));
}

TEST(Pcp, CutAnywhereItIsRefused) {
  const Bytes good = pcp_answer(encode(question()), {});
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(parse_pcp_answer(ByteView(good).first(size))) << size;
}

TEST(Pcp, AQuestionIsNoAnswer) {
  EXPECT_EQ(parse_pcp_answer(encode(question())).error(), Error::malformed);
}

TEST(Pcp, WhatIsLargerThanPcpAllowsIsRefused) {
  Bytes large = pcp_answer(encode(question()), {});
  large.resize(pcp_max_size + 4);
  EXPECT_EQ(parse_pcp_answer(large).error(), Error::too_large);
}

TEST(Pcp, OptionsArePassedOverAndMustFit) {
  Bytes answer = pcp_answer(encode(question()), {});
  append(answer, from_hex("0100000501020304"));  // five bytes long, of which four are there
  EXPECT_EQ(parse_pcp_answer(answer).error(), Error::malformed);
  append(answer, from_hex("05000000"));  // and with its padding
  EXPECT_TRUE(parse_pcp_answer(answer));
}

TEST(Pcp, AnotherOpcodeOrProtocolIsNotForUs) {
  Bytes peer = pcp_answer(encode(question()), {});
  peer[1] = 0x82;
  EXPECT_EQ(parse_pcp_answer(peer).error(), Error::unexpected);
  Bytes sctp = pcp_answer(encode(question()), {});
  sctp[pcp_header_size + 12] = 132;
  EXPECT_EQ(parse_pcp_answer(sctp).error(), Error::unexpected);
}

TEST(Pcp, ANatPmpRouterSaysThatItSpeaksNoPcp) {
  const Bytes refusal = nat_pmp_refusal(encode(question()));
  for (const std::size_t size : {std::size_t{4}, refusal.size()}) {
    const auto answer = parse_pcp_answer(ByteView(refusal).first(size));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->version, 0);
    EXPECT_EQ(answer->code, PcpCode::unsupported_version);
  }
  Bytes agreed = refusal;
  agreed[3] = 0;
  EXPECT_EQ(parse_pcp_answer(agreed).error(), Error::malformed) << "NAT-PMP's own business";
}

TEST(Pcp, BothProtocolsAnnouncementsAreKnown) {
  const Bytes asked = encode({.own = endpoint("192.168.1.20:1").address});
  EXPECT_TRUE(is_router_announcement(pcp_answer(asked, {.epoch_s = 1})));
  EXPECT_TRUE(is_router_announcement(from_hex("008000000000000bcb007105")));
  EXPECT_FALSE(is_router_announcement(pcp_answer(encode(question()), {}))) << "one's own answer";
  EXPECT_FALSE(is_router_announcement(asked));
  EXPECT_FALSE(is_router_announcement(from_hex("008000030000000bcb007105"))) << "an error";
  EXPECT_FALSE(is_router_announcement({}));
}

}  // namespace
}  // namespace byway::pcp_test

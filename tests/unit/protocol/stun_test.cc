#include "protocol/stun.h"

#include <gtest/gtest.h>

#include "tests/unit/protocol/people.h"

namespace byway::stun_test {
namespace {

const StunTransaction transaction = array_from_hex<12>("b7e7a701bc34d686fa87dfae");

// RFC 5769, §2.1–2.3.
const Bytes sample_request = from_hex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001"
    "ff"
    "80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f2"
    "49"
    "c1b571a280280004e57a3bcf");
const Bytes sample_v4_response = from_hex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a6"
    "43"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96");
const Bytes sample_v6_response = from_hex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9"
    "fa"
    "a5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c");

Endpoint endpoint(std::string_view text) {
  return *Endpoint::parse(text);
}

TEST(Stun, TheSampleResponsesSayWhatTheRfcSaysTheySay) {
  EXPECT_EQ(parse_stun_binding_response(sample_v4_response, transaction)->to_string(),
            "192.0.2.1:32853");
  EXPECT_EQ(parse_stun_binding_response(sample_v6_response, transaction)->to_string(),
            "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
}

TEST(Stun, OurAnswerCarriesTheBytesOfTheSampleAddress) {
  const Bytes request = stun_binding_request(transaction);
  const auto v4 = stun_binding_response(request, endpoint("192.0.2.1:32853"));
  ASSERT_TRUE(v4);
  EXPECT_EQ(to_hex(*v4), "0101000c2112a442b7e7a701bc34d686fa87dfae002000080001a147e112a643");
  const auto v6 =
      stun_binding_response(request, endpoint("[2001:db8:1234:5678:11:2233:4455:6677]:32853"));
  ASSERT_TRUE(v6);
  EXPECT_EQ(
      to_hex(*v6),
      "010100182112a442b7e7a701bc34d686fa87dfae002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9");
}

TEST(Stun, AskedFromAnywhereTheAskerLearnsExactlyThat) {
  for (const char* text : {"203.0.113.9:1", "[2001:db8::7]:65535"}) {
    const auto response = stun_binding_response(stun_binding_request(transaction), endpoint(text));
    ASSERT_TRUE(response);
    EXPECT_EQ(parse_stun_binding_response(*response, transaction)->to_string(), text);
  }
}

TEST(Stun, TheAnswerIsNeverLargerThanTheOneSizeGranted) {
  Bytes request = stun_binding_request(transaction);
  EXPECT_EQ(request.size(), 20u);
  append(request, from_hex("8022000461626364"));  // an optional attribute changes nothing
  request[3] = 8;
  EXPECT_EQ(stun_binding_response(request, endpoint("192.0.2.1:1"))->size(), 32u);
  EXPECT_EQ(stun_binding_response(request, endpoint("[2001:db8::1]:1"))->size(), 44u);
}

TEST(Stun, ARequestThatDemandsMoreThanAnAddressGetsNoAnswer) {
  EXPECT_EQ(stun_binding_response(sample_request, endpoint("192.0.2.1:1")).error(), Error::refused);
  Bytes change_request = stun_binding_request(transaction);
  append(change_request, from_hex("0003000400000006"));  // "answer from another address"
  change_request[3] = 8;
  EXPECT_EQ(stun_binding_response(change_request, endpoint("192.0.2.1:1")).error(), Error::refused);
}

TEST(Stun, OnlyABindingRequestIsAnswered) {
  // Otherwise two servers could be made to answer one another for ever.
  EXPECT_EQ(stun_binding_response(sample_v4_response, endpoint("192.0.2.1:1")).error(),
            Error::unexpected);
  Bytes indication = stun_binding_request(transaction);
  indication[1] = 0x11;
  EXPECT_EQ(stun_binding_response(indication, endpoint("192.0.2.1:1")).error(), Error::unexpected);
}

TEST(Stun, AnAnswerToAnotherQuestionIsNotBelieved) {
  StunTransaction other = transaction;
  other[11] ^= 1;
  EXPECT_EQ(parse_stun_binding_response(sample_v4_response, other).error(), Error::unexpected);
}

TEST(Stun, AnErrorResponseIsARefusal) {
  Bytes error = stun_binding_request(transaction);
  error[0] = 0x01;
  error[1] = 0x11;
  EXPECT_EQ(parse_stun_binding_response(error, transaction).error(), Error::refused);
}

TEST(Stun, ASuccessWithoutAnAddressIsNone) {
  Bytes empty = stun_binding_request(transaction);
  empty[0] = 0x01;
  empty[1] = 0x01;
  EXPECT_EQ(parse_stun_binding_response(empty, transaction).error(), Error::not_found);
}

TEST(Stun, EveryCutAndEveryLyingLengthIsRefused) {
  for (std::size_t n = 0; n < sample_v4_response.size(); ++n)
    EXPECT_FALSE(parse_stun_binding_response(ByteView(sample_v4_response).first(n), transaction))
        << n;
  for (const std::size_t length_at : {3u, 23u, 39u}) {  // the message's, SOFTWARE's, the address's
    Bytes lying = sample_v4_response;
    lying[length_at] = static_cast<std::uint8_t>(lying[length_at] + 4);
    EXPECT_FALSE(parse_stun_binding_response(lying, transaction)) << length_at;
  }
  Bytes unknown_family = sample_v4_response;
  unknown_family[41] = 3;
  EXPECT_EQ(parse_stun_binding_response(unknown_family, transaction).error(), Error::malformed);
}

}  // namespace
}  // namespace byway::stun_test

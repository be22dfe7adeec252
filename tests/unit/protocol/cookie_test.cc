#include "protocol/cookie.h"

#include <gtest/gtest.h>

#include "protocol/handshake.h"
#include "tests/unit/protocol/people.h"

namespace byway::cookie_test {
namespace {

const Crypto& crypto = sodium_crypto();

// Bo is under load and asks Ana for a cookie first.
class CookieStory : public testing::Test {
 protected:
  CookieStory() { hello = call.start(bytes_of("it is me")); }

  const Identity ana = person(1), bo = person(2), eve = person(3);
  const Endpoint home = *Endpoint::parse("198.51.100.7:4000");
  const TimePoint noon{100h};
  Random random{7};
  CookieMint mint{crypto, bo.id(), random};
  Initiator call = *Initiator::make(crypto, ana, bo.id(), 11, random);
  Bytes hello;
};

TEST_F(CookieStory, WhoReceivesItsCookieIsLetIn) {
  EXPECT_FALSE(mint.mac2_valid(noon, home, hello));
  const auto cookie = call.open_cookie(mint.reply(noon, home, hello));
  ASSERT_TRUE(cookie);
  EXPECT_TRUE(mint.mac2_valid(noon + 1s, home, call.with_cookie(*cookie)));
}

TEST_F(CookieStory, TheAnswerIsSmallerThanTheSmallestQuestion) {
  EXPECT_EQ(mint.reply(noon, home, hello).size(), cookie_packet_size);
  EXPECT_LT(cookie_packet_size, handshake1_overhead);
}

TEST_F(CookieStory, ACookieIsGoodForOneAddressOnly) {
  const auto cookie = call.open_cookie(mint.reply(noon, home, hello));
  const Bytes again = call.with_cookie(*cookie);
  EXPECT_FALSE(mint.mac2_valid(noon, *Endpoint::parse("198.51.100.8:4000"), again));
  EXPECT_FALSE(mint.mac2_valid(noon, *Endpoint::parse("198.51.100.7:4001"), again));
}

TEST_F(CookieStory, ACookieOutlivesOneChangeOfTheSecretAndNotTwo) {
  const Bytes again = call.with_cookie(*call.open_cookie(mint.reply(noon, home, hello)));
  EXPECT_TRUE(mint.mac2_valid(noon + cookie_lifetime - 1s, home, again));
  EXPECT_TRUE(mint.mac2_valid(noon + cookie_lifetime + 1s, home, again));
  EXPECT_FALSE(mint.mac2_valid(noon + 2 * cookie_lifetime + 1s, home, again));
}

TEST_F(CookieStory, AfterALongSilenceAnOldCookieIsNotThePreviousOne) {
  const Bytes again = call.with_cookie(*call.open_cookie(mint.reply(noon, home, hello)));
  EXPECT_FALSE(mint.mac2_valid(noon + 24h, home, again));
}

TEST_F(CookieStory, ACookieForAnotherCallOrFromAnotherNodeIsNotTaken) {
  Initiator other = *Initiator::make(crypto, ana, bo.id(), 11, random);
  other.start({});
  EXPECT_EQ(other.open_cookie(mint.reply(noon, home, hello)).error(), Error::unauthentic);

  CookieMint eves(crypto, eve.id(), random);
  EXPECT_EQ(call.open_cookie(eves.reply(noon, home, hello)).error(), Error::unauthentic);
}

TEST_F(CookieStory, AChangedByteOfTheCookiePacketIsNoticed) {
  Bytes packet = mint.reply(noon, home, hello);
  for (std::size_t i = 0; i < packet.size(); ++i) {
    packet[i] ^= 1;
    EXPECT_FALSE(call.open_cookie(packet)) << i;
    packet[i] ^= 1;
  }
  EXPECT_TRUE(call.open_cookie(packet));
}

TEST_F(CookieStory, OnlyAHandshakeIsAnsweredWithACookie) {
  EXPECT_TRUE(mint.reply(noon, home, bytes_of("what is this")).empty());
  EXPECT_FALSE(mint.mac2_valid(noon, home, {}));
}

}  // namespace
}  // namespace byway::cookie_test

#include "overlay/link/candidates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "overlay/core/limits.h"
#include "protocol/random.h"
#include "tests/unit/overlay/cast.h"

namespace byway::candidates_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<Endpoint> own{at("192.168.1.20:7000"), at("203.0.113.5:7000")};

std::vector<std::string> left_of(const std::vector<Candidate>& offered,
                                 const std::vector<Endpoint>& ours = own) {
  std::vector<std::string> left;
  for (const Candidate& c : knockable(offered, ours)) left.push_back(c.endpoint.to_string());
  return left;
}

TEST(Candidates, PublicOnesComeFirstInTheOrderGiven) {
  EXPECT_THAT(left_of({candidate("192.168.1.7:7000"), candidate("198.51.100.8:7000"),
                       candidate("198.51.100.7:7000"), candidate("[2001:db8::1]:7000")}),
              ElementsAre("198.51.100.8:7000", "198.51.100.7:7000", "[2001:db8::1]:7000",
                          "192.168.1.7:7000"));
}

TEST(Candidates, PlacesThatAreNobodysAreNotKnockedAt) {
  EXPECT_THAT(
      left_of({candidate("127.0.0.1:7000"), candidate("[::1]:7000"), candidate("224.0.0.251:5353"),
               candidate("[ff02::fb]:5353"), candidate("255.255.255.255:7000"),
               candidate("240.0.0.1:7000"), candidate("0.0.0.0:7000"), candidate("[::]:7000"),
               candidate("169.254.169.254:80"), candidate("[fe80::1]:7000"),
               candidate("198.51.100.7:0")}),
      IsEmpty());
}

TEST(Candidates, AnAddressInAnotherDressIsTheSameAddress) {
  const auto mapped = [](const char* v4) {
    return Candidate{{IpAddress::v6(address(v4).mapped()), 7000}, Proto::udp, How::local};
  };
  EXPECT_THAT(left_of({mapped("127.0.0.1"), mapped("224.0.0.1")}), IsEmpty());
}

TEST(Candidates, WhoLivesOnLoopbackKnocksThere) {
  EXPECT_THAT(left_of({candidate("127.0.0.1:7000")}, {at("127.0.0.1:7001")}),
              ElementsAre("127.0.0.1:7000"));
}

TEST(Candidates, OurOwnDoorIsNotKnockedAt) {
  EXPECT_THAT(left_of({candidate("203.0.113.5:7000"), candidate("192.168.1.20:7000"),
                       candidate("203.0.113.5:7001")}),
              ElementsAre("203.0.113.5:7001"));
}

TEST(Candidates, OfManyOnlyAFewAreTaken) {
  std::vector<Candidate> offered;
  for (int i = 1; i <= 200; ++i) {
    offered.push_back(candidate("198.51.100." + std::to_string(i) + ":7000"));
    offered.push_back(candidate("10.0.0." + std::to_string(i) + ":7000"));
  }
  const auto left = knockable(offered, own);
  EXPECT_EQ(left.size(), limits::max_public_candidates + limits::max_private_candidates);
  EXPECT_EQ(left.front(), offered[0]);
  EXPECT_EQ(left.back(), offered[3]);
}

TEST(Candidates, NamingOneDoorManyTimesIsNamingItOnce) {
  EXPECT_THAT(left_of(std::vector<Candidate>(50, candidate("198.51.100.7:7000"))),
              ElementsAre("198.51.100.7:7000"));
}

TEST(Candidates, WhatIsNotUdpIsNotKnockedAt) {
  EXPECT_THAT(left_of({{at("198.51.100.7:7000"), Proto::tcp, How::local}}), IsEmpty());
}

TEST(Candidates, NoListHoweverStrangeYieldsAForbiddenDoor) {
  Random random(5);
  for (int i = 0; i < 500; ++i) {
    std::vector<Candidate> offered(random.below(30));
    for (Candidate& c : offered) {
      if (random.chance(0.5)) {
        c.endpoint.address = IpAddress::v4(random.bytes<4>());
      } else {
        auto octets = random.bytes<16>();
        if (random.chance(0.5)) std::fill(octets.begin() + 1, octets.end() - 1, 0);
        c.endpoint.address = IpAddress::v6(octets);
      }
      c.endpoint.port = static_cast<std::uint16_t>(random.below(3));
    }
    const auto left = knockable(offered, own);
    ASSERT_LE(left.size(), limits::max_public_candidates + limits::max_private_candidates);
    for (const Candidate& c : left) {
      const Scope scope = c.endpoint.address.scope();
      ASSERT_TRUE(scope == Scope::public_net || scope == Scope::private_net ||
                  scope == Scope::shared)
          << c.endpoint.to_string();
      ASSERT_NE(c.endpoint.port, 0);
    }
  }
}

}  // namespace
}  // namespace byway::candidates_test

#include "protocol/endpoint.h"

#include <gtest/gtest.h>

namespace byway::endpoint_test {
namespace {

IpAddress ip(std::string_view text) {
  return *IpAddress::parse(text);
}

TEST(Endpoint, IsShownAsPeopleTypeIt) {
  for (const char* text : {"192.0.2.1:7000", "[2001:db8::1]:7000", "0.0.0.0:0", "[::1]:65535"}) {
    const auto endpoint = Endpoint::parse(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(endpoint->to_string(), text);
  }
}

TEST(Endpoint, WhatCouldBeReadTwoWaysIsRefused) {
  for (const char* text :
       {"", "192.0.2.1", ":7000", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1",
        "192.0.2.1:7000x", "2001:db8::1:7000", "192.0.2:7000", "host:7000"})
    EXPECT_FALSE(Endpoint::parse(text)) << text;
}

TEST(Endpoint, OneMachineHasOneAddressHoweverTheSocketReportsIt) {
  EXPECT_EQ(ip("::ffff:192.0.2.1"), ip("192.0.2.1"));
  EXPECT_TRUE(ip("::ffff:192.0.2.1").is_v4());
  EXPECT_EQ(ip("192.0.2.1").bytes().size(), 4u);
  EXPECT_EQ(ip("2001:db8::1").bytes().size(), 16u);
}

TEST(Endpoint, AnAddressComesOnlyFromFourOrSixteenBytes) {
  const ByteArray<17> raw{192, 0, 2, 1};
  EXPECT_EQ(*IpAddress::from_bytes(ByteView(raw).first(4)), ip("192.0.2.1"));
  EXPECT_TRUE(IpAddress::from_bytes(ByteView(raw).first(16)));
  for (const std::size_t size : {0u, 3u, 5u, 15u, 17u})
    EXPECT_FALSE(IpAddress::from_bytes(ByteView(raw).first(size))) << size;
}

TEST(Endpoint, OnlyPublicAddressesAreWorthDiallingFromAfar) {
  const std::pair<const char*, Scope> known[] = {
      {"0.0.0.0", Scope::unspecified},     {"::", Scope::unspecified},
      {"127.0.0.1", Scope::loopback},      {"::1", Scope::loopback},
      {"10.1.2.3", Scope::private_net},    {"172.16.0.1", Scope::private_net},
      {"172.32.0.1", Scope::public_net},   {"192.168.1.1", Scope::private_net},
      {"fd00::1", Scope::private_net},     {"169.254.0.1", Scope::link_local},
      {"fe80::1", Scope::link_local},      {"100.64.0.1", Scope::shared},
      {"100.128.0.1", Scope::public_net},  {"224.0.0.1", Scope::multicast},
      {"ff02::1", Scope::multicast},       {"255.255.255.255", Scope::broadcast},
      {"198.51.100.7", Scope::public_net}, {"2001:db8::1", Scope::public_net},
  };
  for (const auto& [text, scope] : known)
    EXPECT_EQ(to_string(ip(text).scope()), to_string(scope)) << text;
}

TEST(Endpoint, NeighboursShareAPrefix) {
  EXPECT_EQ(ip("192.0.2.77").prefix(24), ip("192.0.2.0"));
  EXPECT_EQ(ip("192.0.2.77").prefix(16), ip("192.0.0.0"));
  EXPECT_EQ(ip("192.0.2.77").prefix(32), ip("192.0.2.77"));
  EXPECT_EQ(ip("2001:db8:1:2::3").prefix(32), ip("2001:db8::"));
  EXPECT_EQ(ip("2001:db8:ffff::3").prefix(47), ip("2001:db8:fffe::"));
  EXPECT_EQ(ip("2001:db8:1:2:8000::3").prefix(64), ip("2001:db8:1:2::"));
  EXPECT_EQ(ip("2001:db8:1:2:8000::3").prefix(65), ip("2001:db8:1:2:8000::"));
  EXPECT_EQ(ip("2001:db8::3").prefix(128), ip("2001:db8::3"));
  EXPECT_EQ(ip("2001:db8::3").prefix(0), ip("::"));
  EXPECT_EQ(ip("192.0.2.77").prefix(0), ip("0.0.0.0"));
  EXPECT_EQ(ip("192.0.2.77").prefix(31), ip("192.0.2.76"));
}

}  // namespace
}  // namespace byway::endpoint_test

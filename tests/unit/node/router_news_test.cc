#include "node/router_news.h"

#include <gtest/gtest.h>

#include "protocol/pcp.h"
#include "tests/unit/protocol/pcp_router.h"

namespace byway::router_news_test {
namespace {

class NewsStory : public testing::Test {
 protected:
  void hears(std::string_view from, const Bytes& datagram) {
    news.on_datagram(*Endpoint::parse(from), datagram);
  }
  boost::asio::io_context io;
  int told = 0;
  RouterNews news{io, [this] { ++told; }};
  const Bytes announcement = pcp_answer(encode(PcpQuestion{}), {.epoch_s = 1});
};

TEST_F(NewsStory, ARouterOnTheLinkIsHeard) {
  hears("[fe80::1]:5351", announcement);
  EXPECT_EQ(told, 1);
}

TEST_F(NewsStory, WhatItSaysTenTimesIsToldOnceForNow) {
  for (int i = 0; i < 10; ++i) hears("[fe80::1]:5351", announcement);
  EXPECT_EQ(told, 1);
}

TEST_F(NewsStory, StrangersAndOtherPortsAndOtherWordsAreNot) {
  hears("203.0.113.5:5351", announcement);
  hears("[2001:db8::1]:5351", announcement);
  hears("[fe80::1]:5350", announcement);
  hears("[fe80::1]:5351", encode(PcpQuestion{}));
  hears("[fe80::1]:5351", {});
  EXPECT_EQ(told, 0);
}

}  // namespace
}  // namespace byway::router_news_test

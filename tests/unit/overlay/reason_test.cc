#include "overlay/link/reason.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "overlay/core/limits.h"
#include "tests/unit/overlay/cast.h"

namespace byway::reason_test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const NatSummary easy{.mapping = Behaviour::endpoint_independent};
const NatSummary hard{.mapping = Behaviour::address_port_dependent};

// A punch that found nobody, in so many rounds.
Punch in_vain(int rounds) {
  Punch punch;
  for (int round = 0; round < rounds; ++round) {
    const TimePoint now = noon + round * 10s;
    punch.start(now, now, {candidate("198.51.100.7:7000")});
    while (const auto next = punch.next_timeout()) {
      while (punch.poll_knock(*next)) {
      }
      punch.on_timeout(*next);
    }
  }
  return punch;
}

TEST(Reason, NamesWhoseNatIsInTheWay) {
  const Punch punch = in_vain(1);
  EXPECT_THAT(why_relayed(punch, hard, hard, 1), StartsWith("both NATs pick another port"));
  EXPECT_THAT(why_relayed(punch, hard, easy, 1), StartsWith("this side's NAT picks another port"));
  EXPECT_THAT(why_relayed(punch, easy, hard, 1), StartsWith("the peer's NAT picks another port"));
  EXPECT_THAT(why_relayed(punch, easy, easy, 1), HasSubstr("a NAT on the way"));
}

TEST(Reason, SaysWhatWasTried) {
  EXPECT_THAT(why_relayed(in_vain(1), easy, hard, 1),
              HasSubstr("5 knocks at 1 address in 1 round found no way"));
  EXPECT_THAT(why_relayed(in_vain(3), easy, hard, 2),
              HasSubstr("15 knocks at 2 addresses in 3 rounds found no way"));
}

TEST(Reason, WhileThereIsHopeItSaysSo) {
  Punch punch;
  EXPECT_EQ(why_relayed(punch, hard, hard, 1), "a direct path has not been tried yet");
  punch.start(noon, noon, {candidate("198.51.100.7:7000")});
  EXPECT_EQ(why_relayed(punch, hard, hard, 1), "knocking for a direct path");
  punch.on_direct_path();
  EXPECT_EQ(why_relayed(punch, hard, hard, 1), "the direct path does not answer at the moment");
}

TEST(Reason, WithNoAddressThereWasNothingToTry) {
  EXPECT_EQ(why_relayed(in_vain(1), easy, easy, 0),
            "the peer named no address that could be knocked at");
}

TEST(Reason, WithoutUdpItNamesWhoseNetworkIsInTheWay) {
  const TcpPunch untried;
  const TcpSide open{.outlet = Outlet::anything}, blocked{.blocked = true, .outlet = Outlet::tcp};
  const TcpSide narrow{.blocked = true, .outlet = Outlet::tcp_443};
  const TcpSide hard_side{.nat = Behaviour::address_dependent};
  EXPECT_THAT(why_tcp_relayed(blocked, open, untried), StartsWith("UDP is blocked on this side,"));
  EXPECT_THAT(why_tcp_relayed(open, blocked, untried),
              StartsWith("UDP is blocked on the peer's side,"));
  EXPECT_THAT(why_tcp_relayed(blocked, blocked, untried), StartsWith("UDP is blocked on both"));
  EXPECT_THAT(why_tcp_relayed(blocked, hard_side, untried),
              HasSubstr("the peer's NAT picks another port for every TCP connection"));
  EXPECT_THAT(why_tcp_relayed(narrow, open, untried), StartsWith("this side's network lets out"));
  EXPECT_THAT(why_tcp_relayed(open, narrow, untried), StartsWith("the peer's network lets out"));
  EXPECT_THAT(why_tcp_relayed(narrow, narrow, untried), StartsWith("both networks"));
}

TEST(Reason, CountsTheAttemptsByTcp) {
  TcpPunch punch;
  punch.start(noon, noon, {{at("198.51.100.7:7000"), Proto::tcp, How::observed}});
  punch.poll_attempt(noon);
  punch.on_timeout(noon + 10s);
  EXPECT_THAT(why_tcp_relayed({.blocked = true}, {}, punch),
              HasSubstr("1 attempt to connect by TCP in 1 round found no way"));
}

}  // namespace
}  // namespace byway::reason_test

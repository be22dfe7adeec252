#include "overlay/reach/tcp_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/overlay/cast.h"

namespace byway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const IpAddress hub = address("203.0.113.10"), hob = address("198.18.0.10");
const Endpoint inside = at("192.168.1.7:7000"), outside = at("198.51.100.7:7000");

TEST(TcpView, KnowsNothingUntilSomebodyTells) {
  TcpView view;
  view.set_local({inside});
  EXPECT_FALSE(view.is_ready());
  EXPECT_THAT(view.candidates(), IsEmpty());

  view.on_observed(1, hub, inside, outside);
  EXPECT_TRUE(view.is_ready());
  EXPECT_THAT(view.candidates(), ElementsAre(Candidate{outside, Proto::tcp, How::observed}));
  EXPECT_EQ(view.nat().ports, Ports::preserved);
  EXPECT_EQ(view.nat().mapping, Behaviour::unknown);
  view.forget(1);
  EXPECT_FALSE(view.is_ready());
}

TEST(TcpView, ListeningInPublicNeedsNobody) {
  TcpView view;
  view.set_local({outside});
  EXPECT_TRUE(view.is_ready());
  EXPECT_THAT(view.candidates(), ElementsAre(Candidate{outside, Proto::tcp, How::local}));
}

TEST(TcpView, FromAPortOnWhichNobodyListensItTellsNothing) {
  TcpView view;
  view.set_local({inside});
  view.on_observed(1, hub, at("192.168.1.7:40000"), at("198.51.100.7:40000"));
  EXPECT_FALSE(view.is_ready());
}

TEST(TcpView, TwoSupernodesShowWhetherTheNatKeepsThePort) {
  TcpView easy, hard;
  for (TcpView* view : {&easy, &hard}) {
    view->set_local({inside});
    view->on_observed(1, hub, inside, outside);
  }
  easy.on_observed(2, hob, inside, outside);
  hard.on_observed(2, hob, inside, at("198.51.100.7:31337"));
  EXPECT_EQ(easy.nat().mapping, Behaviour::endpoint_independent);
  EXPECT_EQ(hard.nat().mapping, Behaviour::address_dependent);
}

}  // namespace
}  // namespace byway

#include "overlay/reach/tcp_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/overlay/cast.h"

namespace byway::tcp_view_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Endpoint hub = at("203.0.113.10:7000"), hob = at("198.18.0.10:7000");
const Endpoint hub_443 = at("203.0.113.10:443");
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
  EXPECT_EQ(hard.nat().mapping, Behaviour::address_port_dependent);
  EXPECT_EQ(hard.nat().ports, Ports::random);
  EXPECT_THAT(hard.candidates(),
              ElementsAre(Candidate{at("198.51.100.7:31337"), Proto::tcp, How::observed}));
}

TEST(TcpView, TwoPortsOfOneSupernodeShowAnotherPortButNotAnEasyNat) {
  TcpView view;
  view.set_local({inside});
  view.on_observed(1, hub, inside, outside);
  view.on_observed(2, hub_443, inside, outside);
  EXPECT_EQ(view.nat().mapping, Behaviour::unknown) << "it may go by address";
  view.on_observed(3, hub_443, inside, outside);
  EXPECT_EQ(view.nat().mapping, Behaviour::unknown);
  view.on_observed(4, hub, inside, at("198.51.100.7:7004"));
  EXPECT_EQ(view.nat().mapping, Behaviour::address_port_dependent);
}

TEST(TcpView, ANatThatCountsIsForeseen) {
  TcpView view;
  view.set_local({inside});
  view.on_observed(7, hub, inside, at("198.51.100.7:40010"));
  view.on_observed(8, hub_443, inside, at("198.51.100.7:40012"));
  EXPECT_EQ(view.nat().ports, Ports::sequential);
  const auto candidates = view.candidates();
  ASSERT_EQ(candidates.size(), 7u);
  EXPECT_EQ(candidates[0], (Candidate{at("198.51.100.7:40013"), Proto::tcp, How::predicted}));
  EXPECT_EQ(candidates[6], (Candidate{at("198.51.100.7:40019"), Proto::tcp, How::predicted}));
}

TEST(TcpView, WhatWasForeseenIsToldOnceAndThenLookedAtAgain) {
  TcpView view;
  view.set_local({inside});
  view.on_observed(7, hub, inside, at("198.51.100.7:40010"));
  view.on_observed(8, hub_443, inside, at("198.51.100.7:40012"));
  EXPECT_TRUE(view.is_ready());
  view.on_told();
  EXPECT_FALSE(view.is_ready());
  EXPECT_THAT(view.candidates(), IsEmpty());
  view.on_observed(8, hub_443, inside, at("198.51.100.7:40012"));
  EXPECT_FALSE(view.is_ready()) << "it was only said again";

  // From a port of its own, and after a busy neighbour.
  view.on_observed(9, hub, at("192.168.1.7:51000"), at("198.51.100.7:40090"));
  EXPECT_TRUE(view.is_ready());
  EXPECT_EQ(view.nat().ports, Ports::sequential);
  ASSERT_FALSE(view.candidates().empty());
  EXPECT_EQ(view.candidates()[0].endpoint, at("198.51.100.7:40091"));
}

TEST(TcpView, ANatThatKeepsPortsIsToldAsOftenAsOneLikes) {
  TcpView view;
  view.set_local({inside});
  view.on_observed(1, hub, inside, outside);
  view.on_observed(2, hob, inside, outside);
  view.on_told();
  EXPECT_TRUE(view.is_ready());
  EXPECT_THAT(view.candidates(), ElementsAre(Candidate{outside, Proto::tcp, How::observed}));
}

}  // namespace
}  // namespace byway::tcp_view_test

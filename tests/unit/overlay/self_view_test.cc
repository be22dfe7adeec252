#include "overlay/reach/self_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/overlay/cast.h"

namespace byway::self_view_test {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

const NodeId hub = node(1), mill = node(2);
const Endpoint hub_at = at("192.0.2.1:7000"), mill_at = at("192.0.2.2:7000");

class SelfStory : public testing::Test {
 protected:
  SelfStory() { self.set_local({at("192.168.1.20:7000")}); }
  SelfView self;
};

TEST_F(SelfStory, BeforeAnybodyHasSeenUsNothingIsClaimed) {
  EXPECT_EQ(self.nat(), NatSummary{});
  EXPECT_THAT(self.candidates(), ElementsAre(candidate("192.168.1.20:7000", How::local)));
}

TEST_F(SelfStory, OneViewTellsThatThereIsANatAndNotHowItMaps) {
  self.on_observed(hub, hub_at, at("203.0.113.5:7000"));
  EXPECT_EQ(self.nat().mapping, Behaviour::unknown);
  EXPECT_EQ(self.nat().ports, Ports::preserved);
  EXPECT_THAT(self.candidates(), ElementsAre(candidate("203.0.113.5:7000", How::observed),
                                             candidate("192.168.1.20:7000", How::local)));
}

TEST_F(SelfStory, TwoViewsThatAgreeMeanAnEasyNat) {
  self.on_observed(hub, hub_at, at("203.0.113.5:40001"));
  self.on_observed(mill, mill_at, at("203.0.113.5:40001"));
  EXPECT_EQ(self.nat().mapping, Behaviour::endpoint_independent);
  EXPECT_EQ(self.nat().ports, Ports::unknown);
  EXPECT_EQ(self.candidates().size(), 2u) << "one address, however many see it";
}

TEST_F(SelfStory, TwoViewsThatDifferMeanAHardOne) {
  self.on_observed(hub, hub_at, at("203.0.113.5:40001"));
  self.on_observed(mill, mill_at, at("203.0.113.5:40002"));
  EXPECT_EQ(self.nat().mapping, Behaviour::address_dependent);
}

TEST_F(SelfStory, TwoViewsFromOneAddressProveNothing) {
  self.on_observed(hub, hub_at, at("203.0.113.5:40001"));
  self.on_observed(mill, at("192.0.2.1:9000"), at("203.0.113.5:40001"));
  EXPECT_EQ(self.nat().mapping, Behaviour::unknown);
}

TEST_F(SelfStory, APublicIPv6AddressDoesNotHideTheNatBeforeIPv4) {
  self.set_local({at("192.168.1.20:7000"), at("[2001:db8:5::5]:7000")});
  self.on_observed(mill, at("[2001:db8::2]:7000"), at("[2001:db8:5::5]:7000"));
  EXPECT_EQ(self.nat().mapping, Behaviour::none);
  self.on_observed(hub, hub_at, at("203.0.113.5:40001"));
  EXPECT_EQ(self.nat().mapping, Behaviour::unknown);
  EXPECT_TRUE(self.has_family(true));
  EXPECT_TRUE(self.has_family(false));
}

TEST_F(SelfStory, WhatTheRouterMapsComesFirstAmongTheCandidates) {
  self.on_observed(hub, hub_at, at("203.0.113.5:40001"));
  self.set_mapped(Proto::udp, at("203.0.113.5:7000"));
  EXPECT_EQ(self.mapped(Proto::udp), at("203.0.113.5:7000"));
  EXPECT_THAT(self.candidates(), ElementsAre(candidate("203.0.113.5:7000", How::mapped),
                                             candidate("203.0.113.5:40001", How::observed),
                                             candidate("192.168.1.20:7000", How::local)));
  self.set_unmapped(Proto::udp, false);
  EXPECT_EQ(self.candidates().size(), 2u);
}

TEST_F(SelfStory, ARouterThatNamesAStrangersAddressIsNotBelieved) {
  self.set_mapped(Proto::udp, at("203.0.113.99:7000"));
  EXPECT_FALSE(self.mapped(Proto::udp)) << "nobody sees us there yet";
  EXPECT_FALSE(self.contradicts_router(Proto::udp)) << "nor anywhere else";
  self.on_observed(hub, hub_at, at("203.0.113.5:40001"));
  EXPECT_FALSE(self.mapped(Proto::udp));
  EXPECT_EQ(self.contradicts_router(Proto::udp), address("203.0.113.5"));
  EXPECT_THAT(self.candidates(), ElementsAre(candidate("203.0.113.5:40001", How::observed),
                                             candidate("192.168.1.20:7000", How::local)));
}

TEST_F(SelfStory, BehindTwoNatsTheInnerOnesMappingIsGoodForNeighbours) {
  self.on_observed(hub, hub_at, at("203.0.113.5:40001"));
  self.set_mapped(Proto::udp, at("100.64.1.10:7000"));
  EXPECT_EQ(self.mapped(Proto::udp), at("100.64.1.10:7000"));
  for (const char* nonsense : {"0.0.0.0:7000", "127.0.0.1:7000", "224.0.0.1:7000"}) {
    self.set_mapped(Proto::udp, at(nonsense));
    EXPECT_FALSE(self.mapped(Proto::udp)) << nonsense;
  }
}

TEST_F(SelfStory, APinholeIsAtAnAddressOfOurOwnWhateverSupernodesSee) {
  self.set_local({at("192.168.1.20:7000"), at("[2001:db8::20]:7000"), at("[2001:db8::21]:7000")});
  self.on_observed(hub, at("[2001:db8:9::1]:7000"), at("[2001:db8::21]:7000"));
  self.set_mapped(Proto::udp, at("[2001:db8::20]:7000"));
  EXPECT_EQ(self.mapped(Proto::udp, true), at("[2001:db8::20]:7000"));
  EXPECT_FALSE(self.contradicts_router(Proto::udp, true));
  EXPECT_THAT(self.candidates(), ElementsAre(candidate("[2001:db8::20]:7000", How::mapped),
                                             candidate("[2001:db8::21]:7000", How::local),
                                             candidate("192.168.1.20:7000", How::local)));
}

TEST_F(SelfStory, AnIpv6AddressOfSomebodyElseIsDoubted) {
  self.set_local({at("[2001:db8::20]:7000")});
  self.on_observed(hub, at("[2001:db8:9::1]:7000"), at("[2001:db8::20]:7000"));
  self.set_mapped(Proto::udp, at("[2001:db8::99]:7000"));
  EXPECT_FALSE(self.mapped(Proto::udp, true));
  EXPECT_EQ(self.contradicts_router(Proto::udp, true), at("[2001:db8::20]:7000").address);
}

TEST_F(SelfStory, TheFamiliesAreMappedApart) {
  self.set_local({at("192.168.1.20:7000"), at("[2001:db8::20]:7000")});
  self.set_mapped(Proto::udp, at("100.64.1.10:7000"));
  self.set_mapped(Proto::udp, at("[2001:db8::20]:7000"));
  self.set_unmapped(Proto::udp, true);
  EXPECT_EQ(self.mapped(Proto::udp), at("100.64.1.10:7000"));
  EXPECT_FALSE(self.mapped(Proto::udp, true));
}

TEST_F(SelfStory, WhatIsSeenByIPv6DoesNotContradictWhatIsSeenByIPv4) {
  self.on_observed(hub, hub_at, at("203.0.113.5:40001"));
  self.on_observed(mill, at("[2001:db8::2]:7000"), at("[2001:db8:5::5]:40001"));
  EXPECT_EQ(self.nat().mapping, Behaviour::unknown);
}

TEST_F(SelfStory, SeenAsWeAreThereIsNoNat) {
  self.set_local({at("192.168.1.20:7000"), at("203.0.113.5:7000")});
  self.on_observed(hub, hub_at, at("203.0.113.5:7000"));
  EXPECT_EQ(self.nat().mapping, Behaviour::none);
  EXPECT_THAT(self.candidates(), UnorderedElementsAre(candidate("203.0.113.5:7000", How::local),
                                                      candidate("192.168.1.20:7000", How::local)));
}

TEST_F(SelfStory, AForgottenSupernodesViewCountsNoMore) {
  self.on_observed(hub, hub_at, at("203.0.113.5:40001"));
  self.on_observed(mill, mill_at, at("203.0.113.5:40002"));
  self.forget(mill);
  EXPECT_EQ(self.nat().mapping, Behaviour::unknown);
  EXPECT_FALSE(self.observed_by(mill).is_set());
  EXPECT_EQ(self.observed_by(hub), at("203.0.113.5:40001"));
}

TEST_F(SelfStory, AnAnswerThatNamesNoAddressChangesNothing) {
  self.on_observed(hub, hub_at, at("203.0.113.5:40001"));
  self.on_observed(hub, hub_at, Endpoint{});
  EXPECT_EQ(self.observed_by(hub), at("203.0.113.5:40001"));
}

}  // namespace
}  // namespace byway::self_view_test

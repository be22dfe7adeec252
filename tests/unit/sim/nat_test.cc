// The simulated NATs against the statements of RFC 4787.
#include "tools/sim/nat.h"

#include <gtest/gtest.h>

#include <set>

namespace byway::sim::nat_test {
namespace {

constexpr TimePoint start = TimePoint{} + 1h;

Endpoint endpoint(std::string_view text) {
  return *Endpoint::parse(text);
}

const IpAddress outside_address = *IpAddress::parse("203.0.113.1");
const Endpoint ana = endpoint("192.168.1.10:7000");
const Endpoint bo = endpoint("192.168.1.11:7000");
const Endpoint hub = endpoint("198.51.100.1:7000");
const Endpoint hub_other_port = endpoint("198.51.100.1:7001");
const Endpoint stranger = endpoint("192.0.2.9:7000");

NatBox box(const Nat& nat) {
  return NatBox(nat, outside_address, Random(1));
}

TEST(NatMapping, EndpointIndependentShowsEveryRemoteTheSameEndpoint) {
  for (const Nat& nat : {Nat::full_cone(), Nat::address_restricted(), Nat::port_restricted()}) {
    NatBox nat_box = box(nat);
    const auto first = nat_box.outbound(start, ana, hub);
    ASSERT_TRUE(first);
    EXPECT_EQ(nat_box.outbound(start, ana, stranger), first);
    EXPECT_EQ(first->address, outside_address);
    EXPECT_EQ(first->port, ana.port) << "preserves the port where it is free";
  }
}

TEST(NatMapping, AddressAndPortDependentShowsEveryRemoteEndpointAnother) {
  for (const Nat& nat : {Nat::symmetric_random(), Nat::symmetric_sequential()}) {
    NatBox nat_box = box(nat);
    std::set<Endpoint> seen;
    for (const Endpoint& remote : {hub, hub_other_port, stranger})
      seen.insert(*nat_box.outbound(start, ana, remote));
    EXPECT_EQ(seen.size(), 3u);
    EXPECT_TRUE(seen.contains(*nat_box.outbound(start, ana, hub))) << "and keeps each";
  }
}

TEST(NatMapping, AddressDependentMapsByAddressAlone) {
  Nat nat = Nat::symmetric_random();
  nat.mapping = Behaviour::address_dependent;
  NatBox nat_box = box(nat);
  const auto first = nat_box.outbound(start, ana, hub);
  EXPECT_EQ(nat_box.outbound(start, ana, hub_other_port), first);
  EXPECT_NE(nat_box.outbound(start, ana, stranger), first);
}

TEST(NatPorts, SequentialOnesAreADeltaApart) {
  NatBox nat_box = box(Nat::symmetric_sequential(3));
  const auto first = nat_box.outbound(start, ana, hub);
  const auto second = nat_box.outbound(start, ana, stranger);
  EXPECT_EQ(second->port, first->port + 3);
}

TEST(NatPorts, ABlockBelongsToOneInsideAddress) {
  NatBox nat_box = box(Nat::symmetric_block(64));
  std::set<int> ana_blocks, bo_blocks;
  for (std::uint16_t port = 1; port <= 64; ++port) {
    const Endpoint remote{hub.address, port};
    ana_blocks.insert((nat_box.outbound(start, ana, remote)->port - 1024) / 64);
    bo_blocks.insert((nat_box.outbound(start, bo, remote)->port - 1024) / 64);
  }
  EXPECT_EQ(ana_blocks.size(), 1u);
  EXPECT_EQ(bo_blocks.size(), 1u);
  EXPECT_NE(ana_blocks, bo_blocks);
  EXPECT_EQ(nat_box.outbound(start, ana, {hub.address, 65}), std::nullopt) << "the block is full";
}

TEST(NatPorts, TwoInsideHostsNeverShareAnOutsideEndpoint) {
  NatBox nat_box = box(Nat::port_restricted());
  const auto of_ana = nat_box.outbound(start, ana, hub);
  const auto of_bo = nat_box.outbound(start, bo, hub);
  EXPECT_NE(of_ana, of_bo);
  EXPECT_EQ(nat_box.inbound(start, *of_ana, hub).inside, ana);
  EXPECT_EQ(nat_box.inbound(start, *of_bo, hub).inside, bo);
}

TEST(NatFiltering, EndpointIndependentLetsInWhoeverKnowsTheEndpoint) {
  NatBox nat_box = box(Nat::full_cone());
  const auto outside = *nat_box.outbound(start, ana, hub);
  EXPECT_EQ(nat_box.inbound(start, outside, stranger).inside, ana);
}

TEST(NatFiltering, AddressDependentLetsInEveryPortOfAnAddressSentTo) {
  NatBox nat_box = box(Nat::address_restricted());
  const auto outside = *nat_box.outbound(start, ana, hub);
  EXPECT_EQ(nat_box.inbound(start, outside, hub_other_port).inside, ana);
  EXPECT_EQ(nat_box.inbound(start, outside, stranger).refusal, Refusal::filtered);
}

TEST(NatFiltering, AddressAndPortDependentLetsInOnlyEndpointsSentTo) {
  for (const Nat& nat : {Nat::port_restricted(), Nat::symmetric_random()}) {
    NatBox nat_box = box(nat);
    const auto outside = *nat_box.outbound(start, ana, hub);
    EXPECT_EQ(nat_box.inbound(start, outside, hub).inside, ana);
    EXPECT_EQ(nat_box.inbound(start, outside, hub_other_port).refusal, Refusal::filtered);
    EXPECT_EQ(nat_box.inbound(start, outside, stranger).refusal, Refusal::filtered);
  }
}

TEST(NatFiltering, NobodyInsideIsReachedWithoutAMapping) {
  NatBox nat_box = box(Nat::full_cone());
  const auto in = nat_box.inbound(start, {outside_address, ana.port}, hub);
  EXPECT_FALSE(in.inside);
  EXPECT_EQ(in.refusal, Refusal::no_mapping);
}

TEST(NatFiltering, AFirewallKeepsAddressesAndLetsOnlyAnswersIn) {
  NatBox nat_box = box(Nat::firewall());
  EXPECT_FALSE(nat_box.inbound(start, stranger, hub).inside);
  EXPECT_EQ(nat_box.outbound(start, stranger, hub), stranger);
  EXPECT_EQ(nat_box.inbound(start, stranger, hub).inside, stranger);
  EXPECT_FALSE(nat_box.inbound(start, stranger, hub_other_port).inside);
}

TEST(NatFiltering, BlockedUdpNeverLeaves) {
  NatBox nat_box = box(Nat::udp_blocked());
  EXPECT_FALSE(nat_box.outbound(start, ana, hub));
}

TEST(NatLifetime, PacketsOutKeepAMappingAliveAndSilenceEndsIt) {
  NatBox nat_box = box(Nat::symmetric_random().with_lifetime(30s));
  const auto outside = *nat_box.outbound(start, ana, hub);
  EXPECT_EQ(nat_box.outbound(start + 29s, ana, hub), outside);
  EXPECT_EQ(nat_box.inbound(start + 58s, outside, hub).inside, ana);
  EXPECT_EQ(nat_box.inbound(start + 59s, outside, hub).refusal, Refusal::no_mapping);
  EXPECT_NE(nat_box.outbound(start + 60s, ana, hub), outside);
}

TEST(NatLifetime, PacketsInDoNotKeepItAliveUnlessTheNatSaysSo) {
  NatBox strict = box(Nat::port_restricted().with_lifetime(30s));
  Nat lenient_nat = Nat::port_restricted().with_lifetime(30s);
  lenient_nat.inbound_refreshes = true;
  NatBox lenient = box(lenient_nat);

  const auto outside = *strict.outbound(start, ana, hub);
  ASSERT_EQ(lenient.outbound(start, ana, hub), outside);
  EXPECT_TRUE(strict.inbound(start + 20s, outside, hub).inside);
  EXPECT_TRUE(lenient.inbound(start + 20s, outside, hub).inside);
  EXPECT_FALSE(strict.inbound(start + 40s, outside, hub).inside);
  EXPECT_TRUE(lenient.inbound(start + 40s, outside, hub).inside);
}

TEST(NatLifetime, APermissionEndsByItselfWhileTheMappingLivesOn) {
  NatBox nat_box = box(Nat::port_restricted().with_lifetime(30s));
  const auto outside = *nat_box.outbound(start, ana, stranger);
  nat_box.outbound(start + 25s, ana, hub);
  EXPECT_EQ(nat_box.inbound(start + 31s, outside, stranger).refusal, Refusal::filtered);
  EXPECT_TRUE(nat_box.inbound(start + 31s, outside, hub).inside);
}

TEST(NatReboot, ForgetsEverythingAndMayComeBackWithAnotherAddress) {
  NatBox nat_box = box(Nat::full_cone());
  const auto outside = *nat_box.outbound(start, ana, hub);
  const auto new_address = *IpAddress::parse("203.0.113.2");
  nat_box.reboot(new_address);
  EXPECT_EQ(nat_box.mappings(), 0u);
  EXPECT_EQ(nat_box.inbound(start, outside, hub).refusal, Refusal::no_mapping);
  EXPECT_EQ(nat_box.outbound(start, ana, hub)->address, new_address);
}

TEST(NatPoisoning, AFirstPacketThatComesUninvitedTakesThePortAway) {
  NatBox poisonable = box(Nat::port_restricted().with_poisoning());
  const auto outside = *poisonable.outbound(start, ana, hub);
  EXPECT_FALSE(poisonable.inbound(start, outside, stranger).inside);

  const auto pushed_off = poisonable.outbound(start + 1s, ana, stranger);
  EXPECT_NE(pushed_off, outside);
  EXPECT_EQ(poisonable.outbound(start + 2s, ana, stranger), pushed_off) << "for good";
  EXPECT_EQ(poisonable.outbound(start + 2s, ana, hub), outside) << "others are not concerned";
  EXPECT_EQ(poisonable.inbound(start + 2s, *pushed_off, stranger).inside, ana);
  const Endpoint somebody{stranger.address, 999};
  EXPECT_EQ(poisonable.outbound(start + 3s, ana, somebody), pushed_off) << "new flows follow";
  EXPECT_EQ(poisonable.outbound(start + 3s, {ana.address, 7001}, stranger)->port, 7001)
      << "other ports are not concerned";
  poisonable.outbound(start + 100s, ana, hub);
  EXPECT_EQ(poisonable.outbound(start + 200s, ana, somebody), outside) << "until all these ended";

  NatBox robust = box(Nat::port_restricted());
  EXPECT_EQ(robust.outbound(start, ana, hub), outside);
  EXPECT_FALSE(robust.inbound(start, outside, stranger).inside);
  EXPECT_EQ(robust.outbound(start + 1s, ana, stranger), outside);
}

}  // namespace
}  // namespace byway::sim::nat_test

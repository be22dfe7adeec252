// Where UDP is blocked: homes, lanes and direct paths by TCP, and back to UDP when it returns.
#include "tests/scenarios/scenario.h"

namespace byway::scenarios::tcp_test {
namespace {

bool is_direct_by_tcp(const Host& from, const Host& to) {
  return from.path_to(to).path == PathKind::direct_tcp;
}
bool both_direct_by_tcp(World& world, const Host& a, const Host& b, Duration limit) {
  return world.run_until([&] { return is_direct_by_tcp(a, b) && is_direct_by_tcp(b, a); }, limit);
}

bool both_direct_by_udp(World& world, const Host& a, const Host& b, Duration limit) {
  const auto by_udp = [](const Host& from, const Host& to) {
    return from.path_to(to).path == PathKind::direct_udp;
  };
  return world.run_until([&] { return by_udp(a, b) && by_udp(b, a); }, limit);
}

// Every site 20 ms from the core, the hub next to it, as in the lab.
struct Blocked : Meeting {
  Blocked(Seed seed, const Nat& ana_nat, const Nat& bo_nat) : Meeting(seed, ana_nat, bo_nat) {
    hub.wire({.delay = 0ms});
    ana.wire({.delay = 20ms});
    bo.wire({.delay = 20ms});
  }
};

TEST(TcpRegistration, WhereUdpIsBlockedALeafFindsItsHomeByTcpInHalfASecond) {
  World world{Seed{301}};
  auto& hub = world.supernode("hub");
  auto& ana = world.leaf("ana").behind(Nat::udp_blocked());
  EXPECT_TRUE(world.run_until([&] { return ana.status().homes.size() == 1; }, 500ms));
  ASSERT_TRUE(world.run_until([&] { return ana.is_ready(); }, 500ms)) << "UDP had its chance";
  const auto status = ana.status();
  ASSERT_EQ(status.homes.size(), 1u);
  EXPECT_EQ(status.homes[0].proto, Proto::tcp);
  EXPECT_EQ(status.homes[0].endpoint, hub.endpoint());
  EXPECT_EQ(status.nat.udp.mapping, Behaviour::blocked);
  EXPECT_EQ(status.nat.tcp.ports, Ports::preserved);
  EXPECT_LT(status.homes[0].rtt, 50ms) << "the time that UDP was given is not part of it";
  EXPECT_EQ(hub.status().leaves, 1u);
}

TEST(TcpRegistration, WhereOnlyPort443IsOpenItIsFoundToo) {
  World world{Seed{302}};
  auto& hub = world.supernode("hub");
  auto& ana = world.leaf("ana").behind(Nat::tcp_443_only());
  ASSERT_TRUE(world.run_until([&] { return ana.is_ready(); }, 1500ms));
  EXPECT_EQ(ana.status().homes[0].endpoint, (Endpoint{hub.endpoint().address, 443}));
}

TEST(TcpRegistration, WithTheFirstHomeTheOthersAreAskedByTcpAtOnce) {
  World world{Seed{303}};
  for (const char* name : {"hub", "hob", "hab"}) world.supernode(name);
  auto& ana = world.leaf("ana").behind(Nat::tcp_443_only());
  EXPECT_TRUE(world.run_until([&] { return ana.status().homes.size() == 3; }, 2s));
  for (const auto& home : ana.status().homes) EXPECT_EQ(home.proto, Proto::tcp);
}

TEST(TcpRegistration, WhereUdpWorksNoConnectionIsMade) {
  World world{Seed{304}};
  auto& hub = world.supernode("hub");
  auto& ana = world.leaf("ana").behind(Nat::port_restricted());
  world.run_for(10s);
  EXPECT_EQ(ana.status().homes[0].proto, Proto::udp);
  EXPECT_EQ(hub.counters().tcp_accepted, 0u);
}

TEST(TcpRegistration, ALostDatagramDoesNotKeepALeafOnTcp) {
  World world{Seed{305}};
  auto& hub = world.supernode("hub");
  auto& ana = world.leaf("ana").behind(Nat::port_restricted());
  ana.wire({.delay = 20ms, .loss = 1.0});
  world.run_for(200ms);
  ana.wire({.delay = 20ms});
  ASSERT_TRUE(world.run_until([&] { return ana.is_ready(); }, 10s));
  EXPECT_TRUE(world.run_until(
      [&] { return !ana.status().homes.empty() && ana.status().homes[0].proto == Proto::udp; },
      10s));
  EXPECT_GT(ana.counters().tcp_opened, 0u) << "TCP was quicker than the repetition";
  EXPECT_EQ(hub.status().leaves, 1u);
}

TEST(TcpRegistration, OutlivesANightByTcp) {
  World world{Seed{306}, {.story_size = 1000}};
  auto& hub = world.supernode("hub");
  auto& ana = world.leaf("ana").behind(Nat::udp_blocked());
  world.run_for(8h);
  EXPECT_EQ(hub.status().leaves, 1u);
  EXPECT_THAT(ana.events_of<HomeLost>(), IsEmpty());
  EXPECT_EQ(hub.counters().tcp_accepted, 1u);
}

TEST(TcpRegistration, AHubThatComesBackIsFoundAgain) {
  World world{Seed{307}};
  auto& hub = world.supernode("hub");
  auto& ana = world.leaf("ana").behind(Nat::udp_blocked());
  ASSERT_TRUE(world.run_until([&] { return ana.is_ready(); }, 1s));
  hub.crash();
  world.run_for(1s);
  hub.restart();
  EXPECT_TRUE(world.run_until([&] { return hub.status().leaves == 1; }, 40s));
}

class WithoutUdp : public ::testing::TestWithParam<bool> {};

TEST_P(WithoutUdp, TheFirstWordComesOverTheRelayAndADirectConnectionFollows) {
  for (const Nat& other : {Nat::public_host(), Nat::firewall(), Nat::full_cone(),
                           Nat::address_restricted(), Nat::port_restricted(), Nat::udp_blocked()}) {
    Blocked meeting(Seed{310}, Nat::udp_blocked(), other);
    auto& [world, hub, ana, bo] = static_cast<Meeting&>(meeting);
    ASSERT_TRUE(meeting.registered());
    Host& caller = GetParam() ? ana : bo;
    Host& callee = GetParam() ? bo : ana;
    caller.say(callee, "hello");
    EXPECT_TRUE(world.run_until([&] { return !callee.inbox().empty(); }, 250ms));
    EXPECT_TRUE(both_direct_by_tcp(world, ana, bo, 600ms));
    const Method method = ana.path_to(bo).method;
    if (other.is_open()) {
      EXPECT_EQ(method, Method::open);
      EXPECT_EQ(bo.path_to(ana).method, Method::reverse);
    } else if (other.mapping == Behaviour::none) {
      EXPECT_NE(method, Method::relay);
    } else {
      EXPECT_EQ(method, Method::tcp_punch);
    }
    world.run_for(5s);
    const auto relayed = hub.counters().relayed_bytes;
    for (int i = 0; i < 20; ++i) {
      ana.say(bo, std::string(1000, 'a'));
      bo.say(ana, std::string(1000, 'b'));
      world.run_for(1s);
    }
    EXPECT_EQ(callee.inbox().size(), 21u);
    EXPECT_LT(hub.counters().relayed_bytes - relayed, 2000u) << "only the lane's keepalives";
    EXPECT_TRUE(is_direct_by_tcp(ana, bo) && is_direct_by_tcp(bo, ana));
  }
}

INSTANTIATE_TEST_SUITE_P(Calling, WithoutUdp, ::testing::Bool(), [](const auto& it) {
  return it.param ? "TheBlockedSideCalls" : "TheOtherSideCalls";
});

TEST(TcpReach, ARouterThatAnswersSynsWithResetsIsPassedAllTheSame) {
  Blocked meeting(Seed{320}, Nat::udp_blocked().with_resets(),
                  Nat::port_restricted().with_resets());
  auto& [world, hub, ana, bo] = static_cast<Meeting&>(meeting);
  ana.wire({.delay = 5ms});
  bo.wire({.delay = 60ms});
  ASSERT_TRUE(meeting.registered());
  ana.say(bo, "hello");
  EXPECT_TRUE(both_direct_by_tcp(world, ana, bo, 2s));
  EXPECT_LE(ana.counters().tcp_attempts + bo.counters().tcp_attempts, 8u);
}

TEST(TcpReach, ANatThatPicksPortsStaysRelayedForAReasonAndIsNotHammered) {
  Blocked meeting(Seed{321}, Nat::udp_blocked(), Nat::symmetric_random());
  auto& [world, hub, ana, bo] = static_cast<Meeting&>(meeting);
  ASSERT_TRUE(meeting.registered());
  ana.say(bo, "hello");
  world.run_for(30s);
  EXPECT_THAT(bo.inbox(), ElementsAre("hello"));
  EXPECT_TRUE(ana.reaches(bo, Via::relay) && bo.reaches(ana, Via::relay));
  EXPECT_EQ(ana.path_to(bo).why,
            "UDP is blocked on this side, and the peer's NAT picks another port for every TCP "
            "connection");
  EXPECT_EQ(bo.path_to(ana).why,
            "UDP is blocked on the peer's side, and this side's NAT picks another port for every "
            "TCP connection");
  EXPECT_LE(ana.counters().tcp_attempts, 4u);
}

TEST(TcpReach, ANatThatCountsItsPortsIsForeseen) {
  for (const bool blocked_calls : {true, false}) {
    Blocked meeting(Seed{327}, Nat::udp_blocked(), Nat::symmetric_sequential());
    auto& [world, hub, ana, bo] = static_cast<Meeting&>(meeting);
    ASSERT_TRUE(meeting.registered());
    blocked_calls ? ana.say(bo, "hello") : bo.say(ana, "hello");
    EXPECT_TRUE(both_direct_by_tcp(world, ana, bo, 900ms));
    EXPECT_EQ(bo.status().nat.tcp.ports, Ports::sequential);
  }
}

// The ports that were foreseen went to a neighbour: what is tried next has to be looked at anew.
TEST(TcpReach, ARetryLooksAgainHowFarTheNatHasCounted) {
  for (const bool blocked_calls : {true, false}) {
    Blocked meeting(Seed{336}, Nat::udp_blocked(), Nat::symmetric_sequential());
    auto& [world, hub, ana, bo] = static_cast<Meeting&>(meeting);
    ASSERT_TRUE(meeting.registered());
    world.cut(ana, bo);
    blocked_calls ? ana.say(bo, "hello") : bo.say(ana, "hello");
    world.run_for(3s);
    auto& nat = world.network().nat(*world.network().router_of(bo.station()), Proto::tcp);
    for (std::uint16_t port = 50'000; port < 50'100; ++port)
      nat.outbound(world.now(), {bo.endpoint().address, port}, hub.endpoint());
    world.heal(ana, bo);
    EXPECT_TRUE(both_direct_by_tcp(world, ana, bo, 12s));
    EXPECT_EQ(bo.status().nat.tcp.ports, Ports::sequential);
  }
}

// A NAT may count the ports of UDP and TCP together.
TEST(TcpReach, WhereUdpIsBlockedNobodyMeasuresWithIt) {
  for (const bool blocked_calls : {true, false}) {
    Meeting meeting(Seed{328}, Nat::udp_blocked(), Nat::symmetric_sequential(), 3);
    auto& [world, hub, ana, bo] = meeting;
    ASSERT_TRUE(meeting.registered_at(3) && meeting.registered());
    blocked_calls ? ana.say(bo, "hello") : bo.say(ana, "hello");
    EXPECT_TRUE(both_direct_by_tcp(world, ana, bo, 2s));
    world.run_for(5s);
    for (const Host& host : world.hosts()) EXPECT_EQ(host.counters().stun_answered, 0u);
  }
}

// Seven ports are guessed, at two packets each, of the sixteen that a stranger's address may be
// sent.
TEST(TcpReach, WhatMayBeSentToAStrangerIsKeptForThePortsThatAreGuessed) {
  for (const bool blocked_calls : {true, false}) {
    Meeting meeting(Seed{329}, Nat::udp_blocked(), Nat::symmetric_sequential(), 3);
    auto& [world, hub, ana, bo] = meeting;
    ASSERT_TRUE(meeting.registered_at(3) && meeting.registered());
    const auto outside = [](const Host& host) { return host.status().homes[0].observed.address; };
    const IpAddress hers = outside(ana), his = outside(bo);
    std::size_t knocks = 0, syns = 0;
    world.watch([&](const PacketLine& line, ByteView) {
      if (line.to.address != hers && line.to.address != his) return;
      const bool from_them = line.origin == ana.station() || line.origin == bo.station();
      knocks += from_them && !line.tcp;
      syns += from_them && line.tcp == sim::TcpStack::syn && line.to.address == his;
    });
    blocked_calls ? ana.say(bo, "hello") : bo.say(ana, "hello");
    EXPECT_TRUE(both_direct_by_tcp(world, ana, bo, 2s));
    EXPECT_EQ(knocks, 0u);
    EXPECT_GE(syns, 7u);
  }
}

TEST(TcpReach, Port443AloneLeadsToWhoeverListensThere) {
  for (const bool listens : {true, false}) {
    Blocked meeting(Seed{322}, Nat::tcp_443_only(), Nat::public_host());
    auto& [world, hub, ana, bo] = static_cast<Meeting&>(meeting);
    if (listens) bo.listens_at(443);
    ASSERT_TRUE(meeting.registered());
    ana.say(bo, "hello");
    EXPECT_EQ(both_direct_by_tcp(world, ana, bo, 3s), listens);
    EXPECT_THAT(bo.inbox(), ElementsAre("hello"));
    if (listens) continue;
    EXPECT_THAT(ana.path_to(bo).why, ::testing::HasSubstr("port 443, where the peer"));
    EXPECT_THAT(bo.path_to(ana).why, ::testing::HasSubstr("port 443, where this side"));
    EXPECT_EQ(ana.counters().tcp_attempts + bo.counters().tcp_attempts, 0u);
  }
}

TEST(TcpReach, WordsAreNotLostWhileTheyMoveFromLaneToConnectionAndBack) {
  Blocked meeting(Seed{323}, Nat::udp_blocked(), Nat::port_restricted());
  auto& [world, hub, ana, bo] = static_cast<Meeting&>(meeting);
  ASSERT_TRUE(meeting.registered());
  std::string film(2'000'000, '\0');
  for (std::size_t i = 0; i < film.size(); ++i) film[i] = static_cast<char>('a' + i % 23);
  ana.say(bo, film);
  ASSERT_TRUE(both_direct_by_tcp(world, ana, bo, 3s));
  world.cut(ana, bo);
  ASSERT_TRUE(world.run_until([&] { return ana.reaches(bo, Via::relay); }, 15s));
  ASSERT_TRUE(world.run_until([&] { return !bo.inbox().empty(); }, 60s));
  EXPECT_TRUE(bo.inbox()[0] == film);
  world.heal(ana, bo);
  EXPECT_TRUE(both_direct_by_tcp(world, ana, bo, 60s));
  EXPECT_THAT(ana.undelivered(), IsEmpty());
}

TEST(TcpReach, WhenUdpComesThroughAgainEverythingMovesBackToIt) {
  World world{Seed{324}};
  auto& hub = world.supernode("hub");
  auto& ana = world.leaf("ana").behind(Nat::udp_blocked());
  auto& bo = world.leaf("bo").behind(Nat::port_restricted());
  ASSERT_TRUE(world.run_until([&] { return ana.is_ready() && bo.is_ready(); }, 5s));
  ana.say(bo, "by TCP");
  ASSERT_TRUE(both_direct_by_tcp(world, ana, bo, 3s));

  world.network().set_nat(*world.network().router_of(ana.station()), Nat::port_restricted());
  EXPECT_TRUE(world.run_until([&] { return ana.status().homes[0].proto == Proto::udp; }, 80s));
  EXPECT_TRUE(both_direct_by_udp(world, ana, bo, 10s));
  ana.say(bo, "by UDP");
  world.run_for(3min);
  EXPECT_THAT(bo.inbox(), ElementsAre("by TCP", "by UDP"));
  EXPECT_THAT(ana.undelivered(), IsEmpty());
  EXPECT_THAT(ana.events_of<HomeLost>(), IsEmpty());
  (void)hub;
}

// The first datagrams of both were lost, so TCP was the quicker way to the hub.
TEST(TcpReach, ALostDatagramDoesNotMakeABlockedNetwork) {
  for (const std::uint64_t seed : {330, 331, 332}) {
    World world{Seed{seed}};
    world.supernode("hub");
    auto& ana = world.leaf("ana").behind(Nat::port_restricted());
    auto& bo = world.leaf("bo").behind(Nat::port_restricted());
    for (Host* host : {&ana, &bo}) host->wire({.delay = 20ms, .loss = 1.0});
    world.run_for(200ms);
    for (Host* host : {&ana, &bo}) host->wire({.delay = 20ms});
    ASSERT_TRUE(world.run_until([&] { return ana.is_ready() && bo.is_ready(); }, 10s));
    EXPECT_GT(ana.counters().tcp_opened, 0u);
    ana.say(bo, "hello");
    EXPECT_TRUE(both_direct_by_udp(world, ana, bo, 500ms));
    EXPECT_EQ(ana.counters().tcp_attempts + bo.counters().tcp_attempts, 0u);
  }
}

TEST(TcpReach, UdpTakesOverFromTheConnectionThatWasProvedFirst) {
  for (const std::uint64_t seed : {333, 334, 335}) {
    Blocked meeting(Seed{seed}, Nat::udp_blocked(), Nat::port_restricted());
    auto& [world, hub, ana, bo] = static_cast<Meeting&>(meeting);
    ASSERT_TRUE(meeting.registered());
    ana.say(bo, "by TCP");
    ASSERT_TRUE(both_direct_by_tcp(world, ana, bo, 2s));
    world.network().set_nat(*world.network().router_of(ana.station()), Nat::port_restricted());
    EXPECT_TRUE(both_direct_by_udp(world, ana, bo, 8s));
    ana.say(bo, "by UDP");
    world.run_for(1min);
    EXPECT_THAT(bo.inbox(), ElementsAre("by TCP", "by UDP"));
    EXPECT_TRUE(both_direct_by_udp(world, ana, bo, 0s));
  }
}

// Nothing passed between the two while UDP was tried, and when it did TCP was first.
TEST(TcpReach, BesideAConnectionUdpIsTriedAgainWithinSeconds) {
  for (const std::uint64_t seed : {337, 338, 339}) {
    Blocked meeting(Seed{seed}, Nat::port_restricted(), Nat::port_restricted());
    auto& [world, hub, ana, bo] = static_cast<Meeting&>(meeting);
    ASSERT_TRUE(meeting.registered());
    world.cut(ana, bo);
    ana.say(bo, "by TCP");
    world.run_for(5500ms);
    world.heal(ana, bo);
    ASSERT_TRUE(both_direct_by_tcp(world, ana, bo, 12s));
    EXPECT_TRUE(both_direct_by_udp(world, ana, bo, 3s));
    ana.say(bo, "by UDP");
    world.run_for(1min);
    EXPECT_THAT(bo.inbox(), ElementsAre("by TCP", "by UDP"));
  }
}

TEST(TcpReach, BesideAConnectionThatUdpNeverJoinsItIsTriedEverMoreSeldom) {
  Blocked meeting(Seed{340}, Nat::port_restricted(), Nat::port_restricted());
  auto& [world, hub, ana, bo] = static_cast<Meeting&>(meeting);
  ASSERT_TRUE(meeting.registered());
  world.network().set_udp_cut(ana.station(), bo.station(), true);
  world.network().set_udp_cut(bo.station(), ana.station(), true);
  ana.say(bo, "by TCP");
  ASSERT_TRUE(both_direct_by_tcp(world, ana, bo, 12s));
  const auto knocks = [&] { return ana.counters().knocks_sent + bo.counters().knocks_sent; };
  const auto before = knocks();
  world.run_for(2min);
  EXPECT_TRUE(is_direct_by_tcp(ana, bo));
  // Rounds after 2, 8, 32 and 60 s: from each side five at the outside address, three at the
  // inside.
  EXPECT_EQ(knocks() - before, 4u * 2 * (5 + 3));
}

TEST(TcpReach, WhenUdpIsBlockedInMidConversationItGoesOnByTcp) {
  World world{Seed{325}};
  world.supernode("hub");
  auto& ana = world.leaf("ana").behind(Nat::port_restricted());
  auto& bo = world.leaf("bo").behind(Nat::port_restricted());
  ASSERT_TRUE(world.run_until([&] { return ana.is_ready() && bo.is_ready(); }, 5s));
  ana.say(bo, "one");
  ASSERT_TRUE(world.are_direct(ana, bo, 3s));

  world.network().set_nat(*world.network().router_of(ana.station()), Nat::udp_blocked());
  for (int i = 0; i < 60; ++i) {
    ana.say(bo, std::to_string(i));
    world.run_for(1s);
  }
  EXPECT_EQ(bo.inbox().size(), 61u);
  EXPECT_EQ(ana.status().homes[0].proto, Proto::tcp);
  EXPECT_TRUE(both_direct_by_tcp(world, ana, bo, 60s));
  EXPECT_THAT(ana.undelivered(), IsEmpty());
}

TEST(TcpHostile, WhoConnectsAndSaysNothingIsSoonGoneAndSoAreTheManyFromOneAddress) {
  World world{Seed{326}};
  auto& hub = world.supernode("hub");
  auto& mallory = world.leaf("mallory").behind(Nat::udp_blocked());
  ASSERT_TRUE(world.run_until([&] { return mallory.is_ready(); }, 1s));
  Overlay& target = hub.overlay();
  std::size_t taken = 0;
  for (std::uint16_t port = 10'000; port < 10'500; ++port)
    taken += target.on_tcp_accepted(world.now(), hub.endpoint(),
                                    {mallory.endpoint().address, port}) != 0;
  EXPECT_EQ(taken, 16u);
  for (std::uint8_t i = 0; i < 250; ++i)
    for (std::uint16_t port = 1; port <= 4; ++port)
      taken += target.on_tcp_accepted(world.now(), hub.endpoint(),
                                      {IpAddress::v4({99, 1, 1, i}), port}) != 0;
  EXPECT_EQ(taken, 256u);
  hub.on_alarm(world.now());
  world.run_for(11s);
  EXPECT_NE(target.on_tcp_accepted(world.now(), hub.endpoint(), {mallory.endpoint().address, 7}),
            0u);
  EXPECT_EQ(hub.status().leaves, 1u) << "who has proved himself is not touched";
  EXPECT_EQ(hub.counters().tcp_unproved, 256u);
}

}  // namespace
}  // namespace byway::scenarios::tcp_test

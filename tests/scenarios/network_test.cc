// The network that somebody is in, and what happens when it is another one: local networks, routers
// that map a port, moves and sleeps.
#include "protocol/lan_packet.h"
#include "tests/scenarios/scenario.h"

namespace byway::scenarios::network_test {
namespace {

// --- the local network ---------------------------------------------------------------------------

struct Household {
  explicit Household(Seed seed)
      : world(seed),
        hub(world.supernode("hub")),
        home(world.router("home", Nat::symmetric_random())),
        ana(world.leaf("ana").behind(home)),
        bo(world.leaf("bo").behind(home)) {}

  World world;
  Host& hub;
  Router& home;
  Host& ana;
  Host& bo;
};

TEST(Lan, TwoInOneHouseholdTalkWithNoSupernodeAlive) {
  Household house{Seed{1}};
  house.world.run_for(1ms);
  house.hub.crash();
  house.world.run_for(30s);
  ASSERT_FALSE(house.ana.is_ready());

  house.ana.say(house.bo, "dinner");
  ASSERT_TRUE(house.world.run_until([&] { return !house.bo.inbox().empty(); }, 1s));
  EXPECT_THAT(house.bo.inbox(), ElementsAre("dinner"));
  EXPECT_TRUE(house.ana.reaches(house.bo, Via::direct));
  EXPECT_EQ(house.ana.path_to(house.bo).method, Method::lan);

  house.world.run_for(2min);
  house.bo.say(house.ana, "coming");
  house.world.run_for(1s);
  EXPECT_THAT(house.ana.inbox(), ElementsAre("coming"));
}

TEST(Lan, TheLocalNetworkIsQuickerThanAnyIntroduction) {
  Household house{Seed{2}};
  ASSERT_TRUE(
      house.world.run_until([&] { return house.ana.is_ready() && house.bo.is_ready(); }, 5s));
  const Duration before = house.world.age();
  house.ana.talk_to(house.bo);
  ASSERT_TRUE(house.world.are_direct(house.ana, house.bo, 1s));
  EXPECT_LE(house.world.age() - before, 100ms);
  EXPECT_EQ(house.ana.path_to(house.bo).method, Method::lan);
}

// The session's first flight left by the home, and its answer does not wait for that.
TEST(Lan, TheFirstWordDoesNotGoByTheSupernode) {
  for (const std::uint64_t seed : {14, 15, 16}) {
    Household house{Seed{seed}};
    ASSERT_TRUE(
        house.world.run_until([&] { return house.ana.is_ready() && house.bo.is_ready(); }, 5s));
    house.ana.say(house.bo, "dinner");
    EXPECT_TRUE(house.world.run_until([&] { return !house.bo.inbox().empty(); }, 20ms));
  }
}

TEST(Lan, NobodyIsToldWhoIsLookedFor) {
  Household house{Seed{3}};
  Host& cy = house.world.leaf("cy").behind(house.home);
  ASSERT_TRUE(house.world.run_until(
      [&] { return house.ana.is_ready() && house.bo.is_ready() && cy.is_ready(); }, 5s));
  house.ana.talk_to(house.bo);
  ASSERT_TRUE(house.world.are_direct(house.ana, house.bo, 1s));
  EXPECT_GE(cy.counters().dropped(Drop::lan_other), 1u);
  EXPECT_EQ(house.bo.counters().dropped(Drop::lan_other), 0u);
  EXPECT_EQ(cy.path_to(house.ana).path, PathKind::none);
}

TEST(Lan, AnAnswerFromElsewhereMakesNobodyDialThere) {
  Household house{Seed{12}};
  Host& eve = house.world.stranger("eve").behind(house.home);
  Host& victim = house.world.stranger("victim");
  house.world.run_for(1ms);
  house.hub.crash();
  house.bo.crash();
  house.ana.talk_to(house.bo);
  house.world.run_for(50ms);
  ASSERT_FALSE(eve.received().empty());
  const auto question = parse_lan_packet(eve.received().front().bytes);
  ASSERT_TRUE(question);
  const Bytes answer =
      make_lan_packet(sodium_crypto(), LanKind::answer, house.bo.id(), question->salt);
  eve.send_as({victim.endpoint().address, 7000}, house.ana.endpoint(), answer);
  house.world.run_for(5s);
  EXPECT_EQ(house.ana.counters().dropped(Drop::lan_unasked), 1u);
  EXPECT_EQ(house.world.toward(house.ana, victim.endpoint().address).packets, 0u);
}

TEST(Lan, ASwitchedOffNodeNeitherAsksNorAnswers) {
  World world{Seed{4}};
  Host& hub = world.supernode("hub");
  Router& home = world.router("home", Nat::symmetric_random());
  const auto silent = [](OverlayConfig& config) { config.lan = false; };
  Host& ana = world.leaf("ana").behind(home);
  Host& bo = world.leaf("bo").behind(home).configured(silent);
  world.run_for(1ms);
  hub.crash();
  ana.say(bo, "dinner");
  bo.say(ana, "no");
  world.run_for(30s);
  EXPECT_THAT(bo.inbox(), IsEmpty());
  EXPECT_THAT(ana.inbox(), IsEmpty());
  EXPECT_GE(bo.counters().dropped(Drop::unexpected), 1u);
}

// --- port mappings -------------------------------------------------------------------------------

TEST(Mapping, ARouterThatMapsAPortMakesAHardNatEasy) {
  Meeting meeting{Seed{5}, Nat::symmetric_random(), Nat::symmetric_random()};
  ASSERT_TRUE(meeting.registered());
  meeting.bo.router_maps(7000);
  meeting.ana.talk_to(meeting.bo);
  ASSERT_TRUE(meeting.world.are_direct(meeting.ana, meeting.bo, 2s));
  EXPECT_EQ(meeting.ana.path_to(meeting.bo).method, Method::mapped);
  EXPECT_EQ(meeting.bo.path_to(meeting.ana).method, Method::reverse);
}

TEST(Mapping, WhoeverCallsFromBehindOneIsDialledInReturn) {
  Meeting meeting{Seed{6}, Nat::symmetric_random(), Nat::symmetric_random()};
  ASSERT_TRUE(meeting.registered());
  meeting.ana.router_maps(7000);
  meeting.ana.talk_to(meeting.bo);
  ASSERT_TRUE(meeting.world.are_direct(meeting.ana, meeting.bo, 2s));
  EXPECT_EQ(meeting.ana.path_to(meeting.bo).method, Method::reverse);
  EXPECT_EQ(meeting.bo.path_to(meeting.ana).method, Method::mapped);
}

TEST(Mapping, OneThatComesDuringAConversationIsUsed) {
  Meeting meeting{Seed{7}, Nat::symmetric_random(), Nat::symmetric_random()};
  ASSERT_TRUE(meeting.registered());
  meeting.ana.say(meeting.bo, "hello");
  meeting.world.run_for(20s);
  ASSERT_TRUE(meeting.ana.reaches(meeting.bo, Via::relay));
  meeting.bo.router_maps(7000);
  EXPECT_TRUE(meeting.world.are_direct(meeting.ana, meeting.bo, 2s));
}

TEST(Mapping, ARouterThatNamesAVictimMakesNobodyKnockThere) {
  Meeting meeting{Seed{8}, Nat::symmetric_random(), Nat::symmetric_random()};
  Host& victim = meeting.world.stranger("victim");
  ASSERT_TRUE(meeting.registered());
  meeting.bo.is_told([&](Overlay& overlay, TimePoint now) {
    overlay.on_mapped(now, Proto::udp, {victim.endpoint().address, 7000});
  });
  const auto doubted = meeting.bo.events_of<MappingDoubted>();
  ASSERT_EQ(doubted.size(), 1u);
  EXPECT_EQ(doubted[0].outside.address, victim.endpoint().address);
  meeting.ana.talk_to(meeting.bo);
  meeting.world.run_for(30s);
  EXPECT_TRUE(meeting.ana.reaches(meeting.bo, Via::relay));
  EXPECT_EQ(meeting.world.toward(meeting.ana, victim.endpoint().address).packets, 0u);
  EXPECT_EQ(meeting.bo.events_of<MappingDoubted>().size(), 1u) << "told once";
}

// Two customers of a carrier that hairpins nothing: their own routers tell what they are inside it.
TEST(Mapping, NeighboursInACarriersNetworkMeetAtTheInnerAddress) {
  World world{Seed{11}};
  world.supernode("hub");
  Router& carrier = world.router("carrier", Nat::symmetric_random());
  Router& left = world.router("left", Nat::port_restricted()).behind(carrier);
  Router& right = world.router("right", Nat::port_restricted()).behind(carrier);
  Host& ana = world.leaf("ana").behind(left);
  Host& bo = world.leaf("bo").behind(right);
  ASSERT_TRUE(world.run_until([&] { return ana.is_ready() && bo.is_ready(); }, 5s));
  bo.router_maps(7000);
  ana.talk_to(bo);
  EXPECT_TRUE(world.are_direct(ana, bo, 2s));
  EXPECT_EQ(ana.path_to(bo).method, Method::mapped);
}

TEST(Mapping, OneThatIsGoneIsNoCandidateAnyMore) {
  Meeting meeting{Seed{9}, Nat::port_restricted(), Nat::symmetric_random()};
  ASSERT_TRUE(meeting.registered());
  meeting.bo.router_maps(7000);
  const auto mapped = [&] {
    const auto addresses = meeting.bo.status().addresses;
    return std::any_of(addresses.begin(), addresses.end(),
                       [](const AddressStatus& a) { return a.how == How::mapped; });
  };
  EXPECT_TRUE(mapped());
  meeting.bo.is_told(
      [](Overlay& overlay, TimePoint now) { overlay.on_unmapped(now, Proto::udp, false); });
  EXPECT_FALSE(mapped());
}

// An address of its own with a firewall before it, as every household's IPv6: by itself it is of
// use to whoever knocks at the same moment, and with a pinhole to everybody.
TEST(Mapping, APinholeLetsStrangersInAtAnAddressOfOnesOwn) {
  Meeting meeting{Seed{12}, Nat::symmetric_random(), Nat::firewall()};
  ASSERT_TRUE(meeting.registered());
  meeting.bo.router_maps(meeting.bo.endpoint().port);
  EXPECT_TRUE(meeting.bo.events_of<MappingDoubted>().empty()) << "whoever sees us elsewhere";
  const auto own = meeting.bo.endpoint();
  const auto addresses = meeting.bo.status().addresses;
  const auto shown = std::count_if(addresses.begin(), addresses.end(), [&](const auto& a) {
    return a.endpoint == own && a.proto == Proto::udp;
  });
  EXPECT_EQ(shown, 1) << "mapped, and not once more as local";
  meeting.ana.talk_to(meeting.bo);
  ASSERT_TRUE(meeting.world.are_direct(meeting.ana, meeting.bo, 2s));
  EXPECT_EQ(meeting.ana.path_to(meeting.bo).method, Method::mapped);
}

// Dials that were not answered before the pinhole say nothing any more: it is asked again at once.
TEST(Mapping, APinholeThatComesLateIsProvedWithinMinutes) {
  World world{Seed{13}};
  for (const char* name : {"hub", "mill", "inn", "barn", "ford", "gate", "weir", "yard"})
    world.supernode(name);
  Host& bo = world.leaf("bo").behind(Nat::firewall()).configured([](OverlayConfig& config) {
    config.role.reset();
    config.promote_after = 5s;
    config.netgroup_bits_v4 = 32;
  });
  world.run_for(4h);
  ASSERT_EQ(bo.status().role, "leaf");
  EXPECT_THAT(bo.status().role_why, ::testing::StartsWith("strangers cannot reach "));
  bo.router_maps(bo.endpoint().port);
  EXPECT_TRUE(world.run_until([&] { return bo.status().role == "supernode"; }, 15min))
      << bo.status().role_why;
}

// A leaf behind a NAT that nobody can enter, but for the mapping, serves as a supernode.
TEST(Mapping, AProvedMappingMakesASupernode) {
  World world{Seed{10}};
  for (const char* name : {"hub", "mill", "inn", "barn", "ford", "gate", "weir", "yard"})
    world.supernode(name);
  Host& bo = world.leaf("bo").behind(Nat::symmetric_random()).configured([](OverlayConfig& config) {
    config.role.reset();
    config.promote_after = 5s;
    config.netgroup_bits_v4 = 32;
  });
  ASSERT_TRUE(world.run_until([&] { return bo.is_ready(); }, 5s));
  bo.router_maps(7000);
  EXPECT_TRUE(world.run_until([&] { return bo.status().role == "supernode"; }, 15min))
      << bo.status().role_why;
  const auto addresses = bo.status().addresses;
  EXPECT_TRUE(std::any_of(addresses.begin(), addresses.end(),
                          [](const AddressStatus& a) { return a.how == How::mapped && a.proved; }));
}

// --- another network -----------------------------------------------------------------------------

class Moves : public ::testing::Test {
 protected:
  explicit Moves(const Nat& ana_nat = Nat::port_restricted(),
                 const Nat& bo_nat = Nat::port_restricted(), std::size_t supernodes = 1)
      : meeting(Seed{30}, ana_nat, bo_nat, supernodes), supernodes_(supernodes) {}
  void SetUp() override {
    ASSERT_TRUE(meeting.registered() && meeting.registered_at(supernodes_));
    ana.say(bo, "hello");
    ASSERT_TRUE(world.are_direct(ana, bo, 3s));
    world.run_for(5s);
    ASSERT_THAT(bo.inbox(), ElementsAre("hello"));
  }
  // Says something every 100 ms; the longest time that nothing came.
  Duration longest_stall(Host& from, Host& to, Duration duration) {
    Duration longest{};
    TimePoint last = world.now();
    std::size_t heard = to.inbox().size();
    for (const TimePoint end = world.now() + duration; world.now() < end;) {
      from.say(to, "tick");
      for (int i = 0; i < 10; ++i) {
        world.run_for(10ms);
        if (to.inbox().size() == heard) continue;
        heard = to.inbox().size();
        longest = std::max<Duration>(longest, world.now() - last);
        last = world.now();
      }
    }
    return std::max<Duration>(longest, world.now() - last);
  }

  Meeting meeting;
  World& world = meeting.world;
  Host& hub = meeting.hub;
  Host& ana = meeting.ana;
  Host& bo = meeting.bo;

 private:
  std::size_t supernodes_;
};

TEST_F(Moves, ARouterWithANewAddressStallsAStreamForLessThanTwoSeconds) {
  ana.router_reboots(true);
  EXPECT_LE(longest_stall(ana, bo, 10s), 2s);
  EXPECT_TRUE(world.are_direct(ana, bo, 5s));
  EXPECT_THAT(ana.undelivered(), IsEmpty());
  EXPECT_GE(ana.events_of<Moved>().size(), 1u);
}

TEST_F(Moves, TheOtherDirectionStallsNoLonger) {
  longest_stall(bo, ana, 3s);
  ana.router_reboots(true);
  EXPECT_LE(longest_stall(bo, ana, 10s), 2s);
  EXPECT_TRUE(world.are_direct(ana, bo, 5s));
  EXPECT_THAT(bo.undelivered(), IsEmpty());
}

TEST_F(Moves, ARouterThatForgetsItsMappingsIsHardlyNoticed) {
  longest_stall(bo, ana, 3s);
  ana.router_reboots(false);
  EXPECT_LE(longest_stall(bo, ana, 10s), 2s);
  EXPECT_TRUE(world.are_direct(ana, bo, 5s));
}

// Ana's next packet comes from another port, which bo's NAT lets in.
class Remapped : public Moves {
 protected:
  Remapped() : Moves(Nat::symmetric_random(), Nat::address_restricted()) {}
};

TEST_F(Remapped, AMappingThatEndsWhileInUseIsReplacedInARoundTrip) {
  for (int i = 0; i < 3; ++i) {
    longest_stall(bo, ana, 3s);
    ana.router_reboots(false);
    ana.say(bo, "from another port");
    EXPECT_LE(longest_stall(bo, ana, 5s), 300ms);
    EXPECT_TRUE(ana.reaches(bo, Via::direct) && bo.reaches(ana, Via::direct));
    EXPECT_EQ(bo.path_to(ana).method, Method::punch);
  }
  EXPECT_THAT(bo.undelivered(), IsEmpty());
}

// Ana's mappings end after half a minute, and the next port is not one that bo's NAT lets in, but
// by luck.
class Mortal : public Moves {
 protected:
  Mortal()
      : Moves(Nat::symmetric_sequential().with_absolute_lifetime(30s), Nat::port_restricted(), 3) {}
};

TEST_F(Mortal, MappingsThatEndThoughTheyAreUsedStallNobodyForTwoSeconds) {
  Duration longest{};
  for (int minute = 0; minute < 4; ++minute)
    longest = std::max<Duration>(
        longest, longest_stall(minute % 2 == 0 ? ana : bo, minute % 2 == 0 ? bo : ana, 60s));
  EXPECT_LE(longest, 2s);
  EXPECT_GE(longest, 200ms) << "or no mapping has ended";
  EXPECT_THAT(ana.undelivered(), IsEmpty());
  EXPECT_THAT(bo.undelivered(), IsEmpty());
}

TEST_F(Moves, WhoWalksIntoAnotherNetworkTakesTheStreamAlong) {
  ana.behind(Nat::port_restricted());
  EXPECT_LE(longest_stall(ana, bo, 10s), 1s);
  EXPECT_TRUE(world.are_direct(ana, bo, 5s));
  EXPECT_THAT(ana.undelivered(), IsEmpty());
}

TEST_F(Moves, WhoHasSleptGoesOnAtOnce) {
  ana.sleeps_for(30s);
  EXPECT_LE(longest_stall(ana, bo, 5s), 1s);
  EXPECT_TRUE(world.are_direct(ana, bo, 2s));
  EXPECT_THAT(ana.events_of<HomeLost>(), IsEmpty());
}

// The one who stayed awake has been sending into the dark; its congestion controller must not take
// as long to begin again as it has waited.
TEST_F(Moves, WhoWasWaitedForHearsTheRestAtOnce) {
  bo.say(ana, "wait for it");
  world.run_for(1s);
  ana.unplug();
  bo.say(ana, "are you there?");
  ana.sleeps_for(30s);
  ASSERT_TRUE(world.run_until([&] { return ana.inbox().size() == 2; }, 2s));
  EXPECT_THAT(ana.inbox(), ElementsAre("wait for it", "are you there?"));
}

// A home that sees its leaf somewhere else each time must not make it ping for ever.
TEST_F(Moves, ARouterThatChangesItsAddressAllTheTimeCostsLittle) {
  const auto sent = ana.counters().datagrams_out;
  for (int i = 0; i < 30; ++i) {
    ana.router_reboots(true);
    ana.is_told([](Overlay& overlay, TimePoint now) { overlay.on_network_change(now); });
    world.run_for(1s);
  }
  EXPECT_LE(ana.counters().datagrams_out - sent, 30u * 40u);
  EXPECT_LE(ana.events_of<Moved>().size(), 4u + 30u / 5u);
  EXPECT_TRUE(world.are_direct(ana, bo, 30s));
}

TEST_F(Moves, ALongSleepOutlivesTheRegistrationAndNotTheNode) {
  ana.sleeps_for(1h);
  EXPECT_TRUE(world.run_until([&] { return hub.status().leaves == 2; }, 1s));
  bo.say(ana, "good morning");
  EXPECT_TRUE(world.run_until([&] { return ana.inbox().size() == 1; }, 5s));
}

}  // namespace
}  // namespace byway::scenarios::network_test

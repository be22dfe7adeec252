// Where a NAT picks another port for every destination: predicted, met, or found by the birthday
// paradox; and what that costs others.
#include <algorithm>
#include <cstdlib>
#include <set>

#include "tests/scenarios/scenario.h"

namespace byway::scenarios::hard_pairs_test {
namespace {

// Every site 20 ms from the core, as in the lab; the supernodes next to it.
struct HardMeeting : Meeting {
  HardMeeting(Seed seed, const Nat& ana_nat, const Nat& bo_nat)
      : Meeting(seed, ana_nat, bo_nat, 3) {
    for (const Host& host : world.hosts())
      const_cast<Host&>(host).wire({.delay = host.kind() == Host::Kind::supernode ? 0ms : 20ms});
  }
  // How long ana takes to a path that works both ways; nothing: she finds none.
  std::optional<Duration> direct_within(Duration limit) {
    if (!registered_at(3)) return {};
    world.run_for(500ms);
    const TimePoint began = world.now();
    ana.say(bo, "hello");
    if (!world.are_direct(ana, bo, limit)) return {};
    return world.now() - began;
  }
};

struct Tries {
  std::vector<Duration> times;
  int failed = 0;
  Method method = Method::none;
  Duration median() const { return times[times.size() / 2]; }
};

Tries try_often(int tries, std::uint64_t seed, const Nat& ana_nat, const Nat& bo_nat) {
  Tries all;
  for (int i = 0; i < tries; ++i) {
    HardMeeting meeting(Seed{seed + static_cast<std::uint64_t>(i)}, ana_nat, bo_nat);
    if (const auto took = meeting.direct_within(10s)) {
      all.times.push_back(*took);
      all.method = meeting.ana.path_to(meeting.bo).method;
    } else {
      ++all.failed;
    }
  }
  std::sort(all.times.begin(), all.times.end());
  if (!all.times.empty())
    ::testing::Test::RecordProperty("median_ms", static_cast<int>(to_ms(all.median())));
  return all;
}

// How many worlds a story about loss is told in: BYWAY_TRIES, or a few.
std::uint64_t seeds_tried() {
  const char* wish = std::getenv("BYWAY_TRIES");
  return wish ? std::stoull(wish) : 20;
}

TEST(HardPair, TheNextPortOfANatThatCountsIsForeseen) {
  for (const bool hard_calls : {false, true}) {
    const Nat easy = Nat::port_restricted(), hard = Nat::symmetric_sequential();
    const Tries tries = try_often(10, 700, hard_calls ? hard : easy, hard_calls ? easy : hard);
    EXPECT_EQ(tries.failed, 0);
    EXPECT_EQ(tries.method, Method::predicted);
    EXPECT_LE(tries.median(), 600ms);
  }
}

TEST(HardPair, ANatThatCountsInStepsOfFourIsNoDifferent) {
  const Tries tries = try_often(5, 720, Nat::port_restricted(), Nat::symmetric_sequential(4));
  EXPECT_EQ(tries.failed, 0);
  EXPECT_EQ(tries.method, Method::predicted);
}

TEST(HardPair, TwoNatsThatCountMeetInTheMiddle) {
  const Tries tries = try_often(10, 740, Nat::symmetric_sequential(), Nat::symmetric_sequential(2));
  EXPECT_EQ(tries.failed, 0);
  EXPECT_EQ(tries.method, Method::predicted);
  EXPECT_LE(tries.median(), 900ms);
}

TEST(HardPair, PortsByChanceAreFoundByTheBirthdayParadox) {
  for (const bool hard_calls : {false, true}) {
    const Nat easy = Nat::port_restricted(), hard = Nat::symmetric_random();
    const Tries tries = try_often(8, 760, hard_calls ? hard : easy, hard_calls ? easy : hard);
    EXPECT_EQ(tries.failed, 0);
    EXPECT_EQ(tries.method, Method::birthday);
    EXPECT_LE(tries.median(), 1200ms);
    EXPECT_LE(tries.times.back(), 4500ms);
  }
}

TEST(HardPair, ABlockOfPortsIsSearchedInNoTime) {
  const Tries tries = try_often(5, 780, Nat::port_restricted(), Nat::symmetric_block(512));
  EXPECT_EQ(tries.failed, 0);
  EXPECT_EQ(tries.method, Method::birthday);
  EXPECT_LE(tries.median(), 600ms);
}

// Somebody else behind the same NAT, who sends to another place `flows` times a second.
class Neighbour {
 public:
  Neighbour(World& world, Host& beside, int flows)
      : world_(world),
        host_(world.stranger("cy").on_lan_of(beside)),
        every_(Duration(1s) / flows) {}
  void run_for(Duration duration) {
    for (const TimePoint end = world_.now() + duration; world_.now() < end;) {
      host_.send({*IpAddress::parse("198.18.0.1"), ++port_}, bytes_of("x"));
      world_.run_for(every_);
    }
  }

 private:
  World& world_;
  Host& host_;
  Duration every_;
  std::uint16_t port_ = 2000;
};

TEST(HardPair, OthersBehindTheSameNatDoNotSpoilThePrediction) {
  for (const Nat& other : {Nat::port_restricted(), Nat::symmetric_sequential()}) {
    int direct = 0;
    for (std::uint64_t seed = 800; seed < 820; ++seed) {
      HardMeeting meeting(Seed{seed}, other, Nat::symmetric_sequential());
      Neighbour cy(meeting.world, meeting.bo, 20);
      ASSERT_TRUE(meeting.registered_at(3));
      cy.run_for(1s);
      meeting.ana.say(meeting.bo, "hello");
      cy.run_for(1s);
      direct += meeting.ana.reaches(meeting.bo, Via::direct);
    }
    EXPECT_GE(direct, 18);
  }
}

TEST(HardPair, WhereUninvitedPacketsTakeAMappingNoneComesUninvited) {
  struct Two {
    Nat ana, bo;
  };
  const Nat easy = Nat::port_restricted().with_poisoning();
  for (const Two& nats : {Two{easy, Nat::symmetric_sequential().with_poisoning()},
                          Two{easy, Nat::symmetric_random().with_poisoning()},
                          Two{Nat::symmetric_sequential().with_poisoning(),
                              Nat::symmetric_sequential().with_poisoning()}})
    for (std::uint64_t seed = 840; seed < 844; ++seed) {
      HardMeeting meeting(Seed{seed}, nats.ana, nats.bo);
      EXPECT_TRUE(meeting.direct_within(5s)) << seed;
    }
}

TEST(HardPair, LossOnTheWayCostsTimeAndNotThePath) {
  struct Two {
    Nat ana, bo;
  };
  for (const Two& nats : {Two{Nat::port_restricted(), Nat::symmetric_sequential()},
                          Two{Nat::port_restricted(), Nat::symmetric_random()},
                          Two{Nat::symmetric_sequential(), Nat::symmetric_sequential()}})
    for (std::uint64_t seed = 860; seed < 866; ++seed) {
      HardMeeting meeting(Seed{seed}, nats.ana, nats.bo);
      for (Host* host : {&meeting.ana, &meeting.bo})
        host->wire({.delay = 20ms, .jitter = 2ms, .loss = 0.05});
      EXPECT_TRUE(meeting.direct_within(30s)) << seed;
    }
}

// The hard side's plan is lost, so it knocks while the other side still waits: its knock comes
// uninvited, and a router that takes it for its own moves all that the socket there tries next to
// another port. So the same sockets would never meet, however often they tried.
TEST(HardPair, WhatFailedIsTriedAgainFromOtherSockets) {
  for (const bool hard_calls : {false, true}) {
    const Nat easy = Nat::port_restricted().with_poisoning(), hard = Nat::symmetric_sequential();
    HardMeeting meeting(Seed{870}, hard_calls ? hard : easy, hard_calls ? easy : hard);
    auto& [world, hub, ana, bo] = static_cast<Meeting&>(meeting);
    Host& counting = hard_calls ? ana : bo;
    ASSERT_TRUE(meeting.registered_at(3));
    ana.say(bo, "hello");
    ASSERT_TRUE(world.run_until([&] { return counting.open_sockets() > 3; }, 1s))
        << "it measures its NAT";
    world.run_for(30ms);
    for (const Host& other : world.hosts())
      if (other.kind() == Host::Kind::supernode) world.cut_one_way(counting, other);
    world.run_for(25ms);
    for (const Host& other : world.hosts())
      if (other.kind() == Host::Kind::supernode) world.heal(counting, other);
    EXPECT_TRUE(world.are_direct(ana, bo, 4s));
    EXPECT_EQ(ana.path_to(bo).method, Method::predicted);
    EXPECT_LE(ana.counters().knocks_sent + bo.counters().knocks_sent, 500u);
  }
}

// Nothing of the second knock is foreseen by the first: two easy NATs whose knocks did not come
// together knock again from sockets that no router has taken anything from.
TEST(HardPair, TwoEasyNatsThatTookAKnockForTheirsMeetFromOtherSockets) {
  const Nat easy = Nat::port_restricted().with_poisoning();
  HardMeeting meeting(Seed{872}, easy, easy);
  auto& [world, hub, ana, bo] = static_cast<Meeting&>(meeting);
  ASSERT_TRUE(meeting.registered_at(3));
  ana.say(bo, "hello");
  // Bo's answer is lost, so bo knocks alone.
  world.run_for(30ms);
  for (const Host& other : world.hosts())
    if (other.kind() == Host::Kind::supernode) world.cut_one_way(bo, other);
  world.run_for(100ms);
  for (const Host& other : world.hosts())
    if (other.kind() == Host::Kind::supernode) world.heal(bo, other);
  EXPECT_TRUE(world.run_until(
      [&] {
        return ana.path_to(bo).path == PathKind::direct_udp &&
               bo.path_to(ana).path == PathKind::direct_udp;
      },
      6s));
}

// Two in a hundred packets are lost, on the way of either; none of these pairs may stay relayed.
TEST(HardPair, ATryThatLossSpoiledIsMadeAgain) {
  struct Two {
    const char* name;
    Nat ana, bo;
  };
  const Nat uninvited = Nat::port_restricted().with_poisoning();
  const Nat counting = Nat::symmetric_sequential();
  for (const Two& nats : {Two{"uninvited to counting", uninvited, counting},
                          Two{"counting to uninvited", counting, uninvited},
                          Two{"counting to counting", counting, counting},
                          Two{"uninvited to uninvited", uninvited, uninvited}}) {
    std::vector<Duration> times;
    for (std::uint64_t seed = 1; seed <= seeds_tried(); ++seed) {
      HardMeeting meeting(Seed{seed}, nats.ana, nats.bo);
      for (Host* host : {&meeting.ana, &meeting.bo})
        host->wire({.delay = 20ms, .jitter = 1ms, .loss = 0.02});
      if (!meeting.registered_at(3)) continue;
      const auto took = meeting.direct_within(15s);
      EXPECT_TRUE(took) << nats.name << ", seed " << seed;
      if (took) times.push_back(*took);
    }
    std::sort(times.begin(), times.end());
    ASSERT_FALSE(times.empty());
    std::cout << nats.name << ": " << times.size() << " direct, median "
              << to_ms(times[times.size() / 2]) << " ms, 95th percentile "
              << to_ms(times[times.size() * 95 / 100]) << ", the last " << to_ms(times.back())
              << "\n";
  }
}

TEST(HardPair, WhatIsFoundIsKeptAliveAndTheRestOfTheSocketsIsClosed) {
  HardMeeting meeting(Seed{880}, Nat::port_restricted().with_lifetime(30s),
                      Nat::symmetric_random().with_lifetime(30s));
  auto& [world, hub, ana, bo] = static_cast<Meeting&>(meeting);
  ASSERT_TRUE(meeting.direct_within(5s));
  world.run_for(5s);
  EXPECT_LE(bo.open_sockets(), 3u) << "the main one, and what the path uses";
  EXPECT_EQ(ana.open_sockets(), 1u);
  for (int i = 0; i < 5; ++i) {
    ana.say(bo, "are you there?");
    world.run_for(50s);
    EXPECT_TRUE(ana.reaches(bo, Via::direct));
    EXPECT_TRUE(bo.reaches(ana, Via::direct));
  }
  EXPECT_EQ(bo.inbox().size(), 6u);
  bo.router_reboots();
  ana.say(bo, "and now?");
  EXPECT_TRUE(world.run_until([&] { return bo.inbox().size() == 7; }, 10s)) << "by the relay";
  EXPECT_TRUE(world.run_until([&] { return ana.reaches(bo, Via::relay); }, 10s));
  EXPECT_TRUE(world.are_direct(ana, bo, 60s)) << "and found again";
}

TEST(HardPair, WhereThereIsNoWayNobodyTriesThousandsOfPorts) {
  HardMeeting meeting(Seed{900}, Nat::symmetric_random(), Nat::symmetric_random());
  auto& [world, hub, ana, bo] = static_cast<Meeting&>(meeting);
  EXPECT_FALSE(meeting.direct_within(20s));
  EXPECT_LE(ana.counters().knocks_sent + bo.counters().knocks_sent, 100u);
  EXPECT_EQ(ana.path_to(bo).why,
            "the peer's NAT picks random ports and this side's picks random ports: neither can be "
            "found by trying");
}

TEST(HardPair, WithASingleSupernodeNobodyCanTellWhatANatDoes) {
  Meeting meeting(Seed{901}, Nat::port_restricted(), Nat::symmetric_sequential());
  auto& [world, hub, ana, bo] = meeting;
  ASSERT_TRUE(meeting.registered());
  ana.say(bo, "hello");
  world.run_for(10s);
  EXPECT_TRUE(ana.reaches(bo, Via::relay));
  EXPECT_FALSE(ana.path_to(bo).why.empty());
}

// Homes that the two have not in common: those of the one pass their word on to the other's.
TEST(HardPair, WitnessesAreBelievedThroughOnesOwnHomes) {
  World world{Seed{902}};
  std::vector<Host*> hubs;
  for (int i = 0; i < 8; ++i) hubs.push_back(&world.supernode("hub" + std::to_string(i)));
  world.run_for(30s);
  const auto knowing = [](std::size_t first) {
    return [first](OverlayConfig& config) {
      config.seeds = {config.seeds.begin() + static_cast<std::ptrdiff_t>(first),
                      config.seeds.begin() + static_cast<std::ptrdiff_t>(first + 4)};
    };
  };
  auto& ana = world.leaf("ana").behind(Nat::port_restricted()).configured(knowing(0));
  auto& bo = world.leaf("bo").behind(Nat::symmetric_random()).configured(knowing(4));
  ASSERT_TRUE(world.run_until(
      [&] { return ana.status().homes.size() == 3 && bo.status().homes.size() == 3; }, 10s));
  std::set<NodeId> homes;
  for (const Host* host : {&ana, &bo})
    for (const auto& home : host->status().homes) homes.insert(home.id);
  ASSERT_GE(homes.size(), 5u) << "at most one in common, or this tells nothing";
  ana.say(bo, "hello");
  EXPECT_TRUE(world.are_direct(ana, bo, 10s));
  EXPECT_EQ(ana.path_to(bo).method, Method::birthday);
}

}  // namespace
}  // namespace byway::scenarios::hard_pairs_test

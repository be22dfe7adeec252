// Everybody finds out what the NAT in front of it does, and the answer is what the NAT is.
#include "overlay/reach/nat_limits.h"
#include "tests/scenarios/scenario.h"

namespace byway::scenarios::nat_test {
namespace {

namespace nat = limits::nat;

// Three who serve, and one who wants to know.
struct Town {
  explicit Town(Seed seed, std::size_t supernodes = 3)
      : world(seed), serving(found(world, supernodes)), ana(world.leaf("ana")) {}
  // Once they know one another.
  static std::vector<Host*> found(World& world, std::size_t count) {
    std::vector<Host*> all;
    for (std::size_t i = 0; i < count; ++i)
      all.push_back(&world.supernode("hub" + std::to_string(i + 1)));
    world.run_until(
        [&] {
          return std::all_of(all.begin(), all.end(), [&](const Host* host) {
            return host->status().supernodes_known >= count;
          });
        },
        60s);
    return all;
  }
  bool ready(Duration within = 5s) {
    return world.run_until([&] { return ana.is_ready(); }, within);
  }
  NatBehaviour learnt() { return ana.status().nat.udp; }

  World world;
  std::vector<Host*> serving;
  Host& ana;
};

struct Kind {
  std::string name;
  Nat nat;
  NatBehaviour truth;
};
void PrintTo(const Kind& kind, std::ostream* out) {
  *out << kind.name;
}

constexpr auto independent = Behaviour::endpoint_independent;
constexpr auto by_address = Behaviour::address_dependent;
constexpr auto by_port = Behaviour::address_port_dependent;

std::vector<Kind> kinds() {
  return {
      {"Public",
       Nat::public_host(),
       {.mapping = Behaviour::none, .filtering = Behaviour::none, .ports = Ports::preserved}},
      {"Firewall",
       Nat::firewall(),
       {.mapping = Behaviour::none, .filtering = by_port, .ports = Ports::preserved}},
      {"FullCone",
       Nat::full_cone(),
       {.mapping = independent,
        .filtering = independent,
        .ports = Ports::preserved,
        .hairpin = false}},
      {"FullConeHairpin",
       Nat::full_cone().with_hairpin(),
       {.mapping = independent,
        .filtering = independent,
        .ports = Ports::preserved,
        .hairpin = true}},
      {"AddressRestricted",
       Nat::address_restricted(),
       {.mapping = independent,
        .filtering = by_address,
        .ports = Ports::preserved,
        .hairpin = false}},
      {"PortRestricted",
       Nat::port_restricted(),
       {.mapping = independent, .filtering = by_port, .ports = Ports::preserved, .hairpin = false}},
      {"PortRestrictedHairpin",
       Nat::port_restricted().with_hairpin(),
       {.mapping = independent, .filtering = by_port, .ports = Ports::preserved, .hairpin = true}},
      {"RandomCone",
       Nat{.filtering = independent, .ports = Ports::random},
       {.mapping = independent,
        .filtering = independent,
        .ports = Ports::random,
        .hairpin = false}},
      {"SequentialCone",
       Nat{.ports = Ports::sequential, .delta = 2},
       {.mapping = independent,
        .filtering = by_port,
        .ports = Ports::sequential,
        .delta = 2,
        .hairpin = false}},
      {"ByAddress",
       Nat{.mapping = by_address, .filtering = by_address, .ports = Ports::sequential},
       {.mapping = by_address,
        .filtering = by_address,
        .ports = Ports::sequential,
        .delta = 1,
        .hairpin = false}},
      {"SymmetricRandom",
       Nat::symmetric_random(),
       {.mapping = by_port, .filtering = by_port, .ports = Ports::random, .hairpin = false}},
      {"SymmetricSequential",
       Nat::symmetric_sequential(),
       {.mapping = by_port,
        .filtering = by_port,
        .ports = Ports::sequential,
        .delta = 1,
        .hairpin = false}},
      {"SymmetricBySevens",
       Nat::symmetric_sequential(7),
       {.mapping = by_port,
        .filtering = by_port,
        .ports = Ports::sequential,
        .delta = 7,
        .hairpin = false}},
      {"SymmetricBlock512",
       Nat::symmetric_block(512),
       {.mapping = by_port,
        .filtering = by_port,
        .ports = Ports::block,
        .block_size = 512,
        .hairpin = false}},
      {"SymmetricBlock2048",
       Nat::symmetric_block(2048),
       {.mapping = by_port,
        .filtering = by_port,
        .ports = Ports::block,
        .block_size = 2048,
        .hairpin = false}},
  };
}

class EveryNat : public testing::TestWithParam<Kind> {};

TEST_P(EveryNat, IsKnownForWhatItIsWhenTheNodeIsReady) {
  Town town{Seed{300}};
  town.ana.behind(GetParam().nat);
  ASSERT_TRUE(town.ready());
  EXPECT_EQ(town.learnt(), GetParam().truth);
  town.world.run_for(10s);
  EXPECT_EQ(town.learnt(), GetParam().truth);
}

INSTANTIATE_TEST_SUITE_P(Nat, EveryNat, testing::ValuesIn(kinds()),
                         [](const auto& kind) { return kind.param.name; });

// Only for who asks, since it takes connections.
TEST_P(EveryNat, IsKnownForWhatItDoesToTcpWhereThatIsStudied) {
  Town town{Seed{302}, 4};
  town.ana.behind(GetParam().nat).configured([](OverlayConfig& config) {
    config.study_tcp = true;
  });
  const NatBehaviour& truth = GetParam().truth;
  const auto tcp = [&] { return town.ana.status().nat.tcp; };
  EXPECT_TRUE(town.world.run_until(
      [&] { return tcp().filtering == truth.filtering && tcp().mapping != Behaviour::unknown; },
      10s));
  town.world.run_for(10s);
  EXPECT_EQ(tcp().filtering, truth.filtering);
  EXPECT_EQ(tcp().mapping, truth.mapping == by_address ? by_port : truth.mapping);
}

TEST(KnowingTheNat, WhereUdpIsBlockedTcpIsKnownAllTheSame) {
  Town town{Seed{308}, 4};
  town.ana.behind(Nat::udp_blocked()).configured([](OverlayConfig& config) {
    config.study_tcp = true;
  });
  town.world.run_for(10s);
  EXPECT_EQ(town.ana.status().nat.tcp.mapping, independent);
  EXPECT_EQ(town.ana.status().nat.tcp.filtering, by_port);
}

TEST(KnowingTheNat, WhoDoesNotAskAboutTcpMakesNoConnection) {
  Town town{Seed{309}, 4};
  town.ana.behind(Nat::full_cone());
  town.world.run_for(30s);
  EXPECT_EQ(town.ana.counters().tcp_opened, 0u);
  EXPECT_EQ(town.ana.status().nat.tcp.filtering, Behaviour::unknown);
}

TEST(KnowingTheNat, TwoNatsInARowLookLikeTheStricterOfThem) {
  Town town{Seed{301}};
  town.ana.behind(Nat::full_cone()).behind(Nat::symmetric_random());
  ASSERT_TRUE(town.ready());
  EXPECT_EQ(town.learnt().mapping, by_port);
  EXPECT_EQ(town.learnt().filtering, by_port);
  EXPECT_EQ(town.learnt().ports, Ports::random);
}

TEST(KnowingTheNat, OneSupernodeTellsHalfOfItAndASecondTheRest) {
  World world{Seed{302}};
  auto& hub = world.supernode("hub");
  auto& second = world.supernode("second");
  auto& ana = world.leaf("ana").behind(Nat::address_restricted());
  second.start();
  second.unplug();
  ASSERT_TRUE(world.run_until([&] { return ana.is_ready(); }, 5s));
  EXPECT_EQ(ana.status().nat.udp.mapping, Behaviour::unknown);
  EXPECT_EQ(ana.status().nat.udp.filtering, Behaviour::unknown);
  EXPECT_EQ(ana.status().nat.udp.ports, Ports::preserved);

  second.plug_in();
  EXPECT_TRUE(world.run_until(
      [&] {
        return ana.status().nat.udp.mapping == independent &&
               ana.status().nat.udp.filtering == by_address;
      },
      5min));
  EXPECT_TRUE(hub.is_running());
}

TEST(KnowingTheNat, OneSupernodeAloneIsEnoughToSeeASymmetricOne) {
  Town town{Seed{303}, 1};
  town.ana.behind(Nat::symmetric_random());
  ASSERT_TRUE(town.ready());
  EXPECT_EQ(town.learnt().mapping, by_port);
  EXPECT_EQ(town.learnt().filtering, by_port);
  EXPECT_EQ(town.learnt().ports, Ports::random);
}

TEST(KnowingTheNat, AnotherNetworkIsMeasuredAndAKnownOneRemembered) {
  Town town{Seed{304}};
  auto& cafe = town.world.router("cafe", Nat::symmetric_sequential());
  auto& home = town.world.router("home", Nat::full_cone());
  town.ana.behind(home);
  ASSERT_TRUE(town.ready());
  EXPECT_EQ(town.learnt().filtering, independent);

  town.ana.in_the_open().behind(cafe);
  EXPECT_TRUE(town.world.run_until([&] { return town.learnt().mapping == by_port; }, 30s));
  EXPECT_EQ(town.learnt().ports, Ports::sequential);

  town.ana.in_the_open().behind(home);
  EXPECT_TRUE(town.world.run_until([&] { return town.learnt().filtering == independent; }, 30s));
}

TEST(KnowingTheNat, WhereUdpIsBlockedThatIsSaid) {
  Town town{Seed{305}};
  town.ana.behind(Nat::udp_blocked());
  EXPECT_TRUE(town.ready(60s));  // by TCP
  EXPECT_EQ(town.learnt().mapping, Behaviour::blocked);
  EXPECT_EQ(town.learnt().filtering, Behaviour::blocked);
}

TEST(KnowingTheNat, NobodyWaitsForItLongerThanThreeSeconds) {
  Town town{Seed{306}};
  town.ana.behind(Nat::port_restricted());
  // What comes from any other port than the main one is lost.
  for (Host* hub : town.serving) hub->spare_sockets(0);
  town.ana.wire({.loss = 0.6});
  std::optional<TimePoint> home;
  ASSERT_TRUE(town.world.run_until(
      [&] {
        if (!home && !town.ana.status().homes.empty()) home = town.world.now();
        return town.ana.is_ready();
      },
      60s));
  ASSERT_TRUE(home);
  EXPECT_LE(town.world.now() - *home, nat::ready_patience + 1ms);
}

TEST(KnowingTheNat, WithoutSpareSocketsItIsReadyAllTheSame) {
  Town town{Seed{307}};
  town.ana.behind(Nat::port_restricted()).spare_sockets(0);
  ASSERT_TRUE(town.ready());
  EXPECT_EQ(town.learnt().mapping, independent);  // as its homes see its main socket
  EXPECT_EQ(town.learnt().filtering, Behaviour::unknown);
}

TEST(KnowingTheNat, LossIsNotTakenForAFilter) {
  for (std::uint64_t seed = 310; seed < 330; ++seed) {
    Town town{Seed{seed}};
    town.ana.behind(Nat::full_cone()).wire({.loss = 0.05});
    ASSERT_TRUE(town.ready(20s)) << seed;
    town.world.run_for(5s);
    EXPECT_EQ(town.learnt().mapping, independent) << seed;
    EXPECT_EQ(town.learnt().filtering, independent) << seed;
    EXPECT_EQ(town.learnt().ports, Ports::preserved) << seed;
  }
}

// --- the binding's lifetime ---

class Lifetimes : public testing::TestWithParam<int> {};

TEST_P(Lifetimes, AreFoundToWithinAFewSecondsAndNeverOvershot) {
  const std::chrono::seconds truth{GetParam()};
  Town town{Seed{340}};
  town.ana.behind(Nat::port_restricted().with_lifetime(truth));
  ASSERT_TRUE(town.ready());
  ASSERT_TRUE(town.world.run_until([&] { return town.learnt().lifetime.has_value(); }, 20min));
  EXPECT_LE(*town.learnt().lifetime, truth);
  const auto most = std::min<Duration>(truth, nat::lifetime_most);
  EXPECT_GE(*town.learnt().lifetime, most - std::max<Duration>(2s, most / 8));
}
INSTANTIATE_TEST_SUITE_P(Seconds, Lifetimes, testing::Values(12, 20, 30, 45, 60, 120, 300));

TEST(KnowingTheNat, WithAShortLifetimeLearntTheHomesNeverLoseUsAgain) {
  Town town{Seed{341}};
  town.ana.behind(Nat::symmetric_random().with_lifetime(12s));
  ASSERT_TRUE(town.ready());
  ASSERT_TRUE(town.world.run_until([&] { return town.learnt().lifetime.has_value(); }, 20min));
  town.world.run_for(30s);
  const auto seen = [&] {
    std::vector<Endpoint> all;
    for (const HomeStatus& home : town.ana.status().homes) all.push_back(home.observed);
    return all;
  };
  // A binding that had been forgotten would come back as another random port.
  const auto before = seen();
  town.world.run_for(10min);
  EXPECT_EQ(seen(), before);
}

TEST(KnowingTheNat, APublicHostHasNoBindingToLose) {
  Town town{Seed{342}};
  ASSERT_TRUE(town.ready());
  town.world.run_for(10min);
  EXPECT_EQ(town.learnt().lifetime, std::nullopt);
}

// --- what it costs ---

TEST(KnowingTheNat, TakesAboutFortyPacketsAndThenHardlyAny) {
  Town town{Seed{350}};
  town.ana.behind(Nat::symmetric_block(512));  // which takes the most samples
  const auto sent = [&] { return town.ana.counters().datagrams_out; };
  ASSERT_TRUE(town.ready());
  // The three homes took a handshake, its confirmation and a record or two each.
  const auto at_first = sent();
  EXPECT_LE(at_first, 40u);
  town.world.run_for(15s);  // before the lifetime is looked for
  const auto before = sent();
  EXPECT_LE(before - at_first, 15u) << "three of them keepalives";
}

}  // namespace
}  // namespace byway::scenarios::nat_test

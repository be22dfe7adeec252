// Who serves: found out by proof, at every small size of a network, and said in a sentence.
#include "tests/scenarios/scenario.h"

namespace byway::scenarios::roles_test {
namespace {

// Everybody after the first finds out by himself what he can be.
struct Village {
  explicit Village(Seed number) : world(number), first(world.supernode("first")) {}

  Host& automatic(std::string name, const Nat& nat = Nat::public_host()) {
    auto& host = world.leaf(std::move(name)).behind(nat);
    host.configured([](OverlayConfig& config) {
      config.role.reset();
      config.promote_after = 3s;
    });
    return host;
  }
  static bool serves(const Host& host) {
    const std::string role = host.status().role;
    return role == "supernode" || role == "reserve";
  }

  World world;
  Host& first;
};

TEST(Roles, TheFirstNodeSaysThatNobodyCouldProveIt) {
  Village village{Seed{100}};
  village.world.run_for(1min);
  const auto status = village.first.status();
  EXPECT_EQ(status.role, "supernode");
  EXPECT_EQ(status.role_why,
            "told to be a supernode (--role supernode); it is the only one, so nobody can prove "
            "its address");
}

TEST(Roles, TheSecondNodeStaysALeafSinceThereIsNobodyToDialIt) {
  Village village{Seed{101}};
  auto& second = village.automatic("second");
  village.world.run_for(2min);
  EXPECT_EQ(second.status().role, "leaf");
  EXPECT_EQ(second.status().role_why, "nobody can dial " + second.endpoint().to_string() +
                                          " to prove it: the network has no third address yet");
}

TEST(Roles, WithAThirdNodeTheSecondIsProvedEvenIfTheThirdIsBehindANat) {
  Village village{Seed{102}};
  auto& second = village.automatic("second");
  village.world.run_for(1min);
  auto& third = village.automatic("third", Nat::port_restricted());
  EXPECT_TRUE(village.world.run_until([&] { return second.status().role == "supernode"; }, 2min));
  village.world.run_for(3min);
  EXPECT_EQ(third.status().role, "leaf");
  EXPECT_EQ(third.status().role_why, "strangers cannot reach " +
                                         third.status().homes.at(0).observed.to_string() +
                                         ": the NAT in front lets in only whom it has sent to");
  EXPECT_EQ(second.status().role_why,
            "proved reachable and needed when it stepped up (only one other supernode known)");
}

// It says goodbye to its home, as its leaf, and the next moment asks it to be its sponsor.
TEST(Roles, WhoStepsUpIsInTheMeshAtOnceThoughItsSponsorWasItsHome) {
  for (std::uint64_t seed = 110; seed < 116; ++seed) {
    Village village{Seed{seed}};
    auto& second = village.automatic("second");
    village.automatic("third", Nat::port_restricted());
    ASSERT_TRUE(village.world.run_until([&] { return second.status().role == "supernode"; }, 2min));
    EXPECT_TRUE(village.world.run_until([&] { return second.status().supernodes_known >= 2; }, 2s))
        << "seed " << seed;
  }
}

TEST(Roles, OfTwelveThatBeginTogetherThePublicOnesServeWithinAMinuteAndNobodyElse) {
  Village village{Seed{103}};
  std::vector<Host*> open, behind;
  for (int i = 0; i < 5; ++i) open.push_back(&village.automatic("open" + std::to_string(i)));
  for (const Nat& nat : {Nat::address_restricted(), Nat::port_restricted(), Nat::port_restricted(),
                         Nat::symmetric_random(), Nat::symmetric_sequential(), Nat::firewall()})
    behind.push_back(&village.automatic("behind" + std::to_string(behind.size()), nat));
  EXPECT_TRUE(village.world.run_until(
      [&] {
        return std::all_of(open.begin(), open.end(), [](Host* h) { return Village::serves(*h); });
      },
      1min));
  village.world.run_for(10min);
  for (const Host* host : open) EXPECT_TRUE(Village::serves(*host)) << host->name();
  for (const Host* host : behind) {
    EXPECT_EQ(host->status().role, "leaf") << host->name();
    EXPECT_THAT(host->status().role_why, ::testing::StartsWith("strangers cannot reach "));
  }
}

TEST(Roles, ANewcomerToANetworkThatKnowsEverybodyIsProvedByThreeStrangers) {
  Village village{Seed{104}};
  for (const char* name : {"inn", "mill", "barn", "forge", "well"}) village.world.supernode(name);
  village.world.run_for(1min);
  auto& newcomer = village.automatic("newcomer");
  EXPECT_TRUE(village.world.run_until([&] { return Village::serves(newcomer); }, 2min))
      << newcomer.status().role_why;
}

TEST(Roles, AFullConeThatTrulyAnswersAnybodyMayServe) {
  Village village{Seed{105}};
  auto& cone = village.automatic("cone", Nat::full_cone());
  for (int i = 0; i < 3; ++i) village.automatic("open" + std::to_string(i));
  // Whoever it has helped to prove is no stranger to it for ten minutes.
  EXPECT_TRUE(village.world.run_until([&] { return Village::serves(cone); }, 25min))
      << cone.status().role_why;
}

TEST(Roles, ASmallMeshWithoutLeavesKeepsItsProofs) {
  Village village{Seed{106}};
  std::vector<Host*> open;
  for (int i = 0; i < 3; ++i) open.push_back(&village.automatic("open" + std::to_string(i)));
  ASSERT_TRUE(village.world.run_until(
      [&] {
        return std::all_of(open.begin(), open.end(), [](Host* h) { return Village::serves(*h); });
      },
      25min));
  village.world.run_for(3h);
  for (const Host* host : open)
    EXPECT_TRUE(Village::serves(*host)) << host->name() << ": " << host->status().role_why;
}

// Nine that serve, of whom most die in one moment, and a few leaves that go on.
struct Remnant : Village {
  explicit Remnant(Seed number) : Village(number) {
    for (int i = 0; i < 8; ++i) open.push_back(&automatic("open" + std::to_string(i)));
    for (int i = 0; i < 4; ++i) automatic("behind" + std::to_string(i), Nat::port_restricted());
  }
  bool everybody_serves() {
    return world.run_until(
        [&] {
          return std::all_of(open.begin(), open.end(), [](Host* h) {
            return h->status().role == "supernode" || h->status().role == "reserve";
          });
        },
        3min);
  }
  void most_die() {
    first.crash();
    for (std::size_t i = 0; i < 5; ++i) open[i]->crash();
  }

  std::vector<Host*> open;  // the last three survive
};

TEST(Roles, AfterMostSupernodesHaveDiedANewcomerIsProvedWithinHalfAMinute) {
  Remnant remnant{Seed{107}};
  ASSERT_TRUE(remnant.everybody_serves());
  remnant.world.run_for(2min);
  remnant.most_die();
  remnant.world.run_for(1min);
  auto& newcomer = remnant.automatic("newcomer");
  newcomer.configured([&](OverlayConfig& config) {
    config.role.reset();
    config.promote_after = 3s;
    config.seeds = {{remnant.open[7]->id(), remnant.open[7]->endpoint()}};
  });
  EXPECT_TRUE(remnant.world.run_until([&] { return Village::serves(newcomer); }, 30s))
      << newcomer.status().role_why;
}

TEST(Roles, WhereAllAreStartedAnewAtOnceTheyServeOnAndStayProved) {
  Remnant remnant{Seed{109}};
  ASSERT_TRUE(remnant.everybody_serves());
  remnant.world.run_for(2min);
  remnant.first.crash();  // the only one that was told to serve; it stays away
  for (Host* host : remnant.open) host->crash();
  remnant.world.run_for(20s);
  for (Host* host : remnant.open) host->restart_with_state();
  EXPECT_TRUE(remnant.world.run_until(
      [&] {
        return std::all_of(remnant.open.begin(), remnant.open.end(),
                           [](const Host* host) { return host->status().supernodes_known == 8; });
      },
      90s));
  remnant.world.run_for(3h);
  for (const Host* host : remnant.open) {
    EXPECT_EQ(host->status().role, "supernode") << host->name();
    EXPECT_THAT(host->status().role_why, ::testing::StartsWith("proved reachable")) << host->name();
  }
}

TEST(Roles, WhoServedIsALeafAtAnotherAddress) {
  Remnant remnant{Seed{110}};
  Host& mover = *remnant.open[0];
  bool moved = false;
  mover.configured([&moved](OverlayConfig& config) {
    config.role.reset();
    config.promote_after = 3s;
    if (moved) ++config.local_endpoints.at(0).port;
  });
  ASSERT_TRUE(remnant.everybody_serves());
  remnant.world.run_for(2min);
  moved = true;
  mover.restart_with_state();
  EXPECT_EQ(mover.status().role, "leaf");
  moved = false;
  mover.restart_with_state();
  EXPECT_EQ(mover.status().role, "leaf") << "what served last was a leaf";
}

// What it has forgotten its firewall has not: those to whom it spoke before can still come in.
TEST(Roles, WhoIsStartedAnewBehindAFirewallDoesNotTakeItForOpen) {
  Village village{Seed{113}};
  std::vector<Host*> servers{&village.first};
  for (const char* name : {"inn", "mill", "barn", "forge", "well"})
    servers.push_back(&village.world.supernode(name));
  village.world.run_for(1min);
  std::size_t from = 0;
  auto& host = village.automatic("host", Nat::firewall());
  host.configured([&](OverlayConfig& config) {
    config.role.reset();
    config.promote_after = 3s;
    config.seeds.clear();
    for (std::size_t i = from; i < from + 3; ++i)
      config.seeds.push_back({servers[i]->id(), servers[i]->endpoint()});
  });
  ASSERT_TRUE(village.world.run_until([&] { return host.status().homes.size() == 3; }, 1min));
  host.crash();
  from = 3;
  host.restart_with_state();
  village.world.run_for(30min);
  EXPECT_EQ(host.status().role, "leaf");
  EXPECT_THAT(host.status().role_why, ::testing::StartsWith("strangers cannot reach "));
}

TEST(Roles, WhoIsStartedAnewAsALeafIsNoMemberAnyMore) {
  Village village{Seed{108}};
  Role told = Role::supernode;
  auto& second = village.world.leaf("second").in_the_open();
  second.configured([&told](OverlayConfig& config) { config.role = told; });
  auto& third = village.world.supernode("third");
  const auto knows = [](const Host& host, std::size_t supernodes) {
    return host.status().supernodes_known == supernodes;
  };
  ASSERT_TRUE(
      village.world.run_until([&] { return knows(third, 3) && knows(village.first, 3); }, 1min));
  told = Role::leaf;
  second.restart_with_state();
  EXPECT_TRUE(
      village.world.run_until([&] { return knows(third, 2) && knows(village.first, 2); }, 10s))
      << "it answers pings, and serves nobody";
}

bool is_proved_by_tcp(const Host& host) {
  const auto addresses = host.status().addresses;
  return std::any_of(addresses.begin(), addresses.end(), [](const AddressStatus& address) {
    return address.proto == Proto::tcp && address.proved;
  });
}

TEST(Roles, WhoIsReachedByTcpAsWellSaysSoInItsRecordAndNotBefore) {
  Village village{Seed{111}};
  for (const char* name : {"inn", "mill", "barn", "forge", "well"}) village.world.supernode(name);
  village.world.run_for(1min);
  auto& newcomer = village.automatic("newcomer");
  ASSERT_TRUE(village.world.run_until(
      [&] { return newcomer.is_running() && newcomer.status().role == "supernode"; }, 2min));
  EXPECT_THAT(newcomer.overlay().own_record()->record().tcp, IsEmpty());
  ASSERT_TRUE(village.world.run_until([&] { return is_proved_by_tcp(newcomer); }, 10min));
  EXPECT_THAT(newcomer.overlay().own_record()->record().tcp, ElementsAre(newcomer.endpoint()));
  village.world.run_for(3h);
  EXPECT_TRUE(is_proved_by_tcp(newcomer));
}

TEST(Roles, AFullConeIsReachedByUdpAloneAndNobodyIsToldToTryTcp) {
  Village village{Seed{112}};
  for (const char* name : {"inn", "mill", "barn", "forge", "well"}) village.world.supernode(name);
  village.world.run_for(1min);
  auto& cone = village.automatic("cone", Nat::full_cone());
  ASSERT_TRUE(village.world.run_until(
      [&] { return cone.is_running() && cone.status().role == "supernode"; }, 10min))
      << cone.status().role_why;
  village.world.run_for(3h);
  EXPECT_FALSE(is_proved_by_tcp(cone));
  EXPECT_THAT(cone.overlay().own_record()->record().tcp, IsEmpty());
}

// What a node behind a NAT sends in half an hour, from five minutes after its start.
std::uint64_t sent_behind_a_nat(std::optional<Role> role) {
  Village village{Seed{109}};
  for (const char* name : {"inn", "mill", "barn"}) village.world.supernode(name);
  auto& host = village.automatic("host", Nat::port_restricted());
  host.configured([role](OverlayConfig& config) { config.role = role; });
  village.world.run_for(5min);
  const auto before = host.counters().datagrams_out;
  village.world.run_for(30min);
  return host.counters().datagrams_out - before;
}

TEST(Roles, BehindANatThatLetsNobodyInToFindOutOneselfCostsNothing) {
  const auto told = sent_behind_a_nat(Role::leaf);
  const auto itself = sent_behind_a_nat(std::nullopt);
  EXPECT_GT(told, 100u);
  EXPECT_NEAR(static_cast<double>(itself), static_cast<double>(told), 2);
}

}  // namespace
}  // namespace byway::scenarios::roles_test

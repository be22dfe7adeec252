// Nobody lives for ever: seeds die, homes die, and those who are left find one another again.
#include "tests/scenarios/scenario.h"

namespace byway::scenarios::rejoin_test {
namespace {

// A network that began with one seed, which everybody else was told of and nobody needs any more.
struct Town {
  explicit Town(Seed number) : world(number), seed(world.supernode("seed")) {
    for (const char* name : {"inn", "mill", "barn", "forge", "well"}) {
      auto& other = world.supernode(name);
      told_of_the_seed(other);
      others.push_back(&other);
    }
  }
  void told_of_the_seed(Host& host) {
    host.configured([this](OverlayConfig& config) {
      config.seeds = {{seed.id(), seed.endpoint()}};
    });
  }
  Host& leaf(std::string name) {
    auto& host = world.leaf(std::move(name)).behind(Nat::port_restricted());
    told_of_the_seed(host);
    return host;
  }
  bool joined() {
    return world.run_until(
        [&] {
          return std::all_of(others.begin(), others.end(), [](const Host* other) {
            return other->status().supernodes_known == 6;
          });
        },
        60s);
  }
  bool has_homes(const Host& host, std::size_t count, Duration limit) {
    return world.run_until([&] { return host.status().homes.size() >= count; }, limit);
  }
  // The homes of a leaf, all of them in the same moment.
  std::size_t kill_homes_of(const Host& leaf) {
    std::size_t killed = 0;
    for (const HomeStatus& home : leaf.status().homes)
      for (Host* other : others)
        if (other->id() == home.id && other->is_running()) other->crash(), ++killed;
    return killed;
  }
  // How long until a word of hers reaches him; she tries again and again, as people do.
  std::optional<Duration> word_passes(Host& from, Host& to, Duration limit) {
    const TimePoint began = world.now();
    const std::size_t heard = to.inbox().size();
    while (world.now() - began < limit) {
      from.say(to, "are you there?");
      if (world.run_until([&] { return to.inbox().size() > heard; }, 2s))
        return world.now() - began;
    }
    return {};
  }

  World world;
  Host& seed;
  std::vector<Host*> others;
};

TEST(Rejoin, ALeafFindsItsNetworkAgainWithNoSeedAlive) {
  Town town{Seed{90}};
  auto& ana = town.leaf("ana");
  ASSERT_TRUE(town.joined());
  ASSERT_TRUE(town.has_homes(ana, 3, 60s));
  ana.crash();
  town.seed.crash();
  town.world.run_for(5min);

  ana.restart_with_state();
  EXPECT_TRUE(town.world.run_until([&] { return ana.is_ready(); }, 3s));
  EXPECT_TRUE(town.has_homes(ana, 3, 60s));

  ana.restart();
  EXPECT_FALSE(town.world.run_until([&] { return ana.is_ready(); }, 2min))
      << "without its book it has nobody to turn to";
}

TEST(Rejoin, ASupernodeFindsItsNetworkAgainWithNoSeedAlive) {
  Town town{Seed{91}};
  ASSERT_TRUE(town.joined());
  Host& inn = *town.others[0];
  inn.crash();
  town.seed.crash();
  town.world.run_for(75min);  // after an hour the others have forgotten it, and seek it no more

  inn.restart_with_state();
  EXPECT_TRUE(town.world.run_until([&] { return inn.status().supernodes_known == 5; }, 20s));
  inn.crash();
  town.world.run_for(75min);
  inn.restart();
  EXPECT_FALSE(town.world.run_until([&] { return inn.status().supernodes_known > 1; }, 2min))
      << "without its book it is alone";
}

TEST(Rejoin, WhoeverOfAFewIsLeftIsAskedAtOnce) {
  for (std::uint64_t seed = 200; seed < 210; ++seed) {
    Town town{Seed{seed}};
    ASSERT_TRUE(town.joined());
    town.world.run_for(1min);
    Host& back = *town.others[0];
    back.crash();
    town.seed.crash();
    for (std::size_t i = 2; i < town.others.size(); ++i) town.others[i]->crash();  // one is left
    back.restart_with_state();
    EXPECT_TRUE(town.world.run_until([&] { return back.status().supernodes_known > 1; }, 5s))
        << seed;
  }
}

TEST(Rejoin, ADamagedBookIsNoBook) {
  Town town{Seed{92}};
  auto& ana = town.world.leaf("ana").behind(Nat::port_restricted());
  ana.configured([&](OverlayConfig& config) {
    config.seeds = {{town.seed.id(), town.seed.endpoint()}};
    config.peer_book = Bytes(200, 7);
  });
  EXPECT_TRUE(town.world.run_until([&] { return ana.is_ready(); }, 3s));
}

TEST(Rejoin, WhoseHomesAllDieAtOnceReachesOthersWithinSixSecondsOfWantingTo) {
  Town town{Seed{93}};
  auto& ana = town.leaf("ana");
  auto& bo = town.leaf("bo");
  ASSERT_TRUE(town.joined());
  ASSERT_TRUE(town.has_homes(ana, 3, 60s) && town.has_homes(bo, 3, 60s));
  town.seed.crash();
  town.world.run_for(1min);

  ASSERT_GE(town.kill_homes_of(ana), 2u);
  const auto took = town.word_passes(ana, bo, 30s);
  ASSERT_TRUE(took);
  EXPECT_LE(*took, 6s);
}

TEST(Rejoin, WhoseHomesAllDieAtOnceIsReachedAgainWithinTenSeconds) {
  Town town{Seed{94}};
  auto& ana = town.leaf("ana");
  auto& bo = town.leaf("bo");
  ASSERT_TRUE(town.joined());
  ASSERT_TRUE(town.has_homes(ana, 3, 60s) && town.has_homes(bo, 3, 60s));
  town.seed.crash();
  town.world.run_for(1min);

  ASSERT_GE(town.kill_homes_of(bo), 2u);
  const auto took = town.word_passes(ana, bo, 30s);
  ASSERT_TRUE(took);
  EXPECT_LE(*took, 10s);
}

// The moment at which they die decides how long it takes until the next one is asked something. One
// that died a little earlier has left a gap in their turns.
TEST(Rejoin, WhoseHomesAllDieIsReachedAgainWithinSevenSecondsWheneverTheyDo) {
  Duration longest{};
  for (int second = 0; second < 20; ++second) {
    Town town{Seed{150 + static_cast<std::uint64_t>(second)}};
    auto& ana = town.leaf("ana");
    auto& bo = town.leaf("bo");
    ASSERT_TRUE(town.joined());
    ASSERT_TRUE(town.has_homes(ana, 3, 60s) && town.has_homes(bo, 3, 60s));
    town.world.run_for(40s);
    town.seed.crash();
    town.world.run_for(second * 1s);

    ASSERT_GE(town.kill_homes_of(bo), 2u);
    const auto took = town.word_passes(ana, bo, 30s);
    ASSERT_TRUE(took) << second;
    longest = std::max(longest, *took);
  }
  EXPECT_LE(longest, 7s) << "worst of twenty moments";
}

TEST(Rejoin, OneLateHomeIsNotReplaced) {
  Town town{Seed{95}};
  auto& ana = town.leaf("ana");
  ASSERT_TRUE(town.joined());
  ASSERT_TRUE(town.has_homes(ana, 3, 60s));
  town.world.run_for(30s);
  const auto before = ana.status().homes;
  ana.wire({.loss = 0.2});
  town.world.run_for(3min);
  // While one is late another may be asked, and afterwards one of the four is let go.
  const auto lost = ana.events_of<HomeLost>();
  EXPECT_LE(std::count_if(lost.begin(), lost.end(),
                          [](const HomeLost& home) { return home.why == "it stopped answering"; }),
            1)
      << "loss is no death";
  EXPECT_GE(ana.status().homes.size(), 2u);
  EXPECT_LE(ana.status().homes.size(), 3u);
}

}  // namespace
}  // namespace byway::scenarios::rejoin_test

// Which homes a leaf comes to have where some supernodes are near and others far: the near ones, as
// long as they have room, without anybody being made to wait for it or kept moving.
#include "tests/scenarios/scenario.h"

namespace byway::scenarios::near_homes_test {
namespace {

struct Country {
  explicit Country(Seed seed) : world(seed) {}

  Host& supernode(std::string name, Duration away, std::size_t room = 1000) {
    auto& server = world.supernode(name).wire({.delay = away});
    server.configured([room](OverlayConfig& config) { config.max_leaves = room; });
    return server;
  }
  // One that joins those who are there already.
  Host& newcomer(std::string name, Duration away, const Host& known, std::size_t room = 1000) {
    auto& server = world.supernode(name).wire({.delay = away});
    server.configured(
        [room, seed = byway::Seed{known.id(), known.endpoint()}](OverlayConfig& config) {
          config.max_leaves = room;
          config.seeds = {seed};
        });
    return server;
  }
  Host& leaf(std::string name) {
    auto& one = world.leaf(std::move(name)).behind(Nat::port_restricted());
    one.configured([known = seeds](OverlayConfig& config) {
      if (!known.empty()) config.seeds = known;
    });
    leaves.push_back(&one);
    return one;
  }
  // What the leaves after this know.
  void seeds_are(std::vector<const Host*> hosts) {
    seeds.clear();
    for (const Host* host : hosts) seeds.push_back({host->id(), host->endpoint()});
  }
  bool all_have_three() const {
    return std::all_of(leaves.begin(), leaves.end(),
                       [](const Host* leaf) { return leaf->status().homes.size() == 3; });
  }
  std::size_t gained() const {
    std::size_t count = 0;
    for (const Host* leaf : leaves) count += leaf->events_of<HomeGained>().size();
    return count;
  }

  World world;
  std::vector<byway::Seed> seeds;
  std::vector<Host*> leaves;
};

std::vector<NodeId> homes_of(const Host& leaf) {
  std::vector<NodeId> ids;
  for (const HomeStatus& home : leaf.status().homes) ids.push_back(home.id);
  return ids;
}

TEST(NearHomes, WhoHasLostOneAsksHowFarOthersAreAndTakesTheNearest) {
  Country country{Seed{401}};
  auto& hub = country.supernode("hub", 10ms);
  auto& inn = country.supernode("inn", 10ms);
  auto& mill = country.supernode("mill", 10ms);
  for (const char* name : {"cape", "isle", "pole"}) country.supernode(name, 150ms);
  auto& well = country.supernode("well", 5ms);
  for (const char* name : {"reef", "dune"}) country.supernode(name, 150ms);
  country.world.run_for(20s);
  country.seeds_are({&hub, &inn, &mill});
  auto& ana = country.leaf("ana");
  ASSERT_TRUE(country.world.run_until([&] { return country.all_have_three(); }, 10s));
  EXPECT_THAT(homes_of(ana), UnorderedElementsAre(hub.id(), inn.id(), mill.id()));
  country.world.run_for(30s);
  mill.crash();
  EXPECT_TRUE(country.world.run_until(
      [&] { return ana.status().homes.size() == 3 && homes_of(ana).back() == well.id(); }, 30s));
  EXPECT_EQ(ana.events_of<HomeGained>().size(), 4u) << "and nobody in between";
}

TEST(NearHomes, TheDeadAreNotDialledWhereTheLivingAnswer) {
  Country country{Seed{402}};
  auto& hub = country.supernode("hub", 10ms);
  auto& inn = country.supernode("inn", 10ms);
  auto& mill = country.supernode("mill", 10ms);
  std::vector<Host*> dead;
  for (int i = 0; i < 12; ++i) dead.push_back(&country.supernode("dead" + std::to_string(i), 10ms));
  auto& well = country.supernode("well", 60ms);
  country.world.run_for(20s);
  country.seeds_are({&hub, &inn, &mill});
  auto& ana = country.leaf("ana");
  ASSERT_TRUE(country.world.run_until([&] { return country.all_have_three(); }, 10s));
  country.world.run_for(30s);  // it has heard of all of them

  std::size_t in_vain = 0;
  country.world.watch([&](const PacketLine& line, ByteView) {
    if (line.origin != ana.station() || line.kind != PacketKind::handshake1) return;
    for (const Host* host : dead) in_vain += line.to == host->endpoint();
  });
  for (Host* host : dead) host->crash();
  mill.crash();
  EXPECT_TRUE(country.world.run_until(
      [&] { return ana.status().homes.size() == 3 && homes_of(ana).back() == well.id(); }, 30s));
  EXPECT_EQ(in_vain, 0u);
}

// The near ones come later, and nobody knew them before.
TEST(NearHomes, FarHomesAreLeftForNearOnesAndThenNobodyMoves) {
  Country country{Seed{403}};
  auto& cape = country.supernode("cape", 120ms);
  country.supernode("isle", 120ms);
  country.supernode("pole", 120ms);
  country.world.run_for(12min);
  for (int i = 0; i < 10; ++i) country.leaf("leaf" + std::to_string(i));
  ASSERT_TRUE(country.world.run_until([&] { return country.all_have_three(); }, 10s))
      << "nobody waits for a better home than there is";
  std::vector<const Host*> near;
  for (const char* name : {"well", "barn", "forge"})
    near.push_back(&country.newcomer(name, 10ms, cape));
  country.world.run_for(12h);  // samples come every six
  EXPECT_TRUE(country.all_have_three());
  for (const Host* host : near) EXPECT_EQ(host->status().leaves, 10u) << host->name();
  const std::size_t moves = country.gained();
  EXPECT_EQ(moves, 60u) << "each left three homes, once";
  country.world.run_for(12h);
  EXPECT_EQ(country.gained(), moves);
}

// Three near ones cannot take everybody.
TEST(NearHomes, TheNearOnesAreNotOverrunAndTheRestStaysWhereItIs) {
  Country country{Seed{404}};
  auto& cape = country.supernode("cape", 120ms, 64);
  country.supernode("isle", 120ms, 64);
  country.supernode("pole", 120ms, 64);
  country.world.run_for(12min);
  for (int i = 0; i < 40; ++i) country.leaf("leaf" + std::to_string(i));
  ASSERT_TRUE(country.world.run_until([&] { return country.all_have_three(); }, 2min));
  std::vector<const Host*> near;
  for (const char* name : {"well", "barn", "forge"})
    near.push_back(&country.newcomer(name, 10ms, cape, 32));
  country.world.run_for(15h);
  EXPECT_TRUE(country.all_have_three());
  for (const Host* host : near) {
    EXPECT_LE(host->status().leaves, 23u) << "seven tenths of 32";
    EXPECT_GE(host->status().leaves, 12u) << host->name();
  }
  const std::size_t moves = country.gained();
  country.world.run_for(5h);
  EXPECT_LE(country.gained(), moves + 4) << "it has come to rest";
}

}  // namespace
}  // namespace byway::scenarios::near_homes_test

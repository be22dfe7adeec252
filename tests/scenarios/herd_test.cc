// Many leaves and few supernodes: nobody is turned away who has nowhere else to go, and who is
// turned away is told where to go.
#include "tests/scenarios/scenario.h"

namespace byway::scenarios::herd_test {
namespace {

struct FullHouse {
  explicit FullHouse(Seed seed, std::size_t room) : world(seed), hub(world.supernode("hub")) {
    hub.configured([room](OverlayConfig& config) { config.max_leaves = room; });
  }
  // Leaves that were told of the hub only.
  void come(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      auto& leaf = world.leaf("leaf" + std::to_string(leaves.size()));
      leaf.behind(Nat::port_restricted()).configured([this](OverlayConfig& config) {
        config.seeds = {{hub.id(), hub.endpoint()}};
      });
      leaves.push_back(&leaf);
    }
  }
  std::size_t ready() const {
    return static_cast<std::size_t>(std::count_if(
        leaves.begin(), leaves.end(), [](const Host* leaf) { return leaf->is_ready(); }));
  }

  World world;
  Host& hub;
  std::vector<Host*> leaves;
};

TEST(Herd, WhoHasNoHomeIsTakenInUpToAThirdBeyondTheLimitAndNoFurther) {
  FullHouse house{Seed{110}, 10};
  house.come(20);
  house.world.run_for(2min);
  EXPECT_EQ(house.hub.status().leaves, 13u);
  EXPECT_EQ(house.ready(), 13u);
}

TEST(Herd, WhoIsTurnedAwayIsToldWhoHasRoom) {
  FullHouse house{Seed{111}, 10};
  auto& inn = house.world.supernode("inn");
  house.world.run_for(20s);
  house.come(20);
  EXPECT_TRUE(house.world.run_until([&] { return house.ready() == 20; }, 10s)) << house.ready();
  EXPECT_LE(house.hub.status().leaves, 13u);
  EXPECT_GE(inn.status().leaves, 7u);
}

TEST(Herd, ASecondHomeIsGivenOnlyWhereThereIsRoomToSpare) {
  FullHouse house{Seed{112}, 10};
  auto& inn = house.world.supernode("inn");
  inn.configured([](OverlayConfig& config) { config.max_leaves = 1000; });
  house.world.run_for(20s);
  // These live at the inn, and would like the hub as well.
  for (int i = 0; i < 20; ++i) {
    auto& leaf = house.world.leaf("guest" + std::to_string(i));
    leaf.behind(Nat::port_restricted()).configured([&inn](OverlayConfig& config) {
      config.seeds = {{inn.id(), inn.endpoint()}};
    });
    house.leaves.push_back(&leaf);
  }
  house.world.run_for(5min);
  EXPECT_EQ(inn.status().leaves, 20u);
  EXPECT_EQ(house.hub.status().leaves, 9u) << "below nine tenths";
}

TEST(Herd, ANewSupernodeTakesItsLoadByAndBy) {
  FullHouse house{Seed{114}, 100};
  auto& inn = house.world.supernode("inn");
  house.world.run_for(20s);
  house.come(60);
  EXPECT_TRUE(house.world.run_until([&] { return house.ready() == 60; }, 20s)) << house.ready();
  EXPECT_LE(house.hub.status().leaves, 42u) << "32 at first, and a third more for the homeless";
  EXPECT_GE(inn.status().leaves, 18u);
  house.world.run_for(30min);
  EXPECT_EQ(house.hub.status().leaves, 60u) << "as their other home";
}

// Three that serve fifty leaves each, and three that come later.
TEST(Herd, WhoComesLaterTakesItsShareWithinMinutesAndThenNobodyMoves) {
  FullHouse house{Seed{115}, 64};
  std::vector<Host*> servers{&house.hub};
  const auto serve = [&](std::string name) {
    auto& server = house.world.supernode(std::move(name));
    server.configured([&house](OverlayConfig& config) {
      config.max_leaves = 64;
      config.seeds = {{house.hub.id(), house.hub.endpoint()}};
    });
    servers.push_back(&server);
  };
  serve("inn");
  serve("mill");
  house.world.run_for(12min);  // nobody is new any more
  house.come(50);
  const auto moves = [&] {
    std::size_t gained = 0;
    for (const Host* leaf : house.leaves) gained += leaf->events_of<HomeGained>().size();
    return gained;
  };
  const auto all_have_three = [&] {
    return std::all_of(house.leaves.begin(), house.leaves.end(),
                       [](const Host* leaf) { return leaf->status().homes.size() == 3; });
  };
  ASSERT_TRUE(house.world.run_until(all_have_three, 2min));
  house.world.run_for(20min);
  EXPECT_EQ(moves(), 150u) << "among equals nobody moves";

  for (const char* name : {"barn", "forge", "well"}) serve(name);
  house.world.run_for(15min);
  EXPECT_TRUE(all_have_three());
  std::size_t taken_over = 0;
  for (std::size_t i = 0; i < servers.size(); ++i) {
    const std::size_t leaves = servers[i]->status().leaves;
    if (i < 3) {
      EXPECT_LE(leaves, 38u) << servers[i]->name() << " had fifty";
    } else {
      EXPECT_GE(leaves, 8u) << servers[i]->name();
      taken_over += leaves;
    }
  }
  EXPECT_GE(taken_over, 40u);
  const std::size_t moved = moves() - 150;
  EXPECT_LE(moved, 75u) << "nobody moved for nothing";
  house.world.run_for(1h);
  EXPECT_EQ(moves() - 150, moved) << "and there it ends";
}

TEST(Herd, AfterAMassFailureEverybodyComesBackSpreadOverTime) {
  FullHouse house{Seed{113}, 1000};
  auto& inn = house.world.supernode("inn");
  house.world.run_for(10s);
  house.come(40);
  ASSERT_TRUE(house.world.run_until(
      [&] { return house.hub.status().leaves == 40 && inn.status().leaves == 40; }, 2min));
  house.world.run_for(1min);
  house.hub.unplug();
  inn.unplug();
  house.world.run_for(1min);
  house.hub.plug_in();
  inn.plug_in();
  const auto homeless = [&] {
    return std::count_if(house.leaves.begin(), house.leaves.end(),
                         [](const Host* leaf) { return leaf->status().homes.empty(); });
  };
  house.world.run_for(1s);
  EXPECT_GE(homeless(), 20) << "not in one moment";
  EXPECT_TRUE(house.world.run_until([&] { return homeless() == 0; }, 90s));
}

}  // namespace
}  // namespace byway::scenarios::herd_test

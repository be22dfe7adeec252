// A leaf finds a home, and finds it again.
#include "tests/scenarios/scenario.h"

namespace byway::scenarios::registration_test {
namespace {

TEST(Registration, ALeafLearnsFromItsHomeHowTheWorldSeesIt) {
  World world{Seed{1}};
  auto& hub = world.supernode("hub");
  Router& nat = world.router("nat", Nat::port_restricted());
  auto& ana = world.leaf("ana").behind(nat);

  ASSERT_TRUE(world.run_until([&] { return ana.is_ready(); }, 4s));
  const auto homes = ana.status().homes;
  ASSERT_EQ(homes.size(), 1u);
  EXPECT_EQ(homes[0].id, hub.id());
  EXPECT_EQ(homes[0].endpoint, hub.endpoint());
  EXPECT_EQ(homes[0].observed, (Endpoint{nat.address(), ana.endpoint().port}));
  EXPECT_TRUE(ana.status().ready);
  EXPECT_EQ(hub.status().leaves, 1u);
}

TEST(Registration, ASupernodeIsReadyByItself) {
  World world{Seed{2}};
  auto& hub = world.supernode("hub");
  EXPECT_TRUE(world.run_until([&] { return hub.is_ready(); }, 1s));
  EXPECT_EQ(hub.status().role, "supernode");
  EXPECT_FALSE(hub.status().role_why.empty());
}

TEST(Registration, ALeafWithoutASupernodeSaysSoAndJoinsWhenOneComesUp) {
  World world{Seed{3}};
  auto& hub = world.supernode("hub");
  auto& ana = world.leaf("ana").behind(Nat::full_cone());
  hub.unplug();
  world.run_for(20s);
  EXPECT_FALSE(ana.is_ready());
  const auto told = ana.events_of<HomeUnreachable>();
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told[0].endpoint, hub.endpoint());
  EXPECT_FALSE(told[0].why.empty());

  hub.plug_in();
  EXPECT_TRUE(world.run_until([&] { return ana.is_ready(); }, 60s));
}

TEST(Registration, ARestartedSupernodeGetsItsLeavesBack) {
  World world{Seed{4}};
  auto& hub = world.supernode("hub");
  auto& ana = world.leaf("ana").behind(Nat::port_restricted());
  ASSERT_TRUE(world.run_until([&] { return ana.is_ready(); }, 4s));

  hub.crash();
  world.run_for(1s);
  hub.restart();
  EXPECT_EQ(hub.status().leaves, 0u);
  EXPECT_TRUE(world.run_until([&] { return hub.status().leaves == 1; }, 40s));
}

TEST(Registration, ALeafThatLeavesIsForgottenAtOnceAndOneThatVanishesInTime) {
  World world{Seed{5}};
  auto& hub = world.supernode("hub");
  auto& ana = world.leaf("ana").behind(Nat::port_restricted());
  auto& bo = world.leaf("bo");
  ASSERT_TRUE(world.run_until([&] { return hub.status().leaves == 2; }, 1s));

  ana.leave();
  EXPECT_TRUE(world.run_until([&] { return hub.status().leaves == 1; }, 1s));
  bo.crash();
  EXPECT_TRUE(world.run_until([&] { return hub.status().leaves == 0; }, 3min));
}

TEST(Registration, OutlivesANightOfKeepalives) {
  World world{Seed{6}, {.story_size = 1000}};
  auto& hub = world.supernode("hub");
  auto& ana = world.leaf("ana").behind(Nat::port_restricted().with_lifetime(30s));
  auto& bo = world.leaf("bo").behind(Nat::port_restricted().with_lifetime(30s));
  world.run_for(8h);
  EXPECT_EQ(hub.status().leaves, 2u);
  EXPECT_THAT(ana.events_of<HomeLost>(), IsEmpty());
  ana.say(bo, "good morning");
  world.run_for(1s);
  EXPECT_THAT(bo.inbox(), ElementsAre("good morning"));
}

}  // namespace
}  // namespace byway::scenarios::registration_test

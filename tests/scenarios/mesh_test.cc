// Supernodes find one another, and leaves find one another through them.
#include "tests/scenarios/scenario.h"

namespace byway::scenarios::mesh_test {
namespace {

TEST(Mesh, TwoSupernodesKnowOneAnotherFromOneSeed) {
  World world{Seed{80}};
  auto& first = world.supernode("first");
  auto& second = world.supernode("second");
  EXPECT_TRUE(world.run_until(
      [&] { return first.status().supernodes_known == 2 && second.status().supernodes_known == 2; },
      30s));
}

TEST(Mesh, LeavesOfDifferentHomesAreIntroducedFromHomeToHome) {
  World world{Seed{81}};
  auto& first = world.supernode("first");
  auto& second = world.supernode("second");
  auto& ana = world.leaf("ana").behind(Nat::port_restricted());
  auto& bo = world.leaf("bo").behind(Nat::port_restricted());
  ana.configured([&](OverlayConfig& config) { config.seeds.resize(1); });
  bo.configured([&](OverlayConfig& config) { config.seeds.erase(config.seeds.begin()); });
  ASSERT_TRUE(world.run_until(
      [&] { return first.status().supernodes_known == 2 && second.status().supernodes_known == 2; },
      30s));
  ASSERT_TRUE(world.run_until([&] { return ana.is_ready() && bo.is_ready(); }, 5s));
  world.run_for(5s);
  ana.say(bo, "through two homes");
  EXPECT_TRUE(world.run_until([&] { return !bo.inbox().empty(); }, 3s));
  EXPECT_TRUE(world.are_direct(ana, bo, 5s));
}

}  // namespace
}  // namespace byway::scenarios::mesh_test

// The same mishap at every moment of a conversation's beginning: races live between two packets,
// so each story is told once for every few milliseconds.
#include "tests/scenarios/scenario.h"

namespace byway::scenarios::moments_test {
namespace {

constexpr Duration moment = 10ms;

TEST(AtAnyMoment, ASupernodeMayRestartAndTheLeafRegisters) {
  for (Duration when{}; when < 200ms; when += moment) {
    SCOPED_TRACE(to_ms(when));
    World world{Seed{60}};
    auto& hub = world.supernode("hub");
    auto& ana = world.leaf("ana").behind(Nat::port_restricted());
    world.run_for(when);
    hub.restart();
    ASSERT_TRUE(world.run_until([&] { return hub.status().leaves == 1 && ana.is_ready(); }, 60s));
  }
}

TEST(AtAnyMoment, APeerMayDropOutAndIsReachedWhenItIsBack) {
  for (Duration when{}; when < 400ms; when += moment) {
    SCOPED_TRACE(to_ms(when));
    Meeting meeting(Seed{61}, Nat::symmetric_random(), Nat::symmetric_random());
    auto& [world, hub, ana, bo] = meeting;
    ASSERT_TRUE(meeting.registered());
    ana.say(bo, "are you there?");
    world.run_for(when);
    bo.unplug();
    world.run_for(15s);
    bo.plug_in();
    world.run_for(15s);
    ana.say(bo, "and now?");
    ASSERT_TRUE(world.run_until(
        [&] { return !bo.inbox().empty() && bo.inbox().back() == "and now?"; }, 15s));
  }
}

TEST(AtAnyMoment, APeerMayRestartAndIsReachedAgain) {
  for (Duration when{}; when < 400ms; when += moment) {
    SCOPED_TRACE(to_ms(when));
    Meeting meeting(Seed{62}, Nat::port_restricted(), Nat::port_restricted());
    auto& [world, hub, ana, bo] = meeting;
    ASSERT_TRUE(meeting.registered());
    ana.say(bo, "are you there?");
    world.run_for(when);
    bo.restart();
    world.run_for(15s);
    ana.say(bo, "and now?");
    ASSERT_TRUE(world.run_until(
        [&] { return !bo.inbox().empty() && bo.inbox().back() == "and now?"; }, 15s));
  }
}

TEST(AtAnyMoment, TheCalledMaySpeakTooAndNothingIsLost) {
  for (std::uint64_t seed = 63; seed < 67; ++seed)
    for (Duration when{}; when < 300ms; when += moment) {
      SCOPED_TRACE(std::to_string(seed) + " at " + std::to_string(to_ms(when)));
      Meeting meeting(Seed{seed}, Nat::symmetric_random(), Nat::symmetric_random());
      auto& [world, hub, ana, bo] = meeting;
      const Wire rough{.delay = 20ms, .reorder = 0.3};
      ana.wire(rough);
      bo.wire(rough);
      ASSERT_TRUE(meeting.registered());
      ana.say(bo, "from ana");
      world.run_for(when);
      bo.say(ana, "from bo");
      ASSERT_TRUE(world.run_until([&] { return !ana.inbox().empty() && !bo.inbox().empty(); }, 3s));
      world.run_for(12s);
      ana.say(bo, "later");
      bo.say(ana, "later");
      world.run_for(2s);
      ASSERT_THAT(bo.inbox(), ElementsAre("from ana", "later"));
      ASSERT_THAT(ana.inbox(), ElementsAre("from bo", "later"));
    }
}

TEST(AtAnyMoment, ADirectPathMayBeCutAndNoWordIsLost) {
  for (Duration when{}; when < 400ms; when += moment) {
    SCOPED_TRACE(to_ms(when));
    Meeting meeting(Seed{68}, Nat::port_restricted(), Nat::full_cone());
    auto& [world, hub, ana, bo] = meeting;
    ASSERT_TRUE(meeting.registered());
    ana.say(bo, "one");
    world.run_for(when);
    world.cut(ana, bo);
    bo.say(ana, "two");
    ana.say(bo, "three");
    ASSERT_TRUE(
        world.run_until([&] { return bo.inbox().size() == 2 && ana.inbox().size() == 1; }, 12s));
    world.heal(ana, bo);
    ASSERT_TRUE(world.are_direct(ana, bo, 70s));
  }
}

// The round trip is a little longer than QUIC's first patience, so the first flight is sent twice,
// and the second one may arrive when the session is long established.
TEST(AtAnyMoment, AFirstFlightThatComesLateStartsNothingNew) {
  for (std::uint64_t seed = 100; seed < 140; ++seed) {
    SCOPED_TRACE(seed);
    Meeting meeting(Seed{seed}, Nat::symmetric_random(), Nat::symmetric_random());
    auto& [world, hub, ana, bo] = meeting;
    const Wire rough{.delay = 38ms, .reorder = 0.3};
    for (Host* host : {&hub, &ana, &bo}) host->wire(rough);
    ASSERT_TRUE(meeting.registered());
    ana.say(bo, "how are you?");
    ASSERT_TRUE(world.run_until([&] { return !bo.inbox().empty(); }, 3s));
    world.run_for(60ms);
    bo.say(ana, "fine");
    ASSERT_TRUE(world.run_until([&] { return !ana.inbox().empty(); }, 3s));
  }
}

// The home that is asked second may well be the one through which the answer comes first: the
// farther one is 110 ms longer one way, the nearer one is asked 150 ms later.
TEST(TwoHomes, WhicheverAnswersFirstCarriesTheTalk) {
  World world{Seed{69}};
  auto& far = world.supernode("far hub").wire({.delay = 60ms});
  auto& near = world.supernode("near hub").wire({.delay = 5ms});
  auto& ana = world.leaf("ana").behind(Nat::symmetric_random());
  auto& bo = world.leaf("bo").behind(Nat::symmetric_random());
  near.unplug();
  ASSERT_TRUE(world.run_until([&] { return ana.is_ready() && bo.is_ready(); }, 5s));
  near.plug_in();
  ASSERT_TRUE(
      world.run_until([&] { return far.status().leaves == 2 && near.status().leaves == 2; }, 2min));
  world.run_for(1s);

  ana.say(bo, "hello");
  ASSERT_TRUE(world.run_until([&] { return !bo.inbox().empty(); }, 3s));
  bo.say(ana, "hello back");
  ASSERT_TRUE(world.run_until([&] { return !ana.inbox().empty(); }, 3s));
  world.run_for(60s);
  ana.say(bo, "still there?");
  world.run_for(3s);
  EXPECT_THAT(bo.inbox(), ElementsAre("hello", "still there?"));
}

TEST(TwoHomes, WhenOneDiesTheOtherCarriesOn) {
  World world{Seed{70}};
  auto& hub = world.supernode("hub");
  auto& other = world.supernode("other hub").wire({.delay = 40ms});
  auto& ana = world.leaf("ana").behind(Nat::symmetric_random());
  auto& bo = world.leaf("bo").behind(Nat::symmetric_random());
  ASSERT_TRUE(
      world.run_until([&] { return hub.status().leaves == 2 && other.status().leaves == 2; }, 10s));
  ana.say(bo, "hello");
  world.run_for(2s);
  ASSERT_TRUE(ana.reaches(bo, Via::relay));
  Host& relay = ana.path_to(bo).via == hub.id() ? hub : other;
  relay.crash();
  ana.say(bo, "through the other?");
  EXPECT_TRUE(world.run_until([&] { return bo.inbox().size() == 2; }, 10s));
  EXPECT_NE(ana.path_to(bo).via, relay.id());
}

}  // namespace
}  // namespace byway::scenarios::moments_test

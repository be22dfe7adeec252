// What happens to a conversation when the world changes under it.
#include "tests/scenarios/scenario.h"

namespace byway::scenarios::survival_test {
namespace {

// Says something every 200 ms and remembers it.
class Talker {
 public:
  Talker(World& world, Host& from, Host& to) : world_(world), from_(from), to_(to) {}

  void talk_for(Duration duration) {
    for (const TimePoint end = world_.now() + duration; world_.now() < end; world_.run_for(200ms))
      say();
  }
  bool talk_until(const std::function<bool()>& holds, Duration limit) {
    for (const TimePoint end = world_.now() + limit; world_.now() < end;) {
      say();
      if (world_.run_until(holds, 200ms)) return true;
    }
    return false;
  }
  const std::vector<std::string>& said() const { return said_; }

 private:
  void say() {
    said_.push_back("message " + std::to_string(said_.size() + 1));
    from_.say(to_, said_.back());
  }

  World& world_;
  Host& from_;
  Host& to_;
  std::vector<std::string> said_;
};

class Survival : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(meeting.registered());
    ana.say(bo, "hello");
    ASSERT_TRUE(world.are_direct(ana, bo, 3s));
    world.run_for(500ms);
    ASSERT_THAT(bo.inbox(), ElementsAre("hello"));
  }

  Meeting meeting{Seed{20}, Nat::port_restricted(), Nat::port_restricted()};
  World& world = meeting.world;
  Host& hub = meeting.hub;
  Host& ana = meeting.ana;
  Host& bo = meeting.bo;
};

TEST_F(Survival, TheIntroducerIsNotNeededAnyMore) {
  hub.crash();
  ana.say(bo, "still here");
  bo.say(ana, "me too");
  world.run_for(1s);
  EXPECT_THAT(bo.inbox(), ElementsAre("hello", "still here"));
  EXPECT_THAT(ana.inbox(), ElementsAre("me too"));

  world.run_for(2min);
  ana.say(bo, "after a while");
  world.run_for(1s);
  EXPECT_THAT(bo.inbox(), ElementsAre("hello", "still here", "after a while"));
  EXPECT_TRUE(ana.reaches(bo, Via::direct));
}

TEST_F(Survival, ACutDirectPathGivesWayToTheRelayAndComesBack) {
  Talker talker(world, ana, bo);
  talker.talk_for(2s);
  world.cut(ana, bo);
  const auto relayed = [&] { return ana.reaches(bo, Via::relay) && bo.reaches(ana, Via::relay); };
  EXPECT_TRUE(talker.talk_until(relayed, 7s));
  EXPECT_FALSE(ana.path_to(bo).why.empty());
  talker.talk_for(5s);
  world.heal(ana, bo);
  const auto direct = [&] { return ana.reaches(bo, Via::direct) && bo.reaches(ana, Via::direct); };
  EXPECT_TRUE(talker.talk_until(direct, 30s));
  world.run_for(5s);

  auto expected = talker.said();
  expected.push_back("hello");
  EXPECT_THAT(bo.inbox(), UnorderedElementsAreArray(expected)) << "none lost, none doubled";
  EXPECT_THAT(ana.undelivered(), IsEmpty());
}

TEST_F(Survival, APathThatFailsInOneDirectionIsLeftToo) {
  Talker talker(world, ana, bo);
  talker.talk_for(1s);
  world.cut_one_way(bo, ana);  // ana's words arrive, bo's do not
  EXPECT_TRUE(talker.talk_until([&] { return ana.reaches(bo, Via::relay); }, 7s));
  bo.say(ana, "do you hear me?");
  talker.talk_for(7s);
  EXPECT_THAT(ana.inbox(), ElementsAre("do you hear me?"));
  EXPECT_TRUE(bo.reaches(ana, Via::relay));
}

TEST_F(Survival, AnIdlePathThatBrokeIsNoticedByTheNextKeepalives) {
  world.cut(ana, bo);
  EXPECT_TRUE(world.run_until([&] { return ana.reaches(bo, Via::relay); }, 30s));
}

TEST_F(Survival, ARebootedNatWithANewAddressIsReachedAgain) {
  Talker talker(world, bo, ana);
  talker.talk_for(1s);
  ana.router_reboots(true);
  talker.talk_for(10s);
  ASSERT_TRUE(world.are_direct(ana, bo, 60s));
  world.run_for(5s);
  EXPECT_THAT(ana.inbox(), UnorderedElementsAreArray(talker.said()));
  EXPECT_THAT(bo.undelivered(), IsEmpty());
}

TEST_F(Survival, ARebootedNatThatKeptItsAddressIsReachedAgain) {
  Talker talker(world, ana, bo);
  talker.talk_for(1s);
  ana.router_reboots(false);
  bo.router_reboots(false);
  talker.talk_for(10s);
  ASSERT_TRUE(world.are_direct(ana, bo, 60s));
  world.run_for(5s);
  auto expected = talker.said();
  expected.push_back("hello");
  EXPECT_THAT(bo.inbox(), UnorderedElementsAreArray(expected));
}

TEST_F(Survival, AMachineThatMovesToAnotherNetworkKeepsItsConversation) {
  Talker talker(world, ana, bo);
  talker.talk_for(1s);
  ana.in_the_open().behind(Nat::port_restricted());
  talker.talk_for(10s);
  ASSERT_TRUE(world.are_direct(ana, bo, 60s));
  bo.say(ana, "where are you now?");
  world.run_for(5s);
  auto expected = talker.said();
  expected.push_back("hello");
  EXPECT_THAT(bo.inbox(), UnorderedElementsAreArray(expected));
  EXPECT_THAT(ana.inbox(), ElementsAre("where are you now?"));
}

TEST_F(Survival, AMachineThatSleptForAMinuteGoesOn) {
  ana.unplug();
  world.run_for(1min);
  ana.plug_in();
  bo.say(ana, "good morning");
  EXPECT_TRUE(world.run_until([&] { return !ana.inbox().empty(); }, 30s));
  EXPECT_TRUE(world.are_direct(ana, bo, 60s));
}

TEST_F(Survival, ARestartedPeerIsTalkedToAgain) {
  bo.crash();
  world.run_for(3s);
  bo.restart();
  world.run_for(5s);
  ana.say(bo, "you are back");
  EXPECT_TRUE(world.run_until([&] { return bo.inbox().size() == 2; }, 30s));
  bo.say(ana, "so I am");
  EXPECT_TRUE(world.run_until([&] { return ana.inbox().size() == 1; }, 30s));
}

TEST_F(Survival, PartitionedHomesAndPeersAllComeBack) {
  world.partition({&ana});
  world.run_for(30s);
  world.heal_partition();
  bo.say(ana, "where were you?");
  EXPECT_TRUE(world.run_until([&] { return !ana.inbox().empty(); }, 60s));
  EXPECT_TRUE(world.run_until([&] { return hub.status().leaves == 2; }, 60s));
}

TEST(Rebinding, ANatThatForgetsQuicklyAndPicksAnotherPortDoesNotEndTheTalk) {
  Nat forgetful = Nat::port_restricted().with_lifetime(15s);  // shorter than the keepalive
  forgetful.ports = Ports::random;
  Meeting meeting(Seed{21}, forgetful, Nat::port_restricted());
  auto& [world, hub, ana, bo] = meeting;
  ASSERT_TRUE(meeting.registered());
  ana.say(bo, "hello");
  ASSERT_TRUE(world.are_direct(ana, bo, 3s));
  for (int i = 0; i < 5; ++i) {
    world.run_for(40s);
    const std::string text = "word " + std::to_string(i);
    bo.say(ana, text);
    EXPECT_TRUE(
        world.run_until([&] { return !ana.inbox().empty() && ana.inbox().back() == text; }, 30s));
  }
  EXPECT_EQ(ana.inbox().size(), 5u);
}

}  // namespace
}  // namespace byway::scenarios::survival_test

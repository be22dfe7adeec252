// A tool comes by, asks supernodes how they are and whom they know, and goes.
#include <set>

#include "protocol/attestation.h"
#include "protocol/record.h"
#include "tests/scenarios/scenario.h"

namespace byway::scenarios::survey_test {
namespace {

Host& tool(World& world, std::string name) {
  return world.leaf(std::move(name)).configured([](OverlayConfig& config) {
    config.seeds.clear();
    config.visitor = true;
  });
}

template <typename Answer>
std::vector<Answer> answers(const Host& tool) {
  std::vector<Answer> found;
  for (const SurveyDone& done : tool.events_of<SurveyDone>())
    if (done.answer)
      if (const auto* answer = std::get_if<Answer>(&*done.answer)) found.push_back(*answer);
  return found;
}

bool is_done(World& world, const Host& tool, std::size_t questions = 1) {
  return world.run_until([&] { return tool.events_of<SurveyDone>().size() >= questions; }, 20s);
}

TEST(Survey, ASupernodeTellsAGuestHowItIs) {
  World world{Seed{70}};
  auto& hub = world.supernode("hub").configured([](OverlayConfig& config) {
    config.max_leaves = 12;
    config.agent = "byway 7";
  });
  auto& ana = world.leaf("ana").behind(Nat::port_restricted());
  auto& probe = tool(world, "probe");
  ASSERT_TRUE(world.run_until([&] { return ana.is_ready(); }, 5s));
  world.run_for(10s);

  probe.survey(hub, StateRequest{});
  ASSERT_TRUE(is_done(world, probe));
  const auto states = answers<SupernodeState>(probe);
  ASSERT_EQ(states.size(), 1u);
  EXPECT_EQ(states[0].leaves, 1u);
  EXPECT_EQ(states[0].agent, "byway 7");
  EXPECT_LE(states[0].limit, 12u);
  EXPECT_TRUE(states[0].relays);
  EXPECT_GE(states[0].uptime_s, 10u);
  const auto done = probe.events_of<SurveyDone>()[0];
  EXPECT_TRUE(done.rtt);
  EXPECT_TRUE(done.handshake_rtt);
  EXPECT_EQ(done.observed, probe.endpoint());
  EXPECT_EQ(hub.status().leaves, 1u) << "a guest is no leaf";
}

TEST(Survey, OneThatIsNotThereIsGivenUpInSeconds) {
  World world{Seed{71}};
  auto& hub = world.supernode("hub");
  auto& probe = tool(world, "probe");
  world.run_for(1s);
  hub.crash();
  probe.survey(hub, StateRequest{});
  EXPECT_TRUE(world.run_until([&] { return !probe.events_of<SurveyDone>().empty(); }, 6s));
  const auto done = probe.events_of<SurveyDone>()[0];
  EXPECT_FALSE(done.answer);
  EXPECT_EQ(done.why, "it did not answer");
}

TEST(Survey, ALeafIsThereButAnswersNothing) {
  World world{Seed{72}};
  world.supernode("hub");
  auto& ana = world.leaf("ana");
  auto& probe = tool(world, "probe");
  ASSERT_TRUE(world.run_until([&] { return ana.is_ready(); }, 5s));
  probe.survey(ana, StateRequest{});
  ASSERT_TRUE(is_done(world, probe));
  EXPECT_EQ(probe.events_of<SurveyDone>()[0].why, "it is there, but does not answer");
  EXPECT_GE(ana.counters().dropped(Drop::unexpected), 1u);
}

TEST(Survey, LossOnTheWayIsMadeUpFor) {
  World world{Seed{73}};
  auto& hub = world.supernode("hub");
  auto& probe = tool(world, "probe").wire(Wire{.loss = 0.3});
  std::size_t answered = 0;
  for (std::size_t i = 1; i <= 20; ++i) {
    probe.survey(hub, StateRequest{});
    ASSERT_TRUE(is_done(world, probe, i));
    answered = answers<SupernodeState>(probe).size();
  }
  EXPECT_GE(answered, 15u);
}

TEST(Survey, EveryMemberIsToldOnceWithItsSignedRecord) {
  World world{Seed{74}};
  std::vector<Host*> hubs;
  for (int i = 0; i < 12; ++i) hubs.push_back(&world.supernode("hub" + std::to_string(i)));
  auto& probe = tool(world, "probe");
  ASSERT_TRUE(world.run_until(
      [&] {
        return std::all_of(hubs.begin(), hubs.end(),
                           [](Host* hub) { return hub->status().supernodes_known == 12; });
      },
      2min));

  std::set<NodeId> told;
  MembersRequest request;
  std::size_t pages = 0;
  for (bool more = true; more; ++pages) {
    ASSERT_LT(pages, 20u);
    probe.survey(*hubs[0], request);
    ASSERT_TRUE(is_done(world, probe, pages + 1));
    const auto all = answers<MembersPage>(probe);
    ASSERT_EQ(all.size(), pages + 1);
    for (const SurveyedMember& member : all.back().members) {
      const auto record = SignedRecord::parse(world.crypto(), member.record);
      ASSERT_TRUE(record);
      EXPECT_TRUE(told.insert(record->record().id).second) << "told twice";
      EXPECT_TRUE(member.admitted);
    }
    more = all.back().more;
    request.from = all.back().next;
  }
  EXPECT_GT(pages, 1u);
  std::set<NodeId> there;
  for (const Host* hub : hubs) there.insert(hub->id());
  EXPECT_EQ(told, there);
}

TEST(Survey, NoAnswerIsLargerThanItsQuestion) {
  World world{Seed{75}};
  auto& hub = world.supernode("hub");
  auto& probe = tool(world, "probe");
  probe.survey(hub, StateRequest{.padding = 0});
  probe.survey(hub, StateRequest{});
  ASSERT_TRUE(is_done(world, probe, 2));
  EXPECT_EQ(answers<SupernodeState>(probe).size(), 1u);
  EXPECT_GE(hub.counters().dropped(Drop::oversize_answer), 1u);
}

TEST(Survey, WhoeverAsksTooOftenIsNotAnswered) {
  World world{Seed{76}};
  auto& hub = world.supernode("hub");
  auto& probe = tool(world, "probe");
  for (int i = 0; i < 300; ++i) probe.survey(hub, StateRequest{});
  ASSERT_TRUE(is_done(world, probe, 300));
  EXPECT_GE(hub.counters().dropped(Drop::survey_rate), 100u);
  EXPECT_GE(answers<SupernodeState>(probe).size(), 100u);
}

TEST(Survey, AGuestFindsALeafsRecordAtItsHolderAndTheLeafAtItsHome) {
  World world{Seed{77}};
  auto& first = world.supernode("first");
  auto& second = world.supernode("second");
  auto& ana = world.leaf("ana").behind(Nat::port_restricted());
  ana.configured([&](OverlayConfig& config) { config.seeds.resize(1); });
  auto& probe = tool(world, "probe");
  ASSERT_TRUE(world.run_until(
      [&] {
        return first.status().supernodes_known == 2 && second.status().supernodes_known == 2 &&
               ana.is_ready();
      },
      60s));
  world.run_for(20s);

  for (Host* holder : {&first, &second}) probe.survey(*holder, Find{0, ana.id()});
  for (Host* home : {&first, &second}) probe.survey(*home, Locate{0, probe.id()});
  for (Host* home : {&first, &second}) probe.survey(*home, Locate{0, ana.id()});
  ASSERT_TRUE(is_done(world, probe, 6));
  for (const Found& found : answers<Found>(probe)) {
    ASSERT_EQ(found.outcome, FindOutcome::known);
    EXPECT_EQ(SignedRecord::parse(world.crypto(), found.record)->record().id, ana.id());
  }
  EXPECT_EQ(answers<Found>(probe).size(), 2u);
  std::size_t here = 0;
  for (const Located& located : answers<Located>(probe)) here += located.here ? 1 : 0;
  EXPECT_EQ(here, ana.status().homes.size());
}

TEST(Survey, AnHonestHelperHasUsDialledByAStranger) {
  World world{Seed{79}};
  auto& first = world.supernode("first");
  auto& second = world.supernode("second");
  auto& probe = tool(world, "probe");
  ASSERT_TRUE(world.run_until(
      [&] { return first.status().supernodes_known == 2 && second.status().supernodes_known == 2; },
      60s));
  world.run_for(2min);  // their own proofs have used the budget of a minute
  probe.survey(first, ProveRequest{});
  ASSERT_TRUE(is_done(world, probe));
  const auto done = probe.events_of<SurveyDone>()[0];
  ASSERT_TRUE(done.answer) << done.why;
  const auto& result = std::get<ProveResult>(*done.answer);
  EXPECT_EQ(result.outcome, ProofOutcome::proved);
  EXPECT_EQ(done.dialled_from, second.endpoint());
  const auto attestation = Attestation::parse(world.crypto(), result.attestation);
  ASSERT_TRUE(attestation);
  EXPECT_EQ(attestation->attested().subject, probe.id());
  EXPECT_EQ(attestation->attested().dialler, second.id());
}

TEST(Survey, BehindANatTheDialDoesNotArriveAndSoItIsTold) {
  World world{Seed{79}};
  auto& first = world.supernode("first");
  auto& second = world.supernode("second");
  auto& probe = tool(world, "probe").behind(Nat::port_restricted());
  ASSERT_TRUE(world.run_until(
      [&] { return first.status().supernodes_known == 2 && second.status().supernodes_known == 2; },
      60s));
  world.run_for(2min);
  probe.survey(first, ProveRequest{});
  ASSERT_TRUE(is_done(world, probe));
  const auto done = probe.events_of<SurveyDone>()[0];
  ASSERT_TRUE(done.answer) << done.why;
  EXPECT_EQ(std::get<ProveResult>(*done.answer).outcome, ProofOutcome::timed_out);
  EXPECT_FALSE(done.dialled_from.is_set());
}

// How `byway overlay ping` sees whether a supernode relays: two visitors, who tell no addresses.
TEST(Survey, TwoVisitorsOfOneHubTalkThroughItAndLeaveNoTrace) {
  World world{Seed{80}};
  auto& hub = world.supernode("hub");
  auto& other = world.supernode("other");
  auto& one = world.leaf("one");
  auto& two = world.leaf("two");
  for (Host* visitor : {&one, &two})
    visitor->configured([&](OverlayConfig& config) {
      config.visitor = true;
      std::erase_if(config.seeds, [&](const auto& seed) { return seed.id == other.id(); });
    });
  auto& probe = tool(world, "probe");
  ASSERT_TRUE(world.run_until([&] { return one.is_ready() && two.is_ready(); }, 5s));
  one.say(two, "through the hub");
  ASSERT_TRUE(world.run_until([&] { return !two.inbox().empty(); }, 5s));
  world.run_for(30s);
  EXPECT_TRUE(one.reaches(two, Via::relay));
  EXPECT_FALSE(one.reaches(two, Via::direct));
  EXPECT_EQ(one.status().homes.size(), 1u);
  for (Host* holder : {&hub, &other}) probe.survey(*holder, Find{0, one.id()});
  ASSERT_TRUE(is_done(world, probe, 2));
  for (const Found& found : answers<Found>(probe)) EXPECT_EQ(found.outcome, FindOutcome::unknown);
}

}  // namespace
}  // namespace byway::scenarios::survey_test

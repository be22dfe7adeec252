// From the first word over the relay to a direct path, for every pair of NATs.
#include "overlay/link/story.h"
#include "tests/scenarios/scenario.h"

namespace byway::scenarios::reach_test {
namespace {

TEST(Trace, TellsWhoIntroducedWhomWhatWasTriedAndWhatCameOfIt) {
  Meeting meeting(Seed{17}, Nat::port_restricted(), Nat::port_restricted());
  auto& [world, hub, ana, bo] = meeting;
  ASSERT_TRUE(meeting.registered());
  EXPECT_EQ(ana.overlay().story(bo.id()), nullptr);
  ana.say(bo, "hello");
  ASSERT_TRUE(world.are_direct(ana, bo, 3s));
  for (const auto& [self, other] : {std::pair{&ana, &bo}, std::pair{&bo, &ana}}) {
    const Story* story = self->overlay().story(other->id());
    ASSERT_NE(story, nullptr);
    std::vector<StepKind> kinds;
    Duration last{};
    for (const StoryStep& step : story->steps()) {
      EXPECT_GE(step.since_begun, last);
      last = step.since_begun;
      kinds.push_back(step.kind);
    }
    EXPECT_EQ(kinds.front(), StepKind::call);
    for (const StepKind kind : {StepKind::knock, StepKind::session, StepKind::proved})
      EXPECT_THAT(kinds, Contains(kind)) << to_string(kind);
    EXPECT_EQ(kinds.back(), StepKind::path);
    EXPECT_THAT(story->steps().back().text, ::testing::StartsWith("direct-udp"));
  }
}

TEST(Trace, SaysWhyAPairIsRelayed) {
  Meeting meeting(Seed{18}, Nat::symmetric_random(), Nat::symmetric_random());
  auto& [world, hub, ana, bo] = meeting;
  ASSERT_TRUE(meeting.registered());
  ana.say(bo, "hello");
  world.run_for(10s);
  const auto steps = ana.overlay().story(bo.id())->steps();
  const auto why = std::find_if(steps.begin(), steps.end(), [](const StoryStep& step) {
    return step.kind == StepKind::not_found;
  });
  ASSERT_NE(why, steps.end());
  EXPECT_THAT(why->text, ::testing::HasSubstr("both NATs pick another port"));
}

TEST(Punch, PeersBehindPortRestrictedNatsMoveFromRelayToDirect) {
  Meeting meeting(Seed{7}, Nat::port_restricted(), Nat::port_restricted());
  auto& [world, hub, ana, bo] = meeting;
  ASSERT_TRUE(meeting.registered());

  ana.say(bo, "hello");
  EXPECT_TRUE(world.run_until([&] { return ana.reaches(bo, Via::relay); }, 1s));
  EXPECT_EQ(ana.path_to(bo).via, hub.id());
  ASSERT_TRUE(world.are_direct(ana, bo, 3s));
  EXPECT_EQ(ana.path_to(bo).path, PathKind::direct_udp);
  EXPECT_EQ(ana.path_to(bo).method, Method::punch);
  EXPECT_EQ(ana.path_to(bo).introduced_by, hub.id());

  world.run_for(1s);
  const auto relayed = hub.counters().relayed_bytes;
  EXPECT_GT(relayed, 0u) << "the first words went through the hub";
  for (int i = 0; i < 20; ++i) {
    ana.say(bo, std::string(1000, 'a'));
    bo.say(ana, std::string(1000, 'b'));
    world.run_for(3s);
  }
  EXPECT_EQ(bo.inbox().size(), 21u);
  EXPECT_EQ(ana.inbox().size(), 20u);
  EXPECT_LT(hub.counters().relayed_bytes - relayed, 1000u) << "and no conversation after";
}

TEST(Punch, TheFirstWordTakesTwoRoundTripsAndTheDirectPathFollowsAtOnce) {
  Meeting meeting(Seed{8}, Nat::port_restricted(), Nat::port_restricted());
  auto& [world, hub, ana, bo] = meeting;
  hub.wire({.delay = 0ms});
  ana.wire({.delay = 20ms});
  bo.wire({.delay = 20ms});
  ASSERT_TRUE(meeting.registered());

  ana.say(bo, "hello");
  EXPECT_TRUE(world.run_until([&] { return !bo.inbox().empty(); }, 250ms));
  EXPECT_TRUE(world.are_direct(ana, bo, 250ms));
}

struct Kind {
  const char* name;
  Nat nat;
};
const Kind kinds[] = {
    {"Public", Nat::public_host()},
    {"Firewall", Nat::firewall()},
    {"FullCone", Nat::full_cone()},
    {"AddressRestricted", Nat::address_restricted()},
    {"PortRestricted", Nat::port_restricted()},
    {"SymmetricRandom", Nat::symmetric_random()},
    {"SymmetricSequential", Nat::symmetric_sequential()},
    {"SymmetricBlock", Nat::symmetric_block(512)},
    {"UdpBlocked", Nat::udp_blocked()},
    {"Tcp443Only", Nat::tcp_443_only()},
    {"Uninvited", Nat::port_restricted().with_poisoning()},
    {"Rejecting", Nat::port_restricted().with_resets()},
};

// Knocks, and SYNs of TCP punching, that the two may send in the first ten seconds.
std::uint64_t budget(const Nat& a, const Nat& b) {
  const auto is_hard = [](const Nat& nat) {
    return nat.mapping == Behaviour::address_port_dependent && nat.ports != Ports::sequential;
  };
  if (direct_possible(a, b) && (is_hard(a) || is_hard(b)))
    return 2400;                                                       // a birthday: 1,750 and 256
  if (direct_possible(a, b) && !direct_by_knocking(a, b)) return 600;  // ports foreseen
  return 100;                                                          // what is known
}

class EveryPair : public ::testing::TestWithParam<std::tuple<Kind, Kind>> {};

TEST_P(EveryPair, IsDirectWhereThatIsPossibleAndElseRelayedForAReason) {
  const auto& [ana_kind, bo_kind] = GetParam();
  Meeting meeting(Seed{9}, ana_kind.nat, bo_kind.nat, 3);
  auto& [world, hub, ana, bo] = meeting;
  ASSERT_TRUE(meeting.registered_at(3) && meeting.registered());

  ana.say(bo, "hello");
  EXPECT_TRUE(world.run_until([&] { return !bo.inbox().empty(); }, 1s));
  if (direct_by_any_means(ana_kind.nat, bo_kind.nat)) {
    EXPECT_TRUE(world.are_direct(ana, bo, 4500ms));
  } else {
    world.run_for(10s);
    EXPECT_TRUE(ana.reaches(bo, Via::relay));
    EXPECT_TRUE(bo.reaches(ana, Via::relay));
    EXPECT_FALSE(ana.path_to(bo).why.empty());
    EXPECT_FALSE(bo.path_to(ana).why.empty());
  }
  bo.say(ana, "hello back");
  world.run_for(1s);
  EXPECT_THAT(bo.inbox(), ElementsAre("hello"));
  EXPECT_THAT(ana.inbox(), ElementsAre("hello back"));
  std::uint64_t spent = 0;
  for (const Host* host : {&ana, &bo})
    spent += host->counters().knocks_sent + host->counters().tcp_attempts;
  RecordProperty("packets", std::to_string(spent));
  EXPECT_LE(spent, budget(ana_kind.nat, bo_kind.nat));
}

INSTANTIATE_TEST_SUITE_P(OfNats, EveryPair,
                         ::testing::Combine(::testing::ValuesIn(kinds), ::testing::ValuesIn(kinds)),
                         [](const auto& pair) {
                           return std::string(std::get<0>(pair.param).name) + "To" +
                                  std::get<1>(pair.param).name;
                         });

TEST(Reach, APublicPeerIsReachedDirectlyFromEitherSide) {
  for (const bool public_side_calls : {true, false}) {
    Meeting meeting(Seed{10}, Nat::public_host(), Nat::symmetric_random());
    auto& [world, hub, ana, bo] = meeting;
    ASSERT_TRUE(meeting.registered());
    public_side_calls ? ana.say(bo, "hi") : bo.say(ana, "hi");
    ASSERT_TRUE(world.are_direct(ana, bo, 1s));
    EXPECT_EQ(bo.path_to(ana).endpoint, ana.endpoint());
  }
}

TEST(Reach, NeighboursOnOneLanTalkOverTheirPrivateAddresses) {
  World world{Seed{11}};
  world.supernode("hub");
  auto& ana = world.leaf("ana").behind(Nat::port_restricted());
  auto& bo = world.leaf("bo").on_lan_of(ana);
  world.run_for(1s);

  ana.say(bo, "hello, neighbour");
  ASSERT_TRUE(world.are_direct(ana, bo, 3s));
  world.run_for(2s);
  EXPECT_EQ(ana.path_to(bo).endpoint, bo.endpoint());
  EXPECT_EQ(bo.path_to(ana).endpoint, ana.endpoint());
  EXPECT_EQ(ana.path_to(bo).method, Method::lan);
  EXPECT_LT(ana.path_to(bo).rtt, 5ms);
}

TEST(Reach, TheSamePrivateAddressInTwoLansConfusesNobody) {
  World world{Seed{12}};
  world.supernode("hub");
  const auto lan = *IpAddress::parse("192.168.1.0");
  auto& ana = world.leaf("ana").behind(world.router("ana's nat", Nat::port_restricted()).lan(lan));
  auto& bo = world.leaf("bo").behind(world.router("bo's nat", Nat::port_restricted()).lan(lan));
  // Somebody in ana's home answers to bo's private address, with a node of her own.
  auto& cy = world.leaf("cy").on_lan_of(ana);
  ASSERT_EQ(bo.endpoint(), ana.endpoint());
  world.run_for(1s);

  ana.say(bo, "are you bo?");
  cy.say(bo, "so am I");
  ASSERT_TRUE(world.are_direct(ana, bo, 3s));
  ASSERT_TRUE(world.are_direct(cy, bo, 3s));
  world.run_for(1s);
  EXPECT_THAT(bo.inbox(), UnorderedElementsAre("are you bo?", "so am I"));
}

TEST(Reach, BehindOneNatThatHairpinsItsOutsideEndpointsWork) {
  World world{Seed{13}};
  world.supernode("hub");
  Router& carrier = world.router("carrier", Nat::full_cone().with_hairpin());
  auto& ana = world.leaf("ana").behind(Nat::port_restricted()).behind(carrier);
  auto& bo = world.leaf("bo").behind(Nat::port_restricted()).behind(carrier);
  world.run_for(1s);
  ana.say(bo, "we have the same carrier");
  EXPECT_TRUE(world.are_direct(ana, bo, 5s));
  EXPECT_EQ(ana.path_to(bo).endpoint.address, carrier.address());
}

TEST(Reach, BehindOneCarrierThatDoesNotHairpinTheRelayRemainsAndSaysWhy) {
  World world{Seed{14}};
  world.supernode("hub");
  Router& carrier = world.router("carrier", Nat::full_cone());
  auto& ana = world.leaf("ana").behind(Nat::port_restricted()).behind(carrier);
  auto& bo = world.leaf("bo").behind(Nat::port_restricted()).behind(carrier);
  world.run_for(1s);
  ana.say(bo, "hello");
  world.run_for(10s);
  EXPECT_THAT(bo.inbox(), ElementsAre("hello"));
  EXPECT_TRUE(ana.reaches(bo, Via::relay));
  EXPECT_FALSE(ana.path_to(bo).why.empty());
}

// On the slower side the peer's first knock would come uninvited if both did not knock together.
TEST(Reach, KnocksComeTogetherEvenWhereTheWaysAreOfDifferentLength) {
  Meeting meeting(Seed{15}, Nat::port_restricted().with_poisoning(),
                  Nat::port_restricted().with_poisoning());
  auto& [world, hub, ana, bo] = meeting;
  ana.wire({.delay = 5ms});
  bo.wire({.delay = 80ms});
  ASSERT_TRUE(meeting.registered());
  ana.say(bo, "hello");
  EXPECT_TRUE(world.are_direct(ana, bo, 8s));
}

TEST(Reach, BothDialAtOnceAndShareOneLink) {
  Meeting meeting(Seed{16}, Nat::port_restricted(), Nat::port_restricted());
  auto& [world, hub, ana, bo] = meeting;
  ASSERT_TRUE(meeting.registered());
  ana.say(bo, "from ana");
  bo.say(ana, "from bo");
  ASSERT_TRUE(world.are_direct(ana, bo, 5s));
  world.run_for(15s);
  EXPECT_THAT(bo.inbox(), ElementsAre("from ana"));
  EXPECT_THAT(ana.inbox(), ElementsAre("from bo"));
  EXPECT_EQ(ana.status().peers.size(), 1u);
  EXPECT_EQ(bo.status().peers.size(), 1u);

  ana.say(bo, "and after the other was drained");
  world.run_for(1s);
  EXPECT_EQ(bo.inbox().size(), 2u);
  EXPECT_THAT(ana.undelivered(), IsEmpty());
  EXPECT_THAT(bo.undelivered(), IsEmpty());
}

TEST(Reach, DiallingALittleApartIsNoDifferent) {
  for (const Duration apart : {1ms, 10ms, 20ms, 30ms, 45ms, 60ms, 100ms}) {
    Meeting meeting(Seed{17}, Nat::full_cone(), Nat::port_restricted());
    auto& [world, hub, ana, bo] = meeting;
    ASSERT_TRUE(meeting.registered());
    ana.say(bo, "from ana");
    world.run_for(apart);
    bo.say(ana, "from bo");
    world.run_for(15s);
    EXPECT_THAT(bo.inbox(), ElementsAre("from ana")) << to_ms(apart);
    EXPECT_THAT(ana.inbox(), ElementsAre("from bo")) << to_ms(apart);
    EXPECT_TRUE(ana.reaches(bo, Via::direct)) << to_ms(apart);
  }
}

TEST(Reach, AnOfflinePeerIsReportedWithinSecondsAndWithAReason) {
  Meeting meeting(Seed{18}, Nat::port_restricted(), Nat::port_restricted());
  auto& [world, hub, ana, bo] = meeting;
  auto& cy = world.leaf("cy").behind(Nat::all_blocked());  // never got as far as a home
  ASSERT_TRUE(meeting.registered());
  bo.crash();

  ana.say(cy, "are you there?");
  ASSERT_TRUE(world.run_until([&] { return ana.gave_up_on(cy).has_value(); }, 10s));
  EXPECT_FALSE(ana.gave_up_on(cy)->empty());

  ana.talk_to(bo);
  ASSERT_TRUE(world.run_until([&] { return ana.gave_up_on(bo).has_value(); }, 10s));
  EXPECT_FALSE(ana.gave_up_on(bo)->empty());
  EXPECT_TRUE(ana.reaches(bo, Via::nothing));

  bo.restart();
  world.run_for(2s);
  ana.say(bo, "there you are");
  world.run_for(2s);
  EXPECT_THAT(bo.inbox(), ElementsAre("there you are"));
}

TEST(Reach, AHomeAndItsLeafTalkOverTheLinkTheyHave) {
  World world{Seed{61}};
  auto& hub = world.supernode("hub");
  auto& ana = world.leaf("ana").behind(Nat::port_restricted());
  ASSERT_TRUE(world.run_until([&] { return ana.is_ready(); }, 2s));
  ana.say(hub, "thank you for the introductions");
  world.run_for(1s);
  EXPECT_THAT(hub.inbox(), ElementsAre("thank you for the introductions"));
  hub.say(ana, "any time");
  world.run_for(1s);
  EXPECT_THAT(ana.inbox(), ElementsAre("any time"));
}

TEST(Reach, MessagesLargerThanAnyWindowMoveWithThePath) {
  Meeting meeting(Seed{19}, Nat::port_restricted(), Nat::port_restricted());
  auto& [world, hub, ana, bo] = meeting;
  ASSERT_TRUE(meeting.registered());
  std::string film(3'000'000, '\0');
  for (std::size_t i = 0; i < film.size(); ++i) film[i] = static_cast<char>('a' + i % 23);
  ana.say(bo, film);
  ASSERT_TRUE(world.run_until([&] { return !bo.inbox().empty(); }, 30s));
  EXPECT_TRUE(bo.inbox()[0] == film);
  EXPECT_TRUE(ana.reaches(bo, Via::direct));
}

}  // namespace
}  // namespace byway::scenarios::reach_test

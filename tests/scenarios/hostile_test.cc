// What strangers, and peers who mean harm, do not achieve.
#include <deque>
#include <map>

#include "protocol/packet.h"
#include "protocol/stun.h"
#include "tests/scenarios/scenario.h"

namespace byway::scenarios::hostile_test {
namespace {

// Remembers the datagrams of one kind that one host sent to another.
class Tap {
 public:
  Tap(World& world, PacketKind kind, const Host& from) {
    world.watch([this, kind, station = from.station()](const PacketLine& line, ByteView bytes) {
      if (line.kind == kind && line.origin == station) taken_.push_back(to_bytes(bytes));
    });
  }
  const std::vector<Bytes>& taken() const { return taken_; }

 private:
  std::vector<Bytes> taken_;
};

std::uint64_t bytes_of_all(const std::vector<Host::Received>& received) {
  std::uint64_t sum = 0;
  for (const auto& datagram : received) sum += datagram.bytes.size();
  return sum;
}

TEST(Stranger, GarbageIsCountedAndDisturbsNobody) {
  Meeting meeting(Seed{50}, Nat::port_restricted(), Nat::public_host());
  auto& [world, hub, ana, bo] = meeting;
  auto& mallory = world.stranger("mallory");
  std::vector<Bytes> genuine;
  world.watch([&](const PacketLine&, ByteView bytes) {
    if (genuine.size() < 500) genuine.push_back(to_bytes(bytes));
  });
  ASSERT_TRUE(meeting.registered());
  ana.say(bo, "hello");
  world.run_for(5s);

  Random random(1);
  std::uint64_t sent = 0;
  const std::vector<Bytes> templates = genuine;
  for (int i = 0; i < 4000; ++i) {
    Bytes garbage(random.below(1400));
    random.fill(garbage);
    if (i % 2) {  // a genuine datagram with a few bytes changed, and perhaps cut short
      garbage = templates[random.below(templates.size())];
      for (int flips = 0; flips < 3; ++flips)
        garbage[random.below(garbage.size())] ^= static_cast<std::uint8_t>(1 + random.below(255));
      if (random.chance(0.2)) garbage.resize(random.below(garbage.size()));
    }
    sent += garbage.size();
    mallory.send(i % 4 < 2 ? hub.endpoint() : bo.endpoint(), garbage);
    if (i % 10 == 0) world.run_for(1ms);
  }
  world.run_for(1s);

  expect_arrivals_accounted_for(hub);
  expect_arrivals_accounted_for(bo);
  EXPECT_GT(hub.counters().dropped() + bo.counters().dropped(), 3500u);
  EXPECT_LE(bytes_of_all(mallory.received()), sent) << "no amplification";
  EXPECT_EQ(hub.status().leaves, 2u);
  EXPECT_TRUE(ana.reaches(bo, Via::direct));
  ana.say(bo, "did you notice anything?");
  world.run_for(1s);
  EXPECT_THAT(bo.inbox(), ElementsAre("hello", "did you notice anything?"));
}

TEST(Stranger, MayAskASupernodeForItsOwnAddress) {
  World world{Seed{51}};
  auto& hub = world.supernode("hub");
  Router& nat = world.router("nat", Nat::port_restricted());
  auto& client = world.stranger("client").behind(nat);
  world.run_for(1s);
  const ByteArray<12> transaction{1, 2, 3};
  client.send(hub.endpoint(), stun_binding_request(transaction));
  world.run_for(1s);
  ASSERT_EQ(client.received().size(), 1u);
  const auto observed = parse_stun_binding_response(client.received()[0].bytes, transaction);
  ASSERT_TRUE(observed.has_value());
  EXPECT_EQ(*observed, (Endpoint{nat.address(), client.endpoint().port}));
}

TEST(Stranger, KnowingALaneIsNotEnoughToUseIt) {
  Meeting meeting(Seed{52}, Nat::symmetric_random(), Nat::symmetric_random());
  auto& [world, hub, ana, bo] = meeting;
  auto& mallory = world.stranger("mallory");
  Tap tap(world, PacketKind::relay, ana);
  ASSERT_TRUE(meeting.registered());
  ana.say(bo, "hello");
  world.run_for(8s);
  ASSERT_TRUE(ana.reaches(bo, Via::relay));
  ASSERT_FALSE(tap.taken().empty());
  const auto frame = parse_relay_frame(tap.taken().back());
  ASSERT_TRUE(frame.has_value());

  const auto before = hub.counters();
  for (int i = 0; i < 10; ++i)
    mallory.send(hub.endpoint(), make_relay_frame(frame->lane, Bytes(50, 0x13)));
  mallory.send(hub.endpoint(), tap.taken().back());
  world.run_for(200ms);
  EXPECT_EQ(hub.counters().dropped(Drop::unknown_lane) - before.dropped(Drop::unknown_lane), 11u);
  EXPECT_THAT(mallory.received(), IsEmpty()) << "silence, not an answer";

  bo.say(ana, "still ours");
  world.run_for(1s);
  EXPECT_THAT(ana.inbox(), ElementsAre("still ours"));
}

TEST(Stranger, AReplayedHandshakeGetsNoSecondSession) {
  Meeting meeting(Seed{53}, Nat::port_restricted(), Nat::port_restricted());
  auto& [world, hub, ana, bo] = meeting;
  auto& mallory = world.stranger("mallory");
  Tap tap(world, PacketKind::handshake1, ana);
  ASSERT_TRUE(meeting.registered());
  ASSERT_FALSE(tap.taken().empty());
  const Bytes registration = tap.taken().front();

  const auto answered = hub.counters().handshakes_answered;
  for (int i = 0; i < 5; ++i) {
    mallory.send(hub.endpoint(), registration);
    world.run_for(1s);
  }
  EXPECT_EQ(hub.counters().handshakes_answered, answered);
  EXPECT_EQ(hub.status().leaves, 2u);
  // At the most it learns what time it is, in fewer bytes than it sent.
  EXPECT_LT(bytes_of_all(mallory.received()), 5 * registration.size());

  // Nor at a supernode that has restarted and remembers nothing.
  hub.crash();
  world.run_for(2s);
  hub.restart();
  mallory.send(hub.endpoint(), registration);
  world.run_for(100ms);
  EXPECT_EQ(hub.status().leaves, 0u);

  ASSERT_TRUE(world.run_until([&] { return hub.status().leaves == 2; }, 60s));
  bo.say(ana, "is it you?");
  world.run_for(2s);
  EXPECT_THAT(ana.inbox(), ElementsAre("is it you?"));
}

TEST(Stranger, AForgedSourceDoesNotMoveARegistration) {
  Meeting meeting(Seed{54}, Nat::port_restricted(), Nat::port_restricted());
  auto& [world, hub, ana, bo] = meeting;
  auto& mallory = world.stranger("mallory");
  Tap tap(world, PacketKind::sealed, ana);
  ASSERT_TRUE(meeting.registered());
  ana.say(bo, "hello");
  world.run_for(30s);
  for (const Bytes& sealed : tap.taken()) mallory.send(hub.endpoint(), sealed);
  world.run_for(1s);
  EXPECT_THAT(mallory.received(), IsEmpty()) << "a replayed packet moves nothing";
  bo.say(ana, "still you?");
  world.run_for(2s);
  EXPECT_THAT(ana.inbox(), ElementsAre("still you?"));
}

// --- introductions as a weapon ----------------------------------------------------------------

TEST(KnockBudget, AnAddressThatNeverAnswersGetsFewKnocksFromAnIntroduction) {
  World world{Seed{55}};
  world.supernode("hub");
  auto& victim = world.stranger("victim");
  auto& bo = world.leaf("bo").behind(Nat::full_cone());
  std::vector<Endpoint> lies;
  for (std::uint16_t i = 0; i < 8; ++i)
    lies.push_back({victim.endpoint().address, static_cast<std::uint16_t>(5000 + i)});
  auto& mallory = world.leaf("mallory").claims(lies);
  world.run_for(1s);

  mallory.talk_to(bo);
  world.run_for(1s);
  const Toward toward = world.toward(bo, victim.endpoint().address);
  EXPECT_GT(toward.packets, 0u) << "the lie was believed, within bounds";
  EXPECT_LE(toward.packets, 16u);
  EXPECT_LE(toward.bytes, toward.packets * 100);
  EXPECT_TRUE(bo.reaches(mallory, Via::direct) || bo.reaches(mallory, Via::relay));
}

TEST(KnockBudget, ManyIntroductionsTogetherStayBelowTheBudgetOfAMinuteForEachAddress) {
  World world{Seed{56}};
  world.supernode("hub");
  auto& bo = world.leaf("bo").behind(Nat::full_cone());
  std::vector<Host*> victims;
  for (int i = 0; i < 8; ++i) victims.push_back(&world.stranger("victim " + std::to_string(i)));
  std::vector<Endpoint> lies;
  for (Host* victim : victims) lies.push_back(victim->endpoint());

  std::map<IpAddress, std::deque<TimePoint>> knocks_at;
  std::size_t most_in_a_minute = 0;
  world.watch([&](const PacketLine& line, ByteView) {
    if (line.origin != bo.station()) return;
    const bool at_a_victim = std::any_of(lies.begin(), lies.end(), [&](const Endpoint& lie) {
      return lie.address == line.to.address;
    });
    if (!at_a_victim) return;
    auto& knocks = knocks_at[line.to.address];
    knocks.push_back(line.sent);
    while (knocks.front() <= line.sent - 1min) knocks.pop_front();
    most_in_a_minute = std::max(most_in_a_minute, knocks.size());
  });

  std::vector<Host*> gang;
  for (int i = 0; i < 6; ++i)
    gang.push_back(&world.leaf("mallory " + std::to_string(i)).claims(lies));
  world.run_for(1s);
  for (int round = 0; round < 10; ++round) {
    for (Host* mallory : gang) {
      mallory->restart();
      world.run_for(300ms);
      mallory->talk_to(bo);
      world.run_for(1s);
    }
  }
  EXPECT_GT(most_in_a_minute, 0u);
  EXPECT_LE(most_in_a_minute, 64u);
}

}  // namespace
}  // namespace byway::scenarios::hostile_test

// The conductor with strangers at its door: one node, and datagrams made by hand.
#include "overlay/overlay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "overlay/core/limits.h"
#include "protocol/codec.h"
#include "protocol/cookie.h"
#include "protocol/handshake.h"
#include "tests/unit/overlay/cast.h"
#include "tests/unit/protocol/odd_keys.h"
#include "tests/unit/protocol/people.h"

namespace byway::overlay_test {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Crypto& crypto = sodium_crypto();

// A node, and all it ever sent and said.
class Node {
 public:
  Node(const Identity& identity, Role role, std::string_view endpoint, std::vector<Seed> seeds = {})
      : endpoint_(at(endpoint)),
        overlay_(
            OverlayConfig{
                .role = role, .seeds = std::move(seeds), .local_endpoints = {at(endpoint)}},
            identity, crypto, Random(identity.id().key()), noon, wall_noon) {}

  Overlay& operator*() { return overlay_; }
  Overlay* operator->() { return &overlay_; }
  Seed as_seed() const { return {overlay_.id(), endpoint_}; }
  const Endpoint& endpoint() const { return endpoint_; }

  void hear(TimePoint now, const Endpoint& from, ByteView bytes) {
    overlay_.on_datagram(now, {from, bytes});
  }
  // What it wants to send now.
  std::vector<Transmit> sent(TimePoint now) {
    std::vector<Transmit> all;
    while (auto transmit = overlay_.poll_transmit(now)) all.push_back(std::move(*transmit));
    return all;
  }
  template <class Kind>
  std::vector<Kind> told() {
    std::vector<Kind> all;
    while (auto event = overlay_.poll_event())
      if (auto* kind = std::get_if<Kind>(&*event)) all.push_back(std::move(*kind));
    return all;
  }

 private:
  Endpoint endpoint_;
  Overlay overlay_;
};

// Carries everything between the two until both are silent.
void converse(TimePoint now, Node& a, Node& b) {
  for (int turns = 0; turns < 50; ++turns) {
    const auto from_a = a.sent(now), from_b = b.sent(now);
    if (from_a.empty() && from_b.empty()) return;
    for (const auto& t : from_a)
      if (t.to == b.endpoint()) b.hear(now, a.endpoint(), t.bytes);
    for (const auto& t : from_b)
      if (t.to == a.endpoint()) a.hear(now, b.endpoint(), t.bytes);
  }
  ADD_FAILURE() << "a conversation without end";
}

Bytes hello_from(const Identity& who, const NodeId& to, const Hello& hello, std::size_t size,
                 Random& random) {
  return Initiator::make(crypto, who, to, 11, random)->start(encode(hello, size));
}

// The first packet of somebody who goes by his key with a point of order two added to it.
Bytes hello_under_odd_name(const Identity& who, const NodeId& to, Hello hello, Random& random) {
  hello.id = NodeId::trusted(with_torsion(who.id().key()));
  Bytes prologue = to_bytes(bytes_of("byway link 1"));
  append(prologue, to.key());
  const KeyPair self{who.x25519_secret(), x25519_with_torsion(who.x25519_public())};
  NoiseInitiator noise(crypto, prologue, self, *crypto.x25519_from_ed25519(to.key()));
  Bytes datagram{static_cast<std::uint8_t>(PacketKind::handshake1), 0, 0, 0, 0, 0, 0, 11};
  append(datagram, *noise.write_message1(KeyPair::from_secret(crypto, random.bytes<32>()),
                                         encode(hello, 200)));
  Bytes labelled = to_bytes(bytes_of("byway mac1"));
  append(labelled, to.key());
  append(datagram, crypto.mac(crypto.hash(labelled), datagram));
  append(datagram, Tag{});
  return datagram;
}

class OverlayStory : public testing::Test {
 protected:
  OverlayStory() {
    for (int i = 1; i <= 8; ++i)
      talk.candidates.push_back(candidate("203.0.113." + std::to_string(i) + ":7000"));
  }
  const Identity ana = person(1), eve = person(3);
  Node hub{person(2), Role::supernode, "192.0.2.1:7000"};
  const Endpoint elsewhere = at("198.51.100.66:666");
  Random random{7};
  Talk talk;
};

TEST_F(OverlayStory, ALeafRegistersInTwoRoundTrips) {
  Node leaf(ana, Role::leaf, "198.51.100.7:7000", {hub.as_seed()});
  converse(noon, leaf, hub);
  EXPECT_EQ(hub->status(noon).leaves, 1u);
  EXPECT_THAT(leaf.told<HomeGained>(), SizeIs(1));
  EXPECT_EQ(leaf->status(noon).homes.at(0).observed, leaf.endpoint());
}

// It is answered, for its record has still to be verified; who only talks brings nothing signed.
TEST_F(OverlayStory, AKeyOutsideTheSubgroupIsAnsweredOnlyWhereASignatureIsToFollow) {
  const auto answers = [&](auto wish) {
    const Hello hello{.wall = wall_noon + 1s, .wish = std::move(wish)};
    hub.hear(noon, elsewhere, hello_under_odd_name(eve, hub->id(), hello, random));
    return hub.sent(noon).size();
  };
  EXPECT_EQ(answers(talk), 0u);
  EXPECT_EQ(answers(Greet{}), 0u);
  EXPECT_EQ(hub->counters().dropped(Drop::bad_handshake), 2u);
  EXPECT_EQ(answers(Registration{}), 1u);
  EXPECT_EQ(hub->counters().handshakes_answered, 1u);
  EXPECT_EQ(hub->status(noon).leaves, 0u);
}

// A supernode alone knows at once that nobody knows them. The stream still ends as any other would.
TEST_F(OverlayStory, AStreamToSomebodyWhomNobodyKnowsEndsWithTheReason) {
  const auto stream = hub->open_stream(noon, ana.id(), {"echo", {}});
  ASSERT_TRUE(stream);
  hub.sent(noon);
  std::vector<StreamId> closed;
  std::vector<std::string> why;
  while (const auto event = hub->poll_event()) {
    if (const auto* end = std::get_if<StreamClosed>(&*event)) closed.push_back(end->stream);
    if (const auto* unreachable = std::get_if<PeerUnreachable>(&*event))
      why.push_back(unreachable->why);
  }
  EXPECT_THAT(closed, ElementsAre(*stream));
  EXPECT_THAT(why, ElementsAre(HasSubstr("it is offline")));
}

TEST_F(OverlayStory, AStampUsedTwiceDoesNotFetchALongerAnswerThanItsQuestion) {
  std::vector<Endpoint> locals;
  for (int i = 1; i <= 12; ++i) locals.push_back(at("[2001:db8::" + std::to_string(i) + "]:7000"));
  hub->on_local_endpoints(noon, locals);

  const Hello long_one{.id = eve.id(), .wall = wall_noon + 1s, .wish = talk};
  hub.hear(noon, at("198.51.100.9:1"), hello_from(eve, hub->id(), long_one, 800, random));
  const auto answer = hub.sent(noon);
  ASSERT_THAT(answer, SizeIs(1));

  const Hello short_one{.id = eve.id(), .wall = wall_noon + 1s, .wish = Greet{}};
  const Bytes question = hello_from(eve, hub->id(), short_one, 0, random);
  ASSERT_LT(question.size(), answer[0].bytes.size());
  hub.hear(noon, elsewhere, question);
  EXPECT_THAT(hub.sent(noon), IsEmpty());
  EXPECT_EQ(hub->counters().dropped(Drop::oversize_answer), 1u);
}

TEST_F(OverlayStory, NoAnswerToAStrangerIsLongerThanItsQuestion) {
  for (std::size_t size = 0; size < 500; size += 10) {
    const Hello hello{
        .id = eve.id(), .wall = wall_noon + std::chrono::milliseconds(1 + size), .wish = talk};
    const Bytes question = hello_from(eve, hub->id(), hello, size, random);
    hub.hear(noon, elsewhere, question);
    for (const Transmit& answer : hub.sent(noon)) EXPECT_LE(answer.bytes.size(), question.size());
  }
  EXPECT_GT(hub->counters().handshakes_answered, 40u);
}

TEST_F(OverlayStory, AHomeWithAFalseClockDoesNotSpoilOurWordForTheOthers) {
  const Seed false_home{eve.id(), elsewhere};
  Node leaf(ana, Role::leaf, "198.51.100.7:7000", {false_home, hub.as_seed()});
  std::vector<Transmit> for_hub;
  for (int round = 0; round < 3; ++round) {
    for (const Transmit& t : leaf.sent(noon)) {
      if (t.to == hub.endpoint()) for_hub.push_back(t);
      if (t.to != elsewhere) continue;
      const auto responder = Responder::open(crypto, eve, t.bytes);
      ASSERT_TRUE(responder);
      const Welcome welcome{.observed = leaf.endpoint(),
                            .wall = wall_noon + std::chrono::hours(24 * 365 * 500),
                            .answer = Refusal{RefusalReason::stale, 0}};
      leaf.hear(noon, elsewhere, responder->respond(encode(welcome), 22, random).datagram);
    }
  }
  // The first word to the hub is lost, and long after it is called anew.
  TimePoint now = noon;
  for (int steps = 0; steps < 1000 && leaf->status(now).homes.empty(); ++steps) {
    const auto next = leaf->next_timeout();
    ASSERT_TRUE(next);
    now = std::max(now, *next);
    leaf->on_timeout(now);
    if (now < noon + 15s)
      leaf.sent(now);
    else
      converse(now, leaf, hub);
  }
  EXPECT_EQ(hub->status(now).leaves, 1u);
  EXPECT_THAT(leaf->status(now).homes, SizeIs(1));
}

TEST_F(OverlayStory, AnAnswerBroughtFromElsewhereProvesNoPathThither) {
  Node leaf(ana, Role::leaf, "198.51.100.7:7000", {hub.as_seed()});
  leaf->connect(noon, hub->id());
  std::vector<Bytes> answers;
  for (const Transmit& t : leaf.sent(noon)) {
    hub.hear(noon, leaf.endpoint(), t.bytes);
    for (const Transmit& answer : hub.sent(noon)) answers.push_back(answer.bytes);
  }
  ASSERT_FALSE(answers.empty());
  for (const Bytes& answer : answers) leaf.hear(noon, elsewhere, answer);
  EXPECT_THAT(leaf.told<PathChanged>(), IsEmpty());
  const auto peer = leaf->peer(hub->id());
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->path, PathKind::none);
}

TEST_F(OverlayStory, ACookieIsTakenToWhomWeCalledAndNotToWhoBroughtIt) {
  Node leaf(ana, Role::leaf, "198.51.100.7:7000", {hub.as_seed()});
  const auto calls = leaf.sent(noon);
  ASSERT_THAT(calls, SizeIs(1));
  CookieMint mint(crypto, hub->id(), random);
  leaf.hear(noon, elsewhere, mint.reply(noon, leaf.endpoint(), calls[0].bytes));
  const auto again = leaf.sent(noon);
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].to, hub.endpoint());
}

TEST_F(OverlayStory, StrangersWhoNeverConfirmCostABoundedTableAndLeaveNothingBehind) {
  constexpr std::uint64_t more = 40;
  for (std::uint64_t i = 0; i < limits::unconfirmed_links + more; ++i) {
    const Identity stranger = person(1000 + i);
    const Hello hello{.id = stranger.id(), .wall = wall_noon + 1s, .wish = talk};
    hub.hear(noon, elsewhere, hello_from(stranger, hub->id(), hello, 300, random));
    hub.sent(noon);
  }
  EXPECT_EQ(hub->counters().handshakes_evicted, more);
  EXPECT_EQ(hub->status(noon).peers.size(), limits::unconfirmed_links);
  TimePoint now = noon;
  while (!hub->status(now).peers.empty()) {
    const auto next = hub->next_timeout();
    ASSERT_TRUE(next && *next <= noon + 1min);
    now = std::max(now, *next);
    hub->on_timeout(now);
    hub.sent(now);
  }
}

TEST_F(OverlayStory, UnderAFloodACookieComesBeforeAnyCurve) {
  const Hello hello{.id = eve.id(), .wall = wall_noon + 1s, .wish = Greet{}};
  const Bytes question = hello_from(eve, hub->id(), hello, 300, random);
  for (double i = 0; i < limits::handshake_burst; ++i) hub.hear(noon, elsewhere, question);
  hub.sent(noon);
  hub.hear(noon, elsewhere, question);
  const auto answer = hub.sent(noon);
  ASSERT_THAT(answer, SizeIs(1));
  EXPECT_EQ(classify(answer[0].bytes), PacketKind::cookie);
  EXPECT_EQ(hub->counters().dropped(Drop::no_cookie), 1u);
}

TEST_F(OverlayStory, HandshakesThatComeTogetherAreAnsweredAFewInATurn) {
  constexpr std::size_t many = limits::handshakes_waiting + limits::handshakes_in_a_turn + 3;
  std::vector<Bytes> questions;
  std::vector<Datagram> together;
  for (std::uint64_t i = 0; i < many; ++i) {
    const Identity stranger = person(1000 + i);
    const Hello hello{.id = stranger.id(), .wall = wall_noon + 1s, .wish = Greet{}};
    questions.push_back(hello_from(stranger, hub->id(), hello, 300, random));
  }
  for (const Bytes& question : questions) together.push_back({elsewhere, question});
  hub->on_datagrams(noon, together);
  std::size_t answers = hub.sent(noon).size();
  EXPECT_EQ(answers, limits::handshakes_in_a_turn);
  EXPECT_EQ(hub->counters().dropped(Drop::handshake_queue), 3u);

  for (int turns = 1; hub->next_timeout() == noon; ++turns) {
    hub->on_timeout(noon);
    const std::size_t more = hub.sent(noon).size();
    ASSERT_EQ(more, limits::handshakes_in_a_turn) << "in turn " << turns;
    answers += more;
  }
  EXPECT_EQ(answers, many - 3);
  EXPECT_EQ(hub->counters().handshakes_answered, many - 3);
  EXPECT_EQ(hub->counters().datagrams_in,
            hub->counters().datagrams_used + hub->counters().dropped());
}

TEST_F(OverlayStory, EveryArrivalIsUsedOrDroppedForAReason) {
  Node leaf(ana, Role::leaf, "198.51.100.7:7000", {hub.as_seed()});
  std::vector<Bytes> genuine;
  for (int turns = 0; turns < 10; ++turns) {
    for (const auto& t : leaf.sent(noon)) {
      genuine.push_back(t.bytes);
      hub.hear(noon, leaf.endpoint(), t.bytes);
    }
    for (const auto& t : hub.sent(noon)) {
      genuine.push_back(t.bytes);
      leaf.hear(noon, hub.endpoint(), t.bytes);
    }
  }
  ASSERT_GE(genuine.size(), 4u);
  for (int i = 0; i < 3000; ++i) {
    Bytes bytes = genuine[random.below(genuine.size())];
    for (auto flips = random.below(3); flips > 0; --flips)
      bytes[random.below(bytes.size())] ^= static_cast<std::uint8_t>(1 + random.below(255));
    bytes.resize(random.chance(0.2) ? random.below(bytes.size()) : bytes.size());
    hub.hear(noon, elsewhere, bytes);
    for (const Transmit& answer : hub.sent(noon)) EXPECT_LE(answer.bytes.size(), bytes.size());
    leaf.hear(noon, elsewhere, bytes);
    for (const Transmit& answer : leaf.sent(noon)) EXPECT_LE(answer.bytes.size(), bytes.size());
  }
  for (Node* each : {&hub, &leaf}) {
    const Counters& counters = (*each)->counters();
    EXPECT_EQ(counters.datagrams_in, counters.datagrams_used + counters.dropped());
    EXPECT_GT(counters.dropped(), 2500u);
  }
  EXPECT_EQ(hub->status(noon).leaves, 1u);
}

TEST(Counters, EveryDropHasANameAndASentence) {
  for (std::size_t i = 0; i < drop_kinds; ++i) {
    const auto drop = static_cast<Drop>(i);
    EXPECT_FALSE(name_of(drop).empty());
    EXPECT_FALSE(explain(drop).empty());
  }
  Counters counters;
  counters.drop(Drop::replayed);
  counters.drop(Drop::replayed);
  counters.drop(Drop::quota);
  EXPECT_EQ(counters.dropped(Drop::replayed), 2u);
  EXPECT_EQ(counters.dropped(), 3u);
}

}  // namespace
}  // namespace byway::overlay_test

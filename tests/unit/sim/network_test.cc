#include "tools/sim/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace byway::sim::network_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr TimePoint start = TimePoint{} + 1h;
constexpr std::uint16_t port = 7000;

// A host that writes down what it gets.
class Listener final : public Receiver {
 public:
  struct Got {
    TimePoint at;
    Endpoint from;
    std::string text;
  };
  bool listens_on(std::uint16_t p) const override { return p == port; }
  void on_datagram(TimePoint now, const Endpoint& from, std::uint16_t, ByteView bytes) override {
    got.push_back({now, from, std::string(text_of(bytes))});
  }
  void on_alarm(TimePoint now) override { alarms.push_back(now - start); }

  std::vector<std::string> texts() const {
    std::vector<std::string> all;
    for (const Got& g : got) all.push_back(g.text);
    return all;
  }

  std::vector<Got> got;
  std::vector<Duration> alarms;
};

class NetworkTest : public ::testing::Test {
 protected:
  struct Person {
    StationId station = 0;
    Listener listener;
  };

  void join(Person& person, std::string name) {
    person.station = network.add_host(std::move(name), &person.listener);
  }
  StationId put_behind(Person& person, const Nat& nat) {
    const StationId router = network.add_router(network.name(person.station) + "'s nat", nat);
    network.place(person.station, network.inside(router));
    return router;
  }
  Endpoint at(const Person& person) const { return {network.address(person.station), port}; }
  void send(const Person& from, const Endpoint& to, std::string_view text, std::uint8_t ttl = 0) {
    network.send(from.station,
                 {.from = at(from), .to = to, .bytes = to_bytes(bytes_of(text)), .ttl = ttl});
  }
  // Where the receiver sees the sender.
  Endpoint observed(const Person& from, Person& by) {
    send(from, at(by), "who am I?");
    run();
    const Endpoint seen = by.listener.got.back().from;
    by.listener.got.clear();
    return seen;
  }
  void run() {
    while (network.next_event()) network.step();
  }

  Network network{Random(7), start, 1000};
  Person ana, bo, hub;
};

TEST_F(NetworkTest, ADatagramTakesAsLongAsTheWiresOfBothEnds) {
  join(ana, "ana");
  join(hub, "hub");
  network.wire(ana.station).delay = 15ms;
  network.wire(hub.station).delay = 5ms;
  send(ana, at(hub), "hello");
  run();
  ASSERT_THAT(hub.listener.texts(), ElementsAre("hello"));
  EXPECT_EQ(hub.listener.got[0].at, start + 20ms);
  EXPECT_EQ(hub.listener.got[0].from, at(ana));
}

TEST_F(NetworkTest, ANatShowsItsOwnAddressAndLetsTheAnswerBackIn) {
  join(ana, "ana");
  join(hub, "hub");
  const StationId nat = put_behind(ana, Nat::port_restricted());
  const Endpoint seen = observed(ana, hub);
  EXPECT_EQ(seen.address, network.address(nat));
  EXPECT_EQ(at(ana).address.scope(), Scope::private_net);

  send(hub, seen, "hello back");
  run();
  EXPECT_THAT(ana.listener.texts(), ElementsAre("hello back"));
}

TEST_F(NetworkTest, TwoPortRestrictedPeersMeetOnlyIfBothKnock) {
  join(ana, "ana");
  join(bo, "bo");
  join(hub, "hub");
  put_behind(ana, Nat::port_restricted());
  put_behind(bo, Nat::port_restricted());
  const Endpoint ana_outside = observed(ana, hub), bo_outside = observed(bo, hub);

  send(ana, bo_outside, "too early");
  run();
  EXPECT_TRUE(bo.listener.got.empty());
  EXPECT_EQ(network.counters().count(Fate::filtered), 1u);

  send(bo, ana_outside, "this walks in");
  send(ana, bo_outside, "and now this");
  run();
  EXPECT_THAT(ana.listener.texts(), ElementsAre("this walks in"));
  EXPECT_THAT(bo.listener.texts(), ElementsAre("and now this"));
}

TEST_F(NetworkTest, OnOneLanPrivateAddressesWorkAndTheRouterSeesNothing) {
  join(ana, "ana");
  join(bo, "bo");
  const StationId nat = put_behind(ana, Nat::port_restricted());
  network.place(bo.station, network.inside(nat));
  send(ana, at(bo), "neighbour");
  run();
  EXPECT_THAT(bo.listener.texts(), ElementsAre("neighbour"));
  EXPECT_LT(bo.listener.got[0].at, start + 1ms);
  EXPECT_EQ(network.nat(nat).mappings(), 0u);
}

TEST_F(NetworkTest, APrivateAddressMeansSomebodyElseInAnotherLan) {
  join(ana, "ana");
  join(bo, "bo");
  const auto lan = *IpAddress::parse("192.168.1.0");
  for (Person* person : {&ana, &bo}) {
    const StationId nat = network.add_router("nat", Nat::full_cone());
    network.set_lan(nat, lan);
    network.place(person->station, network.inside(nat));
  }
  ASSERT_EQ(at(ana), at(bo));
  send(ana, at(bo), "hello?");
  run();
  EXPECT_TRUE(bo.listener.got.empty());
  EXPECT_THAT(ana.listener.texts(), ElementsAre("hello?")) << "it talks to itself";
}

TEST_F(NetworkTest, HairpinningShowsTheOutsideEndpointAndOnlyWhereSupported) {
  for (const bool hairpins : {true, false}) {
    Person insider, neighbour, outsider;
    join(insider, "insider");
    join(neighbour, "neighbour");
    join(outsider, "outsider");
    const Nat nat = hairpins ? Nat::full_cone().with_hairpin() : Nat::full_cone();
    const StationId router = put_behind(insider, nat);
    network.place(neighbour.station, network.inside(router));
    const Endpoint target = observed(neighbour, outsider);
    const Endpoint source = observed(insider, outsider);

    send(insider, target, "round the corner");
    run();
    if (!hairpins) {
      EXPECT_TRUE(neighbour.listener.got.empty());
      EXPECT_EQ(network.counters().count(Fate::no_hairpin), 1u);
      continue;
    }
    ASSERT_THAT(neighbour.listener.texts(), ElementsAre("round the corner"));
    EXPECT_EQ(neighbour.listener.got[0].from, source) << "RFC 4787 REQ-9a";
  }
}

TEST_F(NetworkTest, ThroughTwoNatsTheOuterOneIsSeen) {
  join(ana, "ana");
  join(hub, "hub");
  const StationId home = put_behind(ana, Nat::port_restricted());
  const StationId carrier = network.add_router("carrier", Nat::symmetric_random());
  network.place(home, network.inside(carrier));
  const Endpoint seen = observed(ana, hub);
  EXPECT_EQ(seen.address, network.address(carrier));
  EXPECT_EQ(network.outermost(ana.station), carrier);

  send(hub, seen, "through both");
  run();
  EXPECT_THAT(ana.listener.texts(), ElementsAre("through both"));
}

TEST_F(NetworkTest, AFirewalledHostKeepsItsPublicAddress) {
  join(ana, "ana");
  join(hub, "hub");
  put_behind(ana, Nat::firewall());
  EXPECT_EQ(at(ana).address.scope(), Scope::public_net);
  send(hub, at(ana), "knock");
  run();
  EXPECT_TRUE(ana.listener.got.empty());
  EXPECT_EQ(observed(ana, hub), at(ana));
  send(hub, at(ana), "answer");
  run();
  EXPECT_THAT(ana.listener.texts(), ElementsAre("answer"));
}

TEST_F(NetworkTest, ARebootMayChangeTheAddressAndLosesTheMappings) {
  join(ana, "ana");
  join(hub, "hub");
  const StationId nat = put_behind(ana, Nat::full_cone());
  const Endpoint before = observed(ana, hub);
  network.reboot(nat, true);
  const Endpoint after = observed(ana, hub);
  EXPECT_NE(after.address, before.address);
  send(hub, before, "to nobody");
  run();
  EXPECT_TRUE(ana.listener.got.empty());
  EXPECT_EQ(network.counters().count(Fate::no_such_host), 1u);
}

TEST_F(NetworkTest, LossTakesTheShareItIsGiven) {
  join(ana, "ana");
  join(hub, "hub");
  network.wire(ana.station).loss = 0.2;
  constexpr int packets = 10'000;
  for (int i = 0; i < packets; ++i) send(ana, at(hub), "?");
  run();
  // Four standard deviations of the binomial: 0.2 ± 0.016.
  EXPECT_NEAR(static_cast<double>(hub.listener.got.size()) / packets, 0.8, 0.016);
  EXPECT_EQ(hub.listener.got.size() + network.counters().count(Fate::lost), packets);
}

TEST_F(NetworkTest, JitterKeepsTheOrderAndReorderingDoesNot) {
  join(ana, "ana");
  join(hub, "hub");
  network.wire(ana.station).jitter = 20ms;
  const auto in_order = [&] {
    hub.listener.got.clear();
    for (char c = 'a'; c <= 'z'; ++c) send(ana, at(hub), std::string(1, c));
    run();
    const auto texts = hub.listener.texts();
    EXPECT_EQ(texts.size(), 26u);
    return std::is_sorted(texts.begin(), texts.end());
  };
  EXPECT_TRUE(in_order());
  network.wire(ana.station).reorder = 0.3;
  EXPECT_FALSE(in_order());
}

TEST_F(NetworkTest, ADuplicatedPacketArrivesTwiceAndTheStorySaysSo) {
  join(ana, "ana");
  join(hub, "hub");
  network.wire(ana.station).duplicate = 1;
  send(ana, at(hub), "twice");
  run();
  EXPECT_THAT(hub.listener.texts(), ElementsAre("twice", "twice"));
  EXPECT_EQ(network.counters().copies, 1u);
  EXPECT_THAT(network.story().text(), HasSubstr("second copy"));
}

TEST_F(NetworkTest, ACutStopsOneDirectionUntilItIsHealed) {
  join(ana, "ana");
  join(hub, "hub");
  network.set_cut(ana.station, hub.station, true);
  send(ana, at(hub), "1");
  send(hub, at(ana), "2");
  run();
  network.set_cut(ana.station, hub.station, false);
  send(ana, at(hub), "3");
  run();
  EXPECT_THAT(hub.listener.texts(), ElementsAre("3"));
  EXPECT_THAT(ana.listener.texts(), ElementsAre("2"));
  EXPECT_EQ(network.counters().count(Fate::cut), 1u);
}

TEST_F(NetworkTest, APartitionStopsWhatItsPredicateNames) {
  join(ana, "ana");
  join(bo, "bo");
  join(hub, "hub");
  network.set_partition([&](StationId from, StationId) { return from == ana.station; });
  send(ana, at(hub), "held");
  send(bo, at(hub), "passes");
  run();
  EXPECT_THAT(hub.listener.texts(), ElementsAre("passes"));
}

TEST_F(NetworkTest, AnUnpluggedHostNeitherSendsNorHears) {
  join(ana, "ana");
  join(hub, "hub");
  network.set_plugged(ana.station, false);
  send(ana, at(hub), "1");
  send(hub, at(ana), "2");
  run();
  EXPECT_TRUE(hub.listener.got.empty());
  EXPECT_TRUE(ana.listener.got.empty());
  EXPECT_EQ(network.counters().count(Fate::unplugged), 2u);
}

TEST_F(NetworkTest, ALowTtlOpensTheOwnNatAndDiesOnTheWay) {
  join(ana, "ana");
  join(bo, "bo");
  const StationId nat = put_behind(ana, Nat::port_restricted());
  send(ana, at(bo), "just leaving", 2);
  run();
  EXPECT_TRUE(bo.listener.got.empty());
  EXPECT_EQ(network.counters().count(Fate::expired), 1u);
  send(bo, {network.address(nat), port}, "knock");
  run();
  EXPECT_THAT(ana.listener.texts(), ElementsAre("knock"));
}

TEST_F(NetworkTest, WhatIsTooBigOrSentToNobodyIsDroppedByName) {
  join(ana, "ana");
  join(hub, "hub");
  send(ana, at(hub), std::string(1473, 'x'));
  send(ana, at(hub), std::string(1472, 'x'));
  send(ana, {network.address(hub.station), 9}, "?");
  send(ana, *Endpoint::parse("8.8.8.8:53"), "?");
  run();
  EXPECT_EQ(hub.listener.got.size(), 1u);
  EXPECT_EQ(network.counters().count(Fate::too_big), 1u);
  EXPECT_EQ(network.counters().count(Fate::not_listening), 1u);
  EXPECT_EQ(network.counters().count(Fate::no_such_host), 1u);
}

TEST_F(NetworkTest, AnEarlierAlarmReplacesALaterOne) {
  join(ana, "ana");
  network.set_alarm(ana.station, start + 5s);
  network.set_alarm(ana.station, start + 1s);
  network.set_alarm(ana.station, start + 3s);  // whoever is woken at 1 s asks again
  run();
  EXPECT_THAT(ana.listener.alarms, ElementsAre(Duration(1s)));
}

TEST_F(NetworkTest, KnocksAreCountedUntilTheFirstAnswer) {
  join(ana, "ana");
  join(hub, "hub");
  send(ana, at(hub), "knock");
  send(ana, at(hub), std::string(knock_size + 1, 'x'));
  run();
  send(hub, at(ana), "yes?");
  run();
  send(ana, at(hub), "a word");
  run();
  const Toward toward = network.toward(ana.station, network.address(hub.station));
  EXPECT_EQ(toward.packets, 3u);
  EXPECT_EQ(toward.knocks, 1u);
  EXPECT_TRUE(toward.answered);
}

TEST_F(NetworkTest, EveryPacketAndCopyMeetsExactlyOneFate) {
  join(ana, "ana");
  join(bo, "bo");
  join(hub, "hub");
  put_behind(ana, Nat::symmetric_random());
  network.wire(hub.station) = {.loss = 0.3, .duplicate = 0.3, .reorder = 0.3};
  for (int i = 0; i < 500; ++i) {
    send(ana, at(hub), "a");
    send(hub, at(ana), "h");  // a private address: goes nowhere
    send(bo, at(hub), "b");
  }
  run();
  const NetworkCounters& counters = network.counters();
  std::uint64_t fates = 0;
  for (const std::uint64_t n : counters.fates) fates += n;
  EXPECT_EQ(fates, counters.sent + counters.copies);
  EXPECT_EQ(counters.count(Fate::no_such_host), 500u);
}

TEST_F(NetworkTest, TheStoryNamesRoutesKindsAndFates) {
  join(ana, "ana");
  join(hub, "hub");
  put_behind(ana, Nat::port_restricted());
  const Bytes frame = make_relay_frame(1, Bytes{0x13, 0, 0, 0});
  network.send(ana.station, {.from = at(ana), .to = at(hub), .bytes = frame});
  run();
  const std::string story = network.story().text();
  EXPECT_THAT(story, HasSubstr("ana " + at(ana).to_string() + " as "));
  EXPECT_THAT(story, HasSubstr("-> hub " + at(hub).to_string()));
  EXPECT_THAT(story, HasSubstr("relay(sealed)"));
  EXPECT_THAT(story, HasSubstr("delivered after 20.2 ms"));
}

std::uint64_t hash_of_a_busy_day(std::uint64_t seed) {
  Network network(Random(seed), start, 100);
  Listener listener;
  std::vector<StationId> hosts;
  for (int i = 0; i < 5; ++i) hosts.push_back(network.add_host("host", &listener));
  for (const StationId host : hosts)
    network.wire(host) = {.jitter = 5ms, .loss = 0.1, .duplicate = 0.1, .reorder = 0.1};
  for (int i = 0; i < 200; ++i) {
    const StationId from = hosts[static_cast<std::size_t>(i) % 5];
    const StationId to = hosts[static_cast<std::size_t>(i * 3 + 1) % 5];
    network.send(from, {.from = {network.address(from), port},
                        .to = {network.address(to), port},
                        .bytes = Bytes(static_cast<std::size_t>(i), 0x13)});
  }
  while (network.next_event()) network.step();
  return network.story().hash();
}

TEST(Story, OneSeedTellsOneStoryAndAnotherSeedAnother) {
  EXPECT_EQ(hash_of_a_busy_day(1), hash_of_a_busy_day(1));
  EXPECT_NE(hash_of_a_busy_day(1), hash_of_a_busy_day(2));
}

TEST(Story, KeepsTheLastLinesAndSaysHowManyItDoesNotShow) {
  Story story(3, start);
  story.name(0, "ana");
  for (int i = 1; i <= 5; ++i) story.note(start + i * 1s, 0, "line " + std::to_string(i));
  const std::string text = story.text(2);
  EXPECT_THAT(text, HasSubstr("(3 earlier lines)"));
  EXPECT_THAT(text, HasSubstr("4.0000 s  ana: line 4"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("line 3")));
}

}  // namespace
}  // namespace byway::sim::network_test

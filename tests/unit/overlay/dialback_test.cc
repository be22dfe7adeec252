#include "overlay/reach/dialback.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "overlay/reach/proof_limits.h"
#include "protocol/attestation.h"
#include "tests/unit/overlay/cast.h"

namespace byway::dialback_test {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

namespace proof = limits::proof;

const NodeId ana = node(1), hub = node(2), dora = node(3), emil = node(4), leaf = node(5);
const Endpoint ana_seen = at("203.0.113.5:7000");
const IpAddress hub_at = address("198.51.100.1");

template <class M>
const M* as(const std::optional<ProofLetter>& letter) {
  return letter ? std::get_if<M>(&letter->message) : nullptr;
}

// --- the helper --------------------------------------------------------------------------------

class HelperStory : public testing::Test {
 protected:
  ProveRequest request(std::string_view endpoint = "203.0.113.5:7000") {
    return {random.bytes<16>(), at(endpoint), Proto::udp, proof::request_padding};
  }
  // What the helper answers or orders at once.
  std::optional<ProofLetter> ask(TimePoint now, const ProveRequest& wish) {
    return ask(now, wish, ana, ana_seen);
  }
  std::optional<ProofLetter> ask(TimePoint now, const ProveRequest& wish, const NodeId& who,
                                 const Endpoint& observed) {
    helper.on_request(now, {who, observed, named}, wish, hub_at,
                      {.supernodes = supernodes.size(),
                       .supernode = [&](std::size_t i) { return std::optional(supernodes[i]); },
                       .leaves = leaves.size(),
                       .leaf = [&](std::size_t i) { return std::optional(leaves[i]); }});
    auto letter = helper.poll_letter();
    EXPECT_FALSE(helper.poll_letter()) << "one thing at a time";
    return letter;
  }
  bool refused(const std::optional<ProofLetter>& letter) {
    const auto* result = as<ProveResult>(letter);
    return result && result->outcome == ProofOutcome::refused;
  }

  Random random{1};
  ProofHelper helper{hub, Random(2), 16, 32};
  std::vector<ProofHelper::Candidate> supernodes{{dora, address("192.0.2.9")}};
  std::vector<ProofHelper::Candidate> leaves;
  std::vector<NodeId> named;
};

TEST_F(HelperStory, ItPassesTheOrderToADiallerAndTheResultBack) {
  const auto wish = request();
  const auto letter = ask(noon, wish);
  const auto* order = as<DialOrder>(letter);
  ASSERT_TRUE(order);
  EXPECT_EQ(letter->to, dora);
  EXPECT_EQ(*order, (DialOrder{ana, wish.nonce, ana_seen, Proto::udp}));

  EXPECT_TRUE(helper.on_result(dora, {wish.nonce, ProofOutcome::proved, {1, 2, 3}}));
  const auto answer = helper.poll_letter();
  const auto* result = as<ProveResult>(answer);
  ASSERT_TRUE(result);
  EXPECT_EQ(answer->to, ana);
  EXPECT_EQ(*result, (ProveResult{wish.nonce, ProofOutcome::proved, {1, 2, 3}, 0}));
  EXPECT_EQ(helper.pending(), 0u);
  EXPECT_EQ(helper.next_timeout(), std::nullopt);
}

TEST_F(HelperStory, OnlyTheAddressThatTheAskerIsSeenAtIsDialled) {
  EXPECT_TRUE(refused(ask(noon, request("203.0.113.6:7000")))) << "somebody else's";
  EXPECT_TRUE(as<DialOrder>(ask(noon, request("203.0.113.5:9999")))) << "another port of its own";
}

TEST_F(HelperStory, NoPortOfAnOldServiceIsDialled) {
  for (const char* bad : {"203.0.113.5:53", "203.0.113.5:22", "203.0.113.5:1023"})
    EXPECT_TRUE(refused(ask(noon, request(bad)))) << bad;
  EXPECT_TRUE(as<DialOrder>(ask(noon, request("203.0.113.5:443"))));
}

TEST_F(HelperStory, WhereTheDiallerWouldNotDialAnotherMayAtOnce) {
  const auto first = request(), second = request();
  ASSERT_TRUE(as<DialOrder>(ask(noon, first)));
  helper.on_result(dora, {first.nonce, ProofOutcome::refused, {}});
  ASSERT_TRUE(helper.poll_letter());
  ASSERT_TRUE(as<DialOrder>(ask(noon + 1s, second)));
  helper.on_lost(dora);
  ASSERT_TRUE(helper.poll_letter());
  EXPECT_TRUE(as<DialOrder>(ask(noon + 2s, request())));
}

TEST_F(HelperStory, ARequestSmallerThanWhatItSetsOffIsRefused) {
  auto wish = request();
  wish.padding = proof::request_padding - 1;
  EXPECT_TRUE(refused(ask(noon, wish)));
}

TEST_F(HelperStory, TheDiallerIsNeitherTheAskerNorTheHelperNorTheirNeighbourAtTheSameAddress) {
  supernodes = {{ana, address("192.0.2.1")},
                {hub, address("192.0.2.2")},
                {dora, ana_seen.address},
                {emil, hub_at}};
  for (int minute = 0; minute < 20; ++minute) {
    const auto letter = ask(noon + minute * 61s, request());
    const auto* result = as<ProveResult>(letter);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->outcome, ProofOutcome::no_dialler);
    EXPECT_THAT(result->attestation, IsEmpty());
  }
}

TEST_F(HelperStory, NobodyTheAskerNamedDialsIt) {
  named = {dora};
  EXPECT_EQ(as<ProveResult>(ask(noon, request()))->outcome, ProofOutcome::no_dialler);
  named = {};
  EXPECT_TRUE(as<DialOrder>(ask(noon, request())));
}

TEST_F(HelperStory, ALeafDialsOnlyWhereNoSupernodeIsLeft) {
  leaves = {{leaf, address("192.0.2.77")}};
  EXPECT_EQ(ask(noon, request())->to, dora);
  supernodes.clear();
  helper.on_lost(dora);
  helper.poll_letter();
  EXPECT_EQ(ask(noon + 2min, request())->to, leaf);
}

TEST_F(HelperStory, AThirdNetgroupIsPreferredWhereverItStandsInTheList) {
  for (std::size_t place = 0; place < 5; ++place) {
    supernodes.assign(5, {emil, address("203.0.200.1")});  // the asker's netgroup
    supernodes[1] = {emil, address("198.51.7.7")};         // the helper's
    supernodes[place] = {dora, address("192.0.2.9")};
    const auto letter = ask(noon + place * 2min, request());
    ASSERT_TRUE(as<DialOrder>(letter));
    EXPECT_EQ(letter->to, dora) << place;
    helper.on_lost(dora);
    helper.poll_letter();
  }
  supernodes.assign(5, {emil, address("203.0.200.1")});
  EXPECT_EQ(ask(noon + 20min, request())->to, emil) << "better than none";
}

TEST_F(HelperStory, AnAddressIsDialledOnceAMinute) {
  const auto first = request();
  ASSERT_TRUE(as<DialOrder>(ask(noon, first)));
  helper.on_result(dora, {first.nonce, ProofOutcome::timed_out, {}});
  helper.poll_letter();
  EXPECT_TRUE(refused(ask(noon + 59s, request())));
  EXPECT_TRUE(refused(ask(noon + 59s, request(), node(77), ana_seen))) << "nor for its neighbour";
  EXPECT_TRUE(as<DialOrder>(ask(noon + 60s, request())));
}

TEST_F(HelperStory, TwelveDialsAMinuteAreTheMostThatAnybodyGetsOutOfIt) {
  std::vector<TimePoint> dials;
  for (int i = 0; i < 6000; ++i) {
    const TimePoint now = noon + i * 100ms;
    helper.on_timeout(now);
    while (helper.poll_letter()) {
    }
    const auto octets = std::to_string(i / 250) + "." + std::to_string(i % 250);
    const std::string seen = "203." + octets + ".5:7000";
    const auto letter = ask(now, request(seen), node(1000 + static_cast<unsigned>(i)), at(seen));
    if (as<DialOrder>(letter)) dials.push_back(now);
    ASSERT_LE(helper.pending(), proof::pending);
  }
  EXPECT_GT(dials.size(), 70u) << "and about eight it gives";
  for (std::size_t i = 12; i < dials.size(); ++i) EXPECT_GT(dials[i] - dials[i - 12], 60s - 1ms);
}

TEST_F(HelperStory, OneAskerHasOneDialAtATime) {
  ASSERT_TRUE(as<DialOrder>(ask(noon, request())));
  EXPECT_TRUE(refused(ask(noon, request("203.0.113.99:7000"), ana, at("203.0.113.99:7000"))));
  EXPECT_EQ(helper.pending(), 1u);
}

TEST_F(HelperStory, OnlyTheDiallerThatWasOrderedAnswers) {
  const auto wish = request();
  ask(noon, wish);
  EXPECT_FALSE(helper.on_result(emil, {wish.nonce, ProofOutcome::proved, {1}}));
  EXPECT_FALSE(helper.on_result(dora, {random.bytes<16>(), ProofOutcome::proved, {1}}));
  EXPECT_FALSE(helper.poll_letter());
}

TEST_F(HelperStory, ADiallerThatVanishesSaysNothingAboutTheAsker) {
  ask(noon, request());
  ASSERT_EQ(helper.next_timeout(), noon + proof::helper_patience);
  helper.on_timeout(*helper.next_timeout());
  EXPECT_EQ(as<ProveResult>(helper.poll_letter())->outcome, ProofOutcome::no_dialler);
  EXPECT_EQ(helper.next_timeout(), std::nullopt);

  ask(noon + 2min, request());
  helper.on_lost(dora);
  EXPECT_EQ(as<ProveResult>(helper.poll_letter())->outcome, ProofOutcome::no_dialler);
  EXPECT_EQ(helper.pending(), 0u);
}

TEST_F(HelperStory, ALabOnPrivateAddressesIsANetworkToo) {
  supernodes = {{dora, address("10.2.0.1")}, {emil, address("192.0.2.9")}};
  const std::string seen = "10.1.0.5:7000";
  const auto letter = ask(noon, request(seen), ana, at(seen));
  ASSERT_TRUE(as<DialOrder>(letter));
  EXPECT_EQ(letter->to, dora) << "a host on the internet could not reach it";
}

// --- the dialler -------------------------------------------------------------------------------

class DiallerStory : public testing::Test {
 protected:
  DialOrder order(std::string_view endpoint = "203.0.113.5:7000", Proto proto = Proto::udp) {
    return {ana, random.bytes<16>(), at(endpoint), proto};
  }
  bool accepts(TimePoint now, const DialOrder& wish) {
    dialler.on_order(now, {hub, hub_at, true}, wish);
    return !dialler.poll_letter();
  }
  bool echo(TimePoint now, const ProofNonce& nonce, std::string_view from,
            Proto proto = Proto::udp) {
    const Bytes bytes = make_dialback_echo(nonce);
    return dialler.on_echo(now, wall_noon, {.from = at(from), .bytes = bytes, .proto = proto});
  }
  // All that leaves until nothing is left to do.
  std::vector<Transmit> sent(TimePoint from) {
    std::vector<Transmit> all;
    TimePoint now = from;
    for (int steps = 0; steps < 1000; ++steps) {
      while (auto transmit = dialler.poll_transmit(now)) all.push_back(std::move(*transmit));
      dialler.on_timeout(now);
      const auto next = dialler.next_timeout();
      if (!next) return all;
      EXPECT_GT(*next, now) << "a deadline in the past that nothing resolves";
      if (*next <= now) return all;
      now = *next;
    }
    return all;
  }

  Random random{1};
  Identity me = Identity::generate(random);
  Dialler dialler{me};
};

TEST_F(DiallerStory, ItDialsWhereItWasToldAndSignsForTheAnswer) {
  const auto wish = order();
  ASSERT_TRUE(accepts(noon, wish));
  const auto dial = dialler.poll_transmit(noon);
  ASSERT_TRUE(dial);
  EXPECT_EQ(dial->to, wish.endpoint);
  EXPECT_EQ(dial->proto, Proto::udp);
  EXPECT_EQ(*parse_dialback(dial->bytes), wish.nonce);

  EXPECT_TRUE(echo(noon + 80ms, wish.nonce, "203.0.113.5:7000"));
  const auto letter = dialler.poll_letter();
  const auto* result = as<DialResult>(letter);
  ASSERT_TRUE(result);
  EXPECT_EQ(letter->to, hub);
  EXPECT_EQ(result->nonce, wish.nonce);
  EXPECT_EQ(result->outcome, ProofOutcome::proved);
  const auto attestation = Attestation::parse(sodium_crypto(), result->attestation);
  ASSERT_TRUE(attestation);
  EXPECT_EQ(attestation->attested(),
            (Attested{ana, wish.endpoint, Proto::udp, me.id(), wall_noon}));
  EXPECT_EQ(dialler.next_timeout(), std::nullopt) << "nothing is sent after it";
  EXPECT_FALSE(echo(noon + 90ms, wish.nonce, "203.0.113.5:7000")) << "signed once";
}

TEST_F(DiallerStory, AnEchoFromElsewhereProvesNothing) {
  const auto wish = order();
  accepts(noon, wish);
  dialler.poll_transmit(noon);
  EXPECT_FALSE(echo(noon, wish.nonce, "203.0.113.5:7001"));
  EXPECT_FALSE(echo(noon, wish.nonce, "203.0.113.6:7000"));
  EXPECT_FALSE(echo(noon, wish.nonce, "203.0.113.5:7000", Proto::tcp));
  EXPECT_FALSE(echo(noon, random.bytes<16>(), "203.0.113.5:7000"));
  EXPECT_FALSE(dialler.poll_letter());
}

TEST_F(DiallerStory, AnEchoThatIsThereBeforeTheDialWasGuessed) {
  const auto wish = order();
  accepts(noon, wish);
  EXPECT_FALSE(echo(noon, wish.nonce, "203.0.113.5:7000"));
}

TEST_F(DiallerStory, SilenceIsToldAfterThreeDials) {
  const auto wish = order();
  accepts(noon, wish);
  EXPECT_THAT(sent(noon), SizeIs(3));
  const auto letter = dialler.poll_letter();
  EXPECT_EQ(as<DialResult>(letter)->outcome, ProofOutcome::timed_out);
  EXPECT_EQ(dialler.pending(), 0u);
}

TEST_F(DiallerStory, TcpIsDialledOnce) {
  accepts(noon, order("203.0.113.5:443", Proto::tcp));
  const auto all = sent(noon);
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_EQ(all[0].proto, Proto::tcp);
}

TEST_F(DiallerStory, OrdersAreTakenFromSupernodesOnly) {
  dialler.on_order(noon, {hub, hub_at, false}, order());
  const auto letter = dialler.poll_letter();
  ASSERT_TRUE(letter);
  EXPECT_EQ(as<DialResult>(letter)->outcome, ProofOutcome::refused);
  EXPECT_FALSE(dialler.poll_transmit(noon));
}

TEST_F(DiallerStory, ASupernodeDoesNotOrderItsOwnProof) {
  auto wish = order();
  wish.asker = hub;
  EXPECT_FALSE(accepts(noon, wish));
  EXPECT_FALSE(accepts(noon, order("198.51.100.1:7000"))) << "nor under another name";
}

TEST_F(DiallerStory, NoHelperCanMakeAWeaponOfIt) {
  ASSERT_TRUE(accepts(noon, order("203.0.113.5:7000")));
  EXPECT_FALSE(accepts(noon + 59s, order("203.0.113.5:7001"))) << "once a minute";
  for (const char* bad : {"203.0.113.6:53", "192.168.1.1:8080", "127.0.0.1:7000", "224.0.0.1:7000",
                          "255.255.255.255:7000", "169.254.169.254:443", "100.65.0.1:7000",
                          "[fe80::1]:7000", "[ff02::1]:7000", "[fd00::1]:7000"})
    EXPECT_FALSE(accepts(noon, order(bad))) << bad;

  std::vector<TimePoint> dials;
  for (int i = 0; i < 3000; ++i) {
    const TimePoint now = noon + 2min + i * 200ms;
    const auto octets = std::to_string(i / 250) + "." + std::to_string(i % 250);
    if (accepts(now, order("203." + octets + ".5:7000"))) dials.push_back(now);
    while (dialler.poll_transmit(now)) {
    }
    dialler.on_timeout(now);
    while (dialler.poll_letter()) {
    }
    ASSERT_LE(dialler.pending(), proof::pending);
  }
  EXPECT_GT(dials.size(), 70u);
  for (std::size_t i = 12; i < dials.size(); ++i) EXPECT_GT(dials[i] - dials[i - 12], 60s - 1ms);
}

TEST_F(DiallerStory, InAPrivateNetworkPrivateAddressesAreDialled) {
  dialler.on_order(noon, {hub, address("10.3.0.1"), true}, order("10.1.0.5:7000"));
  EXPECT_FALSE(dialler.poll_letter());
  EXPECT_TRUE(dialler.poll_transmit(noon));
}

}  // namespace
}  // namespace byway::dialback_test

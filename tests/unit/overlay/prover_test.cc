#include "overlay/reach/prover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>

#include "overlay/core/timers.h"
#include "overlay/reach/dialback.h"
#include "overlay/reach/proof_limits.h"
#include "tests/unit/overlay/cast.h"

namespace byway::prover_test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

namespace proof = limits::proof;

constexpr Prover::Door udp4{}, tcp4{.proto = Proto::tcp}, udp6{.v6 = true};

// What stands in front of Ana, as RFC 4787 names it.
enum class Filtering { endpoint_independent, address_dependent };

// A street with Ana at one end, behind something, and real helpers and diallers along it. What is
// said arrives at once; time passes from deadline to deadline.
class ProverStory : public testing::Test {
 protected:
  struct Neighbour {
    Neighbour(Identity who, const Endpoint& where, bool super, Random random)
        : identity(std::move(who)),
          at(where),
          supernode(super),
          helper(identity.id(), std::move(random), 16, 32),
          dialler(identity) {}
    Identity identity;
    Endpoint at;
    bool supernode;
    ProofHelper helper;
    Dialler dialler;
    bool silent = false;
  };

  Neighbour& neighbour(std::string_view where, bool supernode) {
    street.push_back(std::make_unique<Neighbour>(Identity::generate(random), at(where), supernode,
                                                 random.fork()));
    return *street.back();
  }
  // One that Ana has a link with.
  Neighbour& home(std::string_view where) {
    Neighbour& n = neighbour(where, true);
    homes.push_back(&n);
    prover.on_linked(n.identity.id(), n.at.address);
    ana_sends(n.at.address);
    return n;
  }
  Neighbour& stranger(std::string_view where) { return neighbour(where, true); }
  void leaf(std::string_view where) { neighbour(where, false); }
  // Supernodes that she has only heard of.
  std::vector<Prover::Known> strangers(int count) {
    std::vector<Prover::Known> all;
    for (int i = 0; i < count; ++i)
      all.push_back({Identity::generate(random).id(), address("9.0.0." + std::to_string(i))});
    return all;
  }
  void the_usual_street() {
    home("198.51.100.1:7000");
    home("192.0.2.1:7000");
    home("100.65.0.1:7000");
    stranger("8.1.0.1:7000");
    stranger("8.2.0.1:7000");
    stranger("8.3.0.1:7000");
    stranger("8.4.0.1:7000");
    prover.on_netgroups(now, 7);
  }
  // Somebody whom she had not met, at a time when one dial is enough.
  Neighbour& proved_by_the_only_stranger() {
    home("198.51.100.1:7000");
    Neighbour& only = stranger("8.1.0.1:7000");
    prover.on_netgroups(now, 1);
    prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
    run_for(1min);
    EXPECT_TRUE(prover.is_proved());
    return only;
  }
  void ana_sends(const IpAddress& to) {
    prover.on_sent(now, to);
    nat_opened[to] = now;
  }
  Neighbour* who(const NodeId& id) {
    for (auto& n : street)
      if (n->identity.id() == id) return n.get();
    return nullptr;
  }

  // --- what happens between two deadlines ---
  void settle() {
    while (const auto ask = prover.poll_ask(now)) {
      asks.push_back({now, ask->helper, ask->request});
      Neighbour* helper = who(ask->helper);
      if (!helper) continue;
      ana_sends(helper->at.address);
      if (helper->silent) continue;
      std::vector<ProofHelper::Candidate> supernodes, leaves;
      for (auto& n : street)
        (n->supernode ? supernodes : leaves).push_back({n->identity.id(), n->at.address});
      helper->helper.on_request(
          now, {ana.id(), ask->request.endpoint, {}}, ask->request, helper->at.address,
          {.supernodes = supernodes.size(),
           .supernode = [&](std::size_t i) { return std::optional(supernodes[i]); },
           .leaves = leaves.size(),
           .leaf = [&](std::size_t i) { return std::optional(leaves[i]); }});
    }
    for (bool more = true; std::exchange(more, false);) {
      for (auto& n : street) {
        while (const auto letter = n->helper.poll_letter()) more = true, deliver(*n, *letter);
        while (const auto letter = n->dialler.poll_letter()) more = true, deliver(*n, *letter);
        while (const auto dial = n->dialler.poll_transmit(now)) more = true, dialled(*n, *dial);
      }
    }
    while (const auto event = prover.poll_event()) {
      if (const auto* proved = std::get_if<Prover::Proved>(&*event))
        story.push_back("proved " + proved->endpoint.to_string());
      else
        story.push_back("lost " + std::get<Prover::Lost>(*event).endpoint.to_string());
    }
  }
  void deliver(Neighbour& from, const ProofLetter& letter) {
    if (const auto* result = std::get_if<ProveResult>(&letter.message))
      prover.on_result(now, wall(), from.identity.id(), *result);
    else if (const auto* order = std::get_if<DialOrder>(&letter.message))
      who(letter.to)->dialler.on_order(now, {from.identity.id(), from.at.address, true}, *order);
    else if (const auto* done = std::get_if<DialResult>(&letter.message))
      who(letter.to)->helper.on_result(from.identity.id(), *done);
  }
  void dialled(Neighbour& from, const Transmit& dial) {
    ++dials;
    const auto opened = nat_opened.find(from.at.address);
    const bool hole = opened != nat_opened.end() && now - opened->second < 5min;
    const bool lets_in = filtering == Filtering::endpoint_independent || hole;
    if (!connected || !lets_in) return;
    prover.on_dialback(now, {.from = from.at, .bytes = dial.bytes, .proto = dial.proto});
    while (const auto echo = prover.poll_transmit()) {
      ana_sends(echo->to.address);
      from.dialler.on_echo(now, wall(),
                           {.from = dial.to, .bytes = echo->bytes, .proto = echo->proto});
    }
  }
  WallTime wall() const {
    return wall_noon + std::chrono::duration_cast<std::chrono::milliseconds>(now - noon);
  }

  void run_for(Duration duration) {
    const TimePoint end = now + duration;
    for (settle(); now < end; settle()) {
      std::optional<TimePoint> next = earlier(prover.next_timeout(), end);
      for (auto& n : street) {
        next = earlier(next, n->helper.next_timeout());
        next = earlier(next, n->dialler.next_timeout());
      }
      if (next_keepalive <= now) {  // as a leaf does, to every home
        for (Neighbour* h : homes) ana_sends(h->at.address);
        next_keepalive = now + 20s;
      }
      next = earlier(next, next_keepalive);
      stuck = *next <= now ? stuck + 1 : 0;
      ASSERT_LT(stuck, 10) << "a deadline in the past that nothing resolves";
      now = std::max(now, *next);
      prover.on_timeout(now);
      for (auto& n : street) {
        n->helper.on_timeout(now);
        n->dialler.on_timeout(now);
      }
    }
  }

  struct Asked {
    TimePoint when;
    NodeId helper;
    ProveRequest request;
  };
  Random random{7};
  Identity ana = Identity::generate(random);
  Prover prover{ana.id(), sodium_crypto(), Random(8), 16, 32};
  TimePoint now = noon;
  TimePoint next_keepalive = noon;
  Filtering filtering = Filtering::endpoint_independent;
  bool connected = true;
  std::vector<std::unique_ptr<Neighbour>> street;
  std::vector<Neighbour*> homes;
  std::map<IpAddress, TimePoint> nat_opened;
  std::vector<Asked> asks;
  std::vector<std::string> story;
  int dials = 0;
  int stuck = 0;
};

// --- who passes ---------------------------------------------------------------------------------

TEST_F(ProverStory, WhoAnswersAnybodyIsProvedBy3StrangersWithinMinutes) {
  the_usual_street();
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  run_for(10min);
  EXPECT_THAT(story, ElementsAre("proved 203.0.113.5:7000"));
  EXPECT_TRUE(prover.is_proved(udp4));
  EXPECT_FALSE(prover.is_proved(tcp4)) << "each door for itself";
  EXPECT_EQ(prover.status(), "proved at 203.0.113.5:7000 by 3 diallers");

  std::set<NodeId> diallers;
  for (const Bytes& bytes : prover.attestations(udp4)) {
    const auto attestation = Attestation::parse(sodium_crypto(), bytes);
    ASSERT_TRUE(attestation);
    EXPECT_EQ(attestation->attested().subject, ana.id());
    diallers.insert(attestation->attested().dialler);
    for (Neighbour* h : homes) EXPECT_NE(attestation->attested().dialler, h->identity.id());
  }
  EXPECT_THAT(diallers, SizeIs(3));
}

TEST_F(ProverStory, BehindANatThatLetsInWhomWeKnowNothingIsEverProved) {
  filtering = Filtering::address_dependent;
  the_usual_street();
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  run_for(48h);
  EXPECT_THAT(story, IsEmpty());
  EXPECT_FALSE(prover.is_proved());
  EXPECT_THAT(prover.status(), HasSubstr("strangers cannot reach 203.0.113.5:7000"));
  EXPECT_GT(dials, 10) << "it was tried";
}

TEST_F(ProverStory, ADialThroughTheHoleWeMadeOurselvesIsNoProof) {
  // All who could dial are our homes, so each of their datagrams gets in.
  filtering = Filtering::address_dependent;
  home("198.51.100.1:7000");
  home("192.0.2.1:7000");
  home("100.65.0.1:7000");
  prover.on_netgroups(now, 3);
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  run_for(24h);
  EXPECT_GT(dials, 10);
  EXPECT_THAT(prover.attestations(udp4), IsEmpty());
  EXPECT_FALSE(prover.is_proved());
}

TEST_F(ProverStory, TenMinutesOfSilenceMakeAStrangerOfSomebodyKnown) {
  home("198.51.100.1:7000");
  const auto& dora = stranger("8.1.0.1:7000");
  prover.on_netgroups(now, 1);
  ana_sends(dora.at.address);
  run_for(9min);
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  run_for(1s);
  EXPECT_GT(dials, 0);
  EXPECT_FALSE(prover.is_proved()) << "a minute too early";
  run_for(11min);
  EXPECT_TRUE(prover.is_proved());
}

TEST_F(ProverStory, InASmallNetworkFewerNetgroupsAreEnoughAndALeafMayDial) {
  home("198.51.100.1:7000");
  leaf("8.1.0.1:7000");
  prover.on_netgroups(now, 1);
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  run_for(1s);
  EXPECT_EQ(prover.status(), "proved at 203.0.113.5:7000 by 1 dialler");
}

TEST_F(ProverStory, ThreeDiallersOfOneNetgroupCountAsOne) {
  the_usual_street();
  for (int i = 3; i <= 6; ++i)
    street[static_cast<std::size_t>(i)]->at.address = address("8.1.0." + std::to_string(i));
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  run_for(24h);
  EXPECT_FALSE(prover.is_proved());
  EXPECT_THAT(prover.attestations(udp4), SizeIs(1));
  EXPECT_LT(asks.size(), 24 * 60 / 5) << "and not asked for without end";
}

TEST_F(ProverStory, WithNobodyToDialTheStatusSaysSo) {
  home("198.51.100.1:7000");
  prover.on_netgroups(now, 0);
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  run_for(2h);
  EXPECT_LE(asks.size(), 2 * 60 * 2 * 12 / 10) << "twice a minute at most";
  EXPECT_EQ(prover.status(),
            "nobody can dial 203.0.113.5:7000 to prove it: the network has no third address yet");

  stranger("8.1.0.1:7000");
  prover.on_netgroups(now, 1);
  run_for(2min);
  EXPECT_TRUE(prover.is_proved()) << "as soon as somebody comes";
}

TEST_F(ProverStory, WithNobodyToAskItWaitsWithoutAWakeUp) {
  EXPECT_EQ(prover.status(), "no address to prove is known yet");
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  EXPECT_EQ(prover.next_timeout(), std::nullopt);
  EXPECT_FALSE(prover.poll_ask(now));
  EXPECT_THAT(prover.status(), HasSubstr("no supernode to ask"));
  prover.on_linked(node(1), address("2001:db8::1"));
  EXPECT_FALSE(prover.poll_ask(now)) << "over IPv6 nobody sees our IPv4 address";
  prover.on_linked(node(2), address("198.51.100.1"));
  EXPECT_EQ(prover.poll_ask(now)->helper, node(2));
}

// --- keeping and losing it ----------------------------------------------------------------------

TEST_F(ProverStory, EveryHourItIsProvedAgainByOne) {
  the_usual_street();
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  run_for(30min);
  const auto before = asks.size();
  run_for(48h);
  EXPECT_THAT(story, ElementsAre("proved 203.0.113.5:7000"));
  // Now and then a home is drawn, which counts for nothing, and another is asked for.
  EXPECT_THAT(asks.size() - before, AllOf(testing::Ge(40u), testing::Le(150u)));
}

TEST_F(ProverStory, OneFailureIsBadLuckThreeOfFiveAreTheEnd) {
  the_usual_street();
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  run_for(30min);
  ASSERT_TRUE(prover.is_proved());

  connected = false;
  const auto dials_before = dials;
  run_for(70min);
  ASSERT_GT(dials, dials_before);
  EXPECT_THAT(story, ElementsAre("proved 203.0.113.5:7000", "lost 203.0.113.5:7000"));
  EXPECT_THAT(prover.attestations(udp4), IsEmpty()) << "they are not true any more";
  connected = true;
  run_for(6h);
  EXPECT_EQ(story.back(), "proved 203.0.113.5:7000") << "three new successes make it good";
}

TEST_F(ProverStory, TwoFailuresOfFiveDoNotHarm) {
  the_usual_street();
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  run_for(30min);
  for (int bout = 0; bout < 8; ++bout) {
    connected = false;
    const int before = dials;
    while (dials < before + 3) run_for(1s);  // one dial, three times
    connected = true;
    run_for(3h);
  }
  EXPECT_THAT(story, ElementsAre("proved 203.0.113.5:7000"));
}

TEST_F(ProverStory, AfterADayWithoutADialAProofIsHistory) {
  the_usual_street();
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  run_for(10min);
  for (auto& n : street) n->silent = true;
  run_for(23h);
  EXPECT_TRUE(prover.is_proved()) << "silent helpers say nothing about us";
  run_for(3h);
  EXPECT_THAT(story, ElementsAre("proved 203.0.113.5:7000", "lost 203.0.113.5:7000"));
}

TEST_F(ProverStory, AnotherAddressIsAnotherProof) {
  the_usual_street();
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  run_for(30min);
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  EXPECT_TRUE(prover.is_proved(udp4)) << "the same once more changes nothing";
  const auto before = asks.size();
  prover.on_claim(now, at("203.0.113.9:7000"), Proto::udp);
  EXPECT_FALSE(prover.is_proved(udp4));
  EXPECT_THAT(prover.attestations(udp4), IsEmpty());
  run_for(1s);
  EXPECT_GT(asks.size(), before) << "at once";
  EXPECT_EQ(asks.back().request.endpoint, at("203.0.113.9:7000"));
  run_for(1h);
  EXPECT_THAT(story, ElementsAre("proved 203.0.113.5:7000", "lost 203.0.113.5:7000",
                                 "proved 203.0.113.9:7000"));
  prover.on_claim_gone(udp4);
  run_for(1s);
  EXPECT_EQ(story.back(), "lost 203.0.113.9:7000");
  EXPECT_EQ(prover.next_timeout(), std::nullopt);
}

TEST_F(ProverStory, WhenTheNetworkGrowsAnOldProofHasAnHourToGrowWithIt) {
  home("198.51.100.1:7000");
  leaf("8.1.0.1:7000");
  prover.on_netgroups(now, 1);
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  run_for(1min);
  ASSERT_TRUE(prover.is_proved());
  street[0]->silent = true;
  prover.on_netgroups(now, 3);
  run_for(50min);
  EXPECT_TRUE(prover.is_proved());
  run_for(15min);
  EXPECT_FALSE(prover.is_proved()) << "nobody of those netgroups has ever dialled";

  street[0]->silent = false;
  leaf("8.2.0.1:7000");
  leaf("8.3.0.1:7000");
  run_for(3h);
  EXPECT_EQ(prover.status(), "proved at 203.0.113.5:7000 by 3 diallers");
}

// --- asking -------------------------------------------------------------------------------------

TEST_F(ProverStory, HelpersTakeTurnsAndNoneIsPestered) {
  the_usual_street();
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::tcp);
  run_for(3h);
  std::map<NodeId, TimePoint> last;
  for (const Asked& asked : asks) {
    const auto before = last.find(asked.helper);
    if (before != last.end()) {
      EXPECT_GE(asked.when - before->second, proof::asked_again);
    }
    last[asked.helper] = asked.when;
  }
  EXPECT_THAT(last, SizeIs(3));
  EXPECT_LE(asks.size(), 3u * 60) << "but for those who knew nobody, once a minute is the most";
  EXPECT_TRUE(prover.is_proved(udp4));
  EXPECT_TRUE(prover.is_proved(tcp4));
}

TEST_F(ProverStory, OneAskIsInFlightForEachDoor) {
  for (std::uint64_t i = 1; i <= 5; ++i) {
    prover.on_linked(node(i), address("198.51.100." + std::to_string(i)));
    prover.on_linked(node(10 + i), address("2001:db8::" + std::to_string(i)));
  }
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  prover.on_claim(now, at("203.0.113.5:443"), Proto::tcp);
  prover.on_claim(now, at("[2001:db8:5::5]:7000"), Proto::udp);
  std::set<std::string> doors;
  while (const auto ask = prover.poll_ask(now)) {
    doors.insert(ask->request.endpoint.to_string());
    ASSERT_LE(doors.size(), 3u);
  }
  EXPECT_THAT(doors, SizeIs(3));
  EXPECT_FALSE(prover.poll_ask(now + 5s));
  EXPECT_EQ(prover.next_timeout(), now + proof::ask_patience);
  prover.on_timeout(now + proof::ask_patience);
  EXPECT_GT(*prover.next_timeout(), now + proof::ask_patience);
}

TEST_F(ProverStory, AHelperThatLeavesIsReplacedWithoutWaiting) {
  prover.on_linked(node(1), address("198.51.100.1"));
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  ASSERT_TRUE(prover.poll_ask(now));
  prover.on_linked(node(2), address("198.51.100.2"));
  prover.on_unlinked(now, node(1));
  const auto next = prover.next_timeout();
  ASSERT_TRUE(next);
  EXPECT_LT(*next - now, proof::ask_patience);
  EXPECT_EQ(prover.poll_ask(*next)->helper, node(2));
}

TEST_F(ProverStory, BehindANatItIsTriedAboutOnceAnHour) {
  filtering = Filtering::address_dependent;
  the_usual_street();
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  run_for(6h);
  const auto before = asks.size();
  run_for(24h);
  EXPECT_THAT(asks.size() - before, AllOf(testing::Ge(15u), testing::Le(35u)));
}

TEST_F(ProverStory, AFirewallThatIsOpenedIsTriedAgainAtOnce) {
  filtering = Filtering::address_dependent;
  the_usual_street();
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  run_for(6h);
  ASSERT_FALSE(prover.is_proved());
  filtering = Filtering::endpoint_independent;
  prover.on_opened(now, at("203.0.113.6:7000"), Proto::udp);
  run_for(10min);
  EXPECT_FALSE(prover.is_proved()) << "another address was opened";
  prover.on_opened(now, at("203.0.113.5:7000"), Proto::udp);
  run_for(10min);
  EXPECT_TRUE(prover.is_proved());
}

TEST_F(ProverStory, NoMoreHelpersAreRememberedThanAreNeeded) {
  for (std::uint64_t i = 0; i < 1000; ++i) prover.on_linked(node(i), address("198.51.100.1"));
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  std::set<NodeId> asked;
  for (int i = 0; i < 2000; ++i) {
    now += 30s;
    prover.on_timeout(now);
    if (const auto ask = prover.poll_ask(now)) asked.insert(ask->helper);
  }
  EXPECT_EQ(asked.size(), proof::helpers);
}

// --- liars --------------------------------------------------------------------------------------

class LiarStory : public ProverStory {
 protected:
  void SetUp() override {
    prover.on_linked(liar.id(), address("198.51.100.1"));
    prover.on_netgroups(now, 1);
    prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
    ask = prover.poll_ask(now)->request;
  }
  bool dial(std::string_view from, const ProofNonce& nonce) {
    const Bytes bytes = make_dialback(nonce);
    return prover.on_dialback(now, {.from = at(from), .bytes = bytes});
  }
  Attested truth() const {
    return {.subject = ana.id(),
            .endpoint = ask.endpoint,
            .proto = Proto::udp,
            .dialler = dora.id(),
            .at = wall_noon};
  }
  bool result(const Attested& says, const Identity& signer) {
    return prover.on_result(
        now, wall_noon, liar.id(),
        {ask.nonce, ProofOutcome::proved, Attestation::sign(signer, says).exact_bytes(), 0});
  }

  Identity liar = Identity::generate(random);
  Identity dora = Identity::generate(random);
  ProveRequest ask;
};

TEST_F(LiarStory, TheTruthPasses) {
  EXPECT_TRUE(dial("8.1.0.1:7000", ask.nonce));
  EXPECT_TRUE(result(truth(), dora));
  EXPECT_TRUE(prover.is_proved());
  EXPECT_FALSE(result(truth(), dora)) << "once";
}

TEST_F(LiarStory, AnAttestationWithoutADialIsWorthNothing) {
  EXPECT_TRUE(result(truth(), dora));
  EXPECT_FALSE(prover.is_proved());
}

TEST_F(LiarStory, TheHelperItselfIsNoDialler) {
  EXPECT_FALSE(dial("198.51.100.1:9999", ask.nonce));
  EXPECT_FALSE(prover.poll_transmit());
  result(truth(), dora);
  EXPECT_FALSE(prover.is_proved());
}

TEST_F(LiarStory, TheHelpersOwnSignatureIsNotADiallers) {
  dial("8.1.0.1:7000", ask.nonce);
  Attested says = truth();
  says.dialler = liar.id();
  result(says, liar);
  EXPECT_FALSE(prover.is_proved());
}

TEST_F(LiarStory, AnAttestationAboutSomethingElseIsWorthNothing) {
  const auto lies = [&] {
    std::vector<Attested> all(4, truth());
    all[0].subject = node(99);
    all[1].endpoint = at("203.0.113.5:7001");
    all[2].proto = Proto::tcp;
    all[3].at = wall_noon - 25h;
    return all;
  }();
  for (const Attested& lie : lies) {
    prover.on_unlinked(now, liar.id());
    prover.on_linked(liar.id(), address("198.51.100.1"));
    now += 11min;
    ask = prover.poll_ask(now)->request;
    ASSERT_TRUE(dial("8.1.0.1:7000", ask.nonce));
    EXPECT_TRUE(result(lie, dora));
    EXPECT_FALSE(prover.is_proved());
  }
}

TEST_F(LiarStory, GarbageForAnAttestationIsNoProof) {
  dial("8.1.0.1:7000", ask.nonce);
  EXPECT_TRUE(prover.on_result(now, wall_noon, liar.id(),
                               {ask.nonce, ProofOutcome::proved, Bytes(155, 7), 0}));
  EXPECT_FALSE(prover.is_proved());
}

TEST_F(LiarStory, NobodyMakesUsEchoWhatWeDidNotAskFor) {
  EXPECT_FALSE(dial("8.1.0.1:7000", random.bytes<16>()));
  EXPECT_FALSE(prover.on_dialback(now, {.from = at("8.1.0.1:7000"), .bytes = {}}));
  EXPECT_TRUE(dial("8.1.0.1:7000", ask.nonce));
  EXPECT_FALSE(dial("8.2.0.1:7000", ask.nonce)) << "one dialler for one ask";
  for (int i = 0; i < 10; ++i) dial("8.1.0.1:7000", ask.nonce);
  int echoes = 0;
  while (const auto echo = prover.poll_transmit()) {
    ++echoes;
    EXPECT_EQ(echo->to, at("8.1.0.1:7000"));
    EXPECT_EQ(*parse_dialback_echo(echo->bytes), ask.nonce);
  }
  EXPECT_EQ(echoes, proof::dial_sends);
}

TEST_F(LiarStory, WhoSaysThatNothingArrivedIsNotBelievedAgainstOurOwnEyes) {
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(dial("8.1.0.1:7000", ask.nonce));
    prover.on_result(now, wall_noon, liar.id(), {ask.nonce, ProofOutcome::timed_out, {}, 0});
    now += 20min;
    ask = prover.poll_ask(now)->request;
  }
  EXPECT_THAT(prover.status(), HasSubstr("0 of 1 dialler"));
}

TEST_F(LiarStory, OnlyTheHelperThatWasAskedAnswers) {
  dial("8.1.0.1:7000", ask.nonce);
  const Bytes good = Attestation::sign(dora, truth()).exact_bytes();
  EXPECT_FALSE(
      prover.on_result(now, wall_noon, node(3), {ask.nonce, ProofOutcome::proved, good, 0}));
  EXPECT_FALSE(prover.is_proved());
}

TEST_F(LiarStory, ARefusalCannotShutUsOutForLong) {
  prover.on_result(now, wall_noon, liar.id(), {ask.nonce, ProofOutcome::refused, {}, 0xffffffff});
  EXPECT_LE(*prover.next_timeout() - now, proof::helper_gap_last * 5 / 4);
}

// --- whom we know -------------------------------------------------------------------------------

TEST_F(ProverStory, AsManyAsAProofTakesAreLeftUncontactedAndTheSameOnesEachTime) {
  auto known = strangers(20);
  EXPECT_THAT(prover.reserved(now, known), IsEmpty()) << "with nothing to prove";
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  const auto reserved = prover.reserved(now, known);
  ASSERT_THAT(reserved, SizeIs(3));
  std::reverse(known.begin(), known.end());
  EXPECT_EQ(prover.reserved(now, known), reserved) << "in whatever order they are listed";

  prover.on_linked(reserved[0], address("198.51.100.1"));
  const auto others = prover.reserved(now, known);
  EXPECT_THAT(others, SizeIs(3));
  EXPECT_THAT(others, testing::Not(testing::Contains(reserved[0]))) << "too late for that one";

  std::set<std::vector<NodeId>> choices;
  for (std::uint64_t i = 0; i < 20; ++i) {
    Prover other(Identity::generate(random).id(), sodium_crypto(), Random(i), 16, 32);
    other.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
    choices.insert(other.reserved(now, known));
  }
  EXPECT_GT(choices.size(), 5u) << "the diallers' work is spread";
}

TEST_F(ProverStory, WhereFewAreKnownAHomeComesFirst) {
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  const auto known = strangers(4);
  const auto reserved_of = [&](std::size_t n) {
    return prover.reserved(now, std::span(known).first(n)).size();
  };
  EXPECT_EQ(reserved_of(0), 0u);
  EXPECT_EQ(reserved_of(1), 0u);
  EXPECT_EQ(reserved_of(2), 1u);
  EXPECT_EQ(reserved_of(3), 2u);
  EXPECT_EQ(reserved_of(4), 3u);
}

TEST_F(ProverStory, BehindANatSeenToBeClosedNobodyIsAskedForAnHourNorKeptAStranger) {
  the_usual_street();
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp, Prover::Front::unknown);
  run_for(5s);
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp, Prover::Front::closed);
  EXPECT_THAT(prover.reserved(now, strangers(10)), IsEmpty());
  EXPECT_THAT(prover.status(), HasSubstr("lets in only whom it has sent to"));
  run_for(30min);
  EXPECT_THAT(asks, IsEmpty());
  run_for(1h);
  EXPECT_TRUE(prover.is_proved()) << "the port was forwarded by hand";
}

TEST_F(ProverStory, BehindANatSeenToBeOpenItIsAskedAtOnce) {
  the_usual_street();
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp, Prover::Front::closed);
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp, Prover::Front::open);
  run_for(1s);
  EXPECT_THAT(asks, testing::Not(IsEmpty()));
}

TEST_F(ProverStory, WhoHasDialledUsIsNoStrangerToKeepUntilWeAreProved) {
  home("198.51.100.1:7000");
  Neighbour& dialler = stranger("8.1.0.1:7000");
  prover.on_netgroups(now, 3);
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  auto known = strangers(2);
  known.push_back({dialler.identity.id(), dialler.at.address});
  EXPECT_THAT(prover.reserved(now, known), SizeIs(2));
  run_for(5s);
  ASSERT_THAT(prover.attestations(udp4), SizeIs(1));
  EXPECT_THAT(prover.reserved(now, known), testing::Not(testing::Contains(dialler.identity.id())));
}

TEST_F(ProverStory, OnceProvedTwoStrangersAreEnough) {
  the_usual_street();
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  run_for(30min);
  ASSERT_TRUE(prover.is_proved());
  auto known = strangers(20);
  EXPECT_THAT(prover.reserved(now, known), SizeIs(2));
}

TEST_F(ProverStory, WhomWeMetIsToldSoThatNobodyDialsInVain) {
  the_usual_street();
  std::vector<Prover::Known> known;
  for (auto& n : street) known.push_back({n->identity.id(), n->at.address});
  prover.on_known(known);
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  run_for(5s);
  ASSERT_THAT(asks, SizeIs(3)) << "three helpers, three strangers, and not one dial in vain";
  EXPECT_TRUE(prover.is_proved());
  EXPECT_THAT(asks[0].request.met, SizeIs(3)) << "the homes";
  EXPECT_THAT(asks[2].request.met, SizeIs(5)) << "and those who have dialled since";
}

TEST_F(ProverStory, AProofStandsWhereNobodyIsLeftToDial) {
  Neighbour& only = proved_by_the_only_stranger();
  prover.on_known({{only.identity.id(), only.at.address}});
  prover.on_netgroups(now, 3);
  for (int sixth = 0; sixth < 30 * 6; ++sixth) {  // it has become a neighbour, always in touch
    ana_sends(only.at.address);
    run_for(10min - 1s);
  }
  EXPECT_THAT(story, ElementsAre("proved 203.0.113.5:7000"));
}

// As in a large mesh, where the helper cannot be told of everybody she knows.
TEST_F(ProverStory, AProofStandsWhereThoseWeKnowAreSentToDial) {
  Neighbour& first = proved_by_the_only_stranger();
  Neighbour& second = stranger("8.2.0.1:7000");
  prover.on_netgroups(now, 3);
  for (int sixth = 0; sixth < 4 * 6; ++sixth) {  // of four hours
    ana_sends(first.at.address);
    ana_sends(second.at.address);
    run_for(10min - 1s);
  }
  EXPECT_THAT(story, ElementsAre("proved 203.0.113.5:7000"));
}

TEST_F(ProverStory, OnceItIsClearThatANatStandsInTheWayAllThreeHomesAreTaken) {
  filtering = Filtering::address_dependent;
  the_usual_street();
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  run_for(2h);
  const auto known = strangers(10);
  EXPECT_THAT(prover.reserved(now, std::span(known).first(3)), IsEmpty());
  EXPECT_THAT(prover.reserved(now, known), SizeIs(2)) << "with plenty it costs nothing";
}

// --- over a restart
// --------------------------------------------------------------------------------

// The same node an hour later, in a street of people all of whom she meets at once.
class StartedAnew : public ProverStory {
 protected:
  void proved_and_stopped() {
    the_usual_street();
    prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
    run_for(10min);
    ASSERT_THAT(story, ElementsAre("proved 203.0.113.5:7000"));
    kept = prover.kept(now, wall());
    story.clear();
    std::destroy_at(&prover);
    std::construct_at(&prover, ana.id(), sodium_crypto(), Random(9), 16, 32);
  }
  void starts_with(std::string_view own) {
    const std::vector<Endpoint> addresses{at(own)};
    prover.on_started_anew(now, wall(), kept, addresses);
    prover.on_netgroups(now, 7);
    settle();
  }
  std::vector<KeptDial> kept;
};

TEST_F(StartedAnew, AnAddressThatIsStillOurOwnIsStillProved) {
  proved_and_stopped();
  EXPECT_THAT(kept, SizeIs(3));
  now += 1h;
  starts_with("203.0.113.5:7000");
  EXPECT_THAT(story, ElementsAre("proved 203.0.113.5:7000"));
  for (Neighbour* h : homes) prover.on_linked(h->identity.id(), h->at.address);
  run_for(3h);
  EXPECT_THAT(story, SizeIs(1));
  EXPECT_GT(asks.back().when, now - 90min) << "and looked at again as ever";
}

TEST_F(StartedAnew, AnAddressOfARoutersIsNot) {
  proved_and_stopped();
  starts_with("192.168.1.2:7000");
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp, Prover::Front::open);
  settle();
  EXPECT_THAT(story, IsEmpty());
}

TEST_F(StartedAnew, AfterADayNothingIsLeftOfAProof) {
  proved_and_stopped();
  now += 24h;
  starts_with("203.0.113.5:7000");
  EXPECT_THAT(story, IsEmpty());
}

TEST_F(StartedAnew, ForTenMinutesNobodyIsAStranger) {
  proved_and_stopped();
  kept.clear();
  filtering = Filtering::address_dependent;
  const TimePoint start = now;
  for (const auto& n : street) nat_opened[n->at.address] = start;
  starts_with("203.0.113.5:7000");
  for (Neighbour* h : homes) prover.on_linked(h->identity.id(), h->at.address);
  prover.on_claim(now, at("203.0.113.5:7000"), Proto::udp);
  EXPECT_THAT(prover.status(udp4), HasSubstr("is tried ten minutes after the start"));
  asks.clear();
  run_for(30min);
  EXPECT_THAT(story, IsEmpty());
  ASSERT_FALSE(asks.empty());
  EXPECT_GE(asks.front().when, start + 10min);
}

}  // namespace
}  // namespace byway::prover_test

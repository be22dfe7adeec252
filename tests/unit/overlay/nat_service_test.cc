#include "overlay/reach/nat_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "overlay/reach/nat_limits.h"
#include "tests/unit/overlay/cast.h"

namespace byway::nat_service_test {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

namespace nat = limits::nat;

const NodeId ana = node(1);
const NodeId mallory = node(2);
const NodeId stranger = node(3);
const Endpoint ana_at = at("198.51.100.7:4001");

struct Service {
  Service() { service.on_other_port(SocketId{5}, at("203.0.113.1:40000")); }

  std::vector<Transmit> sent() {
    std::vector<Transmit> all;
    for (;;) {
      while (auto transmit = service.poll_transmit(now)) all.push_back(*transmit);
      const auto next = service.next_timeout();
      if (!next || *next > now + 1s) return all;
      now = *next;
    }
  }
  std::vector<NatLetter> letters() {
    std::vector<NatLetter> all;
    while (auto letter = service.poll_letter()) all.push_back(*letter);
    return all;
  }
  TryFilter wish(std::uint8_t number) const {
    return {number, ProofNonce{number}, nat::filter_padding};
  }

  TimePoint now = noon;
  NatService service{sodium_crypto(), Random(1)};
};

TEST(NatService, AskedOverAConnectionItAndAStrangerConnectOnceEach) {
  Service s;
  ASSERT_TRUE(s.service.on_try_filter(s.now, {ana, ana_at, Proto::tcp}, s.wish(7), stranger));
  auto sent = s.sent();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].proto, Proto::tcp);
  EXPECT_EQ(sent[0].to, ana_at);
  const auto letters = s.letters();
  ASSERT_THAT(letters, SizeIs(1));
  const StrangerOrder order{ProofNonce{7}, ana_at, Proto::tcp};
  EXPECT_EQ(letters[0].message, NatMessage(order));

  Service other;
  other.service.on_order(other.now, node(4), at("203.0.113.1:7000").address, order);
  sent = other.sent();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].proto, Proto::tcp);
}

TEST(NatService, TellsWhereItSeesASocketAndWhereElseItCanBeAsked) {
  Service s;
  const auto seen = s.service.on_look(s.now, {ana, ana_at}, {7, nat::look_padding});
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->id, 7u);
  EXPECT_EQ(seen->observed, ana_at);
  EXPECT_EQ(seen->other_port, 40'000);
  const auto by_v6 =
      s.service.on_look(s.now, {ana, at("[2001:db8::7]:4001")}, {8, nat::look_padding});
  EXPECT_EQ(by_v6->other_port, 0);  // no socket of that family
}

TEST(NatService, AQuestionTooSmallForItsAnswerIsNotAnswered) {
  Service s;
  EXPECT_FALSE(s.service.on_look(s.now, {ana, ana_at}, {7, 0}));
  EXPECT_FALSE(s.service.on_try_filter(s.now, {ana, ana_at}, {7, {}, 0}, stranger));
  EXPECT_THAT(s.sent(), IsEmpty());
}

TEST(NatService, SendsFromItsOtherPortAndHasAStrangerSend) {
  Service s;
  ASSERT_TRUE(s.service.on_try_filter(s.now, {ana, ana_at}, s.wish(7), stranger));
  const auto letters = s.letters();
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].to, stranger);
  EXPECT_EQ(letters[0].message, NatMessage(StrangerOrder{ProofNonce{7}, ana_at}));
  const auto sent = s.sent();
  ASSERT_THAT(sent, SizeIs(nat::echoes));
  for (const Transmit& echo : sent) {
    EXPECT_EQ(echo.socket, 5);
    EXPECT_EQ(echo.to, ana_at);
  }

  EXPECT_FALSE(s.service.on_done(mallory, {ProofNonce{7}, true}));
  EXPECT_TRUE(s.service.on_done(stranger, {ProofNonce{7}, true}));
  EXPECT_FALSE(s.service.on_done(stranger, {ProofNonce{7}, true}));
  const auto told = s.letters();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].to, ana);
  EXPECT_EQ(told[0].message, NatMessage(StrangerTried{7, true}));
}

TEST(NatService, AStrangerThatIsLostOrSilentHasSentNothing) {
  Service s;
  s.service.on_try_filter(s.now, {ana, ana_at}, s.wish(7), stranger);
  s.service.on_try_filter(s.now, {ana, ana_at}, s.wish(8), node(4));
  s.letters();
  s.service.on_lost(stranger);
  s.now += nat::order_patience;
  s.service.on_timeout(s.now);
  const auto told = s.letters();
  ASSERT_THAT(told, SizeIs(2));
  EXPECT_EQ(told[0].message, NatMessage(StrangerTried{7, false}));
  EXPECT_EQ(told[1].message, NatMessage(StrangerTried{8, false}));
  s.sent();
  EXPECT_EQ(s.service.pending(), 0u);
}

TEST(NatService, WithNobodyToSendThatIsSaidAtOnce) {
  Service s;
  s.service.on_try_filter(s.now, {ana, ana_at}, s.wish(7), std::nullopt);
  const auto told = s.letters();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].message, NatMessage(StrangerTried{7, false}));
}

TEST(NatService, ALateDatagramTakesTheTicketOfThatSocketAndThatNode) {
  Service s;
  const Endpoint idle = at("198.51.100.7:4999");
  const Tag ticket = s.service.on_look(s.now, {ana, idle}, {1, nat::look_padding})->ticket;
  EXPECT_FALSE(s.service.on_try_late(s.now, {mallory, at("198.51.100.66:1")},
                                     {2, ProofNonce{9}, idle, ticket}));
  EXPECT_FALSE(s.service.on_try_late(s.now, {ana, ana_at},
                                     {2, ProofNonce{9}, at("192.0.2.1:4999"), ticket}));
  EXPECT_THAT(s.sent(), IsEmpty());
  EXPECT_TRUE(s.service.on_try_late(s.now, {ana, ana_at}, {2, ProofNonce{9}, idle, ticket}));
  const auto sent = s.sent();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].to, idle);
  EXPECT_EQ(sent[0].socket, main_socket);
}

TEST(NatService, IsNoWeaponAgainstPortsAndNetsThatNobodyMayBeSentTo) {
  Service s;
  EXPECT_FALSE(s.service.on_try_filter(s.now, {ana, at("198.51.100.7:53")}, s.wish(7), stranger));
  s.service.on_order(s.now, mallory, address("203.0.113.9"), {ProofNonce{1}, at("10.0.0.1:4001")});
  s.service.on_order(s.now, mallory, address("203.0.113.9"),
                     {ProofNonce{2}, at("203.0.113.9:4001")});  // itself
  EXPECT_THAT(s.sent(), IsEmpty());
  const auto letters = s.letters();
  ASSERT_THAT(letters, SizeIs(2));
  EXPECT_EQ(letters[0].message, NatMessage(StrangerDone{ProofNonce{1}, false}));
  EXPECT_EQ(letters[1].message, NatMessage(StrangerDone{ProofNonce{2}, false}));
}

TEST(NatService, OneVictimGetsLittleWhateverSupernodesOrder) {
  Service s;
  std::size_t sent = 0;
  for (std::uint8_t i = 0; i < 60; ++i) {
    for (std::uint64_t from = 0; from < 10; ++from) {
      ProofNonce nonce{i};
      nonce[1] = static_cast<std::uint8_t>(from);
      s.service.on_order(s.now, node(100 + from), address("203.0.113.9"), {nonce, ana_at});
    }
    sent += s.sent().size();
    s.letters();
    s.now += 1s;
  }
  // 20 at first, then 2 a second, 3 datagrams of 17 bytes each; a little more time passes in
  // sent().
  EXPECT_LE(sent, 3 * (20 + 2 * 60 * 2));
  EXPECT_GT(sent, 0u);
}

TEST(NatService, OneAskerHasAQuota) {
  Service s;
  int answered = 0;
  for (int i = 0; i < 1000; ++i)
    answered += s.service.on_look(s.now, {mallory, ana_at}, {1, nat::look_padding}).has_value();
  EXPECT_EQ(answered, static_cast<int>(nat::looks_burst));
  EXPECT_TRUE(s.service.on_look(s.now, {ana, ana_at}, {1, nat::look_padding}));
}

}  // namespace
}  // namespace byway::nat_service_test

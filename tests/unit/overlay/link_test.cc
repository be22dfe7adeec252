#include "overlay/link/link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "overlay/core/limits.h"
#include "overlay/peer.h"
#include "protocol/cookie.h"
#include "tests/unit/overlay/cast.h"
#include "tests/unit/protocol/people.h"

namespace byway::link_test {
namespace {

const Crypto& crypto = sodium_crypto();

// One end of a link, with as much of a conductor as a link needs.
struct End {
  End(const Identity& own, const NodeId& peer, std::uint64_t seed)
      : self(own), random(seed), other(crypto, self, peer, Random(seed + 1)) {}

  Bytes dial(TimePoint now) {
    return *link.dial(now, indices.allocate(other, random), bytes_of("hello"), random);
  }
  // Answers handshake 1 with handshake 2.
  Bytes answer(TimePoint now, ByteView datagram) {
    const auto responder = Responder::open(crypto, self, datagram);
    ensure(responder.has_value());
    auto index = indices.allocate(other, random);
    auto reply = responder->respond(bytes_of("welcome"), index.value(), random);
    link.on_answered(now, std::move(index), reply.keys);
    return reply.datagram;
  }
  Bytes say(std::string_view text) { return *link.seal(bytes_of(text)); }
  std::string hear(TimePoint now, ByteView datagram) {
    const auto opened = link.open(now, datagram);
    return opened ? std::string(text_of(opened->plaintext)) : opened.error().message();
  }
  bool opens(TimePoint now, ByteView datagram) { return link.open(now, datagram).has_value(); }

  Identity self;
  Random random;
  IndexTable indices;  // before the link, whose sessions hold indices
  Peer other;
  Link& link = other.link;
};

// Ana is the one with the smaller id.
class LinkStory : public testing::Test {
 protected:
  static Identity smaller(bool yes) {
    const Identity a = person(1), b = person(2);
    return (a.id() < b.id()) == yes ? a : b;
  }
  void meet(TimePoint now) {
    const Bytes hello = ana.dial(now);
    ASSERT_TRUE(ana.link.on_handshake2(now, bo.answer(now, hello)));
    ASSERT_EQ(bo.hear(now, ana.say("confirmed")), "confirmed");
  }

  End ana{smaller(true), smaller(false).id(), 11};
  End bo{smaller(false), smaller(true).id(), 12};
};

TEST_F(LinkStory, TwoDatagramsAndBothCanSpeak) {
  const Bytes hello = ana.dial(noon);
  EXPECT_TRUE(ana.link.dialing());
  EXPECT_FALSE(ana.link.has_keys());

  const Bytes welcome = bo.answer(noon + 20ms, hello);
  EXPECT_TRUE(bo.link.has_keys());
  EXPECT_FALSE(bo.link.confirmed());

  const auto payload = ana.link.on_handshake2(noon + 40ms, welcome);
  ASSERT_TRUE(payload);
  EXPECT_EQ(text_of(*payload), "welcome");
  EXPECT_FALSE(ana.link.dialing());
  EXPECT_TRUE(ana.link.confirmed());
  EXPECT_EQ(ana.link.handshake_rtt(), 40ms);

  const auto first = bo.link.open(noon + 60ms, ana.say("it is me"));
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->confirms);
  EXPECT_TRUE(bo.link.confirmed());
  EXPECT_EQ(bo.link.handshake_rtt(), 40ms);
  const auto second = bo.link.open(noon + 60ms, ana.say("and again"));
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->confirms);
  EXPECT_EQ(ana.hear(noon + 80ms, bo.say("hello, Ana")), "hello, Ana");
}

TEST_F(LinkStory, ADatagramIsOpenedOnceAndByNobodyElse) {
  meet(noon);
  const Bytes datagram = ana.say("once");
  EXPECT_TRUE(bo.opens(noon, datagram));
  EXPECT_EQ(bo.link.open(noon, datagram).error(), Error::replayed);
  EXPECT_EQ(ana.link.open(noon, datagram).error(), Error::unknown_session);
  Bytes forged = ana.say("twice");
  forged.back() ^= 1;
  EXPECT_EQ(bo.link.open(noon, forged).error(), Error::unauthentic);
}

TEST_F(LinkStory, NobodyConfirmsWithAForgery) {
  const Bytes hello = ana.dial(noon);
  ana.link.on_handshake2(noon, bo.answer(noon, hello));
  Bytes forged = ana.say("it is me");
  forged.back() ^= 1;
  EXPECT_FALSE(bo.opens(noon, forged));
  EXPECT_FALSE(bo.link.confirmed());
}

TEST_F(LinkStory, WhenBothDialAtOnceBothSendInTheSessionOfTheSmallerId) {
  const Bytes from_ana = ana.dial(noon), from_bo = bo.dial(noon);
  const Bytes to_ana = bo.answer(noon + 10ms, from_ana), to_bo = ana.answer(noon + 10ms, from_bo);
  ASSERT_TRUE(ana.link.on_handshake2(noon + 20ms, to_ana));
  ASSERT_TRUE(bo.link.on_handshake2(noon + 20ms, to_bo));
  // Each has spoken in the session it began: the first word of each crosses the other's.
  const Bytes ana_first = ana.say("a"), bo_first = bo.say("b");
  EXPECT_EQ(bo.hear(noon + 30ms, ana_first), "a");
  EXPECT_EQ(ana.hear(noon + 30ms, bo_first), "b");

  // What is spoken in Ana's session stays good when Bo's is long put away.
  const Bytes ana_later = ana.say("a2"), bo_later = bo.say("b2");
  const TimePoint later = noon + 30ms + limits::old_keys_kept;
  ana.link.on_timeout(later);
  bo.link.on_timeout(later);
  EXPECT_EQ(bo.hear(later, ana_later), "a2");
  EXPECT_EQ(ana.hear(later, bo_later), "b2");
  EXPECT_EQ(*receiver_index(ana_later), *receiver_index(ana_first));
  EXPECT_NE(*receiver_index(bo_later), *receiver_index(bo_first));
}

TEST_F(LinkStory, AfterOneLostAnswerBothStillAgree) {
  const Bytes from_ana = ana.dial(noon), from_bo = bo.dial(noon);
  bo.answer(noon, from_ana);  // the answer is lost on its way to Ana
  ASSERT_TRUE(bo.link.on_handshake2(noon, ana.answer(noon, from_bo)));
  EXPECT_EQ(ana.hear(noon, bo.say("in my session")), "in my session");
  EXPECT_EQ(bo.hear(noon, ana.say("then in yours")), "then in yours");

  const TimePoint later = noon + limits::unconfirmed_lifetime;
  bo.link.on_timeout(later);
  ana.link.on_timeout(later);
  EXPECT_EQ(ana.hear(later, bo.say("still")), "still");
  EXPECT_EQ(bo.hear(later, ana.say("still")), "still");
}

TEST_F(LinkStory, AnAnswerThatNobodyConfirmsIsForgotten) {
  bo.answer(noon, ana.dial(noon));
  EXPECT_EQ(bo.link.next_timeout(), noon + limits::unconfirmed_lifetime);
  bo.link.on_timeout(noon + limits::unconfirmed_lifetime - 1ms);
  EXPECT_TRUE(bo.link.has_keys());
  bo.link.on_timeout(noon + limits::unconfirmed_lifetime);
  EXPECT_FALSE(bo.link.has_keys());
  EXPECT_EQ(bo.link.next_timeout(), std::nullopt);
}

TEST_F(LinkStory, HoweverOftenSheDialsHeHoldsAHandfulOfSessions) {
  std::vector<Bytes> held;
  for (int i = 0; i < 50; ++i) {
    const TimePoint now = noon + i * 1ms;
    const Bytes hello = ana.dial(now);
    ASSERT_TRUE(ana.link.on_handshake2(now, bo.answer(now, hello)));
    const Bytes word = ana.say("confirmed"), kept = ana.say("kept");
    ASSERT_TRUE(bo.opens(now, word));
    held.push_back(kept);
  }
  const auto open = std::count_if(held.begin(), held.end(), [&](const Bytes& datagram) {
    return bo.opens(noon + 60ms, datagram);
  });
  EXPECT_LE(open, 4);
  EXPECT_TRUE(bo.opens(noon + 60ms, ana.say("the newest works")));
}

TEST_F(LinkStory, OldKeysOpenWhatWasUnderWayForTenSecondsMore) {
  meet(noon);
  const Bytes under_way = ana.say("under way"), too_late = ana.say("too late");
  const TimePoint renewed = noon + limits::rekey_after;
  ASSERT_TRUE(ana.link.wants_rekey(renewed));
  const Bytes hello = ana.dial(renewed);
  ASSERT_TRUE(ana.link.on_handshake2(renewed, bo.answer(renewed, hello)));
  EXPECT_EQ(bo.hear(renewed, ana.say("new keys")), "new keys");
  EXPECT_FALSE(ana.link.wants_rekey(renewed));

  EXPECT_EQ(bo.hear(renewed + limits::old_keys_kept - 1ms, under_way), "under way");
  bo.link.on_timeout(renewed + limits::old_keys_kept);
  EXPECT_EQ(bo.link.open(renewed + limits::old_keys_kept, too_late).error(),
            Error::unknown_session);
  EXPECT_EQ(bo.hear(renewed + 11s, ana.say("on and on")), "on and on");
}

TEST_F(LinkStory, WhoBeganRenewsAndTheOtherOnlyAMinuteLater) {
  meet(noon);
  EXPECT_FALSE(ana.link.wants_rekey(noon + limits::rekey_after - 1ms));
  EXPECT_TRUE(ana.link.wants_rekey(noon + limits::rekey_after));
  EXPECT_EQ(ana.link.next_timeout(), noon + limits::rekey_after);
  EXPECT_FALSE(bo.link.wants_rekey(noon + limits::rekey_after + 59s));
  EXPECT_TRUE(bo.link.wants_rekey(noon + limits::rekey_after + 60s));

  ana.link.postpone_rekey(noon + limits::rekey_after + limits::rekey_retry);
  EXPECT_FALSE(ana.link.wants_rekey(noon + limits::rekey_after));
  EXPECT_TRUE(ana.link.wants_rekey(noon + limits::rekey_after + limits::rekey_retry));
}

TEST_F(LinkStory, ARefusedRenewalLeavesTheOldKeysInUse) {
  meet(noon);
  const TimePoint renewed = noon + limits::rekey_after;
  const Bytes hello = ana.dial(renewed);
  const auto refusing = Responder::open(crypto, bo.self, hello);
  ASSERT_TRUE(
      ana.link.on_handshake2(renewed, refusing->respond(bytes_of("no"), 4711, bo.random).datagram));
  ana.link.discard_refused();

  for (const TimePoint now : {renewed, renewed + limits::old_keys_kept, renewed + 1h}) {
    ana.link.on_timeout(now);
    bo.link.on_timeout(now);
    ASSERT_TRUE(ana.link.has_keys());
    EXPECT_EQ(bo.hear(now, ana.say("as before")), "as before");
    EXPECT_EQ(ana.hear(now, bo.say("as before")), "as before");
  }
}

TEST_F(LinkStory, WhoWasRefusedTheFirstTimeHasNoKeys) {
  const Bytes hello = ana.dial(noon);
  const auto refusing = Responder::open(crypto, bo.self, hello);
  ASSERT_TRUE(
      ana.link.on_handshake2(noon, refusing->respond(bytes_of("no"), 4711, bo.random).datagram));
  ana.link.discard_refused();
  EXPECT_FALSE(ana.link.has_keys());
  EXPECT_FALSE(ana.link.seal(bytes_of("hello?")).has_value());
}

TEST_F(LinkStory, AnUnansweredCallIsRepeatedEverMoreSeldomAndThenGivenUp) {
  const Bytes hello = ana.dial(noon);
  std::vector<Duration> sent;
  TimePoint now = noon;
  while (!ana.link.dial_failed(now)) {
    const auto next = ana.link.next_timeout();
    ASSERT_TRUE(next && *next > now);
    now = *next;
    EXPECT_FALSE(ana.link.poll_resend(now - 1ms));
    if (const auto again = ana.link.poll_resend(now)) {
      EXPECT_EQ(*again, hello);
      EXPECT_FALSE(ana.link.poll_resend(now));
      sent.push_back(now - noon);
    }
  }
  EXPECT_THAT(sent, testing::ElementsAre(400ms, 1200ms, 2800ms, 6s));
  EXPECT_EQ(now - noon, 12400ms);
  ana.link.give_up_dial();
  EXPECT_FALSE(ana.link.dialing());
  EXPECT_EQ(ana.link.next_timeout(), std::nullopt);
}

TEST_F(LinkStory, ARepeatedCallTellsNoRoundTrip) {
  ana.dial(noon);
  const auto again = ana.link.poll_resend(noon + 400ms);
  ASSERT_TRUE(again);
  ASSERT_TRUE(ana.link.on_handshake2(noon + 410ms, bo.answer(noon + 405ms, *again)));
  EXPECT_EQ(ana.link.handshake_rtt(), std::nullopt);
}

TEST_F(LinkStory, AnAnswerToACallThatWasReplacedIsNotTaken) {
  const Bytes earlier = ana.dial(noon);
  const std::uint32_t index = *receiver_index(bo.answer(noon, earlier));
  EXPECT_TRUE(ana.link.dial_awaits(index));
  const Bytes answer = bo.answer(noon, earlier);
  ana.dial(noon + 1s);
  EXPECT_FALSE(ana.link.dial_awaits(index));
  EXPECT_EQ(ana.indices.owner(index), nullptr) << "the number is free again";
  EXPECT_FALSE(ana.link.on_handshake2(noon + 1s, answer));
  EXPECT_TRUE(ana.link.dialing());
}

TEST_F(LinkStory, AForgedAnswerDoesNotEndTheCall) {
  const Bytes hello = ana.dial(noon);
  Bytes welcome = bo.answer(noon, hello);
  welcome.back() ^= 1;
  EXPECT_FALSE(ana.link.on_handshake2(noon, welcome));
  EXPECT_TRUE(ana.link.dialing());
  welcome.back() ^= 1;
  EXPECT_TRUE(ana.link.on_handshake2(noon, welcome));
}

TEST_F(LinkStory, ACookieIsTakenOnceAndKeptForEveryRepetition) {
  const Endpoint home = at("198.51.100.7:4000");
  CookieMint mint(crypto, bo.self.id(), bo.random);
  const Bytes hello = ana.dial(noon);
  const Bytes cookie = mint.reply(noon, home, hello);

  const auto again = ana.link.on_cookie(noon + 20ms, cookie);
  ASSERT_TRUE(again);
  EXPECT_TRUE(mint.mac2_valid(noon + 30ms, home, *again));
  EXPECT_FALSE(ana.link.on_cookie(noon + 40ms, cookie)) << "no endless exchange of cookies";
  EXPECT_EQ(ana.link.dial_datagram(), *again);
  const auto later = ana.link.poll_resend(noon + 400ms);
  ASSERT_TRUE(later);
  EXPECT_TRUE(mint.mac2_valid(noon + 400ms, home, *later));
  EXPECT_TRUE(ana.link.on_handshake2(noon + 500ms, bo.answer(noon + 450ms, *later)));
}

TEST_F(LinkStory, WhoDialsNobodyTakesNoAnswersAndNoCookies) {
  const Bytes hello = bo.dial(noon);
  CookieMint mint(crypto, ana.self.id(), ana.random);
  EXPECT_FALSE(ana.link.on_cookie(noon, mint.reply(noon, at("198.51.100.7:4000"), hello)));
  const Bytes welcome = ana.answer(noon, hello);
  EXPECT_FALSE(ana.link.on_handshake2(noon, welcome));
  EXPECT_FALSE(ana.link.poll_resend(noon + 1h));
  EXPECT_FALSE(ana.link.dial_failed(noon + 1h));
}

TEST_F(LinkStory, AKeyThatIsNoPointCannotBeDialled) {
  const NodeId nobody;
  Peer peer(crypto, ana.self, nobody, Random(1));
  EXPECT_FALSE(peer.link.dial(noon, ana.indices.allocate(peer, ana.random), {}, ana.random));
  EXPECT_FALSE(peer.link.dialing());
}

TEST(IndexTable, ANumberIsHeldAsLongAsItsIndexLives) {
  IndexTable table;
  Random random(1);
  const Identity self = person(1);
  Peer peer(crypto, self, node(1), Random(2));
  auto index = table.allocate(peer, random);
  const std::uint32_t value = index.value();
  EXPECT_EQ(table.owner(value), &peer);
  {
    const IndexTable::Index moved = std::move(index);
    EXPECT_EQ(table.owner(value), &peer);
  }
  EXPECT_EQ(table.owner(value), nullptr);
}

}  // namespace
}  // namespace byway::link_test

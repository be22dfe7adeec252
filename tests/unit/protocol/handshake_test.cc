#include "protocol/handshake.h"

#include <gtest/gtest.h>

#include "tests/unit/protocol/people.h"

namespace byway::handshake_test {
namespace {

const Crypto& crypto = sodium_crypto();

// Ana calls, Bo is called; Eve is in between where a story needs her.
class Handshake : public testing::Test {
 protected:
  Initiator dial(const NodeId& whom) { return *Initiator::make(crypto, ana, whom, 11, random); }

  const Identity ana = person(1), bo = person(2), eve = person(3);
  Random random{7};
};

TEST_F(Handshake, TwoDatagramsLeaveBothWithTheSameKeys) {
  Initiator call = dial(bo.id());
  const Bytes hello = call.start(bytes_of("it is me"));
  EXPECT_EQ(hello.size(), handshake1_overhead + 8);

  const auto answer = Responder::open(crypto, bo, hello);
  ASSERT_TRUE(answer);
  EXPECT_EQ(text_of(answer->payload()), "it is me");
  EXPECT_EQ(answer->remote_index(), 11u);
  EXPECT_TRUE(initiator_matches(crypto, ana.id(), answer->initiator_x25519()));

  const auto [welcome, bo_keys] = answer->respond(bytes_of("come in"), 22, random);
  EXPECT_EQ(*receiver_index(welcome), 11u);
  const auto done = call.finish(welcome);
  ASSERT_TRUE(done);
  EXPECT_EQ(text_of(done->payload), "come in");
  EXPECT_EQ(done->keys.send, bo_keys.receive);
  EXPECT_EQ(done->keys.receive, bo_keys.send);
  EXPECT_EQ(done->keys.hash, bo_keys.hash);
  EXPECT_NE(done->keys.send, done->keys.receive);
  EXPECT_EQ(done->keys.local_index, 11u);
  EXPECT_EQ(done->keys.remote_index, 22u);
  EXPECT_EQ(bo_keys.local_index, 22u);
  EXPECT_EQ(bo_keys.remote_index, 11u);
}

TEST_F(Handshake, ACallForSomebodyElseEndsAtMac1) {
  const Bytes hello = dial(bo.id()).start({});
  EXPECT_TRUE(mac1_matches(crypto, bo.id(), hello));
  EXPECT_FALSE(mac1_matches(crypto, eve.id(), hello));
  EXPECT_EQ(Responder::open(crypto, eve, hello).error(), Error::bad_mac);
}

TEST_F(Handshake, AnyChangedByteOfACallIsNoticed) {
  Bytes hello = dial(bo.id()).start(bytes_of("it is me"));
  const std::size_t end_of_mac1 = hello.size() - mac_size;
  for (std::size_t i = 0; i < end_of_mac1; ++i) {
    hello[i] ^= 1;
    EXPECT_FALSE(mac1_matches(crypto, bo.id(), hello)) << i;
    EXPECT_FALSE(Responder::open(crypto, bo, hello)) << i;
    hello[i] ^= 1;
  }
}

TEST_F(Handshake, TheNodeIdSharingAnX25519KeyWithBoIsNotBo) {
  Key mirrored = bo.id().key();
  mirrored[31] ^= 0x80;  // the other sign: the same X25519 key
  const NodeId twin = NodeId::trusted(mirrored);
  ASSERT_TRUE(initiator_matches(crypto, twin, bo.x25519_public()));

  Bytes hello = dial(twin).start({});
  EXPECT_EQ(Responder::open(crypto, bo, hello).error(), Error::bad_mac);

  // Even when somebody puts the mac1 of Bo's own name in its place.
  Bytes labelled = to_bytes(bytes_of("byway mac1"));
  append(labelled, bo.id().key());
  const MutableBytes all(hello);
  const Tag mac1 = crypto.mac(crypto.hash(labelled), all.first(all.size() - 2 * mac_size));
  std::copy(mac1.begin(), mac1.end(), all.last(2 * mac_size).begin());
  ASSERT_TRUE(mac1_matches(crypto, bo.id(), hello));
  EXPECT_EQ(Responder::open(crypto, bo, hello).error(), Error::unauthentic);
}

TEST_F(Handshake, AClaimedNameMustBelongToTheKeyThatWasProved) {
  const Bytes hello = dial(bo.id()).start({});
  const auto answer = Responder::open(crypto, bo, hello);
  EXPECT_FALSE(initiator_matches(crypto, eve.id(), answer->initiator_x25519()));
  // Keys that are no points, or the neutral one, are nobody's.
  EXPECT_FALSE(initiator_matches(crypto, NodeId(), answer->initiator_x25519()));
  EXPECT_FALSE(initiator_matches(crypto, NodeId::trusted(Key{1}), answer->initiator_x25519()));
}

TEST_F(Handshake, AForgedAnswerDoesNotSpoilTheTrueOne) {
  Initiator call = dial(bo.id());
  const Bytes hello = call.start({});
  Bytes welcome = Responder::open(crypto, bo, hello)->respond(bytes_of("yes"), 22, random).datagram;

  for (std::size_t i = 0; i < welcome.size(); ++i) {
    welcome[i] ^= 1;
    EXPECT_FALSE(call.finish(welcome)) << i;
    welcome[i] ^= 1;
  }
  EXPECT_TRUE(call.finish(welcome));
}

TEST_F(Handshake, AnAnswerToAnEarlierCallFinishesNoOther) {
  Initiator earlier = dial(bo.id()), later = dial(bo.id());
  const Bytes hello = earlier.start({});
  later.start({});
  const Bytes welcome = Responder::open(crypto, bo, hello)->respond({}, 22, random).datagram;
  EXPECT_EQ(later.finish(welcome).error(), Error::unauthentic);
  EXPECT_TRUE(earlier.finish(welcome));
}

TEST_F(Handshake, AnAnswerForAnotherIndexIsNotEvenTried) {
  Initiator call = dial(bo.id());
  const Bytes hello = call.start({});
  Bytes welcome = Responder::open(crypto, bo, hello)->respond({}, 22, random).datagram;
  welcome[7] ^= 1;
  EXPECT_EQ(call.finish(welcome).error(), Error::unknown_session);
}

TEST_F(Handshake, TheSameCallAnsweredTwiceGivesDifferentKeys) {
  const Bytes hello = dial(bo.id()).start({});
  const auto answer = Responder::open(crypto, bo, hello);
  EXPECT_NE(answer->respond({}, 22, random).keys.hash, answer->respond({}, 22, random).keys.hash);
}

TEST_F(Handshake, ARepeatedCallDiffersOnlyInItsCookie) {
  Initiator call = dial(bo.id());
  const Bytes hello = call.start(bytes_of("it is me"));
  EXPECT_EQ(call.datagram(), hello);

  const Bytes again = call.with_cookie(Tag{5});
  EXPECT_NE(again, hello);
  EXPECT_TRUE(std::equal(hello.begin(), hello.end() - mac_size, again.begin()));
  EXPECT_TRUE(Responder::open(crypto, bo, again));
}

TEST_F(Handshake, ACookieAtHandIsUsedFromTheStart) {
  Initiator call = dial(bo.id());
  const Bytes hello = call.start({}, Tag{5});
  EXPECT_EQ(hello, call.with_cookie(Tag{5}));
}

TEST_F(Handshake, AnAnswerThatFillsItsRoomIsAsLongAsTheQuestion) {
  const Bytes hello = dial(bo.id()).start(bytes_of("a question"));
  const auto answer = Responder::open(crypto, bo, hello);
  const Bytes filling(answer->payload_room());
  EXPECT_EQ(answer->respond(filling, 22, random).datagram.size(), hello.size());
}

TEST_F(Handshake, AKeyThatIsNoPointCannotBeDialled) {
  EXPECT_EQ(Initiator::make(crypto, ana, NodeId(), 11, random).error(), Error::bad_key);
}

TEST_F(Handshake, NothingIsFinishedBeforeItIsStarted) {
  const Initiator call = dial(bo.id());
  Bytes welcome(handshake2_overhead);
  welcome[0] = 0x11;
  EXPECT_EQ(call.finish(welcome).error(), Error::unexpected);
}

}  // namespace
}  // namespace byway::handshake_test

// The stand-in fails where real cryptography fails; otherwise what the swarm shows would be worth
// nothing.
#include <gtest/gtest.h>

#include "protocol/handshake.h"
#include "protocol/record.h"
#include "protocol/seal.h"
#include "tools/sim/stand_in_crypto.h"

namespace byway::sim::stand_in_crypto_test {
namespace {

struct StandIn : testing::Test {
  StandInCrypto crypto{7};
  Random random{1};
  Identity ana = Identity::generate(random, crypto);
  Identity bo = Identity::generate(random, crypto);
};

TEST_F(StandIn, ASignatureBelongsToOneKeyOneMessageAndOneWorld) {
  const Bytes said = to_bytes(bytes_of("I was here"));
  Signature signature = crypto.sign(ana.seed(), said);
  EXPECT_TRUE(crypto.verify(ana.id().key(), said, signature));
  EXPECT_FALSE(crypto.verify(bo.id().key(), said, signature));
  EXPECT_FALSE(crypto.verify(ana.id().key(), bytes_of("I was there"), signature));
  EXPECT_FALSE(StandInCrypto(8).verify(ana.id().key(), said, signature));
  signature[63] ^= 1;
  EXPECT_FALSE(crypto.verify(ana.id().key(), said, signature));
}

TEST_F(StandIn, NotEveryNumberIsAKey) {
  EXPECT_TRUE(crypto.is_canonical_point(ana.id().key()));
  for (std::size_t byte = 0; byte < 32; ++byte) {
    Key bent = ana.id().key();
    bent[byte] ^= 0x10;
    EXPECT_FALSE(crypto.is_canonical_point(bent)) << byte;
    EXPECT_EQ(crypto.x25519_from_ed25519(bent).error(), Error::bad_key);
  }
  EXPECT_EQ(crypto.x25519(ana.x25519_secret(), Key{}).error(), Error::bad_key);
}

TEST_F(StandIn, BothSidesComeToOneSecretAndNobodyElseDoes) {
  EXPECT_EQ(*crypto.x25519_from_ed25519(ana.id().key()), ana.x25519_public());
  const Key shared = *crypto.x25519(ana.x25519_secret(), bo.x25519_public());
  EXPECT_EQ(shared, *crypto.x25519(bo.x25519_secret(), ana.x25519_public()));
  const Identity eve = Identity::generate(random, crypto);
  EXPECT_NE(shared, *crypto.x25519(eve.x25519_secret(), ana.x25519_public()));
}

TEST_F(StandIn, AChangedByteAnywhereIsNoticed) {
  const Key key = random.bytes<32>();
  const Bytes ad = to_bytes(bytes_of("header"));
  const Bytes text = to_bytes(bytes_of("thirteen bytes"));
  Bytes sealed(text.size() + tag_size);
  crypto.seal(key, 5, ad, text, sealed);
  Bytes opened(text.size());
  ASSERT_TRUE(crypto.open(key, 5, ad, sealed, opened));
  EXPECT_EQ(opened, text);
  EXPECT_FALSE(crypto.open(key, 6, ad, sealed, opened));
  EXPECT_FALSE(crypto.open(key, 5, bytes_of("Header"), sealed, opened));
  EXPECT_FALSE(crypto.open(random.bytes<32>(), 5, ad, sealed, opened));
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    Bytes bent = sealed;
    bent[at] ^= 1;
    EXPECT_FALSE(crypto.open(key, 5, ad, bent, opened)) << at;
  }
}

TEST_F(StandIn, SizesAreTheRealOnes) {
  const Identity real = Identity::generate(random);
  const auto hello = [&](const Crypto& with, const Identity& self, const Identity& peer) {
    auto initiator = Initiator::make(with, self, peer.id(), 1, random);
    return initiator->start(Bytes(240, 1)).size();
  };
  EXPECT_EQ(hello(crypto, ana, bo), hello(sodium_crypto(), real, Identity::generate(random)));
}

TEST_F(StandIn, AHandshakeGoesThroughAndAForgedOneDoesNot) {
  auto initiator = Initiator::make(crypto, ana, bo.id(), 1, random);
  const Bytes first = initiator->start(bytes_of("hello"));
  const auto responder = Responder::open(crypto, bo, first);
  ASSERT_TRUE(responder.has_value());
  EXPECT_TRUE(initiator_matches(crypto, ana.id(), responder->initiator_x25519()));
  EXPECT_FALSE(initiator_matches(crypto, bo.id(), responder->initiator_x25519()));
  auto reply = responder->respond(bytes_of("welcome"), 2, random);
  const auto finished = initiator->finish(reply.datagram);
  ASSERT_TRUE(finished.has_value());
  Seal there(crypto, finished->keys);
  Seal here(crypto, reply.keys);
  EXPECT_EQ(*here.open(there.seal(bytes_of("hi"))), to_bytes(bytes_of("hi")));
  reply.datagram.back() ^= 1;
  EXPECT_FALSE(initiator->finish(reply.datagram).has_value());
  EXPECT_FALSE(Responder::open(crypto, ana, first).has_value()) << "it was for bo";
}

TEST_F(StandIn, ARecordIsBelievedForItsSignatureOnly) {
  const auto record = SignedRecord::sign(ana, Record{.id = ana.id(), .sequence = 1});
  ASSERT_TRUE(SignedRecord::parse(crypto, record.exact_bytes()).has_value());
  Bytes bent = to_bytes(record.exact_bytes());
  bent[3] ^= 1;
  EXPECT_EQ(SignedRecord::parse(crypto, bent).error(), Error::bad_signature);
}

}  // namespace
}  // namespace byway::sim::stand_in_crypto_test

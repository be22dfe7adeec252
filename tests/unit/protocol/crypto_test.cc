#include "protocol/crypto.h"

#include <gtest/gtest.h>

#include "tests/unit/protocol/odd_keys.h"
#include "tests/unit/protocol/people.h"

namespace byway::crypto_test {
namespace {

const Crypto& crypto = sodium_crypto();

TEST(Crypto, SignsAsRfc8032Says) {  // §7.1, test 1
  const auto seed =
      array_from_hex<32>("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
  const auto pub =
      array_from_hex<32>("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  const auto signature = array_from_hex<64>(
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
      "b46bd25bf5f0595bbe24655141438e7a100b");
  EXPECT_EQ(crypto.ed25519_public(seed), pub);
  EXPECT_EQ(crypto.sign(seed, {}), signature);
  EXPECT_TRUE(crypto.verify(pub, {}, signature));
  EXPECT_FALSE(crypto.verify(pub, bytes_of("x"), signature));
}

TEST(Crypto, HashesAsRfc6234And4231Say) {
  EXPECT_EQ(to_hex(crypto.hash(bytes_of("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Key key{};  // HMAC pads its key with zeros, so "Jefe" may be written as 32 bytes
  const ByteView jefe = bytes_of("Jefe");
  std::copy(jefe.begin(), jefe.end(), key.begin());
  EXPECT_EQ(to_hex(crypto.hmac(key, bytes_of("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

// RFC 5869, A.3: no salt is a salt of zeros, and 42 bytes are one output and ten of the second.
TEST(Crypto, KeysAreDerivedAsTheStandardHasIt) {
  const auto [first, second] = crypto.hkdf(Key{}, Bytes(22, 0x0b));
  EXPECT_EQ(to_hex(first), "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
  EXPECT_EQ(to_hex(ByteView{second}.first(10)), "9d201395faa4b61a96c8");
}

TEST(Crypto, OneKeyPairServesBothCurves) {
  const Identity ana = person(1);
  EXPECT_EQ(*crypto.x25519_from_ed25519(ana.id().key()), crypto.x25519_base(ana.x25519_secret()));
}

TEST(Crypto, BothSidesOfAnExchangeFindTheSameSecret) {
  const Identity ana = person(1), bo = person(2);
  const auto shared = crypto.x25519(ana.x25519_secret(), bo.x25519_public());
  ASSERT_TRUE(shared);
  EXPECT_EQ(*shared, *crypto.x25519(bo.x25519_secret(), ana.x25519_public()));
}

TEST(Crypto, APointOfSmallOrderMakesNoSecret) {
  const Identity ana = person(1);
  EXPECT_EQ(crypto.x25519(ana.x25519_secret(), Key{}).error(), Error::bad_key);
  EXPECT_EQ(crypto.x25519(ana.x25519_secret(), Key{1}).error(), Error::bad_key);
}

TEST(Crypto, EveryHonestKeyIsACanonicalPoint) {
  for (std::uint64_t i = 0; i < 50; ++i)
    EXPECT_TRUE(crypto.is_canonical_point(person(i).id().key())) << i;
}

TEST(Crypto, AKeyShiftedByATorsionPointIsNotASecondNameForItsOwner) {
  for (std::uint64_t i = 0; i < 20; ++i) {
    const Key shifted = with_torsion(person(i).id().key());
    EXPECT_FALSE(crypto.is_canonical_point(shifted)) << i;
    EXPECT_EQ(crypto.x25519_from_ed25519(shifted).error(), Error::bad_key) << i;
    EXPECT_EQ(with_torsion(shifted), person(i).id().key());  // the shift itself is right
  }
}

TEST(Crypto, EncodingsBeyondTheFieldAndSmallPointsAreNoKeys) {
  Key beyond;
  beyond.fill(0xff);
  for (int low = 0xed; low <= 0xff; ++low)
    for (const int high : {0x7f, 0xff}) {
      beyond[0] = static_cast<std::uint8_t>(low);
      beyond[31] = static_cast<std::uint8_t>(high);
      EXPECT_FALSE(crypto.is_canonical_point(beyond)) << low;
      EXPECT_EQ(crypto.x25519_from_ed25519(beyond).error(), Error::bad_key) << low;
    }
  EXPECT_FALSE(crypto.is_canonical_point(Key{}));   // order 4
  EXPECT_FALSE(crypto.is_canonical_point(Key{1}));  // the neutral element
}

TEST(Crypto, AKeyIsTheSameInBothShapesWhereConversionSaysSo) {
  for (std::uint64_t i = 0; i < 500; ++i) {
    const Identity ana = person(i), bo = person(i + 1);
    ASSERT_EQ(*crypto.x25519_from_ed25519(ana.id().key()), ana.x25519_public()) << i;
    EXPECT_TRUE(crypto.is_same_key(ana.id().key(), ana.x25519_public())) << i;
    EXPECT_FALSE(crypto.is_same_key(ana.id().key(), bo.x25519_public())) << i;
    EXPECT_FALSE(crypto.is_same_key(with_torsion(ana.id().key()), ana.x25519_public())) << i;
    EXPECT_TRUE(
        crypto.is_same_key(with_torsion(ana.id().key()), x25519_with_torsion(ana.x25519_public())))
        << i;
  }
  const Identity ana = person(1);
  for (std::size_t bit = 0; bit < 256; ++bit) {
    Key x25519 = ana.x25519_public(), ed25519 = ana.id().key();
    x25519[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    ed25519[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    EXPECT_FALSE(crypto.is_same_key(ana.id().key(), x25519)) << bit;
    EXPECT_EQ(crypto.is_same_key(ed25519, ana.x25519_public()), bit == 255) << bit;  // the sign
  }
}

// y = 0 is u = 1, and y = -1 is u = 0; each coordinate has a second encoding above the prime.
TEST(Crypto, AKeyInAnotherEncodingIsNotTheSameKey) {
  const Key zero{}, one{1};
  Key prime;  // 2^255 - 19
  prime.fill(0xff);
  prime[0] = 0xed;
  prime[31] = 0x7f;
  Key beyond = prime, minus_one = prime;
  ++beyond[0];
  --minus_one[0];
  EXPECT_TRUE(crypto.is_same_key(zero, one));
  EXPECT_FALSE(crypto.is_same_key(prime, one));
  EXPECT_FALSE(crypto.is_same_key(zero, beyond));
  EXPECT_TRUE(crypto.is_same_key(minus_one, zero));
  EXPECT_FALSE(crypto.is_same_key(minus_one, prime));
  EXPECT_FALSE(crypto.is_same_key(one, zero));  // the neutral element has no u
  EXPECT_FALSE(crypto.is_same_key(one, one));
}

// With a key A of small order and h A neutral, any S with R = S B would be a signature by A.
TEST(Crypto, APointOfSmallOrderSignsNothing) {
  const Key neutral{1}, small{};  // of order 1 and 4
  Key minus_one;                  // of order 2
  minus_one.fill(0xff);
  minus_one[0] = 0xec;
  minus_one[31] = 0x7f;
  Signature signature;  // R is the base point, S is 1
  signature.fill(0x66);
  signature[0] = 0x58;
  std::fill(signature.begin() + 32, signature.end(), std::uint8_t{0});
  signature[32] = 1;
  for (std::uint8_t text = 0; text < 50; ++text)
    for (const Key& key : {neutral, small, minus_one})
      EXPECT_FALSE(crypto.verify(key, {&text, 1}, signature)) << int{text};
}

TEST(Crypto, WhatWasSealedOpensOnlyUnchanged) {
  const Key key{7};
  const WideNonce wide{9};
  const ByteView text = bytes_of("hello bo");
  Bytes sealed(text.size() + tag_size), wide_sealed(text.size() + tag_size), opened(text.size());
  crypto.seal(key, 5, bytes_of("ad"), text, sealed);
  crypto.seal_wide(key, wide, bytes_of("ad"), text, wide_sealed);

  ASSERT_TRUE(crypto.open(key, 5, bytes_of("ad"), sealed, opened));
  EXPECT_EQ(text_of(opened), "hello bo");
  ASSERT_TRUE(crypto.open_wide(key, wide, bytes_of("ad"), wide_sealed, opened));
  EXPECT_EQ(text_of(opened), "hello bo");

  EXPECT_FALSE(crypto.open(key, 6, bytes_of("ad"), sealed, opened));
  EXPECT_FALSE(crypto.open(key, 5, bytes_of("da"), sealed, opened));
  EXPECT_FALSE(crypto.open(Key{8}, 5, bytes_of("ad"), sealed, opened));
  EXPECT_FALSE(crypto.open(key, 5, {}, ByteView(sealed).first(tag_size - 1), {}));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    sealed[i] ^= 1;
    wide_sealed[i] ^= 1;
    EXPECT_FALSE(crypto.open(key, 5, bytes_of("ad"), sealed, opened)) << i;
    EXPECT_FALSE(crypto.open_wide(key, wide, bytes_of("ad"), wide_sealed, opened)) << i;
    sealed[i] ^= 1;
    wide_sealed[i] ^= 1;
  }
}

TEST(Crypto, AMacDependsOnItsKeyAndEveryByte) {
  const Tag tag = crypto.mac(Key{1}, bytes_of("knock"));
  EXPECT_EQ(tag, crypto.mac(Key{1}, bytes_of("knock")));
  EXPECT_NE(tag, crypto.mac(Key{2}, bytes_of("knock")));
  EXPECT_NE(tag, crypto.mac(Key{1}, bytes_of("knocl")));
  EXPECT_TRUE(same_secret(tag, tag));
  EXPECT_FALSE(same_secret(tag, ByteView(tag).first(15)));
}

}  // namespace
}  // namespace byway::crypto_test

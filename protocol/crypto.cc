#include "protocol/crypto.h"

#include <sodium.h>

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>

namespace byway {
namespace {

using AeadNonce = ByteArray<crypto_aead_chacha20poly1305_ietf_NPUBBYTES>;

AeadNonce noise_nonce(std::uint64_t counter) {
  AeadNonce nonce{};
  for (std::size_t i = 0; i < 8; ++i) nonce[4 + i] = static_cast<std::uint8_t>(counter >> (8 * i));
  return nonce;
}

// The order of the main subgroup less one, little-endian: times this, every point of the subgroup
// becomes its own negative, and no other point does.
constexpr Key order_less_one{0xec, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
                             0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
                             0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};

// Wide enough for a product of two elements of the field of both curves, the integers modulo
// 2^255 - 19. For public keys only: the time taken tells what is worked on.
using Field = boost::multiprecision::uint512_t;
const Field field_prime = (Field(1) << 255) - 19;

// Little-endian, without the top bit: in Ed25519 the sign of x.
Field field_element(const Key& coordinate) {
  Field element;
  import_bits(element, coordinate.begin(), coordinate.end(), 8, false);
  bit_unset(element, 255);
  return element;
}

// Whether the encoded coordinate is below the field's prime.
bool is_reduced(const Key& point) {
  return (point[31] & 0x7f) != 0x7f || point[0] < 0xed ||
         std::any_of(point.begin() + 1, point.end() - 1, [](auto byte) { return byte != 0xff; });
}

// Some versions of libsodium take points of twice the prime order for good ones (CVE-2025-69277).
// Ask this one about such a point: the base point plus (0, -1).
bool library_knows_the_subgroup() {
  Key stranger;
  stranger.fill(0x99);
  stranger[0] = 0x95;
  return crypto_core_ed25519_is_valid_point(stranger.data()) == 0;
}

class SodiumCrypto final : public Crypto {
 public:
  SodiumCrypto() {
    ensure(sodium_init() >= 0);
    knows_the_subgroup_ = library_knows_the_subgroup();
  }

  Key ed25519_public(const Key& seed) const override {
    Key pub;
    ByteArray<crypto_sign_SECRETKEYBYTES> secret;
    crypto_sign_seed_keypair(pub.data(), secret.data(), seed.data());
    sodium_memzero(secret.data(), secret.size());
    return pub;
  }

  Signature sign(const Key& seed, ByteView message) const override {
    Key pub;
    ByteArray<crypto_sign_SECRETKEYBYTES> secret;
    crypto_sign_seed_keypair(pub.data(), secret.data(), seed.data());
    Signature signature;
    crypto_sign_detached(signature.data(), nullptr, message.data(), message.size(), secret.data());
    sodium_memzero(secret.data(), secret.size());
    return signature;
  }

  bool verify(const Key& ed_public, ByteView message, const Signature& signature) const override {
    return crypto_sign_verify_detached(signature.data(), message.data(), message.size(),
                                       ed_public.data()) == 0;
  }

  // The multiplication makes the same checks as the library's own test; where that test cannot
  // be trusted, its result tells the points apart, at twice the cost.
  bool is_canonical_point(const Key& ed_public) const override {
    if (knows_the_subgroup_) return crypto_core_ed25519_is_valid_point(ed_public.data()) == 1;
    Key negative;
    if (crypto_scalarmult_ed25519_noclamp(negative.data(), order_less_one.data(),
                                          ed_public.data()) != 0)
      return false;
    negative[31] ^= 0x80;  // the sign bit
    return negative == ed_public;
  }

  // The library's conversion makes its own test of the subgroup, but takes every encoding.
  Result<Key> x25519_from_ed25519(const Key& ed_public) const override {
    if (knows_the_subgroup_ ? !is_reduced(ed_public) : !is_canonical_point(ed_public))
      return Error::bad_key;
    Key pub;
    if (crypto_sign_ed25519_pk_to_curve25519(pub.data(), ed_public.data()) != 0)
      return Error::bad_key;
    return pub;
  }

  // u = (1 + y) / (1 - y) (RFC 7748, 4.1), held against what is given instead of worked out: a
  // product in the field in place of a division, and no look at the subgroup.
  bool is_same_key(const Key& ed_public, const Key& x25519_public) const override {
    if (!is_reduced(ed_public) || !is_reduced(x25519_public) || (x25519_public[31] & 0x80) != 0)
      return false;
    const Field u = field_element(x25519_public), y = field_element(ed_public);
    return u * (1 + field_prime - y) % field_prime == (1 + y) % field_prime;
  }

  Key x25519_secret_from_seed(const Key& seed) const override {
    ByteArray<crypto_sign_SECRETKEYBYTES> secret{};  // its second half, the public key, is not read
    std::copy(seed.begin(), seed.end(), secret.begin());
    Key x25519;
    crypto_sign_ed25519_sk_to_curve25519(x25519.data(), secret.data());
    sodium_memzero(secret.data(), secret.size());
    return x25519;
  }

  Key x25519_base(const Key& secret) const override {
    Key pub;
    crypto_scalarmult_base(pub.data(), secret.data());
    return pub;
  }

  Result<Key> x25519(const Key& secret, const Key& pub) const override {
    Key shared;
    if (crypto_scalarmult(shared.data(), secret.data(), pub.data()) != 0) return Error::bad_key;
    return shared;
  }

  void seal(const Key& key, std::uint64_t nonce, ByteView ad, ByteView plaintext,
            MutableBytes out) const override {
    ensure(out.size() == plaintext.size() + tag_size);
    crypto_aead_chacha20poly1305_ietf_encrypt(out.data(), nullptr, plaintext.data(),
                                              plaintext.size(), ad.data(), ad.size(), nullptr,
                                              noise_nonce(nonce).data(), key.data());
  }

  bool open(const Key& key, std::uint64_t nonce, ByteView ad, ByteView ciphertext,
            MutableBytes out) const override {
    if (ciphertext.size() < tag_size) return false;
    ensure(out.size() == ciphertext.size() - tag_size);
    return crypto_aead_chacha20poly1305_ietf_decrypt(
               out.data(), nullptr, nullptr, ciphertext.data(), ciphertext.size(), ad.data(),
               ad.size(), noise_nonce(nonce).data(), key.data()) == 0;
  }

  void seal_wide(const Key& key, const WideNonce& nonce, ByteView ad, ByteView plaintext,
                 MutableBytes out) const override {
    ensure(out.size() == plaintext.size() + tag_size);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out.data(), nullptr, plaintext.data(),
                                               plaintext.size(), ad.data(), ad.size(), nullptr,
                                               nonce.data(), key.data());
  }

  bool open_wide(const Key& key, const WideNonce& nonce, ByteView ad, ByteView ciphertext,
                 MutableBytes out) const override {
    if (ciphertext.size() < tag_size) return false;
    ensure(out.size() == ciphertext.size() - tag_size);
    return crypto_aead_xchacha20poly1305_ietf_decrypt(
               out.data(), nullptr, nullptr, ciphertext.data(), ciphertext.size(), ad.data(),
               ad.size(), nonce.data(), key.data()) == 0;
  }

  Key hash(ByteView message) const override {
    Key digest;
    crypto_hash_sha256(digest.data(), message.data(), message.size());
    return digest;
  }

  Key hmac(const Key& key, ByteView message) const override {
    Key digest;
    crypto_auth_hmacsha256(digest.data(), message.data(), message.size(), key.data());
    return digest;
  }

  Tag mac(ByteView key, ByteView message) const override {
    Tag tag;
    ensure(crypto_generichash(tag.data(), tag.size(), message.data(), message.size(), key.data(),
                              key.size()) == 0);
    return tag;
  }

  // Both outputs are under one key, which need not be hashed for each.
  std::array<Key, 2> hkdf(const Key& chaining_key, ByteView input) const override {
    Key secret = hmac(chaining_key, input);
    crypto_auth_hmacsha256_state keyed;
    crypto_auth_hmacsha256_init(&keyed, secret.data(), secret.size());
    const auto output = [&](ByteView before, std::uint8_t number) {
      crypto_auth_hmacsha256_state state = keyed;
      crypto_auth_hmacsha256_update(&state, before.data(), before.size());
      crypto_auth_hmacsha256_update(&state, &number, 1);
      Key key;
      crypto_auth_hmacsha256_final(&state, key.data());
      sodium_memzero(&state, sizeof(state));
      return key;
    };
    const Key first = output({}, 1);
    const Key second = output(first, 2);
    sodium_memzero(&keyed, sizeof(keyed));
    sodium_memzero(secret.data(), secret.size());
    return {first, second};
  }

 private:
  bool knows_the_subgroup_ = false;
};

}  // namespace

const Crypto& sodium_crypto() {
  static const SodiumCrypto crypto;
  return crypto;
}

bool same_secret(ByteView a, ByteView b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace byway

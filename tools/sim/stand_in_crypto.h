// Cryptography for worlds of ten thousand nodes: a keyed hash in place of curves and ciphers.
//
// Sizes are the real ones and failures happen where they would: a wrong key opens nothing, a
// changed byte is noticed, a signature belongs to one key and one message, a key that is no key is
// refused. What is missing is secrecy: sealed bytes can be read, which is what lets a simulation
// count what is said, and it is worth nothing against anybody who computes with this class itself.
//
//   public key    28 bytes of H(seed), and 4 that check them: that is what a "point" is here
//   X25519        the secret is the public key under a mask; shared = H(both public keys)
//   signature     H(public key, message)
//   seal          the plaintext, and H(key, nonce, associated data, plaintext) as its tag
//
// H keeps 128 bits of state and is keyed with the world's number: what one world signed is noise
// in another.
#pragma once

#include "protocol/crypto.h"

namespace byway::sim {

class StandInCrypto : public Crypto {
 public:
  explicit StandInCrypto(std::uint64_t world);

  Key ed25519_public(const Key& seed) const override;
  Signature sign(const Key& seed, ByteView message) const override;
  bool verify(const Key& ed_public, ByteView message, const Signature& signature) const override;
  bool is_canonical_point(const Key& ed_public) const override;

  Result<Key> x25519_from_ed25519(const Key& ed_public) const override;
  bool is_same_key(const Key& ed_public, const Key& x25519_public) const override;
  Key x25519_secret_from_seed(const Key& seed) const override;
  Key x25519_base(const Key& secret) const override;
  Result<Key> x25519(const Key& secret, const Key& pub) const override;

  void seal(const Key& key, std::uint64_t nonce, ByteView ad, ByteView plaintext,
            MutableBytes out) const override;
  bool open(const Key& key, std::uint64_t nonce, ByteView ad, ByteView ciphertext,
            MutableBytes out) const override;
  void seal_wide(const Key& key, const WideNonce& nonce, ByteView ad, ByteView plaintext,
                 MutableBytes out) const override;
  bool open_wide(const Key& key, const WideNonce& nonce, ByteView ad, ByteView ciphertext,
                 MutableBytes out) const override;

  Key hash(ByteView message) const override;
  Key hmac(const Key& key, ByteView message) const override;
  std::array<Key, 2> hkdf(const Key& chaining_key, ByteView input) const override;
  Tag mac(ByteView key, ByteView message) const override;

 private:
  // What a digest is for: the same bytes for two purposes give two digests.
  enum class Use : std::uint64_t {
    point,
    check,
    curve,
    shared,
    signature,
    seal,
    seal_wide,
    hash,
    hmac,
    mac
  };
  struct State {
    std::uint64_t a;
    std::uint64_t b;
    void take(std::uint64_t word);
    void take(ByteView bytes);
    void skim(ByteView bytes);
    template <std::size_t N>
    ByteArray<N> digest() const;
  };
  State begin(Use use) const;
  ByteArray<4> check_of(ByteView point) const;
  Signature signature_of(const Key& ed_public, ByteView message) const;
  Tag tag_of(const Key& key, ByteView nonce, ByteView ad, ByteView plaintext, Use use) const;

  std::uint64_t world_;
  Key mask_;
};

}  // namespace byway::sim

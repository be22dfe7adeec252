// Every cryptographic primitive Byway uses, as one seam.
//
// Nodes, tests and scenarios use sodium_crypto(). A simulation of ten thousand nodes would spend
// its life in curve arithmetic, so it may pass a keyed-hash stand-in instead: the same sizes, the
// same failures (a wrong key does not open, a bad point is refused), no secrecy. That is why
// protocols take a `const Crypto&` and never call libsodium themselves.
//
// Nothing here keeps state: every member may be called from any thread at once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "protocol/bytes.h"
#include "protocol/result.h"

namespace byway {

using Key = ByteArray<32>;        // a seed, a public or secret key, a symmetric key, a digest
using Tag = ByteArray<16>;        // a MAC
using Signature = ByteArray<64>;  // Ed25519
using WideNonce = ByteArray<24>;  // large enough to be drawn at random

inline constexpr std::size_t tag_size = sizeof(Tag);

class Crypto {
 public:
  virtual ~Crypto() = default;

  // Ed25519 (RFC 8032). A secret key is its 32-byte seed.
  virtual Key ed25519_public(const Key& seed) const = 0;
  virtual Signature sign(const Key& seed, ByteView message) const = 0;
  // Never for an encoding that is not canonical, no point, or a point of small order.
  virtual bool verify(const Key& ed_public, ByteView message, const Signature& signature) const = 0;
  // True only for the canonical encoding of a point of the prime-order subgroup: so nobody whom we
  // dial or talk to has a second name by adding a point of small order to its key.
  virtual bool is_canonical_point(const Key& ed_public) const = 0;

  // X25519 (RFC 7748), on the same secret as the Ed25519 key: the two curves are one curve in two
  // shapes. The map from Ed25519 forgets a sign, so two NodeIds share each X25519 key. bad_key for
  // everything that is_canonical_point() refuses: who has converted a key need not ask that too.
  virtual Result<Key> x25519_from_ed25519(const Key& ed_public) const = 0;
  // Whether the two are one key in its two shapes, at about a hundredth of the cost of converting.
  // True only for canonical encodings of both. It does not tell whether they are points of the
  // curve, nor of the subgroup: that is for a signature, is_canonical_point() or the conversion.
  virtual bool is_same_key(const Key& ed_public, const Key& x25519_public) const = 0;
  virtual Key x25519_secret_from_seed(const Key& seed) const = 0;
  virtual Key x25519_base(const Key& secret) const = 0;
  // bad_key where the result is all zero: the other side sent a point of small order.
  virtual Result<Key> x25519(const Key& secret, const Key& pub) const = 0;

  // ChaCha20-Poly1305 (RFC 8439) with the nonce as Noise counts it: 4 zero bytes, 64 bits
  // little-endian. `out` is exactly tag_size longer (seal) or shorter (open) than the input.
  virtual void seal(const Key& key, std::uint64_t nonce, ByteView ad, ByteView plaintext,
                    MutableBytes out) const = 0;
  virtual bool open(const Key& key, std::uint64_t nonce, ByteView ad, ByteView ciphertext,
                    MutableBytes out) const = 0;
  // XChaCha20-Poly1305, for keys without a counter.
  virtual void seal_wide(const Key& key, const WideNonce& nonce, ByteView ad, ByteView plaintext,
                         MutableBytes out) const = 0;
  virtual bool open_wide(const Key& key, const WideNonce& nonce, ByteView ad, ByteView ciphertext,
                         MutableBytes out) const = 0;

  virtual Key hash(ByteView message) const = 0;                  // SHA-256
  virtual Key hmac(const Key& key, ByteView message) const = 0;  // HMAC-SHA-256 (RFC 2104)
  virtual Tag mac(ByteView key, ByteView message) const = 0;  // BLAKE2b-128, key of 16–64 bytes
  // Two keys out of one and an input: HKDF (RFC 5869) with no info, as Noise has it (§4.3).
  virtual std::array<Key, 2> hkdf(const Key& chaining_key, ByteView input) const = 0;
};

// The real thing. The first call initialises libsodium.
const Crypto& sodium_crypto();

// Compares secrets without telling by the time taken where they differ.
bool same_secret(ByteView a, ByteView b);

}  // namespace byway

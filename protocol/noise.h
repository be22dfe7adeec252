// The Noise pattern IK with our choice of primitives: Noise_IK_25519_ChaChaPoly_SHA256
// (The Noise Protocol Framework, revision 34).
//
//   <- s                    the initiator knows the responder's static key beforehand
//   ...
//   -> e, es, s, ss         message 1: 96 bytes and the payload
//   <- e, ee, se            message 2: 48 bytes and the payload
//
// One round trip, both sides proved, the initiator's name hidden from whoever listens. Payload 1
// may be replayed and lacks forward secrecy; what may stand in it is decided above (handshake.h).
//
// These classes know nothing of our packets, so that the published vectors can be put through
// them as they are. Reading never spoils the state: a forged message fails, the true one that
// comes after it still succeeds.
#pragma once

#include <cstdint>

#include "protocol/bytes.h"
#include "protocol/crypto.h"
#include "protocol/result.h"

namespace byway {

struct KeyPair {  // X25519
  Key secret;
  Key pub;
  static KeyPair from_secret(const Crypto& crypto, const Key& secret) {
    return {secret, crypto.x25519_base(secret)};
  }
};

// What both sides hold at the end; `hash` is the same for both and names this very conversation.
struct NoiseKeys {
  Key to_responder;
  Key to_initiator;
  Key hash;
};

inline constexpr std::size_t noise_message1_overhead = 96;
inline constexpr std::size_t noise_message2_overhead = 48;

// The running hash and chaining key that every handshake step is mixed into (framework §5.2).
class SymmetricState {
 public:
  SymmetricState(const Crypto& crypto, ByteView prologue);

  void mix_hash(ByteView data);
  void mix_key(const Key& input);
  Bytes encrypt_and_hash(ByteView plaintext);
  Result<Bytes> decrypt_and_hash(ByteView ciphertext);  // unauthentic, truncated
  NoiseKeys split() const;

 private:
  const Crypto* crypto_;
  Key hash_;
  Key chaining_key_;
  Key cipher_key_{};
  std::uint64_t nonce_ = 0;
};

class NoiseInitiator {
 public:
  NoiseInitiator(const Crypto& crypto, ByteView prologue, const KeyPair& self,
                 const Key& responder);

  // Once. bad_key when the responder's key is of small order.
  Result<Bytes> write_message1(const KeyPair& ephemeral, ByteView payload);

  struct Finished {
    Bytes payload;
    NoiseKeys keys;
  };
  Result<Finished> read_message2(ByteView message) const;

 private:
  const Crypto* crypto_;
  SymmetricState state_;
  KeyPair self_;
  KeyPair ephemeral_{};
  Key responder_;
};

class NoiseResponder {
 public:
  static Result<NoiseResponder> read_message1(const Crypto& crypto, ByteView prologue,
                                              const KeyPair& self, ByteView message);
  const Bytes& payload() const { return payload_; }
  const Key& initiator() const { return initiator_; }  // its static key

  struct Finished {
    Bytes message;
    NoiseKeys keys;
  };
  Finished write_message2(const KeyPair& ephemeral, ByteView payload) const;

 private:
  NoiseResponder(const Crypto& crypto, const SymmetricState& state)
      : crypto_(&crypto), state_(state) {}

  const Crypto* crypto_;
  SymmetricState state_;
  Key initiator_ephemeral_{};
  Key initiator_{};
  Bytes payload_;
};

}  // namespace byway

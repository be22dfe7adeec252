// How a link begins: two datagrams, after which both sides hold the same keys and each knows that
// the other holds the secret of its NodeId. Noise IK (noise.h) in our packets (packet.h).
//
//   initiator                                        responder
//   make, start   ---------- handshake 1 --------->  mac1_matches, open
//                 <-- cookie, only under load -----  CookieMint::reply (cookie.h)
//   open_cookie, with_cookie ---- again ---------->  mac2_valid, open
//   finish        <--------- handshake 2 ----------  respond
//
// The prologue is "byway link 1" and the responder's NodeId: X25519 keys forget one bit of the
// Ed25519 key, the prologue does not. For the same reason the responder learns only an X25519 key
// from Noise; the initiator states its NodeId in payload 1, to be held against that key with
// initiator_matches().
//
// mac1 says "I know whom I am talking to" and costs a hash to check: scans and stray packets end
// there. Its key is SHA-256("byway mac1" | the receiver's public key): in handshake 1 the
// responder's NodeId, in handshake 2 the initiator's X25519 key, which is all the responder knows
// before it has read any payload. mac2 exists only in handshake 1: the initiator needs no cookie
// from somebody it has just written to.
//
// No part of this decides whether a payload is fresh or its sender welcome.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "protocol/bytes.h"
#include "protocol/crypto.h"
#include "protocol/identity.h"
#include "protocol/noise.h"
#include "protocol/packet.h"
#include "protocol/random.h"
#include "protocol/result.h"

namespace byway {

struct SessionKeys {
  Key send;
  Key receive;
  Key hash;  // the same at both ends, different for every handshake
  std::uint32_t local_index;
  std::uint32_t remote_index;
};

class Initiator {
 public:
  // bad_key when the responder's NodeId is no usable point.
  static Result<Initiator> make(const Crypto& crypto, const Identity& self, const NodeId& responder,
                                std::uint32_t local_index, Random& random);

  // The whole datagram, handshake1_overhead longer than the payload of at most
  // max_handshake_payload. Once per handshake: a second
  // payload under the same ephemeral key would break the cipher.
  Bytes start(ByteView payload, const std::optional<Tag>& cookie = std::nullopt);
  // The datagram of start() again, to retransmit it: the same bytes but for mac2.
  Bytes datagram() const { return datagram_; }
  Bytes with_cookie(const Tag& cookie) const;

  struct Finished {
    Bytes payload;
    SessionKeys keys;
  };
  // May be tried again after a failure: a forgery does not spoil the handshake.
  // unknown_session: not for this index. bad_mac, unauthentic: not from the responder.
  Result<Finished> finish(ByteView handshake2) const;
  // Opens only what answers the datagram of start().
  Result<Tag> open_cookie(ByteView cookie_datagram) const;

  const NodeId& responder() const { return responder_; }
  std::uint32_t local_index() const { return local_index_; }

 private:
  Initiator(const Crypto& crypto, const Identity& self, const NodeId& responder,
            const Key& responder_x25519, std::uint32_t local_index, Random& random);

  const Crypto* crypto_;
  NodeId responder_;
  std::uint32_t local_index_;
  KeyPair self_;
  KeyPair ephemeral_;
  NoiseInitiator noise_;
  Bytes datagram_;
};

class Responder {
 public:
  // Opens handshake 1: two X25519 operations. Checks mac1 before them, mac2 not at all.
  static Result<Responder> open(const Crypto& crypto, const Identity& self, ByteView handshake1);

  ByteView payload() const { return noise_.payload(); }
  const Key& initiator_x25519() const { return noise_.initiator(); }
  std::uint32_t remote_index() const { return remote_index_; }
  // The longest payload respond() may carry while the answer is no longer than the question, as
  // it has to be until the initiator's address is proved.
  std::size_t payload_room() const {
    return payload().size() + handshake1_overhead - handshake2_overhead;
  }

  struct Reply {
    Bytes datagram;
    SessionKeys keys;
  };
  Reply respond(ByteView payload, std::uint32_t local_index, Random& random) const;

 private:
  Responder(const Crypto& crypto, NoiseResponder noise, std::uint32_t remote_index)
      : crypto_(&crypto), noise_(std::move(noise)), remote_index_(remote_index) {}

  const Crypto* crypto_;
  NoiseResponder noise_;
  std::uint32_t remote_index_;
};

// Is this handshake 1 meant for us? To be asked first, before anything is spent on it.
bool mac1_matches(const Crypto& crypto, const NodeId& self, ByteView handshake1);

// Does the NodeId claimed in payload 1 belong to the key Noise has proved? Whether it is a proper
// point is not asked here (Crypto::is_same_key).
bool initiator_matches(const Crypto& crypto, const NodeId& claimed, const Key& initiator_x25519);

}  // namespace byway

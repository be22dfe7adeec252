// Keeps a flood of handshakes from costing us curve arithmetic.
//
// Under load a responder answers handshake 1 with a cookie instead of opening it: a MAC of the
// sender's address under a secret of ours. The sender repeats the handshake with mac2 keyed by
// that cookie, which proves that it receives what we send there; only then do we calculate. We
// keep nothing per sender: the cookie is computed again when it comes back. (The idea is
// WireGuard's, "WireGuard: Next Generation Kernel Network Tunnel", §5.3.)
//
// The cookie travels sealed under a key made of our NodeId, with the mac1 it answers as associated
// data: whoever cannot see the handshake cannot have somebody else's cookie, nor feed one.
#pragma once

#include <optional>

#include "protocol/bytes.h"
#include "protocol/crypto.h"
#include "protocol/endpoint.h"
#include "protocol/identity.h"
#include "protocol/packet.h"
#include "protocol/random.h"
#include "protocol/result.h"
#include "protocol/time.h"

namespace byway {

// The secret changes every so often and the one before it is still honoured: a cookie is good for
// one to two of these.
inline constexpr Duration cookie_lifetime = 120s;

class CookieMint {
 public:
  CookieMint(const Crypto& crypto, const NodeId& self, Random& random);

  // cookie_packet_size bytes, fewer than any handshake 1; empty when `handshake1` is not one. The
  // caller has checked mac1.
  Bytes reply(TimePoint now, const Endpoint& source, ByteView handshake1);
  bool mac2_valid(TimePoint now, const Endpoint& source, ByteView handshake1);

 private:
  void rotate(TimePoint now);
  Tag cookie(const Key& secret, const Endpoint& source) const;

  const Crypto* crypto_;
  Random random_;
  Key sealing_key_;
  Key secret_;
  Key previous_;
  std::optional<TimePoint> born_;  // of secret_
};

// The initiator's side: the cookie in an answer to the handshake that carried `mac1`.
Result<Tag> open_cookie(const Crypto& crypto, const NodeId& responder, ByteView mac1,
                        const CookiePacket& packet);

}  // namespace byway

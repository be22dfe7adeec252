#include "protocol/cookie.h"

#include <algorithm>

namespace byway {
namespace {

Key sealing_key(const Crypto& crypto, const NodeId& responder) {
  Bytes labelled = to_bytes(bytes_of("byway cookie"));
  append(labelled, responder.key());
  return crypto.hash(labelled);
}

}  // namespace

CookieMint::CookieMint(const Crypto& crypto, const NodeId& self, Random& random)
    : crypto_(&crypto),
      random_(random.fork()),
      sealing_key_(sealing_key(crypto, self)),
      secret_(random_.bytes<32>()),
      previous_(random_.bytes<32>()) {}

void CookieMint::rotate(TimePoint now) {
  if (!born_) born_ = now;
  const Duration age = now - *born_;
  if (age < cookie_lifetime) return;
  // After a long silence the secret at hand is too old to be the previous one.
  previous_ = age < 2 * cookie_lifetime ? secret_ : random_.bytes<32>();
  secret_ = random_.bytes<32>();
  born_ = now;
}

Tag CookieMint::cookie(const Key& secret, const Endpoint& source) const {
  Bytes address = to_bytes(source.address.mapped());
  append_be<std::uint16_t>(address, source.port);
  return crypto_->mac(secret, address);
}

Bytes CookieMint::reply(TimePoint now, const Endpoint& source, ByteView handshake1) {
  const auto packet = parse_handshake1(handshake1);
  if (!packet) return {};
  rotate(now);

  const WideNonce nonce = random_.bytes<24>();
  ByteArray<sizeof(Tag) + tag_size> sealed;
  crypto_->seal_wide(sealing_key_, nonce, packet->mac1, cookie(secret_, source), sealed);

  Bytes datagram{static_cast<std::uint8_t>(PacketKind::cookie), 0, 0, 0};
  append_be<std::uint32_t>(datagram, packet->sender_index);
  append(datagram, nonce);
  append(datagram, sealed);
  return datagram;
}

bool CookieMint::mac2_valid(TimePoint now, const Endpoint& source, ByteView handshake1) {
  const auto packet = parse_handshake1(handshake1);
  if (!packet) return false;
  rotate(now);

  for (const Key& secret : {secret_, previous_})
    if (same_secret(packet->mac2, crypto_->mac(cookie(secret, source), packet->before_mac2)))
      return true;
  return false;
}

Result<Tag> open_cookie(const Crypto& crypto, const NodeId& responder, ByteView mac1,
                        const CookiePacket& packet) {
  WideNonce nonce;
  std::copy(packet.nonce.begin(), packet.nonce.end(), nonce.begin());
  Tag cookie;
  if (!crypto.open_wide(sealing_key(crypto, responder), nonce, mac1, packet.sealed_cookie, cookie))
    return Error::unauthentic;
  return cookie;
}

}  // namespace byway

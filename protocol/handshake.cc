#include "protocol/handshake.h"

#include <algorithm>

#include "protocol/cookie.h"

namespace byway {
namespace {

constexpr Tag no_cookie{};

Bytes prologue(const NodeId& responder) {
  Bytes bytes = to_bytes(bytes_of("byway link 1"));
  append(bytes, responder.key());
  return bytes;
}

// The key of mac1: a hash of the receiver's public key, whichever of its two we know.
Key mac1_key(const Crypto& crypto, const Key& receiver) {
  Bytes labelled = to_bytes(bytes_of("byway mac1"));
  append(labelled, receiver);
  return crypto.hash(labelled);
}

Tag mac1(const Crypto& crypto, const Key& receiver, ByteView before) {
  return crypto.mac(mac1_key(crypto, receiver), before);
}

Bytes packet_header(PacketKind kind, std::uint32_t index) {
  Bytes datagram{static_cast<std::uint8_t>(kind), 0, 0, 0};
  append_be<std::uint32_t>(datagram, index);
  return datagram;
}

KeyPair self_keys(const Identity& self) {
  return {self.x25519_secret(), self.x25519_public()};
}

}  // namespace

Initiator::Initiator(const Crypto& crypto, const Identity& self, const NodeId& responder,
                     const Key& responder_x25519, std::uint32_t local_index, Random& random)
    : crypto_(&crypto),
      responder_(responder),
      local_index_(local_index),
      self_(self_keys(self)),
      ephemeral_(KeyPair::from_secret(crypto, random.bytes<32>())),
      noise_(crypto, prologue(responder), self_, responder_x25519) {}

Result<Initiator> Initiator::make(const Crypto& crypto, const Identity& self,
                                  const NodeId& responder, std::uint32_t local_index,
                                  Random& random) {
  const auto x25519 = crypto.x25519_from_ed25519(responder.key());
  if (!x25519) return x25519.error();
  return Initiator(crypto, self, responder, *x25519, local_index, random);
}

Bytes Initiator::start(ByteView payload, const std::optional<Tag>& cookie) {
  ensure(datagram_.empty());
  ensure(payload.size() <= max_handshake_payload);
  const auto message = noise_.write_message1(ephemeral_, payload);
  ensure(message.has_value());  // make() has refused keys of small order

  datagram_ = packet_header(PacketKind::handshake1, local_index_);
  append(datagram_, *message);
  append(datagram_, mac1(*crypto_, responder_.key(), datagram_));
  append(datagram_, no_cookie);
  if (cookie) datagram_ = with_cookie(*cookie);
  return datagram_;
}

Bytes Initiator::with_cookie(const Tag& cookie) const {
  Bytes datagram = datagram_;
  const MutableBytes all(datagram);
  const Tag mac2 = crypto_->mac(cookie, all.first(all.size() - mac_size));
  std::copy(mac2.begin(), mac2.end(), all.last(mac_size).begin());
  return datagram;
}

Result<Initiator::Finished> Initiator::finish(ByteView handshake2) const {
  const auto packet = parse_handshake2(handshake2);
  if (!packet) return packet.error();
  if (datagram_.empty()) return Error::unexpected;
  if (packet->receiver_index != local_index_) return Error::unknown_session;
  if (!same_secret(packet->mac1, mac1(*crypto_, self_.pub, packet->before_mac1)))
    return Error::bad_mac;

  auto finished = noise_.read_message2(packet->noise);
  if (!finished) return finished.error();
  const NoiseKeys& keys = finished->keys;
  return Finished{
      std::move(finished->payload),
      {keys.to_responder, keys.to_initiator, keys.hash, local_index_, packet->sender_index}};
}

Result<Tag> Initiator::open_cookie(ByteView cookie_datagram) const {
  const auto packet = parse_cookie(cookie_datagram);
  if (!packet) return packet.error();
  if (datagram_.empty()) return Error::unexpected;
  if (packet->receiver_index != local_index_) return Error::unknown_session;
  const ByteView macs = ByteView(datagram_).last(2 * mac_size);
  return byway::open_cookie(*crypto_, responder_, macs.first(mac_size), *packet);
}

Result<Responder> Responder::open(const Crypto& crypto, const Identity& self, ByteView handshake1) {
  const auto packet = parse_handshake1(handshake1);
  if (!packet) return packet.error();
  if (!mac1_matches(crypto, self.id(), handshake1)) return Error::bad_mac;

  auto noise =
      NoiseResponder::read_message1(crypto, prologue(self.id()), self_keys(self), packet->noise);
  if (!noise) return noise.error();
  return Responder(crypto, std::move(*noise), packet->sender_index);
}

Responder::Reply Responder::respond(ByteView payload, std::uint32_t local_index,
                                    Random& random) const {
  const KeyPair ephemeral = KeyPair::from_secret(*crypto_, random.bytes<32>());
  const auto [message, keys] = noise_.write_message2(ephemeral, payload);

  Bytes datagram = packet_header(PacketKind::handshake2, remote_index_);
  append_be<std::uint32_t>(datagram, local_index);
  append(datagram, message);
  append(datagram, mac1(*crypto_, noise_.initiator(), datagram));
  return {std::move(datagram),
          {keys.to_initiator, keys.to_responder, keys.hash, local_index, remote_index_}};
}

bool mac1_matches(const Crypto& crypto, const NodeId& self, ByteView handshake1) {
  const auto packet = parse_handshake1(handshake1);
  if (!packet) return false;
  return same_secret(packet->mac1, mac1(crypto, self.key(), packet->before_mac1));
}

bool initiator_matches(const Crypto& crypto, const NodeId& claimed, const Key& initiator_x25519) {
  return crypto.is_same_key(claimed.key(), initiator_x25519);
}

}  // namespace byway

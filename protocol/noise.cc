#include "protocol/noise.h"

#include <algorithm>
#include <string_view>

namespace byway {
namespace {

constexpr std::string_view protocol_name = "Noise_IK_25519_ChaChaPoly_SHA256";

Key key_of(ByteView bytes) {
  Key key;
  std::copy_n(bytes.begin(), key.size(), key.begin());
  return key;
}

}  // namespace

SymmetricState::SymmetricState(const Crypto& crypto, ByteView prologue) : crypto_(&crypto) {
  // The name is exactly as long as a hash, so it is used as it stands.
  static_assert(protocol_name.size() == sizeof(Key));
  hash_ = key_of(bytes_of(protocol_name));
  chaining_key_ = hash_;
  mix_hash(prologue);
}

void SymmetricState::mix_hash(ByteView data) {
  Bytes both = to_bytes(hash_);
  append(both, data);
  hash_ = crypto_->hash(both);
}

void SymmetricState::mix_key(const Key& input) {
  const auto [first, second] = crypto_->hkdf(chaining_key_, input);
  chaining_key_ = first;
  cipher_key_ = second;
  nonce_ = 0;
}

// In this pattern nothing is encrypted before the first mix_key(), so there is always a key.
Bytes SymmetricState::encrypt_and_hash(ByteView plaintext) {
  Bytes ciphertext(plaintext.size() + tag_size);
  crypto_->seal(cipher_key_, nonce_++, hash_, plaintext, ciphertext);
  mix_hash(ciphertext);
  return ciphertext;
}

Result<Bytes> SymmetricState::decrypt_and_hash(ByteView ciphertext) {
  if (ciphertext.size() < tag_size) return Error::truncated;
  Bytes plaintext(ciphertext.size() - tag_size);
  if (!crypto_->open(cipher_key_, nonce_, hash_, ciphertext, plaintext)) return Error::unauthentic;
  ++nonce_;
  mix_hash(ciphertext);
  return plaintext;
}

NoiseKeys SymmetricState::split() const {
  const auto [first, second] = crypto_->hkdf(chaining_key_, {});
  return {first, second, hash_};
}

NoiseInitiator::NoiseInitiator(const Crypto& crypto, ByteView prologue, const KeyPair& self,
                               const Key& responder)
    : crypto_(&crypto), state_(crypto, prologue), self_(self), responder_(responder) {
  state_.mix_hash(responder);
}

Result<Bytes> NoiseInitiator::write_message1(const KeyPair& ephemeral, ByteView payload) {
  const auto es = crypto_->x25519(ephemeral.secret, responder_);
  if (!es) return es.error();
  const auto ss = crypto_->x25519(self_.secret, responder_);
  if (!ss) return ss.error();

  ephemeral_ = ephemeral;
  Bytes message = to_bytes(ephemeral.pub);
  state_.mix_hash(ephemeral.pub);
  state_.mix_key(*es);
  append(message, state_.encrypt_and_hash(self_.pub));
  state_.mix_key(*ss);
  append(message, state_.encrypt_and_hash(payload));
  return message;
}

Result<NoiseInitiator::Finished> NoiseInitiator::read_message2(ByteView message) const {
  if (message.size() < noise_message2_overhead) return Error::truncated;
  const Key ephemeral = key_of(message.first(32));
  const auto ee = crypto_->x25519(ephemeral_.secret, ephemeral);
  if (!ee) return ee.error();
  const auto se = crypto_->x25519(self_.secret, ephemeral);
  if (!se) return se.error();

  SymmetricState state = state_;
  state.mix_hash(ephemeral);
  state.mix_key(*ee);
  state.mix_key(*se);
  auto payload = state.decrypt_and_hash(message.subspan(32));
  if (!payload) return payload.error();
  return Finished{std::move(*payload), state.split()};
}

Result<NoiseResponder> NoiseResponder::read_message1(const Crypto& crypto, ByteView prologue,
                                                     const KeyPair& self, ByteView message) {
  if (message.size() < noise_message1_overhead) return Error::truncated;
  SymmetricState state(crypto, prologue);
  state.mix_hash(self.pub);

  const Key ephemeral = key_of(message.first(32));
  state.mix_hash(ephemeral);
  const auto es = crypto.x25519(self.secret, ephemeral);
  if (!es) return es.error();
  state.mix_key(*es);
  const auto initiator = state.decrypt_and_hash(message.subspan(32, 48));
  if (!initiator) return initiator.error();

  const Key static_key = key_of(*initiator);
  const auto ss = crypto.x25519(self.secret, static_key);
  if (!ss) return ss.error();
  state.mix_key(*ss);
  auto payload = state.decrypt_and_hash(message.subspan(80));
  if (!payload) return payload.error();

  NoiseResponder responder(crypto, state);
  responder.initiator_ephemeral_ = ephemeral;
  responder.initiator_ = static_key;
  responder.payload_ = std::move(*payload);
  return responder;
}

NoiseResponder::Finished NoiseResponder::write_message2(const KeyPair& ephemeral,
                                                        ByteView payload) const {
  const auto ee = crypto_->x25519(ephemeral.secret, initiator_ephemeral_);
  const auto se = crypto_->x25519(ephemeral.secret, initiator_);
  ensure(ee.has_value() && se.has_value());  // read_message1 has met both keys and refused bad ones

  SymmetricState state = state_;
  Bytes message = to_bytes(ephemeral.pub);
  state.mix_hash(ephemeral.pub);
  state.mix_key(*ee);
  state.mix_key(*se);
  append(message, state.encrypt_and_hash(payload));
  return {std::move(message), state.split()};
}

}  // namespace byway

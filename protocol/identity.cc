#include "protocol/identity.h"

#include <algorithm>

#include "protocol/base32.h"

namespace byway {
namespace {

Bytes in_context(std::string_view context, ByteView bytes) {
  ensure(context.size() <= 255);
  Bytes message;
  message.reserve(1 + context.size() + bytes.size());
  message.push_back(static_cast<std::uint8_t>(context.size()));
  append(message, bytes_of(context));
  append(message, bytes);
  return message;
}

}  // namespace

Result<NodeId> NodeId::from_bytes(ByteView raw) {
  Key key;
  if (raw.size() != key.size()) return Error::malformed;
  std::copy(raw.begin(), raw.end(), key.begin());
  if (!sodium_crypto().is_canonical_point(key)) return Error::bad_key;
  return trusted(key);
}

NodeId NodeId::trusted(const Key& key) {
  NodeId id;
  id.key_ = key;
  return id;
}

Result<NodeId> NodeId::parse(std::string_view text) {
  if (text.size() != 52) return Error::malformed;
  auto raw = from_base32(text);
  if (!raw) return raw.error();
  return from_bytes(*raw);
}

std::string NodeId::to_string() const {
  return to_base32(key_);
}

std::string NodeId::short_string() const {
  return to_base32(ByteView(key_).first(5));
}

Identity::Identity(const Key& seed, const Crypto& crypto)
    : crypto_(&crypto),
      seed_(seed),
      id_(NodeId::trusted(crypto.ed25519_public(seed))),
      x25519_secret_(crypto.x25519_secret_from_seed(seed)),
      x25519_public_(crypto.x25519_base(x25519_secret_)) {}

Identity Identity::from_seed(const Key& seed, const Crypto& crypto) {
  return {seed, crypto};
}

Identity Identity::generate(Random& random, const Crypto& crypto) {
  return {random.bytes<32>(), crypto};
}

Signature Identity::sign(std::string_view context, ByteView bytes) const {
  return crypto_->sign(seed_, in_context(context, bytes));
}

bool verify(const Crypto& crypto, const NodeId& signer, std::string_view context, ByteView bytes,
            const Signature& signature) {
  return crypto.verify(signer.key(), in_context(context, bytes), signature);
}

}  // namespace byway

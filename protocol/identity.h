// Who a node is: an Ed25519 key. The public half is its name (NodeId), the secret half proves it.
//
// Everything signed is signed in a context ("byway record 1"), so that a signature made for one
// purpose is worth nothing for another. What Ed25519 sees is
//
//   context length (1) | context | bytes
#pragma once

#include <compare>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "protocol/bytes.h"
#include "protocol/crypto.h"
#include "protocol/random.h"
#include "protocol/result.h"

namespace byway {

class NodeId {
 public:
  NodeId() = default;  // nobody: all zero, no key of anyone
  // 32 bytes from a stranger. bad_key unless a canonical point of the main subgroup; malformed
  // when of another length. Costs about as much as a handshake's curve work: check once, keep.
  static Result<NodeId> from_bytes(ByteView raw);
  // A key that has been checked already, or whose owner will have to prove it in a handshake.
  static NodeId trusted(const Key& key);
  // 52 characters of base32, either case; checked as in from_bytes.
  static Result<NodeId> parse(std::string_view text);

  std::string to_string() const;
  std::string short_string() const;  // the first 8 characters, for people who compare two lines
  const Key& key() const { return key_; }
  bool is_nobody() const { return key_ == Key{}; }

  // Two keys that differ nearly always do so in their first eight bytes.
  bool operator==(const NodeId& other) const {
    return load_word(0) == other.load_word(0) &&
           ((load_word(8) ^ other.load_word(8)) | (load_word(16) ^ other.load_word(16)) |
            (load_word(24) ^ other.load_word(24))) == 0;
  }
  // As their bytes are ordered. The first eight of a key nearly always decide.
  std::strong_ordering operator<=>(const NodeId& other) const {
    const auto ours = load_be<std::uint64_t>(key_);
    const auto theirs = load_be<std::uint64_t>(other.key_);
    if (ours != theirs) return ours <=> theirs;
    return *this == other ? std::strong_ordering::equal : key_ <=> other.key_;
  }

 private:
  std::uint64_t load_word(std::size_t at) const {
    std::uint64_t word;
    std::memcpy(&word, key_.data() + at, sizeof(word));
    return word;
  }

  Key key_{};
};

class Identity {
 public:
  static Identity from_seed(const Key& seed, const Crypto& crypto = sodium_crypto());
  static Identity generate(Random& random, const Crypto& crypto = sodium_crypto());

  const NodeId& id() const { return id_; }
  const Key& seed() const { return seed_; }
  const Key& x25519_secret() const { return x25519_secret_; }
  const Key& x25519_public() const { return x25519_public_; }
  Signature sign(std::string_view context, ByteView bytes) const;

 private:
  Identity(const Key& seed, const Crypto& crypto);

  const Crypto* crypto_;
  Key seed_;
  NodeId id_;
  Key x25519_secret_;
  Key x25519_public_;
};

bool verify(const Crypto& crypto, const NodeId& signer, std::string_view context, ByteView bytes,
            const Signature& signature);

}  // namespace byway

template <>
struct std::hash<byway::NodeId> {
  // A public key is as good as random already; eight of its bytes are a hash.
  std::size_t operator()(const byway::NodeId& id) const noexcept {
    std::size_t h;
    std::memcpy(&h, id.key().data(), sizeof(h));
    return h;
  }
};

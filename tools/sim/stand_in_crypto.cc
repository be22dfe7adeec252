#include "tools/sim/stand_in_crypto.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace byway::sim {
namespace {

constexpr std::size_t point_size = 28;  // of 32; the rest checks it

// The 128-bit product of two words, folded: one instruction, and every input bit counts.
std::uint64_t fold(std::uint64_t x, std::uint64_t y) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(x) * y;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

constexpr std::uint64_t odd_a = 0x8f3f73b5cf1c9adfu;
constexpr std::uint64_t odd_b = 0xd1b54a32d192ed03u;

ByteArray<8> nonce_bytes(std::uint64_t nonce) {
  ByteArray<8> bytes;
  store_be<std::uint64_t>(bytes, nonce);
  return bytes;
}

}  // namespace

void StandInCrypto::State::take(std::uint64_t word) {
  a = fold(a ^ word, odd_a ^ b);
  b = fold(b + word, odd_b) ^ a;
}

// Its length is part of it, so that two inputs in a row cannot be cut in two ways.
void StandInCrypto::State::take(ByteView bytes) {
  take(bytes.size());
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data(), sizeof(word));
    take(word);
  }
  if (bytes.empty()) return;
  std::uint64_t last = 0;
  std::memcpy(&last, bytes.data(), bytes.size());
  take(last);
}

// The same for whole datagrams: two words in a step, and `a` and `b` side by side.
void StandInCrypto::State::skim(ByteView bytes) {
  take(bytes.size());
  const auto take_two = [&](const std::uint8_t* from) {
    std::array<std::uint64_t, 2> words;
    std::memcpy(words.data(), from, sizeof(words));
    a = fold(a ^ words[0], odd_a ^ words[1]);
    b = fold(b ^ words[1], odd_b ^ words[0]);
  };
  for (; bytes.size() >= 16; bytes = bytes.subspan(16)) take_two(bytes.data());
  if (bytes.empty()) return;
  std::array<std::uint8_t, 16> last{};
  std::copy(bytes.begin(), bytes.end(), last.begin());
  take_two(last.data());
}

template <std::size_t N>
ByteArray<N> StandInCrypto::State::digest() const {
  ByteArray<N> out;
  State squeezed = *this;
  for (std::size_t at = 0; at < N; at += 8) {
    squeezed.take(at);
    std::memcpy(out.data() + at, &squeezed.a, std::min<std::size_t>(8, N - at));
  }
  return out;
}

StandInCrypto::StandInCrypto(std::uint64_t world) : world_(world), mask_{} {
  mask_ = begin(Use::curve).digest<32>();
}

StandInCrypto::State StandInCrypto::begin(Use use) const {
  State state{world_ ^ odd_b, world_ + odd_b};
  state.take(static_cast<std::uint64_t>(use) + 1);
  return state;
}

// --- keys ----------------------------------------------------------------------------------------

ByteArray<4> StandInCrypto::check_of(ByteView point) const {
  State state = begin(Use::check);
  state.take(point);
  return state.digest<4>();
}

Key StandInCrypto::ed25519_public(const Key& seed) const {
  State state = begin(Use::point);
  state.take(seed);
  Key pub = state.digest<32>();
  const auto check = check_of(ByteView(pub).first(point_size));
  std::copy(check.begin(), check.end(), pub.begin() + point_size);
  return pub;
}

bool StandInCrypto::is_canonical_point(const Key& ed_public) const {
  const auto check = check_of(ByteView(ed_public).first(point_size));
  return std::equal(check.begin(), check.end(), ed_public.begin() + point_size);
}

Signature StandInCrypto::signature_of(const Key& ed_public, ByteView message) const {
  State state = begin(Use::signature);
  state.take(ed_public);
  state.take(message);
  return state.digest<64>();
}

Signature StandInCrypto::sign(const Key& seed, ByteView message) const {
  return signature_of(ed25519_public(seed), message);
}

bool StandInCrypto::verify(const Key& ed_public, ByteView message,
                           const Signature& signature) const {
  return is_canonical_point(ed_public) && signature_of(ed_public, message) == signature;
}

Result<Key> StandInCrypto::x25519_from_ed25519(const Key& ed_public) const {
  if (!is_canonical_point(ed_public)) return Error::bad_key;
  State state = begin(Use::curve);
  state.take(ed_public);
  return state.digest<32>();
}

bool StandInCrypto::is_same_key(const Key& ed_public, const Key& x25519_public) const {
  const auto converted = x25519_from_ed25519(ed_public);
  return converted && *converted == x25519_public;
}

Key StandInCrypto::x25519_secret_from_seed(const Key& seed) const {
  Key secret = ed25519_public(seed);
  for (std::size_t i = 0; i < secret.size(); ++i) secret[i] ^= mask_[i];
  return secret;
}

Key StandInCrypto::x25519_base(const Key& secret) const {
  Key unmasked = secret;
  for (std::size_t i = 0; i < unmasked.size(); ++i) unmasked[i] ^= mask_[i];
  State state = begin(Use::curve);
  state.take(unmasked);
  return state.digest<32>();
}

Result<Key> StandInCrypto::x25519(const Key& secret, const Key& pub) const {
  if (pub == Key{}) return Error::bad_key;
  const Key own = x25519_base(secret);
  State state = begin(Use::shared);
  state.take(std::min(own, pub));
  state.take(std::max(own, pub));
  return state.digest<32>();
}

// --- sealing -------------------------------------------------------------------------------------

Tag StandInCrypto::tag_of(const Key& key, ByteView nonce, ByteView ad, ByteView plaintext,
                          Use use) const {
  State state = begin(use);
  state.skim(key);
  state.skim(nonce);
  state.skim(ad);
  state.skim(plaintext);
  return state.digest<sizeof(Tag)>();
}

void StandInCrypto::seal(const Key& key, std::uint64_t nonce, ByteView ad, ByteView plaintext,
                         MutableBytes out) const {
  ensure(out.size() == plaintext.size() + tag_size);
  const Tag tag = tag_of(key, nonce_bytes(nonce), ad, plaintext, Use::seal);
  std::copy(tag.begin(), tag.end(), std::copy(plaintext.begin(), plaintext.end(), out.begin()));
}

bool StandInCrypto::open(const Key& key, std::uint64_t nonce, ByteView ad, ByteView ciphertext,
                         MutableBytes out) const {
  if (ciphertext.size() < tag_size) return false;
  ensure(out.size() == ciphertext.size() - tag_size);
  const ByteView plaintext = ciphertext.first(out.size());
  const Tag tag = tag_of(key, nonce_bytes(nonce), ad, plaintext, Use::seal);
  if (!std::equal(tag.begin(), tag.end(), ciphertext.begin() + out.size())) return false;
  std::copy(plaintext.begin(), plaintext.end(), out.begin());
  return true;
}

void StandInCrypto::seal_wide(const Key& key, const WideNonce& nonce, ByteView ad,
                              ByteView plaintext, MutableBytes out) const {
  ensure(out.size() == plaintext.size() + tag_size);
  const Tag tag = tag_of(key, nonce, ad, plaintext, Use::seal_wide);
  std::copy(tag.begin(), tag.end(), std::copy(plaintext.begin(), plaintext.end(), out.begin()));
}

bool StandInCrypto::open_wide(const Key& key, const WideNonce& nonce, ByteView ad,
                              ByteView ciphertext, MutableBytes out) const {
  if (ciphertext.size() < tag_size) return false;
  ensure(out.size() == ciphertext.size() - tag_size);
  const ByteView plaintext = ciphertext.first(out.size());
  const Tag tag = tag_of(key, nonce, ad, plaintext, Use::seal_wide);
  if (!std::equal(tag.begin(), tag.end(), ciphertext.begin() + out.size())) return false;
  std::copy(plaintext.begin(), plaintext.end(), out.begin());
  return true;
}

// --- hashes --------------------------------------------------------------------------------------

Key StandInCrypto::hash(ByteView message) const {
  State state = begin(Use::hash);
  state.take(message);
  return state.digest<32>();
}

Key StandInCrypto::hmac(const Key& key, ByteView message) const {
  State state = begin(Use::hmac);
  state.take(key);
  state.take(message);
  return state.digest<32>();
}

std::array<Key, 2> StandInCrypto::hkdf(const Key& chaining_key, ByteView input) const {
  const Key secret = hmac(chaining_key, input);
  const Key first = hmac(secret, ByteArray<1>{1});
  ByteArray<33> again;
  std::copy(first.begin(), first.end(), again.begin());
  again.back() = 2;
  return {first, hmac(secret, again)};
}

Tag StandInCrypto::mac(ByteView key, ByteView message) const {
  State state = begin(Use::mac);
  state.take(key);
  state.take(message);
  return state.digest<sizeof(Tag)>();
}

}  // namespace byway::sim

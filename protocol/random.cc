#include "protocol/random.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "protocol/result.h"

namespace byway {
namespace {

Random::Seed seed_from(std::uint64_t number) {
  Random::Seed seed{};
  store_be<std::uint64_t>(MutableBytes(seed).first<8>(), number);
  return seed;
}

}  // namespace

Random::Random(const Seed& seed) : seed_(seed) {}
Random::Random(std::uint64_t number) : Random(seed_from(number)) {}

void Random::refill() {
  static_assert(crypto_stream_chacha20_ietf_KEYBYTES == 32);
  // A nonce lasts for four of the cipher's blocks: what a seed draws must never change, and it was
  // once drawn four blocks at a time.
  constexpr std::uint64_t per_nonce = 4;
  ByteArray<crypto_stream_chacha20_ietf_NONCEBYTES> nonce{};
  store_be<std::uint64_t>(MutableBytes(nonce).first<8>(), block_ / per_nonce);
  if (!buffer_) buffer_ = std::make_unique<Buffer>();
  buffer_->fill(0);
  crypto_stream_chacha20_ietf_xor_ic(buffer_->data(), buffer_->data(), buffer_->size(),
                                     nonce.data(), static_cast<std::uint32_t>(block_ % per_nonce),
                                     seed_.data());
  ++block_;
  used_ = 0;
}

void Random::fill(MutableBytes out) {
  while (!out.empty()) {
    if (used_ == sizeof(Buffer)) refill();
    const std::size_t n = std::min(out.size(), sizeof(Buffer) - used_);
    std::memcpy(out.data(), buffer_->data() + used_, n);
    sodium_memzero(buffer_->data() + used_, n);  // what was drawn cannot be read back later
    used_ += n;
    out = out.subspan(n);
  }
}

std::uint64_t Random::u64() {
  ByteArray<8> raw;
  fill(raw);
  return load_be<std::uint64_t>(raw);
}

std::uint64_t Random::below(std::uint64_t bound) {
  ensure(bound > 0);
  const std::uint64_t unfair = (0 - bound) % bound;  // the lowest values, drawn again
  for (;;)
    if (const std::uint64_t drawn = u64(); drawn >= unfair) return drawn % bound;
}

double Random::unit() {
  return static_cast<double>(u64() >> 11) * 0x1.0p-53;
}

Duration Random::jittered(Duration base, double spread) {
  const double factor = 1.0 + spread * (2.0 * unit() - 1.0);
  return Duration{static_cast<Duration::rep>(static_cast<double>(base.count()) * factor)};
}

Duration Random::upto(Duration limit) {
  return Duration{static_cast<Duration::rep>(static_cast<double>(limit.count()) * unit())};
}

Random Random::fork() {
  return Random(bytes<32>());
}

}  // namespace byway

// Chance, as an argument. One seed always tells the same story; a seed from the operating
// system makes a cryptographically strong generator (a ChaCha20 key stream, RFC 8439), so keys
// and nonces may be drawn from it too.
#pragma once

#include <cstdint>
#include <memory>

#include "protocol/bytes.h"
#include "protocol/time.h"

namespace byway {

class Random {
 public:
  using Seed = ByteArray<32>;
  explicit Random(const Seed& seed);
  // For simulations and tests: a whole seed from one number.
  explicit Random(std::uint64_t number);

  void fill(MutableBytes out);
  template <std::size_t N>
  ByteArray<N> bytes() {
    ByteArray<N> out;
    fill(out);
    return out;
  }
  std::uint64_t u64();
  std::uint32_t u32() { return static_cast<std::uint32_t>(u64()); }
  // Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
  // Uniform in [0, 1).
  double unit();
  bool chance(double probability) { return unit() < probability; }
  // Uniform in base × [1 − spread, 1 + spread].
  Duration jittered(Duration base, double spread = 0.15);
  // Uniform in [0, limit): "full jitter".
  Duration upto(Duration limit);
  // A generator of its own, independent of what this one draws later.
  Random fork();

 private:
  using Buffer = ByteArray<64>;

  void refill();

  Seed seed_;
  std::uint64_t block_ = 0;
  // There is one of these for every node known, and most never draw anything from theirs: made at
  // the first draw.
  std::unique_ptr<Buffer> buffer_;
  std::size_t used_ = sizeof(Buffer);
};

}  // namespace byway

// A supernode that lies. Its node is a real one that does everything as it should; what it says is
// changed where it is sealed, as somebody would who has the source and a bad intention:
//
//   - whose record it holds, it has never heard of
//   - whom it has registered is not here
//   - whom others ask it to probe does not answer
//
// That it counts as a member, vouches and judges like others is what makes it dangerous.
#pragma once

#include "tools/sim/stand_in_crypto.h"

namespace byway::sim {

class Liar final : public StandInCrypto {
 public:
  // The world's number, as everybody's cryptography has it.
  explicit Liar(std::uint64_t world) : StandInCrypto(world) {}

  void seal(const Key& key, std::uint64_t nonce, ByteView ad, ByteView plaintext,
            MutableBytes out) const override;
  std::uint64_t lies() const { return lies_; }

 private:
  mutable std::uint64_t lies_ = 0;
};

}  // namespace byway::sim

// Kept proofs out of a file that anybody may have written: its hash is put right first, so that
// what lies behind it is within reach; what is let through is saved and read as the same.
#include "overlay/reach/kept_proof.h"

#include "tests/fuzz/change.h"

using namespace byway;

namespace {

const Identity& dialler() {
  static const Identity dialler = Identity::from_seed(Key{2});
  return dialler;
}
const NodeId self = NodeId::trusted(Key{1});

Bytes good_proof() {
  const WallTime wall = wall_from_unix_ms(1'700'000'000'000);
  KeptProof proof{.served = true, .dials = {}};
  for (std::uint16_t port = 7000; port < 7003; ++port)
    proof.dials.push_back(
        {IpAddress::v4({50, 1, 1, 1}), wall,
         Attestation::sign(dialler(), {.subject = self,
                                       .endpoint = {IpAddress::v4({60, 1, 1, 1}), port},
                                       .proto = Proto::udp,
                                       .dialler = dialler().id(),
                                       .at = wall})});
  Bytes saved = proof.save(sodium_crypto());
  saved.resize(saved.size() - 32);
  return saved;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Bytes good = good_proof();
  const ByteView input(data, size);
  (void)KeptProof::load(sodium_crypto(), self, input);
  Bytes forged = change(good, input);
  append(forged, sodium_crypto().hash(forged));
  if (const auto proof = KeptProof::load(sodium_crypto(), self, forged))
    ensure(proof->save(sodium_crypto()) == forged);
  return 0;
}

#include "overlay/reach/kept_proof.h"

#include <algorithm>

namespace byway {
namespace {

constexpr std::string_view magic = "byway proofs 1";
constexpr std::size_t head_size = magic.size() + 1 + 1;
constexpr std::size_t dial_head_size = 16 + 8 + 1;
constexpr std::size_t hash_size = 32;
constexpr std::uint64_t last_wall_ms = 253'402'300'799'999;  // the end of the year 9999

}  // namespace

Bytes KeptProof::save(const Crypto& crypto) const {
  const std::size_t count = std::min(dials.size(), max_dials);
  Bytes saved = to_bytes(bytes_of(magic));
  saved.push_back(served ? 1 : 0);
  saved.push_back(static_cast<std::uint8_t>(count));
  for (std::size_t i = 0; i < count; ++i) {
    const Bytes& attestation = dials[i].attestation.exact_bytes();
    append(saved, dials[i].from.mapped());
    append_be<std::uint64_t>(saved, unix_ms(dials[i].at));
    saved.push_back(static_cast<std::uint8_t>(attestation.size()));
    append(saved, attestation);
  }
  append(saved, crypto.hash(saved));
  return saved;
}

Result<KeptProof> KeptProof::load(const Crypto& crypto, const NodeId& self, ByteView saved) {
  if (saved.size() < head_size + hash_size) return Error::truncated;
  ByteView rest = saved.first(saved.size() - hash_size);
  if (!std::ranges::equal(saved.last(hash_size), crypto.hash(rest))) return Error::malformed;
  if (text_of(rest.first(magic.size())) != magic) return Error::malformed;
  const std::uint8_t served = rest[magic.size()];
  const std::size_t count = rest[magic.size() + 1];
  if (served > 1 || count > max_dials) return Error::malformed;
  rest = rest.subspan(head_size);

  KeptProof kept{.served = served == 1, .dials = {}};
  for (std::size_t i = 0; i < count; ++i) {
    if (rest.size() < dial_head_size) return Error::truncated;
    ByteArray<16> from;
    std::ranges::copy(rest.first(16), from.begin());
    const auto at = load_be<std::uint64_t>(rest.subspan(16, 8));
    const std::size_t size = rest[24];
    rest = rest.subspan(dial_head_size);
    if (rest.size() < size) return Error::truncated;
    auto attestation = Attestation::parse(crypto, rest.first(size));
    if (!attestation) return attestation.error();
    if (at > last_wall_ms || attestation->attested().subject != self) return Error::malformed;
    kept.dials.push_back({IpAddress::v6(from), wall_from_unix_ms(at), std::move(*attestation)});
    rest = rest.subspan(size);
  }
  if (!rest.empty()) return Error::malformed;
  return kept;
}

}  // namespace byway

#include "protocol/attestation.h"

#include <algorithm>

namespace byway {
namespace {

constexpr std::size_t address_at = 64 + 32 + 32 + 8 + 1 + 2;

NodeId id_at(ByteView bytes, std::size_t offset) {
  Key key;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), key.size(), key.begin());
  return NodeId::trusted(key);
}

}  // namespace

Attestation Attestation::sign(const Identity& dialler, const Attested& attested) {
  ensure(attested.dialler == dialler.id() && attested.subject != dialler.id());
  ensure(attested.endpoint.is_set());
  Bytes content = to_bytes(attested.dialler.key());
  append(content, attested.subject.key());
  append_be<std::uint64_t>(content, unix_ms(attested.at));
  content.push_back(static_cast<std::uint8_t>(attested.proto));
  append_be<std::uint16_t>(content, attested.endpoint.port);
  append(content, attested.endpoint.address.bytes());

  Bytes exact_bytes = to_bytes(dialler.sign(attestation_context, content));
  append(exact_bytes, content);
  return {attested, std::move(exact_bytes)};
}

Result<Attestation> Attestation::parse(const Crypto& crypto, ByteView bytes) {
  if (bytes.size() > max_attestation_size) return Error::too_large;
  if (bytes.size() < address_at) return Error::truncated;
  const ByteView raw_address = bytes.subspan(address_at);
  const auto address = IpAddress::from_bytes(raw_address);
  if (!address) return address.error();
  // An address has one form here, or one statement would have two.
  if (address->bytes().size() != raw_address.size()) return Error::malformed;

  const std::uint64_t at = load_be<std::uint64_t>(bytes.subspan(128, 8));
  const std::uint8_t proto = bytes[136];
  const std::uint16_t port = load_be<std::uint16_t>(bytes.subspan(137, 2));
  if (at > last_unix_ms || proto > static_cast<std::uint8_t>(Proto::tcp) || port == 0)
    return Error::malformed;
  const Attested attested{.subject = id_at(bytes, 96),
                          .endpoint = {*address, port},
                          .proto = static_cast<Proto>(proto),
                          .dialler = id_at(bytes, 64),
                          .at = wall_from_unix_ms(at)};
  if (attested.subject == attested.dialler) return Error::malformed;

  Signature signature;
  std::copy_n(bytes.begin(), signature.size(), signature.begin());
  if (!crypto.is_canonical_point(attested.dialler.key())) return Error::bad_key;
  if (!verify(crypto, attested.dialler, attestation_context, bytes.subspan(sizeof(signature)),
              signature))
    return Error::bad_signature;
  return Attestation(attested, to_bytes(bytes));
}

}  // namespace byway

#include "protocol/voucher.h"

#include <algorithm>

namespace byway {
namespace {

Bytes voucher_content(const NodeId& subject, WallTime since, const IpAddress& address) {
  Bytes content = to_bytes(subject.key());
  append_be<std::uint64_t>(content, unix_ms(since));
  append(content, address.mapped());
  return content;
}

Bytes gone_content(const NodeId& subject, std::uint64_t sequence) {
  Bytes content = to_bytes(subject.key());
  append_be<std::uint64_t>(content, sequence);
  return content;
}

template <std::size_t N>
ByteArray<N> take(ByteView& from) {
  ByteArray<N> taken;
  std::copy_n(from.begin(), N, taken.begin());
  from = from.subspan(N);
  return taken;
}

template <std::size_t N>
class Writer {
 public:
  explicit Writer(ByteArray<N>& out) : at_(out.begin()) {}
  void put(ByteView bytes) { at_ = std::copy(bytes.begin(), bytes.end(), at_); }
  void put(std::uint64_t number) {
    ByteArray<8> raw;
    store_be<std::uint64_t>(raw, number);
    put(raw);
  }

 private:
  typename ByteArray<N>::iterator at_;
};

bool signed_by(const Crypto& crypto, const NodeId& by, const NodeId& subject,
               std::string_view context, ByteView content, const Signature& signature) {
  return by != subject && crypto.is_canonical_point(by.key()) &&
         verify(crypto, by, context, content, signature);
}

}  // namespace

Voucher Voucher::sign(const Identity& by, const NodeId& subject, const IpAddress& address,
                      WallTime since) {
  return {by.id(), since, address,
          by.sign(voucher_context, voucher_content(subject, since, address))};
}

bool Voucher::is_true(const Crypto& crypto, const NodeId& subject) const {
  return signed_by(crypto, by, subject, voucher_context, voucher_content(subject, since, address),
                   signature);
}

ByteArray<Voucher::size> Voucher::bytes() const {
  ByteArray<size> out;
  Writer writer(out);
  writer.put(by.key());
  writer.put(unix_ms(since));
  writer.put(address.mapped());
  writer.put(signature);
  return out;
}

Result<Voucher> Voucher::from_bytes(ByteView raw) {
  if (raw.size() != size) return raw.size() < size ? Error::truncated : Error::too_large;
  Voucher voucher;
  voucher.by = NodeId::trusted(take<32>(raw));
  const auto since = load_be<std::uint64_t>(take<8>(raw));
  if (since > last_unix_ms) return Error::malformed;
  voucher.since = wall_from_unix_ms(since);
  voucher.address = IpAddress::v6(take<16>(raw));
  voucher.signature = take<64>(raw);
  return voucher;
}

Gone Gone::sign(const Identity& by, const NodeId& subject, std::uint64_t sequence) {
  return {by.id(), sequence, by.sign(gone_context, gone_content(subject, sequence))};
}

bool Gone::is_true(const Crypto& crypto, const NodeId& subject) const {
  return signed_by(crypto, by, subject, gone_context, gone_content(subject, sequence), signature);
}

ByteArray<Gone::size> Gone::bytes() const {
  ByteArray<size> out;
  Writer writer(out);
  writer.put(by.key());
  writer.put(sequence);
  writer.put(signature);
  return out;
}

Result<Gone> Gone::from_bytes(ByteView raw) {
  if (raw.size() != size) return raw.size() < size ? Error::truncated : Error::too_large;
  Gone gone;
  gone.by = NodeId::trusted(take<32>(raw));
  gone.sequence = load_be<std::uint64_t>(take<8>(raw));
  gone.signature = take<64>(raw);
  return gone;
}

}  // namespace byway

#include "protocol/invite.h"

#include <algorithm>

#include "protocol/base32.h"
#include "protocol/crypto.h"

namespace byway {
namespace {

constexpr std::uint8_t invite_version = 1;
constexpr std::string_view checksum_context = "byway invite 1";
constexpr std::size_t checksum_size = 4;
constexpr std::uint8_t same_as_inviter = 0x80;
constexpr std::size_t max_line = 1024;

ByteArray<checksum_size> checksum(ByteView body) {
  Bytes all = to_bytes(bytes_of(checksum_context));
  append(all, body);
  const Key digest = sodium_crypto().hash(all);
  ByteArray<checksum_size> sum;
  std::copy_n(digest.begin(), sum.size(), sum.begin());
  return sum;
}

// Reads from the front of what is left; short of bytes, it says so once and then gives zeros.
class Reader {
 public:
  explicit Reader(ByteView bytes) : rest_(bytes) {}
  ByteView take(std::size_t n) {
    if (n > rest_.size()) {
      good_ = false;
      return {};
    }
    const ByteView front = rest_.first(n);
    rest_ = rest_.subspan(n);
    return front;
  }
  std::uint8_t byte() {
    const ByteView one = take(1);
    return one.empty() ? std::uint8_t{0} : one[0];
  }
  bool good() const { return good_; }
  bool at_end() const { return rest_.empty(); }

 private:
  ByteView rest_;
  bool good_ = true;
};

}  // namespace

std::string Invite::to_line() const {
  Bytes body{invite_version};
  append(body, from.key());
  const std::size_t count = std::min(supernodes.size(), max_invite_supernodes);
  body.push_back(static_cast<std::uint8_t>(count));
  for (const Supernode& supernode : std::span(supernodes).first(count)) {
    const ByteView address = supernode.endpoint.address.bytes();
    const bool same = supernode.id == from;
    body.push_back(static_cast<std::uint8_t>(address.size() | (same ? same_as_inviter : 0)));
    if (!same) append(body, supernode.id.key());
    append_be<std::uint16_t>(body, supernode.endpoint.port);
    append(body, address);
  }
  append(body, checksum(body));
  return std::string(invite_prefix) + to_base32(body);
}

Result<Invite> Invite::parse(std::string_view line) {
  std::string text;
  for (const char c : line)
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') text += c;
  if (!text.starts_with(invite_prefix) || text.size() > max_line) return Error::malformed;
  const auto bytes = from_base32(std::string_view(text).substr(invite_prefix.size()));
  if (!bytes || bytes->size() <= checksum_size) return Error::truncated;
  const ByteView body = ByteView(*bytes).first(bytes->size() - checksum_size);
  if (!std::ranges::equal(checksum(body), ByteView(*bytes).last(checksum_size)))
    return Error::truncated;

  // From here on somebody made it so on purpose.
  Reader in(body);
  if (in.byte() != invite_version) return Error::unexpected;
  const auto inviter = NodeId::from_bytes(in.take(sizeof(Key)));
  if (!inviter) return Error::bad_key;
  Invite invite{.from = *inviter, .supernodes = {}};
  const std::size_t count = in.byte();
  if (count > max_invite_supernodes) return Error::malformed;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t kind = in.byte();
    Supernode supernode{.id = *inviter, .endpoint = {}};
    if (!(kind & same_as_inviter)) {
      const auto id = NodeId::from_bytes(in.take(sizeof(Key)));
      if (!id) return Error::bad_key;
      supernode.id = *id;
    }
    const ByteView port = in.take(2);
    const auto address = IpAddress::from_bytes(in.take(kind & ~same_as_inviter));
    if (!in.good() || !address) return Error::malformed;
    supernode.endpoint = {*address, load_be<std::uint16_t>(port)};
    if (!supernode.endpoint.is_set()) return Error::malformed;
    invite.supernodes.push_back(supernode);
  }
  if (!in.good() || !in.at_end()) return Error::malformed;
  return invite;
}

}  // namespace byway

#include "protocol/stun.h"

#include <algorithm>
#include <optional>

namespace byway {
namespace {

constexpr std::uint16_t binding_request = 0x0001;
constexpr std::uint16_t binding_success = 0x0101;
constexpr std::uint16_t binding_error = 0x0111;
constexpr std::uint16_t xor_mapped_address = 0x0020;
constexpr std::uint16_t first_optional_attribute = 0x8000;
constexpr std::uint8_t family_v4 = 1;
constexpr std::uint8_t family_v6 = 2;

struct Attribute {
  std::uint16_t type;
  ByteView value;
};

// Walks the attributes; one that does not fit into the message ends the walk as malformed.
class Attributes {
 public:
  explicit Attributes(ByteView rest) : rest_(rest) {}

  bool at_end() const { return rest_.empty(); }
  Result<Attribute> next() {
    if (rest_.size() < 4) return Error::malformed;
    const auto type = load_be<std::uint16_t>(rest_);
    const std::size_t size = load_be<std::uint16_t>(rest_.subspan(2));
    const std::size_t padded = (size + 3) / 4 * 4;
    if (rest_.size() < 4 + padded) return Error::malformed;
    const Attribute attribute{type, rest_.subspan(4, size)};
    rest_ = rest_.subspan(4 + padded);
    return attribute;
  }

 private:
  ByteView rest_;
};

struct StunMessage {
  std::uint16_t type;
  ByteView transaction;
  Attributes attributes;
};

Result<StunMessage> parse_message(ByteView datagram) {
  if (datagram.size() < stun_header_size) return Error::truncated;
  if (load_be<std::uint32_t>(datagram.subspan(4)) != stun_magic_cookie) return Error::malformed;
  const std::size_t length = load_be<std::uint16_t>(datagram.subspan(2));
  if (length % 4 != 0 || length != datagram.size() - stun_header_size) return Error::malformed;
  return StunMessage{load_be<std::uint16_t>(datagram), datagram.subspan(8, 12),
                     Attributes(datagram.subspan(stun_header_size))};
}

Bytes header(std::uint16_t type, std::size_t length, ByteView transaction) {
  Bytes message;
  message.reserve(stun_header_size + length);
  append_be<std::uint16_t>(message, type);
  append_be<std::uint16_t>(message, static_cast<std::uint16_t>(length));
  append_be<std::uint32_t>(message, stun_magic_cookie);
  append(message, transaction);
  return message;
}

// Addresses travel XORed with cookie and transaction (§14.2), since some NATs rewrite every copy
// of an address they find in a payload.
Bytes mask(Bytes address, ByteView transaction) {
  Bytes key;
  append_be<std::uint32_t>(key, stun_magic_cookie);
  append(key, transaction);
  for (std::size_t i = 0; i < address.size(); ++i)
    address[i] = static_cast<std::uint8_t>(address[i] ^ key[i]);
  return address;
}

std::uint16_t mask_port(std::uint16_t port) {
  return static_cast<std::uint16_t>(port ^ (stun_magic_cookie >> 16));
}

Result<Endpoint> read_address(ByteView value, ByteView transaction) {
  if (value.size() < 4) return Error::malformed;
  const std::size_t size = value[1] == family_v4 ? 4 : value[1] == family_v6 ? 16 : 0;
  if (size == 0 || value.size() != 4 + size) return Error::malformed;
  const auto address = IpAddress::from_bytes(mask(to_bytes(value.subspan(4)), transaction));
  if (!address) return address.error();
  return Endpoint{*address, mask_port(load_be<std::uint16_t>(value.subspan(2)))};
}

}  // namespace

bool is_stun_response(ByteView datagram) {
  constexpr std::uint16_t response_class = 0x0100;  // in success and error alike
  return datagram.size() >= stun_header_size &&
         (load_be<std::uint16_t>(datagram) & response_class) != 0;
}

Bytes stun_binding_request(const StunTransaction& transaction) {
  return header(binding_request, 0, transaction);
}

Result<Bytes> stun_binding_response(ByteView request, const Endpoint& source) {
  auto message = parse_message(request);
  if (!message) return message.error();
  if (message->type != binding_request) return Error::unexpected;
  while (!message->attributes.at_end()) {
    const auto attribute = message->attributes.next();
    if (!attribute) return attribute.error();
    if (attribute->type < first_optional_attribute) return Error::refused;
  }

  const Bytes address = mask(to_bytes(source.address.bytes()), message->transaction);
  Bytes response = header(binding_success, 8 + address.size(), message->transaction);
  append_be<std::uint16_t>(response, xor_mapped_address);
  append_be<std::uint16_t>(response, static_cast<std::uint16_t>(4 + address.size()));
  response.push_back(0);
  response.push_back(source.address.is_v4() ? family_v4 : family_v6);
  append_be<std::uint16_t>(response, mask_port(source.port));
  append(response, address);
  return response;
}

Result<Endpoint> parse_stun_binding_response(ByteView response,
                                             const StunTransaction& transaction) {
  auto message = parse_message(response);
  if (!message) return message.error();
  if (!std::equal(transaction.begin(), transaction.end(), message->transaction.begin()))
    return Error::unexpected;
  if (message->type == binding_error) return Error::refused;
  if (message->type != binding_success) return Error::malformed;

  std::optional<Endpoint> mapped;
  while (!message->attributes.at_end()) {
    const auto attribute = message->attributes.next();
    if (!attribute) return attribute.error();
    if (attribute->type != xor_mapped_address || mapped) continue;  // the first one counts
    const auto endpoint = read_address(attribute->value, transaction);
    if (!endpoint) return endpoint.error();
    mapped = *endpoint;
  }
  if (!mapped) return Error::not_found;
  return *mapped;
}

}  // namespace byway

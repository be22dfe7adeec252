#include "overlay/stream/connection_id.h"

#include <algorithm>

namespace byway {
namespace {

constexpr std::uint8_t long_form = 0x80;
constexpr std::uint8_t fixed_bit = 0x40;
constexpr std::uint32_t version_1 = 1;
constexpr std::size_t id_size = std::tuple_size_v<ConnectionId>;
constexpr std::size_t id_at = 6;  // after flags, version, length
constexpr std::size_t long_header_size = id_at + id_size + 1 + id_size;

// The two type bits of a version 1 long header.
constexpr std::uint8_t type_initial = 0, type_handshake = 2;

bool has_our_long_header(ByteView packet) {
  return packet.size() >= long_header_size &&
         load_be<std::uint32_t>(packet.subspan(1)) == version_1 && packet[id_at - 1] == id_size &&
         packet[id_at + id_size] == id_size;
}

// Takes a variable-length integer off the front.
std::optional<std::uint64_t> take_varint(ByteView& bytes) {
  if (bytes.empty()) return std::nullopt;
  const std::size_t size = std::size_t{1} << (bytes[0] >> 6);
  if (bytes.size() < size) return std::nullopt;
  std::uint64_t value = bytes[0] & 0x3f;
  for (std::size_t i = 1; i < size; ++i) value = value << 8 | bytes[i];
  bytes = bytes.subspan(size);
  return value;
}

}  // namespace

std::optional<ConnectionId> destination_id(ByteView packet) {
  if (packet.empty() || !(packet[0] & fixed_bit)) return std::nullopt;

  std::size_t at = 1;
  if (packet[0] & long_form) {
    if (!has_our_long_header(packet)) return std::nullopt;
    at = id_at;
  }
  if (packet.size() < at + id_size) return std::nullopt;

  ConnectionId id;
  std::copy_n(packet.begin() + static_cast<std::ptrdiff_t>(at), id_size, id.begin());
  return id;
}

bool has_our_shape(ByteView datagram) {
  if (datagram.empty()) return false;
  while (!datagram.empty()) {
    if (!(datagram[0] & fixed_bit)) return false;
    // A short header has no length: its packet is the last one.
    if (!(datagram[0] & long_form)) return datagram.size() > 1 + id_size;
    if (!has_our_long_header(datagram)) return false;

    const auto type = (datagram[0] >> 4) & 0x03;
    if (type != type_initial && type != type_handshake) return false;

    auto rest = datagram.subspan(long_header_size);
    if (type == type_initial) {
      const auto token_size = take_varint(rest);
      if (!token_size || *token_size != 0) return false;  // we never give tokens out
    }
    const auto length = take_varint(rest);
    if (!length || *length > rest.size()) return false;
    datagram = rest.subspan(static_cast<std::size_t>(*length));
  }
  return true;
}

}  // namespace byway

// Byte strings: what travels, what is signed, what is stored.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace byway {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;
template <std::size_t N>
using ByteArray = std::array<std::uint8_t, N>;

inline ByteView bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view text_of(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(ByteView view) {
  return {view.begin(), view.end()};
}
inline void append(Bytes& to, ByteView more) {
  to.insert(to.end(), more.begin(), more.end());
}

// Integers on the wire are big-endian (network order). The caller has checked the size.
template <typename Integer>
Integer load_be(ByteView from) {
  Integer value;
  std::memcpy(&value, from.data(), sizeof(value));
  if constexpr (std::endian::native == std::endian::little) {
    if constexpr (sizeof(value) == 2) value = __builtin_bswap16(value);
    if constexpr (sizeof(value) == 4) value = __builtin_bswap32(value);
    if constexpr (sizeof(value) == 8) value = __builtin_bswap64(value);
  }
  return value;
}
template <typename Integer>
void store_be(MutableBytes to, Integer value) {
  for (std::size_t i = sizeof(Integer); i-- > 0;) {
    to[i] = static_cast<std::uint8_t>(value & 0xff);
    if constexpr (sizeof(Integer) > 1) value = static_cast<Integer>(value >> 8);
  }
}
template <typename Integer>
void append_be(Bytes& to, Integer value) {
  ByteArray<sizeof(Integer)> raw;
  store_be<Integer>(raw, value);
  append(to, raw);
}

std::string to_hex(ByteView bytes);

}  // namespace byway

// The people these stories are about, and hexadecimal for facts taken from RFCs.
#pragma once

#include <algorithm>
#include <string_view>

#include "protocol/bytes.h"
#include "protocol/identity.h"
#include "protocol/random.h"

namespace byway {

// The same number is always the same person.
inline Identity person(std::uint64_t number) {
  Random random(number);
  return Identity::generate(random);
}

inline Bytes from_hex(std::string_view text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<std::uint8_t>(digit(text[i]) << 4 | digit(text[i + 1])));
  return bytes;
}

template <std::size_t N>
ByteArray<N> array_from_hex(std::string_view text) {
  const Bytes bytes = from_hex(text);
  ensure(bytes.size() == N);
  ByteArray<N> array{};
  std::copy_n(bytes.begin(), N, array.begin());
  return array;
}

}  // namespace byway

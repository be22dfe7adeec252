// Keys as only somebody with bad intentions makes them.
#pragma once

#include <boost/multiprecision/cpp_int.hpp>

#include "protocol/crypto.h"

namespace byway {

// The same curve point plus the one of order two: x and y both change sign. In bytes: p − y, and
// the sign bit turned.
inline Key with_torsion(const Key& point) {
  Key p;  // 2^255 − 19
  p.fill(0xff);
  p[0] = 0xed;
  p[31] = 0x7f;
  Key sum;
  int borrow = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    const int y = i == 31 ? point[i] & 0x7f : point[i];
    const int difference = p[i] - y - borrow;
    borrow = difference < 0;
    sum[i] = static_cast<std::uint8_t>(difference + (borrow ? 256 : 0));
  }
  sum[31] = static_cast<std::uint8_t>(sum[31] | (~point[31] & 0x80));
  return sum;
}

// The X25519 shape of the key that with_torsion() makes: 1 / u, for that is what -y gives. Its
// secret is that of the key it was made from, for X25519's secrets are multiples of eight.
inline Key x25519_with_torsion(const Key& x25519) {
  using boost::multiprecision::uint512_t;
  const uint512_t prime = (uint512_t(1) << 255) - 19;
  uint512_t u;
  import_bits(u, x25519.begin(), x25519.end(), 8, false);
  uint512_t inverse = powm(u, prime - 2, prime);  // Fermat
  Key key{};
  for (auto& byte : key) {
    byte = static_cast<std::uint8_t>(inverse & 0xff);
    inverse >>= 8;
  }
  return key;
}

}  // namespace byway

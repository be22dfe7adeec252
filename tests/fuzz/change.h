// A fuzzer would search for ever for a first valid signature or pointer. So where a format guards
// itself, its input is taken as the change to be made to a good message: nothing but zeros leaves
// the message as it was, and every byte of the input is one step away from something that works.
#pragma once

#include <algorithm>

#include "protocol/bytes.h"

namespace byway {

inline Bytes change(ByteView good, ByteView input) {
  Bytes changed = to_bytes(good);
  changed.resize(std::max(good.size(), input.size()));
  for (std::size_t i = 0; i < input.size(); ++i)
    changed[i] = static_cast<std::uint8_t>(changed[i] ^ input[i]);
  return changed;
}

}  // namespace byway

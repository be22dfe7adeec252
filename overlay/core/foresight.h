// Asking for memory before it is needed: while it is on its way other work goes on.
//
// A hint and nothing else. Whoever looks up several things that lie far apart asks for all of them
// first, and waits once instead of each time.
#pragma once

#include <cstddef>

namespace byway {

inline void ask_for(const void* from, std::size_t size) {
  constexpr std::size_t line = 64;
  const char* at = static_cast<const char*>(from);
  for (std::size_t done = 0; done < size; done += line) __builtin_prefetch(at + done);
  if (size > 0) __builtin_prefetch(at + size - 1);
}

// All of each.
template <typename... Parts>
void ask_for_all_of(const Parts&... parts) {
  (ask_for(&parts, sizeof(parts)), ...);
}

}  // namespace byway

// The one place where the program reads a clock.
#pragma once

#include <chrono>

#include "protocol/time.h"

namespace byway {

inline TimePoint monotonic_now() {
  return TimePoint{std::chrono::steady_clock::now().time_since_epoch()};
}
inline WallTime wall_now() {
  return WallTime{std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::now().time_since_epoch())};
}

}  // namespace byway

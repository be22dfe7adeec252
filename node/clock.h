// The one place where the program reads a clock.
#pragma once

#include <ctime>

#include <chrono>

#include "protocol/time.h"

namespace byway {

inline TimePoint monotonic_now() {
  return TimePoint{std::chrono::steady_clock::now().time_since_epoch()};
}
// Since the machine was started, with the time that it slept (the monotonic clock stands still
// meanwhile).
inline Duration boot_time() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}
inline WallTime wall_now() {
  return WallTime{std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::now().time_since_epoch())};
}
// How long ago something was that the kernel stamped by the wall clock. Negative or large where
// that was set in between.
inline Duration age_of(const timespec& stamped) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::chrono::seconds{now.tv_sec - stamped.tv_sec} +
         std::chrono::nanoseconds{now.tv_nsec - stamped.tv_nsec};
}

}  // namespace byway

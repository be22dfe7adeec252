// Time is an argument. These clocks have no now(), so code that may only be told the time
// cannot read it: that is a compile error, not a review comment.
#pragma once

#include <chrono>
#include <cstdint>

namespace byway {

using namespace std::chrono_literals;

// Never goes back; its origin means nothing. Every timer is measured by it.
struct MonotonicClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock>;
  static constexpr bool is_steady = true;
};

// Unix time in milliseconds. Used only in stamps and expiries that other nodes read.
struct UnixClock {
  using duration = std::chrono::milliseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<UnixClock>;
  static constexpr bool is_steady = false;
};

using Duration = MonotonicClock::duration;
using TimePoint = MonotonicClock::time_point;
using WallTime = UnixClock::time_point;

inline std::uint64_t unix_ms(WallTime wall) {
  return static_cast<std::uint64_t>(wall.time_since_epoch().count());
}
inline WallTime wall_from_unix_ms(std::uint64_t ms) {
  return WallTime{std::chrono::milliseconds{static_cast<std::int64_t>(ms)}};
}
// The end of the year 9999: no clock is there, and no sum of two such stamps overflows.
inline constexpr std::uint64_t last_unix_ms = 253'402'300'799'999;
inline double to_ms(Duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

}  // namespace byway

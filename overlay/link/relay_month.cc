#include "overlay/link/relay_month.h"

#include <chrono>

namespace byway {
namespace {

constexpr std::size_t saved_size = 16;  // when the month ends, in unix ms, and the bytes

WallTime end_of_month(WallTime now) {
  namespace chrono = std::chrono;
  const chrono::year_month_day day{
      chrono::sys_days{chrono::floor<chrono::days>(now.time_since_epoch())}};
  const chrono::sys_days first{(day.year() / day.month() + chrono::months{1}) / 1};
  return WallTime{first.time_since_epoch()};
}

}  // namespace

RelayMonth::RelayMonth(std::uint64_t cap, ByteView kept) : cap_(cap) {
  if (kept.size() != saved_size) return;
  ends_ = wall_from_unix_ms(load_be<std::uint64_t>(kept.first(8)));
  carried_ = load_be<std::uint64_t>(kept.last(8));
}

void RelayMonth::add(WallTime now, std::uint64_t bytes) {
  if (now >= ends_) {
    ends_ = end_of_month(now);
    carried_ = 0;
  }
  carried_ += bytes;
  ++version_;
}

Bytes RelayMonth::save() const {
  Bytes saved(saved_size);
  store_be<std::uint64_t>(MutableBytes(saved).first(8), unix_ms(ends_));
  store_be<std::uint64_t>(MutableBytes(saved).last(8), carried_);
  return saved;
}

}  // namespace byway

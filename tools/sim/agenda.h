// What is going to happen in a swarm, in the order in which it happens.
//
// Times are cut into days of about a millisecond. What happens today is kept in order; the next
// eight seconds have a list for each day, put in order when it dawns; what comes later waits in a
// heap. So nearly everything is put in its place by one division, and it is known beforehand whose
// turn comes next, and next but one: memory can be asked for before it is needed.
//
//   Agenda<Happening> agenda;          struct Happening { TimePoint at; std::uint64_t order; … };
//
// Equal times come by `order`, which is drawn from a counter: later entries have higher ones.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <queue>
#include <span>
#include <vector>

#include "protocol/time.h"

namespace byway::sim {

template <typename Entry>
class Agenda {
 public:
  // Not earlier than what was taken last.
  void push(const Entry& entry) {
    ++size_;
    const Day day = day_of(entry);
    if (day <= today_) return insert(entry);
    if (day - today_ < days)
      coming_[day % days].push_back(entry);
    else
      later_.push(entry);
  }

  bool empty() const { return size_ == 0; }
  const Entry& front() {
    if (next_ == now_.size()) dawn();
    return now_[next_];
  }
  Entry pop() {
    const Entry first = front();
    ++next_;
    --size_;
    return first;
  }
  // The first and those behind it, as far as they are in order already.
  std::span<const Entry> soon() const { return std::span(now_).subspan(next_); }

 private:
  using Day = std::int64_t;
  static constexpr int day_bits = 20;  // of nanoseconds
  static constexpr Day days = 8192;

  static Day day_of(const Entry& entry) { return entry.at.time_since_epoch().count() >> day_bits; }
  static bool before(const Entry& a, const Entry& b) {
    return a.at != b.at ? a.at < b.at : a.order < b.order;
  }
  struct After {
    bool operator()(const Entry& a, const Entry& b) const { return before(b, a); }
  };

  void insert(const Entry& entry) {
    const auto rest = now_.begin() + static_cast<std::ptrdiff_t>(next_);
    now_.insert(std::upper_bound(rest, now_.end(), entry, before), entry);
  }
  // Goes on to the next day on which something happens; there is one.
  void dawn() {
    now_.clear();
    next_ = 0;
    if (size_ == later_.size()) today_ = std::max(today_, day_of(later_.top()) - 1);
    while (now_.empty()) {
      ++today_;
      for (; !later_.empty() && day_of(later_.top()) - today_ < days; later_.pop())
        coming_[day_of(later_.top()) % days].push_back(later_.top());
      std::swap(now_, coming_[today_ % days]);
    }
    std::sort(now_.begin(), now_.end(), before);
  }

  Day today_ = 0;
  std::vector<Entry> now_;  // in order
  std::size_t next_ = 0;    // in it
  std::vector<std::vector<Entry>> coming_{static_cast<std::size_t>(days)};
  std::priority_queue<Entry, std::vector<Entry>, After> later_;
  std::size_t size_ = 0;
};

}  // namespace byway::sim

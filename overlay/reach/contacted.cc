#include "overlay/reach/contacted.h"

#include <algorithm>

namespace byway {

// Whether what was sent to the first in the heap is that old; it may only seem so.
bool Contacted::first_is_old(TimePoint now) const {
  return !turns_.empty() && now - turns_.front().at >= silence_;
}

// Drops the first; or, where something was sent there since it was put there, puts it right.
void Contacted::drop_first() {
  std::pop_heap(turns_.begin(), turns_.end(), later);
  Turn& turn = turns_.back();
  const auto known = sent_at_.find(turn.address);
  if (known->second == turn.at) {
    sent_at_.erase(known);
    turns_.pop_back();
    return;
  }
  turn.at = known->second;
  std::push_heap(turns_.begin(), turns_.end(), later);
}

void Contacted::on_sent(TimePoint now, const IpAddress& address) {
  const auto [known, is_new] = sent_at_.try_emplace(address, now);
  known->second = now;
  if (is_new) {
    turns_.push_back({now, address});
    std::push_heap(turns_.begin(), turns_.end(), later);
  }
  while (first_is_old(now)) drop_first();
  while (sent_at_.size() > capacity_) {
    const std::size_t before = sent_at_.size();
    const TimePoint oldest = turns_.front().at;
    drop_first();
    if (sent_at_.size() < before) blind_until_ = std::max(blind_until_, oldest + silence_);
  }
}

bool Contacted::is_quiet(TimePoint now, const IpAddress& address) const {
  const auto known = sent_at_.find(address);
  if (known == sent_at_.end()) return now >= blind_until_;
  return now - known->second >= silence_;
}

}  // namespace byway

#include "overlay/reach/contacted.h"

#include <algorithm>

namespace byway {

void Contacted::drop_oldest() {
  known_.erase(by_age_.back().address);
  by_age_.pop_back();
}

void Contacted::on_sent(TimePoint now, const IpAddress& address) {
  while (!by_age_.empty() && now - by_age_.back().at >= silence_) drop_oldest();
  if (const auto known = known_.find(address); known != known_.end()) {
    known->second->at = now;
    if (known->second != by_age_.begin()) by_age_.splice(by_age_.begin(), by_age_, known->second);
    return;
  }
  if (known_.size() >= capacity_) {
    blind_until_ = std::max(blind_until_, by_age_.back().at + silence_);
    drop_oldest();
  }
  by_age_.push_front({address, now});
  known_.emplace(address, by_age_.begin());
}

bool Contacted::is_quiet(TimePoint now, const IpAddress& address) const {
  const auto known = known_.find(address);
  if (known == known_.end()) return now >= blind_until_;
  return now - known->second->at >= silence_;
}

}  // namespace byway

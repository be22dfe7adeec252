// Token buckets: one, or one per stranger with bounded memory.
#pragma once

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>

#include "overlay/core/salted_hash.h"
#include "protocol/time.h"

namespace byway {

class TokenBucket {
 public:
  // rate: tokens a second; burst: how many may be saved up. A rate of 0 never refuses.
  TokenBucket(double rate, double burst) : rate_(rate), burst_(burst), tokens_(burst) {}

  bool take(TimePoint now, double tokens = 1) {
    if (rate_ == 0) return true;
    refill(now);
    if (tokens_ < tokens) return false;
    tokens_ -= tokens;
    return true;
  }
  // What it was taken for did not happen.
  void give_back(double tokens = 1) { tokens_ = std::min(burst_, tokens_ + tokens); }
  // Whether as many could be taken now.
  bool has(TimePoint now, double tokens) {
    if (rate_ == 0) return true;
    refill(now);
    return tokens_ >= tokens;
  }
  double burst() const { return burst_; }
  bool full(TimePoint now) const {
    const double seconds = std::chrono::duration<double>(std::max(now, last_) - last_).count();
    return tokens_ + rate_ * seconds >= burst_;
  }

 private:
  void refill(TimePoint now) {
    if (now <= last_) return;
    const double seconds = std::chrono::duration<double>(now - last_).count();
    tokens_ = std::min(burst_, tokens_ + rate_ * seconds);
    last_ = now;
  }

  double rate_;
  double burst_;
  double tokens_;
  TimePoint last_{};
};

// A bucket per key. The table holds `capacity` keys; where it is full, buckets that have filled
// up again are forgotten, and if there are none the new key is refused: under a flood from many
// addresses newcomers wait, and nobody's memory grows.
template <typename Key>
class RateLimiter {
 public:
  RateLimiter(double rate, double burst, std::size_t capacity)
      : rate_(rate), burst_(burst), capacity_(capacity), buckets_(0, SaltedHash(this)) {}

  bool take(TimePoint now, const Key& key) {
    auto known = buckets_.find(key);
    if (known == buckets_.end()) {
      if (buckets_.size() >= capacity_) forget(now);
      if (buckets_.size() >= capacity_) return false;
      known = buckets_.emplace(key, TokenBucket{rate_, burst_}).first;
    }
    return known->second.take(now);
  }
  void give_back(const Key& key) {
    if (const auto known = buckets_.find(key); known != buckets_.end()) known->second.give_back();
  }
  std::size_t size() const { return buckets_.size(); }

 private:
  void forget(TimePoint now) {
    if (now < next_sweep_) return;  // a sweep is linear: not for every packet of a flood
    next_sweep_ = now + std::chrono::milliseconds{100};
    erase_if(buckets_, [&](const auto& entry) { return entry.second.full(now); });
  }

  double rate_;
  double burst_;
  std::size_t capacity_;
  TimePoint next_sweep_{};
  boost::unordered_flat_map<Key, TokenBucket, SaltedHash> buckets_;
};

}  // namespace byway

// One deadline per key, and the earliest of all: how the conductor knows whom to wake.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "protocol/time.h"

namespace byway {

template <typename Key>
class Timers {
 public:
  // Replaces the key's deadline; none removes it.
  void set(const Key& key, std::optional<TimePoint> deadline) {
    const auto known = deadlines_.find(key);
    if (known != deadlines_.end()) {
      if (deadline == known->second) return;
      queue_.erase({known->second, key});
      if (!deadline) {
        deadlines_.erase(known);
        return;
      }
      known->second = *deadline;
    } else {
      if (!deadline) return;
      deadlines_.emplace(key, *deadline);
    }
    queue_.emplace(*deadline, key);
  }

  std::optional<TimePoint> next() const {
    if (queue_.empty()) return std::nullopt;
    return queue_.begin()->first;
  }

  // A key whose deadline has come; its deadline is removed.
  std::optional<Key> pop_due(TimePoint now) {
    if (queue_.empty() || queue_.begin()->first > now) return std::nullopt;
    const Key key = queue_.begin()->second;
    queue_.erase(queue_.begin());
    deadlines_.erase(key);
    return key;
  }

 private:
  std::map<Key, TimePoint> deadlines_;
  std::set<std::pair<TimePoint, Key>> queue_;
};

// The earlier of two deadlines, where either may be none.
inline std::optional<TimePoint> earlier(std::optional<TimePoint> a, std::optional<TimePoint> b) {
  if (!a) return b;
  if (!b) return a;
  return std::min(*a, *b);
}

}  // namespace byway

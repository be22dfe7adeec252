// One deadline per key, and the earliest of all.
//
// Alarms for what does not exist elsewhere: a node of memory for each key, found by its hash. Equal
// deadlines come in the order of their keys.
#pragma once

#include <boost/unordered/unordered_set.hpp>
#include <functional>
#include <optional>

#include "overlay/core/alarms.h"

namespace byway {

template <typename Key>
class Timers {
 public:
  // Replaces the key's deadline; none removes it.
  void set(const Key& key, std::optional<TimePoint> deadline) {
    if (deadline) return alarms_.set(*keys_.emplace(key).first, deadline);
    const auto known = keys_.find(key);
    if (known == keys_.end()) return;
    alarms_.set(*known, std::nullopt);
    keys_.erase(known);
  }

  std::optional<TimePoint> next() const { return alarms_.next(); }
  void foresee() const { alarms_.foresee(); }

  // A key whose deadline has come; its deadline is removed.
  std::optional<Key> pop_due(TimePoint now) {
    const Timed* due = alarms_.pop_due(now);
    if (!due) return std::nullopt;
    Key key = due->id;
    keys_.erase(keys_.find(key));
    return key;
  }

 private:
  struct Timed {
    explicit Timed(const Key& key) : id(key) {}
    Key id;
    mutable AlarmPlace alarm;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const Key& key) const { return std::hash<Key>()(key); }
    std::size_t operator()(const Timed& timed) const { return std::hash<Key>()(timed.id); }
  };
  struct Same {
    using is_transparent = void;
    bool operator()(const Timed& a, const Timed& b) const { return a.id == b.id; }
    bool operator()(const Key& a, const Timed& b) const { return a == b.id; }
    bool operator()(const Timed& a, const Key& b) const { return a.id == b; }
  };

  boost::unordered_set<Timed, Hash, Same> keys_;  // they stay where they are in memory
  Alarms<const Timed> alarms_;
};

// The earlier of two deadlines, where either may be none. Asked twenty times for each datagram: a
// call would cost more than what it does.
[[gnu::always_inline]] inline std::optional<TimePoint> earlier(std::optional<TimePoint> a,
                                                               std::optional<TimePoint> b) {
  if (!a) return b;
  if (!b) return a;
  return std::min(*a, *b);
}

}  // namespace byway

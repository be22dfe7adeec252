// One deadline per key, and the earliest of all: how the conductor knows whom to wake.
//
// A binary heap beside the keys, each of which knows its place there: a deadline that moves costs
// a few swaps and no memory. Equal deadlines come in the order of their keys.
#pragma once

#include <boost/unordered/unordered_map.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "protocol/time.h"

namespace byway {

template <typename Key>
class Timers {
 public:
  Timers() = default;
  Timers(Timers&&) = default;
  Timers& operator=(Timers&&) = default;

  // Replaces the key's deadline; none removes it.
  void set(const Key& key, std::optional<TimePoint> deadline) {
    if (!deadline) {
      if (const auto known = places_.find(key); known != places_.end()) erase(&*known);
      return;
    }
    const auto [known, is_new] = places_.try_emplace(key, static_cast<std::uint32_t>(heap_.size()));
    if (is_new) {
      heap_.push_back({*deadline, &*known});
      up(heap_.size() - 1);
      return;
    }
    const std::size_t place = known->second;
    if (heap_[place].at == *deadline) return;
    heap_[place].at = *deadline;
    settle(place);
  }

  std::optional<TimePoint> next() const {
    if (heap_.empty()) return std::nullopt;
    return heap_.front().at;
  }

  // A key whose deadline has come; its deadline is removed.
  std::optional<Key> pop_due(TimePoint now) {
    if (heap_.empty() || heap_.front().at > now) return std::nullopt;
    const Key key = heap_.front().key->first;
    erase(heap_.front().key);
    return key;
  }

 private:
  // Its elements stay where they are in memory.
  using Places = boost::unordered_map<Key, std::uint32_t, std::hash<Key>>;
  using Place = typename Places::value_type;
  struct Entry {
    TimePoint at;
    Place* key;
    bool operator<(const Entry& other) const {
      if (at != other.at) return at < other.at;
      return key->first < other.key->first;
    }
  };

  void erase(Place* key) {
    const std::size_t place = key->second;
    places_.erase(places_.find(key->first));
    const Entry last = heap_.back();
    heap_.pop_back();
    if (place == heap_.size()) return;
    put(place, last);
    settle(place);
  }
  void put(std::size_t place, const Entry& entry) {
    heap_[place] = entry;
    entry.key->second = static_cast<std::uint32_t>(place);
  }
  void settle(std::size_t place) {
    up(place);
    down(heap_[place].key->second);
  }
  void up(std::size_t place) {
    const Entry entry = heap_[place];
    for (; place > 0 && entry < heap_[(place - 1) / 2]; place = (place - 1) / 2)
      put(place, heap_[(place - 1) / 2]);
    put(place, entry);
  }
  void down(std::size_t place) {
    const Entry entry = heap_[place];
    for (;;) {
      std::size_t child = 2 * place + 1;
      if (child >= heap_.size()) break;
      if (child + 1 < heap_.size() && heap_[child + 1] < heap_[child]) ++child;
      if (!(heap_[child] < entry)) break;
      put(place, heap_[child]);
      place = child;
    }
    put(place, entry);
  }

  Places places_;
  std::vector<Entry> heap_;
};

// The earlier of two deadlines, where either may be none.
inline std::optional<TimePoint> earlier(std::optional<TimePoint> a, std::optional<TimePoint> b) {
  if (!a) return b;
  if (!b) return a;
  return std::min(*a, *b);
}

}  // namespace byway

// One deadline for each of many things that are kept elsewhere, and the earliest of all.
//
// A binary heap, in which the things know their own place: a deadline costs 16 bytes, is found
// without looking anything up and moves by a few swaps, which is what a supernode wants that looks
// after 100,000 peers. A thing must not move while it has a deadline, and takes it back (set it to
// none) before it goes. Who has no such things, but keys, takes Timers.
//
//   struct Peer { NodeId id; AlarmPlace alarm; … };     Alarms<Peer> alarms;
//
// Or NodeId id() const. Equal deadlines come in the order of the ids.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "overlay/core/foresight.h"
#include "protocol/time.h"

namespace byway {

// Where in the heap a thing's deadline is; none while it has no deadline.
class AlarmPlace {
 private:
  template <typename Thing>
  friend class Alarms;
  static constexpr std::uint32_t none = ~0u;
  std::uint32_t at_ = none;
};

template <typename Thing>
class Alarms {
 public:
  // Replaces the thing's deadline; none removes it.
  void set(Thing& thing, std::optional<TimePoint> deadline) {
    std::uint32_t& place = thing.alarm.at_;
    if (!deadline) {
      if (place != AlarmPlace::none) erase(thing);
      return;
    }
    if (place == AlarmPlace::none) {
      heap_.push_back({*deadline, &thing});
      place = static_cast<std::uint32_t>(heap_.size() - 1);
      return up(place);
    }
    if (heap_[place].at == *deadline) return;
    heap_[place].at = *deadline;
    settle(place);
  }

  std::optional<TimePoint> next() const {
    if (heap_.empty()) return std::nullopt;
    return heap_.front().at;
  }

  // Whose deadline comes first; none where there is no deadline.
  const Thing* first() const { return heap_.empty() ? nullptr : heap_.front().thing; }

  // What next() and first() look at; or what set() will, for this thing.
  void foresee() const {
    if (!heap_.empty()) ask_for(heap_.data(), sizeof(Entry));
  }
  void foresee(const Thing& thing) const {
    if (thing.alarm.at_ != AlarmPlace::none) ask_for(&heap_[thing.alarm.at_], sizeof(Entry));
  }

  // One whose deadline has come; its deadline is removed.
  Thing* pop_due(TimePoint now) {
    if (heap_.empty() || heap_.front().at > now) return nullptr;
    Thing* due = heap_.front().thing;
    erase(*due);
    return due;
  }

 private:
  struct Entry {
    TimePoint at;
    Thing* thing;
    bool operator<(const Entry& other) const {
      if (at != other.at) return at < other.at;
      return id_of(*thing) < id_of(*other.thing);
    }
  };

  static const auto& id_of(const Thing& thing) {
    if constexpr (requires { thing.id(); })
      return thing.id();
    else
      return thing.id;
  }

  void erase(Thing& thing) {
    const std::size_t place = std::exchange(thing.alarm.at_, AlarmPlace::none);
    const Entry last = heap_.back();
    heap_.pop_back();
    if (place == heap_.size()) return;
    put(place, last);
    settle(place);
  }
  void put(std::size_t place, const Entry& entry) {
    heap_[place] = entry;
    entry.thing->alarm.at_ = static_cast<std::uint32_t>(place);
  }
  void settle(std::size_t place) {
    const Thing* thing = heap_[place].thing;
    up(place);
    down(thing->alarm.at_);
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

  std::vector<Entry> heap_;
};

}  // namespace byway

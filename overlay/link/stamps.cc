#include "overlay/link/stamps.h"

#include "overlay/core/limits.h"

namespace byway {

Stamps::Verdict Stamps::judge(WallTime wall, const NodeId& id, WallTime stamp) const {
  const auto skew = stamp > wall ? stamp - wall : wall - stamp;
  if (skew > limits::handshake_clock_skew) return Verdict::stale;
  const auto known = entries_.find(id);
  if (known == entries_.end()) return stamp > started_ ? Verdict::fresh : Verdict::stale;
  if (stamp == known->second.last) return Verdict::repeated;
  return stamp > known->second.last ? Verdict::fresh : Verdict::stale;
}

void Stamps::accept(WallTime wall, const NodeId& id, WallTime stamp) {
  if (const auto known = entries_.find(id); known != entries_.end()) {
    ages_.erase(known->second.age);
    entries_.erase(known);
  }
  if (entries_.size() >= limits::remembered_stamps) {
    // What is forgotten must not become acceptable again. By our own clock: else stamps from the
    // future would lock out everybody whose clock is right.
    const auto oldest = entries_.find(ages_.back());
    started_ = std::max(started_, std::min(oldest->second.last, oldest->second.at));
    entries_.erase(oldest);
    ages_.pop_back();
  }
  ages_.push_front(id);
  entries_.emplace(id, Entry{stamp, wall, ages_.begin()});
}

}  // namespace byway

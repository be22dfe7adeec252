#include "overlay/mesh/rumours.h"

#include <vector>

#include "overlay/mesh/mesh_limits.h"

namespace byway {

std::size_t Rumours::Hash::operator()(const Topic& topic) const noexcept {
  const std::hash<NodeId> hash;
  return hash(topic.subject) + 31 * hash(topic.by) + static_cast<std::size_t>(topic.kind);
}

void Rumours::erase(const Entry& entry) {
  order_.erase(place_of(entry.second));
  fresh_ -= entry.second.fresh ? 1 : 0;
  left_.erase(left_.find(entry.first));
}

void Rumours::add(const Topic& topic, int times) {
  if (const auto known = left_.find(topic); known != left_.end()) erase(*known);
  if (left_.size() >= limits::rumours) erase(*order_.rbegin()->second);
  Entry& entry = *left_.emplace(topic, Left{times, next_number_++, true}).first;
  order_.emplace(place_of(entry.second), &entry);
  ++fresh_;
}

// Once less to be told.
void Rumours::told(Entry& entry) {
  if (entry.second.times == 1) return erase(entry);
  auto place = order_.extract(place_of(entry.second));
  --entry.second.times;
  place.key() = place_of(entry.second);
  order_.insert(std::move(place));
}

void Rumours::heard_again(const Topic& topic) {
  const auto known = left_.find(topic);
  if (known == left_.end()) return;
  if (known->second.fresh && known->second.times == 1) return;
  told(*known);
}

void Rumours::forget(const NodeId& subject) {
  std::vector<Entry*> about;
  for (Entry& entry : left_)
    if (entry.first.subject == subject) about.push_back(&entry);
  for (const Entry* entry : about) erase(*entry);
}

void Rumours::offer(const std::function<Taken(const Topic&)>& take) {
  std::vector<Entry*> taken;
  std::vector<Entry*> vain;
  for (const auto& [_, entry] : order_) {
    const Taken answer = take(entry->first);
    if (answer == Taken::no_room) break;
    (answer == Taken::yes ? taken : vain).push_back(entry);
  }
  for (const Entry* entry : vain) erase(*entry);
  for (Entry* entry : taken) {
    fresh_ -= entry->second.fresh ? 1 : 0;
    entry->second.fresh = false;
    told(*entry);
  }
}

}  // namespace byway

#include "overlay/mesh/rumours.h"

#include <vector>

#include "overlay/mesh/mesh_limits.h"

namespace byway {

void Rumours::erase(std::map<Topic, Left>::iterator topic) {
  order_.erase({-topic->second.times, topic->first});
  fresh_ -= topic->second.fresh ? 1 : 0;
  left_.erase(topic);
}

void Rumours::add(const Topic& topic, int times) {
  if (const auto known = left_.find(topic); known != left_.end()) erase(known);
  if (left_.size() >= limits::rumours) erase(left_.find(order_.rbegin()->second));
  left_.emplace(topic, Left{times, true});
  order_.emplace(-times, topic);
  ++fresh_;
}

void Rumours::forget(const NodeId& subject) {
  auto topic = left_.lower_bound({subject, Kind::record, {}});
  while (topic != left_.end() && topic->first.subject == subject) erase(topic++);
}

void Rumours::offer(const std::function<Taken(const Topic&)>& take) {
  std::vector<Topic> told;
  std::vector<Topic> vain;
  for (const auto& [_, topic] : order_) {
    const Taken taken = take(topic);
    if (taken == Taken::no_room) break;
    (taken == Taken::yes ? told : vain).push_back(topic);
  }
  for (const Topic& topic : vain) erase(left_.find(topic));
  for (const Topic& topic : told) {
    const auto known = left_.find(topic);
    const int times = known->second.times - 1;
    erase(known);
    if (times == 0) continue;
    left_.emplace(topic, Left{times, false});
    order_.emplace(-times, topic);
  }
}

}  // namespace byway

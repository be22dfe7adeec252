#include "overlay/link/relay.h"

#include <algorithm>
#include <vector>

namespace byway {
namespace {

TokenBucket bucket(std::uint64_t rate) {
  const double seconds = std::chrono::duration<double>(limits::bucket_depth).count();
  // Never too shallow for one burst of full packets.
  return {static_cast<double>(rate), std::max(static_cast<double>(rate) * seconds, 65536.0)};
}

}  // namespace

Relay::Relay(std::uint64_t total_rate, std::uint64_t lane_rate)
    : budget_(bucket(total_rate)), lane_rate_(lane_rate) {}

Relay::Opened Relay::open(TimePoint now, LaneId lane, const NodeId& owner, const End& from,
                          const End& to) {
  if (const auto known = lanes_.find(lane); known != lanes_.end()) {
    auto& ends = known->second.ends;
    const bool turned = ends[0].node == to.node;  // the other one calls this time
    if (ends[turned ? 1 : 0].node != from.node || ends[turned ? 0 : 1].node != to.node)
      return Opened::taken;
    ends[turned ? 1 : 0] = from;
    ends[turned ? 0 : 1] = to;
    known->second.last_used = now;
    return Opened::yes;
  }
  const auto owned = owned_.find(owner);
  if (lanes_.size() >= limits::max_lanes ||
      (owned != owned_.end() && owned->second >= limits::lanes_per_node) ||
      by_node_.count(to.node) >= limits::lanes_to_node)
    return Opened::full;
  lanes_.emplace(lane, Lane{{from, to}, owner, now, bucket(lane_rate_)});
  by_node_.emplace(from.node, lane);
  by_node_.emplace(to.node, lane);
  ++owned_[owner];
  if (!next_sweep_) next_sweep_ = now + limits::lane_idle;
  return Opened::yes;
}

NodeId Relay::other_end(LaneId lane, const NodeId& node) const {
  const auto known = lanes_.find(lane);
  if (known == lanes_.end()) return {};
  const auto& ends = known->second.ends;
  if (ends[0].node == node) return ends[1].node;
  return ends[1].node == node ? ends[0].node : NodeId{};
}

void Relay::rebind(const NodeId& node, const Route& route) {
  const auto [first, last] = by_node_.equal_range(node);
  for (auto entry = first; entry != last; ++entry)
    for (End& end : lanes_.at(entry->second).ends)
      if (end.node == node && end.route != route) {
        end.former = end.route.proto == route.proto ? std::nullopt : std::optional(end.route);
        end.route = route;
      }
}

void Relay::close(LaneId lane) {
  if (const auto known = lanes_.find(lane); known != lanes_.end()) erase(known);
}

Relay::Lanes::iterator Relay::erase(Lanes::iterator lane) {
  const auto owned = owned_.find(lane->second.owner);
  if (--owned->second == 0) owned_.erase(owned);
  for (const End& end : lane->second.ends) {
    const auto [first, last] = by_node_.equal_range(end.node);
    for (auto entry = first; entry != last; ++entry)
      if (entry->second == lane->first) {
        by_node_.erase(entry);
        break;
      }
  }
  return lanes_.erase(lane);
}

void Relay::close_all_of(const NodeId& node) {
  std::vector<LaneId> lanes;
  const auto [first, last] = by_node_.equal_range(node);
  for (auto entry = first; entry != last; ++entry) lanes.push_back(entry->second);
  for (const LaneId lane : lanes) close(lane);
}

Relay::Verdict Relay::judge(TimePoint now, const Route& from, LaneId lane, std::size_t size) {
  const auto known = lanes_.find(lane);
  if (known == lanes_.end()) return {{}, Drop::unknown_lane};
  auto& ends = known->second.ends;
  const auto comes_from = [&](const End& end) { return from == end.route || from == end.former; };
  const int source = comes_from(ends[0]) ? 0 : comes_from(ends[1]) ? 1 : -1;
  if (source < 0) return {{}, Drop::unknown_lane};
  if (!known->second.budget.take(now, static_cast<double>(size)) ||
      !budget_.take(now, static_cast<double>(size)))
    return {{}, Drop::lane_budget};
  known->second.last_used = now;
  return {ends[static_cast<std::size_t>(1 - source)].route, {}};
}

void Relay::on_timeout(TimePoint now) {
  if (!next_sweep_ || now < *next_sweep_) return;
  for (auto lane = lanes_.begin(); lane != lanes_.end();)
    lane = now - lane->second.last_used >= limits::lane_idle ? erase(lane) : std::next(lane);
  next_sweep_ = lanes_.empty() ? std::nullopt : std::optional(now + limits::lane_idle / 4);
}

std::optional<TimePoint> Relay::next_timeout() const {
  return next_sweep_;
}

}  // namespace byway

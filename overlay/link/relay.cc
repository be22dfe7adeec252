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

// A lane that sends now and then takes part in every turn; one that has just stopped leaves its
// part to the others soon.
constexpr Duration turn_length = 50ms;

Relay::Relay(std::uint64_t total_rate, std::uint64_t lane_rate, std::uint64_t salt)
    : budget_(bucket(total_rate)),
      total_rate_(static_cast<double>(total_rate)),
      lane_rate_(lane_rate),
      lanes_(0, Salted{salt}) {}

// The finisher of SplitMix64 (Steele, Lea, Flood 2014) over the salted number.
std::size_t Relay::Salted::operator()(LaneId lane) const noexcept {
  std::uint64_t x = lane ^ salt;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = ((x + salt) ^ (x >> 27)) * 0x94d049bb133111ebu;
  return static_cast<std::size_t>(x ^ (x >> 31));
}

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

void Relay::erase(Lanes::iterator lane) {
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
  lanes_.erase(lane);
}

void Relay::close_all_of(const NodeId& node) {
  std::vector<LaneId> lanes;
  const auto [first, last] = by_node_.equal_range(node);
  for (auto entry = first; entry != last; ++entry) lanes.push_back(entry->second);
  for (const LaneId lane : lanes) close(lane);
}

Relay::Verdict Relay::judge(TimePoint now, const Route& from, LaneId lane, std::size_t bytes,
                            std::size_t segment, const NodeId& sender) {
  const auto found = lanes_.find(lane);
  if (found == lanes_.end()) return {};
  Lane& known = found->second;
  const auto comes_from = [&](const End& end) {
    return from == end.route || from == end.former || (!sender.is_nobody() && sender == end.node);
  };
  const int source = comes_from(known.ends[0]) ? 0 : comes_from(known.ends[1]) ? 1 : -1;
  if (source < 0) return {};

  Verdict verdict{.forward_to = {}, .drop = Drop::lane_budget};
  if (total_rate_ == 0 && lane_rate_ == 0) {
    verdict.bytes = bytes;
  } else {
    while (verdict.bytes < bytes) {
      const std::size_t size = std::min(segment, bytes - verdict.bytes);
      if (!may_pass(now, known, size)) break;
      verdict.bytes += size;
    }
  }
  if (verdict.bytes == 0) return verdict;
  known.last_used = now;
  known.carried += verdict.bytes;
  verdict.forward_to = known.ends[static_cast<std::size_t>(1 - source)].route;
  return verdict;
}

bool Relay::may_pass(TimePoint now, Lane& lane, std::size_t size) {
  const auto bytes = static_cast<double>(size);
  if (total_rate_ > 0) {
    const auto turn = static_cast<std::uint64_t>(now.time_since_epoch() / turn_length);
    if (turn != turn_) {
      in_last_turn_ = turn == turn_ + 1 ? in_turn_ : 0;
      in_turn_ = 0;
      turn_ = turn;
    }
    if (lane.turn != turn) {
      lane.turn = turn;
      lane.used_in_turn = 0;
      ++in_turn_;
    }
    const double turn_seconds = std::chrono::duration<double>(turn_length).count();
    const auto lanes = static_cast<double>(std::max(in_turn_, in_last_turn_));
    const bool over = lane.used_in_turn + bytes > total_rate_ * turn_seconds / lanes;
    // Beyond its own part a lane lives on what nobody else asks for: what lies idle in the bucket.
    if (over && lanes > 1 && !budget_.has(now, budget_.burst() / 2)) return false;
  }
  if (!lane.budget.take(now, bytes) || !budget_.take(now, bytes)) return false;
  lane.used_in_turn += bytes;
  return true;
}

std::uint64_t Relay::carried_for(const NodeId& owner) const {
  std::uint64_t carried = 0;
  const auto [first, last] = by_node_.equal_range(owner);
  for (auto entry = first; entry != last; ++entry)
    if (const Lane& lane = lanes_.at(entry->second); lane.owner == owner) carried += lane.carried;
  return carried;
}

void Relay::on_timeout(TimePoint now) {
  if (!next_sweep_ || now < *next_sweep_) return;
  std::vector<LaneId> idle;
  for (const auto& [number, lane] : lanes_)
    if (now - lane.last_used >= limits::lane_idle) idle.push_back(number);
  for (const LaneId number : idle) close(number);
  next_sweep_ = lanes_.empty() ? std::nullopt : std::optional(now + limits::lane_idle / 4);
}

std::optional<TimePoint> Relay::next_timeout() const {
  return next_sweep_;
}

}  // namespace byway

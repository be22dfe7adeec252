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

Relay::Relay(Rates rates, std::uint64_t salt)
    : rates_(rates), budget_(bucket(rates.total)), lanes_(0, LaneHash{salt}) {}

Relay::Opened Relay::open(TimePoint now, LaneId lane, const NodeId& owner, const End& from,
                          const End& to, const NodeId& target) {
  if (const auto known = lanes_.find(lane); known != lanes_.end()) {
    auto& ends = known->second.ends;
    const bool turned = ends[0].node == to.node;  // the other one calls this time
    if (ends[turned ? 1 : 0].node != from.node || ends[turned ? 0 : 1].node != to.node)
      return Opened::taken;
    ends[turned ? 1 : 0] = from;
    ends[turned ? 0 : 1] = to;
    known->second.last_used = now;
    tell(lane);
    return Opened::yes;
  }
  const auto owned = owners_.find(owner);
  if (lanes_.size() >= limits::max_lanes ||
      (owned != owners_.end() && owned->second.lanes >= limits::lanes_per_node) ||
      by_node_.count(to.node) >= limits::lanes_to_node)
    return Opened::full;
  const auto whose = owners_.try_emplace(owner, Owner{bucket(rates_.node)}).first;
  const auto whom = both(owner, target.is_nobody() ? to.node : target);
  const auto pair = pairs_.try_emplace(whom, Pair{bucket(rates_.pair)}).first;
  ++whose->second.lanes;
  ++pair->second.lanes;
  lanes_.emplace(lane, Lane{{from, to}, whose, pair, now});
  by_node_.emplace(from.node, lane);
  by_node_.emplace(to.node, lane);
  tell(lane);
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
        tell(entry->second);
      }
}

void Relay::close(LaneId lane) {
  if (const auto known = lanes_.find(lane); known != lanes_.end()) erase(known);
}

void Relay::erase(Lanes::iterator lane) {
  const auto& [owner, pair] = std::pair(lane->second.owner, lane->second.pair);
  if (--owner->second.lanes == 0) owners_.erase(owner);
  if (--pair->second.lanes == 0) pairs_.erase(pair);
  for (const End& end : lane->second.ends) {
    const auto [first, last] = by_node_.equal_range(end.node);
    for (auto entry = first; entry != last; ++entry)
      if (entry->second == lane->first) {
        by_node_.erase(entry);
        break;
      }
  }
  tell(lane->first);
  lanes_.erase(lane);
}

void Relay::close_all_of(const NodeId& node) {
  std::vector<LaneId> lanes;
  const auto [first, last] = by_node_.equal_range(node);
  for (auto entry = first; entry != last; ++entry) lanes.push_back(entry->second);
  for (const LaneId lane : lanes) close(lane);
}

void Relay::close_all() {
  std::vector<LaneId> lanes;
  for (const auto& [number, lane] : lanes_) lanes.push_back(number);
  for (const LaneId number : lanes) close(number);
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
  if (!rates_.limited()) {
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
  count(known, verdict.bytes);
  verdict.forward_to = known.ends[static_cast<std::size_t>(1 - source)].route;
  return verdict;
}

// What a lane may always use of the total, however much the others ask for.
bool Relay::is_within_its_part(TimePoint now, Lane& lane, double bytes) {
  const auto turn = static_cast<std::uint64_t>(now.time_since_epoch() / turn_length);
  Owner& owner = lane.owner->second;
  turn_.begin(turn);
  owner.sharing.begin(turn);
  if (owner.turn != turn) {
    owner.turn = turn;
    ++turn_.here;
  }
  if (lane.turn != turn) {
    lane.turn = turn;
    lane.used_in_turn = 0;
    ++owner.sharing.here;
  }
  const double parts = turn_.parts() * owner.sharing.parts();
  const double turn_seconds = std::chrono::duration<double>(turn_length).count();
  const double part = static_cast<double>(rates_.total) * turn_seconds / parts;
  return parts == 1 || lane.used_in_turn + bytes <= part;
}

bool Relay::may_pass(TimePoint now, Lane& lane, std::size_t size) {
  const auto bytes = static_cast<double>(size);
  // Beyond its own part a lane lives on what nobody else asks for: what lies idle in the bucket.
  if (rates_.total > 0 && !is_within_its_part(now, lane, bytes) &&
      !budget_.has(now, budget_.burst() / 2))
    return false;
  TokenBucket& of_node = lane.owner->second.budget;
  TokenBucket& of_pair = lane.pair->second.budget;
  // From all or from none.
  for (TokenBucket* one : {&budget_, &of_node, &of_pair})
    if (!one->has(now, bytes)) return false;
  for (TokenBucket* one : {&budget_, &of_node, &of_pair}) one->take(now, bytes);
  lane.used_in_turn += bytes;
  return true;
}

void Relay::count(Lane& lane, std::uint64_t bytes) {
  lane.owner->second.carried += bytes;
  lane.pair->second.carried += bytes;
}

Relay::Both Relay::both(const NodeId& a, const NodeId& b) {
  return a < b ? Both{a, b} : Both{b, a};
}

void Relay::publish(bool wanted) {
  changed_.clear();
  publishes_ = wanted && !rates_.limited();
  for (const auto& [number, lane] : lanes_) tell(number);
}

void Relay::tell(LaneId lane) {
  if (publishes_) changed_.push(lane);
}

std::optional<LaneChange> Relay::poll_change() {
  if (changed_.empty()) return {};
  LaneChange change{.lane = changed_.pop(), .ends = {}};
  const auto known = lanes_.find(change.lane);
  if (known == lanes_.end()) return change;
  const auto is_plain = [](const End& end) {
    const SocketId socket = end.route.socket;
    const bool listening = socket < first_spare_socket || socket > last_spare_socket;
    return end.route.proto == Proto::udp && listening;
  };
  const auto& ends = known->second.ends;
  if (is_plain(ends[0]) && is_plain(ends[1])) change.ends = {{ends[0].route, ends[1].route}};
  return change;
}

Relay::Carried Relay::on_use(TimePoint now, const LaneUse& use) {
  Carried carried{.datagrams = use.datagrams[0] + use.datagrams[1],
                  .bytes = use.bytes[0] + use.bytes[1],
                  .ends = {}};
  const auto known = lanes_.find(use.lane);
  if (known == lanes_.end()) return carried;
  known->second.last_used = now;
  count(known->second, carried.bytes);
  carried.ends = {{known->second.ends[0].route, known->second.ends[1].route}};
  return carried;
}

std::uint64_t Relay::carried_for(const NodeId& owner) const {
  const auto known = owners_.find(owner);
  return known == owners_.end() ? 0 : known->second.carried;
}

std::uint64_t Relay::carried_between(const NodeId& a, const NodeId& b) const {
  const auto known = pairs_.find(both(a, b));
  return known == pairs_.end() ? 0 : known->second.carried;
}

std::vector<Relay::Account> Relay::accounts(std::size_t most) const {
  std::vector<Account> all;
  for (const auto& [id, owner] : owners_) all.push_back({id, owner.lanes, owner.carried});
  const auto shown = all.begin() + static_cast<std::ptrdiff_t>(std::min(most, all.size()));
  std::partial_sort(all.begin(), shown, all.end(),
                    [](const Account& a, const Account& b) { return a.bytes > b.bytes; });
  all.erase(shown, all.end());
  return all;
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

// Lanes: what a supernode carries for two nodes that cannot reach one another.
//
// A lane has two ends, each a link at this supernode. A frame is forwarded when it comes from the
// address bound to one end, to the address bound to the other, unread. A binding moves only when
// that end's link proves a new address, so knowing a lane's id, which is no secret, opens nothing.
// Anything else is dropped in silence: an answer would tell a stranger what exists.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <unordered_map>

#include "overlay/core/counters.h"
#include "overlay/core/limits.h"
#include "overlay/core/rate_limiter.h"
#include "overlay/link/route.h"
#include "protocol/identity.h"

namespace byway {

class Relay {
 public:
  // Rates in bytes a second; 0: no limit.
  Relay(std::uint64_t total_rate, std::uint64_t lane_rate);

  struct End {
    NodeId node;
    Route route;  // where it is now: direct
    // Where it was before it changed between UDP and TCP: what is still under way comes from there.
    std::optional<Route> former{};
  };
  enum class Opened : std::uint8_t { yes, taken, full };
  // Opening a lane again between the same two is no error and renews it. An end may be another
  // supernode that carries the lane on; `owner`, who asked for it, is whom it is counted for.
  Opened open(TimePoint now, LaneId lane, const NodeId& owner, const End& from, const End& to);
  void close(LaneId lane);
  // Who is at the other end than this node; nobody where there is no such lane.
  NodeId other_end(LaneId lane, const NodeId& node) const;
  void rebind(const NodeId& node, const Route& route);
  void close_all_of(const NodeId& node);

  struct Verdict {
    std::optional<Route> forward_to;
    Drop drop = Drop::unknown_lane;  // where there is no forward_to
  };
  Verdict judge(TimePoint now, const Route& from, LaneId lane, std::size_t size);

  void on_timeout(TimePoint now);
  std::optional<TimePoint> next_timeout() const;
  std::size_t lanes() const { return lanes_.size(); }

 private:
  struct Lane {
    std::array<End, 2> ends;
    NodeId owner;
    TimePoint last_used;
    TokenBucket budget;
  };
  using Lanes = std::unordered_map<LaneId, Lane>;
  Lanes::iterator erase(Lanes::iterator lane);

  TokenBucket budget_;
  std::uint64_t lane_rate_;
  Lanes lanes_;
  std::multimap<NodeId, LaneId> by_node_;
  std::map<NodeId, std::size_t> owned_;
  std::optional<TimePoint> next_sweep_;
};

}  // namespace byway

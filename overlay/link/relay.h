// Lanes: what a supernode carries for two nodes that cannot reach one another.
//
// A lane has two ends, each a link at this supernode. A frame is forwarded when it comes from the
// address bound to one end, to the address bound to the other, unread. A binding moves only when
// that end's link proves a new address, so knowing a lane's id, which is no secret, opens nothing.
// Anything else is dropped in silence: an answer would tell a stranger what exists.
//
// Where the total rate is limited and asked for more, lanes share it evenly: each may always use
// its part of it, and what some leave the others take. So one lane that floods slows down nobody
// but itself.
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <map>
#include <optional>
#include <vector>

#include "overlay/core/counters.h"
#include "overlay/core/limits.h"
#include "overlay/core/rate_limiter.h"
#include "overlay/link/route.h"
#include "protocol/identity.h"

namespace byway {

class Relay {
 public:
  // Rates in bytes a second; 0: no limit. `salt` is a secret of ours: callers choose the numbers of
  // their lanes, and must not be able to choose ones that crowd one another in the table.
  Relay(std::uint64_t total_rate, std::uint64_t lane_rate, std::uint64_t salt = 0);

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
    Drop drop = Drop::unknown_lane;  // of what does not go on
    std::size_t bytes = 0;           // that go on, counted from the first: whole datagrams
  };
  // Neighbours of one train, all in this lane: `bytes` in all, `segment` each, the last may be
  // shorter. `sender`: to whom the connection that they came by is proved to lead. An end may hold
  // several, and its lanes may come by each of them.
  Verdict judge(TimePoint now, const Route& from, LaneId lane, std::size_t bytes,
                std::size_t segment, const NodeId& sender = {});
  Verdict judge(TimePoint now, const Route& from, LaneId lane, std::size_t size) {
    return judge(now, from, lane, size, size);
  }

  void on_timeout(TimePoint now);
  std::optional<TimePoint> next_timeout() const;
  std::size_t lanes() const { return lanes_.size(); }
  // Bytes carried over the life of the lanes that this node has asked for and that are open.
  std::uint64_t carried_for(const NodeId& owner) const;

 private:
  struct Lane {
    std::array<End, 2> ends;
    NodeId owner;
    TimePoint last_used;
    TokenBucket budget;
    std::uint64_t turn = 0;     // the last one it was used in
    double used_in_turn = 0;    // bytes
    std::uint64_t carried = 0;  // bytes, over its life
  };
  struct Salted {
    using is_avalanching = void;  // says Boost: needs no mixing of its own
    std::uint64_t salt;
    std::size_t operator()(LaneId lane) const noexcept;
  };
  using Lanes = boost::unordered_flat_map<LaneId, Lane, Salted>;
  void erase(Lanes::iterator lane);
  bool may_pass(TimePoint now, Lane& lane, std::size_t size);

  TokenBucket budget_;
  double total_rate_;
  std::uint64_t lane_rate_;
  Lanes lanes_;
  // Turns of sharing the total, and how many lanes took part in this one and the one before.
  std::uint64_t turn_ = 0;
  std::size_t in_turn_ = 0;
  std::size_t in_last_turn_ = 0;
  std::multimap<NodeId, LaneId> by_node_;
  std::map<NodeId, std::size_t> owned_;
  std::optional<TimePoint> next_sweep_;
};

}  // namespace byway

// Lanes: what a supernode carries for two nodes that cannot reach one another.
//
// A lane has two ends, each a link at this supernode. A frame is forwarded when it comes from the
// address bound to one end, to the address bound to the other, unread. A binding moves only when
// that end's link proves a new address, so knowing a lane's id, which is no secret, opens nothing.
// Anything else is dropped in silence: an answer would tell a stranger what exists.
//
// Where the total rate is limited and asked for more, the nodes that have asked for lanes share it
// evenly, and each one's lanes its part: a lane may always use that much, and what some leave the
// others take. So one lane that floods slows down nobody but itself, and who has many lanes gets no
// more than who has one. Besides, a pair and a node can have rates of their own.
//
// Where no rate is limited, others may pass frames on as well: what they have to know is published,
// and what they carried is told (overlay/link/lane_table.h). Where one is, every frame takes from
// the same tokens, so there is one judge.
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <map>
#include <optional>
#include <vector>

#include "overlay/core/counters.h"
#include "overlay/core/fifo.h"
#include "overlay/core/limits.h"
#include "overlay/core/rate_limiter.h"
#include "overlay/link/lane_table.h"
#include "overlay/link/route.h"
#include "protocol/identity.h"

namespace byway {

class Relay {
 public:
  // In bytes a second; 0: no limit.
  struct Rates {
    std::uint64_t total = 0;
    std::uint64_t pair = 0;  // over all lanes between two nodes
    std::uint64_t node = 0;  // over all lanes that a node has asked for
    bool limited() const { return total > 0 || pair > 0 || node > 0; }
  };
  // `salt` is a secret of ours: callers choose the numbers of their lanes, and must not be able to
  // choose ones that crowd one another in the table.
  explicit Relay(Rates rates, std::uint64_t salt = 0);
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  struct End {
    NodeId node;
    Route route;  // where it is now: direct
    // Where it was before it changed between UDP and TCP: what is still under way comes from there.
    std::optional<Route> former{};
  };
  enum class Opened : std::uint8_t { yes, taken, full };
  // Opening a lane again between the same two is no error and renews it. An end may be another
  // supernode that carries the lane on; `owner`, who asked for it, is whom it is counted for, and
  // `target` whom for, where that is not the end `to`.
  Opened open(TimePoint now, LaneId lane, const NodeId& owner, const End& from, const End& to,
              const NodeId& target = {});
  void close(LaneId lane);
  // Who is at the other end than this node; nobody where there is no such lane.
  NodeId other_end(LaneId lane, const NodeId& node) const;
  void rebind(const NodeId& node, const Route& route);
  void close_all_of(const NodeId& node);
  void close_all();

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

  // Whether others pass on as well: from then on they are told of every lane, and of every change.
  void publish(bool wanted);
  std::optional<LaneChange> poll_change();
  // They did; of a lane that is gone meanwhile too. Where to, of those that are still there.
  struct Carried {
    std::uint64_t datagrams = 0;
    std::uint64_t bytes = 0;
    std::optional<std::array<Route, 2>> ends;
  };
  Carried on_use(TimePoint now, const LaneUse& use);

  void on_timeout(TimePoint now);
  std::optional<TimePoint> next_timeout() const;
  std::size_t lanes() const { return lanes_.size(); }

  // --- accounts ---
  // Bytes carried in the lanes that this node has asked for, since it had none; and between these
  // two, likewise.
  std::uint64_t carried_for(const NodeId& owner) const;
  std::uint64_t carried_between(const NodeId& a, const NodeId& b) const;
  struct Account {
    NodeId owner;
    std::size_t lanes = 0;
    std::uint64_t bytes = 0;
  };
  // Who has had the most carried, at most so many.
  std::vector<Account> accounts(std::size_t most) const;

 private:
  // Those who share something out in turns: how many took part in this one and the one before.
  struct Turn {
    std::uint64_t number = 0;
    std::size_t here = 0;
    std::size_t before = 0;
    void begin(std::uint64_t next) {
      if (next == number) return;
      before = next == number + 1 ? here : 0;
      here = 0;
      number = next;
    }
    double parts() const { return static_cast<double>(here > before ? here : before); }
  };
  struct Pair {
    TokenBucket budget;
    std::size_t lanes = 0;
    std::uint64_t carried = 0;  // bytes
  };
  struct Owner {
    TokenBucket budget;
    std::size_t lanes = 0;
    std::uint64_t carried = 0;
    std::uint64_t turn = 0;  // the last one it took part in
    Turn sharing;            // among its lanes
  };
  using Both = std::pair<NodeId, NodeId>;  // the smaller first
  struct Lane {
    std::array<End, 2> ends;
    std::map<NodeId, Owner>::iterator owner;
    std::map<Both, Pair>::iterator pair;
    TimePoint last_used;
    std::uint64_t turn = 0;   // the last one it took part in
    double used_in_turn = 0;  // bytes
  };
  using Lanes = boost::unordered_flat_map<LaneId, Lane, LaneHash>;
  void erase(Lanes::iterator lane);
  void tell(LaneId lane);
  bool is_within_its_part(TimePoint now, Lane& lane, double bytes);
  bool may_pass(TimePoint now, Lane& lane, std::size_t size);
  static void count(Lane& lane, std::uint64_t bytes);
  static Both both(const NodeId& a, const NodeId& b);

  Rates rates_;
  TokenBucket budget_;
  Lanes lanes_;
  Turn turn_;  // of the owners sharing the total
  std::multimap<NodeId, LaneId> by_node_;
  std::map<NodeId, Owner> owners_;
  std::map<Both, Pair> pairs_;
  std::optional<TimePoint> next_sweep_;
  bool publishes_ = false;
  Fifo<LaneId> changed_;
};

}  // namespace byway

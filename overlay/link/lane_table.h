// Lanes as somebody sees them who only passes on: a thread beside the one that owns the node
// (node/forwarders.h). The owner's Relay decides who may open a lane and where its ends are; it
// publishes each change, and copies of this table follow.
//
//   Relay --LaneChange--> LaneTable --LaneUse--> Relay
//
// A frame goes on under the Relay's own rule: from the address bound to one end to the address
// bound to the other. What the table does not know, or knows otherwise, is no drop: the owner
// may know better (a lane opened this very moment, an end by TCP), so it is handed over.
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <optional>
#include <vector>

#include "overlay/link/route.h"

namespace byway {

// The finisher of SplitMix64 (Steele, Lea, Flood 2014) over a salted number: callers choose the
// numbers of their lanes, and must not be able to choose ones that crowd one another in a table.
struct LaneHash {
  using is_avalanching = void;  // says Boost: needs no mixing of its own
  std::uint64_t salt = 0;
  std::size_t operator()(LaneId lane) const noexcept {
    std::uint64_t x = lane ^ salt;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = ((x + salt) ^ (x >> 27)) * 0x94d049bb133111ebu;
    return static_cast<std::size_t>(x ^ (x >> 31));
  }
};

// Where both ends of a lane are, each by UDP at a listening socket; nothing: the lane is closed, or
// its owner has to decide about every frame of it.
struct LaneChange {
  LaneId lane = 0;
  std::optional<std::array<Route, 2>> ends;
};

// What was passed on in a lane to each of its ends, since it was last told.
struct LaneUse {
  LaneId lane = 0;
  std::array<std::uint64_t, 2> datagrams{};
  std::array<std::uint64_t, 2> bytes{};
};

class LaneTable {
 public:
  explicit LaneTable(std::uint64_t salt) : lanes_(0, LaneHash{salt}) {}

  void apply(const LaneChange& change);
  // Neighbours of one train, all in this lane. Where they go on to; null: to be handed over. Lives
  // until the next change.
  const Route* judge(const Route& from, LaneId lane, std::size_t datagrams, std::size_t bytes);

  bool has_use() const { return !used_.empty(); }
  // Of lanes closed meanwhile as well.
  std::vector<LaneUse> take_use();
  std::size_t size() const { return lanes_.size(); }

 private:
  struct Lane {
    std::array<Route, 2> ends;
    std::size_t used = 0;  // 1 + where in used_
  };

  boost::unordered_flat_map<LaneId, Lane, LaneHash> lanes_;
  std::vector<LaneUse> used_;
};

}  // namespace byway

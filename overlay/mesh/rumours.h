// What is still to be told, and how often.
//
// A piece of news is told log2(n) times, most of them to three at once, by everybody who hears it
// for the first time: enough for all of n to hear it, whatever a few losses. The newest goes first;
// what has been told often gives way. There is room for so many, and what falls out is left to
// anti-entropy.
#pragma once

#include <functional>
#include <map>
#include <set>

#include "protocol/identity.h"

namespace byway {

class Rumours {
 public:
  enum class Kind : std::uint8_t { record, voucher, gone };
  // A record is told once for all; vouchers and accusations are told one by one.
  struct Topic {
    NodeId subject;
    Kind kind = Kind::record;
    NodeId by;
    auto operator<=>(const Topic&) const = default;
  };
  enum class Taken { yes, no_room, nothing_left };  // nothing_left: the topic is void

  // Told anew, even where it was told before.
  void add(const Topic& topic, int times);
  void forget(const NodeId& subject);
  // Offers topics, the least told first, until `take` has no room for one.
  void offer(const std::function<Taken(const Topic&)>& take);
  // Whether something has not been told by anybody of us yet.
  bool has_fresh() const { return fresh_ > 0; }
  std::size_t size() const { return left_.size(); }

 private:
  struct Left {
    int times = 0;
    bool fresh = true;
  };
  using Order = std::set<std::pair<int, Topic>>;  // by -times
  void erase(std::map<Topic, Left>::iterator topic);

  std::map<Topic, Left> left_;
  Order order_;
  std::size_t fresh_ = 0;
};

}  // namespace byway

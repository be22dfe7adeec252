// What is still to be told, and how often.
//
// Whoever hears a piece of news for the first time tells it log2(n) times, most of them to three at
// once, and once less for every time it hears it again: what everybody tells us is known. (Demers
// et al., "Epidemic Algorithms for Replicated Database Maintenance", 1987: rumours with feedback
// and a counter.) What has been told least goes first. There is room for so many, and what falls
// out is left to anti-entropy.
#pragma once

#include <boost/unordered/unordered_map.hpp>
#include <functional>
#include <map>

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
    bool operator==(const Topic&) const = default;
  };
  enum class Taken { yes, no_room, nothing_left };  // nothing_left: the topic is void

  // Told anew, even where it was told before.
  void add(const Topic& topic, int times);
  // Somebody told us, who knew it already: once less to be told, but once at least.
  void heard_again(const Topic& topic);
  void forget(const NodeId& subject);
  // Offers topics, the least told first, until `take` has no room for one.
  void offer(const std::function<Taken(const Topic&)>& take);
  // Whether something has not been told by anybody of us yet.
  bool has_fresh() const { return fresh_ > 0; }
  std::size_t size() const { return left_.size(); }

 private:
  struct Left {
    int times = 0;
    std::uint64_t number = 0;  // in the order of arrival
    bool fresh = true;
  };
  struct Hash {
    std::size_t operator()(const Topic& topic) const noexcept;
  };
  // Its elements stay where they are in memory.
  using Topics = boost::unordered_map<Topic, Left, Hash>;
  using Entry = Topics::value_type;
  using Place = std::pair<int, std::uint64_t>;  // by -times, then number

  static Place place_of(const Left& left) { return {-left.times, left.number}; }
  void told(Entry& entry);
  void erase(const Entry& entry);

  Topics left_;
  std::map<Place, Entry*> order_;
  std::uint64_t next_number_ = 0;
  std::size_t fresh_ = 0;
};

}  // namespace byway

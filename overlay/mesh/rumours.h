// What is still to be told, and how often.
//
// A piece of news is to be told so many times. Each time that it is told counts, and each time that
// it is heard again, for what everybody tells us is known; told at all it is once at least. (Demers
// et al., "Epidemic Algorithms for Replicated Database Maintenance", 1987: rumours with feedback
// and a counter.) What counts least goes first. There is room for so many, and what falls out is
// left to those who ask for it.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <functional>
#include <vector>

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

  // Told anew, even where it was told before. What is not `fresh` waits for an occasion.
  void add(const Topic& topic, std::size_t times, bool fresh = true);
  // Somebody told us, who knew it already: once less to be told, but once at least.
  void heard_again(const Topic& topic);
  void forget(const NodeId& subject);
  // Offers topics, the least told first, until `take` has no room for one. What is taken is told to
  // so many `listeners`.
  void offer(std::size_t listeners, const std::function<Taken(const Topic&)>& take);
  // Whether something has not been told by anybody of us yet.
  bool has_fresh() const { return fresh_ > 0; }
  std::size_t size() const { return places_.size(); }

 private:
  using Place = std::uint32_t;
  static constexpr Place nowhere = ~Place{0};
  struct Rumour {
    Topic topic;
    std::size_t times = 0;  // it is still to be told; 0: a free place
    bool fresh = true;
    Place before = nowhere;  // among those to be told as often
    Place after = nowhere;
  };
  struct Row {
    Place first = nowhere;
    Place last = nowhere;
  };
  struct Hash {
    std::size_t operator()(const Topic& topic) const noexcept;
  };

  Place put(const Topic& topic);
  void link(Place place);
  void unlink(Place place);
  void told(Place place, std::size_t listeners);
  void erase(Place place);
  void make_room();

  std::vector<Rumour> rumours_;
  std::vector<Place> free_;
  std::vector<Row> rows_;  // by how often it is to be told; in each the first that came to it leads
  boost::unordered_flat_map<Topic, Place, Hash> places_;
  std::size_t fresh_ = 0;
};

}  // namespace byway

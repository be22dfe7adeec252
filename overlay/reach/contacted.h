// Which addresses we have sent to lately: the ones that a NAT in front of us may let in.
//
// Asked for with every packet that leaves, so all that happens then is that a time is written. When
// an address may be forgotten stands in a heap, and is put right only when its turn has come.
//
// Bounded, most recent kept. Where an address younger than the silence asked for had to make
// room, nothing is known any more about addresses that are not here, until that one would have
// grown old as well: until then is_quiet() says no to all of them. What an earlier run of this
// node sent is not known here.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <vector>

#include "protocol/endpoint.h"
#include "protocol/time.h"

namespace byway {

class Contacted {
 public:
  Contacted(Duration silence, std::size_t capacity) : silence_(silence), capacity_(capacity) {}

  void on_sent(TimePoint now, const IpAddress& address);
  // Surely nothing was sent there for as long as the silence.
  bool is_quiet(TimePoint now, const IpAddress& address) const;
  std::size_t size() const { return sent_at_.size(); }

 private:
  struct Turn {
    TimePoint at;  // when something was sent there, or earlier than the last time
    IpAddress address;
  };
  struct Hash {
    std::size_t operator()(const IpAddress& address) const noexcept {
      return std::hash<Endpoint>{}(Endpoint{address, 0});
    }
  };
  static bool later(const Turn& a, const Turn& b) { return a.at > b.at; }
  bool first_is_old(TimePoint now) const;
  void drop_first();

  Duration silence_;
  std::size_t capacity_;
  boost::unordered_flat_map<IpAddress, TimePoint, Hash> sent_at_;
  std::vector<Turn> turns_;  // one of each address; a heap, the earliest first
  TimePoint blind_until_{};
};

}  // namespace byway

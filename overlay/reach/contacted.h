// Which addresses we have sent to lately: the ones that a NAT in front of us may let in.
//
// Bounded, most recent kept. Where an address younger than the silence asked for had to make
// room, nothing is known any more about addresses that are not here, until that one would have
// grown old as well: until then is_quiet() says no to all of them. What an earlier run of this
// node sent is not known here.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <list>

#include "protocol/endpoint.h"
#include "protocol/time.h"

namespace byway {

class Contacted {
 public:
  Contacted(Duration silence, std::size_t capacity) : silence_(silence), capacity_(capacity) {}

  void on_sent(TimePoint now, const IpAddress& address);
  // Surely nothing was sent there for as long as the silence.
  bool is_quiet(TimePoint now, const IpAddress& address) const;
  std::size_t size() const { return known_.size(); }

 private:
  struct Sent {
    IpAddress address;
    TimePoint at;
  };
  struct Hash {
    std::size_t operator()(const IpAddress& address) const noexcept {
      return std::hash<Endpoint>{}(Endpoint{address, 0});
    }
  };
  void drop_oldest();

  Duration silence_;
  std::size_t capacity_;
  std::list<Sent> by_age_;  // latest first
  boost::unordered_flat_map<IpAddress, std::list<Sent>::iterator, Hash> known_;
  TimePoint blind_until_{};
};

}  // namespace byway

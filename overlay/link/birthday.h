// Finding one another where ports cannot be known: the hard side opens many, the easy side tries
// many, and by the birthday paradox one meets another long before all are tried
// (Ford, Srisuresh, Kegel: Peer-to-Peer Communication Across NATs, 2005, speaks of prediction;
// the odds for n probes at k of N open ports are 1 - C(N - k, n) / C(N, n)).
//
//   Openers   the hard side: each of its sockets sends to the one endpoint of the easy side, which
//             opens one port. In waves: the first ones with few hops to live, so that they open our
//             own NAT and die before the peer's, which might keep their flow for itself
//   Probes    the easy side: one socket, a list of ports, so many at a time
//
// Prediction is the same with fewer: one socket or 25, and a short list. Both only keep the pace
// and what was asked; an answer counts once, from where it was asked. They send nothing, and end
// by themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "protocol/random.h"
#include "protocol/time.h"

namespace byway {

struct Wave {
  Duration after{};       // the start
  std::uint8_t hops = 0;  // 0: the system's
};

class Openers {
 public:
  // At most `at_once` sockets of a wave, then a rest of `every`.
  struct Pace {
    std::size_t at_once;
    Duration every;
  };
  void start(TimePoint now, std::size_t sockets, std::vector<Wave> waves, Pace pace,
             Random& random);
  void stop() { waves_.clear(); }

  struct Knock {
    std::size_t socket;  // 0 … sockets - 1
    std::uint64_t nonce;
    std::uint8_t hops;
  };
  std::optional<Knock> poll(TimePoint now);
  std::optional<TimePoint> next_timeout() const;
  // An answer to a knock of this socket's.
  bool is_answer(std::size_t socket, std::uint64_t nonce) const;
  std::size_t sent() const { return sent_; }

 private:
  std::optional<TimePoint> due() const;

  TimePoint begun_{};
  std::vector<Wave> waves_;
  Pace pace_{1, Duration{}};
  std::size_t wave_ = 0;
  std::size_t next_ = 0;
  std::size_t sent_ = 0;
  std::vector<std::uint64_t> nonces_;  // of each socket
};

class Probes {
 public:
  struct Pace {
    std::size_t at_once;
    Duration every;
  };
  // The ports may repeat: what is lost is asked again.
  void start(TimePoint now, std::vector<std::uint16_t> ports, Pace pace);
  // These first, for they are known better; asked thrice.
  void hurry(TimePoint now, const std::vector<std::uint16_t>& ports);
  void stop() { ports_.clear(); }

  struct Probe {
    std::uint16_t port;
    std::uint64_t nonce;
  };
  std::optional<Probe> poll(TimePoint now, Random& random);
  std::optional<TimePoint> next_timeout() const;
  // When the probe that this answers was sent; nothing: it answers none.
  std::optional<TimePoint> asked_at(std::uint16_t port, std::uint64_t nonce) const;
  bool has_asked(std::uint16_t port) const;
  std::size_t sent() const { return asked_.size(); }

 private:
  struct Asked {
    std::uint16_t port;
    std::uint64_t nonce;
    TimePoint at;
  };
  TimePoint next_at_{};
  std::vector<std::uint16_t> ports_;  // the next one last
  Pace pace_{1, Duration{}};
  std::size_t in_burst_ = 0;
  std::vector<Asked> asked_;
};

// So many different ports of [first, last], in an order that nobody knows.
std::vector<std::uint16_t> ports_by_chance(std::uint16_t first, std::uint16_t last,
                                           std::size_t count, Random& random);
// Of a block of which [lowest, highest] was seen: these in some order, then outward on both sides
// until the block could not be larger.
std::vector<std::uint16_t> ports_of_block(std::uint16_t lowest, std::uint16_t highest,
                                          Random& random);

}  // namespace byway

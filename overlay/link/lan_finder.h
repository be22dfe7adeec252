// Is the peer in our own local network? Then no supernode is needed to find it.
//
// Whoever calls also asks everybody in its network, in a packet that only the one looked for
// recognises (protocol/lan_packet.h). That one answers from its main socket, and message 1 of the
// handshake goes there at once, while homes are being asked as well. Nothing is announced: a node
// that nobody calls sends nothing.
//
//   asking --an answer that fits--> found
//     '--asked three times, 1 s--> given up
//
// An answer is sent with one hop to go, to the address that the question came from: a question
// with a false source reaches nobody outside this network.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "overlay/core/counters.h"
#include "overlay/core/io.h"
#include "overlay/core/rate_limiter.h"
#include "protocol/lan_packet.h"
#include "protocol/random.h"
#include "protocol/time.h"

namespace byway {

class LanFinder {
 public:
  LanFinder(const NodeId& self, const Crypto& crypto, Random random);

  // Asks in the networks of these families. One question at a time for each peer.
  void seek(TimePoint now, const NodeId& target, bool v4, bool v6);

  struct Found {
    NodeId id;
    Endpoint at;
  };
  struct Outcome {
    std::optional<Drop> drop;
    std::optional<Found> found;
  };
  Outcome on_datagram(TimePoint now, const Datagram& datagram);

  std::optional<Transmit> poll_transmit(TimePoint now);
  std::optional<TimePoint> next_timeout() const;
  std::size_t asking() const { return seeks_.size(); }

 private:
  struct Seek {
    NodeId target;
    LanSalt salt;
    bool v4;
    bool v6;
    TimePoint next;
    int sent = 0;
    int answers = 0;
  };
  bool may_answer(TimePoint now, const Endpoint& asker);

  NodeId self_;
  const Crypto& crypto_;
  Random random_;
  std::vector<Seek> seeks_;  // the oldest first
  TokenBucket asks_;
  TokenBucket answers_;
  RateLimiter<IpAddress> answers_to_;
  std::deque<Transmit> transmits_;
};

}  // namespace byway

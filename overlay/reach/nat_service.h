// The supernode's part in finding out what a node's NAT does (nat_probe.h): it says where it sees
// a socket, sends a datagram there from its other port, and has a stranger send one.
//
// What an abuser would want, and why he does not get it:
// - To have someone else sent to: what is sent goes to where the question came from. A forged
//   source gets no more than was sent in its name (a wish for filtering is padded to that), and a
//   late datagram needs the ticket that only the socket itself was given.
// - As a supernode that lies to strangers: out of each a few datagrams of 17 bytes, at a rate per
//   address, to a port where no old service listens.
// - To make us remember: nothing is kept of looks and late datagrams; orders for strangers are
//   few, and forgotten in seconds.
#pragma once

#include <deque>
#include <map>
#include <optional>

#include "overlay/core/io.h"
#include "overlay/core/rate_limiter.h"
#include "protocol/crypto.h"
#include "protocol/identity.h"
#include "protocol/nat_message.h"
#include "protocol/random.h"
#include "protocol/time.h"

namespace byway {

// To be sent over the link to `to`.
struct NatLetter {
  NodeId to;
  NatMessage message;
};

class NatService {
 public:
  NatService(const Crypto& crypto, Random random);

  // The socket that is our other port, once it is bound; none while there is none.
  void on_other_port(std::optional<SocketId> socket, const Endpoint& bound);

  struct Asker {
    NodeId id;
    Endpoint from;  // where this question came from
    Proto proto = Proto::udp;
  };
  // The answer, to go back the way the question came. Nothing: it is over its quota, or not as it
  // has to be.
  std::optional<Sighting> on_look(TimePoint now, const Asker& asker, const Look& look);
  std::optional<Sighting> on_try_filter(TimePoint now, const Asker& asker, const TryFilter& wish,
                                        const std::optional<NodeId>& stranger);
  std::optional<Sighting> on_try_late(TimePoint now, const Asker& asker, const TryLate& wish);

  // As a stranger, at the wish of a supernode that we are linked with at `at`.
  void on_order(TimePoint now, const NodeId& orderer, const IpAddress& at,
                const StrangerOrder& order);
  // True: we waited for it.
  bool on_done(const NodeId& stranger, const StrangerDone& done);
  // There is no link to it (any more): whatever it was to send is known not to have been.
  void on_lost(const NodeId& stranger);
  void on_timeout(TimePoint now);

  std::optional<Transmit> poll_transmit(TimePoint now);
  std::optional<NatLetter> poll_letter();
  std::optional<TimePoint> next_timeout() const;
  std::size_t pending() const { return echoes_.size() + orders_.size(); }

 private:
  struct Echo {
    SocketId socket;  // of no matter by TCP
    Endpoint to;
    ProofNonce nonce;
    int left;
    TimePoint next;
    Proto proto = Proto::udp;
  };
  struct Order {
    NodeId asker;
    std::uint64_t id;
    TimePoint deadline;
  };
  struct OrderKey {
    NodeId stranger;
    ProofNonce nonce;
    auto operator<=>(const OrderKey&) const = default;
  };
  Sighting view(const Asker& asker, std::uint64_t id) const;
  Tag ticket(const NodeId& asker, const Endpoint& endpoint) const;
  bool may_be_sent_to(TimePoint now, const Endpoint& target, const IpAddress& witness);
  void tell(const NodeId& asker, std::uint64_t id, bool sent) {
    letters_.push_back({asker, StrangerTried{id, sent}});
  }

  const Crypto& crypto_;
  Key secret_;
  std::optional<SocketId> other_socket_;
  Endpoint other_;
  RateLimiter<NodeId> looks_;
  RateLimiter<NodeId> wishes_;
  RateLimiter<IpAddress> per_target_;
  TokenBucket all_;
  std::deque<Echo> echoes_;
  std::map<OrderKey, Order> orders_;
  std::deque<NatLetter> letters_;
};

}  // namespace byway

// How our TCP looks from outside: where we listen, and under which endpoint supernodes see the
// connections that leave from a port on which we listen. A view holds as long as its connection:
// a NAT forgets the mapping with it.
//
// Two views from different endpoints tell an easy NAT (the same port both times) from one that
// gives every connection a port of its own. Where that one just counts, the next connection has
// one of the next ports, and those are what a peer is told: once, for then they are used up, and
// only a further connection shows where the counter stands.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "overlay/core/io.h"
#include "protocol/message.h"

namespace byway {

class TcpView {
 public:
  void set_local(std::vector<Endpoint> endpoints) { local_ = std::move(endpoints); }
  // The supernode at `by` sees our connection, whose near end is `local`, come from `observed`.
  // Connections were made in the order of their numbers.
  void on_observed(TcpId connection, const Endpoint& by, const Endpoint& local,
                   const Endpoint& observed);
  void forget(TcpId connection) { seen_.erase(connection); }
  // A peer was told.
  void on_told() { told_ = seen_.empty() ? TcpId{0} : seen_.rbegin()->first; }

  const std::vector<Endpoint>& local() const { return local_; }
  std::size_t views() const { return seen_.size(); }
  // We listen at a public address of our own: no supernode needs to tell.
  bool has_public() const;
  // A peer can be told where to connect to.
  bool is_ready() const { return has_public() || (!seen_.empty() && !is_used_up()); }
  // Every connection has one of the next ports.
  bool counts() const { return nat().ports == Ports::sequential; }
  // The ports foreseen from the last connection were told before.
  bool is_used_up() const { return counts() && seen_.rbegin()->first <= told_; }
  // Where a peer may try: public addresses only.
  std::vector<Candidate> candidates() const;
  NatSummary nat() const;

 private:
  struct Seen {
    Endpoint by;
    Endpoint local;
    Endpoint as;
  };
  bool is_local(const Endpoint& endpoint) const;
  bool listens_on(std::uint16_t port) const;

  std::vector<Endpoint> local_;
  std::map<TcpId, Seen> seen_;
  TcpId told_ = 0;  // the last connection when a peer was told
};

}  // namespace byway

// How we look from outside: our own addresses, what supernodes say they see, and what that tells
// about the NAT in front of us.
#pragma once

#include <map>
#include <vector>

#include "protocol/message.h"

namespace byway {

class SelfView {
 public:
  void set_local(std::vector<Endpoint> endpoints) { local_ = std::move(endpoints); }
  // `supernode` saw our main socket's datagrams come from `observed`.
  void on_observed(const NodeId& supernode, const Endpoint& at, const Endpoint& observed);
  void forget(const NodeId& supernode) { seen_.erase(supernode); }

  Endpoint observed_by(const NodeId& supernode) const;
  const std::vector<Endpoint>& local() const { return local_; }
  // Where a peer may try to reach us: observed addresses first.
  std::vector<Candidate> candidates() const;
  // Mapping and ports, as far as the supernodes' views tell: whether there is a NAT takes one of
  // them, whether it keeps a mapping for other destinations takes two at different addresses.
  NatSummary nat() const;

 private:
  struct Seen {
    IpAddress by;
    Endpoint as;
  };
  bool is_local(const Endpoint& endpoint) const;

  std::vector<Endpoint> local_;
  std::map<NodeId, Seen> seen_;
};

}  // namespace byway

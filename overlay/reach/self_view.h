// How we look from outside: our own addresses, what supernodes say they see, what our router maps
// for us, and what all that tells about the NAT in front of us.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <vector>

#include "protocol/message.h"

namespace byway {

class SelfView {
 public:
  void set_local(std::vector<Endpoint> endpoints) { local_ = std::move(endpoints); }
  // `supernode` saw our main socket's datagrams come from `observed`.
  void on_observed(const NodeId& supernode, const Endpoint& at, const Endpoint& observed);
  void forget(const NodeId& supernode) { seen_.erase(supernode); }
  // Our router says that it sends on to our main port what reaches `outside`, which is an address
  // of our own where it is a firewall; and that it does no more. The two families are apart.
  void set_mapped(Proto proto, const Endpoint& outside) {
    mapped_[slot(proto, outside.address.is_v6())] = outside;
  }
  void set_unmapped(Proto proto, bool v6) { mapped_[slot(proto, v6)].reset(); }

  Endpoint observed_by(const NodeId& supernode) const;
  bool is_seen() const { return !seen_.empty(); }  // by any supernode
  const std::vector<Endpoint>& local() const { return local_; }
  bool is_local(const Endpoint& endpoint) const;
  // The router's word, where nobody contradicts it: a public address has to be our own or one that
  // a supernode sees us at, for a router that is wrong or lies names a stranger's. An inner address
  // is good for whoever is in that network too.
  std::optional<Endpoint> mapped(Proto proto, bool v6 = false) const;
  // Whether this host has an address of the family, loopback aside where it has others.
  bool has_family(bool v6) const;
  // The router's word as it stands.
  std::optional<Endpoint> router_says(Proto proto, bool v6) const {
    return mapped_[slot(proto, v6)];
  }
  // The address at which supernodes see us instead, where they contradict our router.
  std::optional<IpAddress> contradicts_router(Proto proto, bool v6 = false) const;
  // Where a peer may try to reach us: mapped and observed addresses first.
  std::vector<Candidate> candidates() const;
  // Mapping and ports, as far as the supernodes' views tell; of the IPv4 NAT where any of them sees
  // us by IPv4, for with IPv6 there hardly is one. Whether there is a NAT takes one of
  // them, whether it keeps a mapping for other destinations takes two at different addresses.
  NatSummary nat() const;

 private:
  struct Seen {
    IpAddress by;
    Endpoint as;
  };
  static std::size_t slot(Proto proto, bool v6) {
    return 2 * static_cast<std::size_t>(proto) + (v6 ? 1 : 0);
  }

  std::vector<Endpoint> local_;
  std::array<std::optional<Endpoint>, 4> mapped_;
  std::map<NodeId, Seen> seen_;
};

}  // namespace byway

#include "overlay/reach/self_view.h"

#include <algorithm>

namespace byway {

void SelfView::on_observed(const NodeId& supernode, const Endpoint& at, const Endpoint& observed) {
  if (observed.is_set()) seen_[supernode] = {at.address, observed};
}

bool SelfView::is_local(const Endpoint& endpoint) const {
  return std::find(local_.begin(), local_.end(), endpoint) != local_.end();
}

Endpoint SelfView::observed_by(const NodeId& supernode) const {
  const auto seen = seen_.find(supernode);
  return seen == seen_.end() ? Endpoint{} : seen->second.as;
}

std::optional<Endpoint> SelfView::mapped(Proto proto, bool v6) const {
  const auto& outside = mapped_[slot(proto, v6)];
  if (!outside || is_local(*outside)) return outside;
  switch (outside->address.scope()) {
    case Scope::private_net:
    case Scope::shared:
      return outside;
    case Scope::public_net:
      break;
    default:
      return {};
  }
  for (const auto& [id, seen] : seen_)
    if (seen.as.address == outside->address) return outside;
  return {};
}

std::optional<IpAddress> SelfView::contradicts_router(Proto proto, bool v6) const {
  const auto& outside = mapped_[slot(proto, v6)];
  if (!outside || mapped(proto, v6)) return {};
  for (const auto& [id, seen] : seen_)
    if (seen.as.address.is_v4() == outside->address.is_v4()) return seen.as.address;
  return {};
}

std::vector<Candidate> SelfView::candidates() const {
  std::vector<Candidate> candidates;
  const auto add = [&](const Endpoint& endpoint, How how, Proto proto = Proto::udp) {
    const auto same = [&](const Candidate& c) {
      return c.endpoint == endpoint && c.proto == proto;
    };
    if (std::none_of(candidates.begin(), candidates.end(), same))
      candidates.push_back({endpoint, proto, how});
  };
  for (const bool v6 : {false, true})
    for (const Proto proto : {Proto::udp, Proto::tcp})
      if (const auto outside = mapped(proto, v6)) add(*outside, How::mapped, proto);
  // What is seen from outside and is our own as well is local: nothing stands in between.
  for (const auto& [id, seen] : seen_) add(seen.as, is_local(seen.as) ? How::local : How::observed);
  for (const Endpoint& endpoint : local_) add(endpoint, How::local);
  return candidates;
}

bool SelfView::has_family(bool v6) const {
  const auto leads_out = [](const Endpoint& endpoint) {
    return endpoint.address.scope() != Scope::loopback;
  };
  const bool has_others = std::any_of(local_.begin(), local_.end(), leads_out);
  return std::any_of(local_.begin(), local_.end(), [&](const Endpoint& endpoint) {
    return endpoint.address.is_v6() == v6 && (leads_out(endpoint) || !has_others);
  });
}

NatSummary SelfView::nat() const {
  NatSummary nat;
  const bool by_v4 = std::any_of(seen_.begin(), seen_.end(),
                                 [](const auto& entry) { return entry.second.by.is_v4(); });
  for (auto a = seen_.begin(); a != seen_.end(); ++a) {
    if (a->second.by.is_v4() != by_v4) continue;
    if (is_local(a->second.as)) {
      nat.mapping = Behaviour::none;
      nat.ports = Ports::preserved;
      return nat;
    }
    for (auto b = std::next(a); b != seen_.end(); ++b) {
      // What one sees by IPv4 and another by IPv6 says nothing about either NAT.
      if (a->second.by == b->second.by || a->second.by.is_v4() != b->second.by.is_v4()) continue;
      const bool same = a->second.as == b->second.as;
      if (!same)
        nat.mapping = Behaviour::address_dependent;
      else if (nat.mapping == Behaviour::unknown)
        nat.mapping = Behaviour::endpoint_independent;
    }
    const auto keeps_port = [&](const Endpoint& e) { return e.port == a->second.as.port; };
    if (nat.ports == Ports::unknown && std::any_of(local_.begin(), local_.end(), keeps_port))
      nat.ports = Ports::preserved;
  }
  return nat;
}

}  // namespace byway

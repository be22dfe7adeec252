#include "overlay/reach/tcp_view.h"

#include <algorithm>

namespace byway {

void TcpView::on_observed(TcpId connection, const IpAddress& by, const Endpoint& local,
                          const Endpoint& observed) {
  // From another port than the one we listen on it tells nothing about where we can be reached.
  if (observed.is_set() && listens_on(local.port)) seen_[connection] = {by, local, observed};
}

bool TcpView::is_local(const Endpoint& endpoint) const {
  return std::find(local_.begin(), local_.end(), endpoint) != local_.end();
}

bool TcpView::listens_on(std::uint16_t port) const {
  return std::any_of(local_.begin(), local_.end(),
                     [&](const Endpoint& endpoint) { return endpoint.port == port; });
}

bool TcpView::has_public() const {
  return std::any_of(local_.begin(), local_.end(), [](const Endpoint& endpoint) {
    return endpoint.address.scope() == Scope::public_net;
  });
}

std::vector<Candidate> TcpView::candidates() const {
  std::vector<Candidate> candidates;
  const auto add = [&](const Endpoint& endpoint, How how) {
    if (endpoint.address.scope() != Scope::public_net) return;
    const auto same = [&](const Candidate& c) { return c.endpoint == endpoint; };
    if (std::none_of(candidates.begin(), candidates.end(), same))
      candidates.push_back({endpoint, Proto::tcp, how});
  };
  for (const auto& [id, seen] : seen_) add(seen.as, is_local(seen.as) ? How::local : How::observed);
  for (const Endpoint& endpoint : local_) add(endpoint, How::local);
  return candidates;
}

NatSummary TcpView::nat() const {
  NatSummary nat;
  for (auto a = seen_.begin(); a != seen_.end(); ++a) {
    if (is_local(a->second.as)) {
      nat.mapping = Behaviour::none;
      nat.ports = Ports::preserved;
      return nat;
    }
    if (a->second.as.port == a->second.local.port) nat.ports = Ports::preserved;
    for (auto b = std::next(a); b != seen_.end(); ++b) {
      if (a->second.by == b->second.by || a->second.by.is_v4() != b->second.by.is_v4()) continue;
      if (a->second.as != b->second.as)
        nat.mapping = Behaviour::address_dependent;
      else if (nat.mapping == Behaviour::unknown)
        nat.mapping = Behaviour::endpoint_independent;
    }
  }
  if (nat.mapping == Behaviour::address_dependent) nat.ports = Ports::unknown;
  return nat;
}

}  // namespace byway

#include "overlay/reach/tcp_view.h"

#include <algorithm>

namespace byway {
namespace {

// Between two connections made one after the other some flow of another program may have come.
constexpr int largest_step = 16;
constexpr std::uint16_t ports_ahead = 7;

}  // namespace

void TcpView::on_observed(TcpId connection, const Endpoint& by, const Endpoint& local,
                          const Endpoint& observed) {
  // From another port than the one we listen on it tells nothing about where we can be reached,
  // but it does tell how far a NAT has counted.
  if (observed.is_set() && (listens_on(local.port) || counts()))
    seen_[connection] = {by, local, observed};
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
  const NatSummary box = nat();
  if (box.mapping == Behaviour::address_port_dependent) {
    // None of the ports that were seen is used again.
    Endpoint next = seen_.rbegin()->second.as;
    if (box.ports != Ports::sequential) add(next, How::observed);  // for its address
    for (std::uint16_t i = 0; counts() && !is_used_up() && i < ports_ahead; ++i) {
      ++next.port;
      add(next, How::predicted);
    }
    return candidates;
  }
  for (const auto& [id, seen] : seen_) add(seen.as, is_local(seen.as) ? How::local : How::observed);
  for (const Endpoint& endpoint : local_) add(endpoint, How::local);
  return candidates;
}

NatSummary TcpView::nat() const {
  NatSummary nat;
  const Seen* before = nullptr;
  for (const auto& [id, seen] : seen_) {
    if (is_local(seen.as)) return {.mapping = Behaviour::none, .ports = Ports::preserved};
    if (nat.ports == Ports::unknown && seen.as.port == seen.local.port)
      nat.ports = Ports::preserved;
    const Seen* last = std::exchange(before, &seen);
    if (!last || last->by == seen.by || last->by.address.is_v4() != seen.by.address.is_v4())
      continue;
    if (last->as != seen.as) {
      const int step = seen.as.port - last->as.port;
      nat.mapping = Behaviour::address_port_dependent;
      // Once is enough: the next look may be seconds later, and others have ports from it too.
      if (step > 0 && step <= largest_step)
        nat.ports = Ports::sequential;
      else if (nat.ports != Ports::sequential)
        nat.ports = Ports::random;
      nat.delta = nat.ports == Ports::sequential ? 1 : 0;
    } else if (nat.mapping == Behaviour::unknown && last->by.address != seen.by.address) {
      nat.mapping = Behaviour::endpoint_independent;
    }
  }
  return nat;
}

}  // namespace byway

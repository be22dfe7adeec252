#include "overlay/link/candidates.h"

#include <algorithm>

#include "overlay/core/limits.h"

namespace byway {

bool is_inner(const IpAddress& address) {
  return address.scope() != Scope::public_net;
}

std::vector<Candidate> knockable(const std::vector<Candidate>& offered,
                                 const std::vector<Endpoint>& own) {
  const bool on_loopback = std::any_of(own.begin(), own.end(), [](const Endpoint& endpoint) {
    return endpoint.address.scope() == Scope::loopback;
  });
  const auto allowed = [&](const Candidate& candidate) {
    if (candidate.proto != Proto::udp || candidate.endpoint.port == 0) return false;
    if (std::find(own.begin(), own.end(), candidate.endpoint) != own.end()) return false;
    switch (candidate.endpoint.address.scope()) {
      case Scope::public_net:
      case Scope::private_net:
      case Scope::shared:
        return true;
      case Scope::loopback:
        return on_loopback;
      default:
        return false;
    }
  };

  std::vector<Candidate> outer, inner;
  for (const Candidate& candidate : offered) {
    if (!allowed(candidate)) continue;
    const bool is_in = is_inner(candidate.endpoint.address);
    auto& list = is_in ? inner : outer;
    const auto same = [&](const Candidate& c) { return c.endpoint == candidate.endpoint; };
    if (std::any_of(list.begin(), list.end(), same)) continue;
    if (list.size() < (is_in ? limits::max_private_candidates : limits::max_public_candidates))
      list.push_back(candidate);
  }
  outer.insert(outer.end(), inner.begin(), inner.end());
  return outer;
}

}  // namespace byway

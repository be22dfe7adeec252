#include "overlay/reach/homes.h"

#include <algorithm>

#include "overlay/core/limits.h"
#include "overlay/core/timers.h"

namespace byway {

Homes::Supernode* Homes::find(const NodeId& id) {
  const auto found = std::find_if(supernodes_.begin(), supernodes_.end(),
                                  [&](const Supernode& s) { return s.id == id; });
  return found == supernodes_.end() ? nullptr : &*found;
}

void Homes::add_supernode(TimePoint now, const NodeId& id, const Endpoint& endpoint) {
  if (Supernode* known = find(id)) {
    if (known->endpoint.address.is_v4() != endpoint.address.is_v4())
      known->other = endpoint;
    else if (known->state == State::resting)
      known->endpoint = endpoint;
    return;
  }
  if (supernodes_.size() >= limits::known_supernodes) {
    const auto spare = std::find_if(supernodes_.begin(), supernodes_.end(), [](const Supernode& s) {
      return s.state == State::resting && s.back_off > Duration{};
    });
    if (spare == supernodes_.end()) return;
    supernodes_.erase(spare);
  }
  supernodes_.push_back({.id = id, .endpoint = endpoint, .try_at = now});
}

void Homes::set_families(bool v4, bool v6) {
  v4_ = v4 || !v6;
  v6_ = v6 || !v4;
}

bool Homes::is_usable(const Endpoint& endpoint) const {
  return endpoint.address.is_v4() ? v4_ : v6_;
}

void Homes::use_other(Supernode& supernode) {
  if (supernode.other && is_usable(*supernode.other))
    std::swap(supernode.endpoint, *supernode.other);
}

IpAddress Homes::netgroup(const Endpoint& endpoint) const {
  return endpoint.address.prefix(endpoint.address.is_v4() ? bits_v4_ : bits_v6_);
}

bool Homes::netgroup_taken(const Endpoint& endpoint) const {
  return std::any_of(supernodes_.begin(), supernodes_.end(), [&](const Supernode& s) {
    return s.state != State::resting && netgroup(s.endpoint) == netgroup(endpoint);
  });
}

std::size_t Homes::count_wanted() const {
  const auto busy = std::count_if(supernodes_.begin(), supernodes_.end(),
                                  [](const Supernode& s) { return s.state != State::resting; });
  const auto taken = static_cast<std::size_t>(busy);
  return taken < limits::homes_per_leaf ? limits::homes_per_leaf - taken : 0;
}

std::optional<Homes::Target> Homes::poll_dial(TimePoint now) {
  if (count_wanted() == 0) return {};
  Supernode* chosen = nullptr;
  for (Supernode& s : supernodes_) {
    if (s.state != State::resting || s.try_at > now) continue;
    const bool fresh = !netgroup_taken(s.endpoint);
    if (!chosen || (fresh && netgroup_taken(chosen->endpoint))) chosen = &s;
  }
  if (!chosen) return {};
  if (!is_usable(chosen->endpoint)) use_other(*chosen);
  chosen->state = State::dialing;
  return Target{chosen->id, chosen->endpoint, static_cast<std::uint8_t>(ids().size() + 1)};
}

bool Homes::on_registered(const NodeId& id) {
  Supernode* s = find(id);
  if (!s) return false;
  const bool gained = s->state != State::home;
  s->state = State::home;
  s->back_off = {};
  s->told = false;
  if (gained) s->gained = ++gained_;
  return gained;
}

void Homes::rest(TimePoint now, Supernode& s) {
  if (s.state == State::dialing) use_other(s);
  s.state = State::resting;
  s.back_off = std::clamp(s.back_off * 2, limits::home_retry_first, limits::home_retry_last);
  s.try_at = now + random_.upto(s.back_off);
}

void Homes::on_refused(TimePoint now, const NodeId& id, const Refusal& refusal) {
  Supernode* s = find(id);
  if (!s) return;
  rest(now, *s);
  // It may name a time, but not shut us out for good.
  const auto wait =
      std::min<Duration>(std::chrono::seconds{refusal.retry_s}, limits::home_retry_last);
  s->try_at = std::max(s->try_at, now + random_.jittered(wait));
}

bool Homes::on_failed(TimePoint now, const NodeId& id) {
  Supernode* s = find(id);
  if (!s || s->state == State::resting) return false;
  rest(now, *s);
  return !std::exchange(s->told, true);
}

void Homes::on_network_change(TimePoint now) {
  for (Supernode& s : supernodes_) {
    s.back_off = {};
    if (s.state == State::resting) s.try_at = now;
  }
}

std::optional<TimePoint> Homes::next_timeout() const {
  if (count_wanted() == 0) return {};
  std::optional<TimePoint> next;
  for (const Supernode& s : supernodes_)
    if (s.state == State::resting) next = earlier(next, s.try_at);
  return next;
}

bool Homes::is_home(const NodeId& id) const {
  const Supernode* s = find(id);
  return s && s->state == State::home;
}

bool Homes::is_dialing(const NodeId& id) const {
  const Supernode* s = find(id);
  return s && s->state == State::dialing;
}

std::vector<NodeId> Homes::ids() const {
  std::vector<const Supernode*> homes;
  for (const Supernode& s : supernodes_)
    if (s.state == State::home) homes.push_back(&s);
  std::sort(homes.begin(), homes.end(),
            [](const Supernode* a, const Supernode* b) { return a->gained < b->gained; });
  std::vector<NodeId> ids;
  for (const Supernode* s : homes) ids.push_back(s->id);
  return ids;
}

std::vector<NodeId> Homes::all() const {
  std::vector<NodeId> all;
  for (const Supernode& s : supernodes_) all.push_back(s.id);
  return all;
}

std::vector<Endpoint> Homes::endpoints() const {
  std::vector<Endpoint> endpoints;
  for (const Supernode& s : supernodes_) endpoints.push_back(s.endpoint);
  return endpoints;
}

std::optional<Endpoint> Homes::endpoint_of(const NodeId& id) const {
  const Supernode* s = find(id);
  return s ? std::optional(s->endpoint) : std::nullopt;
}

}  // namespace byway

#include "overlay/reach/homes.h"

#include <algorithm>
#include <utility>

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

void Homes::on_named(const NodeId& id, Offers offers) {
  Supernode* s = find(id);
  if (!s) return;
  s->named = true;
  s->offers = offers;
}

Homes::Offers Homes::offered() const {
  Offers all;
  for (const Supernode& s : supernodes_) {
    if (s.silent) continue;
    all.tcp443 |= s.offers.tcp443;
    all.ipv6 |= s.offers.ipv6;
  }
  return all;
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

// When another dial may begin; none: not while things are as they are.
std::optional<TimePoint> Homes::room_at() const {
  const std::size_t sound_ones = sound();
  std::size_t homes = 0, dials = 0;
  std::optional<TimePoint> last;
  for (const Supernode& s : supernodes_) {
    // One late answer is no death; where all are late they are not counted on.
    if (s.state == State::home && (sound_ones > 0 || !s.doubted)) ++homes;
    if (s.state != State::dialing) continue;
    ++dials;
    last = std::max(last.value_or(s.dialled_at), s.dialled_at);
  }
  if (homes + dials < limits::homes_per_leaf) return TimePoint{};
  if (homes > 0 || dials >= limits::dials_at_once) return {};
  return *last + limits::home_stagger;
}

bool Homes::wants_dial(TimePoint now) const {
  const auto room = room_at();
  return room && *room <= now;
}

// Nobody is home, and whoever was dialled has had time to answer.
bool Homes::may_break_reserve(TimePoint now) const {
  return std::all_of(supernodes_.begin(), supernodes_.end(), [&](const Supernode& s) {
    switch (s.state) {
      case State::home:
        return s.doubted;
      case State::dialing:
        return now - s.dialled_at >= limits::reserve_patience;
      case State::resting:
        return s.reserved || s.try_at > now;
    }
    return true;
  });
}

// Somebody else, who is not in the netgroup of a home that stays.
bool Homes::may_relieve(TimePoint now, const Supernode& one, const Supernode& home) const {
  if (one.state != State::resting || one.reserved || one.silent || one.try_at > now) return false;
  return std::none_of(supernodes_.begin(), supernodes_.end(), [&](const Supernode& s) {
    return &s != &home && s.state != State::resting &&
           netgroup(s.endpoint) == netgroup(one.endpoint);
  });
}

void Homes::on_relief_wanted(TimePoint now, const NodeId& home, std::span<const NodeId> by) {
  if (move_ || now < next_move_ || !is_home(home) || sound() < limits::homes_per_leaf) return;
  std::vector<NodeId> fit;
  for (const NodeId& id : by)
    if (const Supernode* s = find(id); s && may_relieve(now, *s, *find(home))) fit.push_back(id);
  if (fit.empty()) return;
  move_ = Move{home, fit[random_.below(fit.size())]};
  next_move_ = now + limits::move_pause;
}

std::optional<NodeId> Homes::relieved_by(const NodeId& gained) {
  if (!move_ || move_->to != gained) return {};
  return std::exchange(move_, {})->from;
}

void Homes::end_move(const NodeId& id) {
  if (move_ && (move_->from == id || move_->to == id)) move_.reset();
}

std::optional<Homes::Target> Homes::poll_dial(TimePoint now) {
  if (Supernode* to = move_ ? find(move_->to) : nullptr; to && to->state == State::resting) {
    to->state = State::dialing;
    to->dialled_at = now;
    to->seeking = limits::homes_per_leaf + 1;
    return Target{to->id, to->endpoint, to->seeking};
  }
  if (!wants_dial(now)) return {};
  const bool reserve_too = may_break_reserve(now);
  Supernode* chosen = nullptr;
  std::pair<bool, bool> best;
  for (Supernode& s : supernodes_) {
    if (s.state != State::resting || s.try_at > now || (s.reserved && !reserve_too)) continue;
    // Who did not answer the last time would take twelve seconds not to answer again.
    const std::pair objections(s.silent, netgroup_taken(s.endpoint));
    if (chosen && objections >= best) continue;
    chosen = &s;
    best = objections;
  }
  if (!chosen) return {};
  if (!is_usable(chosen->endpoint)) use_other(*chosen);
  chosen->state = State::dialing;
  const auto hopeful =
      std::count_if(supernodes_.begin(), supernodes_.end(), [&](const Supernode& s) {
        return s.state == State::dialing && &s != chosen &&
               now - s.dialled_at < limits::home_stagger;
      });
  chosen->dialled_at = now;
  chosen->seeking = static_cast<std::uint8_t>(sound() + static_cast<std::size_t>(hopeful) + 1);
  return Target{chosen->id, chosen->endpoint, chosen->seeking};
}

bool Homes::is_starving(TimePoint now) const {
  return sound() == 0 && wants_dial(now) &&
         std::none_of(supernodes_.begin(), supernodes_.end(), [&](const Supernode& s) {
           return s.state == State::resting && s.try_at <= now && !s.reserved;
         });
}

bool Homes::on_registered(const NodeId& id) {
  Supernode* s = find(id);
  if (!s) return false;
  const bool gained = s->state != State::home;
  s->state = State::home;
  s->doubted = false;
  s->named = true;
  s->silent = false;
  s->back_off = {};
  s->told = false;
  if (gained) s->gained = ++gained_;
  return gained;
}

void Homes::rest(TimePoint now, Supernode& s) {
  end_move(s.id);
  if (s.state == State::dialing) use_other(s);
  s.state = State::resting;
  s.doubted = false;
  s.back_off = std::clamp(s.back_off * 2, limits::home_retry_first, limits::home_retry_last);
  s.try_at = now + random_.upto(s.back_off);
}

void Homes::on_refused(TimePoint now, const NodeId& id, const Refusal& refusal) {
  Supernode* s = find(id);
  if (!s) return;
  rest(now, *s);
  s->silent = false;
  // As a second home it was too full for us; it may do as the first, if there is none.
  if (s->seeking > 1 && sound() == 0) return;
  // It may name a time, but not shut us out for good.
  const auto wait =
      std::min<Duration>(std::chrono::seconds{refusal.retry_s}, limits::home_retry_last);
  s->try_at = std::max(s->try_at, now + random_.jittered(wait));
  s->busy_for_more = refusal.reason == RefusalReason::busy && !ids().empty();
}

bool Homes::on_failed(TimePoint now, const NodeId& id) {
  Supernode* s = find(id);
  if (!s || s->state == State::resting) return false;
  const bool was_home = s->state == State::home;
  rest(now, *s);
  s->silent = true;
  if (was_home) {
    const bool together = lost_one_at_ && now - *lost_one_at_ < limits::lost_together;
    lost_one_at_ = now;
    const bool last_one = std::none_of(supernodes_.begin(), supernodes_.end(),
                                       [](const Supernode& o) { return o.state == State::home; });
    if (together && last_one) s->try_at = now + random_.upto(limits::herd_spread);
  }
  // Who had no room for a leaf with homes has some for one without.
  if (ids().empty())
    for (Supernode& other : supernodes_)
      if (std::exchange(other.busy_for_more, false) && other.state == State::resting)
        other.try_at = now + random_.upto(limits::home_retry_first);
  return !std::exchange(s->told, true);
}

void Homes::on_late(const NodeId& id, bool late) {
  if (Supernode* s = find(id); s && s->state == State::home) s->doubted = late;
}

void Homes::on_surplus(TimePoint now, const NodeId& id) {
  Supernode* s = find(id);
  if (!s) return;
  end_move(id);
  s->state = State::resting;
  s->doubted = false;
  s->back_off = {};
  s->try_at = now;
}

void Homes::on_network_change(TimePoint now) {
  for (Supernode& s : supernodes_) {
    s.back_off = {};
    if (s.state == State::resting) s.try_at = now;
  }
}

void Homes::hurry(TimePoint now) {
  for (Supernode& s : supernodes_)
    if (s.state == State::resting && s.try_at > now + limits::home_retry_first)
      s.try_at = now + random_.upto(limits::home_retry_first);
}

void Homes::set_reserved(std::span<const NodeId> ids) {
  for (Supernode& s : supernodes_)
    s.reserved = std::find(ids.begin(), ids.end(), s.id) != ids.end();
}

std::optional<TimePoint> Homes::next_timeout() const {
  const auto room = room_at();
  if (!room) return {};
  std::optional<TimePoint> next, reserve;
  TimePoint had_their_time{};
  for (const Supernode& s : supernodes_) {
    if (s.state == State::dialing)
      had_their_time = std::max(had_their_time, s.dialled_at + limits::reserve_patience);
    if (s.state == State::resting) {
      auto& at = s.reserved ? reserve : next;
      at = earlier(at, s.try_at);
    }
  }
  if (reserve && sound() == 0) next = earlier(next, std::max(*reserve, had_their_time));
  if (next) next = std::max(*next, *room);
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

std::uint8_t Homes::seeking(const NodeId& id) const {
  const Supernode* s = find(id);
  return s ? s->seeking : 1;
}

bool Homes::is_reserved(const NodeId& id) const {
  const Supernode* s = find(id);
  return s && s->reserved;
}

std::size_t Homes::sound() const {
  const auto count = std::count_if(supernodes_.begin(), supernodes_.end(), [](const Supernode& s) {
    return s.state == State::home && !s.doubted;
  });
  return static_cast<std::size_t>(count);
}

std::vector<NodeId> Homes::ids() const {
  std::vector<const Supernode*> homes;
  for (const Supernode& s : supernodes_)
    if (s.state == State::home) homes.push_back(&s);
  std::sort(homes.begin(), homes.end(), [](const Supernode* a, const Supernode* b) {
    return std::pair(a->doubted, a->gained) < std::pair(b->doubted, b->gained);
  });
  std::vector<NodeId> ids;
  for (const Supernode* s : homes) ids.push_back(s->id);
  return ids;
}

std::vector<NodeId> Homes::all() const {
  std::vector<NodeId> all;
  for (const Supernode& s : supernodes_) all.push_back(s.id);
  return all;
}

std::vector<Homes::Known> Homes::living() const {
  const bool somebody_named = std::any_of(
      supernodes_.begin(), supernodes_.end(),
      [](const Supernode& s) { return s.named && s.state != State::home && !s.silent; });
  std::vector<Known> living;
  for (const Supernode& s : supernodes_)
    if (!s.silent && (s.named || !somebody_named)) living.push_back({s.id, s.endpoint});
  return living;
}

std::optional<Endpoint> Homes::endpoint_of(const NodeId& id) const {
  const Supernode* s = find(id);
  return s ? std::optional(s->endpoint) : std::nullopt;
}

}  // namespace byway

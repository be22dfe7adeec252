#include "overlay/reach/homes.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "overlay/core/limits.h"
#include "overlay/core/timers.h"
#include "overlay/reach/home_limits.h"
#include "protocol/mesh_message.h"

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
  if (supernodes_.size() >= limits::known_supernodes && !make_room(now)) return;
  supernodes_.push_back({.id = id, .endpoint = endpoint, .known_at = now, .try_at = now});
}

// Whoever is known, and neither used nor named lately, may be dead for all we know: without room
// for those who are named now we would come to know nobody alive. Those who may be alive stay,
// whatever else we are told.
bool Homes::make_room(TimePoint now) {
  auto spare = supernodes_.end();
  std::pair<bool, TimePoint> worst;
  for (auto s = supernodes_.begin(); s != supernodes_.end(); ++s) {
    const bool failed = s->silent || s->mute || s->back_off > Duration{};
    const bool of_use = !failed && now - s->known_at < limits::unnamed_for_long;
    if (s->state != State::resting || s->reserved || of_use) continue;
    const std::pair rank(!failed, s->known_at);
    if (spare != supernodes_.end() && worst <= rank) continue;
    spare = s;
    worst = rank;
  }
  if (spare == supernodes_.end()) return false;
  end_move(spare->id);
  supernodes_.erase(spare);
  return true;
}

void Homes::on_named(TimePoint now, const NodeId& id, Offers offers, std::optional<int> load) {
  Supernode* s = find(id);
  if (!s) return;
  s->named = true;
  s->mute = false;
  s->known_at = now;
  s->offers = offers;
  s->load = load;
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
  if (!is_home(home)) return;
  find(home)->was_too_full = true;
  if (move_ || now < next_move_ || sound() < limits::homes_per_leaf) return;
  std::vector<NodeId> fit;
  for (const NodeId& id : by)
    if (const Supernode* s = find(id); s && may_relieve(now, *s, *find(home))) fit.push_back(id);
  if (fit.empty()) return;
  move_ = Move{home, fit[random_.below(fit.size())]};
  next_move_ = now + limits::move_pause;
}

std::optional<Homes::Move> Homes::move_to(const NodeId& gained) {
  if (!move_ || move_->to != gained) return {};
  return std::exchange(move_, {});
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
  if (!wants_dial(now) || (asking_ != Asking::nobody && sound() > 0)) return {};
  Supernode* chosen = whom_to_dial(now);
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

Homes::Supernode* Homes::whom_to_dial(TimePoint now) {
  const bool reserve_too = may_break_reserve(now);
  // Who did not answer the last time would take twelve seconds not to answer again.
  const auto objections = [&](const Supernode& s) {
    return std::tuple(!is_measured(now, s), s.silent, s.mute, netgroup_taken(s.endpoint));
  };
  std::vector<Supernode*> best;
  for (Supernode& s : supernodes_) {
    if (s.state != State::resting || s.try_at > now || (s.reserved && !reserve_too)) continue;
    if (!best.empty() && objections(s) > objections(*best.front())) continue;
    if (!best.empty() && objections(s) < objections(*best.front())) best.clear();
    best.push_back(&s);
  }
  if (best.empty()) return nullptr;
  if (is_measured(now, *best.front())) return draw_near(best);
  // Whoever was named last is the likeliest to be alive.
  return *std::max_element(best.begin(), best.end(), [](const Supernode* a, const Supernode* b) {
    return a->known_at < b->known_at;
  });
}

// --- how far they are ----------------------------------------------------------------------------

void Homes::set_asks(bool asks) {
  asks_ = asks;
  if (!asks) asking_ = Asking::nobody;
}

// It answered just now; where nothing is asked for, nobody is known to be near.
bool Homes::is_measured(TimePoint now, const Supernode& one) const {
  return asks_ && one.rtt && !one.mute && was_asked(now, one);
}

bool Homes::was_asked(TimePoint now, const Supernode& one) const {
  return one.measured_at && now - *one.measured_at < limits::distance_fresh;
}

// Those of whom most is to be hoped, in an order that is ours alone.
std::vector<Homes::Supernode*> Homes::to_be_asked(TimePoint now, std::size_t most) {
  std::vector<Supernode*> whom;
  for (Supernode& s : supernodes_) {
    if (s.state != State::resting || s.reserved || s.try_at > now) continue;
    if (!is_usable(s.endpoint)) use_other(s);
    if (is_usable(s.endpoint)) whom.push_back(&s);
  }
  for (std::size_t i = 1; i < whom.size(); ++i) std::swap(whom[i], whom[random_.below(i + 1)]);
  std::stable_sort(whom.begin(), whom.end(), [&](const Supernode* a, const Supernode* b) {
    const auto rank = [&](const Supernode& s) {
      return std::tuple(s.silent, s.mute, netgroup_taken(s.endpoint),
                        -s.known_at.time_since_epoch());
    };
    return rank(*a) < rank(*b);
  });
  if (whom.size() > most) whom.resize(most);
  return whom;
}

std::vector<Homes::Known> Homes::poll_question(TimePoint now) {
  if (!asks_ || sound() == 0) return {};
  if (asking_ != Asking::nobody && now < asking_until_) return {};
  asking_ = Asking::nobody;
  if (sound() >= limits::homes_per_leaf && !look_at_)
    look_at_ = now + limits::look_first / 2 + random_.upto(limits::look_first);

  std::vector<Supernode*> whom;
  if (wants_dial(now)) {
    whom = to_be_asked(now, limits::known_supernodes);
    // Somebody has answered, or there is no choice.
    const bool known = std::any_of(whom.begin(), whom.end(),
                                   [&](const Supernode* s) { return is_measured(now, *s); });
    if (known || (whom.size() == 1 && !whom.front()->silent)) return {};
    std::erase_if(whom, [&](const Supernode* s) { return was_asked(now, *s); });
    if (whom.size() > limits::asked_for_a_home) whom.resize(limits::asked_for_a_home);
    asking_ = Asking::for_a_home;
  } else if (const auto at = look_at(); at && now >= *at) {
    look_at_ = now + random_.jittered(limits::look_again, 0.5);
    whom = to_be_asked(now, limits::asked_for_a_move);
    if (whom.empty()) return {};
    for (Supernode& s : supernodes_)
      if (s.state == State::home) whom.push_back(&s);
    asking_ = Asking::for_a_move;
  }
  if (whom.empty()) asking_ = Asking::nobody;
  asking_until_ = now + 2 * limits::distance_patience;  // it is told before
  std::vector<Known> questions;
  for (const Supernode* s : whom) questions.push_back({s->id, s->endpoint});
  return questions;
}

// When to look for nearer homes; none: not while things are as they are.
std::optional<TimePoint> Homes::look_at() const {
  const bool calm = asks_ && !move_ && sound() == limits::homes_per_leaf &&
                    std::none_of(supernodes_.begin(), supernodes_.end(), [](const Supernode& s) {
                      return s.state == State::dialing || s.doubted;
                    });
  return calm ? look_at_ : std::nullopt;
}

void Homes::on_distances(TimePoint now, std::span<const Distance> distances,
                         const std::function<bool(const NodeId&)>& may_leave) {
  for (const auto& [id, rtt] : distances) {
    Supernode* s = find(id);
    if (!s) continue;
    s->measured_at = now;
    s->mute = !rtt;
    s->rtt = rtt;
    // Neither a handshake nor this: it need not be dialled to know that.
    if (s->mute && s->silent && s->state == State::resting) rest(now, *s);
  }
  if (std::exchange(asking_, Asking::nobody) == Asking::for_a_move) look_for_nearer(now, may_leave);
}

// Whoever is hardly farther than the nearest is as good, and the emptier the better.
Homes::Supernode* Homes::draw_near(std::vector<Supernode*> from) {
  Duration nearest = *from.front()->rtt;
  for (const Supernode* s : from) nearest = std::min(nearest, *s->rtt);
  const auto near_enough =
      std::chrono::duration_cast<Duration>(nearest * limits::near_factor) + limits::near_slack;
  std::erase_if(from, [&](const Supernode* s) { return *s->rtt > near_enough; });
  const auto room = [](const Supernode& s) {
    return static_cast<std::uint64_t>(max_load + 1 - s.load.value_or(max_load / 2));
  };
  std::uint64_t all = 0;
  for (const Supernode* s : from) all += room(*s);
  std::uint64_t drawn = random_.below(all);
  for (Supernode* s : from) {
    if (drawn < room(*s)) return s;
    drawn -= room(*s);
  }
  return from.front();
}

// The farthest home gives way to somebody much nearer. It was asked at the same moment, so that
// what slows down our own way to the world slows down both.
void Homes::look_for_nearer(TimePoint now, const std::function<bool(const NodeId&)>& may_leave) {
  if (move_ || now < next_move_ || sound() < limits::homes_per_leaf) return;
  std::vector<const Supernode*> homes;
  for (const Supernode& s : supernodes_)
    if (s.state == State::home && !s.doubted && is_measured(now, s)) homes.push_back(&s);
  std::sort(homes.begin(), homes.end(),
            [](const Supernode* a, const Supernode* b) { return *a->rtt > *b->rtt; });
  for (const Supernode* home : homes) {
    if (!may_leave(home->id)) continue;
    std::vector<Supernode*> nearer;
    for (Supernode& s : supernodes_) {
      const bool roomy = !s.was_too_full && s.load.value_or(0) < limits::relief_from;
      if (!roomy || !is_measured(now, s) || !may_relieve(now, s, *home)) continue;
      if (*s.rtt * limits::move_halves > *home->rtt || *home->rtt - *s.rtt < limits::move_saves)
        continue;
      nearer.push_back(&s);
    }
    if (nearer.empty()) continue;
    move_ = Move{home->id, draw_near(std::move(nearer))->id, true};
    next_move_ = now + limits::move_pause;
    look_at_ = now + random_.jittered(limits::look_after_move, 0.25);
    return;
  }
}

// --- what became of them -------------------------------------------------------------------------

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
  s->mute = false;
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
    s.mute = false;
    s.measured_at.reset();
    if (s.state == State::resting) s.try_at = now;
  }
  look_at_.reset();
}

void Homes::hurry(TimePoint now) {
  for (Supernode& s : supernodes_)
    if (s.state == State::resting && s.try_at > now + limits::home_retry_first)
      s.try_at = now + random_.upto(limits::home_retry_first);
}

void Homes::set_reserved(std::span<const NodeId> ids) {
  if (ids.empty() && !any_reserved_) return;
  any_reserved_ = !ids.empty();
  for (Supernode& s : supernodes_)
    s.reserved = std::find(ids.begin(), ids.end(), s.id) != ids.end();
}

std::optional<TimePoint> Homes::next_timeout() const {
  const auto room = room_at();
  if (!room) return look_at();
  if (asking_ != Asking::nobody && sound() > 0) return asking_until_;
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

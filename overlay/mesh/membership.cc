#include "overlay/mesh/membership.h"

#include <algorithm>
#include <array>

namespace byway {

bool Membership::contains(const std::vector<NodeId>& ids, const NodeId& id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

std::string_view to_string(Departure why) {
  switch (why) {
    case Departure::left:
      return "left";
    case Departure::gone:
      return "does not answer any more";
    case Departure::lost_touch:
      return "nobody answers us";
    case Departure::crowded_out:
      return "its netgroup is full";
    case Departure::moved:
      return "moved to another address";
    case Departure::unvouched:
      return "not vouched for by two netgroups";
  }
  return "unknown";
}

WallTime agreed(std::vector<WallTime> stamps) {
  std::sort(stamps.begin(), stamps.end());
  return stamps[stamps.size() > 1 ? 1 : 0];
}

Membership::Membership(MembershipConfig config, const Identity& identity, Archive& archive,
                       Random random, TimePoint now, WallTime wall)
    : config_(config),
      identity_(identity),
      self_(identity.id()),
      position_(position_of(identity.id())),
      archive_(archive),
      random_(std::move(random)),
      wall_known_at_(now),
      wall_known_(wall),
      view_(config.netgroup_bits_v4, config.netgroup_bits_v6),
      examinations_(limits::examinations_per_address, limits::examinations_burst,
                    limits::addresses_remembered),
      detector_(random_.fork()),
      still_since_(now),
      next_sync_(now),
      requests_(limits::requests_per_node, limits::requests_burst, limits::tracked_neighbours),
      announcers_(limits::announcements_per_node, limits::announcements_per_node_burst,
                  limits::tracked_neighbours),
      announcements_(limits::announcements_per_second, limits::announcements_burst),
      told_(1.0 / std::chrono::duration<double>(limits::told_again).count(), 1,
            limits::tracked_neighbours) {}

WallTime Membership::wall(TimePoint now) const {
  return wall_known_ + std::chrono::duration_cast<WallTime::duration>(now - wall_known_at_);
}

void Membership::on_wall_clock(TimePoint now, WallTime wall) {
  wall_known_at_ = now;
  wall_known_ = wall;
}

// --- facts ---------------------------------------------------------------------------------------

void Membership::on_own_record(TimePoint now, RecordPtr record) {
  ensure(record->record().id == self_ && !record->record().endpoints.empty() &&
         record->record().role == Record::Role::supernode &&
         record->exact_bytes().size() <= max_mesh_record);
  own_ = record;
  accusations_.erase(self_);

  const View::Member* member = view_.find(self_);
  const IpAddress address = record->record().endpoints.front().address;
  if (member && member->dossier->address() == address) {
    view_.put(archive_.dossier(record, member->dossier->vouchers), member->since, member->strong);
  } else {
    // Nobody vouched for us there yet; whoever was a member before keeps his place.
    established_ = false;
    view_.remove(self_);
    view_.put(archive_.dossier(record, {}), wall(now), false);
  }
  rumour(now, self_, Rumours::Kind::record);
  for (const NodeId& accuser : accusers_) tell(accuser, {whole_news(*view_.find(self_)->dossier)});
  accusers_.clear();
  after_changes(now);
}

void Membership::join(TimePoint now, const NodeId& sponsor) {
  if (!own_ || sponsor == self_) return;
  if (!contains(sponsors_, sponsor)) sponsors_.push_back(sponsor);
  if (sponsors_.size() > limits::neighbours_each_side) sponsors_.erase(sponsors_.begin());
  tell(sponsor, {whole_news(*view_.find(self_)->dossier)});
  if (!pulling_) start_pull(now, sponsor, true);
  after_changes(now);
}

void Membership::leave(TimePoint now, RecordPtr farewell) {
  if (!own_ || leaving_) return;
  after_changes(now);
  const News news{self_, to_bytes(farewell->exact_bytes()), {}, {}};
  std::set<NodeId> told(partners_.begin(), partners_.end());
  for (const Guest& guest : guests_) told.insert(guest.id);
  for (const NodeId& id : told) tell(id, {news});
  leaving_ = true;
}

void Membership::adopt(TimePoint now, const View& view) {
  view_ = view;
  judged_view_.reset();
  while (view_.poll_change()) {
  }
  refresh_at_ = now + random_.upto(limits::push_spread);
  after_changes(now);
}

void Membership::on_message(TimePoint now, const NodeId& from, const MeshMessage& message) {
  if (!own_ || leaving_ || from == self_) return;
  const View::Member* member = view_.find(from);
  on_alive(now, from, member != nullptr);
  if (!member) member = view_.find(from);  // it may be back
  const bool heartbeat = member && std::holds_alternative<Gossip>(message);
  if (!heartbeat && !std::holds_alternative<Page>(message) && !requests_.take(now, from)) return;

  if (const auto* gossip = std::get_if<Gossip>(&message)) {
    if (member) {
      if (member->load != gossip->load) view_.set_load(from, gossip->load);
      receive_guest(now, from);
    }
    foresee(gossip->news);
    for (const News& news : gossip->news) hear(now, from, news);
    if (member) {
      consider_recent(now, from, gossip->recent);
      consider_sync(now, from, gossip->root);
    } else {
      on_stranger(from, *gossip);
    }
  } else if (const auto* compare = std::get_if<Compare>(&message)) {
    on_compare(now, from, *compare);
  } else if (const auto* want = std::get_if<Want>(&message)) {
    on_want(from, *want);
  } else if (const auto* pull = std::get_if<Pull>(&message)) {
    on_pull(from, *pull);
  } else if (const auto* page = std::get_if<Page>(&message)) {
    on_page(now, from, *page);
  } else if (!view_.is_admitted(from)) {
    return;  // strangers have nobody probed
  } else if (const auto* ask = std::get_if<ProbeFor>(&message)) {
    on_probe_for(now, from, *ask);
  } else if (const auto* found = std::get_if<ProbeFound>(&message)) {
    detector_.on_helper(now, from, found->target, found->alive);
  } else if (const auto* suspect = std::get_if<Suspect>(&message)) {
    on_suspect(now, from, *suspect);
  }
  after_changes(now);
}

// News is of anybody, and of thousands hardly anybody is in the processor's caches.
void Membership::foresee(const std::vector<News>& news) const {
  std::array<Position, max_news> positions;
  const std::size_t count = std::min(news.size(), positions.size());
  for (std::size_t i = 0; i < count; ++i) positions[i] = position_of(news[i].subject);
  for (int round = 0; round < View::rounds_of_foresight; ++round)
    for (std::size_t i = 0; i < count; ++i) view_.foresee(round, positions[i]);
}

void Membership::on_leaf_record(TimePoint now, const RecordPtr& record) {
  if (!own_ || leaving_ || !view_.find(record->record().id)) return;
  hear_record(now, record->record().id, record);
  after_changes(now);
}

// Somebody takes us for a fellow member, and we have never heard of it: one of us has missed
// something. A newcomer, who says who it is, knows that we cannot know it.
void Membership::on_stranger(const NodeId& from, const Gossip& gossip) {
  for (const News& news : gossip.news)
    if (news.subject == from) return;
  if (departed_.contains(from)) return;
  if (!candidates_.contains(from)) send(from, Want{{position_of(from)}});
  const auto count = static_cast<std::uint32_t>(view_.known());
  send(from, Compare{count, {Sums{0, 0, view_.tree().parts(0, 0)}}, {}});
}

void Membership::on_timeout(TimePoint now) {
  if (!own_ || leaving_) return;
  const auto due = [&](std::optional<TimePoint>& at) {
    if (!at || now < *at) return false;
    at.reset();
    return true;
  };
  detector_.on_timeout(now);
  run_detector(now);
  while (const auto target = asked_ends_.pop_due(now)) answer_askers(*target, false);
  while (const auto id = candidate_ends_.pop_due(now)) forget_candidate(*id);
  while (const auto id = departed_ends_.pop_due(now)) forget_departed(*id);
  while (const auto id = examining_.pop_due(now)) on_examined(now, *id, false);
  while (const auto id = duties_.pop_due(now)) do_duty(now, *id);
  if (heard_any_ && view_.size() > 1 && now >= *heard_any_ + limits::lost_touch) lose_touch(now);
  if (pulling_ && now >= pulling_->deadline) pull_timed_out(now);
  if (due(feel_at_)) feel(now);
  if (due(look_at_)) look_ourselves(now);
  if (due(wander_at_)) wander();
  if (due(refresh_at_)) refresh_partners(now);
  if (due(announce_at_)) announce(now);
  if (due(push_at_)) push(now);
  after_changes(now);
}

std::optional<TimePoint> Membership::next_timeout() const {
  if (!own_ || leaving_) return std::nullopt;
  std::optional<TimePoint> next = detector_.next_timeout();
  for (const Timers<NodeId>* timers :
       {&asked_ends_, &candidate_ends_, &departed_ends_, &examining_, &duties_})
    next = earlier(next, timers->next());
  for (const auto& at : {push_at_, refresh_at_, wander_at_, announce_at_, feel_at_, look_at_})
    next = earlier(next, at);
  if (heard_any_ && view_.size() > 1) next = earlier(next, *heard_any_ + limits::lost_touch);
  if (pulling_) next = earlier(next, pulling_->deadline);
  return next;
}

void Membership::foresee() const {
  detector_.foresee();
  for (const Timers<NodeId>* timers :
       {&asked_ends_, &candidate_ends_, &departed_ends_, &examining_, &duties_})
    timers->foresee();
}

std::optional<MeshTransmit> Membership::poll_message() {
  if (messages_.empty()) return std::nullopt;
  MeshTransmit first = std::move(messages_.front());
  messages_.pop_front();
  return first;
}

std::optional<MeshEvent> Membership::poll_event() {
  if (events_.empty()) return std::nullopt;
  MeshEvent first = std::move(events_.front());
  events_.pop_front();
  return first;
}

// --- what follows from a fact --------------------------------------------------------------------

void Membership::report_changes(TimePoint now, Departure why) {
  while (const auto change = view_.poll_change()) {
    const Dossier& dossier = *change->dossier;
    if (change->admitted)
      events_.push_back(MemberAdmitted{dossier.record});
    else
      events_.push_back(
          MemberDropped{dossier.record, view_.find(dossier.id()) ? Departure::crowded_out : why});
    if (!change->admitted) detector_.forget(dossier.id());
    judge_again_ = judge_again_ || change->admitted;
    const bool neighbour =
        view_.steps_between(dossier.position, position_) <= 2 * limits::neighbours_each_side;
    const bool partner = contains(partners_, dossier.id());
    if ((neighbour || partner) && !refresh_at_)
      refresh_at_ = now + random_.upto(limits::push_spread);
  }
}

void Membership::after_changes(TimePoint now) {
  report_changes(now, Departure::crowded_out);
  consider_maturity(now);
  while (std::exchange(judge_again_, false)) {
    judge_candidates(now);
    report_changes(now, Departure::crowded_out);
    consider_maturity(now);
  }
  if (view_.tree().root() != last_root_) {
    last_root_ = view_.tree().root();
    still_since_ = now;
    sync_pause_ = limits::sync_pause;
  }
  if (view_.size() > 1 && !heard_any_) heard_any_ = now;
  if (view_.size() <= 1) heard_any_.reset();
  if (!established_) consider_ourselves();
  if (!established_ && !announce_at_ && (view_.size() > 1 || pulling_))
    announce_at_ = now + random_.jittered(limits::announce_every);
  if (!candidates_.empty() && !look_at_) look_at_ = now + random_.jittered(limits::look_every);
  if (rumours_.has_fresh() && !push_at_ && !partners_.empty())
    push_at_ = std::max(now, next_push_) + random_.upto(limits::push_spread);
}

void Membership::consider_ourselves() {
  const View::Member* ourselves = view_.find(self_);
  established_ =
      ourselves && !ourselves->dossier->vouchers.empty() && (ourselves->strong || !mature_);
}

// --- partners ------------------------------------------------------------------------------------

void Membership::refresh_partners(TimePoint now) {
  const std::vector<NodeId> neighbours = view_.beside(position_, limits::neighbours_each_side);
  const auto is_neighbour = [&](const NodeId& id) { return contains(neighbours, id); };
  std::erase_if(wanderers_,
                [&](const NodeId& id) { return is_neighbour(id) || !view_.is_admitted(id); });
  for (int tries = 0; tries < 8 && wanderers_.size() < limits::wandering_partners; ++tries) {
    const auto id = view_.random_member(random_, self_);
    if (!id || is_neighbour(*id)) continue;
    if (contains(wanderers_, *id)) continue;
    wanderers_.push_back(*id);
  }
  partners_ = neighbours;
  partners_.insert(partners_.end(), wanderers_.begin(), wanderers_.end());
  detector_.set_partners(now, partners_);
  std::erase_if(guests_, [&](const Guest& guest) {
    return guest.until <= now || contains(partners_, guest.id);
  });
  if (!wander_at_ && !wanderers_.empty()) wander_at_ = now + random_.jittered(limits::wander);

  for (const NodeId& id : neighbours) consider_duty(now, id);
  for (const auto& [id, _] : candidates_) consider_duty(now, id);
}

// One of the others makes room for somebody new.
void Membership::wander() {
  if (!wanderers_.empty())
    wanderers_.erase(wanderers_.begin() +
                     static_cast<std::ptrdiff_t>(random_.below(wanderers_.size())));
  // At once, with the timer that is due behind this one.
  refresh_at_ = TimePoint::min();
}

void Membership::receive_guest(TimePoint now, const NodeId& id) {
  if (contains(partners_, id)) return;
  const auto known = std::find_if(guests_.begin(), guests_.end(),
                                  [&](const Guest& guest) { return guest.id == id; });
  if (known != guests_.end())
    known->until = now + limits::guest_lifetime;
  else if (guests_.size() < limits::guests)
    guests_.push_back({id, now + limits::guest_lifetime});
}

// --- examining newcomers -------------------------------------------------------------------------

bool Membership::is_near(const NodeId& subject, std::size_t each_side) const {
  const auto near = view_.beside(position_of(subject), each_side);
  return contains(near, self_);
}

bool Membership::may_vouch() const {
  return established_ || view_.with_vouchers() == 0;
}

bool Membership::lacks_vouchers(const NodeId& subject) const {
  const auto by_us = [&](const std::vector<VoucherPtr>& vouchers) {
    return std::any_of(vouchers.begin(), vouchers.end(),
                       [&](const VoucherPtr& v) { return v->by == self_; });
  };
  if (const View::Member* member = view_.find(subject)) {
    const auto& vouchers = member->dossier->vouchers;
    return vouchers.size() < limits::vouchers_wanted && !by_us(vouchers);
  }
  const auto candidate = candidates_.find(subject);
  if (candidate == candidates_.end()) return false;
  const auto& vouchers = candidate->second.vouchers;
  const auto of_members = std::count_if(vouchers.begin(), vouchers.end(), [&](const VoucherPtr& v) {
    return view_.find(v->by) != nullptr;
  });
  return static_cast<std::size_t>(of_members) < limits::vouchers_kept && !by_us(vouchers);
}

void Membership::consider_duty(TimePoint now, const NodeId& subject) {
  if (subject == self_ || on_duty_.contains(subject)) return;
  if (!lacks_vouchers(subject) || !is_near(subject, limits::neighbours_each_side)) return;
  on_duty_[subject] = std::nullopt;
  const Duration turn =
      is_near(subject, limits::judges_each_side) ? Duration{} : limits::examine_turn;
  duties_.set(subject, now + turn + random_.upto(limits::examine_spread));
}

void Membership::do_duty(TimePoint now, const NodeId& subject) {
  const RecordPtr record = record_of(subject);
  if (!record || !lacks_vouchers(subject) || !is_near(subject, limits::neighbours_each_side)) {
    on_duty_.erase(subject);
    return;
  }
  if (!may_vouch()) return duties_.set(subject, now + limits::examine_recheck);
  const IpAddress address = record->record().endpoints.front().address;
  if (const auto failed = back_offs_.find(address);
      failed != back_offs_.end() && failed->second.until > now)
    return duties_.set(subject, failed->second.until);
  if (!examinations_.take(now, address))
    return duties_.set(subject, now + limits::examine_patience);
  on_duty_[subject] = address;
  examining_.set(subject, now + limits::examine_patience);
  events_.push_back(Examine{record});
}

void Membership::on_examined(TimePoint now, const NodeId& id, bool ok) {
  const auto duty = on_duty_.find(id);
  if (duty == on_duty_.end() || !duty->second) return;
  const IpAddress address = *duty->second;
  on_duty_.erase(duty);
  examining_.set(id, std::nullopt);
  const RecordPtr record = record_of(id);
  if (!record || departed_.contains(id) || record->record().endpoints.front().address != address) {
    // It is somewhere else by now, where nobody has seen it.
    first_hand_.erase(id);
    consider_duty(now, id);
    return after_changes(now);
  }
  if (!ok) {
    if (first_hand_.erase(id) > 0) forget_candidate(id);
    if (back_offs_.size() >= limits::addresses_remembered) back_offs_.erase(back_offs_.begin());
    BackOff& back_off = back_offs_[address];
    back_off.pause = std::clamp(2 * back_off.pause, limits::examine_back_off_first,
                                limits::examine_back_off_last);
    back_off.until = now + random_.jittered(back_off.pause);
    consider_duty(now, id);
    return after_changes(now);
  }
  back_offs_.erase(address);
  on_alive(now, id);
  if (first_hand_.erase(id) > 0) {
    if (candidates_.contains(id)) take_in(now, id, true, true);
    return after_changes(now);
  }
  const Voucher voucher = Voucher::sign(identity_, id, address, since_when(now, id));
  hear_voucher(now, id, voucher);
  tell_examiners(id, voucher);
  after_changes(now);
}

// What a voucher of ours says. The first one counts, also for those who vouch after it: so nearly
// all say the same.
WallTime Membership::since_when(TimePoint now, const NodeId& subject) const {
  if (const View::Member* member = view_.find(subject)) return member->since;
  WallTime since = wall(now);
  const auto candidate = candidates_.find(subject);
  if (candidate == candidates_.end()) return since;
  const WallTime earliest =
      since - std::chrono::duration_cast<WallTime::duration>(limits::examine_patience);
  for (const VoucherPtr& voucher : candidate->second.vouchers)
    if (view_.find(voucher->by) && voucher->since >= earliest)
      since = std::min(since, voucher->since);
  return since;
}

void Membership::look_ourselves(TimePoint now) {
  // Whom we are to examine anyway will get our voucher; unless we may not give any.
  const auto is_cared_for = [&](const NodeId& id) {
    return on_duty_.contains(id) && (may_vouch() || first_hand_.contains(id));
  };
  std::vector<NodeId> doubtful;
  for (const auto& [id, candidate] : candidates_)
    if (candidate.vouchers.size() >= vouchers_needed() && !is_cared_for(id) &&
        now >= candidate.known_since + limits::look_after)
      doubtful.push_back(id);
  if (doubtful.empty()) return;
  const NodeId id = doubtful[random_.below(doubtful.size())];
  const RecordPtr record = candidates_.at(id).record;
  const IpAddress& address = record->record().endpoints.front().address;
  const auto failed = back_offs_.find(address);
  if (failed != back_offs_.end() && failed->second.until > now) return;
  if (!examinations_.take(now, address)) return;
  on_duty_[id] = address;
  duties_.set(id, std::nullopt);
  first_hand_.insert(id);
  examining_.set(id, now + limits::examine_patience);
  events_.push_back(Examine{record});
}

void Membership::forget_candidate(const NodeId& id) {
  const auto candidate = candidates_.find(id);
  if (candidate == candidates_.end()) return;
  const IpAddress& address = candidate->second.record->record().endpoints.front().address;
  const auto pair = candidate_pairs_.find(
      address.prefix(address.is_v4() ? limits::pair_bits_v4 : limits::pair_bits_v6));
  if (--pair->second == 0) candidate_pairs_.erase(pair);
  candidates_.erase(candidate);
  candidate_ends_.set(id, std::nullopt);
}

// --- what is known -------------------------------------------------------------------------------

RecordPtr Membership::record_of(const NodeId& id) const {
  if (const View::Member* member = view_.find(id)) return member->dossier->record;
  if (const auto candidate = candidates_.find(id); candidate != candidates_.end())
    return candidate->second.record;
  if (const auto departed = departed_.find(id); departed != departed_.end())
    return departed->second.dossier->record;
  return nullptr;
}

std::optional<double> Membership::mean_load_nearby() const {
  const auto load = view_.mean_load(position_, 16, self_);
  if (!load) return std::nullopt;
  return *load / max_load;
}

}  // namespace byway

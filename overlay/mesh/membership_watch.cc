// Who is still there: probing on our own and others' behalf, suspicion, and the departed.
#include <algorithm>

#include "overlay/mesh/membership.h"

namespace byway {
namespace {

// A helper answers before the asker gives up on it, a round trip included.
constexpr Duration helper_patience = limits::ask_patience * 7 / 10;

}  // namespace

void Membership::on_alive(TimePoint now, const NodeId& id) {
  on_alive(now, id, view_.find(id) != nullptr);
}

void Membership::on_alive(TimePoint now, const NodeId& id, bool member) {
  if (member) {
    heard_any_ = now;
    detector_.on_alive(now, id);
  }
  if (!asked_by_.empty()) answer_askers(id, true);
  if (!member && departed_.contains(id)) on_departed_alive(now, id);
}

void Membership::on_probe_answer(TimePoint now, const NodeId& id) {
  if (!own_ || leaving_) return;
  on_alive(now, id);
  after_changes(now);
}

void Membership::on_probe_timeout(TimePoint now, const NodeId& id) {
  if (!own_ || leaving_) return;
  detector_.on_probe_timeout(now, id);
  run_detector(now);
  after_changes(now);
}

void Membership::run_detector(TimePoint now) {
  using Action = FailureDetector::Action;
  while (const auto action = detector_.poll_action()) {
    switch (action->kind) {
      case Action::round:
        heartbeat(now, action->id);
        events_.push_back(Probe{action->id});
        break;
      case Action::ping:
        events_.push_back(Probe{action->id});
        break;
      case Action::ask:
        ask_helpers(action->id);
        break;
      case Action::suspect:
        spread_suspicion(action->id);
        break;
      case Action::lost:
        sign_gone(now, action->id);
        break;
    }
  }
}

// --- for one another -----------------------------------------------------------------------------

// Those who stand beside it have a link to it already.
void Membership::ask_helpers(const NodeId& target) {
  std::vector<NodeId> helpers = view_.beside(
      position_of(target), limits::neighbours_each_side,
      [&](const NodeId& id) { return id == self_ || id == target || detector_.is_suspect(id); });
  for (std::size_t i = 0; i < std::min(limits::probe_helpers, helpers.size()); ++i) {
    std::swap(helpers[i], helpers[i + random_.below(helpers.size() - i)]);
    send(helpers[i], ProbeFor{target});
  }
}

void Membership::on_probe_for(TimePoint now, const NodeId& from, const ProbeFor& ask) {
  if (ask.target == self_) return send(from, ProbeFound{self_, true});
  if (!view_.find(ask.target)) return send(from, ProbeFound{ask.target, false});
  if (!asked_by_.contains(ask.target) && asked_by_.size() >= limits::suspects) return;
  std::vector<NodeId>& askers = asked_by_[ask.target];
  if (askers.size() >= limits::guests || contains(askers, from)) return;
  if (askers.empty()) {
    asked_ends_.set(ask.target, now + helper_patience);
    events_.push_back(Probe{ask.target});
  }
  askers.push_back(from);
}

void Membership::answer_askers(const NodeId& target, bool alive) {
  const auto asked = asked_by_.find(target);
  if (asked == asked_by_.end()) return;
  for (const NodeId& asker : asked->second) send(asker, ProbeFound{target, alive});
  asked_by_.erase(asked);
  asked_ends_.set(target, std::nullopt);
}

// --- suspicion -----------------------------------------------------------------------------------

void Membership::spread_suspicion(const NodeId& subject) {
  const View::Member* member = view_.find(subject);
  if (!member) return;
  const Suspect suspect{subject, member->dossier->sequence()};
  send(subject, suspect);
  for (const NodeId& judge : view_.beside(member->position, limits::judges_each_side))
    send(judge, suspect);
}

void Membership::on_suspect(TimePoint now, const NodeId& from, const Suspect& suspect) {
  if (suspect.subject == self_) {
    // To answer over our own link is to be alive; a newer record is for signed accusations.
    if (blame_.take(now)) detector_.on_suspected_ourselves();
    if (suspect.sequence <= own_->record().sequence)
      tell(from, {whole_news(*view_.find(self_)->dossier)});
    return;
  }
  const View::Member* member = view_.find(suspect.subject);
  if (!member || member->dossier->sequence() > suspect.sequence) {
    if (auto news = news_about(suspect.subject)) tell(from, {std::move(*news)});
    return;
  }
  const auto judges =
      view_.beside(member->position, limits::judges_each_side, [&](const NodeId& id) {
        return id == suspect.subject || (id != self_ && detector_.is_suspect(id));
      });
  if (!contains(judges, self_)) return;
  detector_.check(now, suspect.subject);
  run_detector(now);
}

// It did not answer for eight seconds. If we stand next to it, we say so with our name.
void Membership::sign_gone(TimePoint now, const NodeId& subject) {
  const View::Member* member = view_.find(subject);
  if (!member || !established_) return;
  const auto judges = view_.beside(
      member->position, limits::judges_each_side,
      [&](const NodeId& id) { return id == subject || (id != self_ && detector_.is_suspect(id)); });
  if (!contains(judges, self_)) return;
  hear_gone(now, subject, Gone::sign(identity_, subject, member->dossier->sequence()));
}

void Membership::hear_gone(TimePoint now, const NodeId& subject, const Gone& gone) {
  const View::Member* member = view_.find(subject);
  if (!member) return rumours_.heard_again({subject, Rumours::Kind::gone, gone.by});
  if (gone.sequence < member->dossier->sequence()) return;
  const auto open = accusations_.find(subject);
  if (open != accusations_.end()) {
    for (const Gone& other : open->second)
      if (other.by == gone.by) return rumours_.heard_again({subject, Rumours::Kind::gone, gone.by});
    if (open->second.size() >= max_news_gones) return;
  }
  const auto believed = view_.beside(member->position, limits::believed_each_side);
  if (!contains(believed, gone.by)) return;
  if (!archive_.is_true(subject, gone)) return;
  accusations_[subject].push_back(gone);
  rumour(now, subject, Rumours::Kind::gone, gone.by);

  const std::vector<Gone> gones = accusations_[subject];
  // Its neighbours let it know, in case it is still there.
  if (is_near(subject, limits::neighbours_each_side) && told_.take(now, subject))
    tell(subject, {News{subject, {}, {}, gones}});
  if (enough(subject, gones)) depart(now, subject, Departure::gone, member->dossier->record, gones);
}

// Two, and of different netgroups unless all around are of one.
bool Membership::enough(const NodeId& subject, const std::vector<Gone>& gones) const {
  if (gones.size() < limits::gones_needed) return false;
  std::set<IpAddress> signers;
  for (const Gone& gone : gones)
    if (const View::Member* by = view_.find(gone.by))
      signers.insert(view_.netgroup_of(by->dossier->address()));
  if (signers.size() >= limits::gones_needed) return true;
  for (const NodeId& id : view_.beside(position_of(subject), limits::neighbours_each_side))
    if (!signers.contains(view_.netgroup_of(view_.find(id)->dossier->address()))) return false;
  return true;
}

// --- the departed --------------------------------------------------------------------------------

void Membership::depart(TimePoint now, const NodeId& id, Departure why, RecordPtr last,
                        std::vector<Gone> gones) {
  const View::Member* member = view_.find(id);
  if (!member || id == self_) return;
  if (departed_.size() >= limits::departed)
    if (const auto oldest = departed_ends_.pop_due(TimePoint::max())) forget_departed(*oldest);
  const Departed departed{
      member->dossier, std::move(last), member->since, member->strong, why, gones};
  rumours_.forget(id);
  accusations_.erase(id);
  view_.remove(id);
  report_changes(now, why);
  departed_[id] = departed;
  departed_at_[departed.dossier->position] = id;
  departed_ends_.set(id, now + limits::departed_remembered);
  if (why == Departure::left) rumour(now, id, Rumours::Kind::record);
  for (const Gone& gone : gones) rumour(now, id, Rumours::Kind::gone, gone.by);
  if (!feel_at_) feel_at_ = now + random_.jittered(limits::feeler);
}

void Membership::forget_departed(const NodeId& id) {
  const auto departed = departed_.find(id);
  if (departed == departed_.end()) return;
  departed_at_.erase(departed->second.dossier->position);
  departed_.erase(departed);
  departed_ends_.set(id, std::nullopt);
}

// It is there after all. Who was declared gone learns that, and has to sign anew.
void Membership::on_departed_alive(TimePoint now, const NodeId& id) {
  const Departed& departed = departed_.at(id);
  if (departed.why == Departure::lost_touch) {
    const RecordPtr record = departed.record;
    return hear_as_departed(now, id, record);
  }
  if (departed.why != Departure::gone || !told_.take(now, id)) return;
  tell(id, {News{id, {}, {}, departed.gones}, whole_news(*view_.find(self_)->dossier)});
}

// Whether all others died or only our network: what we knew is set aside, and we begin again.
void Membership::lose_touch(TimePoint now) {
  std::vector<NodeId> others;
  view_.each(0, ~Position{0}, [&](const View::Member& member) {
    if (member.id() != self_) others.push_back(member.id());
    return true;
  });
  for (const NodeId& id : others)
    depart(now, id, Departure::lost_touch, view_.find(id)->dossier->record, {});
  heard_any_.reset();
  pulling_.reset();
  sponsors_.clear();
  events_.push_back(Alone{});
}

// Tries one of the departed: the other half of a network that fell apart is found again.
void Membership::feel(TimePoint now) {
  std::vector<NodeId> lost;
  for (const auto& [id, departed] : departed_)
    if (departed.why != Departure::left) lost.push_back(id);
  if (lost.empty()) return;
  std::sort(lost.begin(), lost.end());
  events_.push_back(Probe{lost[random_.below(lost.size())]});
  feel_at_ = now + random_.jittered(limits::feeler);
}

}  // namespace byway

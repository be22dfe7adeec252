#include "overlay/mesh/failure_detector.h"

#include <algorithm>

#include "overlay/mesh/mesh_limits.h"

namespace byway {

void FailureDetector::set_partners(TimePoint now, const std::vector<NodeId>& partners) {
  const std::set<NodeId> before = std::exchange(partners_, {partners.begin(), partners.end()});
  std::erase_if(round_, [&](const NodeId& id) { return !partners_.contains(id); });
  // A newcomer gets any place in what is left of the round.
  for (const NodeId& id : partners_)
    if (!before.contains(id))
      round_.insert(round_.begin() + static_cast<std::ptrdiff_t>(random_.below(round_.size() + 1)),
                    id);
  if (partners_.empty())
    next_probe_ = std::nullopt;
  else if (!next_probe_)
    next_probe_ = now + random_.upto(limits::probe_period);
}

void FailureDetector::check(TimePoint now, const NodeId& id) {
  const auto known = targets_.find(id);
  if (known == targets_.end() && targets_.size() >= limits::suspects) return;
  Target& target = known == targets_.end() ? targets_[id] : known->second;
  target.judge = true;
  if (target.phase != Phase::suspected) suspect(now, id, target);
}

void FailureDetector::on_alive(TimePoint now, const NodeId& id) {
  if (last_heard_ && last_heard_->who != id) other_heard_ = last_heard_;
  last_heard_ = {id, now};

  const auto target = targets_.find(id);
  if (target == targets_.end()) return;
  if (target->second.phase == Phase::probing) health_ = std::max(0, health_ - 1);
  erase(id);
}

void FailureDetector::on_probe_timeout(TimePoint now, const NodeId& id) {
  const auto target = targets_.find(id);
  if (target != targets_.end() && target->second.phase == Phase::probing)
    ask(now, id, target->second);
}

void FailureDetector::on_helper(TimePoint now, const NodeId& helper, const NodeId& id, bool alive) {
  on_alive(now, helper);
  const auto target = targets_.find(id);
  if (target == targets_.end()) return;
  target->second.helper_spoke = true;
  if (alive) erase(id);
}

void FailureDetector::on_suspected_ourselves() {
  worsen();
}

void FailureDetector::forget(const NodeId& id) {
  erase(id);
}

void FailureDetector::on_timeout(TimePoint now) {
  while (const auto due = timers_.pop_due(now)) {
    Target& target = targets_.at(*due);
    if (now >= target.deadline) {
      if (target.phase == Phase::probing)
        ask(now, *due, target);
      else if (target.phase == Phase::asking)
        suspect(now, *due, target);
      else
        conclude(now, *due, target);
      continue;
    }
    act(Action::ping, *due);
    target.next_ping =
        target.phase == Phase::suspected ? now + limits::suspect_ping : target.deadline;
    arm(*due, target);
  }
  if (next_probe_ && now >= *next_probe_) {
    probe_next(now);
    next_probe_ = now + random_.jittered(stretched(limits::probe_period));
  }
}

// Skips those we are after already.
void FailureDetector::probe_next(TimePoint now) {
  for (std::size_t tries = 0; tries <= partners_.size(); ++tries) {
    if (round_.empty()) start_round_again();
    const NodeId id = round_.back();
    round_.pop_back();
    if (targets_.contains(id) || targets_.size() >= limits::suspects) continue;
    Target& target = targets_[id];
    target.since = now;
    target.deadline = now + stretched(limits::probe_patience);
    target.next_ping = now + stretched(limits::probe_patience) / 2;
    arm(id, target);
    act(Action::round, id);
    return;
  }
}

void FailureDetector::start_round_again() {
  round_.assign(partners_.begin(), partners_.end());
  for (std::size_t i = round_.size(); i > 1; --i)
    std::swap(round_[i - 1], round_[random_.below(i)]);
}

void FailureDetector::ask(TimePoint now, const NodeId& id, Target& target) {
  target.phase = Phase::asking;
  target.since = now;
  target.deadline = now + stretched(limits::ask_patience);
  target.next_ping = target.deadline;
  target.helper_spoke = false;
  arm(id, target);
  act(Action::ask, id);
}

void FailureDetector::suspect(TimePoint now, const NodeId& id, Target& target) {
  // That others do not reach it either is no sign of our own weakness; that they are silent is.
  if (target.phase == Phase::asking && !target.helper_spoke) worsen();
  ++suspects_;
  target.phase = Phase::suspected;
  target.since = now;
  target.deadline = now + limits::suspicion;
  target.next_ping = now + limits::suspect_ping;
  arm(id, target);
  act(Action::ping, id);
  if (target.judge)
    act(Action::ask, id);
  else
    act(Action::suspect, id);
}

void FailureDetector::conclude(TimePoint now, const NodeId& id, Target& target) {
  const auto heard_after = [&](const std::optional<Heard>& heard) {
    return heard && heard->who != id && heard->at >= target.since;
  };
  const bool among_people = heard_after(last_heard_) || heard_after(other_heard_);
  if (!among_people || health_ >= limits::unfit_to_judge) {
    // Perhaps it is us. As long as nobody answers, nobody is lost.
    target.since = now;
    target.deadline = now + limits::suspicion;
    target.next_ping = now + limits::suspect_ping;
    arm(id, target);
    act(Action::ping, id);
    return;
  }
  erase(id);
  act(Action::lost, id);
}

void FailureDetector::worsen() {
  health_ = std::min(health_ + 1, limits::worst_health);
}

void FailureDetector::erase(const NodeId& id) {
  const auto target = targets_.find(id);
  if (target == targets_.end()) return;
  if (target->second.phase == Phase::suspected) --suspects_;
  targets_.erase(target);
  timers_.set(id, std::nullopt);
}

void FailureDetector::arm(const NodeId& id, const Target& target) {
  timers_.set(id, std::min(target.deadline, target.next_ping));
}

std::optional<FailureDetector::Action> FailureDetector::poll_action() {
  if (actions_.empty()) return std::nullopt;
  const Action action = actions_.front();
  actions_.pop_front();
  return action;
}

std::optional<TimePoint> FailureDetector::next_timeout() const {
  return earlier(next_probe_, timers_.next());
}

bool FailureDetector::is_suspect(const NodeId& id) const {
  const auto target = targets_.find(id);
  return target != targets_.end() && target->second.phase == Phase::suspected;
}

}  // namespace byway

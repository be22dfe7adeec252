#include "overlay/link/call.h"

#include <algorithm>

#include "overlay/core/limits.h"
#include "overlay/core/timers.h"

namespace byway {

void Call::start(TimePoint now, const std::vector<NodeId>& homes) {
  state_ = State::calling;
  deadline_ = now + limits::call_patience;
  homes_.clear();
  TimePoint at = now;
  for (const NodeId& home : homes) {
    homes_.push_back({.id = home, .ask_at = at, .gap = limits::introduce_resend});
    at += limits::home_stagger;
  }
}

void Call::add_home(TimePoint now, const NodeId& home) {
  if (state_ != State::calling) return;
  const auto same = [&](const Home& h) { return h.id == home; };
  if (std::any_of(homes_.begin(), homes_.end(), same)) return;
  homes_.push_back({.id = home, .ask_at = now, .gap = limits::introduce_resend});
}

void Call::on_home_lost(const NodeId& home) {
  std::erase_if(homes_, [&](const Home& h) { return h.id == home; });
}

void Call::on_result(const NodeId& home, IntroduceOutcome outcome) {
  if (state_ != State::calling) return;
  for (Home& h : homes_) {
    if (h.id != home) continue;
    // One that passed it on is asked again all the same: message or answer may be lost behind it.
    h.outcome = outcome;
  }
  if (all_refused()) state_ = State::failed;
}

bool Call::all_refused() const {
  return !homes_.empty() && std::all_of(homes_.begin(), homes_.end(), [](const Home& h) {
    return h.outcome && *h.outcome != IntroduceOutcome::passed;
  });
}

std::optional<NodeId> Call::poll_ask(TimePoint now) {
  if (state_ != State::calling) return {};
  for (Home& home : homes_) {
    if (home.outcome && *home.outcome != IntroduceOutcome::passed) continue;
    if (now < home.ask_at) continue;
    if (home.asked) home.gap = std::min(2 * home.gap, limits::introduce_resend_last);
    home.asked = true;
    home.ask_at = now + home.gap;
    return home.id;
  }
  return {};
}

void Call::on_timeout(TimePoint now) {
  if (state_ == State::calling && now >= deadline_) state_ = State::failed;
}

std::optional<TimePoint> Call::next_timeout() const {
  if (state_ != State::calling) return {};
  std::optional<TimePoint> next = deadline_;
  for (const Home& home : homes_)
    if (!home.outcome || *home.outcome == IntroduceOutcome::passed)
      next = earlier(next, home.ask_at);
  return next;
}

std::string Call::why() const {
  if (homes_.empty())
    return "this node is registered at no supernode yet, so nobody can introduce it";
  const auto any = [&](IntroduceOutcome outcome) {
    return std::any_of(homes_.begin(), homes_.end(),
                       [&](const Home& h) { return h.outcome == outcome; });
  };
  if (any(IntroduceOutcome::passed)) return "it is registered, but did not answer";
  if (any(IntroduceOutcome::quota))
    return "too many introductions were asked for; try again in a minute";
  if (any(IntroduceOutcome::busy)) return "the supernode is too busy to introduce anybody now";
  if (any(IntroduceOutcome::not_here))
    return "it is offline, or registered at none of the supernodes known here";
  return "no supernode answered";
}

}  // namespace byway

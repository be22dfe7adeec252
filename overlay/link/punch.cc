#include "overlay/link/punch.h"

#include <algorithm>

#include "overlay/core/limits.h"
#include "overlay/core/timers.h"
#include "overlay/link/candidates.h"

namespace byway {
namespace {

constexpr int answered = -1;

bool needs_simultaneity(const Candidate& candidate) {
  const bool open = candidate.how == How::local || candidate.how == How::mapped;
  return !open && !is_inner(candidate.endpoint.address);
}

}  // namespace

void Punch::start(TimePoint now, TimePoint moment, const std::vector<Candidate>& candidates) {
  if (candidates.empty()) return;
  ++rounds_;
  state_ = State::knocking;
  targets_.clear();
  std::erase_if(spent_, [](const auto& entry) { return entry.second != answered; });
  for (const Candidate& candidate : candidates) {
    const bool inner = is_inner(candidate.endpoint.address);
    targets_.push_back({.candidate = candidate,
                        .first = needs_simultaneity(candidate) ? moment : now,
                        .limit = inner ? limits::private_knocks : limits::knock_times.size()});
  }
  deadline_ = std::max(now, moment) + limits::punch_patience;
}

void Punch::on_heard_from(const IpAddress& address) {
  // A peer that shows more addresses than it can have paths is only asking to be remembered.
  const auto known = std::count_if(spent_.begin(), spent_.end(),
                                   [](const auto& entry) { return entry.second == answered; });
  if (static_cast<std::size_t>(known) < limits::paths_per_peer) spent_[address] = answered;
}

bool Punch::allowed(const Target& target) const {
  if (target.sent >= target.limit) return false;
  if (!confirmed_ && knocks_ >= limits::knocks_per_introduction) return false;
  const auto spent = spent_.find(target.candidate.endpoint.address);
  return spent == spent_.end() || spent->second < limits::knocks_per_introduction;
}

std::optional<TimePoint> Punch::due(const Target& target) const {
  if (!allowed(target)) return {};
  return target.first + limits::knock_times[target.sent];
}

std::optional<Punch::Knock> Punch::poll_knock(TimePoint now) {
  if (state_ != State::knocking) return {};
  for (Target& target : targets_) {
    const auto at = due(target);
    if (!at || now < *at) continue;
    ++target.sent;
    ++knocks_;
    int& spent = spent_[target.candidate.endpoint.address];
    const bool stranger = spent != answered;
    if (stranger) ++spent;
    return Knock{target.candidate, stranger};
  }
  return {};
}

void Punch::on_timeout(TimePoint now) {
  if (state_ == State::knocking && now >= deadline_) state_ = State::failed;
}

std::optional<TimePoint> Punch::next_timeout() const {
  if (state_ != State::knocking) return {};
  std::optional<TimePoint> next = deadline_;
  for (const Target& target : targets_) next = earlier(next, due(target));
  return next;
}

}  // namespace byway

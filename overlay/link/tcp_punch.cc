#include "overlay/link/tcp_punch.h"

#include <algorithm>

#include "overlay/core/timers.h"
#include "overlay/link/tcp_limits.h"

namespace byway {

bool TcpPunch::start(TimePoint now, TimePoint moment, const std::vector<Candidate>& candidates) {
  if (candidates.empty()) return false;
  const bool fresh = state_ != State::trying || now >= moment_ + limits::tcp_meet_apart;
  if (fresh) {
    ++rounds_;
    targets_.clear();
    moment_ = std::max(now, moment);
    state_ = State::trying;
  }
  for (const Candidate& candidate : candidates) {
    const auto same = [&](const Target& target) {
      return target.candidate.endpoint == candidate.endpoint;
    };
    if (std::any_of(targets_.begin(), targets_.end(), same)) continue;
    if (targets_.size() >= limits::max_tcp_candidates) break;
    const bool at_once = candidate.how == How::local;
    targets_.push_back({candidate, at_once ? now : std::max(now, moment_), 0});
  }
  return fresh;
}

std::optional<Endpoint> TcpPunch::poll_attempt(TimePoint now) {
  if (state_ != State::trying) return {};
  for (Target& target : targets_) {
    if (!target.next || now < *target.next) continue;
    target.next.reset();
    ++attempts_;
    return target.candidate.endpoint;
  }
  return {};
}

void TcpPunch::on_ended(TimePoint now, const Endpoint& to, TcpEnd why) {
  if (state_ != State::trying || why != TcpEnd::refused) return;
  for (Target& target : targets_)
    if (target.candidate.endpoint == to && !target.next && target.candidate.how != How::predicted &&
        target.refused < limits::tcp_refused_again.size())
      target.next = now + limits::tcp_refused_again[target.refused++];
}

void TcpPunch::on_timeout(TimePoint now) {
  if (state_ == State::trying && now >= moment_ + limits::tcp_punch_patience)
    state_ = State::failed;
}

std::optional<TimePoint> TcpPunch::next_timeout() const {
  if (state_ != State::trying) return {};
  std::optional<TimePoint> next = moment_ + limits::tcp_punch_patience;
  for (const Target& target : targets_) next = earlier(next, target.next);
  return next;
}

std::vector<Candidate> tcp_knockable(const std::vector<Candidate>& offered,
                                     const std::vector<Candidate>& own) {
  std::vector<Candidate> left;
  for (const Candidate& candidate : offered) {
    const Endpoint& endpoint = candidate.endpoint;
    const auto same = [&](const Candidate& c) { return c.endpoint == endpoint; };
    const bool decent_port = endpoint.port == limits::https_port || endpoint.port >= 1024;
    if (candidate.proto != Proto::tcp || !decent_port) continue;
    if (endpoint.address.scope() != Scope::public_net) continue;
    if (std::any_of(own.begin(), own.end(), same) || std::any_of(left.begin(), left.end(), same))
      continue;
    if (left.size() < limits::max_tcp_candidates) left.push_back(candidate);
  }
  return left;
}

}  // namespace byway

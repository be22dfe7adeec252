#include "overlay/reach/distance_probe.h"

#include <algorithm>

#include "overlay/core/timers.h"
#include "overlay/reach/home_limits.h"

namespace byway {

void DistanceProbe::ask(TimePoint now, std::span<const Whom> whom) {
  begun_ = now;
  questions_.clear();
  for (const Whom& one : whom) questions_.push_back({one, {}, {}});
}

std::optional<TimePoint> DistanceProbe::due(const Question& question) const {
  if (question.rtt || question.sent.size() >= limits::distance_times.size()) return {};
  return begun_ + limits::distance_times[question.sent.size()];
}

std::optional<Transmit> DistanceProbe::poll_transmit(TimePoint now) {
  for (Question& question : questions_) {
    const auto at = due(question);
    if (!at || now < *at) continue;
    const Sent& sent = question.sent.emplace_back(random_.bytes<12>(), now);
    return Transmit{.to = question.whom.endpoint, .bytes = stun_binding_request(sent.transaction)};
  }
  return {};
}

bool DistanceProbe::on_stun(TimePoint now, SocketId socket, const Endpoint& from,
                            ByteView response) {
  if (socket != main_socket) return false;
  for (Question& question : questions_) {
    if (question.whom.endpoint != from || question.rtt) continue;
    for (const Sent& sent : question.sent) {
      if (!parse_stun_binding_response(response, sent.transaction)) continue;
      question.rtt = std::max<Duration>(now - sent.at, 1us);
      return true;
    }
  }
  return false;
}

// One lost packet is asked for again before it is given up; who is merely far is not waited for.
TimePoint DistanceProbe::over_at() const {
  std::optional<Duration> slowest;
  bool all = true;
  for (const Question& question : questions_) {
    if (!question.rtt) all = false;
    if (question.rtt) slowest = std::max(slowest.value_or(Duration{}), *question.rtt);
  }
  if (all) return begun_;
  const TimePoint latest = begun_ + limits::distance_patience;
  if (!slowest) return latest;
  return std::min(latest, begun_ + limits::distance_times.back() + 2 * *slowest);
}

std::optional<std::vector<DistanceProbe::Answer>> DistanceProbe::poll_answers(TimePoint now) {
  if (!is_asking() || now < over_at()) return {};
  std::vector<Answer> answers;
  for (const Question& question : questions_) answers.push_back({question.whom.id, question.rtt});
  questions_.clear();
  return answers;
}

std::optional<TimePoint> DistanceProbe::next_timeout() const {
  if (!is_asking()) return {};
  std::optional<TimePoint> next = over_at();
  for (const Question& question : questions_) next = earlier(next, due(question));
  return next;
}

}  // namespace byway

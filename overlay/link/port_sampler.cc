#include "overlay/link/port_sampler.h"

#include <algorithm>

#include "overlay/core/timers.h"
#include "overlay/link/hard_limits.h"

namespace byway {

void PortSampler::start(TimePoint now, const std::vector<SocketId>& sockets,
                        const std::vector<Endpoint>& supernodes, bool with_hops, Random& random) {
  begun_ = now;
  questions_.clear();
  // First, so that their answers are there when the others' are: the mapping is the same.
  if (with_hops && !sockets.empty() && !supernodes.empty())
    for (const std::uint8_t hops : limits::hard::hops_tried)
      questions_.push_back({{sockets[0], supernodes[0], random.bytes<12>(), hops}, {}, 0, {}});
  for (const SocketId socket : sockets)
    for (const Endpoint& to : supernodes)
      questions_.push_back({{socket, to, random.bytes<12>(), 0}, {}, 0, {}});
}

std::optional<TimePoint> PortSampler::due(const Asked& asked) const {
  if (asked.seen || asked.sends >= limits::hard::sample_times.size()) return {};
  // Most of those with few hops are not meant to arrive: asking once more is enough.
  if (asked.question.hops > 0 && asked.sends >= 2) return {};
  return begun_ + limits::hard::sample_times[asked.sends];
}

std::optional<PortSampler::Question> PortSampler::poll(TimePoint now) {
  for (Asked& asked : questions_) {
    const auto at = due(asked);
    if (!at || now < *at) continue;
    // The first of them made the mapping, if it got that far.
    if (asked.sends++ == 0) asked.sent = now;
    return asked.question;
  }
  return {};
}

bool PortSampler::on_answer(SocketId socket, const Endpoint& from, ByteView response) {
  for (Asked& asked : questions_) {
    if (asked.question.socket != socket || asked.question.to != from || asked.sends == 0) continue;
    const auto seen = parse_stun_binding_response(response, asked.question.transaction);
    if (!seen) continue;
    asked.seen = *seen;
    return true;
  }
  return false;
}

bool PortSampler::done(TimePoint now) const {
  if (idle() || now >= begun_ + limits::hard::sample_patience) return true;
  return std::all_of(questions_.begin(), questions_.end(),
                     [](const Asked& asked) { return asked.seen || asked.question.hops > 0; });
}

std::optional<TimePoint> PortSampler::next_timeout() const {
  if (idle()) return {};
  std::optional<TimePoint> next = begun_ + limits::hard::sample_patience;
  for (const Asked& asked : questions_) next = earlier(next, due(asked));
  return next;
}

std::vector<PortSample> PortSampler::samples() const {
  std::vector<PortSample> all;
  for (const Asked& asked : questions_)
    if (asked.seen && asked.question.hops == 0) all.push_back({asked.seen->port, asked.sent});
  return all;
}

std::optional<IpAddress> PortSampler::address() const {
  for (const Asked& asked : questions_)
    if (asked.seen) return asked.seen->address;
  return {};
}

std::optional<std::uint8_t> PortSampler::hops_to_pass() const {
  for (const Asked& asked : questions_)
    if (asked.seen && asked.question.hops > 0)
      return static_cast<std::uint8_t>(asked.question.hops - 1);
  return {};
}

std::optional<Endpoint> PortSampler::seen_of(SocketId socket) const {
  for (const Asked& asked : questions_)
    if (asked.seen && asked.question.socket == socket && asked.question.hops == 0)
      return asked.seen;
  return {};
}

}  // namespace byway

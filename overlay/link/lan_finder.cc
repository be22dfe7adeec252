#include "overlay/link/lan_finder.h"

#include <algorithm>

#include "overlay/core/limits.h"
#include "overlay/core/timers.h"

namespace byway {

LanFinder::LanFinder(const NodeId& self, const Crypto& crypto, Random random)
    : self_(self),
      crypto_(crypto),
      random_(std::move(random)),
      asks_(limits::lan_asks_per_second, limits::lan_asks_burst),
      answers_(limits::lan_answers_per_second, limits::lan_answers_per_second),
      answers_to_(limits::lan_answers_to_one, limits::lan_answers_to_one_burst,
                  limits::lan_askers) {}

void LanFinder::seek(TimePoint now, const NodeId& target, bool v4, bool v6) {
  std::erase_if(seeks_, [&](const Seek& seek) { return seek.target == target; });
  if (seeks_.size() >= limits::lan_seeks) seeks_.erase(seeks_.begin());
  seeks_.push_back({target, random_.bytes<16>(), v4, v6, now});
}

std::optional<Transmit> LanFinder::poll_transmit(TimePoint now) {
  std::erase_if(seeks_, [&](const Seek& seek) {
    return seek.next <= now && seek.sent == static_cast<int>(limits::lan_ask_times.size());
  });
  for (Seek& seek : seeks_) {
    if (seek.next > now) continue;
    const auto pause = limits::lan_ask_times[static_cast<std::size_t>(seek.sent++)];
    seek.next = now + pause;
    if (seek.answers > 0 || !asks_.take(now)) continue;
    for (const bool v6 : {false, true})
      if (v6 ? seek.v6 : seek.v4)
        transmits_.push_back(
            {.to = v6 ? lan_group_v6() : lan_group_v4(),
             .bytes = make_lan_packet(crypto_, LanKind::ask, seek.target, seek.salt)});
  }
  if (transmits_.empty()) return {};
  Transmit next = std::move(transmits_.front());
  transmits_.pop_front();
  return next;
}

std::optional<TimePoint> LanFinder::next_timeout() const {
  std::optional<TimePoint> next;
  for (const Seek& seek : seeks_) next = earlier(next, seek.next);
  return next;
}

// Whether there is a way to answer, and we have not done so too often.
bool LanFinder::may_answer(TimePoint now, const Endpoint& asker) {
  switch (asker.address.scope()) {
    case Scope::unspecified:
    case Scope::link_local:  // which link is not known here
    case Scope::multicast:
    case Scope::broadcast:
      return false;
    default:
      return asker.port != 0 && answers_to_.take(now, asker.address) && answers_.take(now);
  }
}

LanFinder::Outcome LanFinder::on_datagram(TimePoint now, const Datagram& datagram) {
  const auto packet = parse_lan_packet(datagram.bytes);
  if (!packet || datagram.proto != Proto::udp) return {Drop::malformed, {}};

  if (packet->kind == LanKind::ask) {
    if (!is_about(crypto_, *packet, self_)) return {Drop::lan_other, {}};
    if (!may_answer(now, datagram.from)) return {Drop::lan_rate, {}};
    transmits_.push_back({.to = datagram.from,
                          .bytes = make_lan_packet(crypto_, LanKind::answer, self_, packet->salt),
                          .ttl = 1});
    return {};
  }

  const auto asked = std::find_if(seeks_.begin(), seeks_.end(),
                                  [&](const Seek& seek) { return seek.salt == packet->salt; });
  if (asked == seeks_.end() || !is_about(crypto_, *packet, asked->target) ||
      asked->answers >= limits::lan_answers_taken)
    return {Drop::lan_unasked, {}};
  ++asked->answers;
  return {{}, Found{asked->target, datagram.from}};
}

}  // namespace byway

// Registration and introduction: the leaf that seeks homes and is introduced, the supernode that
// takes leaves in and introduces them.
#include "overlay/conductor.h"
#include "protocol/record.h"

namespace byway {

// --- as a leaf -----------------------------------------------------------------------------------

void Overlay::Conductor::run_homes(TimePoint now) {
  if (is_supernode() || leaving_) return;
  while (const auto target = homes_.poll_dial(now)) {
    step(target->id, "asking " + target->endpoint.to_string() + " to register us");
    dial(now, ensure_peer(target->id), Route{.endpoint = target->endpoint}, registration(now));
  }
}

Registration Overlay::Conductor::registration(TimePoint now) {
  record_sequence_ = std::max(record_sequence_ + 1, unix_ms(wall(now)));
  Record record{.id = id(), .sequence = record_sequence_, .homes = homes_.ids(), .agent = "byway"};
  const auto homes = static_cast<std::uint8_t>(record.homes.size());
  const auto signed_record = SignedRecord::sign(identity_, record);
  return {to_bytes(signed_record.exact_bytes()), static_cast<std::uint8_t>(homes + 1)};
}

void Overlay::Conductor::on_registered(TimePoint now, Peer& peer, const Route& route,
                                       const Endpoint& observed) {
  (void)now;
  self_.on_observed(peer.id, route.endpoint, observed);
  step(peer.id, "registered; it sees us at " + observed.to_string());
}

// The supernode has taken our confirmation in: from now on it can introduce us.
void Overlay::Conductor::on_home_pong(TimePoint now, Peer& peer, const Route& route,
                                      const Pong& pong) {
  self_.on_observed(peer.id, route.endpoint, pong.observed);
  if (!homes_.on_registered(peer.id)) return;
  events_.push_back(HomeGained{peer.id, route.endpoint, pong.observed, rtt_to(peer)});
  if (!std::exchange(ready_, true)) events_.push_back(Ready{});
  for (auto& [id, other] : peers_) {
    if (!other.talk) continue;
    other.talk->call.add_home(now, peer.id);
    if (other.talk->next_call) other.talk->next_call = now;
    touch(other);
  }
}

void Overlay::Conductor::lose_home(TimePoint now, Peer& peer, const std::string& why) {
  if (!homes_.is_home(peer.id)) return;
  const auto endpoint = homes_.endpoint_of(peer.id).value_or(Endpoint{});
  homes_.on_failed(now, peer.id);
  self_.forget(peer.id);
  events_.push_back(HomeLost{peer.id, endpoint, why});
  for (auto& [id, other] : peers_)
    if (other.talk) other.talk->call.on_home_lost(peer.id);
}

Overlay::Conductor::Outcome Overlay::Conductor::on_introduction(TimePoint now, Peer& home,
                                                                const Introduction& introduction) {
  if (!homes_.is_home(home.id)) return Drop::unexpected;
  const IpAddress& caller = introduction.caller_endpoint.address;
  if (!introducer_.may_be_called(now, home.id, caller)) return Drop::quota;
  const Path* path = home.paths.best();
  if (!path || introduction.lane == 0) return Drop::unexpected;
  if (const auto known = lanes_.find(introduction.lane);
      known != lanes_.end() && known->second.home != home.id)
    return Drop::unexpected;

  Route route = path->route;
  route.lane = introduction.lane;
  return answer(now, route, introduction.handshake, &introduction, home.id);
}

Overlay::Conductor::Outcome Overlay::Conductor::on_introduce_result(Peer& home,
                                                                    const IntroduceResult& result) {
  Peer* peer = find(result.target);
  if (!peer || !peer->talk) return Drop::unexpected;
  auto& talk = *peer->talk;
  const auto lane = talk.asked.find(home.id);
  if (lane == talk.asked.end() || lane->second != result.lane) return Drop::unexpected;
  step(peer->id, home.id.short_string() +
                     " was asked to introduce us: " + std::string(to_string(result.outcome)));
  talk.call.on_result(home.id, result.outcome);
  if (result.outcome != IntroduceOutcome::passed && talk.provisional &&
      talk.provisional->lane == result.lane)
    talk.provisional.reset();
  touch(*peer);
  return used;
}

// --- as a supernode ------------------------------------------------------------------------------

void Overlay::Conductor::lose_leaf(TimePoint now, Peer& peer) {
  (void)now;
  peer.is_leaf = false;
  registrar_.remove(peer.id);
  relay_.close_all_of(peer.id);
  step(peer.id, "is registered here no more");
  touch(peer);
}

Duration Overlay::Conductor::rtt_to(const Peer& peer) const {
  const Path* path = peer.paths.best();
  if (path && path->rtt > Duration{}) return path->rtt;
  return peer.rtt_hint;
}

Overlay::Conductor::Outcome Overlay::Conductor::on_introduce(TimePoint now, Peer& caller,
                                                             const Introduce& introduce) {
  if (!is_supernode() || introduce.lane == 0) return Drop::unexpected;
  IntroduceResult result{.target = introduce.target, .lane = introduce.lane};
  const auto answer_with = [&](IntroduceOutcome outcome) -> Outcome {
    result.outcome = outcome;
    send(caller, result);
    return used;
  };
  const Path* from = caller.paths.best();
  if (!from) return Drop::unexpected;
  if (!introducer_.may_call(now, caller.id)) return answer_with(IntroduceOutcome::quota);

  Peer* target = find(introduce.target);
  const Path* to = target && target->is_leaf ? target->paths.best() : nullptr;
  if (!to || target == &caller) return answer_with(IntroduceOutcome::not_here);

  const auto opened = config_.relay ? relay_.open(now, introduce.lane, caller.id, {caller.id, from->route},
                                                  {target->id, to->route})
                                    : Relay::Opened::full;
  if (opened != Relay::Opened::yes) return answer_with(IntroduceOutcome::busy);

  const auto us = [](Duration d) { return static_cast<std::uint32_t>(d / 1us); };
  send(*target, Introduction{.lane = introduce.lane,
                             .handshake = introduce.handshake,
                             .caller_endpoint = from->route.endpoint,
                             .caller_rtt_us = us(rtt_to(caller)),
                             .target_rtt_us = us(rtt_to(*target))});
  ++counters_.introductions_passed;
  step(target->id, "introduced to " + caller.id.short_string());
  return answer_with(IntroduceOutcome::passed);
}

}  // namespace byway

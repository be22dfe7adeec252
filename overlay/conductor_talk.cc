// Conversations: calling a peer, knocking for a direct path, moving between paths.
#include <algorithm>

#include "overlay/conductor.h"
#include "overlay/link/candidates.h"
#include "overlay/link/reason.h"
#include "protocol/codec.h"

namespace byway {
namespace {

std::string in_words(const PathChanged& change) {
  if (change.kind == PathKind::none) return "no path is left: " + change.why;
  const std::string way =
      std::string(to_string(change.kind)) + " by way of " + change.endpoint.to_string();
  if (change.kind == PathKind::relay) return way + ": " + change.why;
  return way + " (" + std::string(to_string(change.method)) + ")";
}

// After a failed attempt: twice as long as before, within these.
void back_off(Duration& gap, Duration first, Duration last) {
  gap = std::clamp(gap * 2, first, last);
}

}  // namespace

Conversation& Overlay::Conductor::begin_talk(TimePoint now, Peer& peer, bool called) {
  if (!peer.talk) {
    peer.talk = std::make_unique<Conversation>();
    peer.talk->called = called;
    peer.talk->begun = now;
    stories_.begin(now, peer.id);
    ++talks_;
  }
  peer.talk->last_used = now;
  touch(peer);
  return *peer.talk;
}

void Overlay::Conductor::connect(TimePoint now, const NodeId& id) {
  if (!may_talk_to(id)) return;
  reach_for(now, id);
  settle(now);
}

bool Overlay::Conductor::may_talk_to(const NodeId& id) const {
  return !leaving_ && id != this->id();
}

// Whoever is not talked to yet is called. That it fails at once is told when everything is settled.
Peer& Overlay::Conductor::reach_for(TimePoint now, const NodeId& id) {
  Peer& peer = ensure_peer(id);
  const bool fresh = !peer.talk;
  begin_talk(now, peer, true);
  if (!fresh) return peer;
  if (peer.link.confirmed() && peer.paths.best())
    on_connected(now, peer);
  else
    call(now, peer);
  return peer;
}

void Overlay::Conductor::call(TimePoint now, Peer& peer) {
  Conversation& talk = *peer.talk;
  if (const auto endpoint = supernode_endpoint(peer.id)) {
    const Route route{.endpoint = *endpoint};
    step(peer.id, "dialling " + endpoint->to_string(), StepKind::call);
    // The session's first flight waits for the answer: until this address is proved to it, the
    // other side may not even look at more.
    dial(now, peer, route, our_talk(&peer));
    return;
  }
  dial(now, peer, std::nullopt, our_talk(&peer));
  seek_on_lan(now, peer);
  if (!is_supernode() && homes_.sound() == 0) homes_.hurry(now);
  // A supernode has no homes: it looks the peer up itself.
  talk.call.start(now, is_supernode() ? std::vector<NodeId>{id()} : homes_.ids());
}

// Message 1 for the peer, with the session's first flight right behind it in the lane.
void Overlay::Conductor::ask_home(TimePoint now, Peer& peer, const NodeId& home_id) {
  if (!peer.link.dialing()) return;
  if (home_id == id()) return seek(now, home_id, Introduce{.target = peer.id, .lane = 1});
  Peer* home = find(home_id);
  const Path* path = home ? home->paths.best() : nullptr;
  const auto endpoint = supernode_endpoint(home_id);
  if (!path && !endpoint) return;
  Conversation& talk = *peer.talk;
  LaneId& lane = talk.asked[home_id];
  while (lane == 0) lane = random_.u64();
  Route route = path ? path->route : Route{.endpoint = *endpoint};
  // A home that has died since its last keepalive is found out now.
  if (path) {
    home->paths.on_data_sent(now, path->route);
    touch(*home);
  }
  route.lane = lane;
  remember_lane(peer, route, home_id);

  tell(now, home_id, Area::link,
       encode(Message(Introduce{peer.id, lane, peer.link.dial_datagram()})));
  step(peer.id, "asking " + home_id.short_string() + " to introduce us", StepKind::call);
  if (talk.provisional) return;
  talk.provisional = route;
  wants_to_send(peer);
}

Talk Overlay::Conductor::our_talk(const Peer* peer) const {
  Talk talk = config_.visitor ? Talk{} : Talk{self_.candidates(), nat_summary()};
  if (!config_.visitor) add_tcp(talk);
  if (peer && peer->talk) talk.sessions = static_cast<std::uint16_t>(peer->talk->sessions.size());
  return talk;
}

void Overlay::Conductor::remember_lane(Peer& peer, const Route& route, const NodeId& home) {
  if (!peer.talk) return;
  auto& lanes = peer.talk->lanes;
  if (const auto known = lanes_.find(route.lane);
      known != lanes_.end() && known->second.home == home)
    known->second.relay = route.endpoint;
  else
    lanes_[route.lane] = {peer.id, home, route.endpoint, route};
  if (std::find(lanes.begin(), lanes.end(), route.lane) != lanes.end()) return;
  if (lanes.size() >= limits::lanes_per_talk) {
    lanes_.erase(lanes.front());
    peer.paths.remove_lane(lanes.front());
    lanes.erase(lanes.begin());
  }
  lanes.push_back(route.lane);
}

void Overlay::Conductor::on_asked_to_talk(TimePoint now, Peer& peer, const Route& route,
                                          const Talk& wish, const Introduction* introduction,
                                          const NodeId& home) {
  Conversation& talk = begin_talk(now, peer, false);
  talk.candidates = knockable(wish.candidates, self_.local());
  talk.nat = wish.nat;
  if (wish.sessions == 0) drop_open_sessions(now, peer, now - limits::session_drain);
  hear_of_tcp(now, peer, wish);
  if (!introduction) return;
  if (!peer.paths.best()) talk.provisional = route;

  talk.introduced_by = home;
  remember_lane(peer, route, home);
  step(peer.id,
       "introduced by " + home.short_string() + "; it may be at " +
           std::to_string(talk.candidates.size()) + " addresses",
       StepKind::call);
  // Our answer needs this long to reach the caller, who knocks when it has it: so do we.
  const auto there =
      std::chrono::microseconds{introduction->caller_rtt_us / 2 + introduction->target_rtt_us / 2};
  begin_knocking(now, now + std::min<Duration>(there, 1s), peer, talk.candidates);
}

void Overlay::Conductor::on_welcome_to_talk(TimePoint now, Peer& peer, const Route& route,
                                            const Talk& answer) {
  if (!peer.talk) return;
  Conversation& talk = *peer.talk;
  talk.call.on_answered();
  talk.candidates = knockable(answer.candidates, self_.local());
  talk.nat = answer.nat;
  if (answer.sessions == 0) drop_open_sessions(now, peer, peer.dialled().at);
  if (route.relayed()) talk.introduced_by = lanes_.at(route.lane).home;
  on_connected(now, peer);
  if (route.relayed() && !peer.paths.best_of(PathKind::direct_udp))
    begin_knocking(now, now, peer, talk.candidates);
  hear_of_tcp(now, peer, answer);
}

void Overlay::Conductor::on_connected(TimePoint now, Peer& peer) {
  Conversation& talk = *peer.talk;
  talk.punch.on_confirmed();
  talk.call_gap = {};
  wants_to_send(peer);
  if (std::exchange(talk.connected, true)) return;
  step(peer.id, "it has answered, and is who it should be", StepKind::call);
  events_.push_back(PeerConnected{peer.id});
  consider_tcp(now, peer);
  if (talk.called && talk.introduced_by != NodeId{}) {
    talk.next_round = now + limits::punch_rounds[0];
    talk.round_gap = limits::punch_rounds[1] - limits::punch_rounds[0];
  }
  begin_hard(now, peer, talk.round, false);
}

// --- paths ---------------------------------------------------------------------------------------

Paths::Traits Overlay::Conductor::traits_of(const Peer& peer, const Route& route) const {
  if (route.relayed()) {
    const auto lane = lanes_.find(route.lane);
    return {Method::relay, lane == lanes_.end() ? NodeId{} : lane->second.home,
            limits::lane_keepalive};
  }
  // Between a leaf and its home the leaf keeps the path alive.
  if (peer.is_leaf && !peer.talk) return {Method::reverse, {}, {}};
  const bool ours_to_keep = peer.talk || homes_.is_home(peer.id) || homes_.is_dialing(peer.id);
  const bool by_tcp = route.proto == Proto::tcp;
  const Method method = by_tcp                    ? method_by_tcp(peer, route)
                        : hard_tried(peer, route) ? peer.talk->hard->method()
                                                  : method_of(peer, route.endpoint);
  return {method, {}, ours_to_keep ? std::optional<Duration>(keepalive()) : std::nullopt};
}

Method Overlay::Conductor::method_of(const Peer& peer, const Endpoint& endpoint) const {
  if (homes_.endpoint_of(peer.id) == endpoint) return Method::open;
  if (peer.is_leaf) return Method::reverse;
  if (peer.talk)
    for (const Candidate& candidate : peer.talk->candidates)
      if (candidate.endpoint == endpoint) {
        if (candidate.how == How::mapped) return Method::mapped;
        if (candidate.how == How::local && !is_inner(endpoint.address)) return Method::open;
      }
  if (is_inner(endpoint.address)) return Method::lan;
  const auto own = self_.candidates();
  const auto is_public = [&](const Candidate& candidate) {
    return candidate.endpoint.address.is_v4() == endpoint.address.is_v4() &&
           (candidate.how == How::local || candidate.how == How::mapped) &&
           candidate.proto == Proto::udp && !is_inner(candidate.endpoint.address);
  };
  if (std::any_of(own.begin(), own.end(), is_public)) return Method::reverse;
  const auto same_address = [&](const Candidate& candidate) {
    return candidate.endpoint.address == endpoint.address;
  };
  if (std::any_of(own.begin(), own.end(), same_address)) return Method::hairpin;
  return Method::punch;
}

void Overlay::Conductor::on_path_proved(TimePoint now, Peer& peer, const Route& route) {
  if (peer.is_leaf) {
    peer.paths.follow(now, route);
    if (const Path* best = peer.paths.best()) relay_.rebind(peer.id, best->route);
  }
  if (route.relayed()) return;
  if (route.proto == Proto::tcp) return on_tcp_path_proved(now, peer, route);
  direct_peers_[route.endpoint] = peer.id;
  if (!peer.talk) return;

  Conversation& talk = *peer.talk;
  if (talk.punch.state() == Punch::State::knocking) ++counters_.punches_opened;
  talk.punch.on_heard_from(route.endpoint.address);
  talk.punch.on_direct_path();
  if (talk.hard) talk.hard->on_open();
  talk.hard_failed = 0;
  if (!talk.direct_since) talk.direct_since = now;
  talk.last_direct = route.endpoint;
  if (talk.moved_to == route) {
    peer.paths.follow(now, route);
    talk.moved_to.reset();
  }
  talk.next_round.reset();
  talk.round_gap = {};
  step(peer.id, "a direct path is proved: " + route.endpoint.to_string(), StepKind::proved);
  if (route.proto == Proto::udp) peer.paths.find_size(now, route);
  wants_to_send(peer);
}

void Overlay::Conductor::on_paths_lost(TimePoint now, Peer& peer, const std::vector<Path>& lost) {
  on_tcp_paths_lost(now, peer, lost);
  const bool unreachable = !peer.paths.best();
  if (unreachable) on_unseen_by(now, peer.id);
  if (unreachable && homes_.is_home(peer.id)) lose_home(now, peer, "it stopped answering");
  // Its answer came, and then nothing: it has forgotten us before we were registered.
  if (unreachable && homes_.is_dialing(peer.id) && !peer.link.dialing())
    homes_.on_failed(now, peer.id);
  for (const Path& path : lost)
    if (path.kind() == PathKind::direct_udp) forget_direct(path.route.endpoint, peer.id);
  if (peer.is_leaf && !unreachable) relay_.rebind(peer.id, peer.paths.best()->route);
  if (!peer.talk) return;

  Conversation& talk = *peer.talk;
  const auto was_direct = [](const Path& path) { return !path.route.relayed(); };
  if (std::any_of(lost.begin(), lost.end(), was_direct) &&
      !peer.paths.best_of(PathKind::direct_udp)) {
    if (!peer.paths.best_of(PathKind::direct_tcp)) talk.direct_since.reset();
    talk.punch.rest();
    talk.lost_why = "the direct path stopped answering; it is tried again from time to time";
    step(peer.id, "the direct path was lost", StepKind::lost);
    talk.next_round = now + random_.jittered(limits::punch_retry_first);
    talk.round_gap = limits::punch_retry_first;
  }
  if (!peer.paths.best_of(PathKind::relay)) {
    talk.call_gap = {};
    talk.next_call = now;
  }
}

Overlay::Conductor::Outcome Overlay::Conductor::on_reach(TimePoint now, Peer& peer,
                                                         const Reach& reach) {
  if (!peer.talk || !peer.talk->connected) return Drop::unexpected;
  Conversation& talk = *peer.talk;
  auto candidates = knockable(reach.talk.candidates, self_.local());
  const bool changed = candidates != talk.candidates;
  talk.candidates = std::move(candidates);
  talk.nat = reach.talk.nat;
  hear_of_tcp(now, peer, reach.talk);
  if (reach.answer && !changed) return used;
  if (!reach.answer) {
    talk.round = reach.round;
    // Over a proved path, not to wherever this one seems to come from.
    send(peer, Reach{.round = reach.round, .talk = our_talk(&peer), .answer = true});
    if (talk.next_round) talk.next_round = std::max(*talk.next_round, now + limits::punch_patience);
  }
  // A peer that names new addresses has moved, even if the old path is not given up yet.
  if (changed || !peer.paths.best_of(PathKind::direct_udp)) knock_at_peer(now, now, peer);
  if (peer.paths.best_of(PathKind::direct_udp)) return used;
  if (!reach.answer) begin_hard(now, peer, reach.round, false);
  return used;
}

// Both sides knock again, with what they know now of one another.
void Overlay::Conductor::start_round(TimePoint now, Peer& peer) {
  Conversation& talk = *peer.talk;
  talk.next_round.reset();
  const Path* path = peer.paths.best();
  if (peer.paths.best_of(PathKind::direct_udp)) return;
  const bool lost_one = talk.last_direct.has_value();
  talk.next_round =
      now + (talk.round_gap > Duration{} ? talk.round_gap : limits::punch_retry_first);
  if (peer.paths.best_of(PathKind::direct_tcp) && may_have_udp(peer))
    talk.round_gap = std::min<Duration>(talk.round_gap * limits::punch_beside_tcp_growth,
                                        limits::punch_beside_tcp_last);
  else if (lost_one)
    back_off(talk.round_gap, limits::punch_retry_first, limits::punch_retry_last);
  else
    back_off(talk.round_gap, limits::punch_idle_first, limits::punch_idle_last);
  if (!path) return;  // nobody to tell the peer: a call comes first

  ++talk.round;
  step(peer.id, "knocking again, round " + std::to_string(talk.round), StepKind::knock);
  send(peer, path->route, Reach{.round = talk.round, .talk = our_talk(&peer)});
  knock_at_peer(now, now + path->rtt / 2, peer);
  begin_hard(now, peer, talk.round, false);
}

void Overlay::Conductor::knock_at_peer(TimePoint now, TimePoint moment, Peer& peer) {
  Conversation& talk = *peer.talk;
  auto candidates = talk.candidates;
  const auto is_last = [&](const Candidate& c) { return c.endpoint == talk.last_direct; };
  if (talk.last_direct && std::none_of(candidates.begin(), candidates.end(), is_last))
    candidates.push_back({*talk.last_direct, Proto::udp, How::observed});
  begin_knocking(now, moment, peer, std::move(candidates));
  touch(peer);
}

// Where a side has no UDP only a network that both are in is worth a knock: what may be sent to the
// addresses of strangers is needed for connecting by TCP.
void Overlay::Conductor::begin_knocking(TimePoint now, TimePoint moment, Peer& peer,
                                        std::vector<Candidate> candidates) {
  const bool near_only = is_udp_blocked() || peer.talk->nat.mapping == Behaviour::blocked;
  std::erase_if(candidates, [&](const Candidate& candidate) {
    const IpAddress& address = candidate.endpoint.address;
    return !self_.has_family(address.is_v6()) || (near_only && !is_inner(address));
  });
  if (candidates.empty()) return;
  peer.talk->punch.start(now, moment, candidates);
  std::string at;
  for (const Candidate& candidate : candidates)
    at += (at.empty() ? "" : ", ") + candidate.endpoint.to_string();
  step(peer.id, "knocking at " + at, StepKind::knock);
}

void Overlay::Conductor::knock(TimePoint now, Peer& peer) {
  while (const auto knock = peer.talk->punch.poll_knock(now)) {
    const Endpoint& at = knock->candidate.endpoint;
    if (knock->stranger && !knock_budget_.take(now, at.address)) continue;
    const Route route{.endpoint = at};
    const auto ping = peer.paths.knock(now, route, traits_of(peer, route));
    if (ping && send(peer, route, *ping)) ++counters_.knocks_sent;
  }
}

// One has IPv4 alone and the other IPv6 alone; empty where they have one in common.
std::string Overlay::Conductor::no_common_family(const Peer& peer) const {
  const auto& theirs = peer.talk->candidates;
  const auto reachable = [&](const Candidate& c) {
    return self_.has_family(c.endpoint.address.is_v6());
  };
  if (theirs.empty() || std::any_of(theirs.begin(), theirs.end(), reachable)) return {};
  return self_.has_family(true) ? "this side has IPv6 only and the peer IPv4 only"
                                : "this side has IPv4 only and the peer IPv6 only";
}

std::string Overlay::Conductor::why_not_direct(const Peer& peer) const {
  if (!peer.talk) return {};
  const Conversation& talk = *peer.talk;
  if (const std::string why = why_not_by_tcp(peer); !why.empty()) return why;
  if (const std::string why = no_common_family(peer); !why.empty()) return why;
  if (!talk.lost_why.empty() && talk.punch.state() != Punch::State::open) return talk.lost_why;
  return why_relayed(talk.punch, nat_summary(), talk.nat, talk.candidates.size(), talk.hard.get());
}

// --- time ----------------------------------------------------------------------------------------

void Overlay::Conductor::pump_talk(TimePoint now, Peer& peer) {
  Conversation& talk = *peer.talk;
  while (const auto home = talk.call.poll_ask(now)) ask_home(now, peer, *home);
  talk.call.on_timeout(now);
  if (talk.call.state() == Call::State::failed) {
    const std::string why = talk.call.why();
    talk.call.on_answered();
    peer.link.give_up_dial();
    step(peer.id, "the call failed: " + why, StepKind::call);
    if (!talk.connected || (!peer.paths.best() && talk.sessions.empty()))
      return end_talk(now, peer, why);
    back_off(talk.call_gap, limits::call_retry_first, limits::call_retry_last);
    talk.next_call = now + random_.jittered(talk.call_gap);
  }

  knock(now, peer);
  const bool was_knocking = talk.punch.state() == Punch::State::knocking;
  talk.punch.on_timeout(now);
  if (was_knocking && talk.punch.state() == Punch::State::failed) {
    ++counters_.punches_given_up;
    step(peer.id, why_not_direct(peer), StepKind::not_found);
    consider_tcp(now, peer);
  }
  pump_tcp_talk(now, peer);
  if (talk.next_round && now >= *talk.next_round) start_round(now, peer);

  recall(now, peer);
  announce_path(peer);

  const bool in_use = std::any_of(talk.sessions.begin(), talk.sessions.end(), [](const auto& slot) {
    return slot->session->open_streams() > 0;
  });
  if (in_use) talk.last_used = now;
  if (talk.connected && now - talk.last_used >= limits::conversation_idle) {
    send(peer, Bye{ByeReason::idle});
    end_talk(now, peer, "");
  }
}

// Calls again where no path is left, and where the caller lacks a lane to fall back on.
void Overlay::Conductor::recall(TimePoint now, Peer& peer) {
  Conversation& talk = *peer.talk;
  const bool cut_off = !peer.paths.best();
  const bool wanted = cut_off || (talk.called && !peer.paths.best_of(PathKind::relay));
  if (!talk.connected || !wanted || talk.call.state() == Call::State::calling ||
      peer.link.dialing()) {
    talk.next_call.reset();
    return;
  }
  if (!talk.next_call) talk.next_call = now + limits::call_retry_first;
  if (now < *talk.next_call) return;

  const bool direct_only = supernode_endpoint(peer.id).has_value();
  if (direct_only ? !cut_off : homes_.ids().empty() && !is_supernode()) {
    talk.next_call = now + limits::call_retry_last;  // or when a home is gained
    return;
  }
  talk.next_call.reset();
  talk.provisional.reset();
  call(now, peer);
  while (const auto home = talk.call.poll_ask(now)) ask_home(now, peer, *home);
}

void Overlay::Conductor::announce_path(Peer& peer) {
  Conversation& talk = *peer.talk;
  if (!talk.connected) return;
  const Path* best = peer.paths.best();
  const auto route = best ? std::optional(best->route) : std::nullopt;
  if (route == talk.announced) return;
  talk.announced = route;
  PathChanged change{.peer = peer.id, .kind = PathKind::none, .method = Method::none};
  if (best) {
    change.kind = best->kind();
    change.method = best->method;
    change.endpoint = best->route.endpoint;
    change.via = best->via;
    change.rtt = best->rtt;
    repeat_first_flight(peer, *best);
    if (!best->route.relayed()) talk.lost_why.clear();
  }
  if (!best || best->route.relayed()) change.why = why_not_direct(peer);
  step(peer.id, in_words(change), StepKind::path);
  events_.push_back(std::move(change));
  wants_to_send(peer);
}

std::optional<TimePoint> Overlay::Conductor::next_timeout(const Conversation& talk) const {
  std::optional<TimePoint> next = earlier(talk.call.next_timeout(), talk.punch.next_timeout());
  next = earlier(next, talk.next_round);
  if (talk.hard) next = earlier(next, talk.hard->next_timeout());
  next = earlier(next, talk.next_call);
  if (talk.connected) next = earlier(next, talk.last_used + limits::conversation_idle);
  const auto still_until = talk.stranded_since
                               ? std::optional(*talk.stranded_since + limits::stranded_at_most)
                               : std::nullopt;
  for (const auto& slot : talk.sessions) {
    const auto due = slot->session->next_timeout();
    next = earlier(next, due && still_until ? std::max(due, still_until) : due);
    if (slot->idle_since) next = earlier(next, *slot->idle_since + limits::session_drain);
  }
  return next;
}

void Overlay::Conductor::end_talk(TimePoint now, Peer& peer, const std::string& why) {
  if (!peer.talk) return;
  close_sessions(now, peer, why);
  const auto talk = std::move(peer.talk);
  hard_active_.erase(peer.id);
  --talks_;
  if (talk->connected)
    events_.push_back(PeerLost{peer.id, why});
  else if (talk->called)
    events_.push_back(PeerUnreachable{peer.id, why});
  for (const LaneId lane : talk->lanes) {
    peer.paths.remove_lane(lane);
    lanes_.erase(lane);
  }
  if (!homes_.is_dialing(peer.id)) peer.link.give_up_dial();
  touch(peer);
}

}  // namespace byway

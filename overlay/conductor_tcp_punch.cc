// A direct path by TCP, where a side has no UDP: both learn their outside endpoints, tell one
// another in a Meet over the relay, and connect at one moment (overlay/link/tcp_punch.h).
#include <algorithm>

#include "overlay/conductor.h"
#include "overlay/link/reason.h"
#include "overlay/link/tcp_limits.h"
#include "protocol/codec.h"

namespace byway {
namespace {

bool depends_on_destination(Behaviour mapping) {
  return mapping == Behaviour::address_dependent || mapping == Behaviour::address_port_dependent;
}

bool has_direct(const Paths& paths) {
  return paths.best_of(PathKind::direct_udp) || paths.best_of(PathKind::direct_tcp);
}

}  // namespace

// --- what both have to know ---------------------------------------------------------------------

void Overlay::Conductor::add_tcp(Talk& talk) const {
  for (const Candidate& candidate : tcp_view_.candidates())
    if (talk.candidates.size() < max_candidates) talk.candidates.push_back(candidate);
  if (is_udp_blocked()) talk.nat.mapping = Behaviour::blocked;
}

TcpTalk& Overlay::Conductor::tcp_talk(Peer& peer) {
  if (!peer.talk->tcp) peer.talk->tcp = std::make_unique<TcpTalk>();
  return *peer.talk->tcp;
}

void Overlay::Conductor::hear_of_tcp(TimePoint now, Peer& peer, const Talk& talk) {
  if (!peer.talk) return;
  auto theirs = tcp_knockable(talk.candidates, tcp_view_.candidates());
  if (!theirs.empty() && tcp_talk(peer).candidates != theirs) {
    tcp_talk(peer).candidates = std::move(theirs);
    tcp_talk(peer).met.reset();
  }
  if (talk.nat.mapping == Behaviour::blocked) look_by_tcp(now);
  consider_tcp(now, peer);
}

bool Overlay::Conductor::may_have_udp(const Peer& peer) const {
  return !is_udp_blocked() && peer.talk->nat.mapping != Behaviour::blocked &&
         !peer.paths.best_of(PathKind::direct_udp);
}

bool Overlay::Conductor::wants_tcp(const Peer& peer) const {
  if (!peer.talk || !peer.talk->connected || leaving_ || has_direct(peer.paths)) return false;
  const Conversation& talk = *peer.talk;
  if (talk.nat.mapping == Behaviour::blocked || is_udp_blocked()) return true;
  if (talk.tcp && talk.tcp->theirs.outlet != Outlet::unknown) return true;  // the peer does
  // Two NATs that should have been passed: something on the way stops UDP between them.
  return talk.punch.state() == Punch::State::failed && !depends_on_destination(talk.nat.mapping) &&
         !depends_on_destination(nat_summary().mapping);
}

// Has supernodes tell how our TCP looks from outside, where that is not known. One that is looked
// at twice, at both of its ports, shows at least whether every connection gets a port of its own.
// Where these are counted and what was foreseen is used up, one look more tells the next ones.
void Overlay::Conductor::look_by_tcp(TimePoint now) {
  if (is_supernode() || tcp_view_.has_public() || tcp_view_.local().empty()) return;
  const bool once_more = tcp_view_.is_used_up();
  std::size_t views = once_more ? limits::tcp_views - 1 : tcp_view_.views();
  const auto look = [&](const NodeId& home_id, const Endpoint& at) {
    if (views >= limits::tcp_views || (!once_more && connections_.find(home_id, at))) return;
    if (connect_to(now, at, Connections::Purpose::look, home_id)) ++views;
  };
  const auto homes = homes_.ids();
  for (const NodeId& home_id : homes) views += connections_.looking(home_id);
  for (const NodeId& home_id : homes)
    if (const auto endpoint = homes_.endpoint_of(home_id)) look(home_id, *endpoint);
  for (const NodeId& home_id : homes)
    if (const auto endpoint = homes_.endpoint_of(home_id))
      look(home_id, {endpoint->address, limits::https_port});
}

void Overlay::Conductor::consider_tcp(TimePoint now, Peer& peer) {
  if (!wants_tcp(peer)) return;
  look_by_tcp(now);
  if (!tcp_view_.is_ready()) return;
  if (!tcp_talk(peer).met) send_meet(now, peer);
}

// Where we may be reached by TCP, for a peer that then connects at once; we do when it has it.
void Overlay::Conductor::send_meet(TimePoint now, Peer& peer) {
  const Path* path = peer.paths.best();
  if (!path) return;
  const NatSummary nat = tcp_view_.nat();
  Meet meet{tcp_view_.candidates(), nat.mapping, nat.ports, outlet()};
  if (meet.endpoints.size() > max_meet_endpoints) meet.endpoints.resize(max_meet_endpoints);
  const Bytes body = encode(meet);
  if (!send_body(peer, path->route, Area::tcp, body)) return;
  tcp_talk(peer).meet_again = {body, now + limits::tcp_meet_again};
  tcp_view_.on_told();
  tcp_talk(peer).met = now;
  step(peer.id, "telling it where to connect to by TCP", StepKind::tcp);
  const Duration rtt = path->rtt > Duration{} ? path->rtt : peer.rtt_hint;
  connect_at(now, now + std::min<Duration>(rtt / 2, 1s), peer);
}

Overlay::Conductor::Outcome Overlay::Conductor::on_tcp_message(TimePoint now, Peer& peer,
                                                               ByteView body) {
  const auto message = decode_meet(body);
  if (!message) return Drop::undecodable;
  if (!peer.talk || !peer.talk->connected) return Drop::unexpected;
  TcpTalk& tcp = tcp_talk(peer);
  tcp.theirs = *message;
  tcp.candidates = tcp_knockable(tcp.theirs.endpoints, tcp_view_.candidates());
  if (has_direct(peer.paths)) return used;
  // Who has not told the peer yet does so now, and that sets the moment.
  if (tcp.met && now - *tcp.met < limits::tcp_meet_apart) {
    connect_at(now, now, peer);
  } else {
    tcp.met.reset();
    consider_tcp(now, peer);
  }
  return used;
}

// --- connecting ---------------------------------------------------------------------------------

void Overlay::Conductor::connect_at(TimePoint now, TimePoint moment, Peer& peer) {
  TcpTalk& tcp = tcp_talk(peer);
  auto candidates = tcp.candidates;
  const auto at_443 = [](const Endpoint& endpoint) { return endpoint.port == limits::https_port; };
  if (outlet() == Outlet::tcp_443)
    std::erase_if(candidates, [&](const Candidate& c) { return !at_443(c.endpoint); });
  // Its SYNs do not get as far as us, so ours would meet nothing.
  const auto& own = tcp_view_.local();
  if (tcp.theirs.outlet == Outlet::tcp_443 && std::none_of(own.begin(), own.end(), at_443))
    candidates.clear();
  touch(peer);
  if (tcp.punch.start(now, moment, candidates))
    connections_.give_up_attempts(peer.id, Connections::Purpose::punch);
}

void Overlay::Conductor::pump_tcp_talk(TimePoint now, Peer& peer) {
  Conversation& talk = *peer.talk;
  if (!talk.tcp) return;
  TcpTalk& tcp = *talk.tcp;
  if (tcp.meet_again && now >= tcp.meet_again->at) {
    const Bytes body = std::move(tcp.meet_again->body);
    tcp.meet_again.reset();
    if (const Path* path = peer.paths.best()) send_body(peer, path->route, Area::tcp, body);
  }
  while (const auto to = tcp.punch.poll_attempt(now)) {
    bool paid = true;
    for (int i = 0; i < limits::syns_per_attempt; ++i)
      paid = paid && knock_budget_.take(now, to->address);
    // Where ports are counted, one that was tried before keeps its old place.
    const TcpFrom from = tcp_view_.counts() ? TcpFrom::fresh : TcpFrom::listening_only;
    if (!paid || !connect_to(now, *to, Connections::Purpose::punch, peer.id, from)) continue;
    ++counters_.tcp_attempts;
    step(peer.id, "connecting by TCP to " + to->to_string(), StepKind::tcp);
  }
  const bool was_trying = tcp.punch.state() == TcpPunch::State::trying;
  tcp.punch.on_timeout(now);
  if (was_trying && tcp.punch.state() == TcpPunch::State::failed) {
    step(peer.id, why_not_direct(peer), StepKind::not_found);
    // The peer says where its NAT has counted to by then.
    std::erase_if(tcp.candidates, [](const Candidate& c) { return c.how == How::predicted; });
    if (talk.called && !tcp.next_round)
      tcp.next_round = now + random_.jittered(limits::tcp_round_first);
  }
  if (tcp.next_round && now >= *tcp.next_round) start_tcp_round(now, peer);
}

// The next one is due even if nothing comes of this one, not so much as a Meet.
void Overlay::Conductor::start_tcp_round(TimePoint now, Peer& peer) {
  TcpTalk& tcp = *peer.talk->tcp;
  tcp.next_round.reset();
  if (!wants_tcp(peer)) return;
  tcp.round_gap = std::clamp<Duration>(
      std::max(tcp.round_gap, limits::tcp_round_first) * limits::tcp_round_growth,
      limits::tcp_round_first, limits::tcp_round_last);
  tcp.next_round = now + random_.jittered(tcp.round_gap);
  tcp.met.reset();
  consider_tcp(now, peer);
}

// --- what came of it ----------------------------------------------------------------------------

void Overlay::Conductor::on_tcp_path_proved(TimePoint now, Peer& peer, const Route& route) {
  connections_.on_proved(route.connection, peer.id);
  if (!peer.talk) return;
  Conversation& talk = *peer.talk;
  if (talk.tcp && talk.tcp->punch.state() == TcpPunch::State::trying) {
    ++counters_.punches_opened;
    talk.tcp->punch.on_direct_path();
    connections_.give_up_attempts(peer.id, Connections::Purpose::punch);
  }
  if (talk.tcp) talk.tcp->round_gap = {}, talk.tcp->next_round.reset();
  if (!talk.direct_since) talk.direct_since = now;
  if (talk.called && may_have_udp(peer)) {
    talk.next_round = now + random_.jittered(limits::punch_beside_tcp_first);
    talk.round_gap = limits::punch_beside_tcp_first * limits::punch_beside_tcp_growth;
  }
  step(peer.id, "a direct path is proved: TCP, " + route.endpoint.to_string(), StepKind::proved);
  if (const auto probe = peer.paths.probe_size(now, route, limits::probe_packet_size))
    send(peer, route, *probe);
  wants_to_send(peer);

  // Of two connections one is enough. Only one side decides, or both might go.
  const auto is_other = [&](const Path& path) {
    return path.proved && path.kind() == PathKind::direct_tcp && path.route != route;
  };
  const auto& all = peer.paths.all();
  const bool spare = std::any_of(all.begin(), all.end(), is_other);
  if (spare && id() < peer.id && !peer.is_leaf && !homes_.is_home(peer.id))
    drop_connection(peer, route.connection);
}

// What was left because it fell silent.
void Overlay::Conductor::on_tcp_paths_lost(TimePoint now, Peer& peer,
                                           const std::vector<Path>& lost) {
  const bool is_home = homes_.is_home(peer.id);
  for (const Path& path : lost) {
    if (path.route.relayed()) continue;
    if (path.route.proto == Proto::udp && is_home && !peer.paths.best_of(PathKind::direct_udp))
      self_.forget(peer.id);
    if (path.route.proto == Proto::udp) continue;
    connections_.close(path.route.connection);
    tcp_view_.forget(path.route.connection);
    if (!peer.talk || !peer.talk->tcp || has_direct(peer.paths)) continue;
    peer.talk->tcp->punch.rest();
    peer.talk->tcp->next_round = now + random_.jittered(limits::punch_retry_first);
  }
}

// How it came about that this connection leads to the peer.
Method Overlay::Conductor::method_by_tcp(const Peer& peer, const Route& route) const {
  if (homes_.is_home(peer.id) || homes_.is_dialing(peer.id)) return Method::open;
  if (const auto known = supernode_endpoint(peer.id);
      known && known->address == route.endpoint.address)
    return Method::open;
  if (peer.is_leaf) return Method::reverse;
  const auto* connection = connections_.find(route.connection);
  const bool opened = connection && connection->purpose != Connections::Purpose::accepted;
  if (opened && peer.talk && peer.talk->tcp)
    for (const Candidate& candidate : peer.talk->tcp->candidates)
      if (candidate.endpoint == route.endpoint && candidate.how == How::local) return Method::open;
  // To a public address of ours the peer would have come alone.
  return tcp_view_.has_public() ? Method::reverse : Method::tcp_punch;
}

// Nothing: UDP is no matter here, and what is said about it stands.
std::string Overlay::Conductor::why_not_by_tcp(const Peer& peer) const {
  const Conversation& talk = *peer.talk;
  const bool ours = is_udp_blocked(), theirs = talk.nat.mapping == Behaviour::blocked;
  if (!ours && !theirs) return {};
  static const Meet nothing_known;
  static const TcpPunch not_tried;
  const Meet& meet = talk.tcp ? talk.tcp->theirs : nothing_known;
  return why_tcp_relayed({.blocked = ours, .outlet = outlet(), .nat = tcp_view_.nat().mapping},
                         {.blocked = theirs, .outlet = meet.outlet, .nat = meet.mapping},
                         talk.tcp ? talk.tcp->punch : not_tried);
}

}  // namespace byway

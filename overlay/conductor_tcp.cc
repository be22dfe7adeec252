// TCP, where UDP is blocked: supernodes reached by it, and peers with whom we connect at one
// moment.
//
//   a supernode   message 1 goes by UDP; unanswered for 300 ms also by TCP, then by TCP to port 443
//   a home        is asked by UDP again and again; what travels in its lanes takes its best path
//   a peer        both learn their outside endpoints, tell one another in a Meet, and connect
#include <algorithm>

#include "overlay/conductor.h"
#include "overlay/link/reason.h"
#include "overlay/link/tcp_limits.h"
#include "protocol/codec.h"
#include "protocol/match.h"

namespace byway {
namespace {

Route route_by(const Connections::Connection& connection) {
  return {.proto = Proto::tcp, .endpoint = connection.remote, .connection = connection.id};
}

bool depends_on_destination(Behaviour mapping) {
  return mapping == Behaviour::address_dependent || mapping == Behaviour::address_port_dependent;
}

bool has_direct(const Paths& paths) {
  return paths.best_of(PathKind::direct_udp) || paths.best_of(PathKind::direct_tcp);
}

}  // namespace

// --- connections ---------------------------------------------------------------------------------

void Overlay::Conductor::on_local_tcp_endpoints(TimePoint now, std::vector<Endpoint> endpoints) {
  now_ = now;
  tcp_view_.set_local(std::move(endpoints));
  claim_doors(now);
  pump_roles(now);
  settle(now);
}

TcpId Overlay::Conductor::on_tcp_accepted(TimePoint now, const Endpoint& local,
                                          const Endpoint& remote) {
  now_ = now;
  const TcpId id = leaving_ ? 0 : connections_.on_accepted(now, local, remote);
  ++(id ? counters_.tcp_accepted : counters_.tcp_refused);
  return id;
}

void Overlay::Conductor::on_tcp_open(TimePoint now, TcpId id, const Endpoint& local) {
  now_ = now;
  if (const auto* connection = connections_.on_open(now, id, local)) {
    ++counters_.tcp_opened;
    use(now, *connection);
  }
  settle(now);
}

// What we wanted it for can begin.
void Overlay::Conductor::use(TimePoint now, const Connections::Connection& connection) {
  const Route route = route_by(connection);
  if (auto dial = tcp_dials_.extract(connection.id))
    return transmit_raw(now, {.to = connection.remote,
                              .bytes = std::move(dial.mapped()),
                              .proto = Proto::tcp,
                              .connection = connection.id});
  Peer* peer = find(connection.peer);
  const bool dials = connection.purpose == Connections::Purpose::dial;
  const bool punches = connection.purpose == Connections::Purpose::punch;
  if (!peer || (dials && !(peer->link.dialing() && peer->dialled().route)) ||
      (punches && !peer->talk))
    return connections_.close(connection.id);
  touch(*peer);
  step(peer->id, "connected by TCP to " + connection.remote.to_string(), StepKind::tcp);
  if (!dials) return peer->paths.add(now, route, traits_of(*peer, route));
  peer->dial().route = route;
  transmit(route, peer->link.dial_datagram());
}

TcpId Overlay::Conductor::connect_to(TimePoint now, const Endpoint& to,
                                     Connections::Purpose purpose, const NodeId& peer,
                                     TcpFrom from) {
  prover_.on_sent(now, to.address, Proto::tcp);
  return connections_.open(now, to, purpose, peer, from);
}

void Overlay::Conductor::on_tcp_closed(TimePoint now, TcpId id, TcpEnd why) {
  now_ = now;
  if (const auto was = connections_.on_closed(id)) on_connection_gone(now, *was, why);
  settle(now);
}

void Overlay::Conductor::on_connection_gone(TimePoint now, const Connections::Connection& was,
                                            TcpEnd why) {
  tcp_view_.forget(was.id);
  tcp_dials_.erase(was.id);
  Peer* peer = find(was.peer);
  if (!peer || leaving_) return;
  touch(*peer);
  step(peer->id, "by TCP to " + was.remote.to_string() + ": " + std::string(to_string(why)),
       StepKind::tcp);
  if (was.purpose == Connections::Purpose::punch && !was.open && peer->talk && peer->talk->tcp)
    peer->talk->tcp->punch.on_ended(now, was.remote, why);
  if (const auto& dialled = peer->dialled().route; dialled && dialled->connection == was.id)
    peer->dial().route = Route{.endpoint = supernode_endpoint(peer->id).value_or(was.remote)};
  peer->paths.remove_connection(was.id);
}

void Overlay::Conductor::pump_connections(TimePoint now) {
  while (const auto expired = connections_.poll_expired(now)) {
    counters_.tcp_unproved += expired->open;
    on_connection_gone(now, *expired, TcpEnd::timed_out);
  }
}

std::optional<TcpOrder> Overlay::Conductor::poll_tcp() {
  return connections_.poll_order();
}

// --- supernodes ----------------------------------------------------------------------------------

// All our homes are reached by TCP, perhaps only because it was quicker.
bool Overlay::Conductor::lives_by_tcp() const {
  bool by_tcp = false;
  for (const NodeId& home_id : homes_.ids()) {
    const Peer* home = find(home_id);
    const Path* path = home ? home->paths.best() : nullptr;
    if (!path || path->route.relayed()) continue;
    if (path->route.proto == Proto::udp) return false;
    by_tcp = true;
  }
  return by_tcp;
}

// And none of them has answered by UDP, in time to do so.
bool Overlay::Conductor::is_udp_blocked() const {
  if (!lives_by_tcp()) return false;
  const auto homes = homes_.ids();
  return std::any_of(homes.begin(), homes.end(), [&](const NodeId& home_id) {
    const Peer* home = find(home_id);
    return home && home->dialled().udp_trial.failed;
  });
}

Outlet Overlay::Conductor::outlet() const {
  if (homes_.ids().empty()) return is_supernode() ? Outlet::anything : Outlet::unknown;
  if (!lives_by_tcp()) return Outlet::anything;
  // A home that listens elsewhere too, and is reached at 443 only, tells of a narrow way out.
  for (const NodeId& home_id : homes_.ids()) {
    const Peer* home = find(home_id);
    if (!home || homes_.endpoint_of(home_id)->port == limits::https_port) return Outlet::tcp;
    for (const Path& path : home->paths.all())
      if (path.proved && path.kind() == PathKind::direct_tcp &&
          path.route.endpoint.port != limits::https_port)
        return Outlet::tcp;
  }
  return Outlet::tcp_443;
}

// When the handshake under way is to be tried by TCP as well.
std::optional<TimePoint> Overlay::Conductor::tcp_dial_due(const Peer& peer) const {
  if (is_supernode() || leaving_ || tcp_view_.local().empty()) return {};
  const Peer::Dial& dial = peer.dialled();
  if (!peer.link.dialing() || !dial.route) return {};
  if (dial.by_tcp > 1 || peer.paths.best()) return {};
  const Route& route = *dial.route;
  const auto known = supernode_endpoint(peer.id);
  if (!known || route.relayed() || (route.proto == Proto::udp && route.endpoint != *known))
    return {};
  if (dial.by_tcp == 1 && known->port == limits::https_port) return {};
  const Outlet lets_out = outlet();
  if (lets_out == Outlet::tcp_443) return dial.at;
  const int earlier_ways = dial.by_tcp + (lets_out == Outlet::tcp ? 0 : 1);
  return dial.at + earlier_ways * limits::tcp_stagger;
}

void Overlay::Conductor::dial_by_tcp(TimePoint now, Peer& peer) {
  for (auto due = tcp_dial_due(peer); due && now >= *due; due = tcp_dial_due(peer)) {
    Endpoint to = *supernode_endpoint(peer.id);
    if (peer.dial().by_tcp++ > 0) to.port = limits::https_port;
    step(peer.id, "trying " + to.to_string() + " by TCP", StepKind::tcp);
    connect_to(now, to, Connections::Purpose::dial, peer.id);
  }
  if (!peer.link.dialing() && peer.dialled().by_tcp > 0) {
    peer.dial().by_tcp = 0;
    connections_.close_all_of(peer.id, Connections::Purpose::dial);
  }
}

// The question of a handshake went this way, perhaps among others.
bool Overlay::Conductor::was_dialled_by(const Peer& peer, const Route& route) const {
  const auto* connection = connections_.find(route.connection);
  return connection && !route.relayed() && connection->peer == peer.id &&
         connection->purpose == Connections::Purpose::dial;
}

// A home says where it sees us.
void Overlay::Conductor::note_observed(TimePoint now, Peer& home, const Route& route,
                                       const Endpoint& observed) {
  if (route.relayed()) return;
  if (route.proto == Proto::udp) {
    const bool first = !self_.is_seen();
    on_observed(now, home.id, route.endpoint, observed);
    if (!first) return;
    for (auto& [peer_id, peer] : peers_) {  // they do not know where we are by UDP
      if (!peer.talk || peer.paths.best_of(PathKind::direct_udp)) continue;
      peer.talk->next_round = now;
      touch(peer);
    }
    return;
  }
  const auto* connection = connections_.find(route.connection);
  if (!connection) return;
  const auto known = tcp_view_.candidates();
  tcp_view_.on_observed(connection->id, connection->remote, connection->local, observed);
  if (tcp_view_.candidates() == known) return;
  for (auto& [peer_id, peer] : peers_) {
    if (peer.talk && peer.talk->tcp) peer.talk->tcp->met.reset();
    consider_tcp(now, peer);
  }
}

// Before a peer's paths are looked after: is the better way open again, and is a connection spare?
void Overlay::Conductor::tend_connections(TimePoint now, Peer& peer) {
  const Path* best = peer.paths.best();
  const bool by_tcp = best && best->kind() == PathKind::direct_tcp;
  const bool is_home = homes_.is_home(peer.id);
  if (!by_tcp || !is_home) {
    if (peer.dialled().udp_trial.gap > Duration{}) peer.dial().udp_trial = {};
  } else {
    try_udp(now, peer, Path(*best));
    judge_udp(now, peer);
    best = peer.paths.best();
  }
  // Between peers both ends choose, and each would close the other's choice.
  if (!best || best->route.relayed() || (by_tcp && !is_home)) return;
  if (!best->proved_at || now - *best->proved_at < limits::tcp_spare_kept) return;
  std::vector<TcpId> spare;
  for (const Path& path : peer.paths.all()) {
    const auto* connection = connections_.find(path.route.connection);
    if (!connection || path.route.relayed() || path.route == best->route) continue;
    if (connection->purpose == Connections::Purpose::accepted) continue;  // its maker's to close
    if (now - connection->since >= limits::tcp_spare_kept) spare.push_back(connection->id);
  }
  for (const TcpId id : spare) drop_connection(peer, id);
}

void Overlay::Conductor::try_udp(TimePoint now, Peer& home, const Path& by_tcp) {
  Peer::UdpTrial& trial = home.dial().udp_trial;
  if (trial.again && now < *trial.again) return;
  if (!trial.again)
    trial.judged_at = now + std::max<Duration>(limits::udp_patience, 2 * by_tcp.rtt);
  trial.gap = std::clamp(trial.gap * 2, limits::udp_retry_first, limits::udp_retry_last);
  trial.again = now + random_.jittered(trial.gap);
  const Endpoint at = *homes_.endpoint_of(home.id);
  const Route by_udp{.endpoint = at};
  home.paths.add(now, by_udp, traits_of(home, by_udp));
  // At 443 it may only have been quicker, once: is there really no other way out?
  if (by_tcp.route.endpoint.port != at.port && !connections_.find(home.id, at))
    connect_to(now, at, Connections::Purpose::look, home.id);
}

// One datagram that is lost or late makes TCP the quicker way, and no more than that.
void Overlay::Conductor::judge_udp(TimePoint now, Peer& home) {
  Peer::UdpTrial& trial = home.dial().udp_trial;
  if (!trial.judged_at || now < *trial.judged_at) return;
  trial.judged_at.reset();
  trial.failed = true;
  become_ready(now);
  for (auto& [peer_id, peer] : peers_) consider_tcp(now, peer);
}

void Overlay::Conductor::drop_connection(Peer& peer, TcpId id) {
  connections_.close(id);
  tcp_view_.forget(id);
  peer.paths.remove_connection(id);
}

// --- lanes ---------------------------------------------------------------------------------------

// A lane leads through a home. Frames take whatever path to it is best now.
Route Overlay::Conductor::carrier(const Route& route) const {
  const auto own = route.relayed() ? lanes_.find(route.lane) : lanes_.end();
  if (own == lanes_.end()) return route;
  const Peer* home = find(own->second.home);
  const Path* path = home ? home->paths.best() : nullptr;
  if (!path || path->route.relayed()) return route;
  Route carried = path->route;
  carried.lane = route.lane;
  return carried;
}

// The datagram comes from the home that carries this lane of ours.
bool Overlay::Conductor::is_carried_by(const OwnLane& lane, const Datagram& datagram) const {
  if (datagram.proto == Proto::tcp) {
    const auto* connection = connections_.find(datagram.connection);
    return connection && connection->proved && connection->peer == lane.home;
  }
  if (datagram.from == lane.relay) return true;
  const Peer* home = find(lane.home);
  const Path* path = home ? home->paths.find(route_of(datagram)) : nullptr;
  return path && path->proved;
}

// --- peers ---------------------------------------------------------------------------------------

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
  if (!send_body(peer, path->route, Area::tcp, encode(meet))) return;
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

std::optional<TimePoint> Overlay::Conductor::next_tcp_timeout(const Peer& peer) const {
  const Peer::UdpTrial& trial = peer.dialled().udp_trial;
  auto next = earlier(tcp_dial_due(peer), earlier(trial.again, trial.judged_at));
  if (peer.talk && peer.talk->tcp)
    next = earlier(next, earlier(peer.talk->tcp->punch.next_timeout(), peer.talk->tcp->next_round));
  return next;
}

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

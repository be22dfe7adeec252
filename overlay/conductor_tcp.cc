// TCP, where UDP is blocked: our connections, and supernodes that are reached by them. Peers with
// whom we connect at one moment are conductor_tcp_punch.cc.
//
//   a supernode   message 1 goes by UDP; unanswered for 300 ms also by TCP, then by TCP to port 443
//   a home        is asked by UDP again and again; what travels in its lanes takes its best path
#include <algorithm>

#include "overlay/conductor.h"
#include "overlay/link/tcp_limits.h"

namespace byway {
namespace {

Route route_by(const Connections::Connection& connection) {
  return {.proto = Proto::tcp, .endpoint = connection.remote, .connection = connection.id};
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
  if (connections_.size() == 0) return false;
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
    for (Peer& peer : peers_) {  // they do not know where we are by UDP
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
  for (Peer& peer : peers_) {
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
  for (Peer& peer : peers_) consider_tcp(now, peer);
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

// --- time ----------------------------------------------------------------------------------------

std::optional<TimePoint> Overlay::Conductor::next_tcp_timeout(const Peer& peer) const {
  const Peer::UdpTrial& trial = peer.dialled().udp_trial;
  auto next = earlier(tcp_dial_due(peer), earlier(trial.again, trial.judged_at));
  if (!peer.talk || !peer.talk->tcp) return next;
  const TcpTalk& tcp = *peer.talk->tcp;
  next = earlier(next, earlier(tcp.punch.next_timeout(), tcp.next_round));
  return tcp.meet_again ? earlier(next, tcp.meet_again->at) : next;
}

}  // namespace byway

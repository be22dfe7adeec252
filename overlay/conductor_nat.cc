// What the NAT in front of us does: found out with supernodes' help, told, and lived with; and as
// a supernode, helping others to find out.
#include <algorithm>

#include "overlay/conductor.h"
#include "overlay/link/tcp_limits.h"
#include "overlay/reach/nat_limits.h"
#include "protocol/codec.h"
#include "protocol/match.h"
#include "protocol/nat_message.h"

namespace byway {

// --- as somebody with a NAT ----------------------------------------------------------------------

// A home answered, and says where it sees us.
void Overlay::Conductor::on_vantage(TimePoint now, const Peer& home, const Route& route,
                                    const Endpoint& observed) {
  if (!ready_by_) ready_by_ = now + limits::nat::ready_patience;
  if (!config_.study_nat || route.relayed() || route.proto != Proto::udp) return;
  nat_probe_.on_linked(now, home.id, route.endpoint, observed, rtt_to(home));
}

void Overlay::Conductor::on_vantage_lost(const NodeId& home) {
  nat_probe_.on_unlinked(home);
  if (lifetime_probe_.helper() == home) lifetime_probe_.cancel();
}

// Ready is who has a home and knows its NAT, or that no UDP comes through it; who cannot find out
// does not wait for long.
void Overlay::Conductor::become_ready(TimePoint now) {
  if (ready_ || !ready_by_) return;
  const bool known = !config_.study_nat || nat_probe_.settled() || is_udp_blocked();
  if (!known && now < *ready_by_) return;
  ready_ = true;
  events_.push_back(Ready{});
}

// What the questions have told, and where they have not been asked what homes happen to see.
NatSummary Overlay::Conductor::nat_summary() const {
  NatSummary known = nat_probe_.report().udp.summary();
  const NatSummary seen = self_.nat();
  if (known.mapping == Behaviour::unknown) known.mapping = seen.mapping;
  if (known.ports == Ports::unknown) known.ports = seen.ports;
  if (is_udp_blocked()) known.mapping = known.filtering = Behaviour::blocked;
  return known;
}

NatReport Overlay::Conductor::nat_report() const {
  NatReport report = nat_probe_.report();
  const NatSummary udp = nat_summary();
  report.udp.mapping = udp.mapping;
  report.udp.filtering = udp.filtering;
  report.udp.ports = udp.ports;
  const NatSummary tcp = tcp_view_.nat();
  report.tcp.mapping = tcp.mapping;
  report.tcp.ports = tcp.ports;
  if (tcp_probe_) report.tcp.filtering = tcp_probe_->filtering();
  if (tcp.mapping == Behaviour::none && report.tcp.filtering == Behaviour::endpoint_independent)
    report.tcp.filtering = Behaviour::none;
  return report;
}

// How often a path is kept alive: by what the NAT forgets after, once that is known.
Duration Overlay::Conductor::keepalive() const {
  namespace nat = limits::nat;
  const auto part = [](Duration lifetime) {
    const auto wanted = std::chrono::duration_cast<Duration>(lifetime * nat::keepalive_part);
    return std::clamp<Duration>(wanted, nat::keepalive_least, nat::keepalive_most);
  };
  if (const auto lifetime = nat_probe_.report().udp.lifetime) return part(*lifetime);
  const auto dead = lifetime_probe_.running() ? lifetime_probe_.dead() : std::nullopt;
  if (!dead) return limits::keepalive;
  return std::min<Duration>(limits::keepalive,
                            part(std::max<Duration>(lifetime_probe_.alive(), *dead / 2)));
}

void Overlay::Conductor::adapt_keepalives() {
  const Duration wanted = keepalive();
  if (std::exchange(kept_alive_every_, wanted) == wanted) return;
  step({}, "paths are kept alive every " +
               std::to_string(std::chrono::duration_cast<std::chrono::seconds>(wanted).count()) +
               " s");
  for (Peer& peer : peers_) {
    std::vector<Route> routes;
    for (const Path& path : peer.paths.all())
      if (path.keepalive && !path.route.relayed()) routes.push_back(path.route);
    for (const Route& route : routes) peer.paths.set_keepalive(route, wanted);
  }
}

// The lifetime is looked for once the rest is known, where there is something to forget a binding.
void Overlay::Conductor::look_after_lifetime(TimePoint now) {
  const NatBehaviour& nat = nat_probe_.report().udp;
  const bool forgets = nat.mapping != Behaviour::unknown && nat.mapping != Behaviour::blocked &&
                       nat.filtering != Behaviour::none;
  const bool wanted = nat_probe_.settled() && !nat_probe_.measuring() && forgets && !nat.lifetime &&
                      !is_supernode() && !leaving_;
  if (!wanted) {
    if (!nat_probe_.settled() || is_supernode()) lifetime_probe_.cancel();
  } else if (lifetime_probe_.known()) {
    nat_probe_.on_lifetime(lifetime_probe_.alive());
    lifetime_probe_.forget();
  } else if (!lifetime_probe_.running()) {
    if (const auto vantage = nat_probe_.vantage())
      lifetime_probe_.begin(now, vantage->id, vantage->at);
  }
  adapt_keepalives();
}

void Overlay::Conductor::ask_about_nat(const NatAsk& ask) {
  Peer* peer = find(ask.to);
  const Path* path = peer && peer->link.confirmed() ? peer->paths.best() : nullptr;
  if (!path) return;  // nobody answers then, which is what the asker takes it for
  Route route = path->route;
  if (ask.socket != main_socket) route = Route{.socket = ask.socket, .endpoint = ask.at};
  send_body(*peer, route, Area::nat, encode(ask.message));
}

bool Overlay::Conductor::on_nat_arrival(TimePoint now, const Datagram& datagram) {
  if (sockets_.use_of(datagram.socket) != SocketUse::nat) return false;
  const auto nonce = parse_dialback(datagram.bytes);
  if (!nonce) return false;
  return nat_probe_.on_arrival(now, datagram.socket, *nonce, datagram.from) ||
         lifetime_probe_.on_arrival(now, datagram.socket, *nonce);
}

// One connection for what is let in, and then one to another supernode for how it is mapped.
void Overlay::Conductor::study_tcp(TimePoint now) {
  if (!tcp_probe_ || leaving_ || is_supernode() || tcp_view_.local().empty()) return;
  const auto homes = homes_.ids();
  std::size_t views = tcp_view_.views();
  for (const NodeId& home_id : homes) {
    views += connections_.looking(home_id);
    Peer* home = find(home_id);
    const Path* path = home ? home->paths.best_of(PathKind::direct_tcp) : nullptr;
    if (!path || tcp_probe_->is_begun()) continue;
    const TryFilter wish = tcp_probe_->begin(now, home_id, path->rtt);
    send_body(*home, path->route, Area::nat, encode(NatMessage(wish)));
  }
  if (tcp_probe_->is_begun() && !tcp_probe_->is_settled()) return;
  const std::size_t wanted = tcp_probe_->is_settled() ? limits::tcp_views : 1;
  for (const NodeId& home_id : homes) {
    const auto endpoint = homes_.endpoint_of(home_id);
    if (views >= wanted || !endpoint || connections_.has_gone_to(endpoint->address)) continue;
    if (connect_to(now, *endpoint, Connections::Purpose::look, home_id)) ++views;
  }
}

bool Overlay::Conductor::on_tcp_arrival(const Datagram& datagram) {
  const auto nonce = parse_dialback(datagram.bytes);
  const bool stranger = !connections_.has_gone_to(datagram.from.address);
  if (!nonce || !tcp_probe_ || !tcp_probe_->on_arrival(*nonce, stranger)) return false;
  connections_.close(datagram.connection);
  return true;
}

// --- as a supernode ------------------------------------------------------------------------------

// The socket that is our other port.
void Overlay::Conductor::serve_nat() {
  if (!other_port_) other_port_ = sockets_.open(SocketUse::nat);
}

void Overlay::Conductor::stop_serving_nat() {
  if (!other_port_) return;
  sockets_.close(*std::exchange(other_port_, std::nullopt));
  nat_service_.on_other_port(std::nullopt, {});
}

// Somebody to whom the asker is a stranger: at another address than ours, and best not one of its
// homes, which it may have sent to.
std::optional<NodeId> Overlay::Conductor::stranger_to(const Peer& asker, const Endpoint& from) {
  std::vector<NodeId> named;
  if (const RecordPtr record = registrar_.record_of(asker.id)) named = record->record().homes;
  const View& view = membership_->view();
  std::vector<NodeId> others = homes_.all();
  std::erase_if(others, [&](const NodeId& known) { return is_member(known); });
  const std::size_t count = view.known() + others.size();
  if (count == 0) return {};
  std::set<IpAddress> own;
  for (const Endpoint& endpoint : own_endpoints()) own.insert(endpoint.address);

  std::optional<NodeId> second_best;
  const std::size_t start = random_.below(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t number = (start + i) % count;
    const View::Member* member = number < view.known() ? &view.at(number) : nullptr;
    if (member && !member->admitted) continue;
    const NodeId& candidate = member ? member->id() : others[number - view.known()];
    const auto endpoint = supernode_endpoint(candidate);
    if (!endpoint || candidate == id() || candidate == asker.id) continue;
    const IpAddress& address = endpoint->address;
    if (address.is_v4() != from.address.is_v4() || address == from.address || own.contains(address))
      continue;
    if (std::find(named.begin(), named.end(), candidate) == named.end()) return candidate;
    if (!second_best) second_best = candidate;
  }
  return second_best;
}

// --- both ----------------------------------------------------------------------------------------

// What comes from a spare socket of somebody's makes no path of it: nothing else is sent there.
Overlay::Conductor::Outcome Overlay::Conductor::on_nat(TimePoint now, Peer& from,
                                                       const Route& route, ByteView body,
                                                       std::size_t size) {
  const auto message = decode_nat(body);
  if (!message) return Drop::undecodable;
  if (route.relayed()) return Drop::unexpected;
  const bool by_udp = route.proto == Proto::udp;
  const NatService::Asker asker{from.id, route.endpoint, route.proto};
  const auto answer = [&](const std::optional<Sighting>& view) -> Outcome {
    if (!view) return Drop::probe_quota;
    const Bytes body_out = encode(NatMessage(*view));
    if (1 + body_out.size() + sealed_overhead > size) return Drop::oversize_answer;
    send_body(from, route, Area::nat, body_out);
    return used;
  };
  const auto expected = [](bool it_was) -> Outcome {
    return it_was ? used : Outcome(Drop::unexpected);
  };
  return std::visit(
      Match{
          [&](const Look& look) -> Outcome {
            if (!is_supernode() || !by_udp) return Drop::unexpected;
            return answer(nat_service_.on_look(now, asker, look));
          },
          [&](const TryFilter& wish) -> Outcome {
            if (!is_supernode()) return Drop::unexpected;
            return answer(
                nat_service_.on_try_filter(now, asker, wish, stranger_to(from, route.endpoint)));
          },
          [&](const TryLate& wish) -> Outcome {
            if (!is_supernode()) return Drop::unexpected;
            return answer(nat_service_.on_try_late(now, asker, wish));
          },
          [&](const Sighting& view) {
            return expected((tcp_probe_ && tcp_probe_->on_sighting(now, from.id, view)) ||
                            lifetime_probe_.on_sighting(now, from.id, route.socket, view) ||
                            nat_probe_.on_sighting(now, from.id, route.socket, view));
          },
          [&](const StrangerTried& tried) {
            return expected((tcp_probe_ && tcp_probe_->on_stranger_tried(now, from.id, tried)) ||
                            nat_probe_.on_stranger_tried(now, from.id, tried));
          },
          [&](const StrangerOrder& order) -> Outcome {
            if (!is_supernode() || !supernode_endpoint(from.id)) return Drop::unexpected;
            nat_service_.on_order(now, from.id, route.endpoint.address, order);
            return used;
          },
          [&](const StrangerDone& done) { return expected(nat_service_.on_done(from.id, done)); },
      },
      *message);
}

void Overlay::Conductor::pump_nat(TimePoint now) {
  look_after_lifetime(now);
  study_tcp(now);
  if (std::exchange(filtering_, nat_probe_.report().udp.filtering) !=
      nat_probe_.report().udp.filtering)
    claim_doors(now);
  while (const auto ask = nat_probe_.poll_ask(now)) ask_about_nat(*ask);
  while (const auto ask = lifetime_probe_.poll_ask(now)) ask_about_nat(*ask);
  while (auto knock = nat_probe_.poll_transmit()) transmit_raw(now, std::move(*knock));
  // From a port that the asker cannot have connected to.
  while (auto echo = nat_service_.poll_transmit(now))
    dial_to_prove(now, std::move(*echo), TcpFrom::fresh);
  while (const auto letter = nat_service_.poll_letter())
    if (!tell(now, letter->to, Area::nat, encode(letter->message)))
      nat_service_.on_lost(letter->to);
  become_ready(now);
}

void Overlay::Conductor::on_nat_timeout(TimePoint now) {
  nat_probe_.on_timeout(now);
  lifetime_probe_.on_timeout(now);
  if (tcp_probe_) tcp_probe_->on_timeout(now);
  nat_service_.on_timeout(now);
}

std::optional<TimePoint> Overlay::Conductor::next_nat_timeout() const {
  std::optional<TimePoint> next = nat_service_.next_timeout();
  if (!leaving_) next = earlier(next, nat_probe_.next_timeout());
  if (!leaving_) next = earlier(next, lifetime_probe_.next_timeout());
  if (tcp_probe_ && !leaving_) next = earlier(next, tcp_probe_->next_timeout());
  if (!ready_ && !leaving_) next = earlier(next, ready_by_);
  return next;
}

}  // namespace byway

#include "overlay/conductor.h"

#include "overlay/survey/survey_limits.h"

#include "protocol/codec.h"
#include "protocol/packet.h"
#include "protocol/stun.h"

namespace byway {
namespace {

Drop drop_for(const boost::system::error_code& error) {
  switch (static_cast<Error>(error.value())) {
    case Error::unknown_session:
      return Drop::unknown_session;
    case Error::replayed:
      return Drop::replayed;
    case Error::truncated:
    case Error::malformed:
      return Drop::malformed;
    default:
      return Drop::unauthentic;
  }
}

Promotion::Config promotion_config(const OverlayConfig& config) {
  Promotion::Config promotion;
  if (config.role)
    promotion.told =
        *config.role == Role::leaf ? Promotion::Told::leaf : Promotion::Told::supernode;
  promotion.volunteers = config.volunteers && config.relay;
  promotion.promote_after = config.promote_after;
  promotion.capacity = config.max_leaves;
  return promotion;
}

// Nobody else knows it, and it takes nothing from what Random would say.
std::uint64_t table_salt(const Crypto& crypto, const Identity& identity) {
  const Key digest = crypto.hmac(identity.seed(), bytes_of("byway lane table"));
  return load_be<std::uint64_t>(ByteView{digest}.first(8));
}

PeerBook open_book(const OverlayConfig& config, const Crypto& crypto, Random& random) {
  auto saved = PeerBook::load(config.peer_book, crypto, random.fork(), config.netgroup_bits_v4,
                              config.netgroup_bits_v6);
  if (saved) return std::move(*saved);
  return {crypto, random.fork(), config.netgroup_bits_v4, config.netgroup_bits_v6};
}

}  // namespace

Overlay::Conductor::Conductor(OverlayConfig config, const Identity& identity, const Crypto& crypto,
                              Random random, TimePoint now, WallTime wall)
    : config_(std::move(config)),
      identity_(identity),
      crypto_(crypto),
      random_(std::move(random)),
      boot_(random_.u64()),
      wall_known_at_(now),
      wall_known_(wall),
      stamps_(wall),
      cookies_(crypto, identity.id(), random_),
      handshake_load_(limits::handshakes_per_second, limits::handshake_burst),
      new_records_(limits::new_records_per_second, limits::new_records_burst,
                   limits::tracked_strangers),
      stun_rate_(limits::stun_per_prefix, limits::stun_per_prefix, limits::tracked_strangers),
      archive_(config_.archive ? config_.archive : std::make_shared<Archive>(crypto)),
      membership_(mesh_deadline_,
                  MembershipConfig{config_.netgroup_bits_v4, config_.netgroup_bits_v6}, identity_,
                  *archive_, random_.fork(), now, wall),
      book_(open_book(config_, crypto, random_)),
      placement_(crypto, config_.netgroup_bits_v4, config_.netgroup_bits_v6),
      store_(directory_deadline_, id(), placement_, record_source()),
      keeper_(directory_deadline_, id(), placement_, random_.fork()),
      lookup_(directory_deadline_, placement_, record_source(), random_.fork()),
      homes_(random_.fork(), config_.netgroup_bits_v4, config_.netgroup_bits_v6),
      registrar_(config_.max_leaves),
      relay_({.total = config_.relay_rate, .pair = config_.lane_rate, .node = config_.node_rate},
             table_salt(crypto, identity)),
      relay_month_(config_.relay_monthly_cap, config_.relay_month),
      prover_(identity.id(), crypto, random_.fork(), config_.netgroup_bits_v4,
              config_.netgroup_bits_v6),
      proof_helper_(identity.id(), random_.fork(), config_.netgroup_bits_v4,
                    config_.netgroup_bits_v6),
      dialler_(identity_),
      promotion_(now, random_.fork(), promotion_config(config_)),
      lan_(identity.id(), crypto, random_.fork()),
      started_(now),
      survey_rate_(limits::surveys_per_asker, limits::surveys_burst, limits::tracked_strangers),
      survey_load_(limits::surveys_per_second, limits::surveys_per_second_burst),
      nat_probe_(sockets_, random_.fork()),
      lifetime_probe_(sockets_, random_.fork()),
      nat_service_(crypto, random_.fork()),
      distance_probe_(random_.fork()) {
  self_.set_local(config_.local_endpoints);
  homes_.set_families(self_.has_family(false), self_.has_family(true));
  tcp_view_.set_local(config_.local_tcp_endpoints);
  nat_probe_.on_local_endpoints(config_.local_endpoints);
  if (config_.study_tcp) tcp_probe_.emplace(random_.fork());
  for (const Seed& seed : config_.seeds)
    if (seed.id != id()) homes_.add_supernode(now, seed.id, seed.endpoint);
  start_anew(now);
  pump_book(now);
  pump_roles(now);
  settle(now);
}

// --- facts -------------------------------------------------------------------------------------

// A datagram that is for us, wherever it came along.
Overlay::Conductor::Outcome Overlay::Conductor::take(TimePoint now, const Route& route,
                                                     ByteView bytes) {
  switch (classify(bytes)) {
    case PacketKind::handshake1:
      return on_handshake1(now, route, bytes);
    case PacketKind::handshake2:
      return on_handshake2(now, route, bytes);
    case PacketKind::cookie:
      return on_cookie(now, route, bytes);
    case PacketKind::sealed:
      return on_sealed(now, route, bytes);
    case PacketKind::quic_long:
    case PacketKind::quic_short:
      return on_quic(now, route, bytes);
    case PacketKind::stun:
    case PacketKind::dialback:
    case PacketKind::dialback_echo:
    case PacketKind::relay:
    case PacketKind::lan:
      return Drop::malformed;  // inside a lane
    case PacketKind::unknown:
      break;
  }
  return Drop::unknown_kind;
}

Overlay::Conductor::Outcome Overlay::Conductor::on_stun(TimePoint now, const Datagram& datagram) {
  if (is_stun_response(datagram.bytes)) return on_stun_answer(now, datagram);
  if (!is_supernode()) return Drop::unexpected;
  const IpAddress& from = datagram.from.address;
  if (!stun_rate_.take(now, from.prefix(from.is_v4() ? 24 : 48))) return Drop::stun_rate;
  auto response = stun_binding_response(datagram.bytes, datagram.from);
  if (!response) return Drop::malformed;
  ++counters_.stun_answered;
  transmit(route_of(datagram), std::move(*response));
  return used;
}

Overlay::Conductor::Outcome Overlay::Conductor::on_sealed(TimePoint now, const Route& route,
                                                          ByteView bytes) {
  const auto index = receiver_index(bytes);
  if (!index) return Drop::malformed;
  Peer* peer = indices_.owner(*index);
  if (!peer) return Drop::unknown_session;
  // Nobody's traffic comes in a lane that was opened for somebody else.
  if (route.relayed() && lanes_.at(route.lane).peer != peer->id) return Drop::unknown_lane;

  auto opened = peer->link.open(now, bytes);
  if (!opened) return drop_for(opened.error());
  touch(*peer);
  if (opened->confirms) on_confirmed(now, *peer, route);
  if (opened->plaintext.empty()) return Drop::undecodable;
  const ByteView body = ByteView(opened->plaintext).subspan(1);
  switch (static_cast<Area>(opened->plaintext[0])) {
    case Area::link:
      break;
    case Area::directory:
      heard_from(now, *peer, route);
      return on_directory(now, *peer, route, body);
    case Area::mesh:
      heard_from(now, *peer, route);
      return on_mesh(now, *peer, body);
    case Area::punch:
      heard_from(now, *peer, route);
      return on_punch(now, *peer, body);
    case Area::proof:
      heard_from(now, *peer, route);
      return on_proof(now, *peer, route, body);
    case Area::tcp:
      heard_from(now, *peer, route);
      return on_tcp_message(now, *peer, body);
    case Area::survey:
      heard_from(now, *peer, route);
      return on_survey(now, *peer, route, body);
    case Area::nat:
      return on_nat(now, *peer, route, body, bytes.size());
    default:
      return Drop::undecodable;
  }
  const auto message = decode_message(body);
  if (!message) return Drop::undecodable;
  heard_from(now, *peer, route);
  return on_message(now, *peer, route, *message, bytes.size());
}

void Overlay::Conductor::heard_from(TimePoint now, Peer& peer, const Route& route) {
  peer.heard_at = now;
  if (peer.is_leaf) registrar_.on_heard_from(now, peer.id);
  if (peer.paths.find(route)) return note_direct(peer, route);
  // A new way to reach it, or somebody who only claims to be there: what is sent to try it comes
  // from the same budget as knocks.
  const bool by_udp = !route.relayed() && route.proto == Proto::udp && !hard_tried(peer, route);
  if (by_udp && !knock_budget_.take(now, route.endpoint.address)) return;
  peer.paths.add(now, route, traits_of(peer, route));
  note_direct(peer, route);
}

// It speaks from there, so what opens a session may come from there as well: its side may have
// proved the path already, while all that we sent to prove it was lost.
void Overlay::Conductor::note_direct(const Peer& peer, const Route& route) {
  if (!peer.talk || route.relayed() || route.proto != Proto::udp) return;
  NodeId& speaks = direct_peers_.try_emplace(route.endpoint, peer.id).first->second;
  if (speaks != peer.id && !find(speaks)) speaks = peer.id;
  if (direct_peers_.size() <= limits::paths_per_peer * peers_.size()) return;
  erase_if(direct_peers_, [&](const auto& direct) {
    const Peer* its = find(direct.second);
    const auto leads_there = [&](const Path& path) { return path.route.endpoint == direct.first; };
    return !its || std::none_of(its->paths.all().begin(), its->paths.all().end(), leads_there);
  });
}

Overlay::Conductor::Outcome Overlay::Conductor::on_message(TimePoint now, Peer& peer,
                                                           const Route& route,
                                                           const Message& message,
                                                           std::size_t size) {
  if (const auto* ping = std::get_if<Ping>(&message)) return on_ping(now, peer, route, *ping, size);
  if (const auto* pong = std::get_if<Pong>(&message)) return on_pong(now, peer, route, *pong);
  if (const auto* bye = std::get_if<Bye>(&message)) return on_bye(now, peer, *bye);
  if (const auto* reach = std::get_if<Reach>(&message)) return on_reach(now, peer, *reach);
  if (const auto* introduce = std::get_if<Introduce>(&message))
    return on_introduce(now, peer, *introduce);
  if (const auto* introduction = std::get_if<Introduction>(&message))
    return on_introduction(now, peer, *introduction);
  if (const auto* result = std::get_if<IntroduceResult>(&message))
    return on_introduce_result(now, peer, *result);
  if (const auto* samples = std::get_if<Samples>(&message)) {
    on_samples(now, peer, *samples);
    return used;
  }
  if (const auto* gone = std::get_if<HomeGone>(&message)) return on_home_gone(now, peer, *gone);
  if (const auto* refusal = std::get_if<Refusal>(&message)) return on_refusal(now, peer, *refusal);
  if (const auto* registration = std::get_if<Registration>(&message))
    return on_new_record(now, peer, *registration);
  if (std::holds_alternative<Registered>(message)) return on_record_taken(peer);
  return Drop::unexpected;
}

Overlay::Conductor::Outcome Overlay::Conductor::on_ping(TimePoint now, Peer& peer,
                                                        const Route& route, const Ping& ping,
                                                        std::size_t size) {
  if (ping.rtt_us > 0) peer.rtt_hint = std::chrono::microseconds{ping.rtt_us};
  Pong pong{ping.nonce, route.relayed() ? Endpoint{} : route.endpoint};
  const Bytes answer = encode(pong);
  if (1 + answer.size() + sealed_overhead > size) return Drop::oversize_answer;
  send_body(peer, route, Area::link, answer);
  if (peer.is_leaf) look_after_leaf(now, peer);
  return used;
}

Overlay::Conductor::Outcome Overlay::Conductor::on_pong(TimePoint now, Peer& peer,
                                                        const Route& route, const Pong& pong) {
  if (peer.paths.on_pong(now, route, pong.nonce) || on_hard_pong(now, peer, route, pong))
    on_path_proved(now, peer, route);
  if (is_supernode() && !route.relayed()) on_alive(now, peer);
  if (homes_.is_home(peer.id) || homes_.is_dialing(peer.id)) on_home_pong(now, peer, route, pong);
  return used;
}

Overlay::Conductor::Outcome Overlay::Conductor::on_bye(TimePoint now, Peer& peer, const Bye& bye) {
  const std::string why = bye.reason == ByeReason::leaving     ? "it has left"
                          : bye.reason == ByeReason::unwilling ? "it does not want to talk"
                                                               : "";
  if (peer.talk) end_talk(now, peer, why);
  if (bye.reason != ByeReason::leaving) return used;
  if (homes_.is_home(peer.id)) {
    lose_home(now, peer, "it is leaving");
    // It waits for us to have gone, unless something of ours goes through it.
    if (homes_.sound() > 0 && !carries_lanes(peer.id)) send(peer, Bye{ByeReason::leaving});
  }
  if (peer.is_leaf) {
    lose_leaf(now, peer);
    peer.wanted_until =
        std::max(peer.wanted_until.value_or(now), now + limits::heard_after_goodbye);
  }
  return used;
}

void Overlay::Conductor::on_wall_clock(TimePoint now, WallTime wall) {
  wall_known_at_ = now;
  wall_known_ = wall;
  membership_.change().on_wall_clock(now, wall);
}

// A spare socket's facts are for whoever asked for it.
void Overlay::Conductor::on_socket_opened(TimePoint now, SocketId socket, const Endpoint& bound) {
  const auto use = sockets_.use_of(socket);
  if (!use) return;
  if (*use == SocketUse::nat) {
    if (socket == other_port_)
      nat_service_.on_other_port(socket, bound);
    else
      nat_probe_.on_socket_opened(socket, bound);
  }
  settle(now);
}

void Overlay::Conductor::on_socket_failed(TimePoint now, SocketId socket) {
  const auto use = sockets_.on_failed(socket);
  if (!use) return;
  if (*use == SocketUse::nat) {
    if (socket == other_port_)
      other_port_.reset();
    else if (!nat_probe_.on_socket_failed(now, socket))
      lifetime_probe_.on_socket_failed(now, socket);
  }
  settle(now);
}

void Overlay::Conductor::add_seed(TimePoint now, const Seed& seed) {
  if (seed.id != id()) homes_.add_supernode(now, seed.id, seed.endpoint);
  settle(now);
}

WallTime Overlay::Conductor::wall(TimePoint now) const {
  return wall_known_ + std::chrono::duration_cast<std::chrono::milliseconds>(now - wall_known_at_);
}

// --- time --------------------------------------------------------------------------------------

void Overlay::Conductor::on_timeout(TimePoint now) {
  now_ = now;
  answer_waiting(now);
  while (Peer* due = timers_.pop_due(now)) touch(*due);
  relay_.on_timeout(now);
  while (const auto leaf = registrar_.poll_expired(now))
    if (Peer* peer = find(*leaf)) lose_leaf(now, *peer);
  prover_.on_timeout(now);
  proof_helper_.on_timeout(now);
  dialler_.on_timeout(now);
  // Above all: whoever waited to step up looks again whether it is still needed.
  if (const auto due = promotion_.next_timeout(); due && now >= *due) assess_needs(now);
  promotion_.on_timeout(now);
  pump_lan(now);
  on_nat_timeout(now);
  pump_roles(now);
  pump_book(now);
  pump_connections(now);
  announcement_.on_timeout(now);
  pump_announcement();
  if (is_supernode()) {
    warn_again(now);
    if (mesh_deadline_.may_be_due(now) || (rejoin_at_ && now >= *rejoin_at_)) {
      membership_.change().on_timeout(now);
      pump_mesh(now);
    }
    if (directory_deadline_.may_be_due(now)) {
      keeper_.change().on_timeout(now);
      lookup_.change().on_timeout(now);
      store_.change().on_timeout(now);
      pump_directory(now);
    }
  }
  settle(now);
}

std::optional<TimePoint> Overlay::Conductor::next_timeout() const {
  if (!handshakes_waiting_.empty()) return now_;
  std::optional<TimePoint> next = timers_.next();
  next = earlier(next, relay_.next_timeout());
  next = earlier(next, registrar_.next_timeout());
  if (!is_supernode() && !leaving_) {
    next = earlier(next, homes_.next_timeout());
    next = earlier(next, distance_probe_.next_timeout());
    next = earlier(next, announcement_.next_timeout());
    if (const auto hungry = homes_.hungry_at(); hungry && book_.size() > 0)
      next = earlier(next, std::max(*hungry, ask_book_at_));
  }
  next = earlier(next, prover_.next_timeout());
  next = earlier(next, proof_helper_.next_timeout());
  next = earlier(next, dialler_.next_timeout());
  next = earlier(next, promotion_.next_timeout());
  if (!leaving_ && book_.size() > 0) next = earlier(next, book_.next_feeler());
  next = earlier(next, lan_.next_timeout());
  next = earlier(next, connections_.next_timeout());
  next = earlier(next, survey_.next_timeout());
  next = earlier(next, next_nat_timeout());
  if (is_supernode()) {
    next = earlier(next, mesh_deadline_.next([&] { return membership_->next_timeout(); }));
    next = earlier(next, directory_deadline_.next([&] {
      return earlier(earlier(keeper_->next_timeout(), lookup_->next_timeout()),
                     store_->next_timeout());
    }));
    next = earlier(next, rejoin_at_);
    if (!warnings_.empty()) next = earlier(next, warnings_[0].at);
  }
  return next;
}

std::optional<TimePoint> Overlay::Conductor::next_timeout(const Peer& peer) const {
  std::optional<TimePoint> next = earlier(peer.link.next_timeout(), peer.paths.next_timeout());
  if (peer.pending) next = earlier(next, peer.pending->expires);
  next = earlier(next, peer.wanted_until);
  if (peer.talk) next = earlier(next, next_timeout(*peer.talk));
  next = earlier(next, next_tcp_timeout(peer));
  return next;
}

void Overlay::Conductor::settle(TimePoint now) {
  now_ = now;
  run_homes(now);
  pump_survey(now);
  pump_nat(now);
  if (mesh_deadline_.is_changed() && is_supernode() && membership_->has_output()) pump_mesh(now);
  while (!touched_.empty()) {
    Peer* peer = touched_.pop();
    if (!peer) continue;
    peer->is_touched = false;
    pump(now, *peer);
  }
  settle_due_ = false;
}

// Lets every machine of this peer do what is due.
void Overlay::Conductor::pump(TimePoint now, Peer& peer) {
  pump_handshake(now, peer);
  pump_paths(now, peer);
  if (peer.talk) pump_talk(now, peer);
  if (peer.talk) pump_hard(now, peer);
  if (peer.talk) pump_sessions(now, peer);
  if (!peer.spare.empty()) close_unused(peer);
  if (!is_needed(peer)) return forget(peer.id);
  timers_.set(peer, next_timeout(peer));
}

void Overlay::Conductor::pump_paths(TimePoint now, Peer& peer) {
  peer.paths.on_timeout(now);
  tend_connections(now, peer);
  while (const auto probe = peer.paths.poll_ping(now)) send(peer, probe->route, probe->ping);
  const auto lost = peer.paths.take_lost();
  if (!lost.empty()) on_paths_lost(now, peer, lost);
  if (homes_.is_home(peer.id)) worry_about_homes(now, peer);
  if (peer.talk) worry_about_own_place(now, peer);
  if (peer.wanted_until && now >= *peer.wanted_until) peer.wanted_until.reset();
}

bool Overlay::Conductor::is_needed(const Peer& peer) const {
  return peer.is_leaf || peer.talk || peer.wanted_until || peer.pending || peer.link.dialing() ||
         homes_.is_home(peer.id) || homes_.is_dialing(peer.id);
}

void Overlay::Conductor::forget(const NodeId& id) {
  Peer& peer = *find(id);
  for (const SocketId socket : peer.spare) sockets_.close(socket);
  hard_active_.erase(id);
  if (peer.is_guest) std::erase(greeted_, id);
  connections_.close_all_of(id);
  std::erase_if(lanes_, [&](const auto& lane) { return lane.second.peer == id; });
  for (const Path& path : peer.paths.all()) forget_direct(path.route.endpoint, id);
  timers_.set(peer, std::nullopt);
  if (peer.is_touched)
    for (std::size_t i = 0; i < touched_.size(); ++i)
      if (touched_[i] == &peer) touched_[i] = nullptr;
  sendable_.erase(id);
  peer_index_.erase(&peer);
  peers_.erase(peer.place);
}

// Not by going through all of them: a supernode has 100,000.
void Overlay::Conductor::forget_direct(const Endpoint& endpoint, const NodeId& id) {
  const auto direct = direct_peers_.find(endpoint);
  if (direct != direct_peers_.end() && direct->second == id) direct_peers_.erase(direct);
}

Peer* Overlay::Conductor::find(const NodeId& id) {
  const auto found = peer_index_.find(id);
  return found == peer_index_.end() ? nullptr : *found;
}
const Peer* Overlay::Conductor::find(const NodeId& id) const {
  const auto found = peer_index_.find(id);
  return found == peer_index_.end() ? nullptr : *found;
}

Peer& Overlay::Conductor::ensure_peer(const NodeId& id) {
  if (Peer* known = find(id)) return *known;
  Peer& peer = peers_.emplace_back(crypto_, identity_, id, random_.fork());
  peer.place = std::prev(peers_.end());
  peer_index_.insert(&peer);
  return peer;
}

// --- what to do ----------------------------------------------------------------------------------

void Overlay::Conductor::transmit_raw(TimePoint now, Transmit transmit) {
  prover_.on_sent(now, transmit.to.address, transmit.proto);
  ++counters_.datagrams_out;
  counters_.bytes_out += transmit.bytes.size();
  transmits_.push(std::move(transmit));
}

void Overlay::Conductor::transmit(const Route& way, Bytes bytes) {
  const Route route = carrier(way);
  ++counters_.datagrams_out;
  counters_.bytes_out += bytes.size();
  prover_.on_sent(now_, route.endpoint.address, route.proto);
  if (route.relayed()) bytes = make_relay_frame(route.lane, bytes);
  transmits_.push({.to = route.endpoint,
                   .bytes = std::move(bytes),
                   .socket = route.socket,
                   .proto = route.proto,
                   .connection = route.connection});
}

bool Overlay::Conductor::send(Peer& peer, const Route& route, const Message& message) {
  return send_body(peer, route, Area::link, encode(message));
}

bool Overlay::Conductor::send_body(Peer& peer, const Route& route, Area area, ByteView body) {
  prover_.foresee(route.endpoint.address, route.proto);
  plaintext_.assign(1, static_cast<std::uint8_t>(area));
  append(plaintext_, body);
  auto sealed = peer.link.seal(plaintext_);
  if (!sealed) return false;
  transmit(route, std::move(*sealed));
  return true;
}

bool Overlay::Conductor::send(Peer& peer, const Message& message) {
  const Path* path = peer.paths.best();
  return path && send(peer, path->route, message);
}

std::optional<SocketOrder> Overlay::Conductor::poll_socket() {
  return sockets_.poll(transmits_.empty());
}

std::optional<Transmit> Overlay::Conductor::poll_transmit(TimePoint now) {
  now_ = now;
  if (!touched_.empty()) settle(now);
  while (transmits_.empty()) {
    Peer* peer = next_to_send();
    if (!peer) break;
    if (auto packets = poll_session(now, *peer)) return packets;
    sendable_.erase(peer->id);
    timers_.set(*peer, next_timeout(*peer));  // pacing says when to go on
  }
  if (transmits_.empty()) return {};
  Transmit next = transmits_.pop();
  if (!next.borrowed.empty()) --borrowed_;
  return next;
}

// Small ones are not worth keeping: a packet would have to grow them.
void Overlay::Conductor::reuse(Bytes spent) {
  if (spent.capacity() >= limits::packet_size) spares_.give(std::move(spent));
}

std::optional<Event> Overlay::Conductor::poll_event() {
  if (settle_due_) settle(now_);
  if (events_.empty()) hear_sessions();
  if (events_.empty()) return {};
  Event next = std::move(events_.front());
  events_.pop_front();
  return next;
}

void Overlay::Conductor::leave(TimePoint now) {
  if (is_supernode()) leave_mesh(now);  // so that nobody has to find out
  leaving_ = true;
  const auto say_goodbye = [&](Peer& peer) {
    send(peer, Bye{ByeReason::leaving});
    if (peer.talk) end_talk(now, peer, "this node is leaving");
  };
  // Those behind a lane first: whoever carries it closes it when it hears that we go.
  for (Peer& peer : peers_)
    if (const Path* path = peer.paths.best(); path && path->route.relayed()) say_goodbye(peer);
  for (Peer& peer : peers_) say_goodbye(peer);
}

}  // namespace byway

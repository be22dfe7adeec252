#include "tools/sim/host.h"

#include <algorithm>

#include "protocol/lan_packet.h"
#include "tools/sim/event_words.h"
#include "tools/sim/world.h"

namespace byway::sim {
namespace {

// A node that asks to be woken again and again at one moment would hold up a real machine.
constexpr int alarms_allowed_at_once = 10'000;
constexpr std::size_t events_kept = 100'000;
constexpr std::size_t read_at_once = 64 * 1024;
constexpr std::string_view say_service = "say";

}  // namespace

// --- routers --------------------------------------------------------------------------------

Router::Router(World& world, std::string name, const Nat& nat)
    : world_(world), station_(world.network().add_router(std::move(name), nat)) {}

Router& Router::behind(Router& outer) {
  world_.network().place(station_, world_.network().inside(outer.station_));
  return *this;
}

Router& Router::lan(IpAddress prefix) {
  world_.network().set_lan(station_, prefix);
  return *this;
}

Router& Router::wire(const Wire& wire) {
  world_.network().wire(station_) = wire;
  return *this;
}

void Router::reboot(bool new_address) {
  world_.network().reboot(station_, new_address);
}
const IpAddress& Router::address() const {
  return world_.network().address(station_);
}
NatBox& Router::nat() {
  return world_.network().nat(station_);
}

// --- where it stands ------------------------------------------------------------------------

Host::Host(World& world, Kind kind, std::string name, Random random)
    : world_(world),
      kind_(kind),
      name_(std::move(name)),
      random_(std::move(random)),
      identity_(Identity::generate(random_, world.crypto())),
      station_(world.network().add_host(name_, this)) {}

Host::~Host() = default;

Host& Host::behind(const Nat& nat) {
  if (nat.is_open()) return *this;
  Network& network = world_.network();
  const std::string router_name = name_ + (outer_router_ ? "'s isp" : "'s nat");
  const StationId router = network.add_router(router_name, nat);
  network.place(outer_router_ ? *outer_router_ : station_, network.inside(router));
  outer_router_ = router;
  moved();
  return *this;
}

Host& Host::behind(Router& router) {
  Network& network = world_.network();
  network.place(outer_router_ ? *outer_router_ : station_, network.inside(router.station()));
  outer_router_ = router.station();
  moved();
  return *this;
}

Host& Host::on_lan_of(Host& other) {
  Network& network = world_.network();
  network.place(station_, network.zone(other.station_));
  outer_router_ = other.outer_router_;
  moved();
  return *this;
}

Host& Host::in_the_open() {
  world_.network().place(station_, internet);
  outer_router_.reset();
  moved();
  return *this;
}

Host& Host::at(std::string_view address) {
  const auto parsed = IpAddress::parse(address);
  ensure(parsed.has_value());
  world_.network().place(station_, world_.network().zone(station_), *parsed);
  moved();
  return *this;
}

Host& Host::port(std::uint16_t port) {
  ensure(!started_);
  main_port_ = port;
  return *this;
}

Host& Host::wire(const Wire& wire) {
  world_.network().wire(world_.network().outermost(station_)) = wire;
  return *this;
}

Host& Host::spare_sockets(std::size_t count) {
  spare_sockets_ = count;
  return *this;
}

Host& Host::claims(std::vector<Endpoint> endpoints) {
  claimed_ = std::move(endpoints);
  moved();
  return *this;
}

Host& Host::listens_at(std::uint16_t tcp_port) {
  ensure(!started_);
  tcp_ports_.push_back(tcp_port);
  return *this;
}

Host& Host::configured(std::function<void(OverlayConfig&)> change) {
  ensure(!started_);
  configure_ = std::move(change);
  return *this;
}

void Host::moved() {
  if (!overlay_) return;
  overlay_->on_local_endpoints(now(), local_endpoints());
  overlay_->on_local_tcp_endpoints(now(), local_tcp_endpoints());
  settle();
}

Endpoint Host::endpoint() const {
  return {world_.network().address(station_), main_port_};
}

std::vector<Endpoint> Host::local_endpoints() const {
  return claimed_.empty() ? std::vector{endpoint()} : claimed_;
}

// --- life -----------------------------------------------------------------------------------

void Host::start() {
  if (started_ || kind_ == Kind::stranger) return;
  started_ = true;
  restart();
}

void Host::restart() {
  crash();
  peer_book_.clear();
  kept_proof_.clear();
  restart_with_state();
}

void Host::restart_with_state() {
  started_ = true;
  crash();
  OverlayConfig config;
  config.peer_book = peer_book_;
  config.kept_proof = kept_proof_;
  config.role = kind_ == Kind::supernode ? Role::supernode : Role::leaf;
  config.seeds = world_.seeds_for(*this);
  config.local_endpoints = local_endpoints();
  config.local_tcp_endpoints = local_tcp_endpoints();
  if (configure_) configure_(config);
  ports_ = {{main_socket, main_port_}};
  for (const Endpoint& endpoint : local_tcp_endpoints()) tcp_.listen(endpoint.port);
  world_.note(*this, "starts");
  overlay_ = std::make_unique<Overlay>(std::move(config), identity_, world_.crypto(),
                                       random_.fork(), now(), world_.wall());
  settle();
}

void Host::crash() {
  if (!overlay_) return;
  world_.note(*this, "crashes");
  peer_book_ = overlay_->peer_book();
  kept_proof_ = overlay_->kept_proof();
  overlay_.reset();
  ports_.clear();
  tcp_.forget_everything();
  connections_.clear();
  connection_ids_.clear();
  refused_.clear();
  for (const auto& [stream, message] : sending_) undelivered_.push_back(message.text);
  sending_.clear();
  receiving_.clear();
  ready_ = false;
}

void Host::leave() {
  overlay().leave(now());
  settle();
  crash();
}

void Host::unplug() {
  world_.network().set_plugged(station_, false);
}
void Host::plug_in() {
  world_.network().set_plugged(station_, true);
}

void Host::router_reboots(bool new_address) {
  const Network& network = world_.network();
  ensure(network.zone(station_) != internet);
  world_.network().reboot(*network.router_of(station_), new_address);
}

void Host::router_maps(std::uint16_t outside_port) {
  const Network& network = world_.network();
  ensure(network.zone(station_) != internet);
  NatBox& nat = world_.network().nat(*network.router_of(station_));
  nat.pin(outside_port, endpoint());
  const bool is_firewall = nat.nat().mapping == Behaviour::none;  // it leaves addresses alone
  is_told([&](Overlay& overlay, TimePoint at) {
    overlay.on_mapped(at, Proto::udp,
                      {is_firewall ? endpoint().address : nat.outside(), outside_port});
  });
}

void Host::is_told(const std::function<void(Overlay&, TimePoint)>& what) {
  what(overlay(), now());
  settle();
}

void Host::sleeps_for(Duration duration) {
  asleep_ = true;
  unplug();
  world_.run_for(duration);
  plug_in();
  asleep_ = false;
  is_told([](Overlay& overlay, TimePoint at) { overlay.on_network_change(at); });
}

Overlay& Host::overlay() {
  start();
  ensure(overlay_ != nullptr);
  return *overlay_;
}

TimePoint Host::now() const {
  return world_.now();
}

// --- the shell ------------------------------------------------------------------------------

// Carries out everything the core has decided. Called after every input, never in between.
// What is published may be answered by a command at once, hence the loop until all is quiet.
void Host::settle() {
  for (bool quiet = false; !quiet;) {
    quiet = true;
    while (auto event = overlay_->poll_event()) publish(*event), quiet = false;
    while (auto data = overlay_->poll_data(now())) carry_out(*data), quiet = false;
    while (auto order = overlay_->poll_socket()) carry_out(*order), quiet = false;
    while (auto transmit = overlay_->poll_transmit(now())) carry_out(*transmit), quiet = false;
    while (auto order = overlay_->poll_tcp()) carry_out(*order), quiet = false;
    if (settle_tcp()) quiet = false;
  }
  if (auto deadline = overlay_->next_timeout()) world_.network().set_alarm(station_, *deadline);
  if (auto deadline = tcp_.next_timeout()) world_.network().set_alarm(station_, *deadline);
}

// --- TCP ------------------------------------------------------------------------------------

std::vector<Endpoint> Host::local_tcp_endpoints() const {
  const IpAddress& address = world_.network().address(station_);
  std::vector<Endpoint> all{{address, main_port_}};
  for (const std::uint16_t port : tcp_ports_) all.push_back({address, port});
  if (kind_ == Kind::supernode) all.push_back({address, 443});
  return all;
}

void Host::carry_out(const TcpOrder& order) {
  if (const auto* wish = std::get_if<OpenTcp>(&order)) {
    TcpEnds ends{{world_.network().address(station_), main_port_}, wish->to};
    bool begun = wish->from != TcpFrom::fresh && tcp_.connect(now(), ends);
    if (!begun && wish->from != TcpFrom::listening_only) {
      ends.local.port = static_cast<std::uint16_t>(32'768 + random_.below(28'232));
      begun = tcp_.connect(now(), ends);
    }
    if (!begun) return refused_.push_back(wish->id);
    connections_[wish->id] = ends;
    connection_ids_[ends] = wish->id;
    return;
  }
  const auto found = connections_.find(std::get<CloseTcp>(order).id);
  if (found == connections_.end()) return;
  tcp_.close(found->second);
  connection_ids_.erase(found->second);
  connections_.erase(found);
}

void Host::hear(TcpStack::Event& event) {
  using What = TcpStack::Event::Kind;
  if (event.kind == What::accepted) {
    const TcpId id = overlay_->on_tcp_accepted(now(), event.ends.local, event.ends.remote);
    if (id == 0) return tcp_.close(event.ends);
    connections_[id] = event.ends;
    connection_ids_[event.ends] = id;
    return;
  }
  const auto found = connection_ids_.find(event.ends);
  if (found == connection_ids_.end()) return;  // closed by us meanwhile
  const TcpId id = found->second;
  if (event.kind == What::opened) return overlay_->on_tcp_open(now(), id, event.ends.local);
  if (event.kind == What::datagram) {
    const auto drops_before = overlay_->counters().drops;
    overlay_->on_datagram(
        now(),
        {.from = event.ends.remote, .bytes = event.bytes, .proto = Proto::tcp, .connection = id});
    return note_drops(drops_before);
  }
  connection_ids_.erase(found);
  connections_.erase(id);
  overlay_->on_tcp_closed(now(), id, event.why);
}

// True: something happened.
bool Host::settle_tcp() {
  bool any = false;
  for (const TcpId id : std::exchange(refused_, {})) {
    overlay_->on_tcp_closed(now(), id, TcpEnd::taken);
    any = true;
  }
  while (auto event = tcp_.poll_event()) hear(*event), any = true;
  while (auto segment = tcp_.poll_segment()) {
    any = true;
    // From an address that it has no more nothing leaves a host.
    if (segment->ends.local.address != world_.network().address(station_)) continue;
    world_.network().send(station_, {.from = segment->ends.local,
                                     .to = segment->ends.remote,
                                     .bytes = std::move(segment->bytes),
                                     .proto = Proto::tcp});
  }
  return any;
}

void Host::on_segment(TimePoint when, const Endpoint& from, std::uint16_t port, ByteView bytes) {
  const IpAddress& own = world_.network().address(station_);
  tcp_.on_segment(when, {{own, port}, from}, bytes);
  if (overlay_) return settle();
  // Nobody runs: the kernel says so.
  while (auto segment = tcp_.poll_segment())
    world_.network().send(station_, {.from = segment->ends.local,
                                     .to = segment->ends.remote,
                                     .bytes = std::move(segment->bytes),
                                     .proto = Proto::tcp});
}

void Host::carry_out(const Transmit& transmit) {
  const auto connection = connections_.find(transmit.connection);
  if (transmit.proto == Proto::tcp && connection == connections_.end()) return;
  const auto port = ports_.find(transmit.socket);
  if (port == ports_.end()) return world_.note(*this, "has no such socket");
  const Endpoint from{world_.network().address(station_), port->second};
  ByteView rest = transmit.view();
  const std::size_t segment = transmit.segment_size ? transmit.segment_size : rest.size();
  do {
    const ByteView datagram = rest.first(std::min(segment, rest.size()));
    rest = rest.subspan(datagram.size());
    if (transmit.proto == Proto::tcp) {
      tcp_.send(now(), connection->second, datagram);
      continue;
    }
    world_.network().send(station_, {.from = from,
                                     .to = transmit.to,
                                     .bytes = to_bytes(datagram),
                                     .ttl = transmit.ttl,
                                     .proto = transmit.proto});
  } while (!rest.empty());
}

void Host::carry_out(const SocketOrder& order) {
  if (const auto* close = std::get_if<CloseSocket>(&order)) {
    ports_.erase(close->id);
    return;
  }
  const auto& open = std::get<OpenSocket>(order);
  const Endpoint wanted = open.bind.value_or(Endpoint{});
  const std::uint16_t port = wanted.port != 0 ? wanted.port : free_port();
  if (ports_.size() > spare_sockets_ || listens_on(port))
    return overlay_->on_socket_failed(now(), open.id);
  ports_[open.id] = port;
  overlay_->on_socket_opened(now(), open.id, {world_.network().address(station_), port});
}

std::uint16_t Host::free_port() {
  std::uint16_t port;
  do {
    port = static_cast<std::uint16_t>(32'768 + random_.below(28'232));
  } while (listens_on(port));
  return port;
}

bool Host::listens_on(std::uint16_t port) const {
  if (kind_ == Kind::stranger) return true;
  if (port == lan_port) return overlay_ != nullptr;
  return std::any_of(ports_.begin(), ports_.end(),
                     [&](const auto& entry) { return entry.second == port; });
}

void Host::on_datagram(TimePoint when, const Endpoint& from, std::uint16_t port, ByteView bytes) {
  if (kind_ == Kind::stranger) return received_.push_back({from, to_bytes(bytes)});
  auto sockets = ports_;
  if (overlay_) sockets[lan_socket] = lan_port;
  for (const auto& [socket, its_port] : sockets) {
    if (its_port != port) continue;
    const auto drops_before = overlay_->counters().drops;
    const Datagram datagram{.from = from, .bytes = bytes, .socket = socket};
    overlay_->on_datagrams(when, {&datagram, 1});
    note_drops(drops_before);
    return settle();
  }
}

void Host::note_drops(const std::array<std::uint64_t, drop_kinds>& before) {
  const auto& after = overlay_->counters().drops;
  for (std::size_t i = 0; i < drop_kinds; ++i)
    if (after[i] != before[i])
      world_.note(*this, "drops it: " + std::string(explain(static_cast<Drop>(i))));
}

void Host::on_alarm(TimePoint when) {
  if (!overlay_ || asleep_) return;
  tcp_.on_timeout(when);
  const auto deadline = overlay_->next_timeout();
  if (deadline && *deadline <= when) {
    alarms_at_once_ = when == last_alarm_ ? alarms_at_once_ + 1 : 0;
    last_alarm_ = when;
    ensure(alarms_at_once_ < alarms_allowed_at_once);
    overlay_->on_timeout(when);
  }
  settle();
}

void Host::publish(const Event& event) {
  if (world_.network().story().is_told())
    world_.note(*this, world_.with_names(in_words(
                           event, [this](const NodeId& id) { return world_.name_of(id); })));
  if (!std::holds_alternative<Step>(event) && events_.size() < events_kept)
    events_.push_back(event);

  if (std::holds_alternative<Ready>(event)) ready_ = true;
  if (const auto* e = std::get_if<PeerConnected>(&event)) gave_up_.erase(e->peer);
  if (const auto* e = std::get_if<PeerUnreachable>(&event)) gave_up_[e->peer] = e->why;
  if (const auto* e = std::get_if<StreamOpened>(&event)) return on_stream(*e);
  if (const auto* e = std::get_if<StreamReadable>(&event)) return read_from(e->stream);
  if (const auto* e = std::get_if<StreamWritable>(&event)) return write_to(e->stream);
  const auto* closed = std::get_if<StreamClosed>(&event);
  if (!closed) return;
  receiving_.erase(closed->stream);
  if (const auto sent = sending_.find(closed->stream); sent != sending_.end()) {
    if (!closed->why.empty()) undelivered_.push_back(sent->second.text);
    sending_.erase(sent);
  }
}

// --- messages -------------------------------------------------------------------------------

void Host::say(Host& to, std::string_view text) {
  to.start();
  const auto stream =
      overlay().open_stream(now(), to.id(), {.service = std::string(say_service), .detail = {}});
  if (!stream) {
    world_.note(*this, "cannot open a stream to " + to.name() + ": " + stream.error().message());
    undelivered_.emplace_back(text);
    return;
  }
  sending_[*stream] = {std::string(text)};
  write_to(*stream);
  settle();
}

void Host::write_to(StreamId stream) {
  const auto found = sending_.find(stream);
  if (found == sending_.end()) return;
  auto& [text, written] = found->second;
  if (written == text.size()) return;
  written += overlay_->write(now(), stream, bytes_of(text).subspan(written));
  if (written == text.size()) overlay_->finish(now(), stream);
}

void Host::on_stream(const StreamOpened& opened) {
  if (opened.header.service != say_service) return overlay_->reset(now(), opened.stream);
  receiving_[opened.stream];
  read_from(opened.stream);
}

// The receiver finishes when it has the whole message, so that a clean end tells the sender so.
void Host::read_from(StreamId stream) {
  for (;;) {
    const auto read = overlay_->read(now(), stream, read_at_once);
    const auto message = receiving_.find(stream);
    if (message != receiving_.end()) message->second += text_of(read.bytes);
    if (read.end && message != receiving_.end()) {
      inbox_.push_back(std::move(message->second));
      receiving_.erase(message);
      overlay_->finish(now(), stream);
    }
    if (read.end || read.bytes.empty()) return;
  }
}

void Host::talk_to(Host& peer) {
  peer.start();
  overlay().connect(now(), peer.id());
  settle();
}

void Host::survey(Host& supernode, const SurveyQuestion& question) {
  supernode.start();
  overlay().survey(now(), {supernode.id(), supernode.endpoint()}, question);
  settle();
}

void Host::send(const Endpoint& to, ByteView bytes) {
  send_as(endpoint(), to, bytes);
}

void Host::send_as(const Endpoint& from, const Endpoint& to, ByteView bytes) {
  world_.network().send(station_, {.from = from, .to = to, .bytes = to_bytes(bytes)});
}

// --- what it sees ---------------------------------------------------------------------------

std::vector<std::string> Host::inbox() const {
  return inbox_;
}

PeerStatus Host::path_to(const Host& peer) const {
  const auto status = overlay_ ? overlay_->peer(peer.id()) : std::nullopt;
  return status ? *status : PeerStatus{};
}

bool Host::reaches(const Host& peer, Via via) const {
  switch (path_to(peer).path) {
    case PathKind::none:
      return via == Via::nothing;
    case PathKind::relay:
      return via == Via::relay;
    default:
      return via == Via::direct;
  }
}

OverlayStatus Host::status() const {
  return overlay_ ? overlay_->status(now()) : OverlayStatus{};
}

const Counters& Host::counters() const {
  ensure(overlay_ != nullptr);
  return overlay_->counters();
}

std::optional<std::string> Host::gave_up_on(const Host& peer) const {
  const auto why = gave_up_.find(peer.id());
  return why == gave_up_.end() ? std::nullopt : std::optional(why->second);
}

}  // namespace byway::sim

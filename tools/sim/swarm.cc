#include "tools/sim/swarm.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "overlay/core/foresight.h"
#include "overlay/directory/placement.h"
#include "overlay/mesh/mesh_limits.h"
#include "overlay/mesh/view.h"
#include "protocol/message.h"
#include "protocol/packet.h"
#include "tools/sim/network.h"

namespace byway::sim {
namespace {

constexpr TimePoint start_of_time = TimePoint{} + 2h;
constexpr WallTime start_of_wall_time{std::chrono::milliseconds{1'800'000'000'000}};
constexpr std::uint16_t port = 7000;
constexpr std::size_t known_to_a_newcomer = 8;
constexpr std::size_t looked_ahead = 16;
// A node that wants to be woken at the same moment again and again would be for ever.
constexpr int wakes_at_once = 10'000'000;

}  // namespace

// --- what is counted -----------------------------------------------------------------------------

std::string_view to_string(Traffic kind) {
  switch (kind) {
    case Traffic::handshakes:
      return "handshakes";
    case Traffic::pings:
      return "pings";
    case Traffic::leaves:
      return "leaves";
    case Traffic::mesh:
      return "mesh";
    case Traffic::directory:
      return "directory";
    case Traffic::proofs:
      return "proofs";
    case Traffic::other:
      return "other";
  }
  return "?";
}

void Flow::count(Traffic kind, std::size_t size) {
  ++datagrams[static_cast<std::size_t>(kind)];
  bytes[static_cast<std::size_t>(kind)] += size;
}

void Flow::add(const Flow& other) {
  for (std::size_t i = 0; i < traffic_kinds; ++i) {
    datagrams[i] += other.datagrams[i];
    bytes[i] += other.bytes[i];
  }
}

std::uint64_t Flow::all_datagrams() const {
  std::uint64_t sum = 0;
  for (const auto count : datagrams) sum += count;
  return sum;
}

std::uint64_t Flow::all_bytes() const {
  std::uint64_t sum = 0;
  for (const auto size : bytes) sum += size;
  return sum;
}

ByteView Swarm::inside(ByteView datagram) {
  if (datagram.size() <= sealed_overhead || classify(datagram) != PacketKind::sealed) return {};
  return datagram.subspan(sealed_header_size, datagram.size() - sealed_overhead);
}

Traffic Swarm::kind_of(ByteView datagram) {
  switch (classify(datagram)) {
    case PacketKind::handshake1:
    case PacketKind::handshake2:
    case PacketKind::cookie:
      return Traffic::handshakes;
    case PacketKind::dialback:
    case PacketKind::dialback_echo:
      return Traffic::proofs;
    case PacketKind::sealed:
      break;
    default:
      return Traffic::other;
  }
  const ByteView message = inside(datagram);
  if (message.empty()) return Traffic::other;
  switch (static_cast<Area>(message[0])) {
    case Area::link:
      // Pings and pongs are short; what a home and its leaves say to one another carries records.
      return message.size() < 100 ? Traffic::pings : Traffic::leaves;
    case Area::proof:
      return Traffic::proofs;
    case Area::mesh:
      return Traffic::mesh;
    case Area::directory:
      return Traffic::directory;
    default:
      return Traffic::other;
  }
}

// --- beginning -----------------------------------------------------------------------------------

Swarm::Swarm(const SwarmOptions& options)
    : options_(options),
      random_(options.seed),
      crypto_(options.seed),
      archive_(std::make_shared<Archive>(crypto_)),
      netgroups_(options.netgroups ? options.netgroups
                                   : std::max<std::size_t>(8, options.supernodes / 4)),
      start_(start_of_time),
      now_(start_of_time) {
  hosts_.reserve(options.supernodes + options.leaves + 1024);
  build_old_network();
  for (std::size_t i = 0; i < options.leaves; ++i)
    later(random_.upto(options.arrival), [this] { add(Kind::leaf); });
  if (options.median_life > Duration{}) set_churn(options.median_life);
}

// A network as it is after years: everybody knows the others and is vouched for by its neighbours.
void Swarm::build_old_network() {
  const std::size_t count = options_.supernodes;
  for (std::size_t i = 0; i < count; ++i) {
    Host& host = hosts_.emplace_back();
    const auto id = static_cast<HostId>(hosts_.size() - 1);
    supernodes_.push_back(id);
    make(host, Kind::supernode, i % netgroups_);
    start(id, {});
  }
  std::map<Position, HostId> ring;
  for (const HostId id : supernodes_) ring[position_of(hosts_[id].id())] = id;
  std::vector<HostId> round;
  for (const auto& [_, id] : ring) round.push_back(id);

  View view(options_.netgroup_bits, 32);
  Placement placement(crypto_, options_.netgroup_bits, 32);
  const WallTime since = wall() - std::chrono::hours{1};
  for (std::size_t at = 0; at < count; ++at) {
    const Host& host = hosts_[round[at]];
    std::vector<VoucherPtr> vouchers;
    for (const std::size_t off : {count - 2, count - 1, std::size_t{1}, std::size_t{2}}) {
      const Host& by = hosts_[round[(at + off) % count]];
      const bool known = std::any_of(vouchers.begin(), vouchers.end(),
                                     [&](const VoucherPtr& v) { return v->by == by.id(); });
      if (&by == &host || known) continue;
      vouchers.push_back(archive_->voucher(
          host.id(), Voucher::sign(*by.identity, host.id(), host.endpoint.address, since)));
    }
    keep_nearest(position_of(host.id()), vouchers, limits::vouchers_kept);
    view.put(archive_->dossier(host.overlay->own_record(), std::move(vouchers)), since, true);
  }
  while (view.poll_change()) {
  }
  view.each_admitted([&](const View::Member& member) { placement.add(member.dossier->record); });
  for (const HostId id : supernodes_) {
    hosts_[id].overlay->adopt(now_, view, placement);
    hosts_[id].started = hosts_[id].born = now_ - 1h;
    settle(id);
  }
}

// --- population ----------------------------------------------------------------------------------

void Swarm::make(Host& host, Kind kind, std::optional<std::size_t> netgroup) {
  const auto octet = [](std::size_t number) { return static_cast<std::uint8_t>(number); };
  IpAddress address;
  if (kind == Kind::supernode) {
    const std::size_t group = netgroup.value_or(random_.below(netgroups_));
    // A /24 of its own: of one that is shared only two would be admitted.
    if (group >= born_.size()) born_.resize(group + 1);
    host.netgroup = group;
    const std::size_t number = born_[group]++;
    address = IpAddress::v4({octet(20 + group / 250), octet(group % 250), octet(number % 250),
                             octet(1 + number / 250 % 250)});
  } else {
    const std::size_t number = leaves_born_++;
    address = IpAddress::v4(
        {octet(60 + number / 62'500), octet(number / 250 % 250), octet(number % 250), 7});
  }
  host.kind = kind;
  host.identity = std::make_unique<Identity>(Identity::generate(random_, crypto_));
  host.endpoint = {address, port};
  host.x = static_cast<float>(random_.unit());
  host.y = static_cast<float>(random_.unit());
  host.born = now_;
  const auto id = static_cast<HostId>(&host - hosts_.data());
  by_id_[host.id()] = id;
  by_endpoint_[host.endpoint] = {id, kind, host.x, host.y};
}

Swarm::HostId Swarm::add(Kind kind, std::optional<std::size_t> netgroup, const Crypto* crypto) {
  Host& host = hosts_.emplace_back();
  const auto id = static_cast<HostId>(hosts_.size() - 1);
  make(host, kind, netgroup);
  host.crypto = crypto;
  (kind == Kind::supernode ? supernodes_ : leaves_).push_back(id);
  start(id, some_supernodes(known_to_a_newcomer));
  return id;
}

std::vector<byway::Seed> Swarm::some_supernodes(std::size_t count) {
  std::vector<byway::Seed> some;
  for (std::size_t tries = 0; tries < 8 * count && some.size() < count; ++tries) {
    const Host& host = hosts_[supernodes_[random_.below(supernodes_.size())]];
    if (!host.is_running()) continue;
    const bool known = std::any_of(some.begin(), some.end(),
                                   [&](const byway::Seed& seed) { return seed.id == host.id(); });
    if (!known) some.push_back({host.id(), host.endpoint});
  }
  return some;
}

void Swarm::start(HostId id, std::vector<byway::Seed> seeds, Bytes book) {
  Host& host = hosts_[id];
  ++host.life;
  host.started = now_;
  host.alarm.reset();
  OverlayConfig config;
  config.role = host.kind == Kind::supernode ? Role::supernode : Role::leaf;
  config.seeds = std::move(seeds);
  config.peer_book = std::move(book);
  // A leaf has an address of its own at home, which says nothing to anybody else.
  config.local_endpoints = {host.kind == Kind::supernode
                                ? host.endpoint
                                : Endpoint{IpAddress::v4({192, 168, 1, 2}), port}};
  config.netgroup_bits_v4 = options_.netgroup_bits;
  config.max_leaves = options_.max_leaves;
  config.archive = archive_;
  host.overlay =
      std::make_unique<Overlay>(std::move(config), *host.identity,
                                host.crypto ? *host.crypto : crypto_, random_.fork(), now_, wall());
  if (on_start) on_start(id);
  settle(id);
}

void Swarm::stop(HostId id, bool farewell) {
  Host& host = hosts_[id];
  if (on_stop) on_stop(id, farewell);
  host.book = host.overlay->peer_book();
  host.overlay.reset();
  host.alarm.reset();
  host.spare.clear();
  host.homes.clear();
  host.homed_since.reset();
}

void Swarm::crash(HostId id) {
  if (hosts_[id].is_running()) stop(id, false);
}

void Swarm::leave(HostId id) {
  Host& host = hosts_[id];
  if (!host.is_running()) return;
  host.overlay->leave(now_);
  settle(id);
  stop(id, true);
}

void Swarm::restart(HostId id, bool remembers, std::vector<byway::Seed> seeds) {
  crash(id);
  start(id, std::move(seeds), remembers ? hosts_[id].book : Bytes{});
}

void Swarm::replace(HostId id) {
  crash(id);
  Host& host = hosts_[id];
  by_id_.erase(host.id());
  by_endpoint_.erase(host.endpoint);
  const Kind kind = host.kind;
  const auto life = host.life;
  const auto netgroup = host.netgroup;
  host = Host{};
  host.life = life;
  make(host, kind, netgroup);
  start(id, some_supernodes(known_to_a_newcomer));
}

void Swarm::look_up(HostId id, const NodeId& target) {
  hosts_[id].overlay->look_up(now_, target);
  settle(id);
}

void Swarm::set_churn(Duration median_life) {
  options_.median_life = median_life;
  ++churn_;
  if (median_life > Duration{}) plan_death();
}

// Lives end as atoms decay: each second as likely as the one before. Half of the nodes say goodbye.
void Swarm::plan_death() {
  const double population = static_cast<double>(options_.supernodes + options_.leaves);
  const double rate =
      population * std::log(2.0) / std::chrono::duration<double>(options_.median_life).count();
  const double wait = -std::log(1 - random_.unit()) / rate;
  later(Duration{static_cast<Duration::rep>(wait * 1e9)}, [this, churn = churn_] {
    if (churn != churn_) return;
    const auto id = static_cast<HostId>(random_.below(hosts_.size()));
    if (hosts_[id].is_running() && !hosts_[id].immortal) {
      if (random_.chance(0.5)) leave(id);
      replace(id);
    }
    plan_death();
  });
}

std::optional<Swarm::HostId> Swarm::find(const NodeId& id) const {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return std::nullopt;
  return found->second;
}

std::optional<Swarm::HostId> Swarm::home_of(HostId leaf) const {
  const Host& host = hosts_[leaf];
  if (!host.is_running()) return std::nullopt;
  for (const NodeId& home_id : host.homes) {
    const auto home = find(home_id);
    if (home && hosts_[*home].is_running() && hosts_[*home].overlay->has_registered(host.id()))
      return home;
  }
  return std::nullopt;
}

// --- one node ------------------------------------------------------------------------------------

// The same as both other shells', but that nobody here has streams: everything the core has
// decided, until it is quiet.
void Swarm::settle(HostId id) {
  Overlay& overlay = *hosts_[id].overlay;
  for (bool quiet = false; !quiet;) {
    quiet = true;
    while (const auto order = overlay.poll_socket()) carry_out(id, *order), quiet = false;
    while (auto transmit = overlay.poll_transmit(now_))
      send(id, std::move(*transmit)), quiet = false;
    while (const auto event = overlay.poll_event()) note(id, *event), quiet = false;
  }
  const auto deadline = overlay.next_timeout();
  Host& host = hosts_[id];
  host.deadline = deadline;
  if (!deadline) return;
  const TimePoint at = std::max(*deadline, now_);
  if (host.alarm && *host.alarm <= at) return;  // who is woken early sets the next one
  host.alarm = at;
  agenda_.push({at, order_++, id, alarm});
}

void Swarm::carry_out(HostId id, const SocketOrder& order) {
  Host& host = hosts_[id];
  if (const auto* close = std::get_if<CloseSocket>(&order)) {
    std::erase_if(host.spare, [&](const auto& socket) { return socket.second == close->id; });
    return;
  }
  const auto& open = std::get<OpenSocket>(order);
  std::uint16_t chosen = open.bind ? open.bind->port : 0;
  while (chosen == 0 || chosen == port || host.spare.contains(chosen))
    chosen = static_cast<std::uint16_t>(32'768 + random_.below(28'232));
  host.spare[chosen] = open.id;
  host.overlay->on_socket_opened(now_, open.id, {host.endpoint.address, chosen});
}

void Swarm::note(HostId id, const Event& event) {
  Host& host = hosts_[id];
  if (const auto* gained = std::get_if<HomeGained>(&event)) {
    if (host.homes.empty()) host.homed_since = now_;
    if (std::find(host.homes.begin(), host.homes.end(), gained->id) == host.homes.end())
      host.homes.push_back(gained->id);
  } else if (const auto* lost = std::get_if<HomeLost>(&event)) {
    std::erase(host.homes, lost->id);
    if (host.homes.empty()) host.homed_since.reset();
  }
  if (on_event) on_event(id, event);
}

Duration Swarm::latency(const Host& from, const Address& to) {
  const double distance = std::hypot(from.x - to.x, from.y - to.y) / std::sqrt(2.0);
  const auto span = static_cast<double>((options_.most_latency - options_.least_latency).count());
  return options_.least_latency + Duration{static_cast<Duration::rep>(distance * span)} +
         random_.upto(2ms);
}

void Swarm::send(HostId id, Transmit transmit) {
  transmit.own();
  if (transmit.proto != Proto::udp) return;  // here UDP goes everywhere
  Host& host = hosts_[id];
  const Traffic kind = kind_of(transmit.bytes);
  const auto target = by_endpoint_.find({transmit.to.address, port});
  const bool known = target != by_endpoint_.end();
  const Kind whose = known ? target->second.kind : Kind::supernode;
  host.out[static_cast<std::size_t>(whose)].count(kind, transmit.bytes.size() + ip_and_udp_headers);
  if (!known) return;
  if (random_.chance(options_.loss)) return;
  if (trouble_ && trouble_(id, target->second.host, transmit.bytes)) return;
  const TimePoint at = now_ + latency(host, target->second);
  std::uint32_t place;
  if (free_packets_.empty()) {
    place = static_cast<std::uint32_t>(packets_.size());
    packets_.emplace_back();
  } else {
    place = free_packets_.back();
    free_packets_.pop_back();
  }
  Endpoint from = host.endpoint;
  if (transmit.socket != main_socket)
    for (const auto& [spare, socket] : host.spare)
      if (socket == transmit.socket) from.port = spare;
  packets_[place] = {from, transmit.to, std::move(transmit.bytes), id};
  agenda_.push({at, order_++, target->second.host, place});
}

void Swarm::deliver(HostId id, Packet packet) {
  Host& host = hosts_[id];
  // Perhaps somebody else lives there by now.
  if (!host.is_running() || host.endpoint.address != packet.to.address) return;
  SocketId socket = main_socket;
  if (packet.to.port != port) {
    const auto spare = host.spare.find(packet.to.port);
    if (spare == host.spare.end()) return;
    socket = spare->second;
  }
  host.in.count(kind_of(packet.bytes), packet.bytes.size() + ip_and_udp_headers);
  host.overlay->on_datagram(now_, {.from = packet.from, .bytes = packet.bytes, .socket = socket});
  settle(id);
}

void Swarm::ring(HostId id) {
  Host& host = hosts_[id];
  host.alarm.reset();
  if (!host.deadline) return;
  if (*host.deadline <= now_) {
    host.overlay->on_timeout(now_);
    return settle(id);
  }
  // Woken for something that is done with: nothing has happened since the deadline was told.
  host.alarm = *host.deadline;
  agenda_.push({*host.deadline, order_++, id, alarm});
}

// Ten thousand nodes are far more than a processor's caches hold, and whose turn comes next is
// anybody's guess; but the agenda knows. So the memory of the next few nodes is asked for together,
// a step further in each round, and has come when their turn does.
void Swarm::foresee() {
  const auto soon = agenda_.soon().first(std::min(agenda_.soon().size(), looked_ahead));
  foreseen_ = soon.size();
  std::array<const Peer*, looked_ahead> whom{};
  // An alarm that is not due any more costs a look at the host, and no more.
  const auto is_idle = [&](const Happening& next) {
    const Host& host = hosts_[next.host];
    if (!host.is_running()) return true;
    return next.packet == alarm &&
           (host.alarm != next.at || !host.deadline || *host.deadline > next.at);
  };
  for (const Happening& next : soon) {
    ask_for(&hosts_[next.host], sizeof(Host));
    if (next.packet != alarm) ask_for(&packets_[next.packet], sizeof(Packet));
  }
  for (const Happening& next : soon) {
    if (next.packet != alarm) ask_for(packets_[next.packet].bytes.data(), 64);
    if (!is_idle(next)) ask_for(hosts_[next.host].overlay.get(), sizeof(Overlay));
  }
  for (int round = 0; round < Overlay::rounds_of_foresight; ++round)
    for (std::size_t i = 0; i < soon.size(); ++i) {
      const Happening& next = soon[i];
      if (is_idle(next)) continue;
      const ByteView datagram =
          next.packet == alarm ? ByteView{} : ByteView{packets_[next.packet].bytes};
      hosts_[next.host].overlay->foresee(round, next.at, datagram, whom[i]);
    }
}

// --- time ----------------------------------------------------------------------------------------

WallTime Swarm::wall() const {
  return start_of_wall_time + std::chrono::duration_cast<WallTime::duration>(now_ - start_);
}

void Swarm::later(Duration in, std::function<void()> what) {
  plans_.push({now_ + in, order_++, std::move(what)});
}

void Swarm::every(Duration period, std::function<void()> what) {
  later(period, [this, period, what] {
    what();
    every(period, what);
  });
}

bool Swarm::step(TimePoint end) {
  const bool plan_first =
      !plans_.empty() && (agenda_.empty() || plans_.top().at <= agenda_.front().at);
  if (plan_first) {
    if (plans_.top().at > end) return false;
    now_ = plans_.top().at;
    const auto what = plans_.top().what;
    plans_.pop();
    what();
    return true;
  }
  if (agenda_.empty() || agenda_.front().at > end) return false;
  if (foreseen_ == 0) foresee();
  --foreseen_;
  const Happening next = agenda_.pop();
  stuck_ = next.at == now_ ? stuck_ + 1 : 0;
  ensure(stuck_ < wakes_at_once);
  now_ = next.at;
  ++events_;
  if (next.packet != alarm) {
    Packet packet = std::move(packets_[next.packet]);
    free_packets_.push_back(next.packet);
    deliver(next.host, std::move(packet));
  } else if (hosts_[next.host].alarm == next.at) {
    ring(next.host);
  }
  return true;
}

void Swarm::run_for(Duration span) {
  const TimePoint end = now_ + span;
  while (step(end)) {
  }
  now_ = end;
}

bool Swarm::run_until(const std::function<bool()>& holds, Duration limit) {
  const TimePoint end = now_ + limit;
  while (!holds()) {
    if (now_ >= end) return false;
    run_for(100ms);
  }
  return true;
}

}  // namespace byway::sim

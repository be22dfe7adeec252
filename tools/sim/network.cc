#include "tools/sim/network.h"

#include <algorithm>

#include "tools/sim/tcp.h"

namespace byway::sim {
namespace {

constexpr Duration lan_delay = 200us;
constexpr int enough_hops = 64;
constexpr int core_hops = 4;  // routers of the internet that are not drawn
constexpr std::size_t pairs_kept = 65'536;

// Each new public address lies in another /16 than the ones before it, as far as that goes.
IpAddress public_address(std::uint32_t number) {
  constexpr std::uint32_t firsts = 80, seconds = 250;
  return IpAddress::v4({static_cast<std::uint8_t>(20 + number % firsts),
                        static_cast<std::uint8_t>(1 + number / firsts % seconds),
                        static_cast<std::uint8_t>(113 + number / (firsts * seconds) % 100), 7});
}

IpAddress add_to(const IpAddress& prefix, std::uint32_t number) {
  const ByteView p = prefix.bytes();
  const std::uint32_t base = load_be<std::uint32_t>(p);
  ByteArray<4> octets;
  store_be<std::uint32_t>(octets, base + number);
  return IpAddress::v4(octets);
}

}  // namespace

Network::Network(Random random, TimePoint start, std::size_t story_size)
    : random_(std::move(random)), now_(start), story_(story_size, start), zones_(1) {}

// --- building -------------------------------------------------------------------------------

StationId Network::add_station(std::string name) {
  const auto id = static_cast<StationId>(stations_.size());
  stations_.emplace_back();
  story_.name(id, std::move(name));
  return id;
}

StationId Network::add_host(std::string name, Receiver* receiver) {
  const StationId id = add_station(std::move(name));
  stations_[id].receiver = receiver;
  place(id, internet);
  return id;
}

StationId Network::add_router(std::string name, const Nat& nat) {
  const StationId id = add_station(std::move(name));
  const auto zone = static_cast<ZoneId>(zones_.size());
  zones_.emplace_back();
  zones_[zone].router = id;
  zones_[zone].prefix = IpAddress::v4({192, 168, static_cast<std::uint8_t>(zone % 256), 0});
  stations_[id].inside = zone;
  stations_[id].box = std::make_unique<NatBox>(nat, IpAddress{}, random_.fork());
  // Drawn from what the router has, not from the network's chance: stories without TCP stay.
  stations_[id].tcp_box = std::make_unique<NatBox>(nat.for_tcp(), IpAddress{}, Random(0x7c9 + id));
  place(id, internet);
  return id;
}

void Network::place(StationId id, ZoneId zone, std::optional<IpAddress> address) {
  Station& station = stations_[id];
  if (station.placed)
    for (Zone& old : zones_)
      std::erase_if(old.stations, [&](const auto& entry) { return entry.second == id; });

  // Behind a firewall a host has a public address; the firewall answers for it outside.
  const bool moved = !station.placed || (station.zone == internet) != (zone == internet);
  station.zone = zone;
  station.address = address ? *address : free_address(zone);
  if (moved) station.wire.delay = zone == internet ? Wire{}.delay : lan_delay;
  station.placed = true;
  claim(zone, station.address, id);
  if (!station.box) return;
  station.box->reboot(station.address);
  station.tcp_box->reboot(station.address);
  if (station.box->nat().mapping == Behaviour::none)
    for (const auto& [inside, who] : zones_[station.inside].stations) claim(zone, inside, id);
}

void Network::set_lan(StationId router, IpAddress prefix) {
  zones_[stations_[router].inside].prefix = prefix;
}

IpAddress Network::free_address(ZoneId zone) {
  const auto router = zones_[zone].router;
  if (!router) return public_address(public_addresses_++);
  if (stations_[*router].box->nat().mapping == Behaviour::none)
    return free_address(stations_[*router].zone);
  return add_to(zones_[zone].prefix, zones_[zone].next_host++);
}

void Network::claim(ZoneId zone, const IpAddress& address, StationId station) {
  zones_[zone].stations[address] = station;
  const auto router = zones_[zone].router;
  if (router && stations_[*router].box->nat().mapping == Behaviour::none)
    claim(stations_[*router].zone, address, *router);
}

StationId Network::outermost(StationId station) const {
  while (const auto router = zones_[stations_[station].zone].router) station = *router;
  return station;
}

// --- trouble --------------------------------------------------------------------------------

void Network::set_cut(StationId from, StationId to, bool cut) {
  if (cut)
    cut_.insert({from, to});
  else
    cut_.erase({from, to});
}

void Network::set_udp_cut(StationId from, StationId to, bool cut) {
  if (cut)
    udp_cut_.insert({from, to});
  else
    udp_cut_.erase({from, to});
}

bool Network::is_cut(StationId from, StationId to, Proto proto) const {
  return cut_.contains({from, to}) || (proto == Proto::udp && udp_cut_.contains({from, to})) ||
         (partition_ && partition_(from, to));
}

void Network::reboot(StationId router, bool new_address) {
  Station& station = stations_[router];
  if (new_address) return place(router, station.zone);
  station.box->reboot(station.address);
  station.tcp_box->reboot(station.address);
}

// --- running --------------------------------------------------------------------------------

void Network::send(StationId origin, Outgoing out) {
  ++counters_.sent;
  const auto pair = std::pair{origin, out.to.address};
  if (toward_.size() < pairs_kept || toward_.contains(pair)) {
    Toward& toward = toward_[pair];
    ++toward.packets;
    toward.bytes += out.bytes.size();
    if (!toward.answered && out.bytes.size() <= knock_size) ++toward.knocks;
  }

  Packet packet{.origin = origin,
                .sent = now_,
                .first_from = out.from,
                .first_to = out.to,
                .from = out.from,
                .to = out.to,
                .bytes = std::move(out.bytes),
                .ttl = out.ttl ? out.ttl : enough_hops,
                .proto = out.proto};
  if (!stations_[origin].plugged) return finish(packet, origin, Fate::unplugged);
  launch(std::move(packet), origin, stations_[origin].zone);
}

// From `sender` across `zone` to whoever has the address there, or to the zone's way out. The
// sender is a station of the zone, or the zone's router that brings something in.
void Network::launch(Packet packet, StationId sender, ZoneId zone) {
  const Zone& network = zones_[zone];
  if (packet.to.address.scope() == Scope::multicast) return multicast(packet, sender, zone);
  const auto found = network.stations.find(packet.to.address);
  const bool inward = network.router == sender;
  if (found == network.stations.end() && (inward || !network.router))
    return finish(packet, sender, Fate::no_such_host);
  const bool outward = found == network.stations.end();
  const StationId target = outward ? *network.router : found->second;

  if (!network.router && (packet.ttl -= core_hops) <= 0)
    return finish(packet, sender, Fate::expired);

  // The router's own wire belongs to its outer zone and is not crossed inside.
  Trip trip{.arrival = now_};
  if (sender != target) {
    if (!inward && !cross(sender, packet, trip)) return;
    if (!outward && !cross(target, packet, trip)) return;
  }
  if (trip.jittered && !trip.reordered) {
    TimePoint& last = last_arrival_[{sender, target}];
    last = trip.arrival = std::max(last, trip.arrival);
  }

  if (trip.duplicated) {
    ++counters_.copies;
    auto copy = std::make_unique<Packet>(packet);
    copy->copy = true;
    schedule({trip.arrival + random_.upto(stations_[target].wire.duplicate_within), 0, target,
              outward, std::move(copy)});
  }
  schedule({trip.arrival, 0, target, outward, std::make_unique<Packet>(std::move(packet))});
}

// To every host of the zone but its sender, with no router in between; in the internet to nobody.
// Whether a group was joined is told by who listens at its port.
void Network::multicast(const Packet& packet, StationId sender, ZoneId zone) {
  if (zone == internet) return finish(packet, sender, Fate::no_such_host);
  for (const auto& [address, station] : zones_[zone].stations) {
    if (station == sender || is_router(station)) continue;
    Trip trip{.arrival = now_};
    if (!cross(sender, packet, trip) || !cross(station, packet, trip)) continue;
    schedule({trip.arrival, 0, station, false, std::make_unique<Packet>(packet)});
  }
}

// False: it does not get through, and its fate is told.
bool Network::cross(StationId station, const Packet& packet, Trip& trip) {
  const auto happens = [this](double probability) {
    return probability > 0 && random_.chance(probability);
  };
  const Wire& wire = stations_[station].wire;
  if (packet.bytes.size() + ip_and_udp_headers > wire.mtu) {
    finish(packet, station, Fate::too_big);
    return false;
  }
  if (happens(wire.loss)) {
    finish(packet, station, Fate::lost);
    return false;
  }
  trip.arrival += wire.delay;
  if (wire.jitter > Duration{}) {
    trip.jittered = true;
    trip.arrival += random_.upto(wire.jitter);
  }
  if (happens(wire.reorder)) {
    trip.reordered = true;
    trip.arrival += random_.upto(wire.reorder_by);
  }
  trip.duplicated = trip.duplicated || happens(wire.duplicate);
  return true;
}

void Network::arrive(Packet packet, StationId station, bool outward) {
  if (!stations_[station].plugged) return finish(packet, station, Fate::unplugged);
  if (!is_router(station)) return deliver(std::move(packet), station);
  if (--packet.ttl <= 0) return finish(packet, station, Fate::expired);
  if (outward) return go_out(std::move(packet), station);
  come_in(std::move(packet), station);
}

NatBox& Network::box_for(const Packet& packet, StationId router) {
  Station& station = stations_[router];
  return packet.proto == Proto::tcp ? *station.tcp_box : *station.box;
}

// As some routers answer a SYN that is for nobody.
void Network::reset_uninvited(const Packet& packet, StationId router) {
  const Station& station = stations_[router];
  if (packet.proto != Proto::tcp || !station.box->nat().resets_uninvited) return;
  if (packet.bytes.empty() || packet.bytes[0] != TcpStack::syn) return;
  Bytes reset(packet.bytes.size());
  reset[0] = TcpStack::rst;
  launch({.origin = router,
          .sent = now_,
          .first_from = packet.to,
          .first_to = packet.from,
          .from = packet.to,
          .to = packet.from,
          .bytes = std::move(reset),
          .ttl = enough_hops,
          .proto = Proto::tcp},
         router, station.zone);
}

void Network::go_out(Packet packet, StationId router) {
  Station& station = stations_[router];
  NatBox& box = box_for(packet, router);
  const auto& only = station.box->nat().only_tcp_port;
  if (packet.proto == Proto::tcp && only && packet.to.port != *only)
    return finish(packet, router, Fate::blocked);
  const auto outside = box.outbound(now_, packet.from, packet.to);
  if (!outside) return finish(packet, router, Fate::blocked);
  packet.from = *outside;

  const bool turns_round = packet.to.address == station.address;
  if (!turns_round) return launch(std::move(packet), router, station.zone);
  if (!station.box->nat().hairpins) return finish(packet, router, Fate::no_hairpin);
  come_in(std::move(packet), router);
}

void Network::come_in(Packet packet, StationId router) {
  Station& station = stations_[router];
  const auto in = box_for(packet, router).inbound(now_, packet.to, packet.from);
  if (!in.inside) {
    reset_uninvited(packet, router);
    return finish(packet, router,
                  in.refusal == Refusal::filtered ? Fate::filtered : Fate::no_mapping);
  }
  packet.to = *in.inside;
  launch(std::move(packet), router, station.inside);
}

void Network::deliver(Packet packet, StationId host) {
  if (is_cut(packet.origin, host, packet.proto)) return finish(packet, host, Fate::cut);
  Receiver* receiver = stations_[host].receiver;
  if (const auto known = toward_.find({host, packet.from.address}); known != toward_.end())
    known->second.answered = true;

  if (receiver && packet.proto == Proto::tcp) {
    finish(packet, host, Fate::delivered);
    return receiver->on_segment(now_, packet.from, packet.to.port, packet.bytes);
  }
  if (!receiver || !receiver->listens_on(packet.to.port))
    return finish(packet, host, Fate::not_listening);
  finish(packet, host, Fate::delivered);  // told before what the host does about it
  receiver->on_datagram(now_, packet.from, packet.to.port, packet.bytes);
}

void Network::finish(const Packet& packet, StationId at, Fate fate) {
  ++counters_.fates[static_cast<std::size_t>(fate)];
  if (!story_.is_told() && !watcher_) return;

  PacketLine line{.sent = packet.sent,
                  .decided = now_,
                  .origin = packet.origin,
                  .at = at,
                  .from = packet.first_from,
                  .seen_as = packet.from,
                  .to = packet.first_to,
                  .kind = PacketKind::unknown,
                  .relayed = {},
                  .size = packet.bytes.size(),
                  .fate = fate,
                  .copy = packet.copy,
                  .tcp = {}};
  if (packet.proto == Proto::tcp) {
    if (!packet.bytes.empty()) line.tcp = packet.bytes[0];
  } else {
    line.kind = classify(packet.bytes);
  }
  if (line.kind == PacketKind::relay)
    if (const auto frame = parse_relay_frame(packet.bytes)) line.relayed = classify(frame->payload);
  story_.packet(line);
  if (watcher_) watcher_(line, packet.bytes);
}

// --- time -----------------------------------------------------------------------------------

namespace {
constexpr auto later_first = [](const auto& a, const auto& b) {
  return a.at != b.at ? a.at > b.at : a.order > b.order;
};
}  // namespace

void Network::schedule(Event event) {
  event.order = order_++;
  queue_.push_back(std::move(event));
  std::push_heap(queue_.begin(), queue_.end(), later_first);
}

void Network::set_alarm(StationId host, TimePoint at) {
  Station& station = stations_[host];
  at = std::max(at, now_);
  if (station.alarm && *station.alarm <= at) return;
  station.alarm = at;
  schedule({at, 0, host, false, nullptr});
}

std::optional<TimePoint> Network::next_event() const {
  if (queue_.empty()) return std::nullopt;
  return queue_.front().at;
}

void Network::advance_to(TimePoint time) {
  ensure(!next_event() || *next_event() >= time);
  now_ = std::max(now_, time);
}

void Network::step() {
  ensure(!queue_.empty());
  std::pop_heap(queue_.begin(), queue_.end(), later_first);
  Event event = std::move(queue_.back());
  queue_.pop_back();
  now_ = event.at;
  if (event.packet) return arrive(std::move(*event.packet), event.station, event.outward);

  Station& station = stations_[event.station];
  if (station.alarm != event.at) return;  // replaced by an earlier one, which has rung
  station.alarm.reset();
  if (station.receiver) station.receiver->on_alarm(now_);
}

Toward Network::toward(StationId host, const IpAddress& address) const {
  const auto found = toward_.find({host, address});
  return found == toward_.end() ? Toward{} : found->second;
}

}  // namespace byway::sim

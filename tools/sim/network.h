// A simulated internet in virtual time: hosts, NATs and the wires between them.
//
//      ana ──┐                                        ┌── cy         a zone is a network in which
//            ├─ router ══╗                  ╔═ router ┤              addresses mean the same to
//      bo  ──┘  (NAT)    ╠══ the internet ══╣  (NAT)  └─ router ─ di everybody; a router stands
//                        ║                  ║           (NAT)        between two of them
//                       hub               stranger
//
// A datagram crosses one wire for its sender and one for its receiver in each zone, and each
// router on its way rewrites it or drops it, at the moment it gets there. Everything that happens
// is an event at a time; equal times are served in the order in which they were put in. Chance
// comes from the Random given, so one seed tells one story.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "protocol/bytes.h"
#include "tools/sim/nat.h"
#include "tools/sim/story.h"

namespace byway::sim {

using ZoneId = std::uint32_t;
constexpr ZoneId internet = 0;

// The way between a station and its zone, the same in both directions.
struct Wire {
  Duration delay = 10ms;
  Duration jitter{};     // up to this much more, drawn for each packet; keeps the order
  double loss = 0;       // probabilities, for each packet
  double duplicate = 0;  // a second copy follows within duplicate_within
  double reorder = 0;    // held back by up to reorder_by while others overtake
  Duration duplicate_within = 5ms;
  Duration reorder_by = 30ms;
  std::size_t mtu = 1500;  // with the IPv4 and UDP headers (28 B)
};

// Where a host's datagrams and alarms go.
class Receiver {
 public:
  virtual ~Receiver() = default;
  virtual bool listens_on(std::uint16_t port) const = 0;
  virtual void on_datagram(TimePoint now, const Endpoint& from, std::uint16_t port,
                           ByteView bytes) = 0;
  // A segment of TCP (tcp.h); who has none is as deaf as a closed port.
  virtual void on_segment(TimePoint, const Endpoint&, std::uint16_t, ByteView) {}
  virtual void on_alarm(TimePoint now) = 0;
};

struct Outgoing {
  Endpoint from;
  Endpoint to;
  Bytes bytes;
  std::uint8_t ttl = 0;  // 0: enough
  Proto proto = Proto::udp;
};

struct NetworkCounters {
  std::uint64_t sent = 0;    // datagrams that hosts handed over
  std::uint64_t copies = 0;  // second copies made by wires
  std::array<std::uint64_t, fate_kinds> fates{};

  std::uint64_t count(Fate fate) const { return fates[static_cast<std::size_t>(fate)]; }
};

// What one host has sent to one address. A knock is a small packet to an address from which
// nothing has ever come back.
struct Toward {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint64_t knocks = 0;
  bool answered = false;
};
constexpr std::size_t ip_and_udp_headers = 28;  // of IPv4 without options
constexpr std::size_t knock_size = 100;

class Network {
 public:
  Network(Random random, TimePoint start, std::size_t story_size);

  // --- building ---
  StationId add_host(std::string name, Receiver* receiver);
  StationId add_router(std::string name, const Nat& nat);
  // Puts a station into a zone with a new address of that zone, or with `address`.
  void place(StationId station, ZoneId zone, std::optional<IpAddress> address = {});
  ZoneId inside(StationId router) const { return stations_[router].inside; }
  // The way out of a station's zone; nothing in the internet.
  std::optional<StationId> router_of(StationId station) const {
    return zones_[stations_[station].zone].router;
  }
  ZoneId zone(StationId station) const { return stations_[station].zone; }
  const IpAddress& address(StationId station) const { return stations_[station].address; }
  // The addresses that hosts inside a router get: `prefix`.1, .2 …; default 192.168.N.0/24.
  void set_lan(StationId router, IpAddress prefix);
  Wire& wire(StationId station) { return stations_[station].wire; }
  // The station that stands in the internet for this one: the outermost router, or itself.
  StationId outermost(StationId station) const;

  // --- trouble ---
  void set_cut(StationId from, StationId to, bool cut);      // one direction
  void set_udp_cut(StationId from, StationId to, bool cut);  // the same, and TCP passes
  // Every packet for which it holds is cut off; nothing: heal.
  using Partition = std::function<bool(StationId from, StationId to)>;
  void set_partition(Partition partition) { partition_ = std::move(partition); }
  void set_plugged(StationId station, bool plugged) { stations_[station].plugged = plugged; }
  // A router loses its mappings, and its address where `new_address`.
  void reboot(StationId router, bool new_address);
  // From now on another kind, for new and old flows alike; TCP mappings stay.
  void set_nat(StationId router, const Nat& nat) { stations_[router].box->become(nat); }

  // --- running ---
  void send(StationId origin, Outgoing packet);
  // Calls the host's on_alarm not later than this. An earlier alarm stands: who is woken early
  // sets the next one.
  void set_alarm(StationId host, TimePoint at);
  TimePoint now() const { return now_; }
  std::optional<TimePoint> next_event() const;
  void step();                      // serves the next event
  void advance_to(TimePoint time);  // nothing may be due before it

  // --- looking ---
  Story& story() { return story_; }
  const Story& story() const { return story_; }
  const NetworkCounters& counters() const { return counters_; }
  // Nobody knows it: all zero. Kept for the first 65,536 pairs of host and address.
  Toward toward(StationId host, const IpAddress& address) const;
  // Told of each datagram as its fate is decided.
  using Watcher = std::function<void(const PacketLine&, ByteView bytes)>;
  void watch(Watcher watcher) { watcher_ = std::move(watcher); }
  NatBox& nat(StationId router, Proto proto = Proto::udp) {
    return proto == Proto::tcp ? *stations_[router].tcp_box : *stations_[router].box;
  }
  const std::string& name(StationId station) const { return story_.name_of(station); }

 private:
  struct Station {
    ZoneId zone = internet;
    IpAddress address;
    Wire wire;
    bool placed = false;
    bool plugged = true;
    // a host
    Receiver* receiver = nullptr;
    std::optional<TimePoint> alarm;
    // a router
    std::unique_ptr<NatBox> box;      // for UDP
    std::unique_ptr<NatBox> tcp_box;  // the same kind, with mappings of its own
    ZoneId inside = internet;
  };
  struct Zone {
    std::optional<StationId> router;  // the way out
    IpAddress prefix;
    std::uint32_t next_host = 1;
    std::map<IpAddress, StationId> stations;
  };
  struct Packet {
    StationId origin;
    TimePoint sent;
    Endpoint first_from, first_to;
    Endpoint from, to;
    Bytes bytes;
    int ttl;
    Proto proto = Proto::udp;
    bool copy = false;
  };
  struct Trip {  // of a packet across one zone
    TimePoint arrival;
    bool jittered = false;
    bool reordered = false;
    bool duplicated = false;
  };
  struct Event {
    TimePoint at;
    std::uint64_t order;
    StationId station;
    bool outward = false;            // a router: it comes from inside
    std::unique_ptr<Packet> packet;  // none: an alarm
  };

  bool is_router(StationId station) const { return stations_[station].box != nullptr; }
  StationId add_station(std::string name);
  IpAddress free_address(ZoneId zone);
  void claim(ZoneId zone, const IpAddress& address, StationId station);

  void launch(Packet packet, StationId sender, ZoneId zone);
  void multicast(const Packet& packet, StationId sender, ZoneId zone);
  void arrive(Packet packet, StationId station, bool outward);
  void go_out(Packet packet, StationId router);
  void come_in(Packet packet, StationId router);
  void deliver(Packet packet, StationId host);
  NatBox& box_for(const Packet& packet, StationId router);
  void reset_uninvited(const Packet& packet, StationId router);
  bool cross(StationId station, const Packet& packet, Trip& trip);
  bool is_cut(StationId from, StationId to, Proto proto) const;
  void finish(const Packet& packet, StationId at, Fate fate);
  void schedule(Event event);

  Random random_;
  TimePoint now_;
  Story story_;
  std::vector<Station> stations_;
  std::vector<Zone> zones_;
  std::vector<Event> queue_;  // a heap, earliest first
  std::uint64_t order_ = 0;
  std::uint32_t public_addresses_ = 0;
  // Of the last packet between the two that was not to be overtaken.
  std::map<std::pair<StationId, StationId>, TimePoint> last_arrival_;
  std::set<std::pair<StationId, StationId>> cut_, udp_cut_;
  Partition partition_;
  Watcher watcher_;
  NetworkCounters counters_;
  std::map<std::pair<StationId, IpAddress>, Toward> toward_;
};

}  // namespace byway::sim

// A world of thousands of nodes: what World (world.h) is for stories, this is for figures.
//
//     Swarm swarm({.seed = 7, .supernodes = 1000, .leaves = 9000, .loss = 0.05});
//     swarm.run_for(10min);
//     … swarm.host(i).overlay->admits(id) …
//
// The nodes are the real Overlays, and every datagram is a real one, but for the cryptography
// (stand_in_crypto.h); records are interned in one Archive. What is left out are NATs, LANs and
// stories: every host has a public address of its own, and what is sent there arrives after a time
// that depends on where the two live, or is lost. One seed tells one story.
//
// It begins as a network that is old already: all supernodes know and vouch for one another. The
// leaves come in the first half minute, by themselves.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <unordered_map>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "overlay/mesh/archive.h"
#include "overlay/overlay.h"
#include "tools/sim/agenda.h"
#include "tools/sim/stand_in_crypto.h"

namespace byway::sim {

struct SwarmOptions {
  std::uint64_t seed = 1;
  std::size_t supernodes = 100;
  std::size_t leaves = 900;
  std::size_t netgroups = 0;  // of the supernodes; 0: one for every four of them, eight at least
  int netgroup_bits = 16;
  std::size_t max_leaves = 100'000;  // of each supernode
  double loss = 0;                   // of each datagram
  Duration least_latency = 5ms;      // one way, between neighbours
  Duration most_latency = 60ms;      // and between the two ends of the world
  Duration median_life{};            // 0: nobody dies. Whoever dies is replaced by somebody new
  Duration arrival = 30s;            // the leaves come spread over this
};

// What is counted of each datagram, with 28 bytes of IPv4 and UDP headers.
enum class Traffic : std::uint8_t { handshakes, pings, leaves, mesh, directory, proofs, other };
inline constexpr std::size_t traffic_kinds = 7;
std::string_view to_string(Traffic kind);
struct Flow {
  std::array<std::uint64_t, traffic_kinds> datagrams{};
  std::array<std::uint64_t, traffic_kinds> bytes{};

  void count(Traffic kind, std::size_t size);
  void add(const Flow& other);
  std::uint64_t all_datagrams() const;
  std::uint64_t all_bytes() const;
};

class Swarm {
 public:
  using HostId = std::uint32_t;
  enum class Kind : std::uint8_t { supernode, leaf };

  struct Host {
    Kind kind = Kind::leaf;
    std::unique_ptr<Identity> identity;
    Endpoint endpoint;
    std::size_t netgroup = 0;          // a supernode's
    float x = 0, y = 0;                // where it lives, in a square of side 1
    std::unique_ptr<Overlay> overlay;  // none: not running
    const Crypto* crypto = nullptr;    // its own; none: everybody's
    std::uint32_t life = 0;            // counts its starts
    TimePoint born{};                  // of this node: a restart is not a birth
    TimePoint started{};
    bool immortal = false;                    // churn spares it
    std::optional<TimePoint> deadline;        // as the node said last
    std::optional<TimePoint> alarm;           // and when we shall look
    Bytes book;                               // what it kept of its last life
    std::map<std::uint16_t, SocketId> spare;  // sockets, by their ports
    std::vector<NodeId> homes;                // a leaf's, as it believes
    std::optional<TimePoint> homed_since;     // it had one ever since
    std::array<Flow, 2> out;                  // by whom it is for: supernodes, leaves
    Flow in;

    const NodeId& id() const { return identity->id(); }
    bool is_running() const { return overlay != nullptr; }
  };

  explicit Swarm(const SwarmOptions& options);
  Swarm(const Swarm&) = delete;
  Swarm& operator=(const Swarm&) = delete;

  // --- time ---
  void run_for(Duration span);
  // Looks every 100 ms.
  bool run_until(const std::function<bool()>& holds, Duration limit);
  void later(Duration in, std::function<void()> what);
  void every(Duration period, std::function<void()> what);
  TimePoint now() const { return now_; }
  Duration age() const { return now_ - start_; }
  WallTime wall() const;

  // --- population ---
  // In a netgroup of the world's, or in `netgroup` (the number after theirs are nobody's). It
  // starts at once, knowing a few others.
  HostId add(Kind kind, std::optional<std::size_t> netgroup = {}, const Crypto* crypto = nullptr);
  void crash(HostId id);
  void leave(HostId id);
  // The same key and address; it knows whom it remembers from before (OverlayConfig::peer_book), or
  // nobody, and these.
  void restart(HostId id, bool remembers = true, std::vector<byway::Seed> seeds = {});
  // Somebody else in its place, a supernode in the same netgroup.
  void replace(HostId id);
  // The supernode looks this id up; LookedUp tells what came of it.
  void look_up(HostId supernode, const NodeId& target);
  void set_churn(Duration median_life);
  std::vector<byway::Seed> some_supernodes(std::size_t count);

  // --- trouble ---
  // A datagram for which it holds does not arrive. Cheap, please: it is asked about every one.
  using Trouble = std::function<bool(HostId from, HostId to, ByteView bytes)>;
  void set_trouble(Trouble trouble) { trouble_ = std::move(trouble); }

  // --- watching ---
  std::function<void(HostId, const Event&)> on_event;
  std::function<void(HostId)> on_start;                // it runs now
  std::function<void(HostId, bool farewell)> on_stop;  // it does not any more; still all there

  // --- looking ---
  Host& host(HostId id) { return hosts_[id]; }
  const Host& host(HostId id) const { return hosts_[id]; }
  std::size_t size() const { return hosts_.size(); }
  std::optional<HostId> find(const NodeId& id) const;
  const std::vector<HostId>& supernodes() const { return supernodes_; }  // running or not
  const std::vector<HostId>& leaves() const { return leaves_; }
  // A running supernode that has it registered, if there is one.
  std::optional<HostId> home_of(HostId leaf) const;
  std::size_t netgroups() const { return netgroups_; }
  std::uint64_t events() const { return events_; }
  const SwarmOptions& options() const { return options_; }
  Archive& archive() { return *archive_; }
  const Crypto& crypto() const { return crypto_; }
  Random& random() { return random_; }

  // The kind of a datagram, and what is inside of a sealed one (an area's byte and its message).
  static Traffic kind_of(ByteView datagram);
  static ByteView inside(ByteView datagram);

 private:
  struct Packet {
    Endpoint from;
    Endpoint to;
    Bytes bytes;
    HostId origin = 0;
  };
  static constexpr std::uint32_t alarm = ~std::uint32_t{0};
  struct Happening {
    TimePoint at;
    std::uint64_t order;
    std::uint32_t host;
    std::uint32_t packet;  // or alarm
  };
  // What the sender of a datagram needs to know of whom it is for.
  struct Address {
    HostId host;
    Kind kind;
    float x, y;
  };
  struct Plan {
    TimePoint at;
    std::uint64_t order;
    std::function<void()> what;
    bool operator>(const Plan& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };

  void build_old_network();
  void make(Host& host, Kind kind, std::optional<std::size_t> netgroup);
  void start(HostId id, std::vector<byway::Seed> seeds, Bytes book = {});
  void stop(HostId id, bool farewell);
  void settle(HostId id);
  void note(HostId id, const Event& event);
  void carry_out(HostId id, const SocketOrder& order);
  void send(HostId id, Transmit transmit);
  void foresee();
  void deliver(HostId id, Packet packet);
  void ring(HostId id);
  bool step(TimePoint end);
  void plan_death();
  Duration latency(const Host& from, const Address& to);

  SwarmOptions options_;
  Random random_;
  StandInCrypto crypto_;
  std::shared_ptr<Archive> archive_;
  std::size_t netgroups_;
  TimePoint start_;
  TimePoint now_;

  std::vector<Host> hosts_;
  std::vector<HostId> supernodes_;
  std::vector<HostId> leaves_;
  std::unordered_map<NodeId, HostId> by_id_;
  boost::unordered_flat_map<Endpoint, Address, std::hash<Endpoint>> by_endpoint_;
  std::vector<std::size_t> born_;  // supernodes, by netgroup
  std::size_t leaves_born_ = 0;
  std::uint32_t churn_ = 0;  // which plan of deaths is the current one

  Agenda<Happening> agenda_;
  std::size_t foreseen_ = 0;  // of those that come next
  std::priority_queue<Plan, std::vector<Plan>, std::greater<>> plans_;
  std::vector<Packet> packets_;
  std::vector<std::uint32_t> free_packets_;
  std::uint64_t order_ = 0;
  std::uint64_t events_ = 0;
  Trouble trouble_;
  int stuck_ = 0;
};

}  // namespace byway::sim

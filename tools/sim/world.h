// A world to tell stories in: an internet, characters on it, and time that passes when told to.
//
//     World world{Seed{7}};
//     auto& hub = world.supernode("hub");
//     auto& ana = world.leaf("ana").behind(Nat::port_restricted());
//     …
//     EXPECT_TRUE(world.run_until([&] { return ana.reaches(bo, Via::direct); }, 3s));
//
// The nodes are real ones; only sockets and clocks are played. One seed tells the same story
// every time: compare story_hash(), read story().
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "protocol/crypto.h"
#include "tools/sim/host.h"
#include "tools/sim/network.h"

namespace byway::sim {

struct Seed {
  std::uint64_t number = 1;
};

struct WorldOptions {
  std::size_t story_size = 20'000;  // lines kept; 0: no story, for large worlds
  const Crypto* crypto = &sodium_crypto();
};

class World {
 public:
  explicit World(Seed seed, WorldOptions options = {});
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // --- characters ---
  Host& supernode(std::string name);  // with a public address; a seed of everyone after it
  Host& leaf(std::string name);
  Host& stranger(std::string name);  // no node, only a socket: for attacks
  Router& router(std::string name, const Nat& nat);

  // --- time ---
  void run_for(Duration duration);
  // Until it holds (true), or time is up (false). Looked at after every event.
  bool run_until(const std::function<bool()>& holds, Duration limit);
  TimePoint now() const { return network_.now(); }
  Duration age() const;  // since the beginning
  WallTime wall() const;

  // --- trouble ---
  void cut(const Host& a, const Host& b);  // nothing passes directly between the two
  void heal(const Host& a, const Host& b);
  void cut_one_way(const Host& from, const Host& to);
  void partition(std::vector<const Host*> side);  // these from all the others
  void heal_partition() { network_.set_partition({}); }

  // --- looking ---
  const NetworkCounters& counters() const { return network_.counters(); }
  Toward toward(const Host& host, const IpAddress& address) const;
  void watch(Network::Watcher watcher) { network_.watch(std::move(watcher)); }
  std::string story(std::size_t lines = 400) const { return network_.story().text(lines); }
  std::uint64_t story_hash() const { return network_.story().hash(); }

  // --- for the characters ---
  Network& network() { return network_; }
  const Network& network() const { return network_; }
  const std::deque<Host>& hosts() const { return hosts_; }
  const Crypto& crypto() const { return *options_.crypto; }
  std::vector<byway::Seed> seeds_for(const Host& host) const;
  std::string name_of(const NodeId& id) const;
  std::string with_names(std::string text) const;  // in place of short ids
  void note(const Host& host, std::string text);

 private:
  Host& add(Host::Kind kind, std::string name);
  void start_everybody();

  WorldOptions options_;
  Random random_;
  Network network_;
  std::deque<Router> routers_;
  std::deque<Host> hosts_;
  std::size_t started_ = 0;  // hosts before this one have been started
  std::map<NodeId, std::string> names_;
};

}  // namespace byway::sim

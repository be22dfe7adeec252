#include "tools/sim/world.h"

#include <algorithm>

namespace byway::sim {
namespace {

constexpr TimePoint start_of_time = TimePoint{} + 1h;
constexpr WallTime start_of_wall_time{std::chrono::milliseconds{1'800'000'000'000}};

}  // namespace

World::World(Seed seed, WorldOptions options)
    : options_(options),
      random_(seed.number),
      network_(random_.fork(), start_of_time, options.story_size) {}

Host& World::add(Host::Kind kind, std::string name) {
  Host& host = hosts_.emplace_back(*this, kind, std::move(name), random_.fork());
  names_[host.id()] = host.name();
  return host;
}

Host& World::supernode(std::string name) {
  return add(Host::Kind::supernode, std::move(name));
}
Host& World::leaf(std::string name) {
  return add(Host::Kind::leaf, std::move(name));
}
Host& World::stranger(std::string name) {
  return add(Host::Kind::stranger, std::move(name));
}

Router& World::router(std::string name, const Nat& nat) {
  return routers_.emplace_back(*this, std::move(name), nat);
}

// --- time -----------------------------------------------------------------------------------

void World::start_everybody() {
  for (; started_ < hosts_.size(); ++started_) hosts_[started_].start();
}

void World::run_for(Duration duration) {
  run_until([] { return false; }, duration);
}

bool World::run_until(const std::function<bool()>& holds, Duration limit) {
  const TimePoint end = now() + limit;
  start_everybody();
  for (;;) {
    if (holds()) return true;
    const auto next = network_.next_event();
    if (!next || *next > end) break;
    network_.step();
  }
  network_.advance_to(end);
  return holds();
}

Duration World::age() const {
  return now() - start_of_time;
}

WallTime World::wall() const {
  return start_of_wall_time + std::chrono::duration_cast<WallTime::duration>(age());
}

// --- trouble --------------------------------------------------------------------------------

void World::cut(const Host& a, const Host& b) {
  cut_one_way(a, b);
  cut_one_way(b, a);
}

void World::heal(const Host& a, const Host& b) {
  network_.set_cut(a.station(), b.station(), false);
  network_.set_cut(b.station(), a.station(), false);
}

void World::cut_one_way(const Host& from, const Host& to) {
  network_.set_cut(from.station(), to.station(), true);
}

void World::partition(std::vector<const Host*> side) {
  std::vector<StationId> stations;
  for (const Host* host : side) stations.push_back(host->station());
  network_.set_partition([stations](StationId from, StationId to) {
    const auto is_in = [&](StationId station) {
      return std::find(stations.begin(), stations.end(), station) != stations.end();
    };
    return is_in(from) != is_in(to);
  });
}

// --- looking --------------------------------------------------------------------------------

Toward World::toward(const Host& host, const IpAddress& address) const {
  return network_.toward(host.station(), address);
}

std::vector<byway::Seed> World::seeds_for(const Host& host) const {
  std::vector<byway::Seed> seeds;
  for (const Host& other : hosts_)
    if (other.kind() == Host::Kind::supernode && &other != &host)
      seeds.push_back({other.id(), other.endpoint()});
  return seeds;
}

std::string World::name_of(const NodeId& id) const {
  const auto name = names_.find(id);
  return name == names_.end() ? id.short_string() : name->second;
}

// The core knows nobody's name: its texts show the first characters of an id.
std::string World::with_names(std::string text) const {
  for (const auto& [id, name] : names_) {
    const std::string shown = id.short_string();
    for (auto at = text.find(shown); at != std::string::npos; at = text.find(shown, at))
      text.replace(at, shown.size(), name);
  }
  return text;
}

void World::note(const Host& host, std::string text) {
  network_.story().note(now(), host.station(), std::move(text));
}

}  // namespace byway::sim

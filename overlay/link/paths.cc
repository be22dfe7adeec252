#include "overlay/link/paths.h"

#include <algorithm>

#include "overlay/core/limits.h"
#include "overlay/core/timers.h"

namespace byway {
namespace {

constexpr std::size_t remembered_pings = 8;
constexpr std::uint8_t pings_while_unproved = 4;
constexpr int unanswered_when_doubted = 3;

int tier(const Path& path) {
  switch (path.kind()) {
    case PathKind::direct_udp:
      return 0;
    case PathKind::direct_tcp:
      return 1;
    default:
      return 2;
  }
}

// Whether traffic should move to `a` from `b`.
bool better(const Path& a, const Path& b) {
  if (a.doubted() != b.doubted()) return b.doubted();
  if (tier(a) != tier(b)) return tier(a) < tier(b);
  return a.rtt + limits::path_hysteresis < b.rtt;
}

// The seal and the message around the padding are at least this long: what is answered was never
// smaller than what it proves.
constexpr std::size_t around_padding = 58;

// The next size worth trying; 0: none.
std::size_t larger_size(const Path& path) {
  const std::size_t less = path.route.endpoint.address.is_v6() ? limits::ipv6_takes_more : 0;
  for (const std::size_t size : {limits::probe_packet_size, limits::largest_packet_size})
    if (path.packet_size < size - less) return size - less;
  return 0;
}

}  // namespace

const Path* Paths::find(const Route& route) const {
  const auto found = std::find_if(paths_.begin(), paths_.end(),
                                  [&](const Path& path) { return path.route == route; });
  return found == paths_.end() ? nullptr : &*found;
}
Path* Paths::lookup(const Route& route) {
  return const_cast<Path*>(find(route));
}

Path& Paths::insert(const Route& route, const Traits& traits) {
  if (Path* known = lookup(route)) {
    if (known->method == Method::none) known->method = traits.method;
    if (traits.keepalive) known->keepalive = traits.keepalive;
    return *known;
  }
  if (paths_.size() >= limits::paths_per_peer) {
    const auto unproved =
        std::find_if(paths_.begin(), paths_.end(), [](const Path& path) { return !path.proved; });
    const auto leaving = unproved == paths_.end() ? std::prev(paths_.end()) : unproved;
    if (leaving->proved) lost_.push_back(*leaving);
    paths_.erase(leaving);
    choose();
  }
  paths_.push_back({.route = route,
                    .method = traits.method,
                    .via = traits.via,
                    .packet_size = limits::packet_size,
                    .keepalive = traits.keepalive});
  return paths_.back();
}

void Paths::add(TimePoint now, const Route& route, const Traits& traits) {
  const bool known = find(route) != nullptr;
  Path& path = insert(route, traits);
  if (known && (path.proved || path.pings_left > 0)) return;
  path.pings_left = pings_while_unproved;
  path.next_ping = now;
}

std::optional<Ping> Paths::knock(TimePoint now, const Route& route, const Traits& traits) {
  Path& path = insert(route, traits);
  if (path.proved) return {};
  return ask(now, path);
}

std::optional<Ping> Paths::ping(TimePoint now, const Route& route) {
  Path* path = lookup(route);
  if (!path || !path->proved) return {};
  return check(now, *path);
}

// A ping whose answer is waited for, and asked for again.
Ping Paths::check(TimePoint now, Path& path) {
  if (!path.unanswered_since) path.unanswered_since = now;
  const bool late = path.unanswered_since != now;
  path.next_ping = now + (late ? limits::ping_retry : late_after(path));
  ++path.unanswered;
  const bool in_use = path.last_data && now - *path.last_data < limits::in_use_for;
  const bool large = in_use && !late && path.packet_size > limits::packet_size;
  const Ping ping = ask(now, path, large ? path.packet_size : 0);
  if (path.doubted()) choose();
  return ping;
}

void Paths::prove(TimePoint now, const Route& route, const Traits& traits,
                  std::optional<Duration> rtt) {
  Path& path = insert(route, traits);
  if (!path.proved) {
    path.proved = true;
    path.proved_at = now;
    path.pings_left = 0;
    test_others(now, path);
  }
  if (rtt && path.rtt == Duration{}) path.rtt = *rtt;
  schedule(now, path);
  choose();
}

void Paths::follow(TimePoint now, const Route& route) {
  const Path* newcomer = find(route);
  if (!newcomer || !newcomer->proved) return;
  for (Path& path : paths_)
    if (&path != newcomer && path.proved && tier(path) == tier(*newcomer)) doubt(now, path);
  choose();
}

void Paths::doubt_direct(TimePoint now) {
  for (Path& path : paths_)
    if (path.proved && !path.route.relayed()) doubt(now, path);
  choose();
}

void Paths::doubt(TimePoint now, Path& path) {
  if (!path.unanswered_since) path.unanswered_since = now;
  path.unanswered = std::max(path.unanswered, unanswered_when_doubted);
  path.next_ping = now;
}

void Paths::test_all(TimePoint now) {
  for (Path& path : paths_) {
    if (!path.proved) continue;
    path.unanswered_since.reset();
    path.unanswered = 0;
    path.next_ping = now;
  }
  choose();
}

void Paths::remove_lane(LaneId lane) {
  std::erase_if(paths_, [&](const Path& path) { return path.route.lane == lane; });
  choose();
}

void Paths::remove_connection(TcpId connection) {
  const auto gone = [&](const Path& path) {
    return path.kind() == PathKind::direct_tcp && path.route.connection == connection;
  };
  for (const Path& path : paths_)
    if (path.proved && gone(path)) lost_.push_back(path);
  if (std::erase_if(paths_, gone) > 0) choose();
}

void Paths::set_keepalive(const Route& route, std::optional<Duration> keepalive) {
  Path* path = lookup(route);
  if (path) path->keepalive = keepalive;
}

void Paths::keep_alive_at(TimePoint now, const Route& route, TimePoint at) {
  Path* path = lookup(route);
  if (!path || !path->proved || !path->keepalive || path->unanswered_since) return;
  if (path->last_data && now - *path->last_data < limits::in_use_for) return;
  path->next_ping = at;
}

void Paths::on_data_sent(TimePoint now, const Route& route) {
  Path* path = lookup(route);
  if (!path || !path->proved) return;
  path->last_data = now;
  if (path->unanswered_since) return;  // already being asked
  const TimePoint due = std::max(now, path->last_ping + limits::ping_in_use);
  if (!path->next_ping || *path->next_ping > due) path->next_ping = due;
}

Ping Paths::ask(TimePoint now, Path& path, std::size_t size) {
  const Ping ping{.nonce = random_.u64(),
                  .rtt_us = static_cast<std::uint32_t>(path.rtt / 1us),
                  .padding = static_cast<std::uint16_t>(size > 0 ? size - around_padding
                                                                 : limits::ping_padding)};
  if (path.asked.size() >= remembered_pings) path.asked.erase(path.asked.begin());
  path.asked.push_back({ping.nonce, now, size});
  path.last_ping = now;
  return ping;
}

std::optional<Ping> Paths::probe_size(TimePoint now, const Route& route, std::size_t size) {
  Path* path = lookup(route);
  if (!path || !path->proved || path->packet_size >= size) return {};
  return ask(now, *path, size);
}

void Paths::find_size(TimePoint now, const Route& route) {
  Path* path = lookup(route);
  if (!path || !path->proved) return;
  path->next_size_probe = now;
  path->size_probes = 0;
}

std::optional<Ping> Paths::next_size_probe(TimePoint now, Path& path) {
  const std::size_t size = larger_size(path);
  path.next_size_probe.reset();
  if (size == 0) return {};
  if (path.size_probes >= limits::size_probes) {
    path.size_probes = 0;
    path.next_size_probe = now + limits::size_probe_again;
    return {};
  }
  ++path.size_probes;
  path.next_size_probe = now + std::max(limits::size_probe_gap, late_after(path));
  return ask(now, path, size);
}

// `answered`: the size of the ping, 0 for a small one. What was asked before it is still known.
void Paths::notice_size(TimePoint now, Path& path, std::size_t answered) {
  if (answered > path.packet_size) {
    path.packet_size = answered;
    path.size_probes = 0;
    if (path.next_size_probe) path.next_size_probe = now;
  }
  if (answered >= path.packet_size) path.large_lost = 0;
  if (answered > 0 || path.packet_size <= limits::packet_size) return;
  for (const Path::Asked& before : path.asked) {
    if (before.size == 0) return;  // the one answered, or one before it
    if (before.size != path.packet_size) continue;
    if (++path.large_lost < limits::large_pings_lost) return;
    path.packet_size = limits::packet_size;
    path.large_lost = 0;
    path.size_probes = 0;
    path.next_size_probe = now + limits::size_probe_gap;
    return;
  }
}

bool Paths::on_pong(TimePoint now, const Route& route, std::uint64_t nonce) {
  Path* path = lookup(route);
  if (!path) return false;
  const auto asked = std::find_if(path->asked.begin(), path->asked.end(),
                                  [&](const Path::Asked& a) { return a.nonce == nonce; });
  if (asked == path->asked.end()) return false;

  const Duration sample = now - asked->at;
  path->rtt = std::exchange(path->measured, true) ? (path->rtt * 7 + sample) / 8 : sample;
  notice_size(now, *path, asked->size);
  path->asked.erase(path->asked.begin(), asked + 1);
  path->unanswered_since.reset();
  path->unanswered = 0;
  const bool first = !path->proved;
  if (first) {
    path->proved = true;
    path->proved_at = now;
    path->pings_left = 0;
    test_others(now, *path);
  }
  schedule(now, *path);
  choose();
  return first;
}

void Paths::schedule(TimePoint now, Path& path) {
  path.next_ping.reset();
  if (path.last_data && now - *path.last_data < limits::in_use_for)
    path.next_ping = std::max(now, path.last_ping + limits::ping_in_use);
  else if (path.keepalive)
    path.next_ping = now + random_.jittered(*path.keepalive);
}

void Paths::test_others(TimePoint now, const Path& newcomer) {
  // Who comes by TCP may have lost its UDP.
  const bool by_tcp = newcomer.kind() == PathKind::direct_tcp;
  for (Path& path : paths_) {
    const bool rival = tier(path) == tier(newcomer) || (by_tcp && tier(path) < tier(newcomer));
    if (&path != &newcomer && path.proved && rival && !path.unanswered_since) path.next_ping = now;
  }
}

Duration Paths::late_after(const Path& path) const {
  return std::max(limits::late_floor, path.rtt * 2);
}

std::optional<Paths::Probe> Paths::poll_ping(TimePoint now) {
  for (Path& path : paths_) {
    if (path.next_size_probe && *path.next_size_probe <= now)
      if (const auto probe = next_size_probe(now, path)) return Probe{path.route, *probe};
    if (!path.next_ping || *path.next_ping > now) continue;
    if (!path.proved) {
      if (path.pings_left == 0) {
        path.next_ping.reset();
        continue;
      }
      const int sent = pings_while_unproved - path.pings_left--;
      path.next_ping = now + late_after(path) * (1 << sent);
      return Probe{path.route, ask(now, path)};
    }
    return Probe{path.route, check(now, path)};
  }
  return {};
}

void Paths::on_timeout(TimePoint now) {
  const auto silent = [&](const Path& path) {
    if (path.proved)
      return path.unanswered_since && now - *path.unanswered_since >= limits::path_patience;
    // Unproved: asked for all it will be, and the last answer is overdue.
    return path.pings_left == 0 && now - path.last_ping >= limits::path_patience;
  };
  for (const Path& path : paths_)
    if (path.proved && silent(path)) lost_.push_back(path);
  if (std::erase_if(paths_, silent) > 0) choose();
}

std::vector<Path> Paths::take_lost() {
  return std::exchange(lost_, {});
}

std::optional<TimePoint> Paths::next_timeout() const {
  std::optional<TimePoint> next;
  for (const Path& path : paths_) {
    next = earlier(next, path.next_ping);
    next = earlier(next, path.next_size_probe);
    if (path.unanswered_since) next = earlier(next, *path.unanswered_since + limits::path_patience);
    if (!path.proved && path.pings_left == 0)
      next = earlier(next, path.last_ping + limits::path_patience);
  }
  return next;
}

bool Paths::is_worried() const {
  return std::any_of(paths_.begin(), paths_.end(),
                     [](const Path& path) { return path.proved && path.unanswered > 1; });
}

const Path* Paths::best() const {
  const auto chosen =
      std::find_if(paths_.begin(), paths_.end(), [](const Path& path) { return path.chosen; });
  return chosen == paths_.end() ? nullptr : &*chosen;
}

const Path* Paths::best_of(PathKind kind) const {
  const Path* best = nullptr;
  for (const Path& path : paths_)
    if (path.proved && path.kind() == kind && (!best || path.rtt < best->rtt)) best = &path;
  return best;
}

void Paths::choose() {
  const Path* chosen = best();
  if (chosen && !chosen->proved) chosen = nullptr;
  for (const Path& path : paths_) {
    if (!path.proved || &path == chosen) continue;
    if (!chosen || better(path, *chosen)) chosen = &path;
  }
  for (Path& path : paths_) path.chosen = &path == chosen;
}

}  // namespace byway

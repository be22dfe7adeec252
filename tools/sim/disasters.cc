#include "tools/sim/disasters.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "overlay/directory/placement.h"
#include "overlay/mesh/view.h"
#include "protocol/message.h"
#include "tools/sim/liar.h"

namespace byway::sim {
namespace {

using HostId = Swarm::HostId;
using Kind = Swarm::Kind;

constexpr Duration settling = 2min;  // the leaves have come, and everything they set off is done
// Of what all can take, were every leaf to have three homes; not all get their third, and 0.8 or
// more is left of it.
constexpr double load_before = 0.9;
constexpr double overload_allowed = 1.3;

constexpr std::array all_disasters{
    Disaster{"mass-restart", "every node is killed and comes back within ten seconds", "memory",
             "their peer books are lost"},
    Disaster{"lose-30", "30 % of the supernodes vanish in one second, at 80 % load", "admission",
             "supernodes take whoever comes"},
    Disaster{"partition", "the network falls into two halves for an hour", "feelers",
             "nobody tries those that were declared gone"},
    Disaster{"bad-version", "a fifth of the supernodes runs a version that crashes on one record",
             "", ""},
    Disaster{"eclipse", "200 keys in four netgroups join, and lie about who is registered where",
             "netgroups", "every address counts as a netgroup of its own"},
    Disaster{"liars", "1 % of the supernodes do not hear half of the others, and lie", "", ""},
};

double seconds(Duration span) {
  return std::chrono::duration<double>(span).count();
}

void add(Figures& figures, std::string key, double value, std::string unit, std::string says,
         std::optional<double> at_least = {}, std::optional<double> at_most = {}) {
  figures.push_back({std::move(key), value, std::move(unit), std::move(says), at_least, at_most});
}

// How long until it holds, seen from now; `never` when it does not within the limit.
double time_until(Swarm& swarm, const std::function<bool()>& holds, Duration limit) {
  const TimePoint from = swarm.now();
  return swarm.run_until(holds, limit) ? seconds(swarm.now() - from) : Watch::never;
}

double share_reachable(const Watch& watch) {
  const auto leaves = static_cast<double>(watch.leaves());
  return leaves == 0 ? 1 : static_cast<double>(watch.reachable()) / leaves;
}

std::vector<HostId> some_of(Swarm& swarm, std::vector<HostId> hosts, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    std::swap(hosts[i], hosts[i + swarm.random().below(hosts.size() - i)]);
  hosts.resize(count);
  return hosts;
}

// Everybody is looked up once, and the figures are of these look-ups alone.
void look_everybody_up(Swarm& swarm, Watch& watch) {
  watch.reset();
  watch.look_up_everybody(20s);
  swarm.run_for(40s);
}

// --- the disasters -------------------------------------------------------------------------------

Figures mass_restart(Swarm& swarm, Watch& watch, const Play& play) {
  swarm.run_for(settling);
  Figures figures;
  watch.excused = [](HostId, HostId) { return true; };  // they were gone indeed
  for (HostId id = 0; id < swarm.size(); ++id) swarm.crash(id);
  for (HostId id = 0; id < swarm.size(); ++id)
    swarm.later(swarm.random().upto(10s),
                [&swarm, id, remembers = !play.without_rule] { swarm.restart(id, remembers); });
  swarm.run_for(10s);
  const std::size_t leaves = swarm.leaves().size();
  const double reached = 10 + time_until(
                                  swarm, [&] { return watch.reachable() == leaves; }, 5min);
  add(figures, "recovered_s", reached, "s", "until every leaf is registered again", {}, 90);
  // The look-ups ask supernodes that have run for a minute.
  const double spent = std::min(reached, 310.0);
  if (spent < 70) swarm.run_for(Duration{static_cast<Duration::rep>((70 - spent) * 1e9)});
  add(figures, "mutual_then", watch.mutual(), "", "pairs of supernodes that know one another then");
  watch.excused = nullptr;
  look_everybody_up(swarm, watch);
  return figures;
}

Figures lose_30(Swarm& swarm, Watch& watch, const Play& play) {
  swarm.run_for(settling);
  const double limit = std::ceil(static_cast<double>(play.world.leaves * 3) /
                                 (load_before * static_cast<double>(play.world.supernodes)));
  Figures figures;
  const double registrations =
      watch.leaves_per_supernode().mean() * static_cast<double>(play.world.supernodes);
  add(figures, "load_before", registrations / limit / static_cast<double>(play.world.supernodes),
      "", "of what all could take, before");
  const auto victims = some_of(swarm, swarm.supernodes(), play.world.supernodes * 3 / 10);
  const std::set<HostId> lost(victims.begin(), victims.end());
  watch.reset();
  for (const HostId id : victims)
    swarm.later(swarm.random().upto(1s), [&swarm, id] { swarm.crash(id); });

  double most = 0;
  double reached = Watch::never;
  for (int second = 1; second <= 180; ++second) {
    swarm.run_for(1s);
    most = std::max(most, watch.leaves_per_supernode().most());
    if (reached == Watch::never && second > 1 && watch.reachable() == watch.leaves())
      reached = second;
    if (reached != Watch::never && second > 1 && watch.reachable() < watch.leaves())
      reached = Watch::never;
    if (second == 60)
      add(figures, "reachable_at_60s", share_reachable(watch), "",
          "leaves reachable one minute later", 1);
  }
  add(figures, "reached_s", reached, "s", "until every leaf could be reached again", {}, 60);
  add(figures, "most_over_limit", most / limit, "", "the busiest survivor, of its limit", {},
      overload_allowed);
  add(figures, "further_lost", static_cast<double>(watch.buried_alive()), "",
      "further supernodes lost", {}, 0);
  add(figures, "crash_cleared_s", watch.crashes().most(), "s",
      "until the last of the lost was out of 99 % of views");
  look_everybody_up(swarm, watch);
  return figures;
}

Figures partition(Swarm& swarm, Watch& watch, const Play& play) {
  swarm.run_for(settling);
  Figures figures;
  const auto apart = [](HostId a, HostId b) { return a % 2 != b % 2; };
  watch.excused = apart;
  swarm.set_trouble([&](HostId from, HostId to, ByteView) { return apart(from, to); });
  swarm.run_for(1h);
  // Nobody sends to the other half any more: for them it is as if it had never been.
  add(figures, "mutual_apart", watch.mutual(), "", "pairs that know one another, before healing");
  std::unordered_map<HostId, NodeId> ids;
  if (play.without_rule) {
    swarm.set_trouble([&](HostId from, HostId to, ByteView bytes) {
      return apart(from, to) && Swarm::kind_of(bytes) == Traffic::handshakes;
    });
  } else {
    swarm.set_trouble(nullptr);
  }
  const double healed = time_until(
      swarm, [&] { return watch.mutual() >= 0.99; }, 30min);
  add(figures, "healed_s", healed, "s", "until 99 % of the pairs know one another again", {}, 600);
  watch.excused = nullptr;
  swarm.run_for(1min);
  look_everybody_up(swarm, watch);
  return figures;
}

Figures bad_version(Swarm& swarm, Watch& watch, const Play&) {
  swarm.run_for(settling);
  Figures figures;
  const auto& supernodes = swarm.supernodes();
  const auto chosen = some_of(swarm, supernodes, supernodes.size() / 5);
  const std::set<HostId> bad(chosen.begin(), chosen.end());
  std::size_t crashes = 0;
  watch.excused = [&](HostId, HostId subject) { return bad.contains(subject); };
  watch.reset();
  const HostId poison = swarm.add(Kind::supernode);
  const NodeId poison_id = swarm.host(poison).id();
  watch.then = [&](HostId host, const Event& event) {
    const auto* gained = std::get_if<SupernodeGained>(&event);
    if (!gained || gained->id != poison_id || !bad.contains(host)) return;
    ++crashes;
    const auto life = swarm.host(host).life;
    swarm.later(1ms, [&swarm, host, life] {
      if (swarm.host(host).life != life) return;
      swarm.crash(host);
      swarm.later(10s + swarm.random().upto(5s), [&swarm, host, life] {
        if (swarm.host(host).life == life) swarm.restart(host);
      });
    });
  };
  swarm.run_for(5min);
  add(figures, "crashes_of_the_bad", static_cast<double>(crashes), "",
      "crashes of those with the bad version");
  add(figures, "good_lost", static_cast<double>(watch.buried_alive()), "",
      "supernodes of the good version lost", {}, 0);
  add(figures, "reachable_then", share_reachable(watch), "", "leaves reachable meanwhile", 0.99);
  look_everybody_up(swarm, watch);
  watch.then = nullptr;
  for (Figure& figure : figures)
    if (figure.key == "mutual") figure.at_least.reset();  // they come and go
  return figures;
}

Figures eclipse(Swarm& swarm, Watch& watch, const Play& play) {
  swarm.run_for(settling);
  Figures figures;
  static constexpr std::size_t keys = 200;
  const Liar liar(play.world.seed);
  std::set<NodeId> attackers;
  for (std::size_t i = 0; i < keys; ++i) {
    const HostId id = swarm.add(Kind::supernode, swarm.netgroups() + i % 4, &liar);
    attackers.insert(swarm.host(id).id());
    swarm.run_for(500ms);
  }
  swarm.run_for(3min);
  double most_of_view = 0;
  double admitted = 0;
  for (const HostId id : swarm.supernodes()) {
    const auto& host = swarm.host(id);
    if (!host.is_running() || host.crypto) continue;
    double theirs = 0;
    host.overlay->view().each_admitted(
        [&](const View::Member& m) { theirs += attackers.contains(m.id()) ? 1 : 0; });
    admitted = std::max(admitted, theirs);
    most_of_view =
        std::max(most_of_view, theirs / static_cast<double>(host.overlay->view().size()));
  }
  add(figures, "attackers", keys, "", "the attacker's keys");
  add(figures, "attackers_admitted", admitted, "", "  of them in a view, at most");
  add(figures, "attacker_share_of_view", most_of_view, "", "  as a share of that view", {}, 0.08);

  // Whom an honest node would ask for each leaf.
  const auto& some = swarm.host(swarm.supernodes().front());
  Placement placement(swarm.crypto(), swarm.options().netgroup_bits, 32);
  some.overlay->view().each_admitted(
      [&](const View::Member& m) { placement.add(m.dossier->record); });
  std::size_t most = 0;
  double sum = 0;
  for (const HostId leaf : swarm.leaves()) {
    std::size_t theirs = 0;
    for (const NodeId& holder : placement.holders(swarm.host(leaf).id()))
      theirs += attackers.contains(holder) ? 1 : 0;
    most = std::max(most, theirs);
    sum += static_cast<double>(theirs);
  }
  add(figures, "attacker_holders_most", static_cast<double>(most), "",
      "  holders of one record, of eight, at most", {}, 4);
  add(figures, "attacker_holders_mean",
      sum / static_cast<double>(std::max<std::size_t>(1, swarm.leaves().size())), "",
      "  in the mean");
  look_everybody_up(swarm, watch);
  add(figures, "lies", static_cast<double>(liar.lies()), "", "lies told");
  const Figures rest = figures_of(swarm, watch);
  figures.insert(figures.end(), rest.begin(), rest.end());
  for (Figure& figure : figures) {
    if (figure.key == "lookups_right_share") figure.at_least = 1;
    if (figure.key == "mutual") figure.at_least.reset();  // most of the attacker's are not admitted
  }
  for (const HostId id : swarm.supernodes())
    if (swarm.host(id).crypto) swarm.crash(id);  // its cryptography ends with this function
  return figures;
}

Figures liars(Swarm& swarm, Watch& watch, const Play& play) {
  Figures figures;
  const Liar liar(play.world.seed);
  swarm.run_for(settling);
  const std::size_t count = std::max<std::size_t>(1, play.world.supernodes / 100);
  std::set<HostId> lying;
  for (std::size_t i = 0; i < count; ++i)
    lying.insert(swarm.add(Kind::supernode, std::nullopt, &liar));
  swarm.run_for(1min);
  watch.reset();
  // What half of the others say they do not hear; so they accuse them, and sign that they are gone.
  swarm.set_trouble([&lying](HostId from, HostId to, ByteView) {
    return lying.contains(to) && !lying.contains(from) && from % 2 == 0;
  });
  // Whoever does not hear its neighbours is gone for them, and that is no mistake.
  watch.excused = [&](HostId by, HostId subject) {
    return lying.contains(by) || lying.contains(subject);
  };
  swarm.run_for(play.time);
  watch.conclude();
  add(figures, "liars", static_cast<double>(count), "", "supernodes that lie");
  add(figures, "lies", static_cast<double>(liar.lies()), "", "lies told");
  const Figures rest = figures_of(swarm, watch);
  figures.insert(figures.end(), rest.begin(), rest.end());
  swarm.set_trouble(nullptr);
  for (const HostId id : lying) swarm.crash(id);
  return figures;
}

}  // namespace

std::span<const Disaster> disasters() {
  return all_disasters;
}

const Disaster* find_disaster(std::string_view name) {
  const auto found = std::find_if(all_disasters.begin(), all_disasters.end(),
                                  [&](const Disaster& d) { return d.name == name; });
  return found == all_disasters.end() ? nullptr : &*found;
}

namespace {

// Its memory goes with the process.
void leave_behind(Swarm* world) {
  static std::vector<Swarm*> left;
  left.push_back(world);
}
void take_apart(Swarm* world) {
  delete world;
}

// Tells of each minute; what happens in it stays the same.
class MinuteTeller {
 public:
  MinuteTeller(Swarm& swarm, const Play& play) : swarm_(swarm), play_(play) {
    if (play_.on_minute) wait();
  }

 private:
  void wait() {
    swarm_.later(1min, [this] {
      play_.on_minute(++minutes_);
      wait();
    });
  }

  Swarm& swarm_;
  const Play& play_;
  std::chrono::minutes minutes_{};
};

}  // namespace

Figures play(const Play& play) {
  SwarmOptions world = play.world;
  if (play.disaster == "lose-30" && !play.without_rule)
    world.max_leaves =
        static_cast<std::size_t>(std::ceil(static_cast<double>(world.leaves * 3) /
                                           (load_before * static_cast<double>(world.supernodes))));
  if (play.disaster == "eclipse" && play.without_rule) world.netgroup_bits = 32;
  const Duration churn = std::exchange(world.median_life, Duration{});
  const std::unique_ptr<Swarm, void (*)(Swarm*)> owned(new Swarm(world),
                                                       play.last ? leave_behind : take_apart);
  Swarm& swarm = *owned;
  MinuteTeller minutes(swarm, play);
  const bool watched_throughout = play.disaster.empty() || play.disaster == "liars";
  Watch watch(swarm, watched_throughout ? play.lookups : 0);
  Figures figures;
  if (play.disaster.empty()) {
    swarm.run_for(settling);
    swarm.set_churn(churn);
    if (churn > Duration{}) swarm.run_for(settling);
    watch.reset();
    swarm.run_for(play.time);
    watch.conclude();
  } else if (play.disaster == "mass-restart") {
    figures = mass_restart(swarm, watch, play);
  } else if (play.disaster == "lose-30") {
    figures = lose_30(swarm, watch, play);
  } else if (play.disaster == "partition") {
    figures = partition(swarm, watch, play);
  } else if (play.disaster == "bad-version") {
    figures = bad_version(swarm, watch, play);
  } else if (play.disaster == "eclipse") {
    return eclipse(swarm, watch, play);
  } else if (play.disaster == "liars") {
    return liars(swarm, watch, play);
  }
  const Figures rest = figures_of(swarm, watch);
  figures.insert(figures.end(), rest.begin(), rest.end());
  return figures;
}

}  // namespace byway::sim

#include "tools/sim/swarm_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace byway::sim {
namespace {

std::string number(double value) {
  char text[40];
  if (value >= Watch::never) return "never";
  const bool whole = std::floor(value) == value && std::abs(value) < 1e15;
  std::snprintf(text, sizeof(text), whole ? "%.0f" : std::abs(value) < 10 ? "%.4f" : "%.1f", value);
  return text;
}

}  // namespace

bool all_hold(const Figures& figures) {
  return std::all_of(figures.begin(), figures.end(), [](const Figure& f) { return f.holds(); });
}

std::optional<double> value_of(const Figures& figures, std::string_view key) {
  for (const Figure& figure : figures)
    if (figure.key == key) return figure.value;
  return std::nullopt;
}

std::string in_text(const Figures& figures) {
  std::string text;
  for (const Figure& figure : figures) {
    char line[200];
    std::snprintf(line, sizeof(line), "%-58s %12s %-6s", figure.says.c_str(),
                  number(figure.value).c_str(), figure.unit.c_str());
    text += line;
    if (figure.at_least)
      text += (figure.holds() ? "  ok, at least " : "  NOT at least ") + number(*figure.at_least);
    if (figure.at_most)
      text += (figure.holds() ? "  ok, at most " : "  NOT at most ") + number(*figure.at_most);
    while (!text.empty() && text.back() == ' ') text.pop_back();
    text += "\n";
  }
  return text;
}

Figures figures_of(const Swarm& swarm, const Watch& watch) {
  Figures figures;
  const auto add = [&](std::string key, double value, std::string unit, std::string says,
                       std::optional<double> at_least = {}, std::optional<double> at_most = {}) {
    figures.push_back({std::move(key), value, std::move(unit), std::move(says), at_least, at_most});
  };
  const auto count = [](std::size_t n) { return static_cast<double>(n); };

  add("supernodes", count(watch.leaves_per_supernode().size()), "", "supernodes running");
  add("leaves", count(watch.leaves()), "", "leaves running");
  add("mutual", watch.mutual(), "", "pairs of supernodes that know one another", 0.99);
  add("ghosts", watch.ghosts(), "", "of the entries in their views: nobody there");
  add("roots", count(watch.roots()), "", "different opinions on who there is");
  add("buried_alive", count(watch.buried_alive()), "", "declared gone though alive", {}, 0);
  if (const Sample& s = watch.newcomers(); s.size() > 0) {
    add("newcomers", count(s.size()), "", "new supernodes");
    add("newcomer_known_s_median", s.at(0.5), "s", "  known to 99 %: median");
    add("newcomer_known_s_p99", s.at(0.99), "s", "  99th of 100");
    add("newcomer_known_s_most", s.most(), "s", "  the last one", {}, 30);
  }
  if (const Sample& s = watch.crashes(); s.size() > 0) {
    add("crashes", count(s.size()), "", "crashed supernodes");
    add("crash_noticed_s_median", s.at(0.5), "s", "  noticed by 99 %: median");
    add("crash_noticed_s_most", s.most(), "s", "  the last one");
    add("crash_noticed_in_30s", s.share_within(30), "", "  share of them noticed within 30 s",
        0.99);
  }
  if (const Sample& s = watch.farewells(); s.size() > 0) {
    add("farewells", count(s.size()), "", "supernodes that said goodbye");
    add("farewell_known_s_p99", s.at(0.99), "s", "  known to 99 %: 99th of 100");
  }

  const auto& lookups = watch.lookups();
  if (lookups.right + lookups.wrong > 0) {
    add("lookups", count(lookups.right + lookups.wrong), "", "look-ups");
    add("lookups_right_share", lookups.share_right(), "", "  share that was right", 0.999);
    add("lookups_not_found", count(lookups.not_found), "", "  wrong: there, but not found");
    add("lookups_elsewhere", count(lookups.elsewhere), "", "  wrong: not where they said");
    add("lookups_ghosts", count(lookups.ghosts), "", "  wrong: found, but not there");
    add("lookups_unanswered", count(lookups.unanswered), "", "  wrong: no answer");
    add("lookup_ms_median", lookups.ms.at(0.5), "ms", "  time taken: median");
    add("lookup_ms_p99", lookups.ms.at(0.99), "ms", "  99th of 100");
  }

  const std::size_t leaves = watch.leaves();
  add("reachable_share", leaves ? count(watch.reachable()) / count(leaves) : 1, "",
      "leaves that can be found and reached");
  add("homes_per_leaf", watch.homes_per_leaf().mean(), "", "homes of a leaf, mean");
  add("home_rtt_ms_mean", watch.home_rtt_ms().mean(), "ms", "  round trip to each of them: mean");
  const Sample load = watch.leaves_per_supernode();
  add("load_median", load.at(0.5), "", "leaves of a supernode: median");
  add("load_p99", load.at(0.99), "", "  99th of 100");
  add("load_most", load.most(), "", "  the busiest");

  const auto traffic = watch.traffic();
  if (traffic.seconds > 0) {
    add("mesh_bytes_s_mean", traffic.mesh_bytes.mean(), "B/s",
        "a supernode sends to other supernodes: mean");
    add("mesh_bytes_s_most", traffic.mesh_bytes.most(), "B/s", "  the busiest");
    add("supernode_bytes_s_mean", traffic.supernode_bytes.mean(), "B/s",
        "a supernode sends in all: mean");
    add("leaf_bytes_day_mean", traffic.leaf_bytes.mean(), "B/day",
        "a leaf sends and receives: mean");
    for (std::size_t kind = 0; kind < traffic_kinds; ++kind) {
      const double bytes = static_cast<double>(traffic.supernodes.bytes[kind]) / traffic.seconds /
                           std::max(1.0, count(traffic.supernode_bytes.size()));
      if (bytes < 0.05) continue;
      const std::string name(to_string(static_cast<Traffic>(kind)));
      add("supernode_" + name + "_bytes_s", bytes, "B/s", "  of a supernode's: " + name);
      add("supernode_" + name + "_datagrams_s",
          bytes * count(traffic.supernodes.datagrams[kind]) / count(traffic.supernodes.bytes[kind]),
          "/s", "    in datagrams");
    }
    for (std::size_t kind = 0; kind < traffic_kinds; ++kind) {
      const double bytes = static_cast<double>(traffic.leaves.bytes[kind]) / traffic.seconds /
                           std::max(1.0, count(traffic.leaf_bytes.size()));
      if (bytes < 0.05) continue;
      const std::string name(to_string(static_cast<Traffic>(kind)));
      add("leaf_" + name + "_bytes_day", bytes * 86'400, "B/day",
          "  of what a leaf sends: " + name);
    }
  }
  add("events", count(swarm.events()), "", "datagrams and alarms simulated");
  return figures;
}

}  // namespace byway::sim

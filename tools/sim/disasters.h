// Named disasters, each played on a swarm that has settled, with what must be true afterwards.
//
// Each rests on a rule of the protocol, and can be played without it, to see that the rule is what
// saves us and not luck.
#pragma once

#include <chrono>
#include <functional>
#include <span>
#include <string_view>

#include "tools/sim/swarm_report.h"

namespace byway::sim {

struct Disaster {
  std::string_view name;
  std::string_view story;
  std::string_view rule;     // what saves us; empty: it cannot be switched off from here
  std::string_view without;  // how it goes without it
};
std::span<const Disaster> disasters();
const Disaster* find_disaster(std::string_view name);

struct Play {
  SwarmOptions world;
  double lookups = 10;    // a second
  Duration time = 10min;  // of watching; a disaster takes its own
  std::string disaster;   // empty: only the weather of `world`
  bool without_rule = false;
  bool last = false;  // the process ends after it, so nobody takes the world to pieces
  std::function<void(std::chrono::minutes)> on_minute;  // so many have been played
};
// Plays it from beginning to end.
Figures play(const Play& play);

}  // namespace byway::sim

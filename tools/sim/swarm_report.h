// What a simulation found, as figures: each with a name that scripts can rely on, and, where
// something was promised, with what it has to be.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/sim/swarm_watch.h"

namespace byway::sim {

struct Figure {
  std::string key;  // lookups_right_share
  double value = 0;
  std::string unit;  // empty: a number of things
  std::string says;  // what it is, for people
  std::optional<double> at_least;
  std::optional<double> at_most;

  bool holds() const {
    return (!at_least || value >= *at_least) && (!at_most || value <= *at_most);
  }
};
using Figures = std::vector<Figure>;

bool all_hold(const Figures& figures);
// Nothing: there is none of that name.
std::optional<double> value_of(const Figures& figures, std::string_view key);
// One line each, with a mark where something was promised and is not so.
std::string in_text(const Figures& figures);

// How the mesh, the directory and the load are now, and were since the watch's reset.
Figures figures_of(const Swarm& swarm, const Watch& watch);

}  // namespace byway::sim

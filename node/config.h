// What `byway run` was asked to do: its options, from the command line and from a file of
// `name = value` lines with the same names. The command line wins. Whatever is wrong with them
// becomes one sentence naming the option and the remedy.
#pragma once

#include <boost/program_options/options_description.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "node/outcome.h"
#include "node/seeds.h"
#include "overlay/overlay.h"

namespace byway {

struct RunConfig {
  std::string state_dir;           // never empty after parsing
  std::vector<Endpoint> listen;    // the first is the main socket; port 0: any free one
  std::vector<SeedAddress> seeds;  // from --seed, --seeds and --join
  std::optional<NodeId> invited_by;
  std::optional<Role> role;  // none: automatic, by proof
  Duration promote_after = 20min;
  std::string name;
  std::size_t max_leaves = 100'000;
  std::size_t threads = 1;  // of a supernode
  int netgroup_bits_v4 = 16;
  int netgroup_bits_v6 = 32;
  bool relay = true;
  std::uint64_t relay_rate = 0;         // bytes/s; 0: no limit
  std::uint64_t lane_rate = 0;          // bytes/s; 0: no limit
  std::uint64_t node_rate = 0;          // bytes/s; 0: no limit
  std::uint64_t relay_monthly_cap = 0;  // bytes; 0: no limit
  bool cubic = false;
  bool port_mapping = true;  // ask the router for one
  bool lan = true;           // look for peers in the own network, and answer there
  std::string log_level = "info";
};

// For `byway run --help`.
boost::program_options::options_description run_options();

// `arguments`: what follows `run` on the command line. The problem is one of usage (exit code 2).
// --state-dir is among the options; where it was given elsewhere, pass it as `state_dir`.
Outcome<RunConfig> parse_run_config(const std::vector<std::string>& arguments,
                                    const std::string& state_dir = {});

}  // namespace byway

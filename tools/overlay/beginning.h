// Whom a tool begins with: --seed, --seeds and --join, or the supernodes that the node here knows,
// if it runs, or remembered, if it does not. And whom it is about: PEER, an id or a contact's name,
// or ID@HOST:PORT.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "node/cli/command.h"
#include "overlay/overlay.h"

namespace byway::tools {

// Adds --seed, --seeds and --join.
void describe_seeds(boost::program_options::options_description& options);

// Nothing: a sentence was printed, and `code` is what to exit with.
std::optional<std::vector<Seed>> find_seeds(const cli::Call& call, int& code);

struct Whom {
  NodeId id;
  std::optional<Endpoint> endpoint;  // where it was given
};
std::optional<Whom> find_whom(const cli::Call& call, const std::string& word, int& code);

}  // namespace byway::tools

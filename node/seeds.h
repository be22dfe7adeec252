// Whom to join by, as people write it down: one address (ID@HOST:PORT), a file of them, or the line
// that `byway invite` printed. Whatever is wrong becomes one sentence naming the option and the
// remedy.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "node/outcome.h"
#include "protocol/invite.h"

namespace byway {

constexpr std::size_t max_seeds = 64;

// ID@HOST:PORT. The host may be a name; see node/seed_lookup.h.
struct SeedAddress {
  NodeId id;
  std::string host;
  std::uint16_t port = 0;
};

// `option`: for the sentence.
Outcome<SeedAddress> parse_seed_address(std::string_view text, const std::string& option = "seed");

// One ID@HOST:PORT a line; blank lines and what stands behind a # are left out.
Outcome<std::vector<SeedAddress>> read_seeds_file(const std::string& path);

Outcome<Invite> parse_join_line(std::string_view line);
std::vector<SeedAddress> seeds_of(const Invite& invite);

}  // namespace byway

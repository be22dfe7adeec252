#include "tools/overlay/beginning.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "node/cli/control_client.h"
#include "node/cli/names.h"
#include "node/cli/words.h"
#include "node/clock.h"
#include "node/kept_file.h"
#include "node/runtime.h"
#include "node/seed_lookup.h"
#include "node/seeds.h"
#include "overlay/mesh/peer_book.h"

namespace byway::tools {
namespace {

namespace json = boost::json;
namespace po = boost::program_options;
using cli::Call;

constexpr std::uint32_t asked_of_node = 16;

// Where it is; a name is looked up.
std::vector<Seed> resolved(const SeedAddress& address) {
  if (const auto ip = IpAddress::parse(address.host))
    return {{address.id, Endpoint{*ip, address.port}}};
  std::vector<Seed> seeds;
  for (const IpAddress& ip : resolve_host(address.host).addresses)
    seeds.push_back({address.id, Endpoint{ip, address.port}});
  return seeds;
}

// Those that the running node knows. A sentence when it cannot be asked.
std::vector<Seed> seeds_of_node(const std::string& state_dir, std::string& problem) {
  std::vector<Seed> seeds;
  auto client = cli::ControlClient::connect(state_dir, problem);
  if (!client) return seeds;
  client->send(control::Supernodes{asked_of_node});
  while (const auto reply = client->next()) {
    if (const auto* failed = std::get_if<control::Failed>(&*reply)) problem = failed->sentence;
    const auto* line = std::get_if<control::Line>(&*reply);
    if (!line) break;
    json::error_code error;
    const json::value parsed = json::parse(line->json, error);
    if (error || !parsed.is_object()) continue;
    const auto id = NodeId::parse(cli::text_at(parsed.get_object(), "id"));
    const auto endpoint = Endpoint::parse(cli::text_at(parsed.get_object(), "endpoint"));
    if (id && endpoint) seeds.push_back({*id, *endpoint});
  }
  return seeds;
}

// Those that a node here, which does not run now, remembered when it did.
std::vector<Seed> seeds_of_book(const std::string& state_dir) {
  const auto saved = read_kept_file(state_dir + "/peers", "peer book");
  if (!saved || saved->empty()) return {};
  // Who is in which netgroup matters to whom is taken up, not to whom is told.
  auto book = PeerBook::load(*saved, sodium_crypto(), strong_random(), 16, 32);
  if (!book) return {};
  std::vector<Seed> seeds;
  for (std::uint32_t i = 0; i < 4 * asked_of_node && seeds.size() < asked_of_node; ++i) {
    const auto candidate = book->select(wall_now());
    if (!candidate) break;
    const bool known =
        std::ranges::any_of(seeds, [&](const Seed& seed) { return seed.id == candidate->id; });
    if (!known) seeds.push_back({candidate->id, candidate->endpoint});
  }
  return seeds;
}

}  // namespace

void describe_seeds(po::options_description& options) {
  options.add_options()("seed", po::value<std::vector<std::string>>()->value_name("ID@HOST:PORT"),
                        "a supernode to begin with; may be repeated")(
      "seeds", po::value<std::string>()->value_name("FILE"),
      "more of them, one a line; # begins a comment")(
      "join", po::value<std::string>()->value_name("LINE"),
      "begin with those of an invitation (`byway invite`)");
}

std::optional<std::vector<Seed>> find_seeds(const Call& call, int& code) {
  const auto usage = [&](const std::string& sentence) {
    code = call.usage(sentence);
    return std::nullopt;
  };
  const auto fail = [&](const std::string& sentence) {
    code = call.fail(sentence);
    return std::nullopt;
  };
  std::vector<SeedAddress> given;
  if (call.has("seed"))
    for (const auto& text : call.options["seed"].as<std::vector<std::string>>()) {
      const auto seed = parse_seed_address(text);
      if (!seed) return usage(seed.error().sentence);
      given.push_back(*seed);
    }
  if (call.has("seeds")) {
    const auto more = read_seeds_file(call.options["seeds"].as<std::string>());
    if (!more) return usage(more.error().sentence);
    given.insert(given.end(), more->begin(), more->end());
  }
  if (call.has("join")) {
    const auto invite = parse_join_line(call.options["join"].as<std::string>());
    if (!invite) return usage(invite.error().sentence);
    const auto more = seeds_of(*invite);
    given.insert(given.end(), more.begin(), more.end());
  }
  std::vector<Seed> seeds;
  for (const SeedAddress& address : given)
    for (const Seed& seed : resolved(address)) seeds.push_back(seed);
  if (!seeds.empty()) return seeds;
  if (!given.empty())
    return fail("no address is known for " + given.front().host +
                ": check the name, or give the seed's address");

  std::string problem;
  seeds = seeds_of_node(call.state_dir, problem);
  if (seeds.empty()) seeds = seeds_of_book(call.state_dir);
  if (!seeds.empty()) return seeds;
  if (!problem.empty()) return fail(problem + ", or name a supernode with --seed ID@HOST:PORT");
  return fail(
      "the node running here knows no supernode yet: wait until it does, or name one with "
      "--seed ID@HOST:PORT");
}

std::optional<Whom> find_whom(const Call& call, const std::string& word, int& code) {
  if (word.find('@') != std::string::npos) {
    const auto address = parse_seed_address(word, call.command);
    if (!address) {
      // The sentence names an option; here it is the word itself.
      const std::string& sentence = address.error().sentence;
      code = call.usage(sentence.substr(sentence.find(": ") + 2));
      return {};
    }
    const auto seeds = resolved(*address);
    if (seeds.empty()) {
      code = call.fail("no address is known for " + address->host +
                       ": check the name, or give the address itself");
      return {};
    }
    return Whom{seeds.front().id, seeds.front().endpoint};
  }
  if (const auto id = NodeId::parse(word)) return Whom{*id, {}};
  cli::Names names{call.state_dir};
  for (const auto& [id, name] : names.by_id())
    if (name == word)
      if (const auto known = NodeId::parse(id)) return Whom{*known, {}};
  code = call.fail("`" + word +
                   "` is neither an id nor the name of a contact of the node running here: write "
                   "the 52 characters that `byway id` prints there");
  return {};
}

}  // namespace byway::tools

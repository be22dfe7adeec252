#include "node/config.h"

#include <boost/program_options.hpp>
#include <charconv>
#include <fstream>

#include "node/log.h"
#include "node/state_dir.h"

namespace byway {
namespace {

namespace po = boost::program_options;

constexpr std::size_t max_listens = 8;
constexpr std::size_t max_name = 64;
constexpr std::size_t max_threads = 64;

Problem problem(const std::string& option, const std::string& sentence) {
  return {"--" + option + ": " + sentence};
}

// "10", "64k", "5M", "1G": bytes per second.
std::optional<std::uint64_t> parse_rate(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;

  const std::string_view unit{end, static_cast<std::size_t>(text.data() + text.size() - end)};
  std::uint64_t factor = 0;
  if (unit.empty()) factor = 1;
  if (unit == "k" || unit == "K") factor = 1'000;
  if (unit == "m" || unit == "M") factor = 1'000'000;
  if (unit == "g" || unit == "G") factor = 1'000'000'000;
  if (unit == "t" || unit == "T") factor = 1'000'000'000'000;
  if (factor == 0 || number > UINT64_MAX / factor) return std::nullopt;
  return number * factor;
}

template <typename Integer>
std::optional<Integer> parse_integer(std::string_view text) {
  Integer number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::pair<int, int>> parse_netgroup_bits(std::string_view text) {
  const auto comma = text.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  const auto v4 = parse_integer<int>(text.substr(0, comma));
  const auto v6 = parse_integer<int>(text.substr(comma + 1));
  if (!v4 || !v6 || *v4 < 1 || *v4 > 32 || *v6 < 1 || *v6 > 128) return std::nullopt;
  return std::pair{*v4, *v6};
}

po::options_description file_options() {
  po::options_description options("Options");
  auto text = [] { return po::value<std::string>(); };
  auto texts = [] { return po::value<std::vector<std::string>>(); };
  options.add_options()("state-dir", text()->value_name("D"),
                        "where the key, contacts and inbox live")(
      "listen", texts()->value_name("ADDR:PORT"),
      "address to receive at; may be repeated, the first is the main one; [::] is every address, "
      "IPv4 ones too (any free port of every address)")("seed", texts()->value_name("ID@HOST:PORT"),
                                                        "a supernode to join by; may be repeated")(
      "seeds", text()->value_name("FILE"), "more of them, one a line; # begins a comment")(
      "join", text()->value_name("LINE"), "join by the invitation that `byway invite` printed")(
      "role", text()->value_name("auto|leaf|supernode"),
      "what to be for others: whatever proves possible and is needed (auto, the default), a leaf "
      "only, or a supernode")(
      "promote-after", text()->value_name("S"),
      "with --role auto: seconds that the address must have been stable (1200)")(
      "name", text()->value_name("NAME"), "what to call this node in its own status")(
      "max-leaves", text()->value_name("N"), "as a supernode: how many leaves to take (100000)")(
      "threads", text()->value_name("N"),
      "as a supernode: threads, each with sockets of its own, of which one decides and all pass on "
      "what is relayed (1)")(
      "netgroup-bits", text()->value_name("A,B"),
      "how many leading bits of an IPv4 and an IPv6 address make a netgroup (16,32)")(
      "relay-rate", text()->value_name("RATE"),
      "as a supernode: bytes a second to relay in all, as in 5M (no limit)")(
      "lane-rate", text()->value_name("RATE"),
      "as a supernode: bytes a second to relay for one pair (no limit)")(
      "node-rate", text()->value_name("RATE"),
      "as a supernode: bytes a second to relay for one node, over all its lanes (no limit)")(
      "relay-monthly-cap", text()->value_name("BYTES"),
      "as a supernode: bytes to relay in a calendar month, as in 500G (no limit)")(
      "no-relay", po::bool_switch(),
      "as a supernode: carry nothing for others; it still takes leaves, but introduces nobody, "
      "since an introduction needs a lane")("cubic", po::bool_switch(),
                                            "CUBIC congestion control instead of BBR")(
      "no-port-mapping", po::bool_switch(),
      "do not ask the router (UPnP, NAT-PMP) to let others reach this node")(
      "no-lan", po::bool_switch(),
      "do not look for peers in the local network by multicast, nor answer there")(
      "log-level", text()->value_name("LEVEL"), "trace, debug, info, warn, error or off (info)");
  return options;
}

std::optional<Problem> read_listens(const po::variables_map& values, RunConfig& config) {
  if (!values.count("listen")) {
    if (config.role == Role::supernode)
      return problem("role",
                     "a supernode needs a port that others can be told; add --listen 0.0.0.0:7000");
    config.listen = {Endpoint{}};
    return std::nullopt;
  }
  for (const auto& text : values["listen"].as<std::vector<std::string>>()) {
    const auto endpoint = Endpoint::parse(text);
    if (!endpoint)
      return problem(
          "listen",
          "'" + text + "' is not an address with a port; write it as 0.0.0.0:7000 or [::]:7000");
    for (const Endpoint& other : config.listen)
      if (other == *endpoint && endpoint->port != 0)
        return problem("listen", text + " is given twice; leave one of them out");
    config.listen.push_back(*endpoint);
  }
  if (config.listen.size() > max_listens)
    return problem("listen",
                   "at most " + std::to_string(max_listens) + " addresses; leave some out");
  return std::nullopt;
}

std::optional<Problem> read_seeds(const po::variables_map& values, RunConfig& config) {
  if (values.count("seed"))
    for (const auto& text : values["seed"].as<std::vector<std::string>>()) {
      auto seed = parse_seed_address(text);
      if (!seed) return seed.error();
      config.seeds.push_back(std::move(*seed));
    }
  if (values.count("seeds")) {
    const auto more = read_seeds_file(values["seeds"].as<std::string>());
    if (!more) return more.error();
    config.seeds.insert(config.seeds.end(), more->begin(), more->end());
  }
  if (values.count("join")) {
    const auto invite = parse_join_line(values["join"].as<std::string>());
    if (!invite) return invite.error();
    const auto more = seeds_of(*invite);
    config.seeds.insert(config.seeds.end(), more.begin(), more.end());
    config.invited_by = invite->from;
  }
  if (config.seeds.size() > max_seeds)
    return problem("seed", "at most " + std::to_string(max_seeds) + " seeds; leave some out");
  return std::nullopt;
}

std::optional<Problem> read_rate(const po::variables_map& values, const std::string& option,
                                 std::uint64_t& rate, const std::string& what = "bytes a second",
                                 const std::string& as_in = "500k or 5M") {
  if (!values.count(option)) return std::nullopt;
  const auto& text = values[option].as<std::string>();
  const auto parsed = parse_rate(text);
  if (!parsed)
    return problem(option, "'" + text + "' is not a number of " + what + "; write it as " + as_in);
  rate = *parsed;
  return std::nullopt;
}

std::optional<Problem> read_all(const po::variables_map& values, RunConfig& config) {
  auto text_of_option = [&](const char* name) -> std::optional<std::string> {
    if (!values.count(name)) return std::nullopt;
    return values[name].as<std::string>();
  };

  if (const auto dir = text_of_option("state-dir")) {
    if (dir->empty()) return problem("state-dir", "is empty; name a directory");
    config.state_dir = *dir;
  }
  if (const auto role = text_of_option("role")) {
    if (*role == "supernode")
      config.role = Role::supernode;
    else if (*role == "leaf")
      config.role = Role::leaf;
    else if (*role != "auto")
      return problem("role", "there is no role '" + *role + "'; it is auto, leaf or supernode");
  }
  if (const auto name = text_of_option("name")) {
    if (name->size() > max_name)
      return problem("name", "is longer than " + std::to_string(max_name) + " bytes; shorten it");
    config.name = *name;
  }
  if (const auto text = text_of_option("promote-after")) {
    std::uint64_t seconds = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
    if (error != std::errc{} || end != text->data() + text->size() || seconds > 86'400)
      return problem("promote-after", "'" + *text + "' is no number of seconds; write it as 1200");
    config.promote_after = std::chrono::seconds{seconds};
  }
  if (const auto text = text_of_option("max-leaves")) {
    const auto number = parse_integer<std::size_t>(*text);
    if (!number)
      return problem("max-leaves", "'" + *text + "' is not a whole number; write it as 1000");
    config.max_leaves = *number;
  }
  if (const auto text = text_of_option("threads")) {
    const auto number = parse_integer<std::size_t>(*text);
    if (!number || *number < 1 || *number > max_threads)
      return problem("threads", "'" + *text + "' is no number from 1 to " +
                                    std::to_string(max_threads) +
                                    "; as many as there are cores is enough");
    config.threads = *number;
  }
  if (const auto text = text_of_option("netgroup-bits")) {
    const auto bits = parse_netgroup_bits(*text);
    if (!bits)
      return problem("netgroup-bits",
                     "'" + *text + "' is not two lengths; write them as 16,32 (at most 32,128)");
    std::tie(config.netgroup_bits_v4, config.netgroup_bits_v6) = *bits;
  }
  if (const auto level = text_of_option("log-level")) {
    if (!is_log_level(*level))
      return problem("log-level", "there is no level '" + *level +
                                      "'; it is trace, debug, info, warn, error or off");
    config.log_level = *level;
  }
  config.relay = !values["no-relay"].as<bool>();
  config.cubic = values["cubic"].as<bool>();
  config.port_mapping = !values["no-port-mapping"].as<bool>();
  config.lan = !values["no-lan"].as<bool>();
  if (auto wrong = read_rate(values, "relay-rate", config.relay_rate)) return wrong;
  if (auto wrong = read_rate(values, "lane-rate", config.lane_rate)) return wrong;
  if (auto wrong = read_rate(values, "node-rate", config.node_rate)) return wrong;
  if (auto wrong =
          read_rate(values, "relay-monthly-cap", config.relay_monthly_cap, "bytes", "500G"))
    return wrong;
  if (auto wrong = read_listens(values, config)) return wrong;
  return read_seeds(values, config);
}

// Program_options tells what is wrong by exceptions; each becomes a sentence here.
Problem sentence_of(const po::error& error, const std::string& where) {
  if (const auto* unknown = dynamic_cast<const po::unknown_option*>(&error))
    return {"there is no option '" + unknown->get_option_name() + "'" + where +
            "; `byway run --help` lists them"};
  if (const auto* missing = dynamic_cast<const po::invalid_command_line_syntax*>(&error))
    return {"'" + missing->get_option_name() + "' needs a value" + where +
            "; `byway run --help` shows which"};
  if (const auto* twice = dynamic_cast<const po::multiple_occurrences*>(&error))
    return {"'" + twice->get_option_name() + "' is given more than once" + where +
            "; leave one of them out"};
  return {std::string(error.what()) + where + "; `byway run --help` shows the options"};
}

}  // namespace

po::options_description run_options() {
  po::options_description options = file_options();
  options.add_options()(
      "config", po::value<std::string>()->value_name("FILE"),
      "read options from FILE too, as `name = value` lines; the command line wins");
  return options;
}

Outcome<RunConfig> parse_run_config(const std::vector<std::string>& arguments,
                                    const std::string& state_dir) {
  RunConfig config;
  config.state_dir = state_dir;
  po::variables_map values;
  std::string where;
  try {
    const auto options = run_options();
    namespace style = po::command_line_style;
    const auto parsed = po::command_line_parser(arguments)
                            .options(options)
                            .style(style::unix_style & ~style::allow_guessing)
                            .run();
    for (const auto& option : parsed.options)
      if (option.position_key != -1)
        return Problem{"`byway run` takes options only, not '" + option.value.front() +
                       "'; leave it out"};
    po::store(parsed, values);
    if (values.count("config")) {
      const auto path = values["config"].as<std::string>();
      where = " in " + path;
      std::ifstream file(path);
      if (!file)
        return problem("config", path + " cannot be read; check the name and its permissions");
      po::store(po::parse_config_file(file, file_options()), values);
    }
  } catch (const po::error& error) {
    return sentence_of(error, where);
  } catch (const std::exception& error) {
    return Problem{std::string(error.what()) + "; `byway run --help` shows the options"};
  }
  if (auto wrong = read_all(values, config)) return *wrong;
  if (config.state_dir.empty()) config.state_dir = default_state_dir();
  return config;
}

}  // namespace byway

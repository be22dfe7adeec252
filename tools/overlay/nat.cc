#include "tools/overlay/nat.h"

#include <boost/asio/io_context.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/variables_map.hpp>
#include <ostream>
#include <set>
#include <vector>

#include "node/apps/status.h"
#include "node/cli/command.h"
#include "node/cli/control_client.h"
#include "node/cli/text.h"
#include "node/cli/words.h"
#include "node/config.h"
#include "node/log.h"
#include "node/runtime.h"
#include "node/seed_lookup.h"
#include "node/state_dir.h"

namespace byway {
namespace {

namespace json = boost::json;
namespace po = boost::program_options;
using cli::text_at;

// A supernode that does not answer is given up after 12.4 s (limits::handshake_resend).
constexpr Duration patience = 15s;
// From the first answer until TCP is known too, where it gets out at all.
constexpr Duration tcp_patience = 8s;
// For what is said last to be sent.
constexpr Duration goodbye = 200ms;

po::options_description nat_options() {
  po::options_description options{"Options", 100, 60};
  options.add_options()("seed", po::value<std::vector<std::string>>()->value_name("ID@HOST:PORT"),
                        "a supernode to ask; give two or more, for one alone cannot tell all");
  options.add_options()("state-dir", po::value<std::string>()->value_name("DIR"),
                        "the directory of the node to ask");
  options.add_options()("json", "one JSON object");
  options.add_options()("help", "this");
  return options;
}

// --- asked of the running node -------------------------------------------------------------------

// The part of its status that this is about. Nothing: there is none, or it does not answer.
std::optional<json::object> from_node(const std::string& state_dir) {
  std::string problem;
  auto client = cli::ControlClient::connect(state_dir, problem);
  if (!client) return {};
  client->send(control::Status{});
  const auto reply = client->next();
  const auto* line = reply ? std::get_if<control::Line>(&*reply) : nullptr;
  if (!line) return {};
  json::error_code error;
  const json::value parsed = json::parse(line->json, error);
  if (error || !parsed.is_object() || !parsed.get_object().contains("nat")) return {};
  const json::object& status = parsed.get_object();
  json::array seen;
  if (const json::value* homes = status.if_contains("homes"); homes && homes->is_array())
    for (const json::value& home : homes->get_array())
      if (home.is_object() && home.get_object().contains("observed"))
        seen.push_back(home.get_object().at("observed"));
  return json::object{{"nat", status.at("nat")}, {"observed", std::move(seen)}};
}

// --- found out -----------------------------------------------------------------------------------

std::vector<Seed> resolved(const std::vector<SeedAddress>& addresses) {
  std::vector<Seed> seeds;
  for (const SeedAddress& address : addresses) {
    if (const auto ip = IpAddress::parse(address.host)) {
      seeds.push_back({address.id, {*ip, address.port}});
      continue;
    }
    for (const IpAddress& ip : resolve_host(address.host).addresses)
      seeds.push_back({address.id, {ip, address.port}});
  }
  return seeds;
}

Identity passing_identity() {
  Random random = strong_random();
  return Identity::generate(random);
}

// A leaf that registers, learns, tells, and leaves again.
Outcome<OverlayStatus> find_out(const std::vector<Seed>& seeds) {
  start_logging("off");
  boost::asio::io_context io;
  const Identity identity = passing_identity();
  OverlayConfig config;
  config.role = Role::leaf;
  config.seeds = seeds;
  // Any two supernodes will do as long as their addresses differ.
  config.netgroup_bits_v4 = 32;
  config.netgroup_bits_v6 = 128;
  config.study_tcp = true;
  const bool v4 = seeds.front().endpoint.address.is_v4();
  const Endpoint anywhere{v4 ? IpAddress{} : IpAddress::v6(ByteArray<16>{}), 0};
  auto opened = Runtime::open(io, std::move(config), {anywhere}, identity);
  if (!opened) return opened.error();
  Runtime& runtime = **opened;
  bool ready = false;
  runtime.subscribe([&](const Event& event) { ready |= std::holds_alternative<Ready>(event); });
  runtime.start();
  const auto run_until = [&](auto&& holds, Duration limit) {
    for (const TimePoint end = runtime.now() + limit; !holds() && runtime.now() < end;)
      io.run_one_for(std::chrono::milliseconds{20});
  };
  const auto nat = [&] { return runtime.overlay().status(runtime.now()).nat; };
  run_until([&] { return ready || nat().udp.mapping == Behaviour::blocked; }, patience);
  const auto tcp_is_known = [&] {
    const NatBehaviour tcp = nat().tcp;
    return tcp.mapping != Behaviour::unknown && tcp.filtering != Behaviour::unknown;
  };
  if (ready) run_until(tcp_is_known, tcp_patience);
  const OverlayStatus status = runtime.overlay().status(runtime.now());
  runtime.leave();
  run_until([] { return false; }, goodbye);
  runtime.subscribe(nullptr);
  runtime.close();
  if (!ready && status.nat.udp.mapping != Behaviour::blocked)
    return Problem{
        "no supernode has answered: check --seed, and whether UDP may leave this network"};
  return status;
}

json::object told(const OverlayStatus& status) {
  json::array seen;
  for (const HomeStatus& home : status.homes)
    seen.push_back(json::value(home.observed.to_string()));
  return {{"nat", {{"udp", nat_json(status.nat.udp)}, {"tcp", nat_json(status.nat.tcp)}}},
          {"observed", std::move(seen)}};
}

// --- in words ------------------------------------------------------------------------------------

std::string mapping_in_words(const std::string& mapping) {
  if (mapping == "none") return "no NAT: this host is seen at an address of its own";
  if (mapping == "endpoint-independent") return "a socket has one public port, for everybody";
  if (mapping == "address-dependent") return "a socket has another public port for each address";
  if (mapping == "address-port-dependent")
    return "a socket has another public port for each destination";
  if (mapping == "blocked") return "nothing gets out, or nobody who was asked is there";
  return "not known; it takes two supernodes at different addresses";
}

std::string filtering_in_words(const std::string& filtering) {
  if (filtering == "none") return "everybody gets in";
  if (filtering == "endpoint-independent") return "who knows the public port gets in";
  if (filtering == "address-dependent") return "only addresses that were written to get in";
  if (filtering == "address-port-dependent") return "only who was written to gets in";
  if (filtering == "blocked") return "nothing gets in";
  return "not known; it takes a supernode that can have another one try";
}

std::string ports_in_words(const json::object& nat) {
  const std::string ports = text_at(nat, "ports");
  if (ports == "preserved") return "the public port is the socket's own";
  if (ports == "sequential")
    return "the next public port is " +
           std::to_string(static_cast<int>(cli::number_at(nat, "delta", 0))) + " further on";
  if (ports == "block")
    return "public ports come at random from a block of " +
           std::to_string(static_cast<int>(cli::number_at(nat, "block_size", 0)));
  if (ports == "random") return "public ports come at random";
  return "not known";
}

std::string hairpin_in_words(const json::object& nat) {
  const json::value* hairpin = nat.if_contains("hairpin");
  if (!hairpin || !hairpin->is_bool()) return "not known, or nothing to know";
  return hairpin->get_bool() ? "hosts behind it reach one another by their public ports"
                             : "hosts behind it do not reach one another by their public ports";
}

std::string row(const std::string& name, const std::string& value, const std::string& sentence) {
  return cli::padded(name, 15) + cli::padded(value, 24) + sentence + "\n";
}

// What is the same question for UDP and TCP.
std::string rows_of(const json::object& nat, const std::string& proto) {
  const std::string mapping = text_at(nat, "mapping"), filtering = text_at(nat, "filtering");
  return row(proto + " mapping", mapping, mapping_in_words(mapping)) +
         row(proto + " filtering", filtering, filtering_in_words(filtering)) +
         row(proto + " ports", text_at(nat, "ports"), ports_in_words(nat));
}

std::string in_words(const json::object& told) {
  const json::object& udp = told.at("nat").at("udp").get_object();
  const json::object& tcp = told.at("nat").at("tcp").get_object();
  const json::value* hairpin = udp.if_contains("hairpin");
  const bool hairpins = hairpin && hairpin->is_bool();
  std::string text = rows_of(udp, "UDP");
  text += row("UDP hairpin", hairpins ? (hairpin->get_bool() ? "yes" : "no") : "-",
              hairpin_in_words(udp));
  if (const double lifetime = cli::number_at(udp, "lifetime_s"); lifetime >= 0)
    text += row("UDP lifetime", std::to_string(static_cast<int>(lifetime)) + " s",
                "a public port that is not used is kept this long at the least");
  text +=
      text_at(tcp, "filtering") == "unknown" && text_at(tcp, "mapping") == "unknown"
          ? row("TCP", "not looked at", "a running node does so when it needs TCP; --seed asks now")
          : rows_of(tcp, "TCP");
  std::set<std::string> seen;
  for (const json::value& endpoint : told.at("observed").get_array())
    if (endpoint.is_string()) seen.insert(std::string(endpoint.get_string()));
  for (const std::string& endpoint : seen) text += cli::padded("seen at", 15) + endpoint + "\n";
  return text;
}

}  // namespace

int overlay_nat(std::span<const std::string> words, std::ostream& out, std::ostream& err) {
  const auto usage = [&](const std::string& sentence) {
    err << "byway overlay nat: " << sentence << "\n";
    return cli::exit_usage;
  };
  const auto fail = [&](const std::string& sentence) {
    err << "byway overlay nat: " << sentence << "\n";
    return cli::exit_failed;
  };
  po::variables_map given;
  try {
    po::store(po::command_line_parser(std::vector<std::string>(words.begin(), words.end()))
                  .options(nat_options())
                  .positional({})
                  .run(),
              given);
  } catch (const po::error& error) {
    return usage(std::string(error.what()) + ": see `byway overlay nat --help`");
  }
  if (given.contains("help")) {
    out << "Usage: byway overlay nat [--seed ID@HOST:PORT …] [--json]\n\n"
           "Tells what the NAT in front of this host does with UDP and TCP: asked of the node "
           "that\n"
           "runs here; with --seed, or where none runs, found out anew with those supernodes.\n\n"
        << nat_options();
    return cli::exit_done;
  }
  const std::string state_dir =
      given.contains("state-dir") ? given["state-dir"].as<std::string>() : default_state_dir();

  std::vector<SeedAddress> seeds;
  if (given.contains("seed")) {
    for (const std::string& text : given["seed"].as<std::vector<std::string>>()) {
      const auto seed = parse_seed_address(text);
      if (!seed) return usage(seed.error().sentence);
      seeds.push_back(*seed);
    }
  }
  std::optional<json::object> result;
  if (seeds.empty()) result = from_node(state_dir);
  if (!result) {
    // Whom the node would begin with, if it ran.
    if (seeds.empty())
      if (const auto config = parse_run_config({}, state_dir)) seeds = config->seeds;
    if (seeds.empty())
      return fail("no node runs in " + state_dir +
                  ": start one, or name supernodes to ask with --seed ID@HOST:PORT");
    const auto found = resolved(seeds);
    if (found.empty())
      return fail("no address is known for " + seeds.front().host +
                  ": check the name, or give the seed's address");
    const auto status = find_out(found);
    if (!status) return fail(status.error().sentence);
    result = told(*status);
  }
  out << (given.contains("json") ? json::serialize(*result) + "\n" : in_words(*result))
      << std::flush;
  return cli::exit_done;
}

}  // namespace byway

// `byway ping`: echoes through a real stream, and the path each one took.
#include <algorithm>
#include <boost/json/parse.hpp>

#include "node/cli/commands.h"
#include "node/cli/interrupts.h"
#include "node/cli/names.h"
#include "node/cli/words.h"

namespace byway::cli {
namespace {

namespace json = boost::json;
namespace po = boost::program_options;

constexpr std::uint32_t shortest_interval_ms = 1;

bool is_met(const std::string& until, const json::object& summary) {
  const std::string path = text_at(summary, "path");
  return until == "direct" ? path.starts_with("direct") : path == until;
}

int ping(Call& call) {
  const std::string until = call.has("until") ? call.options["until"].as<std::string>() : "";
  if (!until.empty() && until != "direct" && until != "relay")
    return call.usage("--until " + until + " is no kind of path: write `direct` or `relay`");
  const auto count = call.number("count", 0, 1, 1e9);
  const auto interval = call.number("interval", until.empty() ? 1 : 0.2, 0, 3600);
  const auto timeout = call.number("timeout", 0, 0.1, 86400);
  if (!count || !interval || !timeout) return exit_usage;

  const std::string& peer = call.words[0];
  const auto whole_ms = [](double s) { return static_cast<std::uint32_t>(s * 1000 + 0.5); };
  const control::Ping request{
      .peer = peer,
      .count = static_cast<std::uint32_t>(*count),
      .interval_ms = std::max(whole_ms(*interval), shortest_interval_ms),  // 0: the node's choice
      .until = until == "direct"  ? control::Until::direct
               : until == "relay" ? control::Until::relay
                                  : control::Until::count,
      .timeout_ms = whole_ms(*timeout)};

  const Interrupts interrupts;
  Names names{call.state_dir};
  json::object summary;
  const int code = ask(
      call, request,
      [&](const std::string& line) {
        json::error_code error;
        json::value parsed = json::parse(line, error);
        if (error || !parsed.is_object()) return;
        json::object& told = parsed.get_object();
        if (told.contains("sent")) summary = told;
        if (call.json) return call.print(line);
        names.name_relay(told);
        call.print(told.contains("sent") ? ping_summary_in_words(told, peer)
                                         : echo_in_words(told, peer));
      },
      interrupts.fd(), OnStop::conclude);
  if (code != exit_done) return code;

  if (number_at(summary, "received", 0) < 1) return call.fail("no echo came back from " + peer);
  if (until.empty() || is_met(until, summary)) return exit_done;
  const std::string why = text_at(summary, "why");
  return call.fail("no echo came by a " + std::string{until == "relay" ? "relayed" : "direct"} +
                   " path from " + peer + (why.empty() ? "" : ": " + why));
}

}  // namespace

Command ping_command() {
  return {
      .name = "ping",
      .synopsis = "PEER [-c N] [-i S] [--until direct|relay] [--timeout S] [--json]",
      .summary = "ask a peer for echoes, and see by which path they come",
      .details =
          "Sends one small echo a second through a stream to the peer until interrupted, and\n"
          "tells each one's time and path: direct, or relayed by which supernode. The summary\n"
          "tells how long the first byte and the direct path took, from the command.\n",
      .describe =
          [](po::options_description& options) {
            options.add_options()  //
                ("count,c", po::value<std::string>()->value_name("N"),
                 "stop after N echoes")  //
                ("interval,i", po::value<std::string>()->value_name("S"),
                 "seconds between echoes (default 1; 0.2 with --until; 0: as fast as may be)")  //
                ("until", po::value<std::string>()->value_name("PATH"),
                 "go on until an echo came by this kind of path: direct or relay")  //
                ("timeout", po::value<std::string>()->value_name("S"),
                 "end after so many seconds; without an answer, or with --until not met, that is a "
                 "failure");
          },
      .least_words = 1,
      .most_words = 1,
      .run = ping};
}

}  // namespace byway::cli

// `byway ping`: echoes through a real stream, and the path each one took.
#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <limits>

#include "node/cli/commands.h"
#include "node/cli/interrupts.h"
#include "node/cli/names.h"
#include "node/cli/words.h"

namespace byway::cli {
namespace {

namespace json = boost::json;
namespace po = boost::program_options;

// What came so far: the summary of an interrupted ping is made from it, as the node can no longer
// be asked.
class Tally {
 public:
  void on_line(const json::object& line) {
    if (line.contains("sent")) {
      summary_ = line;
      return;
    }
    sent_ = std::max(sent_, static_cast<std::uint64_t>(number_at(line, "seq", 0)) + 1);
    if (number_at(line, "rtt_ms") < 0) return;
    ++received_;
    last_echo_ = line;
  }
  bool finished() const { return !summary_.empty(); }
  json::object summary() const {
    if (finished()) return summary_;
    const auto value = [&](const char* key) {
      const json::value* found = last_echo_.if_contains(key);
      return found ? *found : json::value{};
    };
    return {{"sent", sent_},        {"received", received_}, {"first_byte_ms", nullptr},
            {"direct_ms", nullptr}, {"path", value("path")}, {"method", nullptr},
            {"why", value("why")}};
  }

 private:
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
  json::object last_echo_;
  json::object summary_;
};

bool is_met(const std::string& until, const json::object& summary) {
  const std::string path = text_at(summary, "path");
  return until == "direct" ? path.starts_with("direct") : path == until;
}

int ping(Call& call) {
  const std::string until = call.has("until") ? call.options["until"].as<std::string>() : "";
  if (!until.empty() && until != "direct" && until != "relay")
    return call.usage("--until " + until + " is no kind of path: write `direct` or `relay`");
  const auto count = call.number("count", 0, 1, 1e9);
  const auto interval = call.number("interval", until.empty() ? 1 : 0.2, 0.01, 3600);
  const auto timeout = call.number("timeout", 0, 0.1, 86400);
  if (!count || !interval || !timeout) return exit_usage;
  if (call.has("timeout") && until.empty())
    return call.usage("--timeout limits --until: give both, or --count instead");

  const std::string& peer = call.words[0];
  const auto whole_ms = [](double s) { return static_cast<std::uint32_t>(s * 1000 + 0.5); };
  const control::Ping request{.peer = peer,
                              .count = static_cast<std::uint32_t>(*count),
                              .interval_ms = whole_ms(*interval),
                              .until = until == "direct"  ? control::Until::direct
                                       : until == "relay" ? control::Until::relay
                                                          : control::Until::count,
                              .timeout_ms = whole_ms(*timeout)};

  const Interrupts interrupts;
  Tally tally;
  Names names{call.state_dir};
  const auto print_summary = [&] {
    const json::object summary = tally.summary();
    call.print(call.json ? json::serialize(summary) : ping_summary_in_words(summary, peer));
  };
  const int code = ask(
      call, request,
      [&](const std::string& line) {
        json::error_code error;
        json::value parsed = json::parse(line, error);
        if (error || !parsed.is_object()) return;
        if (!call.json) names.name_relay(parsed.get_object());
        tally.on_line(parsed.get_object());
        if (tally.finished()) return print_summary();
        call.print(call.json ? line : echo_in_words(parsed.get_object(), peer));
      },
      interrupts.fd());
  if (code != exit_done) return code;
  if (!tally.finished()) print_summary();

  const json::object summary = tally.summary();
  if (number_at(summary, "received", 0) < 1) return call.fail("no echo came back from " + peer);
  if (until.empty() || is_met(until, summary)) return exit_done;
  const std::string why = text_at(summary, "why");
  return call.fail("no echo came by a " + std::string{until == "relay" ? "relayed" : "direct"} +
                   " path from " + peer + (why.empty() ? "" : ": " + why));
}

}  // namespace

Command ping_command() {
  return {.name = "ping",
          .synopsis = "PEER [-c N] [-i S] [--until direct|relay [--timeout S]] [--json]",
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
                     "seconds between echoes (default 1; 0.2 with --until)")  //
                    ("until", po::value<std::string>()->value_name("PATH"),
                     "go on until an echo came by this kind of path: direct or relay")  //
                    ("timeout", po::value<std::string>()->value_name("S"),
                     "give --until up after so many seconds");
              },
          .least_words = 1,
          .most_words = 1,
          .run = ping};
}

}  // namespace byway::cli

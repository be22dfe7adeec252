#include "tools/overlay/load.h"

#include <sys/resource.h>

#include <boost/json/object.hpp>
#include <boost/program_options/cmdline.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/variables_map.hpp>
#include <functional>
#include <iomanip>
#include <ostream>

#include "node/clock.h"
#include "node/json_text.h"
#include "tools/overlay/load_leaves.h"

namespace byway {
namespace {

namespace po = boost::program_options;

constexpr std::size_t made_at_once = 4096;  // hellos kept ready; each is about 1 kB
constexpr std::size_t hellos_in_flight = 192;
constexpr Duration keepalive_after = 20s;  // while the others are still registering

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Duration from_seconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}
double seconds(Duration span) {
  return std::chrono::duration<double>(span).count();
}

struct Options {
  Seed supernode;
  std::size_t leaves = 1000;
  double seconds = 5;
  std::size_t lanes = 0;
  std::size_t burst = 16;
  std::size_t size = 1200;
  std::size_t sockets = 16;
  std::size_t in_flight = 256;
  double hold = 0;
  bool json = false;
};

po::options_description describe() {
  po::options_description options("Options");
  options.add_options()  //
      ("supernode", po::value<std::string>()->value_name("ID@HOST:PORT"), "whom to fill")(
          "leaves", po::value<std::size_t>()->default_value(1000)->value_name("N"), "how many")(
          "seconds", po::value<double>()->default_value(5)->value_name("S"),
          "for keepalives, look-ups and lanes, each")(
          "lanes", po::value<std::size_t>()->default_value(0)->value_name("N"),
          "lanes to open and fill")("burst",
                                    po::value<std::size_t>()->default_value(16)->value_name("N"),
                                    "datagrams sent into a lane at a time, 1 to 48")(
          "size", po::value<std::size_t>()->default_value(1200)->value_name("BYTES"),
          "of a datagram in a lane, 64 to 1400")(
          "sockets", po::value<std::size_t>()->default_value(16)->value_name("N"),
          "that the leaves share, 1 to 1024")(
          "in-flight", po::value<std::size_t>()->default_value(256)->value_name("N"),
          "questions on their way at a time")(
          "hold", po::value<double>()->default_value(0)->value_name("S"),
          "stay registered for so long at the end, to be looked at")("json", po::bool_switch(),
                                                                     "one object on stdout");
  return options;
}

// A host name is not looked up: what is measured should not depend on a name server's mood.
Outcome<Seed> parse_supernode(const std::string& text) {
  const auto sign = text.find('@');
  const Problem wrong{"--supernode " + text +
                      ": give the id and the address, as in ID@192.0.2.1:7000"};
  if (sign == std::string::npos) return wrong;
  const auto id = NodeId::parse(text.substr(0, sign));
  const auto endpoint = Endpoint::parse(text.substr(sign + 1));
  if (!id || !endpoint || !endpoint->is_set()) return wrong;
  return Seed{*id, *endpoint};
}

Outcome<Options> parse(std::span<const std::string> words) {
  po::variables_map map;
  try {
    const std::vector<std::string> all(words.begin(), words.end());
    po::store(po::command_line_parser(all).options(describe()).run(), map);
    po::notify(map);
  } catch (const po::error& error) {
    return Problem{std::string(error.what()) + "; `--help` names the options"};
  }
  Options options;
  if (!map.contains("supernode"))
    return Problem{"--supernode ID@HOST:PORT is needed: it says whom to fill"};
  const auto supernode = parse_supernode(map["supernode"].as<std::string>());
  if (!supernode) return supernode.error();
  options.supernode = *supernode;
  options.leaves = map["leaves"].as<std::size_t>();
  options.seconds = map["seconds"].as<double>();
  options.lanes = map["lanes"].as<std::size_t>();
  options.burst = map["burst"].as<std::size_t>();
  options.size = map["size"].as<std::size_t>();
  options.sockets = map["sockets"].as<std::size_t>();
  options.in_flight = map["in-flight"].as<std::size_t>();
  options.hold = map["hold"].as<double>();
  options.json = map["json"].as<bool>();

  const auto between = [](auto value, auto least, auto most) {
    return value >= least && value <= most;
  };
  if (!between(options.leaves, 1u, 1'000'000u)) return Problem{"--leaves: give 1 to 1,000,000"};
  if (!between(options.seconds, 0.0, 86'400.0)) return Problem{"--seconds: give 0 to 86,400"};
  if (!between(options.burst, 1u, 48u)) return Problem{"--burst: give 1 to 48"};
  if (!between(options.size, 64u, 1400u)) return Problem{"--size: give 64 to 1400"};
  if (!between(options.sockets, 1u, 1024u)) return Problem{"--sockets: give 1 to 1024"};
  if (!between(options.in_flight, 1u, 100'000u)) return Problem{"--in-flight: give 1 to 100,000"};
  if (!between(options.hold, 0.0, 86'400.0)) return Problem{"--hold: give 0 to 86,400"};
  if (options.lanes * 2 > options.leaves)
    return Problem{"--lanes: a lane has two ends, so give at most half of --leaves"};
  return options;
}

struct Figures {
  double registering = 0;  // seconds
  double keepalives_s = 0;
  double lookups_s = 0;
  std::uint64_t frames_sent = 0;
  double frames_s = 0;
};

double rate(std::uint64_t count, double span) {
  return span > 0 ? static_cast<double>(count) / span : 0;
}

boost::json::object object_of(const LoadLeaves& leaves, const Figures& figures) {
  const auto& tally = leaves.tally();
  return {{"leaves", leaves.size()},
          {"registered", tally.registered},
          {"refused", tally.refused},
          {"unanswered", tally.unanswered},
          {"registrations_s", rate(tally.registered, figures.registering)},
          {"keepalives", tally.pongs - tally.registered},
          {"keepalives_lost", tally.pings_lost},
          {"keepalives_s", figures.keepalives_s},
          {"lookups", tally.answers},
          {"lookups_lost", tally.answers_lost},
          {"lookups_s", figures.lookups_s},
          {"lanes", tally.lanes_opened},
          {"relayed", tally.frames_in},
          {"relay_lost", figures.frames_sent - tally.frames_in},
          {"relayed_s", figures.frames_s},
          {"cpu_s", cpu_seconds()}};
}

void say(std::ostream& out, const LoadLeaves& leaves, const Figures& figures) {
  const auto& tally = leaves.tally();
  out << std::fixed << std::setprecision(0);
  out << tally.registered << " of " << leaves.size() << " leaves registered, "
      << rate(tally.registered, figures.registering) << " a second (" << tally.refused
      << " refused, " << tally.unanswered << " unanswered)\n"
      << figures.keepalives_s << " keepalives a second, " << tally.pings_lost << " lost\n"
      << figures.lookups_s << " look-ups a second, " << tally.answers_lost << " lost\n";
  if (tally.lanes_opened == 0) return;
  out << tally.lanes_opened << " lanes: " << figures.frames_s << " datagrams a second, "
      << figures.frames_sent - tally.frames_in << " of " << figures.frames_sent << " lost\n";
}

// `phase_over` hears of each phase as it ends: its name, how many were answered, how many not, and
// how long it took.
using PhaseOver =
    std::function<void(std::string_view, std::uint64_t count, std::uint64_t lost, double span)>;

Figures measure(LoadLeaves& leaves, const Options& options, const PhaseOver& phase_over) {
  Figures figures;
  const auto& tally = leaves.tally();
  while (leaves.size() < options.leaves) {
    const std::size_t first = leaves.make(std::min(made_at_once, options.leaves - leaves.size()));
    const TimePoint begun = monotonic_now();
    leaves.register_all(first, hellos_in_flight);
    figures.registering += seconds(monotonic_now() - begun);
    leaves.refresh(keepalive_after, options.in_flight);
  }
  phase_over("register", tally.registered, tally.refused + tally.unanswered, figures.registering);
  if (options.seconds == 0) return figures;

  const auto timed = [&](std::string_view phase, const std::uint64_t& count,
                         const std::uint64_t& lost, const auto& what) {
    const std::uint64_t before = count;
    const TimePoint begun = monotonic_now();
    what();
    const double span = seconds(monotonic_now() - begun);
    phase_over(phase, count - before, lost, span);
    return rate(count - before, span);
  };
  const Duration span = from_seconds(options.seconds);
  figures.keepalives_s = timed("keepalives", tally.pongs, tally.pings_lost,
                               [&] { leaves.keep_alive(span, options.in_flight); });
  figures.lookups_s = timed("lookups", tally.answers, tally.answers_lost,
                            [&] { leaves.look_up(span, options.in_flight); });
  if (options.lanes > 0) {
    timed("open", tally.lanes_opened, tally.refused, [&] { leaves.open_lanes(options.lanes); });
    figures.frames_s = timed("lanes", tally.frames_in, tally.answers_lost, [&] {
      figures.frames_sent = leaves.fill_lanes(span, options.burst, options.size);
    });
  }
  return figures;
}

}  // namespace

int overlay_load(std::span<const std::string> words, std::ostream& out, std::ostream& err) {
  for (const std::string& word : words)
    if (word == "--help") {
      out << "usage: byway overlay load --supernode ID@HOST:PORT [--leaves N] [--seconds S] "
             "[--json]\n"
          << "\nFills a supernode with synthetic leaves, and says what it carries.\n\n"
          << describe();
      return 0;
    }
  const auto options = parse(words);
  if (!options) {
    err << "byway overlay load: " << options.error().sentence << "\n";
    return 2;
  }
  auto leaves = LoadLeaves::open(options->supernode, options->sockets);
  if (!leaves) {
    err << "byway overlay load: " << leaves.error().sentence << "\n";
    return 1;
  }
  const PhaseOver tell = [&](std::string_view phase, std::uint64_t count, std::uint64_t lost,
                             double span) {
    if (!options->json) return;
    out << json_text(boost::json::object{{"phase", phase},
                                         {"count", count},
                                         {"lost", lost},
                                         {"seconds", span},
                                         {"per_second", rate(count, span)}})
        << std::endl;
  };
  const Figures figures = measure(**leaves, *options, tell);
  if (options->json)
    out << json_text(object_of(**leaves, figures)) << std::endl;
  else
    say(out, **leaves, figures);
  if ((*leaves)->tally().registered == 0) {
    err << "byway overlay load: no leaf could register; is "
        << options->supernode.endpoint.to_string() << " a supernode, and is that its id?\n";
    return 1;
  }
  if (options->hold > 0) (*leaves)->keep_alive(from_seconds(options->hold), 16);
  (*leaves)->leave();
  return 0;
}

}  // namespace byway

#include "tools/overlay/sim.h"

#include <sys/resource.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <boost/program_options.hpp>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <optional>
#include <ostream>
#include <vector>

#include "node/cli/terminal.h"
#include "tools/sim/disasters.h"

namespace byway::tools {
namespace {

namespace po = boost::program_options;

struct Wrong {  // words that make no sense
  std::string sentence;
};

// "90s", "30min", "1h", "250ms".
Duration duration_of(const std::string& option, const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(end, text.data() + text.size());
  double seconds = 0;
  if (unit == "ms") seconds = number / 1000;
  if (unit == "s") seconds = number;
  if (unit == "min") seconds = number * 60;
  if (unit == "h") seconds = number * 3600;
  if (error != std::errc{} || seconds <= 0 || seconds > 365.0 * 86'400)
    throw Wrong{"--" + option + " takes a time like 90s, 30min or 1h, not \"" + text + "\""};
  return Duration{static_cast<Duration::rep>(seconds * 1e9)};
}

std::size_t count_of(const po::variables_map& options, const char* name, std::size_t least,
                     std::size_t most) {
  const auto value = options[name].as<long long>();
  if (value < static_cast<long long>(least) || value > static_cast<long long>(most))
    throw Wrong{std::string("--") + name + " takes a number from " + std::to_string(least) +
                " to " + std::to_string(most)};
  return static_cast<std::size_t>(value);
}

std::string list_of_disasters() {
  std::string text;
  for (const sim::Disaster& disaster : sim::disasters()) {
    char line[240];
    std::snprintf(line, sizeof(line), "  %-13s %s\n", std::string(disaster.name).c_str(),
                  std::string(disaster.story).c_str());
    text += line;
    if (disaster.rule.empty()) continue;
    std::snprintf(line, sizeof(line), "  %-13s   --without %s: %s\n", "",
                  std::string(disaster.rule).c_str(), std::string(disaster.without).c_str());
    text += line;
  }
  return text;
}

struct Wishes {
  sim::Play play;
  bool json = false;
};

// None: help was asked for, and given.
std::optional<Wishes> wishes_of(std::span<const std::string> words, std::ostream& out) {
  po::options_description known("Options", 100);
  const auto number = [](long long value) { return po::value<long long>()->default_value(value); };
  const auto text = [](const char* value) {
    return po::value<std::string>()->default_value(value);
  };
  // clang-format off
  known.add_options()
    ("nodes", number(1000), "supernodes and leaves together")
    ("supernodes", number(100), "how many of them are supernodes")
    ("netgroups", number(0), "in how many /16 the supernodes are (0: one for every four)")
    ("churn", text("none"), "median life of a node, as 30min; none: nobody comes or goes")
    ("loss", po::value<double>()->default_value(0.05), "share of datagrams that are lost")
    ("lookups", po::value<double>()->default_value(10), "look-ups a second, from anywhere for anybody")
    ("time", text("10min"), "how long the network is watched, in its own time")
    ("seed", number(1), "one seed tells one story")
    ("disaster", text(""), "one of those below")
    ("without", text(""), "the disaster's rule, switched off")
    ("json", "one object on one line")
    ("help", "this page");
  // clang-format on
  po::variables_map options;
  po::command_line_parser parser{std::vector<std::string>(words.begin(), words.end())};
  const po::positional_options_description nothing_else;
  po::store(parser.options(known).positional(nothing_else).run(), options);
  po::notify(options);
  if (options.contains("help")) {
    out << "byway overlay sim: thousands of nodes in this process, and what became of them.\n"
           "Exit code 0 when everything promised held, 1 when something did not.\n\n"
        << known << "\nDisasters:\n"
        << list_of_disasters();
    return std::nullopt;
  }

  Wishes wishes;
  sim::Play& play = wishes.play;
  const std::size_t nodes = count_of(options, "nodes", 2, 200'000);
  play.world.supernodes = count_of(options, "supernodes", 2, 20'000);
  if (play.world.supernodes > nodes)
    throw Wrong{"--supernodes is more than --nodes; --nodes counts supernodes and leaves together"};
  play.world.leaves = nodes - play.world.supernodes;
  play.world.netgroups = count_of(options, "netgroups", 0, 9'000);
  play.world.seed = count_of(options, "seed", 0, 1'000'000'000);
  play.world.loss = options["loss"].as<double>();
  if (!(play.world.loss >= 0 && play.world.loss < 1))
    throw Wrong{"--loss takes a share from 0 to less than 1, as 0.05"};
  play.lookups = options["lookups"].as<double>();
  if (!(play.lookups >= 0 && play.lookups <= 10'000))
    throw Wrong{"--lookups takes a number from 0 to 10000"};
  const auto churn = options["churn"].as<std::string>();
  if (churn != "none") play.world.median_life = duration_of("churn", churn);
  play.time = duration_of("time", options["time"].as<std::string>());

  play.disaster = options["disaster"].as<std::string>();
  const sim::Disaster* disaster = sim::find_disaster(play.disaster);
  if (!play.disaster.empty() && !disaster)
    throw Wrong{"there is no disaster \"" + play.disaster + "\"; --help lists them"};
  const auto without = options["without"].as<std::string>();
  if (!without.empty() && (!disaster || disaster->rule != without))
    throw Wrong{"--without takes the rule of the --disaster, as --help lists them"};
  play.without_rule = !without.empty();
  wishes.json = options.contains("json");
  return wishes;
}

// What it cost this machine.
void add_cost(sim::Figures& figures, double wall_s) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto cpu = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  figures.push_back({"wall_s", wall_s, "s", "time it took here", {}, {}});
  figures.push_back(
      {"cpu_s", cpu(usage.ru_utime) + cpu(usage.ru_stime), "s", "  of a processor", {}, {}});
  figures.push_back({"rss_mb_most",
                     static_cast<double>(usage.ru_maxrss) / 1024,
                     "MB",
                     "memory, at most",
                     {},
                     {}});
}

}  // namespace

int overlay_sim(std::span<const std::string> words, std::ostream& out, std::ostream& err) {
  std::optional<Wishes> wishes;
  try {
    wishes = wishes_of(words, out);
  } catch (const Wrong& wrong) {
    err << "byway overlay sim: " << wrong.sentence << "\n";
    return 2;
  } catch (const po::error& error) {
    err << "byway overlay sim: " << error.what() << "; see byway overlay sim --help\n";
    return 2;
  }
  if (!wishes) return 0;

  wishes->play.last = true;
  const auto begun = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  };
  const bool watched = cli::is_terminal(STDERR_FILENO);
  if (watched)
    wishes->play.on_minute = [&](std::chrono::minutes played) {
      err << '\r' << played.count() << " min of the network's time, "
          << static_cast<long>(seconds()) << " s of ours" << std::flush;
    };
  sim::Figures figures = sim::play(wishes->play);
  if (watched) err << "\r\x1b[K" << std::flush;
  add_cost(figures, seconds());

  const bool good = sim::all_hold(figures);
  if (wishes->json) {
    boost::json::object object;
    object["seed"] = wishes->play.world.seed;
    object["disaster"] = wishes->play.disaster;
    object["held"] = good;
    for (const sim::Figure& figure : figures) object[figure.key] = figure.value;
    out << boost::json::serialize(object) << "\n";
  } else {
    out << sim::in_text(figures)
        << (good ? "Everything that was promised held.\n" : "Something promised did not hold.\n");
  }
  return good ? 0 : 1;
}

}  // namespace byway::tools

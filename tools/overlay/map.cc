// `byway overlay map`: who the supernodes are, how they are, and who knows whom.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fstream>
#include <sstream>

#include "node/apps/context.h"
#include "node/cli/text.h"
#include "node/json_text.h"
#include "tools/overlay/beginning.h"
#include "tools/overlay/crawl.h"
#include "tools/overlay/drawing.h"
#include "tools/overlay/tools.h"

namespace byway::tools {
namespace {

namespace json = boost::json;
namespace po = boost::program_options;
using cli::Call;

constexpr std::size_t named_at_most = 4;  // in a sentence
constexpr Duration progress_gap = 1s;

// --- JSON: a line for each supernode, then the whole ---------------------------------------------

json::array ids_json(const std::vector<NodeId>& ids) {
  json::array all;
  for (const NodeId& id : ids) all.push_back(json_of(id));
  return all;
}

json::object as_json(const Chart& chart, const Sighting& s) {
  json::object one{{"id", s.id.to_string()},
                   {"endpoint", s.endpoint.to_string()},
                   {"netgroup", chart.netgroup_text(chart.netgroup_of(s.endpoint))},
                   {"alive", s.state.has_value()},
                   {"why", s.why.empty() ? json::value(nullptr) : json::value(s.why)},
                   {"rtt_ms", s.rtt ? json::value(json_ms(*s.rtt)) : json::value(nullptr)}};
  if (s.state) {
    one["agent"] = s.state->agent;
    one["uptime_s"] = s.state->uptime_s;
    one["leaves"] = s.state->leaves;
    one["limit"] = s.state->limit;
    one["lanes"] = s.state->lanes;
    one["relays"] = s.state->relays;
    one["relayed_bytes"] = s.state->relayed_bytes;
    one["supernodes_known"] = s.state->admitted;
    one["handing_over"] = s.state->handing_over;
  }
  one["view"] = s.view ? json::value(*s.view) : json::value(nullptr);
  one["does_not_know"] = ids_json(chart.unknown_to(s));
  one["knows_silent"] = ids_json(chart.ghosts_of(s));
  return one;
}

std::string as_json_lines(const Chart& chart) {
  std::string text;
  for (const Sighting* sighting : chart.in_order())
    text += json_text(as_json(chart, *sighting)) + "\n";
  json::array views;
  for (const KnownView& view : chart.views)
    views.push_back(
        json::object{{"members", view.admitted().size()}, {"held_by", view.holders.size()}});
  return text +
         json_text(json::object{{"supernodes", chart.supernodes.size()},
                                {"alive", chart.answered()},
                                {"netgroups", chart.netgroups()},
                                {"views", std::move(views)},
                                {"complete", chart.complete},
                                {"took_ms", json_ms(chart.took)}}) +
         "\n";
}

// --- words ---------------------------------------------------------------------------------------

std::string named(const std::vector<NodeId>& ids) {
  std::string text;
  for (std::size_t i = 0; i < std::min(ids.size(), named_at_most); ++i)
    text += (i > 0 ? ", " : "") + ids[i].short_string();
  if (ids.size() > named_at_most)
    text += " and " + std::to_string(ids.size() - named_at_most) + " more";
  return text;
}

std::string leaves_in_words(std::uint32_t leaves) {
  return leaves == 1 ? "1 leaf" : std::to_string(leaves) + " leaves";
}

std::string as_text(const Chart& chart) {
  std::ostringstream out;
  std::optional<IpAddress> netgroup;
  for (const Sighting* s : chart.in_order()) {
    const IpAddress its = chart.netgroup_of(s->endpoint);
    if (netgroup != its) out << (netgroup ? "\n" : "") << chart.netgroup_text(its) << "\n";
    netgroup = its;
    out << "  " << s->id.short_string() << "  " << cli::padded(s->endpoint.to_string(), 22);
    if (!s->state) {
      out << " does not answer" << (s->why.empty() ? "" : ": " + s->why) << "\n";
      continue;
    }
    out << cli::padded(s->rtt ? cli::milliseconds(to_ms(*s->rtt)) : "", 9) << " "
        << cli::padded(leaves_in_words(s->state->leaves), 10)
        << cli::padded(cli::counted(s->state->lanes, "lane"), 9)
        << cli::padded(s->state->relays ? "" : "relays nothing ", s->state->relays ? 0 : 15)
        << cli::printable(s->state->agent) << ", up " << cli::seconds_in_words(s->state->uptime_s)
        << "\n";
    if (const auto missing = chart.unknown_to(*s); !missing.empty())
      out << "            does not know " << named(missing) << "\n";
    if (const auto ghosts = chart.ghosts_of(*s); !ghosts.empty())
      out << "            still counts in " << named(ghosts) << ", who do not answer\n";
  }
  const std::size_t all = chart.supernodes.size();
  const std::size_t alive = chart.answered();
  out << "\n"
      << cli::counted(static_cast<std::int64_t>(all), "supernode") << " in "
      << cli::counted(static_cast<std::int64_t>(chart.netgroups()), "netgroup") << "; "
      << (alive == all ? "all answer" : std::to_string(all - alive) + " silent");
  if (chart.views.size() == 1)
    out << (alive == 1 ? "" : "; all that answer know the same ")
        << (alive == 1 ? "" : std::to_string(chart.views[0].admitted().size()));
  else if (chart.views.size() > 1)
    out << "; " << chart.views.size() << " different views";
  out << ".\n";
  if (!chart.complete)
    out << "The walk was cut short (--timeout), or a view could not be read: there may be more.\n";
  return out.str();
}

// --- the command ---------------------------------------------------------------------------------

int map(Call& call) {
  const std::string format = call.has("format") ? call.options["format"].as<std::string>()
                             : call.json        ? "json"
                                                : "text";
  const std::vector<std::string> formats{"text", "json", "dot", "svg"};
  if (std::ranges::find(formats, format) == formats.end())
    return call.usage("--format " + format + " is not known: write text, json, dot or svg");
  if (call.json && format != "json")
    return call.usage("--json and --format " + format + " contradict one another: leave one out");
  const auto timeout = call.number("timeout", 30, 1, 3600);
  const auto at_once = call.number("at-once", 16, 1, 256);
  if (!timeout || !at_once) return cli::exit_usage;
  int code = cli::exit_done;
  const auto seeds = find_seeds(call, code);
  if (!seeds) return code;
  std::ofstream file;
  const std::string path = call.has("out") ? call.options["out"].as<std::string>() : "";
  if (!path.empty()) {
    file.open(path, std::ios::binary | std::ios::trunc);
    if (!file) return call.fail("--out: " + path + " cannot be written; check its directory");
  }

  boost::asio::io_context io(1);
  auto guest = Guest::open(io);
  if (!guest) return call.fail(guest.error().sentence);
  CrawlOptions options;
  options.at_once = static_cast<std::size_t>(*at_once);
  options.time = std::chrono::milliseconds{static_cast<std::int64_t>(*timeout * 1000)};
  TimePoint told = (*guest)->runtime().now();
  Crawl crawl(**guest, options);
  const Chart chart = crawl.run(*seeds, [&](const Chart& so_far) {
    const TimePoint now = (*guest)->runtime().now();
    if (now - told < progress_gap) return;
    told = now;
    const auto asked = std::ranges::count_if(so_far.supernodes,
                                             [](const auto& entry) { return entry.second.asked; });
    call.err << "byway overlay map: asked " << asked << " of " << so_far.supernodes.size()
             << " supernodes, " << so_far.answered() << " answered" << std::endl;
  });
  if (chart.answered() == 0)
    return call.fail("no supernode answers, of " + std::to_string(seeds->size()) +
                     " to begin with: check the address after --seed, and this host's network");

  const std::string text = format == "json"  ? as_json_lines(chart)
                           : format == "dot" ? as_dot(chart)
                           : format == "svg" ? as_svg(chart)
                                             : as_text(chart);
  if (path.empty()) {
    call.out << text << std::flush;
    return cli::exit_done;
  }
  file << text << std::flush;
  if (!file) return call.fail("--out: " + path + " could not be written whole; is the disk full?");
  return cli::exit_done;
}

}  // namespace

cli::Command map_tool() {
  return {
      .name = "map",
      .synopsis = "[--format text|json|dot|svg] [--out FILE] [--seed ID@HOST:PORT …] [OPTIONS]",
      .summary = "crawl the mesh: every supernode, how it is, and whom it knows",
      .details =
          "Asks the supernodes it begins with whom they know, then those, and so on. Shows each\n"
          "one's netgroup, round trip, load and version, who does not answer, and where one\n"
          "lacks somebody whom others know. --format svg draws it.\n",
      .describe =
          [](po::options_description& options) {
            options.add_options()("format,f", po::value<std::string>()->value_name("FORMAT"),
                                  "text, json (a line for each, then a summary), dot or svg")(
                "out,o", po::value<std::string>()->value_name("FILE"),
                "write there instead of to standard output")(
                "timeout", po::value<std::string>()->value_name("S"),
                "seconds after which what was found is shown (30)")(
                "at-once", po::value<std::string>()->value_name("N"),
                "so many are asked at a time (16)");
            describe_seeds(options);
          },
      .run = map};
}

}  // namespace byway::tools

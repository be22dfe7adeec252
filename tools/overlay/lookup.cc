// `byway overlay lookup`: where the directory says a peer is registered, holder by holder, and
// whether its homes agree.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <map>

#include "node/apps/context.h"
#include "node/cli/text.h"
#include "node/json_text.h"
#include "overlay/directory/placement.h"
#include "tools/overlay/beginning.h"
#include "tools/overlay/crawl.h"
#include "tools/overlay/tools.h"

namespace byway::tools {
namespace {

namespace json = boost::json;
using cli::Call;

struct Holder {
  Seed seed;
  std::string answer;  // known, unknown, busy, forged, silent
  RecordPtr record;
  std::optional<Duration> rtt;
  std::string why;
};
struct Home {
  NodeId id;
  std::optional<Endpoint> endpoint;
  std::string answer;  // here, not here, silent, no supernode
};
struct Finding {
  NodeId peer;
  std::optional<NodeId> asked;  // whose view it is
  std::size_t members = 0;
  std::size_t netgroups = 0;
  bool is_supernode = false;
  std::vector<Holder> holders;
  std::vector<Home> homes;
  RecordPtr newest;

  bool online() const {
    return std::ranges::any_of(homes, [](const Home& home) { return home.answer == "here"; });
  }
  bool agrees(const Holder& holder) const {
    return newest && holder.record && holder.record->record().sequence == newest->record().sequence;
  }
  std::size_t agreeing() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(holders, [&](const Holder& holder) { return agrees(holder); }));
  }
};

// Who holds the record, by that view.
void place(const Chart& chart, const KnownView& view, Finding& finding) {
  Placement placement(sodium_crypto(), chart.netgroup_bits_v4, chart.netgroup_bits_v6);
  for (const auto& [id, member] : view.members)
    if (member.admitted) placement.add(member.record);
  finding.asked = view.holders.front();
  finding.members = placement.size();
  finding.netgroups = placement.netgroups();
  finding.is_supernode = view.members.contains(finding.peer);
  for (const NodeId& id : placement.holders(finding.peer))
    finding.holders.push_back({.seed = {id, view.members.at(id).record->record().endpoints.front()},
                               .answer = {},
                               .record = {},
                               .rtt = {},
                               .why = {}});
}

void ask_holders(Guest& guest, const KnownView& view, Finding& finding) {
  std::vector<std::pair<Seed, SurveyQuestion>> questions;
  for (const Holder& holder : finding.holders)
    questions.push_back({holder.seed, Find{0, finding.peer}});
  const auto answers = guest.ask_all(questions);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    Holder& holder = finding.holders[i];
    const auto* found = answers[i].answer ? std::get_if<Found>(&*answers[i].answer) : nullptr;
    holder.rtt = answers[i].rtt;
    holder.why = answers[i].why;
    holder.answer = found ? std::string(to_string(found->outcome)) : "silent";
    if (!found || found->outcome != FindOutcome::known) continue;
    auto record = SignedRecord::parse(sodium_crypto(), found->record);
    if (!record || record->record().id != finding.peer) {
      holder.answer = "forged";
      continue;
    }
    holder.record = std::make_shared<const SignedRecord>(std::move(*record));
    if (!finding.newest || finding.newest->record().sequence < holder.record->record().sequence)
      finding.newest = holder.record;
  }
  if (!finding.newest) return;
  for (const NodeId& id : finding.newest->record().homes) {
    const auto member = view.members.find(id);
    Home home{.id = id, .endpoint = {}, .answer = "no supernode"};
    if (member != view.members.end())
      home.endpoint = member->second.record->record().endpoints.front();
    finding.homes.push_back(home);
  }
}

void ask_homes(Guest& guest, Finding& finding) {
  std::vector<std::pair<Seed, SurveyQuestion>> questions;
  std::vector<Home*> asked;
  for (Home& home : finding.homes)
    if (home.endpoint) {
      questions.push_back({{home.id, *home.endpoint}, Locate{0, finding.peer}});
      asked.push_back(&home);
    }
  const auto answers = guest.ask_all(questions);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const auto* located = answers[i].answer ? std::get_if<Located>(&*answers[i].answer) : nullptr;
    asked[i]->answer = !located ? "silent" : located->here ? "here" : "not here";
  }
}

// --- telling -------------------------------------------------------------------------------------

json::object holder_json(const Finding& finding, const Holder& holder) {
  json::object one{{"id", holder.seed.id.to_string()},
                   {"endpoint", holder.seed.endpoint.to_string()},
                   {"answer", holder.answer},
                   {"sequence", nullptr},
                   {"homes", nullptr},
                   {"newest", finding.agrees(holder)},
                   {"rtt_ms", nullptr},
                   {"why", nullptr}};
  if (holder.record) {
    one["sequence"] = holder.record->record().sequence;
    json::array homes;
    for (const NodeId& home : holder.record->record().homes) homes.push_back(json_of(home));
    one["homes"] = std::move(homes);
  }
  if (holder.rtt) one["rtt_ms"] = json_ms(*holder.rtt);
  if (!holder.why.empty()) one["why"] = holder.why;
  return one;
}

json::object as_json(const Finding& finding) {
  json::array holders, homes;
  for (const Holder& holder : finding.holders) holders.push_back(holder_json(finding, holder));
  for (const Home& home : finding.homes)
    homes.push_back(json::object{{"id", home.id.to_string()},
                                 {"endpoint", home.endpoint ? json_of(*home.endpoint) : nullptr},
                                 {"answer", home.answer}});
  json::object all{{"id", finding.peer.to_string()},
                   {"supernode", finding.is_supernode},
                   {"online", finding.online()},
                   {"sequence", nullptr},
                   {"homes", std::move(homes)},
                   {"holders", std::move(holders)},
                   {"agree", finding.agreeing()},
                   {"members", finding.members},
                   {"netgroups", finding.netgroups},
                   {"view_of", finding.asked ? json_of(*finding.asked) : nullptr}};
  if (finding.newest) all["sequence"] = finding.newest->record().sequence;
  return all;
}

std::string where(const NodeId& id, const std::optional<Endpoint>& endpoint) {
  return id.short_string() + "  " + cli::padded(endpoint ? endpoint->to_string() : "?", 22);
}

void print_words(const Call& call, const Finding& finding) {
  call.print("asked the view of " + finding.asked->short_string() + ": " +
             cli::counted(static_cast<std::int64_t>(finding.members), "supernode") + " in " +
             cli::counted(static_cast<std::int64_t>(finding.netgroups), "netgroup"));
  if (!finding.holders.empty()) call.print("\nholders of its record");
  for (const Holder& holder : finding.holders) {
    std::string text = "  " + where(holder.seed.id, holder.seed.endpoint) + " " + holder.answer;
    if (holder.record) {
      text += ", sequence " + std::to_string(holder.record->record().sequence);
      if (!finding.agrees(holder)) text += " (not the newest)";
    }
    if (!holder.why.empty()) text += ": " + holder.why;
    if (holder.rtt) text += ", " + cli::milliseconds(to_ms(*holder.rtt));
    call.print(text);
  }
  if (!finding.homes.empty()) {
    call.print(finding.newest ? "\nits homes, by the newest record" : "");
    for (const Home& home : finding.homes)
      call.print("  " + where(home.id, home.endpoint) + " " +
                 (home.answer == "here"           ? "it is registered here"
                  : home.answer == "not here"     ? "it is not registered here now"
                  : home.answer == "no supernode" ? "is no supernode of the mesh now"
                                                  : "does not answer"));
  }
  call.print("");
}

std::string verdict(const Finding& finding, const std::string& who) {
  const std::size_t holders = finding.holders.size();
  if (finding.is_supernode) return who + " is a supernode itself: it is called at its own address.";
  if (finding.holders.empty())
    return who + (finding.online() ? " is registered there." : " is not registered there.") +
           " One supernode alone keeps no directory.";
  if (!finding.newest)
    return "No holder knows " + who + ": it has not registered anywhere for 30 days, or never.";
  std::string text = who + (finding.online() ? " is online." : " is not online at present.");
  const std::size_t agreeing = finding.agreeing();
  if (agreeing == holders)
    text += " All " + std::to_string(holders) + " holders agree.";
  else
    text += " " + std::to_string(agreeing) + " of " + std::to_string(holders) +
            " holders have its newest record.";
  return text;
}

int lookup(Call& call) {
  int code = cli::exit_done;
  const auto whom = find_whom(call, call.words[0], code);
  if (!whom) return code;
  const auto seeds = find_seeds(call, code);
  if (!seeds) return code;

  boost::asio::io_context io(1);
  auto guest = Guest::open(io);
  if (!guest) return call.fail(guest.error().sentence);
  CrawlOptions options;
  options.expand = false;
  Crawl crawl(**guest, options);
  const Chart chart = crawl.run(*seeds, [](const Chart&) {});
  if (chart.answered() == 0)
    return call.fail("no supernode answers, of " + std::to_string(seeds->size()) +
                     " to begin with: check the address after --seed, and this host's network");

  Finding finding{.peer = whom->id, .asked = {}, .holders = {}, .homes = {}, .newest = {}};
  const KnownView* view = chart.views.empty() ? nullptr : &chart.views.front();
  if (view && !view->admitted().empty()) {
    place(chart, *view, finding);
    ask_holders(**guest, *view, finding);
  } else {
    // One supernode alone keeps no directory: its leaves are all there are.
    for (const auto& [id, sighting] : chart.supernodes)
      if (sighting.state) {
        finding.asked = id;
        finding.homes.push_back({.id = id, .endpoint = sighting.endpoint, .answer = {}});
      }
  }
  ask_homes(**guest, finding);

  if (call.json) {
    call.print(json_text(as_json(finding)));
  } else {
    print_words(call, finding);
    call.print(verdict(finding, cli::printable(call.words[0])));
  }
  return cli::exit_done;
}

}  // namespace

cli::Command lookup_tool() {
  return {.name = "lookup",
          .synopsis = "PEER [--seed ID@HOST:PORT …] [--json]",
          .summary = "where is a peer registered: every holder's answer, and its homes'",
          .details =
              "Reads who the supernodes are from one of them, computes which of them hold the\n"
              "peer's record, and asks each: what it knows, and whether that is the newest. Then\n"
              "asks the homes which the newest record names whether the peer is there.\n",
          .describe = describe_seeds,
          .least_words = 1,
          .most_words = 1,
          .run = lookup};
}

}  // namespace byway::tools

// `byway overlay ping`: is that supernode alive, how is it, and does it do as it says? It is asked
// for a proof that strangers reach us (which makes it find somebody to dial us), and two visitors
// of ours register there and talk through it.
#include <algorithm>
#include <boost/json/object.hpp>
#include <cmath>

#include "node/apps/context.h"
#include "node/cli/text.h"
#include "node/json_text.h"
#include "protocol/attestation.h"
#include "tools/overlay/beginning.h"
#include "tools/overlay/crawl.h"
#include "tools/overlay/tools.h"

namespace byway::tools {
namespace {

namespace json = boost::json;
namespace po = boost::program_options;
using cli::Call;

constexpr Duration relay_patience = 10s;
constexpr std::size_t relayed_bytes = 1000;

// What was tried, what came of it, and whether that is what it says of itself: yes, no, or not to
// be told.
struct Trial {
  std::string outcome;
  std::string why;
  std::optional<bool> as_it_says;
  std::optional<Duration> took;
  Endpoint dialled_from;
  NodeId dialler;
};

// --- does it have us dialled? --------------------------------------------------------------------

Trial try_dialback(Guest& guest, const Seed& supernode) {
  const TimePoint begun = guest.runtime().now();
  const SurveyDone done = guest.ask(supernode, ProveRequest{});
  Trial trial;
  trial.dialled_from = done.dialled_from;
  if (!done.answer) {
    trial.outcome = "silent";
    trial.why = "it gave no answer within 8 s";
    return trial;
  }
  const auto& result = std::get<ProveResult>(*done.answer);
  trial.outcome = std::string(to_string(result.outcome));
  trial.took = guest.runtime().now() - begun;
  switch (result.outcome) {
    case ProofOutcome::proved: {
      const auto attestation = Attestation::parse(sodium_crypto(), result.attestation);
      const bool true_to_us = attestation && attestation->attested().subject == guest.id() &&
                              attestation->attested().endpoint == done.observed;
      if (!true_to_us || !done.dialled_from.is_set()) {
        trial.as_it_says = false;
        trial.why = !true_to_us ? "it claims that we were reached, and shows no true attestation"
                                : "it claims that we were reached, but no dial-back arrived";
        return trial;
      }
      trial.dialler = attestation->attested().dialler;
      trial.as_it_says =
          trial.dialler != supernode.id && done.dialled_from.address != supernode.endpoint.address;
      if (!*trial.as_it_says)
        trial.why = "it dialled us itself, which proves nothing: we had written to it before";
      return trial;
    }
    case ProofOutcome::no_dialler:
      trial.why = "it knows nobody else who could dial us";
      return trial;
    case ProofOutcome::refused:
      trial.why = "it refused to have us dialled";
      if (result.retry_s > 0)
        trial.why += ", for the next " + cli::seconds_in_words(result.retry_s);
      return trial;
    case ProofOutcome::timed_out:
      trial.why = done.dialled_from.is_set()
                      ? "the dial-back arrived, but our echo did not get back in time"
                      : "no dial-back reached this host: a NAT or firewall stands in front of it";
      return trial;
  }
  return trial;
}

// --- does it relay? ------------------------------------------------------------------------------

// One visitor calls the other by a stream, and the other says it all back.
class RelayTrial {
 public:
  RelayTrial(boost::asio::io_context& io, const Seed& supernode) : io_(io), supernode_(supernode) {}

  Trial run(bool relays) {
    auto caller = Guest::open(io_, supernode_);
    auto called = Guest::open(io_, supernode_);
    if (!caller || !called) return failed("no socket could be opened here", {});
    caller_ = std::move(*caller);
    called_ = std::move(*called);
    caller_->hear([this](const Event& event) { on_caller(event); });
    called_->hear([this](const Event& event) { on_called(event); });

    const auto registered = [&] { return (caller_ready_ && called_ready_) || !trouble_.empty(); };
    if (!caller_->run_until(registered, relay_patience))
      return failed("it did not take us in as leaves", false);
    if (!trouble_.empty()) return failed("it does not take us in: " + trouble_, {});

    const TimePoint begun = caller_->runtime().now();
    sent_ = Bytes(relayed_bytes, 0x2e);
    const auto stream = caller_->overlay().open_stream(begun, called_->id(), {"survey", {}});
    if (!stream) return failed("no stream could be opened", {});
    stream_ = *stream;
    caller_->overlay().write(begun, stream_, sent_);
    caller_->runtime().settle();
    caller_->run_until([&] { return back_.size() >= sent_.size() || !trouble_.empty(); },
                       relay_patience);
    if (back_ != sent_) {
      if (!relays) {
        Trial trial = failed("as it says, it carries nothing for others", true);
        trial.outcome = "refused";
        return trial;
      }
      return failed(trouble_.empty() ? "it opened no lane, or nothing came through it" : trouble_,
                    false);
    }
    Trial trial;
    trial.outcome = "carried";
    trial.took = caller_->runtime().now() - begun;
    const auto path = caller_->overlay().peer(called_->id());
    const bool through_it = path && path->path == PathKind::relay && path->via == supernode_.id;
    trial.as_it_says = relays;
    if (!through_it) {
      trial.as_it_says.reset();
      trial.why = "the two did not stay on its lane";
    } else if (!relays) {
      trial.why = "it says that it relays nothing, and yet it does";
    }
    return trial;
  }

 private:
  static Trial failed(std::string why, std::optional<bool> as_it_says) {
    Trial trial;
    trial.outcome = "failed";
    trial.why = std::move(why);
    trial.as_it_says = as_it_says;
    return trial;
  }

  void on_caller(const Event& event) {
    if (std::holds_alternative<Ready>(event)) caller_ready_ = true;
    if (const auto* home = std::get_if<HomeUnreachable>(&event)) trouble_ = home->why;
    if (const auto* peer = std::get_if<PeerUnreachable>(&event)) trouble_ = peer->why;
    const auto* readable = std::get_if<StreamReadable>(&event);
    if (!readable || readable->stream != stream_) return;
    for (;;) {
      const auto read = caller_->overlay().read(caller_->runtime().now(), stream_, relayed_bytes);
      if (read.bytes.empty()) return;
      append(back_, read.bytes);
    }
  }
  void on_called(const Event& event) {
    if (std::holds_alternative<Ready>(event)) called_ready_ = true;
    if (const auto* home = std::get_if<HomeUnreachable>(&event)) trouble_ = home->why;
    StreamId stream = 0;
    if (const auto* opened = std::get_if<StreamOpened>(&event)) stream = opened->stream;
    if (const auto* readable = std::get_if<StreamReadable>(&event)) stream = readable->stream;
    if (stream == 0) return;
    const TimePoint now = called_->runtime().now();
    for (;;) {
      const auto read = called_->overlay().read(now, stream, relayed_bytes);
      if (read.bytes.empty()) return;
      called_->overlay().write(now, stream, read.bytes);
    }
  }

  boost::asio::io_context& io_;
  Seed supernode_;
  std::unique_ptr<Guest> caller_;
  std::unique_ptr<Guest> called_;
  bool caller_ready_ = false;
  bool called_ready_ = false;
  StreamId stream_ = 0;
  Bytes sent_;
  Bytes back_;
  std::string trouble_;
};

// --- telling -------------------------------------------------------------------------------------

json::value flag_json(const std::optional<bool>& flag) {
  return flag ? json::value(*flag) : json::value(nullptr);
}

json::object trial_json(const Trial& trial) {
  return {{"outcome", trial.outcome},
          {"as_it_says", flag_json(trial.as_it_says)},
          {"ms", trial.took ? json::value(json_ms(*trial.took)) : json::value(nullptr)},
          {"why", trial.why.empty() ? json::value(nullptr) : json::value(trial.why)}};
}

struct Report {
  Seed supernode;
  std::optional<SupernodeState> state;
  std::string why;
  std::size_t sent = 0;
  std::vector<Duration> rtts;
  std::optional<Duration> handshake;
  std::optional<Trial> dialback;
  std::optional<Trial> relay;
};

json::object as_json(const Report& report) {
  json::object all{{"id", report.supernode.id.to_string()},
                   {"endpoint", report.supernode.endpoint.to_string()},
                   {"alive", report.handshake.has_value()},
                   {"supernode", report.state.has_value()},
                   {"sent", report.sent},
                   {"received", report.rtts.size()},
                   {"rtt_ms", nullptr},
                   {"why", report.why.empty() ? json::value(nullptr) : json::value(report.why)}};
  if (!report.rtts.empty()) {
    auto sorted = report.rtts;
    std::ranges::sort(sorted);
    all["rtt_ms"] = json_ms(sorted[sorted.size() / 2]);
  }
  if (report.state) {
    const SupernodeState& state = *report.state;
    all["agent"] = state.agent;
    all["version"] = state.version;
    all["uptime_s"] = state.uptime_s;
    all["leaves"] = state.leaves;
    all["limit"] = state.limit;
    all["lanes"] = state.lanes;
    all["relays"] = state.relays;
    all["relay_rate"] = state.relay_rate;
    all["relayed_bytes"] = state.relayed_bytes;
    all["supernodes_known"] = state.admitted;
    all["netgroups"] = state.netgroups;
    all["established"] = state.established;
    all["handing_over"] = state.handing_over;
  }
  if (report.dialback) {
    json::object dialback = trial_json(*report.dialback);
    dialback["dialled_from"] = json_of(report.dialback->dialled_from);
    dialback["dialler"] = json_of(report.dialback->dialler);
    all["dialback"] = std::move(dialback);
  }
  if (report.relay) all["relay"] = trial_json(*report.relay);
  return all;
}

std::string row(std::string_view label, const std::string& text) {
  return "  " + cli::padded(label, 12) + text;
}

std::string dialback_in_words(const Trial& trial) {
  if (!trial.why.empty()) return trial.why;
  return "as it should be: " + trial.dialler.short_string() + " dialled us from " +
         trial.dialled_from.to_string() + ", and said so within " +
         cli::milliseconds(to_ms(*trial.took));
}

std::string relay_in_words(const Trial& trial) {
  if (trial.outcome != "carried") return trial.why;
  std::string text =
      "carried a call between two of our own: " + cli::bytes_in_words(relayed_bytes) +
      " there and back within " + cli::milliseconds(to_ms(*trial.took));
  return trial.why.empty() ? text : text + "; " + trial.why;
}

void print_words(const Call& call, const Report& report) {
  const SupernodeState& state = *report.state;
  if (!report.rtts.empty()) {
    const auto [least, most] = std::ranges::minmax(report.rtts);
    call.print(row("answers", std::to_string(report.rtts.size()) + " of " +
                                  std::to_string(report.sent) + ", in " +
                                  cli::milliseconds(to_ms(least)) + " to " +
                                  cli::milliseconds(to_ms(most))));
  }
  call.print(row("version", state.agent + ", up " + cli::seconds_in_words(state.uptime_s)));
  call.print(row("serves",
                 cli::counted(state.leaves, "leaf") == "1 leaf"
                     ? "1 leaf of " + std::to_string(state.limit)
                     : std::to_string(state.leaves) + " leaves of " + std::to_string(state.limit)));
  call.print(row(
      "relays",
      !state.relays
          ? "nothing, as it says"
          : std::to_string(state.lanes) + " lanes now, " +
                cli::bytes_in_words(static_cast<double>(state.relayed_bytes)) +
                " since it started" +
                (state.relay_rate > 0
                     ? ", at most " + cli::bytes_in_words(static_cast<double>(state.relay_rate)) +
                           " a second"
                     : "")));
  std::string mesh = "knows " + cli::counted(state.admitted, "supernode") + " in " +
                     cli::counted(state.netgroups, "netgroup");
  if (!state.established && state.admitted > 0) mesh += "; nobody vouches for it yet";
  if (state.handing_over) mesh += "; it is about to serve no more";
  call.print(row("mesh", mesh));
  if (report.dialback) call.print(row("dial-back", dialback_in_words(*report.dialback)));
  if (report.relay) call.print(row("relay", relay_in_words(*report.relay)));
}

// Where it is, if only its id was given: any supernode's view tells.
std::optional<Endpoint> look_for(Call& call, const NodeId& id, int& code) {
  const auto seeds = find_seeds(call, code);
  if (!seeds) return {};
  for (const Seed& seed : *seeds)
    if (seed.id == id) return seed.endpoint;
  boost::asio::io_context io(1);
  auto guest = Guest::open(io);
  if (!guest) {
    code = call.fail(guest.error().sentence);
    return {};
  }
  CrawlOptions options;
  options.expand = false;
  Crawl crawl(**guest, options);
  const Chart chart = crawl.run(*seeds, [](const Chart&) {});
  for (const KnownView& view : chart.views)
    if (const auto member = view.members.find(id); member != view.members.end())
      return member->second.record->record().endpoints.front();
  code = call.fail(chart.answered() == 0
                       ? "no supernode answers, so nobody tells where it is: give its address, as "
                         "ID@HOST:PORT"
                       : id.short_string() +
                             " is no supernode that the mesh knows: give its "
                             "address, as ID@HOST:PORT");
  return {};
}

int ping(Call& call) {
  const auto count = call.number("count", 4, 1, 1000);
  if (!count) return cli::exit_usage;
  int code = cli::exit_done;
  const auto whom = find_whom(call, call.words[0], code);
  if (!whom) return code;
  const auto endpoint = whom->endpoint ? whom->endpoint : look_for(call, whom->id, code);
  if (!endpoint) return code;

  Report report{.supernode = {whom->id, *endpoint},
                .state = {},
                .why = {},
                .rtts = {},
                .handshake = {},
                .dialback = {},
                .relay = {}};
  boost::asio::io_context io(1);
  auto guest = Guest::open(io);
  if (!guest) return call.fail(guest.error().sentence);
  if (!call.json)
    call.print("supernode " + whom->id.short_string() + " at " + endpoint->to_string());

  while (report.sent < static_cast<std::size_t>(*count)) {
    ++report.sent;
    const SurveyDone done = (*guest)->ask(report.supernode, StateRequest{});
    if (done.handshake_rtt) report.handshake = done.handshake_rtt;
    const auto* state = done.answer ? std::get_if<SupernodeState>(&*done.answer) : nullptr;
    if (state) report.state = *state;
    if (!state) report.why = done.why;
    if (done.rtt) report.rtts.push_back(*done.rtt);
    if (call.json) {
      json::object line{{"seq", report.sent}, {"rtt_ms", nullptr}};
      if (done.rtt) line["rtt_ms"] = json_ms(*done.rtt);
      if (!state) line["lost"] = true;
      call.print(json_text(line));
    }
    if (!report.handshake) break;  // nobody is there: asking on would only take longer
  }
  if (report.state && !call.has("quick")) {
    report.dialback = try_dialback(**guest, report.supernode);
    report.relay = RelayTrial(io, report.supernode).run(report.state->relays);
  }
  if (call.json) call.print(json_text(as_json(report)));
  if (!report.state) {
    const std::string who = whom->id.short_string() + " at " + endpoint->to_string();
    if (report.handshake)
      return call.fail(who + " is there, but answers nothing a supernode would: is it a leaf?");
    return call.fail(who + " cannot be reached: " + report.why +
                     "; check the id and the address, and whether UDP gets there");
  }
  if (!call.json) print_words(call, report);
  return cli::exit_done;
}

}  // namespace

cli::Command ping_tool() {
  return {.name = "ping",
          .synopsis = "ID@HOST:PORT|ID [-c N] [--quick] [--json]",
          .summary = "is that supernode alive, how is it, and does it do as it says?",
          .details =
              "Asks it N times how it is (default 4). Then has it prove that strangers reach this\n"
              "host, and calls one guest from another through it: so it is seen whether it has\n"
              "others dialled back, and relays, as it says. --quick leaves these two out.\n"
              "An id alone is looked for among the supernodes that --seed or the node running\n"
              "here knows.\n",
          .describe =
              [](po::options_description& options) {
                options.add_options()("count,c", po::value<std::string>()->value_name("N"),
                                      "ask so often (4)")(
                    "quick", "only ask, do not have it dial back and relay");
                describe_seeds(options);
              },
          .least_words = 1,
          .most_words = 1,
          .run = ping};
}

}  // namespace byway::tools

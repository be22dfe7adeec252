#include "node/cli/stdio_stream.h"

#include <signal.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <optional>

#include "node/cli/control_client.h"
#include "node/cli/copy.h"
#include "node/cli/terminal.h"
#include "node/cli/text.h"
#include "node/cli/words.h"

namespace byway::cli {
namespace {

namespace json = boost::json;

struct End {
  std::string sentence;                  // empty: the peer has everything
  std::optional<double> sent, received;  // bytes, of lent ends
};

// Waits until the peer has everything. Nothing: interrupted.
std::optional<End> end_of(const Call& call, std::uint64_t token, const Interrupts& interrupts) {
  End end;
  auto client = ControlClient::connect(call.state_dir, end.sentence);
  if (!client) return end;
  client->send(control::Outcome{token});
  while (const auto reply = client->next(interrupts.fd())) {
    const auto* line = std::get_if<control::Line>(&*reply);
    if (!line) {
      const auto* failed = std::get_if<control::Failed>(&*reply);
      if (failed) end.sentence = failed->sentence;
      return end;
    }
    json::error_code error;
    const json::value said = json::parse(line->json, error);
    if (error || !said.is_object()) continue;
    end.sent = number_at(said.get_object(), "sent");
    end.received = number_at(said.get_object(), "received");
  }
  return {};
}

}  // namespace

LentEnds lendable_stdio() {
  return lendable(STDIN_FILENO, STDOUT_FILENO);
}

int carry_on_stdio(const Call& call, UniqueFd stream, const control::Raw& raw, LentEnds lent,
                   const Interrupts& interrupts, const std::string& what) {
  signal(SIGPIPE, SIG_IGN);
  const bool in_lent = raw.borrows && lent.in.is_open();
  const bool out_lent = raw.borrows && lent.out.is_open();
  if (raw.borrows) lend(stream.get(), lent);  // a node that is gone shows itself below
  lent = {};
  const CopyResult result = copy_both_ways({.in = STDIN_FILENO,
                                            .out = STDOUT_FILENO,
                                            .stream = stream.get(),
                                            .stop = interrupts.fd(),
                                            .in_lent = in_lent,
                                            .out_lent = out_lent,
                                            .until_peers_end = is_terminal(STDIN_FILENO)});
  if (result.stopped) return exit_interrupted;
  const auto moved = [&](const End& end) {
    const auto sent = in_lent ? end.sent : static_cast<double>(result.sent);
    const auto received = out_lent ? end.received : static_cast<double>(result.received);
    if (!sent || !received) return std::string{};  // only the node could tell
    return " (" + bytes_in_words(*sent) + " sent, " + bytes_in_words(*received) + " received)";
  };
  stream.reset();
  std::optional<End> end{End{}};
  if (!result.our_fault || result.told) end = end_of(call, raw.token, interrupts);
  if (!end) return exit_interrupted;
  if (result.our_fault) return call.fail(what + " ended: " + result.broken + moved(*end));
  if (!end->sentence.empty()) return call.fail(end->sentence + moved(*end));
  if (!result.broken.empty()) return call.fail(what + " broke: " + result.broken + moved(*end));
  return exit_done;
}

}  // namespace byway::cli

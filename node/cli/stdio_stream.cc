#include "node/cli/stdio_stream.h"

#include <signal.h>
#include <unistd.h>

#include "node/cli/control_client.h"
#include "node/cli/copy.h"
#include "node/cli/terminal.h"
#include "node/cli/text.h"

namespace byway::cli {
namespace {

// Waits until the peer has everything. Empty: it has; nothing: interrupted.
std::optional<std::string> outcome_of(const Call& call, std::uint64_t token,
                                      const Interrupts& interrupts) {
  std::string problem;
  auto client = ControlClient::connect(call.state_dir, problem);
  if (!client) return problem;
  client->send(control::Outcome{token});
  const auto reply = client->next(interrupts.fd());
  if (!reply) return {};
  const auto* failed = std::get_if<control::Failed>(&*reply);
  return failed ? failed->sentence : std::string{};
}

}  // namespace

int carry_on_stdio(const Call& call, UniqueFd stream, std::uint64_t token,
                   const Interrupts& interrupts, const std::string& what) {
  signal(SIGPIPE, SIG_IGN);
  const CopyResult result = copy_both_ways({.in = STDIN_FILENO,
                                            .out = STDOUT_FILENO,
                                            .stream = stream.get(),
                                            .stop = interrupts.fd(),
                                            .until_peers_end = is_terminal(STDIN_FILENO)});
  if (result.stopped) return exit_interrupted;
  const std::string moved = " (" + bytes_in_words(static_cast<double>(result.sent)) + " sent, " +
                            bytes_in_words(static_cast<double>(result.received)) + " received)";
  if (result.our_fault) return call.fail(what + " ended: " + result.broken + moved);

  stream.reset();
  const auto outcome = outcome_of(call, token, interrupts);
  if (!outcome) return exit_interrupted;
  if (!outcome->empty()) return call.fail(*outcome + moved);
  if (!result.broken.empty()) return call.fail(what + " broke: " + result.broken + moved);
  return exit_done;
}

}  // namespace byway::cli

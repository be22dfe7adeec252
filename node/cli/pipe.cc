// `byway pipe`: standard input to a peer's service, its answer to standard output.
#include "node/cli/commands.h"
#include "node/cli/control_client.h"
#include "node/cli/interrupts.h"
#include "node/cli/stdio_stream.h"

namespace byway::cli {
namespace {

int pipe(Call& call) {
  if (call.json)
    return call.usage("--json cannot go with a stream on standard output: leave it away");
  const std::string& peer = call.words[0];
  const std::string& service = call.words[1];

  std::string problem;
  auto client = ControlClient::connect(call.state_dir, problem);
  if (!client) return call.fail(problem);
  const Interrupts interrupts;
  LentEnds lent = lendable_stdio();
  client->send(control::Pipe{.peer = peer, .service = service, .lends = lent.any()});
  const auto reply = client->next(interrupts.fd());
  if (!reply) return exit_interrupted;
  if (const auto* failed = std::get_if<control::Failed>(&*reply))
    return call.fail(failed->sentence);
  const auto* raw = std::get_if<control::Raw>(&*reply);
  if (!raw) return call.fail("the node's answer makes no sense: is it another version of byway?");
  return carry_on_stdio(call, client->take_stream(), *raw, std::move(lent), interrupts,
                        "the pipe to " + peer);
}

}  // namespace

Command pipe_command() {
  return {.name = "pipe",
          .synopsis = "PEER SERVICE",
          .summary = "connect standard input and output to a peer's service",
          .details =
              "The peer offers the service with `byway listen SERVICE`. The end of standard\n"
              "input ends that direction only; what the peer still sends is read to its end:\n\n"
              "  bob$ byway listen in --allow ana > backup.tar\n"
              "  ana$ tar c . | byway pipe bob in\n",
          .describe = {},
          .least_words = 2,
          .most_words = 2,
          .run = pipe};
}

}  // namespace byway::cli

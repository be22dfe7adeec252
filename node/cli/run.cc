// `byway run`: the node itself, in the foreground. Its options live with the node, because a file
// may give them as well.
#include "node/cli/commands.h"
#include "node/config.h"
#include "node/node.h"

namespace byway::cli {
namespace {

int run(Call& call) {
  auto config = parse_run_config(call.arguments, call.state_dir);
  if (!config) return call.usage(config.error().sentence);
  return run_node(*config);
}

}  // namespace

Command run_command() {
  return {.name = "run",
          .synopsis = "[--seed ID@HOST:PORT …] [--listen ADDR:PORT …] [OPTIONS]",
          .summary = "be a node, in the foreground",
          .details =
              "Joins the network and serves the other commands until SIGTERM or Ctrl-C, then\n"
              "leaves gracefully. Prints `ready id=… listen=…` once it can be used. A seed\n"
              "is a supernode known beforehand, needed only to join; the first node of a\n"
              "network is started with --role supernode and needs none.\n",
          .describe =
              [](auto& options) {
                // One by one: a group within a group would be shown with a heading of its own.
                const auto of_the_node = run_options();
                for (const auto& option : of_the_node.options()) options.add(option);
              },
          .run = run,
          .reads_itself = true};
}

}  // namespace byway::cli

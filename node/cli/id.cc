// `byway id`: who this node is, whether it runs or not.
#include "node/cli/commands.h"
#include "node/state_dir.h"

namespace byway::cli {
namespace {

int id(Call& call) {
  const auto node = make_or_load_identity(call.state_dir);
  if (!node) return call.fail(node.error().sentence);
  const std::string text = node->to_string();
  call.tell({{"id", text}}, text);
  return exit_done;
}

}  // namespace

Command id_command() {
  return {.name = "id",
          .synopsis = "",
          .summary = "print this node's id, which others need to reach it",
          .details =
              "Prints the 52 characters others add as a contact. Makes the node's key where\n"
              "there is none yet; the node need not run.\n",
          .describe = {},
          .run = id};
}

}  // namespace byway::cli

#include "tools/overlay/tools.h"

#include "tools/overlay/sim.h"

namespace byway::tools {
namespace {

using cli::Call;
using cli::Command;

Command sim_tool() {
  return {.name = "sim",
          .synopsis = "[OPTIONS]",
          .summary = "simulate a network of thousands, and what befalls it",
          .details = {},
          .describe = {},
          .run =
              [](Call& call) {
                std::vector<std::string> words = call.arguments;
                if (call.json) words.push_back("--json");
                return overlay_sim(words, call.out, call.err);
              },
          .reads_itself = true};
}

}  // namespace

Command overlay_command() {
  return {.name = "overlay",
          .synopsis = "TOOL …",
          .summary = "look at the network itself: its supernodes, and who is where",
          .details =
              "Tools that diagnose the network. Each joins it as a guest for as long as it\n"
              "runs, beginning with --seed, or with what the node running here knows.\n",
          .describe = {},
          .family = {
              ping_tool(),
              lookup_tool(),
              map_tool(),
              sim_tool(),
          }};
}

}  // namespace byway::tools

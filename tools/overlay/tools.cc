#include "tools/overlay/tools.h"

// The simulator's front is in the tree or it is not.
#if __has_include("tools/overlay/sim.h")
#include "tools/overlay/sim.h"
#define BYWAY_HAS_SIM
#endif

namespace byway::tools {
namespace {

using cli::Call;
using cli::Command;

#ifdef BYWAY_HAS_SIM
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
#endif

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
#ifdef BYWAY_HAS_SIM
              sim_tool(),
#endif
          }};
}

}  // namespace byway::tools

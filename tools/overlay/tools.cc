#include "tools/overlay/tools.h"

#include "tools/overlay/load.h"
#include "tools/overlay/nat.h"
#include "tools/overlay/sim.h"

namespace byway::tools {
namespace {

using cli::Call;
using cli::Command;

// A tool that reads its own words.
Command by_itself(std::string name, std::string summary,
                  int (*run)(std::span<const std::string>, std::ostream&, std::ostream&)) {
  return {.name = std::move(name),
          .synopsis = "[OPTIONS]",
          .summary = std::move(summary),
          .details = {},
          .describe = {},
          .run =
              [run](Call& call) {
                std::vector<std::string> words = call.arguments;
                if (call.json) words.push_back("--json");
                return run(words, call.out, call.err);
              },
          .reads_itself = true};
}

// Asks the node of the state directory, which is taken out of the words before they get here.
Command nat_tool() {
  Command tool = by_itself("nat", "what the NAT in front of this host does", overlay_nat);
  tool.run = [](Call& call) {
    std::vector<std::string> words = call.arguments;
    if (call.json) words.push_back("--json");
    if (!call.state_dir.empty()) words.insert(words.end(), {"--state-dir", call.state_dir});
    return overlay_nat(words, call.out, call.err);
  };
  return tool;
}

}  // namespace

Command overlay_command() {
  return {
      .name = "overlay",
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
          trace_tool(),
          nat_tool(),
          by_itself("sim", "simulate a network of thousands, and what befalls it", overlay_sim),
          by_itself("load", "fill a supernode with synthetic leaves, and measure it", overlay_load),
      }};
}

}  // namespace byway::tools

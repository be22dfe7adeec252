// `byway status`: who am I, what am I to the network and why, and how I reach my peers.
#include <boost/json/parse.hpp>
#include <ostream>

#include "node/cli/commands.h"
#include "node/cli/names.h"
#include "node/cli/words.h"

namespace byway::cli {
namespace {

int status(Call& call) {
  return ask(call, control::Status{}, [&](const std::string& line) {
    boost::json::error_code error;
    boost::json::value parsed = boost::json::parse(line, error);
    if (call.json || error || !parsed.is_object()) return call.print(line);
    Names{call.state_dir}.name_all(parsed.get_object());
    call.out << status_in_words(parsed.get_object()) << std::flush;
  });
}

}  // namespace

Command status_command() {
  return {.name = "status",
          .synopsis = "[--json]",
          .summary = "show role, NAT, homes, and how each peer is connected and why",
          .details =
              "Tells what this node is to the network and why, what its NAT does, where it is\n"
              "registered, and for every peer whether it is reached directly or relayed, and\n"
              "for what reason.\n",
          .describe = {},
          .run = status};
}

}  // namespace byway::cli

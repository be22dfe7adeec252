// `byway status`: who am I, what am I to the network and why, and how I reach my peers.
#include <unistd.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <ostream>
#include <sstream>

#include "node/cli/commands.h"
#include "node/cli/names.h"
#include "node/cli/terminal.h"
#include "node/cli/text.h"
#include "node/cli/words.h"

namespace byway::cli {
namespace {

constexpr std::size_t behind_labels = 12;

std::string fitted(const std::string& rows, std::size_t columns) {
  std::istringstream in{rows};
  std::string text;
  for (std::string row; std::getline(in, row);)
    text += wrapped(row, std::max<std::size_t>(columns, 2 * behind_labels), behind_labels) + "\n";
  return text;
}

int status(Call& call) {
  return ask(call, control::Status{}, [&](const std::string& line) {
    boost::json::error_code error;
    boost::json::value parsed = boost::json::parse(line, error);
    if (call.json || error || !parsed.is_object()) return call.print(line);
    Names{call.state_dir}.name_all(parsed.get_object());
    std::string text = status_in_words(parsed.get_object());
    if (is_terminal(STDOUT_FILENO)) text = fitted(text, columns_of(STDOUT_FILENO));
    call.out << text << std::flush;
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

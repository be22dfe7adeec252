// `byway overlay trace`: how the conversation with a peer came about, and why it is relayed.
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "node/cli/names.h"
#include "node/cli/text.h"
#include "node/cli/words.h"
#include "tools/overlay/tools.h"

namespace byway::tools {
namespace {

namespace json = boost::json;
using cli::Call;
using cli::text_at;

std::string step_in_words(const json::object& step) {
  return cli::padded(cli::milliseconds(cli::number_at(step, "ms", 0)), 12) +
         cli::padded(text_at(step, "kind"), 11) + text_at(step, "text");
}

std::string outcome_in_words(const json::object& outcome) {
  const std::string why = text_at(outcome, "why");
  std::string text = "now: " + cli::path_in_words(outcome);
  if (!why.empty()) text += ": " + why;
  if (const double left_out = cli::number_at(outcome, "left_out", 0); left_out > 0)
    text +=
        "\n(" + std::to_string(static_cast<int>(left_out)) + " steps in the middle are forgotten)";
  return text;
}

int trace(Call& call) {
  const std::string& peer = call.words[0];
  return cli::ask(call, control::Trace{peer}, [&](const std::string& line) {
    json::error_code error;
    json::value parsed = json::parse(line, error);
    if (call.json || error || !parsed.is_object()) return call.print(line);
    json::object& one = parsed.get_object();
    if (one.contains("ms")) return call.print(cli::printable(step_in_words(one)));
    cli::Names{call.state_dir}.name_relay(one);
    call.print(cli::printable(outcome_in_words(one)));
  });
}

}  // namespace

cli::Command trace_tool() {
  return {.name = "trace",
          .synopsis = "PEER [--json]",
          .summary = "how the connection to a peer came about, and why it is relayed",
          .details =
              "Tells the story of the conversation with the peer as the running node remembers\n"
              "it, each step with its milliseconds since the beginning: who introduced whom, what\n"
              "was knocked at, which ports were foreseen, which path was proved, what was lost;\n"
              "and how things stand now. Asks nobody and sends nothing.\n",
          .describe = {},
          .least_words = 1,
          .most_words = 1,
          .run = trace};
}

}  // namespace byway::tools

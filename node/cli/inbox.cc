// `byway inbox`: the messages that arrived.
#include <boost/json/parse.hpp>

#include "node/cli/commands.h"
#include "node/cli/interrupts.h"
#include "node/cli/text.h"
#include "node/cli/words.h"

namespace byway::cli {
namespace {

namespace po = boost::program_options;

std::string told(const boost::json::object& message) {
  const auto received = static_cast<std::int64_t>(number_at(message, "received", 0));
  std::string text = "[" + date_of(received) + "] " + who(message, "from");
  // A stranger's message names the whole id: it is what one needs to answer.
  if (text_at(message, "name").empty())
    text = "[" + date_of(received) + "] request from " + text_at(message, "from");
  return text + ": " + text_at(message, "text");
}

int inbox(Call& call) {
  const control::Inbox request{.follow = call.has("follow")};
  const Interrupts interrupts;
  return ask(
      call, request,
      [&](const std::string& line) {
        boost::json::error_code error;
        const boost::json::value parsed = boost::json::parse(line, error);
        if (call.json || error || !parsed.is_object()) return call.print(line);
        call.print(told(parsed.get_object()));
      },
      interrupts.fd());
}

}  // namespace

Command inbox_command() {
  return {.name = "inbox",
          .synopsis = "[--follow] [--json]",
          .summary = "show the messages that arrived",
          .details =
              "Shows them oldest first. A message from somebody who is no contact is shown\n"
              "as a request, with the id to add: `byway contact add NAME ID`.\n",
          .describe =
              [](po::options_description& options) {
                options.add_options()("follow,f",
                                      "go on with each one that comes, until interrupted");
              },
          .run = inbox};
}

}  // namespace byway::cli

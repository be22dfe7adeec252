// `byway say`: one message, and the certainty that it arrived.
#include <boost/json/parse.hpp>
#include <iostream>
#include <iterator>
#include <limits>

#include "node/apps/app_codec.h"
#include "node/cli/commands.h"
#include "node/cli/names.h"
#include "node/cli/text.h"
#include "node/cli/words.h"

namespace byway::cli {
namespace {

namespace po = boost::program_options;

constexpr std::size_t max_text = apps::max_chat_text;

std::string text_of_words(const Call& call) {
  if (call.words.size() == 2 && call.words[1] == "-") {
    std::string text;
    // One byte past the limit is enough to know.
    for (char byte = 0; text.size() <= max_text && std::cin.get(byte);) text += byte;
    while (text.ends_with('\n')) text.pop_back();
    return text;
  }
  std::string text;
  for (std::size_t i = 1; i < call.words.size(); ++i) text += (i > 1 ? " " : "") + call.words[i];
  return text;
}

std::string told(const boost::json::object& answer, const std::string& peer) {
  if (flag_at(answer, "queued")) return "queued for " + peer;
  const double rtt = number_at(answer, "rtt_ms");
  return "delivered to " + peer + ": " + path_in_words(answer) +
         (rtt >= 0 ? ", " + milliseconds(rtt) : std::string{});
}

int say(Call& call) {
  const auto timeout = call.number("timeout", 0, 0.1, 3600);
  if (!timeout) return exit_usage;
  const std::string text = text_of_words(call);
  if (text.empty()) return call.usage("there is nothing to say: write the text behind the peer");
  if (text.size() > max_text)
    return call.usage("the text is longer than " + std::to_string(max_text / 1024) +
                      " KiB: send it in parts, or with `byway pipe`");

  const std::string& peer = call.words[0];
  const control::Say request{
      .peer = peer, .text = text, .timeout_ms = static_cast<std::uint32_t>(*timeout * 1000)};
  return ask(call, request, [&](const std::string& line) {
    boost::json::error_code error;
    boost::json::value parsed = boost::json::parse(line, error);
    if (call.json || error || !parsed.is_object()) return call.print(line);
    Names{call.state_dir}.name_relay(parsed.get_object());
    call.print(printable(told(parsed.get_object(), peer)));
  });
}

}  // namespace

Command say_command() {
  return {.name = "say",
          .synopsis = "PEER TEXT… [--timeout S] [--json]",
          .summary = "send a message and wait until it has arrived",
          .details =
              "Joins the words to one message, sends it, and waits for the peer's\n"
              "acknowledgement. `-` for TEXT reads the message from standard input; words\n"
              "that begin with a dash go behind `--`.\n",
          .describe =
              [](po::options_description& options) {
                options.add_options()("timeout", po::value<std::string>()->value_name("S"),
                                      "give up after so many seconds (default 10)");
              },
          .least_words = 2,
          .most_words = std::numeric_limits<std::size_t>::max(),
          .run = say};
}

}  // namespace byway::cli

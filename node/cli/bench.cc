// `byway bench`: how fast a real stream to a peer is.
#include <boost/json/parse.hpp>

#include "node/cli/commands.h"
#include "node/cli/interrupts.h"
#include "node/cli/words.h"

namespace byway::cli {
namespace {

namespace po = boost::program_options;

int bench(Call& call) {
  const auto seconds = call.number("seconds", 5, 1, 3600);
  if (!seconds) return exit_usage;
  const auto streams = call.number("streams", 1, 1, 128);
  if (!streams) return exit_usage;
  const std::string& peer = call.words[0];
  const bool reverse = call.options["reverse"].as<bool>();
  const control::Bench request{.peer = peer,
                               .seconds = static_cast<std::uint32_t>(*seconds),
                               .reverse = reverse,
                               .streams = static_cast<std::uint32_t>(*streams)};

  const Interrupts interrupts;
  bool measured = false;
  const int code = ask(
      call, request,
      [&](const std::string& line) {
        measured = true;
        boost::json::error_code error;
        const boost::json::value parsed = boost::json::parse(line, error);
        if (call.json || error || !parsed.is_object()) return call.print(line);
        call.print(bench_in_words(parsed.get_object(), peer, reverse));
      },
      interrupts.fd());
  if (code == exit_done && !measured) return call.fail("interrupted before anything was measured");
  return code;
}

}  // namespace

Command bench_command() {
  return {.name = "bench",
          .synopsis = "PEER [--seconds N] [--streams N] [--reverse] [--json]",
          .summary = "measure how fast a stream to a peer is",
          .details =
              "Sends as fast as the path takes it and counts what arrives, with the processor\n"
              "time it cost at both ends.\n",
          .describe =
              [](po::options_description& options) {
                options.add_options()  //
                    ("seconds", po::value<std::string>()->value_name("N"),
                     "for so long (default 5)")  //
                    ("streams", po::value<std::string>()->value_name("N"),
                     "over so many streams at once (default 1)")  //
                    ("reverse", po::bool_switch(), "the peer sends");
              },
          .least_words = 1,
          .most_words = 1,
          .run = bench};
}

}  // namespace byway::cli

// What a command of the command line is: an entry in a table. From it come dispatch, help and the
// reading of options, so a command's own file holds only what it does.
//
// Exit codes: 0 done; 1 failed, after one plain sentence on stderr; 2 usage, after one sentence
// naming the option and the remedy.
#pragma once

#include <boost/json/object.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "node/control_codec.h"

namespace byway::cli {

constexpr int exit_done = 0;
constexpr int exit_failed = 1;
constexpr int exit_usage = 2;

// One invocation: everything a command may know and the only ways it may speak.
struct Call {
  std::string command;
  std::string state_dir;
  bool json = false;  // objects only on `out`, one a line
  std::ostream& out;
  std::ostream& err;
  std::vector<std::string> words;  // what is no option, in order
  boost::program_options::variables_map options;
  std::vector<std::string> arguments;  // all of it, unread: for a command that reads itself

  int fail(const std::string& sentence) const;
  int usage(const std::string& sentence) const;  // "byway COMMAND: sentence"
  bool has(const char* option) const { return options.count(option) > 0; }
  // A line to stdout, at once.
  void print(const std::string& line) const;
  // One of the two, as --json wishes.
  void tell(const boost::json::object& facts, const std::string& sentence) const;
  // A number given to an option, or `otherwise`; nothing after a usage sentence was printed.
  std::optional<double> number(const char* option, double otherwise, double least,
                               double most) const;
};

struct Command {
  std::string name;
  std::string synopsis;  // behind the name in the usage line
  std::string summary;   // one line of `byway --help`
  std::string details;   // paragraphs of `byway COMMAND --help`
  std::function<void(boost::program_options::options_description&)> describe;  // may be empty
  std::size_t least_words = 0;
  std::size_t most_words = 0;
  std::function<int(Call&)> run = {};
  // `run` takes `arguments`; `describe` is for the help only, and without `details` it tells its
  // --help itself too.
  bool reads_itself = false;
  // Not a command of its own but a family of them: `byway overlay ping`. One with a family has
  // neither options nor `run`.
  std::vector<Command> family = {};
};

// When `stop_fd` becomes readable: hang up, or say "enough" and hear the node's last words.
enum class OnStop { hang_up, conclude };

// Asks the node and hands on each line it answers, until done. `on_line` gets the JSON text.
// The exit code; what failed has been said.
int ask(const Call& call, const control::ControlRequest& request,
        const std::function<void(const std::string&)>& on_line, int stop_fd = -1,
        OnStop on_stop = OnStop::hang_up);

}  // namespace byway::cli

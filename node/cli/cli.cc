#include "node/cli/cli.h"

#include <algorithm>
#include <boost/program_options/parsers.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "node/cli/commands.h"
#include "node/cli/text.h"
#include "node/state_dir.h"

namespace byway::cli {
namespace {

namespace po = boost::program_options;

using Table = std::vector<Command>;

Table commands(std::span<const Command> more) {
  Table table{run_command(),  id_command(),      status_command(),  ping_command(),
              chat_command(), say_command(),     inbox_command(),   listen_command(),
              pipe_command(), forward_command(), contact_command(), invite_command(),
              bench_command()};
  table.insert(table.end(), more.begin(), more.end());
  return table;
}

const Command* find(const Table& table, std::string_view name) {
  const auto found = std::ranges::find_if(table, [&](const Command& c) { return c.name == name; });
  return found == table.end() ? nullptr : &*found;
}

// `prefix`: "", or the family's name with a blank behind it.
std::string suggestion(const Table& table, const std::string& prefix, std::string_view word) {
  std::vector<std::string> names;
  for (const Command& command : table) names.push_back(command.name);
  const std::string near = nearest(word, names);
  return near.empty() ? "see `byway " + prefix + "--help` for what there is"
                      : "did you mean `byway " + prefix + near + "`?";
}

void print_help(const Table& table, std::ostream& out) {
  out << "byway: direct connections between people's machines\n\n"
         "Usage: byway COMMAND …    byway COMMAND --help    byway --version\n\n";
  for (const Command& command : table)
    out << "  " << padded(command.name, 9) << command.summary << "\n";
  out << "\nAnywhere on the line:\n"
         "  --state-dir DIR   the node's directory (default "
      << default_state_dir()
      << ")\n"
         "  --json            one JSON object a line, for programs\n\n"
         "PEER is an id or a contact's name. Exit codes: 0 done, 1 failed, 2 usage.\n"
         "Begin with `byway run --seed ID@HOST:PORT`; the node then serves the other commands.\n";
}

po::options_description options_of(const Command& command) {
  po::options_description options{"Options", 100, 60};
  if (command.describe) command.describe(options);
  return options;
}

// `name`: with its family's.
void print_help(const Command& command, const std::string& name, std::ostream& out) {
  out << "Usage: byway " << name << (command.synopsis.empty() ? "" : " ") << command.synopsis
      << "\n\n"
      << command.details;
  if (!command.family.empty()) out << "\n";
  for (const Command& member : command.family)
    out << "  " << padded(member.name, 9) << member.summary << "\n";
  const po::options_description options = options_of(command);
  if (!options.options().empty()) out << "\n" << options;
}

// What may stand anywhere on the line, taken out of it.
struct Line {
  std::string state_dir;
  bool json = false;
  bool help = false;
  bool version = false;
  std::vector<std::string> rest;  // the command first
  std::string problem;
};

Line read_line(int argc, const char* const* argv) {
  Line line;
  const std::string option = "--state-dir";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--") {
      line.rest.insert(line.rest.end(), argv + i, argv + argc);
      break;
    }
    if (word == option) {
      if (++i == argc) {
        line.problem = "--state-dir needs a directory: write `--state-dir DIR`";
        break;
      }
      line.state_dir = argv[i];
    } else if (word.starts_with(option + "=")) {
      line.state_dir = word.substr(option.size() + 1);
    } else if (word == "--json") {
      line.json = true;
    } else if (word == "--help" || word == "-h") {
      line.help = true;
    } else if (word == "--version" && line.rest.empty()) {
      line.version = true;
    } else {
      line.rest.push_back(word);
      continue;
    }
    if (word.starts_with(option) && line.state_dir.empty())
      line.problem = "--state-dir is empty: name a directory";
  }
  return line;
}

// What Boost found wrong, as a sentence of ours.
std::string mistake(const po::error& error, const std::string& command) {
  const std::string help = "see `byway " + command + " --help`";
  const auto* with_option = dynamic_cast<const po::error_with_option_name*>(&error);
  const std::string option = with_option ? with_option->get_option_name() : std::string{};
  if (dynamic_cast<const po::unknown_option*>(&error))
    return option + " is not known here: " + help;
  if (dynamic_cast<const po::multiple_occurrences*>(&error))
    return option + " was given twice: give it once";
  if (dynamic_cast<const po::invalid_command_line_syntax*>(&error))
    return option + " is not complete: write a value behind it, " + help;
  return std::string{error.what()} + ": " + help;
}

// Options into `call.options`, the rest into `call.words`. A sentence when it cannot be done.
std::string read_options(const Command& command, Call& call) {
  po::options_description options = options_of(command);
  po::options_description all;
  all.add(options).add_options()("words", po::value<std::vector<std::string>>());
  po::positional_options_description positions;
  positions.add("words", -1);
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  try {
    po::store(po::command_line_parser(call.arguments)
                  .options(all)
                  .positional(positions)
                  .style(style)
                  .run(),
              call.options);
    po::notify(call.options);
  } catch (const po::error& error) {
    return mistake(error, call.command);
  }
  if (call.has("words")) call.words = call.options["words"].as<std::vector<std::string>>();

  const std::string usage = "write `byway " + call.command + " " + command.synopsis + "`";
  if (call.words.size() < command.least_words) return "something is missing: " + usage;
  if (call.words.size() > command.most_words)
    return "`" + call.words[command.most_words] + "` is too much: " + usage;
  return {};
}

}  // namespace

int run_cli(int argc, const char* const* argv, std::ostream& out, std::ostream& err,
            std::span<const Command> more) {
  const Table table = commands(more);
  Line line = read_line(argc, argv);
  const auto usage = [&](const std::string& sentence) {
    err << "byway: " << printable(sentence) << std::endl;
    return exit_usage;
  };
  if (!line.problem.empty()) return usage(line.problem);
  if (line.version) {
    out << "byway " << version << std::endl;
    return exit_done;
  }
  if (line.rest.size() > 1 && line.rest[0] == "help") {
    line.rest.erase(line.rest.begin());
    line.help = true;
  }
  if (line.help ? line.rest.empty() : line.rest == std::vector<std::string>{"help"}) {
    print_help(table, out);
    out.flush();
    return exit_done;
  }
  if (line.rest.empty() || line.rest[0] == "--")
    return usage("the usage is `byway COMMAND …`; `byway --help` lists the commands");

  std::string name = line.rest[0];
  if (name.starts_with("-"))
    return usage(name +
                 " is not known: see `byway --help`, and write a command's options behind it");
  const Command* command = find(table, name);
  if (!command) return usage("there is no command `" + name + "`: " + suggestion(table, "", name));
  std::size_t words = 1;  // that name the command
  while (!command->family.empty() && words < line.rest.size()) {
    const std::string& member = line.rest[words];
    const Command* found = find(command->family, member);
    if (!found)
      return usage("there is no command `" + name + " " + member +
                   "`: " + suggestion(command->family, name + " ", member));
    name += " " + member;
    command = found;
    ++words;
  }
  const bool tells_itself = command->reads_itself && command->details.empty();
  if (line.help && tells_itself) line.rest.push_back("--help");
  if (line.help && !tells_itself) {
    print_help(*command, name, out);
    out.flush();
    return exit_done;
  }
  if (!command->family.empty())
    return usage("the usage is `byway " + name + " " + command->synopsis + "`; `byway " + name +
                 " --help` lists what there is");

  Call call{.command = name,
            .state_dir = line.state_dir,
            .json = line.json,
            .out = out,
            .err = err,
            .words = {},
            .options = {},
            .arguments = {line.rest.begin() + static_cast<std::ptrdiff_t>(words), line.rest.end()}};
  if (command->reads_itself) return command->run(call);
  if (call.state_dir.empty()) call.state_dir = default_state_dir();
  const std::string problem = read_options(*command, call);
  if (!problem.empty()) return call.usage(problem);
  return command->run(call);
}

}  // namespace byway::cli

// `byway contact`: names for ids. A name is this node's own and means nothing elsewhere.
#include <algorithm>
#include <boost/json/parse.hpp>
#include <vector>

#include "node/cli/commands.h"
#include "node/cli/text.h"
#include "node/cli/words.h"

namespace byway::cli {
namespace {

int list(Call& call) {
  std::vector<std::pair<std::string, std::string>> contacts;
  const int code = ask(call, control::ContactList{}, [&](const std::string& line) {
    boost::json::error_code error;
    const boost::json::value parsed = boost::json::parse(line, error);
    if (call.json || error || !parsed.is_object()) return call.print(line);
    contacts.emplace_back(text_at(parsed.get_object(), "name"), text_at(parsed.get_object(), "id"));
  });
  std::size_t widest = 0;
  for (const auto& [name, id] : contacts) widest = std::max(widest, width_of(name));
  for (const auto& [name, id] : contacts) call.print(padded(name, widest) + "  " + id);
  return code;
}

int change(Call& call, const control::ControlRequest& request) {
  return ask(call, request, [&](const std::string& line) {
    if (call.json) call.print(line);
  });
}

int contact(Call& call) {
  const std::string& action = call.words[0];
  const std::size_t given = call.words.size() - 1;
  if (action == "add") {
    if (given != 2)
      return call.usage("`add` takes a name and an id: write `byway contact add NAME ID`");
    return change(call, control::ContactAdd{.name = call.words[1], .id = call.words[2]});
  }
  if (action == "list") {
    if (given != 0) return call.usage("`list` takes nothing more: write `byway contact list`");
    return list(call);
  }
  if (action == "remove") {
    if (given != 1)
      return call.usage("`remove` takes one name or id: write `byway contact remove NAME`");
    return change(call, control::ContactRemove{.name_or_id = call.words[1]});
  }
  const std::vector<std::string> actions{"add", "list", "remove"};
  const std::string near = nearest(action, actions);
  return call.usage(
      "`" + action + "` is not known here: " +
      (near.empty() ? "write `add`, `list` or `remove`" : "did you mean `" + near + "`?"));
}

}  // namespace

Command contact_command() {
  return {.name = "contact",
          .synopsis = "add NAME ID | list | remove NAME",
          .summary = "give ids names, and with them the right to reach you",
          .details =
              "A contact's messages are delivered; a contact may be allowed services with\n"
              "`byway listen`. Names are yours alone; nobody else sees them.\n\n"
              "  add NAME ID      ID is what `byway id` prints on the other machine\n"
              "  list             a contact a line\n"
              "  remove NAME      by its name, or its id\n",
          .describe = {},
          .least_words = 1,
          .most_words = 3,
          .run = contact};
}

}  // namespace byway::cli

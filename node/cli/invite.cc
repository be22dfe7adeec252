// `byway invite`: one line for somebody who is to join.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "node/cli/commands.h"
#include "node/cli/words.h"
#include "node/json_text.h"
#include "protocol/invite.h"

namespace byway::cli {
namespace {

namespace json = boost::json;

// Three are enough to survive the loss of two, and the line stays short.
constexpr std::uint32_t told_by_default = 3;

std::optional<json::object> object_of(const std::string& line) {
  json::error_code error;
  json::value parsed = json::parse(line, error);
  if (error || !parsed.is_object()) return {};
  return parsed.get_object();
}

int invite(Call& call) {
  const auto most = call.number("supernodes", told_by_default, 1, max_invite_supernodes);
  if (!most) return exit_usage;
  Invite invite;
  const auto on_status = [&](const std::string& line) {
    const auto status = object_of(line);
    if (const auto id = NodeId::parse(status ? text_at(*status, "id") : ""); id) invite.from = *id;
  };
  if (const int code = ask(call, control::Status{}, on_status); code != exit_done) return code;
  const auto on_supernode = [&](const std::string& line) {
    const auto told = object_of(line);
    if (!told) return;
    const auto id = NodeId::parse(text_at(*told, "id"));
    const auto endpoint = Endpoint::parse(text_at(*told, "endpoint"));
    if (id && endpoint) invite.supernodes.push_back({*id, *endpoint});
  };
  const control::Supernodes request{static_cast<std::uint32_t>(*most)};
  if (const int code = ask(call, request, on_supernode); code != exit_done) return code;
  if (invite.from.is_nobody())
    return call.fail("the node's answer makes no sense: is it another version of byway?");
  if (invite.supernodes.empty())
    return call.fail(
        "this node knows no supernode yet that others could join by: wait until `byway status` "
        "shows a home");

  if (!call.json) {
    call.print(invite.to_line());
    return exit_done;
  }
  json::array supernodes;
  for (const Invite::Supernode& supernode : invite.supernodes)
    supernodes.push_back(json::object{{"id", supernode.id.to_string()},
                                      {"endpoint", supernode.endpoint.to_string()}});
  call.print(json_text(json::object{{"invite", invite.to_line()},
                                    {"id", invite.from.to_string()},
                                    {"supernodes", std::move(supernodes)}}));
  return exit_done;
}

}  // namespace

Command invite_command() {
  namespace po = boost::program_options;
  return {.name = "invite",
          .synopsis = "[--supernodes N] [--json]",
          .summary = "print a line by which somebody else can join",
          .details =
              "The line holds this node's id and the addresses of some supernodes; whoever gets\n"
              "it joins with `byway run --join LINE`. It is no secret and opens nothing: others\n"
              "still decide whom they talk to. Blanks and line breaks that a mail program puts\n"
              "into it do no harm.\n",
          .describe =
              [](po::options_description& options) {
                options.add_options()("supernodes", po::value<std::string>()->value_name("N"),
                                      "how many of them to tell, 1 to 8 (3)");
              },
          .run = invite};
}

}  // namespace byway::cli

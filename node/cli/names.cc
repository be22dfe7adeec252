#include "node/cli/names.h"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include "node/cli/control_client.h"
#include "node/cli/words.h"

namespace byway::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t id_size = 52;

json::array* array_at(json::object& object, const char* key) {
  json::value* value = object.if_contains(key);
  return value ? value->if_array() : nullptr;
}

}  // namespace

const std::map<std::string, std::string>& Names::by_id() {
  if (known_) return *known_;
  known_.emplace();
  std::string ignored;  // without names the ids are shown
  auto client = ControlClient::connect(state_dir_, ignored);
  if (!client) return *known_;
  client->send(control::ContactList{});
  while (const auto reply = client->next()) {
    const auto* line = std::get_if<control::Line>(&*reply);
    if (!line) break;
    json::error_code error;
    const json::value contact = json::parse(line->json, error);
    if (error || !contact.is_object()) continue;
    const std::string name = text_at(contact.get_object(), "name");
    if (!name.empty()) (*known_)[text_at(contact.get_object(), "id")] = name;
  }
  return *known_;
}

std::string Names::name_of(const json::object& object, const char* key) {
  const std::string id = text_at(object, key);
  if (id.size() != id_size) return {};
  const auto found = by_id().find(id);
  return found == by_id().end() ? std::string{} : found->second;
}

void Names::name_relay(json::object& facts) {
  const std::string name = name_of(facts, "via");
  if (!name.empty()) facts["via"] = name;
}

void Names::name_all(json::object& status) {
  if (json::array* peers = array_at(status, "peers"))
    for (json::value& peer : *peers)
      if (peer.is_object()) name_relay(peer.get_object());
  json::array* homes = array_at(status, "homes");
  if (!homes) return;
  for (json::value& home : *homes) {
    if (!home.is_object()) continue;
    const std::string name = name_of(home.get_object(), "id");
    if (!name.empty()) home.get_object()["name"] = name;
  }
}

}  // namespace byway::cli

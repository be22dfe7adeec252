#include "node/cli/words.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <utility>
#include <vector>

#include "node/cli/text.h"

namespace byway::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t label_width = 12;

std::string row(std::string_view label, std::string_view text) {
  return padded(label, label_width) + std::string{text} + "\n";
}

const json::object* object_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value ? value->if_object() : nullptr;
}

std::vector<const json::object*> objects_at(const json::object& object, std::string_view key) {
  std::vector<const json::object*> found;
  const json::value* value = object.if_contains(key);
  const json::array* array = value ? value->if_array() : nullptr;
  if (!array) return found;
  for (const json::value& item : *array)
    if (item.is_object()) found.push_back(&item.get_object());
  return found;
}

std::string with_article(std::string_view role) {
  return "a " + std::string{role};
}

// What a NAT does with one protocol, as a clause.
std::string nat_in_words(const json::object& nat) {
  const std::string mapping = text_at(nat, "mapping");
  const std::string filtering = text_at(nat, "filtering");
  const std::string ports = text_at(nat, "ports");
  if (mapping.empty() || mapping == "unknown") return "not known yet";
  if (mapping == "none")
    return filtering == "address-port-dependent" || filtering == "address-dependent"
               ? "none, this host has a public address, with a firewall that lets in only answers"
               : "none, this host has a public address";
  if (mapping == "blocked") return "nothing gets through";

  std::string text = mapping == "endpoint-independent" ? "one public port for everybody"
                     : mapping == "address-dependent"  ? "another public port for each address"
                     : mapping == "address-port-dependent"
                         ? "another public port for each destination"
                         : mapping + " mapping";
  if (filtering == "endpoint-independent")
    text += ", lets anybody in";
  else if (filtering == "address-dependent")
    text += ", lets in only addresses written to";
  else if (filtering == "address-port-dependent")
    text += ", lets in only who was written to";
  else if (filtering == "blocked")
    text += ", lets nothing in";
  if (ports == "preserved")
    text += ", keeps port numbers";
  else if (ports == "sequential")
    text += ", ports in steps of " + decimal(number_at(nat, "delta", 1), 0);
  else if (ports == "block")
    text += ", ports from a block of " + decimal(number_at(nat, "block_size", 0), 0);
  else if (ports == "random")
    text += ", ports at random";
  if (flag_at(nat, "hairpin")) text += ", hairpins";
  const double lifetime = number_at(nat, "lifetime_s");
  if (lifetime > 0) text += ", forgets after " + seconds_in_words(lifetime);
  return text;
}

std::string peer_in_words(const json::object& peer) {
  std::string text = path_in_words(peer);
  const std::string path = text_at(peer, "path");
  const std::string method = method_in_words(text_at(peer, "method"));
  const std::string endpoint = text_at(peer, "endpoint");
  const std::string why = text_at(peer, "why");
  if (path != "relay" && !method.empty()) text += " (" + method + ")";
  if (path != "relay" && !endpoint.empty()) text += " at " + endpoint;
  const double rtt = number_at(peer, "rtt_ms");
  if (rtt >= 0 && !path.empty() && path != "none") text += ", " + milliseconds(rtt);
  if (!why.empty()) text += ": " + why;
  return text;
}

// Rows under one label: the label stands at the first only.
class Rows {
 public:
  explicit Rows(std::string_view label) : label_{label} {}
  void add(std::string_view text) { text_ += row(std::exchange(label_, {}), text); }
  std::string str(std::string_view otherwise) const {
    if (!text_.empty() || otherwise.empty()) return text_;
    return row(label_, otherwise);
  }

 private:
  std::string label_;
  std::string text_;
};

std::string homes_in_words(const json::object& status) {
  Rows rows{"homes"};
  for (const json::object* home : objects_at(status, "homes")) {
    std::string text =
        who(*home) + "  " + text_at(*home, "endpoint") + " " + text_at(*home, "proto");
    const double rtt = number_at(*home, "rtt_ms");
    if (rtt >= 0) text += ", " + milliseconds(rtt);
    rows.add(text);
  }
  return rows.str(text_at(status, "role") == "supernode"
                      ? ""
                      : "none: not registered anywhere, so nobody can find this node");
}

std::string addresses_in_words(const json::object& status) {
  Rows rows{"addresses"};
  for (const json::object* address : objects_at(status, "addresses")) {
    std::string text = text_at(*address, "endpoint") + " " + text_at(*address, "proto");
    for (const char* key : {"scope", "how"}) {
      const std::string more = text_at(*address, key);
      if (!more.empty()) text += ", " + more;
    }
    const std::string by = text_at(*address, "by");
    if (!by.empty()) text += " by " + by;
    if (flag_at(*address, "proved")) text += ", proved reachable";
    rows.add(text);
  }
  return rows.str({});
}

std::string peers_in_words(const json::object& status) {
  const auto peers = objects_at(status, "peers");
  std::size_t widest = 0;
  for (const json::object* peer : peers) widest = std::max(widest, width_of(who(*peer)));
  Rows rows{"peers"};
  for (const json::object* peer : peers)
    rows.add(padded(who(*peer), std::min<std::size_t>(widest, 24)) + "  " + peer_in_words(*peer));
  return rows.str("none at present");
}

}  // namespace

std::string text_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  const json::string* text = value ? value->if_string() : nullptr;
  return text ? printable(std::string_view{text->data(), text->size()}) : std::string{};
}

double number_at(const json::object& object, std::string_view key, double otherwise) {
  const json::value* value = object.if_contains(key);
  if (!value || !value->is_number()) return otherwise;
  return value->to_number<double>();
}

bool flag_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value && value->is_bool() && value->get_bool();
}

std::string who(const json::object& object, std::string_view id_key) {
  const std::string name = text_at(object, "name");
  return name.empty() ? short_id(text_at(object, id_key)) : name;
}

std::string path_in_words(const json::object& object) {
  const std::string path = text_at(object, "path");
  if (path == "direct-udp") return "direct";
  if (path == "direct-tcp") return "direct over TCP";
  if (path == "relay") {
    const std::string via = text_at(object, "via");
    const bool is_id = via.size() == 52;
    return via.empty() ? "relayed" : "relayed by " + (is_id ? short_id(via) : via);
  }
  return path.empty() || path == "none" ? "not connected" : path;
}

std::string method_in_words(std::string_view method) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 10> words{
      {{"public", "its address is public"},
       {"reverse", "it called us back"},
       {"punch", "hole punched"},
       {"predicted", "port predicted"},
       {"birthday", "port found by trying many"},
       {"lan", "same network"},
       {"hairpin", "through the common NAT"},
       {"mapped", "port mapped at the router"},
       {"tcp-punch", "hole punched with TCP"},
       {"relay", "relayed"}}};
  for (const auto& [key, word] : words)
    if (key == method) return std::string{word};
  return method == "none" ? std::string{} : printable(method);
}

std::string status_in_words(const json::object& status) {
  const std::string name = text_at(status, "name");
  const std::string role = text_at(status, "role");
  const std::string why = text_at(status, "role_why");
  std::string text = row("node", (name.empty() ? "" : name + "  ") + text_at(status, "id"));
  text += row("role", with_article(role) + (why.empty() ? "" : ": " + why));

  const double uptime = number_at(status, "uptime_s");
  text += row("state", (flag_at(status, "ready") ? "ready" : "not ready yet") +
                           (uptime >= 0 ? ", up " + seconds_in_words(uptime) : std::string{}));
  if (const json::object* nat = object_at(status, "nat")) {
    const json::object* udp = object_at(*nat, "udp");
    const json::object* tcp = object_at(*nat, "tcp");
    if (udp) text += row("NAT", "UDP: " + nat_in_words(*udp));
    if (tcp && text_at(*tcp, "mapping") != "unknown")
      text += row(udp ? "" : "NAT", "TCP: " + nat_in_words(*tcp));
  }
  text += addresses_in_words(status);
  text += homes_in_words(status);

  const double known = number_at(status, "supernodes_known");
  if (known >= 0)
    text += row("mesh", counted(static_cast<std::int64_t>(known), "supernode") + " known");
  if (role == "supernode") {
    std::string serving =
        counted(static_cast<std::int64_t>(number_at(status, "leaves", 0)), "registered node") +
        ", " + counted(static_cast<std::int64_t>(number_at(status, "lanes", 0)), "relayed pair");
    const double relayed = number_at(status, "relayed_bytes");
    if (relayed >= 0) serving += ", " + bytes_in_words(relayed) + " relayed";
    text += row("serving", serving);
  }
  text += peers_in_words(status);
  const double memory = number_at(status, "rss_bytes");
  if (memory > 0) text += row("memory", bytes_in_words(memory));
  return text;
}

std::string echo_in_words(const json::object& echo, std::string_view peer) {
  const double rtt = number_at(echo, "rtt_ms");
  const std::string number = decimal(number_at(echo, "seq", 0), 0);
  if (flag_at(echo, "lost")) return "no answer to " + number;
  std::string text = "echo " + number;
  text += " from " + printable(peer) + ": " + (rtt < 0 ? "" : milliseconds(rtt) + ", ") +
          path_in_words(echo);
  const std::string endpoint = text_at(echo, "endpoint");
  if (text_at(echo, "path").starts_with("direct") && !endpoint.empty()) text += " at " + endpoint;
  return text;
}

std::string ping_summary_in_words(const json::object& summary, std::string_view peer) {
  const auto sent = static_cast<std::int64_t>(number_at(summary, "sent", 0));
  const auto received = static_cast<std::int64_t>(number_at(summary, "received", 0));
  std::string text = std::to_string(received) + " of " + counted(sent, "echo");
  if (sent != 1) text.insert(text.size() - 1, "e");
  text += " came back from " + printable(peer);
  if (received == 0) return text + ".";

  const double first = number_at(summary, "first_byte_ms");
  if (first >= 0) text += ", the first byte after " + milliseconds(first);
  const std::string path = text_at(summary, "path");
  if (path == "none") return text + "; it is not connected any more.";
  text += "; the path is " + path_in_words(summary);
  const std::string method = method_in_words(text_at(summary, "method"));
  if (path.starts_with("direct") && !method.empty()) text += " (" + method + ")";
  const double direct = number_at(summary, "direct_ms");
  if (direct > 0) text += ", a direct one was proved after " + milliseconds(direct);
  const std::string why = text_at(summary, "why");
  if (path == "relay" && !why.empty()) text += ": " + why;
  return text.ends_with('.') ? text : text + ".";
}

std::string bench_in_words(const json::object& result, std::string_view peer, bool reverse) {
  std::string text = decimal(number_at(result, "gbit_s", 0), 3) + " Gbit/s " +
                     (reverse ? "from " : "to ") + printable(peer) + ": " +
                     bytes_in_words(number_at(result, "bytes", 0)) + ", " + path_in_words(result);
  const double streams = number_at(result, "streams", 1);
  if (streams > 1) text += ", " + decimal(streams, 0) + " streams";
  const double rtt = number_at(result, "rtt_ms");
  if (rtt >= 0) text += ", " + milliseconds(rtt);
  const double here = number_at(result, "cpu_s_local");
  const double there = number_at(result, "cpu_s_remote");
  if (here >= 0) text += "; CPU " + decimal(here, 2) + " s here";
  if (there >= 0) text += " and " + decimal(there, 2) + " s there";
  return text + ".";
}

}  // namespace byway::cli

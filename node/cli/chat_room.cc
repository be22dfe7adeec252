#include "node/cli/chat_room.h"

#include "node/cli/text.h"
#include "node/cli/words.h"

namespace byway::cli {
namespace {

namespace json = boost::json;
using Kind = Shown::Kind;

// A stranger could write under ever new ids.
constexpr std::size_t max_strangers = 256;

const std::vector<std::string>& commands() {
  static const std::vector<std::string> words{"/to", "/peers", "/help", "/quit"};
  return words;
}

ShownLines help() {
  return {{Kind::notice, "what you type goes to the peer in the prompt, when you press Enter"},
          {Kind::notice, "/to PEER    talk to PEER: a contact's name or an id"},
          {Kind::notice, "/peers      who there is, and how each is connected"},
          {Kind::notice, "/quit       leave (Ctrl-D does too)"},
          {Kind::notice, "//text      send a line that begins with a slash"}};
}

std::pair<std::string, std::string> split(const std::string& line) {
  const std::size_t blank = line.find(' ');
  if (blank == std::string::npos) return {line, {}};
  const std::size_t rest = line.find_first_not_of(' ', blank);
  const std::size_t last = line.find_last_not_of(' ');
  if (rest == std::string::npos) return {line.substr(0, blank), {}};
  return {line.substr(0, blank), line.substr(rest, last + 1 - rest)};
}

// Whom an event is about. The node may name the peer by any of these keys.
std::string peer_at(const json::object& event) {
  for (const char* key : {"peer", "from", "id"}) {
    const std::string peer = text_at(event, key);
    if (!peer.empty()) return peer;
  }
  return {};
}

}  // namespace

void ChatRoom::learn_contact(const std::string& name, const std::string& id) {
  if (name.empty() || id.empty()) return;
  names_[id] = name;
  // Somebody typed the name before it was known whose it is.
  if (auto typed = peers_.extract(name)) {
    typed.key() = id;
    peers_.insert(std::move(typed));
    if (addressee_ == name) addressee_ = id;
  }
}

std::string ChatRoom::key_of(const std::string& peer) const {
  for (const auto& [id, name] : names_)
    if (name == peer) return id;
  return peer;
}

std::string ChatRoom::label_of(const std::string& key) const {
  const auto found = names_.find(key);
  if (found != names_.end()) return printable(found->second);
  return key.size() == 52 ? short_id(key) : printable(key);
}

std::string ChatRoom::open(const std::string& peer) {
  addressee_ = key_of(peer);
  Peer& known = peers_[addressee_];
  if (known.reach == Reach::lost) known.reach = Reach::connecting;
  return addressee_;
}

ChatRoom::Answer ChatRoom::on_typed(const std::string& line) {
  if (line.find_first_not_of(' ') == std::string::npos) return {Nothing{}, {}};
  const bool is_command = line.starts_with('/') && !line.starts_with("//");
  if (is_command) {
    const auto [word, rest] = split(line);
    if (word == "/quit") return {Quit{}, {}};
    if (word == "/help") return {Nothing{}, help()};
    if (word == "/peers") return {Nothing{}, list_peers()};
    if (word == "/to" && !rest.empty()) return {Open{rest}, {}};
    if (word == "/to") return {Nothing{}, {{Kind::trouble, "whom? write /to PEER"}}};
    const std::string near = nearest(word, commands());
    return {Nothing{},
            {{Kind::trouble,
              "there is no " + printable(word) + ": " +
                  (near.empty() ? "/help tells what there is" : "did you mean " + near + "?")}}};
  }
  if (addressee_.empty())
    return {Nothing{},
            {{Kind::trouble, "to whom? write /to PEER first, a contact's name or an id"}}};
  return {Send{addressee_, line.starts_with("//") ? line.substr(1) : line}, {}};
}

ShownLines ChatRoom::on_event(const json::object& event) {
  const std::string kind = text_at(event, "event");
  if (kind == "message") return on_message(event);
  // Who cannot be reached is told by whatever tried to: a line, or the echoes.
  if (kind == "peer" && text_at(event, "state") == "unreachable") return {};
  if (kind == "path" || kind == "peer") return on_path(peer_at(event), event);
  return {};
}

ShownLines ChatRoom::on_message(const json::object& event) {
  const std::string from = peer_at(event);
  const std::string name = text_at(event, "name");
  if (!name.empty()) learn_contact(name, from);
  auto when = static_cast<std::int64_t>(number_at(event, "received", 0));
  if (when == 0) when = static_cast<std::int64_t>(number_at(event, "sent", 0));
  const std::string text = text_at(event, "text");
  const std::string stamp = "[" + clock_of(when) + "] ";
  if (names_.contains(from)) return {{Kind::message, stamp + label_of(from) + ": " + text}};

  ShownLines shown{{Kind::message, stamp + "request from " + short_id(from) + ": " + text}};
  if (strangers_.size() < max_strangers && strangers_.insert(from).second)
    shown.push_back(
        {Kind::notice, "not one of your contacts; to make it one: byway contact add NAME " + from});
  return shown;
}

ShownLines ChatRoom::on_path(const std::string& peer, const json::object& facts) {
  const std::string key = key_of(peer);
  const json::value* path = facts.if_contains("path");
  if (key.empty() || !path) return {};
  // Only those this chat is about; the node talks to others as well.
  const auto found = peers_.find(key);
  if (found == peers_.end()) return {};

  Peer& known = found->second;
  const std::string now = path_in_words(facts);
  const bool connected = now != "not connected";
  const bool changed = connected ? known.reach != Reach::connected || known.path != now
                                 : known.reach == Reach::connected;
  known.reach = connected ? Reach::connected : Reach::connecting;
  known.path = now;
  known.why = text_at(facts, "why");
  known.rtt_ms = number_at(facts, "rtt_ms", known.rtt_ms);
  if (!changed) return {};
  const std::string why = known.why.empty() ? "" : ": " + known.why;
  if (!connected) return {{Kind::notice, label_of(key) + " is not connected any more" + why}};
  return {{Kind::notice, label_of(key) + " is now " + now + why}};
}

ShownLines ChatRoom::on_unreachable(const std::string& peer, const std::string& sentence) {
  Peer& known = peers_[key_of(peer)];
  const bool told = known.reach == Reach::lost;
  known.reach = Reach::lost;
  if (told) return {};
  return {{Kind::trouble, printable(sentence)}};
}

ShownLines ChatRoom::on_undelivered(const std::string& peer, const std::string& text,
                                    const std::string& sentence) {
  if (Peer& known = peers_[key_of(peer)]; known.reach == Reach::connecting)
    known.reach = Reach::lost;
  return {{Kind::trouble, "\"" + printable(text) + "\" did not reach " + label_of(key_of(peer)) +
                              ": " + printable(sentence)}};
}

std::string ChatRoom::reach_in_words(const Peer& peer) const {
  if (peer.reach == Reach::connecting) return "connecting\u2026";
  if (peer.reach == Reach::lost) return "not reached";
  const bool direct = peer.path.starts_with("direct");
  return peer.path + (direct && peer.rtt_ms >= 0 ? ", " + milliseconds(peer.rtt_ms) : "");
}

ShownLines ChatRoom::list_peers() const {
  ShownLines shown;
  for (const auto& [key, peer] : peers_)
    shown.push_back({Kind::notice, (key == addressee_ ? "> " : "  ") + label_of(key) + ": " +
                                       reach_in_words(peer) +
                                       (peer.why.empty() ? "" : " (" + peer.why + ")")});
  for (const auto& [id, name] : names_)
    if (!peers_.contains(id)) shown.push_back({Kind::notice, "  " + printable(name)});
  if (shown.empty())
    shown.push_back({Kind::notice, "nobody yet: `byway contact add NAME ID` adds a contact"});
  return shown;
}

std::string ChatRoom::prompt() const {
  const auto found = peers_.find(addressee_);
  if (found == peers_.end()) return "(/to PEER)> ";
  return label_of(addressee_) + " (" + reach_in_words(found->second) + ")> ";
}

}  // namespace byway::cli

// What an interactive chat knows and says: to whom the next line goes, how each peer is connected,
// and how news is told. No sockets and no terminal: facts go in, lines to show come out.
//
// A peer is known by its id where that is known (a contact, or somebody who wrote), else by what
// the person typed; a name is only how it is shown.
#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace byway::cli {

// A line for the screen, and what kind of news it is.
struct Shown {
  enum class Kind { message, own, notice, trouble };
  Kind kind = Kind::notice;
  std::string text;  // printable
  bool operator==(const Shown&) const = default;
};
using ShownLines = std::vector<Shown>;

class ChatRoom {
 public:
  // What a typed line asks for.
  struct Nothing {};
  struct Send {
    std::string peer, text;
  };
  struct Open {  // talk to this peer from now on
    std::string peer;
  };
  struct Quit {};
  using Wish = std::variant<Nothing, Send, Open, Quit>;
  struct Answer {
    Wish wish;
    ShownLines shown;
  };

  void learn_contact(const std::string& name, const std::string& id);
  // Returns the key by which the peer is known from here on.
  std::string open(const std::string& peer);

  Answer on_typed(const std::string& line);
  ShownLines on_event(const boost::json::object& event);
  // An echo's line, or say's answer: either tells the path of now.
  ShownLines on_path(const std::string& peer, const boost::json::object& facts);
  ShownLines on_unreachable(const std::string& peer, const std::string& sentence);
  ShownLines on_undelivered(const std::string& peer, const std::string& text,
                            const std::string& sentence);

  // "bob (direct, 42 ms)> "
  std::string prompt() const;
  const std::string& addressee() const { return addressee_; }  // empty: nobody yet
  std::string key_of(const std::string& peer) const;
  std::string label_of(const std::string& key) const;

 private:
  enum class Reach { connecting, connected, lost };
  struct Peer {
    Reach reach = Reach::connecting;
    std::string path;  // in words: "direct", "relayed by hub"
    std::string why;   // when relayed
    double rtt_ms = -1;
  };

  std::string reach_in_words(const Peer& peer) const;
  ShownLines list_peers() const;
  ShownLines on_message(const boost::json::object& event);

  std::map<std::string, std::string> names_;  // id -> name
  std::map<std::string, Peer> peers_;         // those talked to, by key
  std::set<std::string> strangers_;           // told how to add them
  std::string addressee_;
};

}  // namespace byway::cli

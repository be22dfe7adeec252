// Texts between people: sent until they are acknowledged, kept on disk before they are, shown
// once and in order.
//
//   say ──► queue of the peer ──► stream "chat" ──► their inbox ──► received ──► "delivered"
//               ▲                      │
//               '── all unacknowledged ┘  when the stream is lost
//
// Each side opens one long-lived stream for its own texts; acknowledgements come back on it. A
// text keeps its id when it is sent again, so the receiver knows it. From contacts texts are
// delivered; from strangers they wait in the inbox as requests, and few of them.
#pragma once

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "node/apps/context.h"

namespace byway {

class Chat {
 public:
  explicit Chat(AppContext context);  // serves "chat"
  ~Chat();

  void handle(const control::Say& request, std::shared_ptr<Replies> replies);
  void handle(const control::Inbox& request, std::shared_ptr<Replies> replies);
  void handle(const control::Chat& request, std::shared_ptr<Replies> replies);

  // What those who chat are to see: who came, who went, by what path.
  void on_event(const Event& event);

 private:
  class Sender;
  class Receiver;

  // Somebody who reads the inbox: what is there, then (follow) what comes.
  struct Reader {
    std::shared_ptr<Replies> replies;
    std::int64_t row = 0;
    bool follow = false;
    bool events = false;  // an interactive chat: lines are events, and there are others
  };
  using Readers = std::list<Reader>;

  void add_reader(Reader reader);
  void feed(Readers::iterator reader);
  void feed_all();
  void tell(const boost::json::object& event);
  boost::json::object path_event(const NodeId& peer) const;

  AppContext context_;
  std::map<NodeId, std::shared_ptr<Sender>> senders_;
  std::size_t receivers_ = 0;
  Readers readers_;
  // Gone with us, for what may still call back.
  std::shared_ptr<Chat*> self_ = std::make_shared<Chat*>(this);
};

}  // namespace byway

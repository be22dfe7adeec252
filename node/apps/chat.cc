#include "node/apps/chat.h"

#include <sodium.h>

namespace byway {
namespace {

constexpr std::size_t max_queued = 256;  // texts to one peer that are not acknowledged
constexpr std::size_t max_senders = 4096;
constexpr std::size_t max_receivers = 4096;
constexpr std::size_t max_backlog = 64 * 1024;  // bytes written ahead of the stream
constexpr std::size_t texts_per_batch = 64;     // then others have their turn
constexpr std::size_t inbox_page = 64;
constexpr Duration say_patience = 10s;
constexpr Duration first_retry = 200ms, longest_retry = 2s;

std::uint64_t draw_id() {
  std::uint64_t id;
  randombytes_buf(&id, sizeof(id));
  return id;
}

}  // namespace

// --- our texts to one peer --------------------------------------------------------------------

class Chat::Sender final : public std::enable_shared_from_this<Sender> {
 public:
  Sender(Chat& chat, const NodeId& peer)
      : chat_(chat),
        context_(chat.context_),
        peer_(peer),
        retry_(context_.runtime),
        deadline_(context_.runtime) {}

  bool full() const { return queue_.size() >= max_queued; }
  bool idle() const { return queue_.empty() && !link_; }

  void say(const std::string& text, Duration patience, std::shared_ptr<Replies> replies) {
    const TimePoint now = context_.runtime.now();
    queue_.push_back(
        {{draw_id(), unix_ms(wall_now()), text}, now, now + patience, std::move(replies)});
    watch_deadline();
    if (!link_ && !retrying_) open();
    pump();
  }

  void forget() {
    queue_.clear();
    link_.reset();
    retry_.cancel();
    deadline_.cancel();
  }

 private:
  struct Text {
    apps::ChatText text;
    TimePoint said, deadline;
    std::shared_ptr<Replies> replies;
  };

  // The stream's user apart from the sender: each new stream gets a new one, and what an old one
  // still has to tell concerns nobody.
  class Link final : public StreamUser {
   public:
    Link(std::weak_ptr<Sender> sender, Streams& streams, StreamId stream)
        : sender_(std::move(sender)), messages(streams, stream) {}
    void on_readable() override {
      if (const auto sender = mine()) sender->on_readable();
    }
    void on_writable() override {
      if (const auto sender = mine()) {
        messages.flush();
        sender->pump();
      }
    }
    void on_closed(const StreamEnd& end) override {
      if (const auto sender = mine()) sender->on_closed(end);
    }

   private:
    std::shared_ptr<Sender> mine() const {
      auto sender = sender_.lock();
      return sender && sender->link_.get() == this ? sender : nullptr;
    }
    std::weak_ptr<Sender> sender_;

   public:
    MessageStream messages;
  };

  void open() {
    retrying_ = false;
    const auto stream = context_.streams.open(peer_, {"chat", {}});
    if (!stream) return try_again();
    link_ = std::make_shared<Link>(weak_from_this(), context_.streams, *stream);
    context_.streams.attach(*stream, peer_, link_);
  }

  void try_again() {
    retrying_ = true;
    retry_.after(pause_, weakly(this, &Sender::on_retry));
    pause_ = std::min(2 * pause_, longest_retry);
  }

  void on_retry() {
    retrying_ = false;
    if (queue_.empty() || link_) return;
    open();
    pump();
  }

  // Keeps the stream busy, no further ahead than it takes.
  void pump() {
    while (link_ && written_ < queue_.size() && link_->messages.backlog() < max_backlog)
      link_->messages.send(queue_[written_++].text);
  }

  void on_readable() {
    while (link_) {
      const auto message = link_->messages.next();
      if (!message) return drop_link();
      if (!*message) {
        // They close the stream; ours ends as well, and a new one serves what is left.
        if (link_->messages.at_end()) drop_link();
        return;
      }
      if (const auto* received = std::get_if<apps::Received>(&**message)) {
        on_received(received->id);
      } else if (const auto* refused = std::get_if<apps::Refused>(&**message)) {
        fail_all(refusal_sentence(context_.contacts.call(peer_), "texts", refused->reason));
        return drop_link();
      }
    }
  }

  void on_received(std::uint64_t id) {
    pause_ = first_retry;
    for (std::size_t i = 0; i < written_; ++i) {
      if (queue_[i].text.id != id) continue;
      const Text text = std::move(queue_[i]);
      queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(i));
      --written_;
      boost::json::object line{{"delivered", true}};
      tell_path(line, context_.peer(peer_));
      line["rtt_ms"] = json_ms(context_.runtime.now() - text.said);
      text.replies->line(line);
      text.replies->done();
      chat_.tell({{"event", "sent"},
                  {"peer", peer_.to_string()},
                  {"name", context_.contacts.name_of(peer_)},
                  {"text", text.text.body}});
      return pump();
    }
  }

  void on_closed(const StreamEnd& end) {
    link_.reset();
    written_ = 0;
    if (end.unreachable) return fail_all(context_.unreachable(peer_, end.why));
    if (!queue_.empty()) try_again();
  }

  void drop_link() {
    const auto link = std::exchange(link_, nullptr);
    written_ = 0;
    context_.streams.reset(link->messages.id());
    if (!queue_.empty()) try_again();
  }

  void watch_deadline() {
    if (queue_.empty()) return deadline_.cancel();
    TimePoint first = queue_.front().deadline;
    for (const Text& text : queue_) first = std::min(first, text.deadline);
    deadline_.after(first - context_.runtime.now(), weakly(this, &Sender::on_deadline));
  }

  void on_deadline() {
    const TimePoint now = context_.runtime.now();
    for (std::size_t i = 0; i < queue_.size();) {
      if (queue_[i].deadline > now) {
        ++i;
        continue;
      }
      const auto replies = queue_[i].replies;
      if (i < written_) --written_;
      queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(i));
      replies->fail(context_.contacts.call(peer_) +
                    " did not confirm the text in time; it may be offline, try again later");
    }
    watch_deadline();
  }

  void fail_all(const std::string& sentence) {
    const auto failed = std::exchange(queue_, {});
    written_ = 0;
    deadline_.cancel();
    for (const Text& text : failed) text.replies->fail(sentence);
  }

  Chat& chat_;
  AppContext context_;
  NodeId peer_;
  std::deque<Text> queue_;   // not acknowledged, in order
  std::size_t written_ = 0;  // the first so many are on the present stream
  std::shared_ptr<Link> link_;
  Timer retry_, deadline_;
  Duration pause_ = first_retry;
  bool retrying_ = false;
};

// --- a peer's texts to us ---------------------------------------------------------------------

class Chat::Receiver final : public StreamUser, public std::enable_shared_from_this<Receiver> {
 public:
  Receiver(std::weak_ptr<Chat*> chat, AppContext context, const NodeId& peer, StreamId stream)
      : chat_(std::move(chat)),
        context_(context),
        peer_(peer),
        messages_(context.streams, stream),
        more_(context.runtime) {
    messages_.send(apps::Accepted{});
    if (const auto chat_now = chat_.lock()) ++(*chat_now)->receivers_;
  }
  ~Receiver() override {
    if (const auto chat = chat_.lock()) --(*chat)->receivers_;
  }

  void on_readable() override {
    if (over_ || messages_.backlog() > max_backlog) return;
    std::vector<apps::ChatText> texts;
    while (texts.size() < texts_per_batch) {
      const auto message = messages_.next();
      if (!message) return reset();
      if (!*message) break;
      const auto* text = std::get_if<apps::ChatText>(&**message);
      if (!text) return reset();
      texts.push_back(*text);
    }
    if (!keep(texts)) return;
    if (texts.size() == texts_per_batch)
      return more_.after(Duration::zero(), weakly(this, &Receiver::on_readable));
    if (messages_.at_end()) {
      over_ = true;
      context_.streams.finish(messages_.id());
    }
  }
  void on_writable() override {
    messages_.flush();
    on_readable();
  }
  void on_closed(const StreamEnd&) override { over_ = true; }

 private:
  // Acknowledges what is safely on disk; false: nothing more is taken on this stream.
  bool keep(const std::vector<apps::ChatText>& texts) {
    if (texts.empty()) return true;
    const bool request = !context_.contacts.knows(peer_);
    std::vector<std::uint64_t> kept;
    bool full = false, failed = false;
    context_.store.begin_batch();
    for (const apps::ChatText& text : texts) {
      InboxText entry{.row = 0,
                      .from = peer_,
                      .id = text.id,
                      .text = text.body,
                      .sent_ms = text.sent_ms,
                      .received_ms = unix_ms(wall_now()),
                      .request = request};
      const Database::Kept result = context_.store.keep(entry);
      full = result == Database::Kept::full;
      failed = result == Database::Kept::failed;
      if (full || failed) break;
      kept.push_back(text.id);
    }
    if (!context_.store.end_batch()) {
      reset();
      return false;
    }
    for (const std::uint64_t id : kept) messages_.send(apps::Received{id});
    if (const auto chat = chat_.lock()) (*chat)->feed_all();
    if (failed) reset();
    if (full) {
      over_ = true;
      context_.streams.refuse(messages_.id(), peer_, apps::Refusal::full);
    }
    return !full && !failed;
  }

  void reset() {
    over_ = true;
    context_.streams.reset(messages_.id());
  }

  std::weak_ptr<Chat*> chat_;
  AppContext context_;
  NodeId peer_;
  MessageStream messages_;
  Timer more_;
  bool over_ = false;
};

// --- commands ---------------------------------------------------------------------------------

Chat::Chat(AppContext context) : context_(context) {
  context_.streams.serve("chat", [this](const StreamOpened& opened) {
    if (receivers_ >= max_receivers)
      return context_.streams.refuse(opened.stream, opened.peer, apps::Refusal::busy);
    context_.streams.attach(
        opened.stream, opened.peer,
        std::make_shared<Receiver>(self_, context_, opened.peer, opened.stream));
  });
}

Chat::~Chat() {
  for (const auto& [peer, sender] : senders_) sender->forget();
}

void Chat::handle(const control::Say& request, std::shared_ptr<Replies> replies) {
  const auto peer = context_.contacts.resolve(request.peer);
  if (!peer) return replies->fail(peer.error().sentence);
  if (request.text.size() > apps::max_chat_text)
    return replies->fail("the text is longer than " + std::to_string(apps::max_chat_text / 1024) +
                         " KiB; send it in parts, or through a pipe");
  if (!apps::is_utf8(request.text)) return replies->fail("the text is not UTF-8");

  if (senders_.size() >= max_senders)
    std::erase_if(senders_, [](const auto& entry) { return entry.second->idle(); });
  if (senders_.size() >= max_senders)
    return replies->fail("too many peers are being written to at once; try again later");
  auto& sender = senders_[*peer];
  if (!sender) sender = std::make_shared<Sender>(*this, *peer);
  if (sender->full())
    return replies->fail("too many texts to " + context_.contacts.call(*peer) +
                         " wait to be confirmed; try again later");
  Duration patience = say_patience;
  if (request.timeout_ms != 0) patience = std::chrono::milliseconds(request.timeout_ms);
  sender->say(request.text, patience, std::move(replies));
}

void Chat::handle(const control::Inbox& request, std::shared_ptr<Replies> replies) {
  add_reader({.replies = std::move(replies), .row = 0, .follow = request.follow, .events = false});
}

void Chat::handle(const control::Chat&, std::shared_ptr<Replies> replies) {
  for (const PeerStatus& peer : context_.runtime.overlay().status(context_.runtime.now()).peers)
    replies->line(path_event(peer.id));
  add_reader({.replies = std::move(replies),
              .row = context_.store.last_row(),
              .follow = true,
              .events = true});
}

void Chat::add_reader(Reader reader) {
  const auto replies = reader.replies;
  const auto place = readers_.insert(readers_.end(), std::move(reader));
  const std::weak_ptr<Chat*> self = self_;
  replies->on_gone([self, place] {
    if (const auto chat = self.lock()) (*chat)->readers_.erase(place);
  });
  replies->on_drained([self, place] {
    if (const auto chat = self.lock()) (*chat)->feed(place);
  });
  feed(place);
}

void Chat::feed_all() {
  for (auto reader = readers_.begin(); reader != readers_.end();) feed(reader++);
}

// As much of the inbox as the reader takes; those who do not follow are done at its end.
void Chat::feed(Readers::iterator reader) {
  const auto replies = reader->replies;
  while (replies->has_room()) {
    const auto texts = context_.store.texts_after(reader->row, inbox_page);
    for (const InboxText& text : texts) {
      if (!replies->has_room()) return;  // goes on when there is
      boost::json::object line;
      if (reader->events) line["event"] = "message";
      line["from"] = text.from.to_string();
      line["name"] = context_.contacts.name_of(text.from);
      line["text"] = text.text;
      line["sent"] = text.sent_ms;
      line["received"] = text.received_ms;
      line["request"] = text.request;
      reader->row = text.row;
      replies->line(line);
    }
    if (texts.size() == inbox_page) continue;
    if (reader->follow) return;
    readers_.erase(reader);
    return replies->done();
  }
}

// --- what those who chat see ------------------------------------------------------------------

void Chat::tell(const boost::json::object& event) {
  for (auto reader = readers_.begin(); reader != readers_.end();) {
    const Reader& now = *reader++;
    if (now.events) now.replies->line(event);
  }
}

boost::json::object Chat::path_event(const NodeId& id) const {
  const auto peer = context_.peer(id);
  boost::json::object event{
      {"event", "path"}, {"peer", id.to_string()}, {"name", context_.contacts.name_of(id)}};
  tell_path(event, peer);
  event["method"] = std::string(to_string(peer ? peer->method : Method::none));
  event["rtt_ms"] = peer ? boost::json::value(json_ms(peer->rtt)) : nullptr;
  event["why"] = peer ? peer->why : std::string{};
  return event;
}

void Chat::on_event(const Event& event) {
  if (readers_.empty()) return;
  const auto state = [&](const NodeId& peer, const char* what, const std::string& why) {
    boost::json::object line{{"event", "peer"},
                             {"peer", peer.to_string()},
                             {"name", context_.contacts.name_of(peer)},
                             {"state", what},
                             {"why", why}};
    tell_path(line, context_.peer(peer));
    tell(line);
  };
  if (const auto* path = std::get_if<PathChanged>(&event)) {
    boost::json::object line{{"event", "path"},
                             {"peer", path->peer.to_string()},
                             {"name", context_.contacts.name_of(path->peer)},
                             {"path", std::string(to_string(path->kind))},
                             {"method", std::string(to_string(path->method))},
                             {"endpoint", json_of(path->endpoint)},
                             {"via", json_of(path->via)},
                             {"rtt_ms", json_ms(path->rtt)},
                             {"why", path->why}};
    return tell(line);
  }
  if (const auto* lost = std::get_if<PeerLost>(&event)) return state(lost->peer, "lost", lost->why);
  if (const auto* connected = std::get_if<PeerConnected>(&event))
    return state(connected->peer, "connected", {});
  if (const auto* unreachable = std::get_if<PeerUnreachable>(&event))
    return state(unreachable->peer, "unreachable", unreachable->why);
}

}  // namespace byway

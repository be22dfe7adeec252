#include "node/apps/pipe.h"

#include <algorithm>

#include "protocol/codec.h"

namespace byway {
namespace {

constexpr std::size_t max_outcomes = 256;
constexpr std::size_t max_listeners = 256;
// Streams of one service that wait for a command: one `byway forward` may bring so many at once.
constexpr std::size_t max_offers_each = 64;
constexpr Duration offer_patience = 30s;  // then the peer is told that nobody comes
constexpr Duration call_patience = 45s;   // for the peer to take a stream

bool is_service_name(const std::string& name) {
  if (name.empty() || name.size() > max_service_name) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

std::string bad_service(const std::string& name) {
  return "'" + name + "' cannot be a service's name; use up to " +
         std::to_string(max_service_name) + " letters, digits, '.', '_' and '-'";
}

// The opener's side until the peer takes or refuses the stream.
class PipeCall final : public StreamUser, public std::enable_shared_from_this<PipeCall> {
 public:
  PipeCall(AppContext context, const NodeId& peer, std::string service, bool lends, StreamId stream,
           std::shared_ptr<Replies> replies, std::shared_ptr<PipeOutcomes> outcomes)
      : context_(context),
        peer_(peer),
        service_(std::move(service)),
        lends_(lends),
        messages_(context.streams, stream),
        replies_(std::move(replies)),
        outcomes_(std::move(outcomes)),
        patience_(context.runtime) {}

  void start() {
    context_.streams.attach(messages_.id(), peer_, shared_from_this());
    std::weak_ptr<PipeCall> self = weak_from_this();
    replies_->on_gone([self] {
      if (const auto call = self.lock()) call->give_up();
    });
    patience_.after(call_patience, weakly(this, &PipeCall::on_no_answer));
  }

  void on_readable() override {
    const auto message = messages_.next();
    if (over_ || (message && !*message)) return;
    if (message && std::holds_alternative<apps::Accepted>(**message)) return on_accepted();
    const auto* refused = message ? std::get_if<apps::Refused>(&**message) : nullptr;
    replies_->fail(refused ? refusal_sentence(context_.contacts.call(peer_),
                                              "the service '" + service_ + "'", refused->reason)
                           : context_.contacts.call(peer_) + " does not speak this protocol");
    give_up();
  }
  void on_writable() override {}
  bool on_unread() override { return unread_ = true; }  // and what comes may say why
  void on_closed(const StreamEnd& end) override {
    if (over_) return;
    over_ = true;
    replies_->fail(end.unreachable || end.why.empty()
                       ? context_.unreachable(peer_, end.why)
                       : "the stream to " + context_.contacts.call(peer_) + " broke: " + end.why);
  }

 private:
  void on_accepted() {
    over_ = true;
    patience_.cancel();
    const std::uint64_t token = outcomes_->begin();
    auto bridge = std::make_shared<Bridge>(
        context_, messages_.id(), peer_, Bytes{}, messages_.rest(),
        [outcomes = outcomes_, token](const Bridge::Ended& ended) { outcomes->end(token, ended); });
    context_.streams.attach(messages_.id(), peer_, bridge);
    if (unread_) bridge->on_unread();
    replies_->raw(token, lends_, [bridge, borrows = lends_](Replies::Socket socket) {
      bridge->start(std::move(socket), borrows);
    });
  }
  void on_no_answer() {
    if (over_) return;
    replies_->fail(context_.contacts.call(peer_) +
                   " did not take the stream in time; it may be offline or not attended");
    give_up();
  }
  void give_up() {
    over_ = true;
    patience_.cancel();
    context_.streams.reset(messages_.id());
  }

  AppContext context_;
  NodeId peer_;
  std::string service_;
  bool lends_;  // the command has ends for the node
  MessageStream messages_;
  std::shared_ptr<Replies> replies_;
  std::shared_ptr<PipeOutcomes> outcomes_;
  Timer patience_;
  bool unread_ = false;
  bool over_ = false;
};

}  // namespace

// --- outcomes ---------------------------------------------------------------------------------

std::uint64_t PipeOutcomes::begin() {
  entries_[++last_];
  return last_;
}

void PipeOutcomes::end(std::uint64_t token, const Bridge::Ended& ended) {
  const auto found = entries_.find(token);
  if (found == entries_.end() || found->second.ended) return;
  found->second.ended = ended;
  if (const auto asker = std::exchange(found->second.asker, nullptr)) ask(token, asker);
  ended_.push_back(token);
  if (ended_.size() <= max_outcomes) return;
  entries_.erase(ended_.front());
  ended_.pop_front();
}

void PipeOutcomes::ask(std::uint64_t token, std::shared_ptr<Replies> replies) {
  const auto found = entries_.find(token);
  if (found == entries_.end()) return replies->fail("how that stream ended is not known any more");
  if (!found->second.ended) {
    found->second.asker = std::move(replies);
    return;
  }
  const Bridge::Ended& ended = *found->second.ended;
  if (ended.lent) replies->line({{"sent", ended.from_command}, {"received", ended.to_command}});
  if (ended.sentence.empty()) return replies->done();
  replies->fail(ended.sentence);
}

// --- the accepting side -----------------------------------------------------------------------

// A peer's stream that waits for a command to take it.
class Pipes::Offer final : public StreamUser {
 public:
  Offer(AppContext context, const StreamOpened& opened, std::string its_service)
      : stream(opened.stream),
        peer(opened.peer),
        service(std::move(its_service)),
        patience(context.runtime) {}

  void on_readable() override {}  // stays where it is until somebody wants it
  void on_writable() override {}
  void on_closed(const StreamEnd&) override {
    if (gone) gone();
  }

  StreamId stream;
  NodeId peer;
  std::string service;
  Timer patience;
  std::function<void()> gone;
};

Pipes::Pipes(AppContext context) : context_(context) {
  context_.streams.serve("pipe", [this](const StreamOpened& opened) { on_opened(opened); });
}

void Pipes::on_opened(const StreamOpened& opened) {
  const std::string service(text_of(opened.header.detail));
  const auto found = listeners_.find(service);
  const auto refuse = [&](apps::Refusal why) {
    context_.streams.refuse(opened.stream, opened.peer, why);
  };
  if (found == listeners_.end()) return refuse(apps::Refusal::unavailable);
  Listener& listener = found->second;
  const bool allowed = listener.allowed.empty() ? context_.contacts.knows(opened.peer)
                                                : listener.allowed.count(opened.peer) != 0;
  if (!allowed) return refuse(apps::Refusal::unavailable);
  if (listener.offers.size() >= max_offers_each) return refuse(apps::Refusal::busy);

  const std::uint64_t token = ++last_offer_;
  auto offer = std::make_shared<Offer>(context_, opened, service);
  const std::weak_ptr<Pipes*> self = self_;
  offer->gone = [self, token] {
    if (const auto pipes = self.lock()) (*pipes)->forget_offer(token);
  };
  offer->patience.after(offer_patience, [self, token, context = context_, stream = opened.stream,
                                         peer = opened.peer] {
    const auto pipes = self.lock();
    if (!pipes || !(*pipes)->offers_.count(token)) return;
    (*pipes)->forget_offer(token);
    context.streams.refuse(stream, peer, apps::Refusal::busy);
  });
  offers_[token] = offer;
  listener.offers.insert(token);
  context_.streams.attach(opened.stream, opened.peer, offer);
  listener.replies->line({{"accept", token},
                          {"peer", opened.peer.to_string()},
                          {"name", context_.contacts.name_of(opened.peer)}});
}

void Pipes::forget_offer(std::uint64_t token) {
  const auto found = offers_.find(token);
  if (found == offers_.end()) return;
  if (const auto listener = listeners_.find(found->second->service); listener != listeners_.end())
    listener->second.offers.erase(token);
  found->second->patience.cancel();
  offers_.erase(found);
}

void Pipes::handle(const control::Listen& request, std::shared_ptr<Replies> replies) {
  if (!is_service_name(request.service)) return replies->fail(bad_service(request.service));
  if (listeners_.count(request.service))
    return replies->fail("another command listens for '" + request.service +
                         "' already; end it first, or choose another name");
  if (listeners_.size() >= max_listeners)
    return replies->fail("too many commands are listening; end some of them first");

  Listener listener;
  for (const std::string& peer : request.allow) {
    const auto id = context_.contacts.resolve(peer);
    if (!id) return replies->fail("--allow: " + id.error().sentence);
    listener.allowed.insert(*id);
  }
  listener.replies = replies;
  listeners_[request.service] = std::move(listener);

  const std::weak_ptr<Pipes*> self = self_;
  replies->on_gone([self, service = request.service] {
    if (const auto pipes = self.lock()) (*pipes)->on_listener_gone(service);
  });
  replies->line({{"listening", request.service}});
}

void Pipes::on_listener_gone(const std::string& service) {
  const auto found = listeners_.find(service);
  if (found == listeners_.end()) return;
  for (const std::uint64_t token : std::set<std::uint64_t>(found->second.offers)) {
    const auto offer = offers_.at(token);
    forget_offer(token);
    context_.streams.refuse(offer->stream, offer->peer, apps::Refusal::unavailable);
  }
  listeners_.erase(service);
}

void Pipes::handle(const control::Accept& request, std::shared_ptr<Replies> replies) {
  const auto found = offers_.find(request.token);
  if (found == offers_.end())
    return replies->fail("that stream is gone: the peer gave up, or it was taken already");
  const auto offer = found->second;
  forget_offer(request.token);

  const std::uint64_t token = outcomes_->begin();
  auto bridge = std::make_shared<Bridge>(
      context_, offer->stream, offer->peer, apps::encode(apps::Accepted{}), Overlay::Read{},
      [outcomes = outcomes_, token](const Bridge::Ended& ended) { outcomes->end(token, ended); });
  context_.streams.attach(offer->stream, offer->peer, bridge);
  replies->raw(token, request.lends, [bridge, borrows = request.lends](Replies::Socket socket) {
    bridge->start(std::move(socket), borrows);
  });
}

// --- the opening side -------------------------------------------------------------------------

void Pipes::handle(const control::Pipe& request, std::shared_ptr<Replies> replies) {
  if (!is_service_name(request.service)) return replies->fail(bad_service(request.service));
  const auto peer = context_.contacts.resolve(request.peer);
  if (!peer) return replies->fail(peer.error().sentence);
  const auto stream = context_.streams.open(*peer, {"pipe", to_bytes(bytes_of(request.service))});
  if (!stream) return replies->fail(context_.unreachable(*peer, stream.error().message()));
  std::make_shared<PipeCall>(context_, *peer, request.service, request.lends, *stream,
                             std::move(replies), outcomes_)
      ->start();
}

void Pipes::handle(const control::Outcome& request, std::shared_ptr<Replies> replies) {
  outcomes_->ask(request.token, std::move(replies));
}

}  // namespace byway

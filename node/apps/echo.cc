#include "node/apps/echo.h"

#include <map>

namespace byway {
namespace {

constexpr std::size_t max_echoes_served = 256;
constexpr std::size_t echoed_at_once = 16 * 1024;
constexpr Duration echo_patience = 3s;       // then an echo counts as lost
constexpr Duration first_patience = 20s;     // for the whole way to a first answer
constexpr Duration retry_interval = 500ms;   // after a lost stream; doubled while nobody is there,
constexpr Duration longest_echo_retry = 8s;  // as each try asks our homes for the peer
constexpr Duration usual_interval = 1s;
constexpr Duration until_interval = 200ms;
constexpr Duration least_interval = 2ms;

// The side that answers: bytes go back as they came, for what they mean is between the asker and
// itself. So an answer is quick, and all that an asker can make us keep is what it does not read.
class Answerer final : public StreamUser {
 public:
  Answerer(Streams& streams, StreamId stream, std::shared_ptr<std::size_t> served)
      : streams_(streams), stream_(stream), served_(std::move(served)) {
    ++*served_;
    answer(apps::encode(apps::Accepted{}));
  }
  ~Answerer() override { --*served_; }

  void on_readable() override {
    // What the asker does not read back is not read from it either.
    while (waiting_.empty() && !at_end_) {
      Overlay::Read read = streams_.read(stream_, echoed_at_once, std::move(spent_));
      at_end_ = read.end;
      if (read.bytes.empty()) break;
      answer(read.bytes);
      spent_ = std::move(read.bytes);
    }
    if (waiting_.empty() && at_end_) streams_.finish(stream_);
  }
  void on_writable() override {
    answer(std::exchange(waiting_, {}));
    on_readable();
  }
  void on_closed(const StreamEnd&) override {}

 private:
  void answer(ByteView bytes) {
    const auto taken = static_cast<std::ptrdiff_t>(streams_.write(stream_, bytes));
    if (bytes.begin() + taken != bytes.end()) waiting_.assign(bytes.begin() + taken, bytes.end());
  }

  Streams& streams_;
  StreamId stream_;
  Bytes waiting_;  // found no room in the stream yet
  Bytes spent_;    // memory of what was answered, for what comes
  bool at_end_ = false;
  std::shared_ptr<std::size_t> served_;
};

// One `byway ping` from its request to its summary.
//
//   calling --first echo--> echoing --count, until, timeout--> over
//      '-------unreachable-----> failed
//
// Only the first echo is under way while calling: setting up must not count as lost echoes.
class PingRun final : public StreamUser, public std::enable_shared_from_this<PingRun> {
 public:
  PingRun(AppContext context, control::Ping request, const NodeId& peer,
          std::shared_ptr<Replies> replies)
      : context_(context),
        request_(std::move(request)),
        peer_(peer),
        replies_(std::move(replies)),
        tick_(context.runtime),
        give_up_(context.runtime),
        started_(context.runtime.now()) {
    interval_ = std::chrono::milliseconds(request_.interval_ms);
    if (request_.interval_ms == 0)
      interval_ = request_.until == control::Until::count ? usual_interval : until_interval;
    interval_ = std::max(interval_, least_interval);
  }

  void start() {
    // Whoever asked keeps the run alive until it is answered.
    replies_->on_gone([run = shared_from_this()] { run->on_enough(); });
    Duration patience = first_patience;
    if (request_.timeout_ms != 0) patience = std::chrono::milliseconds(request_.timeout_ms);
    give_up_.after(patience, weakly(this, &PingRun::on_out_of_time));
    if (open()) send_echo();
  }

  void on_readable() override {
    while (!over_ && messages_) {
      const auto message = messages_->next();
      if (!message) return fail(context_.contacts.call(peer_) + " does not speak this protocol");
      if (!*message) return;
      if (const auto* refused = std::get_if<apps::Refused>(&**message))
        return fail(refusal_sentence(context_.contacts.call(peer_), "echoes", refused->reason));
      if (const auto* echo = std::get_if<apps::Echo>(&**message)) on_echo(echo->sequence);
    }
  }
  void on_writable() override {
    if (messages_) messages_->flush();
  }
  void on_closed(const StreamEnd& end) override {
    messages_.reset();
    if (over_) return;
    last_why_ = end.why;
    if (!first_byte_ && end.unreachable) return fail(context_.unreachable(peer_, end.why));
    // What was under way on that stream will not come back. The first is simply sent again.
    if (first_byte_)
      for (const auto& [sequence, when] : waiting_) tell_lost(sequence);
    else
      --sent_;
    waiting_.clear();
    tick_.after(retry_, weakly(this, &PingRun::tick));
    if (end.unreachable) retry_ = std::min(2 * retry_, longest_echo_retry);
  }

 private:
  struct Sent {
    TimePoint asked;  // handed to the stream
    TimePoint left;   // handed to the kernel
  };

  bool open() {
    const auto stream = context_.streams.open(peer_, {"echo", {}});
    if (!stream) {
      last_why_ = stream.error().message();
      if (first_byte_) tell_lost(sent_++);  // as good as sent
      tick_.after(retry_interval, weakly(this, &PingRun::tick));
      return false;
    }
    messages_.emplace(context_.streams, *stream);
    context_.streams.attach(*stream, peer_, shared_from_this());
    return true;
  }

  // The last thing in a turn: whatever is done between here and the packet's leaving is waited for.
  void send_echo() {
    const TimePoint now = context_.runtime.now();
    waiting_[sent_] = {now, now};
    context_.runtime.before_sending([weak = weak_from_this(), sequence = sent_] {
      if (const auto run = weak.lock()) run->on_leaving(sequence);
    });
    messages_->send(apps::Echo{sent_});
    ++sent_;
  }

  void on_leaving(std::uint32_t sequence) {
    const auto found = waiting_.find(sequence);
    if (found != waiting_.end()) found->second.left = context_.runtime.now();
  }

  // `about_to_leave`: echoes that are sent in this turn yet.
  bool wants_more(std::uint32_t about_to_leave = 0) const {
    return request_.until != control::Until::count || request_.count == 0 ||
           sent_ + about_to_leave < request_.count;
  }

  void tick() {
    if (over_) return;
    const TimePoint now = context_.runtime.now();
    if (first_byte_) {
      const auto is_lost = [&](const auto& echo) {
        return now - echo.second.asked > echo_patience;
      };
      for (const auto& echo : waiting_)
        if (is_lost(echo)) tell_lost(echo.first);
      std::erase_if(waiting_, is_lost);
    }
    if (!wants_more() && waiting_.empty()) return finish();

    if (!messages_ && !open()) return;
    // Until the first answer one echo is enough; and a reader who rests gets no more to read.
    const bool sends = wants_more() && (first_byte_ || waiting_.empty()) && replies_->has_room();
    tick_.after(wants_more(sends ? 1 : 0) ? interval_ : std::min(interval_, retry_interval),
                weakly(this, &PingRun::tick));
    if (sends) send_echo();
  }

  void on_echo(std::uint32_t sequence) {
    const auto found = waiting_.find(sequence);
    if (found == waiting_.end()) return;  // too late, or never sent
    const TimePoint now = context_.runtime.now();
    const auto [asked, left] = found->second;
    const Duration rtt = std::max(context_.runtime.arrived() - left, Duration::zero());
    waiting_.erase(found);
    ++received_;
    retry_ = retry_interval;

    const auto peer = context_.peer(peer_);
    const PathKind path = peer ? peer->path : PathKind::none;
    boost::json::object line{
        {"seq", sequence}, {"rtt_ms", json_ms(rtt)}, {"app_ms", json_ms(now - asked)}};
    tell_path(line, peer);
    replies_->line(line);

    if (!first_byte_) {
      first_byte_ = now - started_;
      if (request_.timeout_ms == 0) give_up_.cancel();
      tick_.after(interval_, weakly(this, &PingRun::tick));
    }
    const bool reached = (request_.until == control::Until::direct && is_direct(path)) ||
                         (request_.until == control::Until::relay && path == PathKind::relay);
    if (reached || (!wants_more() && waiting_.empty())) finish();
  }

  void tell_lost(std::uint32_t sequence) { replies_->line({{"seq", sequence}, {"lost", true}}); }

  void on_enough() {
    if (over_) return;
    if (first_byte_) return finish();
    summarize();
    fail(context_.contacts.call(peer_) + " had not answered yet");
  }

  void on_out_of_time() {
    if (over_) return;
    const std::string who = context_.contacts.call(peer_);
    if (!first_byte_) return fail(context_.unreachable(peer_, last_why_));
    if (request_.until == control::Until::count) return finish();
    summarize();
    const auto peer = context_.peer(peer_);
    const std::string wanted = request_.until == control::Until::direct ? "direct" : "relayed";
    std::string sentence = "no " + wanted + " path to " + who + " carried an echo in time";
    if (peer && !peer->why.empty()) sentence += " (" + peer->why + ")";
    replies_->fail(sentence);
    conclude();
  }

  void summarize() {
    const auto peer = context_.peer(peer_);
    boost::json::object line{{"sent", sent_}, {"received", received_}};
    line["first_byte_ms"] = first_byte_ ? boost::json::value(json_ms(*first_byte_)) : nullptr;
    line["direct_ms"] = nullptr;
    if (peer && peer->direct_since)
      line["direct_ms"] = json_ms(std::max(*peer->direct_since - started_, Duration::zero()));
    line["path"] = std::string(to_string(peer ? peer->path : PathKind::none));
    line["method"] = std::string(to_string(peer ? peer->method : Method::none));
    line["why"] = nullptr;
    if (peer && !peer->why.empty()) line["why"] = peer->why;
    replies_->line(line);
  }

  void finish() {
    summarize();
    if (received_ > 0)
      replies_->done();
    else
      replies_->fail(context_.unreachable(peer_, last_why_));
    conclude();
  }

  void fail(const std::string& sentence) {
    replies_->fail(sentence);
    conclude();
  }

  void conclude() {
    over_ = true;
    stamps_.reset();
    tick_.cancel();
    give_up_.cancel();
    if (const auto messages = std::exchange(messages_, std::nullopt))
      context_.streams.reset(messages->id());
  }

  AppContext context_;
  control::Ping request_;
  NodeId peer_;
  std::shared_ptr<Replies> replies_;
  std::optional<MessageStream> messages_;
  std::shared_ptr<void> stamps_ = context_.runtime.stamp_arrivals();
  std::map<std::uint32_t, Sent> waiting_;  // echoes under way
  Timer tick_, give_up_;
  TimePoint started_;
  Duration interval_{};
  Duration retry_ = retry_interval;
  std::optional<Duration> first_byte_;
  std::uint32_t sent_ = 0;
  std::uint32_t received_ = 0;
  std::string last_why_;
  bool over_ = false;
};

}  // namespace

Echo::Echo(AppContext context) : context_(context) {
  context_.streams.serve("echo", [context, served = served_](const StreamOpened& opened) {
    if (*served >= max_echoes_served)
      return context.streams.refuse(opened.stream, opened.peer, apps::Refusal::busy);
    context.streams.attach(opened.stream, opened.peer,
                           std::make_shared<Answerer>(context.streams, opened.stream, served));
  });
}

void Echo::handle(const control::Ping& request, std::shared_ptr<Replies> replies) {
  const auto peer = context_.contacts.resolve(request.peer);
  if (!peer) return replies->fail(peer.error().sentence);
  std::make_shared<PingRun>(context_, request, *peer, std::move(replies))->start();
}

}  // namespace byway

#include "node/apps/bench.h"

#include <sys/resource.h>

#include <cmath>

namespace byway {
namespace {

constexpr std::size_t max_served = 128;             // streams of contacts, as many as commands
constexpr std::size_t max_served_to_strangers = 4;  // of all that are served
constexpr std::uint32_t longest_s = 300;
constexpr std::uint32_t longest_for_strangers_s = 30;
constexpr std::size_t block_size = 64 * 1024;
constexpr std::size_t block_header = 4;
constexpr std::size_t read_at_once = 256 * 1024;
constexpr Duration start_patience = 20s;  // for the peer to begin
constexpr Duration end_patience = 20s;    // for what is under way when the time is up

std::chrono::microseconds cpu_used() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& t) {
    return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

std::uint64_t us(Duration duration) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
}

// Fills a stream with blocks until told to stop; the last one is empty.
class Filler {
 public:
  Filler(Streams& streams, StreamId stream) : streams_(streams), stream_(stream) {
    block_.resize(block_header + block_size);
    store_be<std::uint32_t>(MutableBytes{block_}.first(block_header), block_size);
  }
  void stop() { stopping_ = true; }
  bool done() const { return done_; }
  std::uint64_t bytes() const { return bytes_; }

  void fill() {
    while (!done_) {
      const std::size_t taken = streams_.write(stream_, ByteView{block_}.subspan(used_));
      if (taken == 0) return;
      bytes_ += taken;
      used_ += taken;
      if (used_ < block_.size()) continue;
      used_ = 0;
      if (block_.size() == block_header) {
        done_ = true;
      } else if (stopping_) {
        block_.assign(block_header, 0);
      }
    }
  }

 private:
  Streams& streams_;
  StreamId stream_;
  Bytes block_;
  std::size_t used_ = 0;
  std::uint64_t bytes_ = 0;
  bool stopping_ = false, done_ = false;
};

// Counts blocks as they arrive; what follows the empty one is left to others.
class BlockCounter {
 public:
  std::uint64_t bytes() const { return bytes_; }
  Duration elapsed() const { return last_ - first_; }
  bool done() const { return done_; }

  // How much of it was blocks.
  std::size_t take(TimePoint now, ByteView input) {
    if (bytes_ == 0) first_ = now;
    last_ = now;
    std::size_t used = 0;
    while (used < input.size() && !done_) {
      if (left_ > 0) {
        const std::size_t part = std::min(left_, input.size() - used);
        left_ -= part;
        used += part;
        continue;
      }
      header_[header_used_++] = input[used++];
      if (header_used_ < header_.size()) continue;
      header_used_ = 0;
      left_ = load_be<std::uint32_t>(header_);
      if (left_ == 0) done_ = true;
    }
    bytes_ += used;
    return used;
  }

 private:
  ByteArray<block_header> header_{};
  std::size_t header_used_ = 0, left_ = 0;
  std::uint64_t bytes_ = 0;
  TimePoint first_{}, last_{};
  bool done_ = false;
};

// --- the side that was asked ------------------------------------------------------------------

class Served final : public StreamUser, public std::enable_shared_from_this<Served> {
 public:
  Served(AppContext context, const StreamOpened& opened, apps::BenchStart start,
         std::shared_ptr<std::size_t> served)
      : context_(context),
        stream_(opened.stream),
        start_(start),
        filler_(context.streams, opened.stream),
        timer_(context.runtime),
        cpu_(cpu_used()),
        began_(context.runtime.now()),
        served_(std::move(served)) {
    ++*served_;
  }
  ~Served() override { --*served_; }

  void begin() {
    context_.streams.write(stream_, apps::encode(apps::Accepted{}));
    const Duration time = std::chrono::seconds(start_.seconds);
    if (start_.reverse) {
      timer_.after(time, weakly(this, &Served::stop_filling));
      filler_.fill();
    } else {
      timer_.after(time + start_patience + end_patience, weakly(this, &Served::give_up));
    }
  }

  void on_readable() override {
    while (true) {
      const Overlay::Read read = context_.streams.read(stream_, read_at_once);
      if (read.bytes.empty()) return;
      if (start_.reverse || reported_) continue;  // nothing is due from the asker
      counter_.take(context_.runtime.now(), read.bytes);
      if (counter_.done()) report(counter_.bytes(), counter_.elapsed());
    }
  }
  void on_writable() override {
    if (!start_.reverse) return;
    filler_.fill();
    if (filler_.done() && !reported_) report(filler_.bytes(), context_.runtime.now() - began_);
  }
  void on_closed(const StreamEnd&) override { timer_.cancel(); }

 private:
  void stop_filling() {
    filler_.stop();
    on_writable();
    timer_.after(end_patience, weakly(this, &Served::give_up));
  }
  void give_up() { context_.streams.reset(stream_); }

  void report(std::uint64_t bytes, Duration elapsed) {
    reported_ = true;
    const auto cpu = static_cast<std::uint64_t>((cpu_used() - cpu_).count());
    // At the end of a filled stream there is room: the empty block has just been taken.
    MessageStream report(context_.streams, stream_);
    report.send(apps::BenchReport{bytes, us(elapsed), cpu});
    if (report.backlog() > 0) return context_.streams.reset(stream_);
    context_.streams.finish(stream_);
  }

  AppContext context_;
  StreamId stream_;
  apps::BenchStart start_;
  Filler filler_;
  BlockCounter counter_;
  Timer timer_;
  std::chrono::microseconds cpu_;
  TimePoint began_;
  std::shared_ptr<std::size_t> served_;
  bool reported_ = false;
};

// --- the side that asks -----------------------------------------------------------------------

class BenchRun final : public StreamUser, public std::enable_shared_from_this<BenchRun> {
 public:
  BenchRun(AppContext context, control::Bench request, const NodeId& peer, StreamId stream,
           std::shared_ptr<Replies> replies)
      : context_(context),
        request_(std::move(request)),
        peer_(peer),
        stream_(stream),
        replies_(std::move(replies)),
        filler_(context.streams, stream),
        timer_(context.runtime) {}

  void start() {
    context_.streams.attach(stream_, peer_, shared_from_this());
    // Whoever asked keeps the run alive until it is answered.
    replies_->on_gone([run = shared_from_this()] { run->conclude(); });
    timer_.after(start_patience, weakly(this, &BenchRun::on_no_answer));
  }

  void on_readable() override {
    while (!over_) {
      const Overlay::Read read = context_.streams.read(stream_, read_at_once);
      if (read.bytes.empty()) return;
      on_bytes(read.bytes);
    }
  }
  void on_writable() override {
    if (over_ || !accepted_ || request_.reverse) return;
    filler_.fill();
  }
  void on_closed(const StreamEnd& end) override {
    if (over_) return;
    over_ = true;
    timer_.cancel();
    if (end.unreachable) return replies_->fail(context_.unreachable(peer_, end.why));
    replies_->fail("the stream to " + context_.contacts.call(peer_) + " ended too early" +
                   (end.why.empty() ? "" : ": " + end.why));
  }

 private:
  void on_bytes(ByteView bytes) {
    if (accepted_ && request_.reverse && !counter_.done())
      bytes = bytes.subspan(counter_.take(context_.runtime.now(), bytes));
    if (bytes.empty()) return;
    frames_.feed(bytes);
    const auto frame = frames_.next();
    if (frame && !*frame) return;
    const auto message = frame ? apps::decode(**frame) : Result<apps::AppMessage>{frame.error()};
    if (!message) return fail(context_.contacts.call(peer_) + " does not speak this protocol");
    if (const auto* refused = std::get_if<apps::Refused>(&*message))
      return fail(refusal_sentence(context_.contacts.call(peer_), "a measurement so long",
                                   refused->reason));
    if (std::holds_alternative<apps::Accepted>(*message) && !accepted_) return on_accepted();
    if (const auto* report = std::get_if<apps::BenchReport>(&*message)) on_report(*report);
  }

  void on_accepted() {
    accepted_ = true;
    cpu_ = cpu_used();
    const Duration time = std::chrono::seconds(request_.seconds);
    timer_.after(request_.reverse ? time + end_patience : time,
                 weakly(this, &BenchRun::on_time_up));
    if (!request_.reverse) return filler_.fill();
    const Bytes rest = frames_.rest();
    if (!rest.empty()) on_bytes(rest);
  }

  void on_no_answer() { fail(context_.unreachable(peer_, "no answer in time")); }

  void on_time_up() {
    if (request_.reverse || time_up_)
      return fail("the measurement did not come to its end in time");
    time_up_ = true;
    filler_.stop();
    filler_.fill();
    timer_.after(end_patience, weakly(this, &BenchRun::on_time_up));
  }

  void on_report(const apps::BenchReport& report) {
    const bool reverse = request_.reverse;
    const std::uint64_t bytes = reverse ? counter_.bytes() : report.bytes;
    const double seconds =
        reverse ? to_ms(counter_.elapsed()) / 1e3 : static_cast<double>(report.elapsed_us) / 1e6;
    const auto rounded = [](double value) { return std::round(value * 1e6) / 1e6; };
    boost::json::object line;
    line["gbit_s"] = seconds > 0 ? rounded(static_cast<double>(bytes) * 8 / seconds / 1e9) : 0.0;
    line["bytes"] = bytes;
    line["seconds"] = rounded(seconds);
    line["cpu_s_local"] = rounded(static_cast<double>((cpu_used() - cpu_).count()) / 1e6);
    line["cpu_s_remote"] = rounded(static_cast<double>(report.cpu_us) / 1e6);
    const auto peer = context_.peer(peer_);
    line["rtt_ms"] = peer ? boost::json::value(json_ms(peer->rtt)) : nullptr;
    tell_path(line, peer);
    replies_->line(line);
    replies_->done();
    context_.streams.finish(stream_);
    over_ = true;
    timer_.cancel();
  }

  void fail(const std::string& sentence) {
    if (over_) return;
    replies_->fail(sentence);
    conclude();
  }
  void conclude() {
    over_ = true;
    timer_.cancel();
    context_.streams.reset(stream_);
  }

  AppContext context_;
  control::Bench request_;
  NodeId peer_;
  StreamId stream_;
  std::shared_ptr<Replies> replies_;
  Filler filler_;
  BlockCounter counter_;
  control::FrameReader frames_;
  Timer timer_;
  std::chrono::microseconds cpu_{};
  bool accepted_ = false, time_up_ = false, over_ = false;
};

}  // namespace

Bench::Bench(AppContext context) : context_(context) {
  context_.streams.serve("bench", [context, served = served_](const StreamOpened& opened) {
    const auto refuse = [&](apps::Refusal why) {
      context.streams.refuse(opened.stream, opened.peer, why);
    };
    // The detail is a framed message, as on a stream.
    control::FrameReader frames;
    frames.feed(opened.header.detail);
    const auto frame = frames.next();
    if (!frame || !*frame) return refuse(apps::Refusal::unavailable);
    const auto message = apps::decode(**frame);
    const auto* start = message ? std::get_if<apps::BenchStart>(&*message) : nullptr;
    if (!start) return refuse(apps::Refusal::unavailable);
    const bool known = context.contacts.knows(opened.peer);
    if (start->seconds > (known ? longest_s : longest_for_strangers_s))
      return refuse(apps::Refusal::unavailable);
    if (*served >= (known ? max_served : max_served_to_strangers))
      return refuse(apps::Refusal::busy);

    auto bench = std::make_shared<Served>(context, opened, *start, served);
    context.streams.attach(opened.stream, opened.peer, bench);
    bench->begin();
  });
}

void Bench::handle(const control::Bench& request, std::shared_ptr<Replies> replies) {
  const auto peer = context_.contacts.resolve(request.peer);
  if (!peer) return replies->fail(peer.error().sentence);
  if (request.seconds == 0 || request.seconds > longest_s)
    return replies->fail("--seconds: must be between 1 and " + std::to_string(longest_s));
  const auto stream = context_.streams.open(
      *peer, {"bench", apps::encode(apps::BenchStart{request.seconds, request.reverse})});
  if (!stream) return replies->fail(context_.unreachable(*peer, stream.error().message()));
  std::make_shared<BenchRun>(context_, request, *peer, *stream, std::move(replies))->start();
}

}  // namespace byway

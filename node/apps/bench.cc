#include "node/apps/bench.h"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace byway {
namespace {

constexpr std::size_t max_tests_served = 128;       // streams of contacts, as many as commands
constexpr std::size_t max_tests_for_strangers = 4;  // of all that are served
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

// One for all that fill streams: what is measured is not how quickly memory is read.
const Bytes& full_block() {
  static const Bytes block = [] {
    Bytes made(block_header + block_size);
    store_be<std::uint32_t>(MutableBytes{made}.first(block_header), block_size);
    return made;
  }();
  return block;
}

// Fills a stream with blocks until told to stop; the last one is empty.
class Filler {
 public:
  Filler(Streams& streams, StreamId stream) : streams_(streams), stream_(stream) {}
  void stop() { stopping_ = true; }
  bool done() const { return done_; }
  std::uint64_t bytes() const { return bytes_; }

  void fill() {
    while (!done_) {
      const std::size_t taken = streams_.write(stream_, block_.subspan(used_));
      if (taken == 0) return;
      bytes_ += taken;
      used_ += taken;
      if (used_ < block_.size()) continue;
      used_ = 0;
      if (block_.size() == block_header)
        done_ = true;
      else if (stopping_)
        block_ = empty_block;
    }
  }

 private:
  static constexpr ByteArray<block_header> empty_block{};

  Streams& streams_;
  StreamId stream_;
  ByteView block_ = full_block();
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
        served_(std::move(served)),
        report_(context.streams, opened.stream) {
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
      read_ = context_.streams.read(stream_, read_at_once, std::move(read_.bytes));
      if (read_.bytes.empty()) return;
      if (start_.reverse || reported_) continue;  // nothing is due from the asker
      counter_.take(context_.runtime.now(), read_.bytes);
      if (counter_.done()) report(counter_.bytes(), counter_.elapsed());
    }
  }
  void on_writable() override {
    if (reported_) return end();
    if (!start_.reverse) return;
    filler_.fill();
    if (filler_.done()) report(filler_.bytes(), context_.runtime.now() - began_);
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
    report_.send(apps::BenchReport{bytes, us(elapsed), cpu});
    end();
  }
  // A stream that was filled may have no room for the report yet.
  void end() {
    report_.flush();
    if (report_.backlog() > 0 || std::exchange(finished_, true)) return;
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
  Overlay::Read read_;  // the last; its memory is used again
  MessageStream report_;
  bool reported_ = false, finished_ = false;
};

// --- the side that asks ------------------------------------------------------------------------

// What a stream brought.
struct Yield {
  std::uint64_t bytes = 0;
  double seconds = 0;
  double cpu_s_local = 0, cpu_s_remote = 0;  // of the whole program, while the stream ran
};

// All streams of one command, from its request to its answer. The first is opened alone; the
// others when the peer has taken it, for then there is a session to open them on.
class BenchRun final : public std::enable_shared_from_this<BenchRun> {
 public:
  BenchRun(AppContext context, control::Bench request, const NodeId& peer,
           std::shared_ptr<Replies> replies)
      : context_(context),
        request_(std::move(request)),
        peer_(peer),
        replies_(std::move(replies)) {}

  void start();
  void on_accepted();
  void on_yield(const Yield& yield);
  void fail(const std::string& sentence);

  const control::Bench& request() const { return request_; }
  const NodeId& peer() const { return peer_; }

 private:
  class Stream;
  bool open();
  void answer();
  void conclude();

  AppContext context_;
  control::Bench request_;
  NodeId peer_;
  std::shared_ptr<Replies> replies_;
  std::vector<std::shared_ptr<Stream>> streams_;
  std::vector<Yield> yields_;
  bool over_ = false;
};

// One of them.
class BenchRun::Stream final : public StreamUser, public std::enable_shared_from_this<Stream> {
 public:
  Stream(AppContext context, StreamId stream, BenchRun& run)
      : context_(context),
        stream_(stream),
        reverse_(run.request().reverse),
        run_(run.weak_from_this()),
        filler_(context.streams, stream),
        timer_(context.runtime) {}

  void start() { timer_.after(start_patience, weakly(this, &Stream::on_no_answer)); }

  void on_readable() override {
    while (!over_) {
      read_ = context_.streams.read(stream_, read_at_once, std::move(read_.bytes));
      if (read_.bytes.empty()) return;
      on_bytes(read_.bytes);
    }
  }
  void on_writable() override {
    if (over_ || !accepted_ || reverse_) return;
    filler_.fill();
  }
  void on_closed(const StreamEnd& end) override {
    const auto run = run_.lock();
    if (over_ || !run) return;
    closed_ = true;
    if (end.unreachable) return run->fail(context_.unreachable(run->peer(), end.why));
    run->fail("the stream to " + context_.contacts.call(run->peer()) + " ended too early" +
              (end.why.empty() ? "" : ": " + end.why));
  }
  void conclude() {
    if (std::exchange(over_, true)) return;
    timer_.cancel();
    if (!closed_) context_.streams.reset(stream_);
  }

 private:
  void on_bytes(ByteView bytes) {
    if (accepted_ && reverse_ && !counter_.done())
      bytes = bytes.subspan(counter_.take(context_.runtime.now(), bytes));
    if (bytes.empty()) return;
    frames_.feed(bytes);
    const auto frame = frames_.next();
    if (frame && !*frame) return;
    const auto run = run_.lock();
    if (!run) return;
    const auto message = frame ? apps::decode(**frame) : Result<apps::AppMessage>{frame.error()};
    if (!message)
      return run->fail(context_.contacts.call(run->peer()) + " does not speak this protocol");
    if (const auto* refused = std::get_if<apps::Refused>(&*message))
      return run->fail(refusal_sentence(
          context_.contacts.call(run->peer()),
          run->request().streams > 1 ? "a measurement so large" : "a measurement so long",
          refused->reason));
    if (std::holds_alternative<apps::Accepted>(*message) && !accepted_) return on_accepted(*run);
    if (const auto* report = std::get_if<apps::BenchReport>(&*message)) on_report(*run, *report);
  }

  void on_accepted(BenchRun& run) {
    accepted_ = true;
    cpu_ = cpu_used();
    const Duration time = std::chrono::seconds(run.request().seconds);
    timer_.after(reverse_ ? time + end_patience : time, weakly(this, &Stream::on_time_up));
    run.on_accepted();
    if (!reverse_) return filler_.fill();
    const Bytes rest = frames_.rest();
    if (!rest.empty()) on_bytes(rest);
  }

  void on_no_answer() {
    if (const auto run = run_.lock())
      run->fail(context_.unreachable(run->peer(), "no answer in time"));
  }

  void on_time_up() {
    if (reverse_ || time_up_) {
      if (const auto run = run_.lock())
        run->fail("the measurement did not come to its end in time");
      return;
    }
    time_up_ = true;
    filler_.stop();
    filler_.fill();
    timer_.after(end_patience, weakly(this, &Stream::on_time_up));
  }

  void on_report(BenchRun& run, const apps::BenchReport& report) {
    over_ = true;
    timer_.cancel();
    context_.streams.finish(stream_);
    run.on_yield({.bytes = reverse_ ? counter_.bytes() : report.bytes,
                  .seconds = reverse_ ? to_ms(counter_.elapsed()) / 1e3
                                      : static_cast<double>(report.elapsed_us) / 1e6,
                  .cpu_s_local = static_cast<double>((cpu_used() - cpu_).count()) / 1e6,
                  .cpu_s_remote = static_cast<double>(report.cpu_us) / 1e6});
  }

  AppContext context_;
  StreamId stream_;
  bool reverse_;
  std::weak_ptr<BenchRun> run_;
  Filler filler_;
  BlockCounter counter_;
  Overlay::Read read_;  // the last; its memory is used again
  control::FrameReader frames_;
  Timer timer_;
  std::chrono::microseconds cpu_{};
  bool accepted_ = false, time_up_ = false, over_ = false, closed_ = false;
};

void BenchRun::start() {
  // Whoever asked keeps the run alive until it is answered.
  replies_->on_gone([run = shared_from_this()] { run->conclude(); });
  open();
}

bool BenchRun::open() {
  const auto stream = context_.streams.open(
      peer_, {"bench", apps::encode(apps::BenchStart{request_.seconds, request_.reverse})});
  if (!stream) {
    fail(context_.unreachable(peer_, stream.error().message()));
    return false;
  }
  streams_.push_back(std::make_shared<Stream>(context_, *stream, *this));
  context_.streams.attach(*stream, peer_, streams_.back());
  streams_.back()->start();
  return true;
}

void BenchRun::on_accepted() {
  while (streams_.size() < request_.streams)
    if (!open()) return;
}

void BenchRun::on_yield(const Yield& yield) {
  yields_.push_back(yield);
  if (yields_.size() == request_.streams) answer();
}

void BenchRun::answer() {
  Yield all;
  for (const Yield& one : yields_) {
    all.bytes += one.bytes;
    all.seconds = std::max(all.seconds, one.seconds);
    all.cpu_s_local = std::max(all.cpu_s_local, one.cpu_s_local);
    all.cpu_s_remote = std::max(all.cpu_s_remote, one.cpu_s_remote);
  }
  const auto rounded = [](double value) { return std::round(value * 1e6) / 1e6; };
  boost::json::object line;
  line["gbit_s"] =
      all.seconds > 0 ? rounded(static_cast<double>(all.bytes) * 8 / all.seconds / 1e9) : 0.0;
  line["bytes"] = all.bytes;
  line["seconds"] = rounded(all.seconds);
  line["streams"] = yields_.size();
  line["cpu_s_local"] = rounded(all.cpu_s_local);
  line["cpu_s_remote"] = rounded(all.cpu_s_remote);
  const auto peer = context_.peer(peer_);
  line["rtt_ms"] = peer ? boost::json::value(json_ms(peer->rtt)) : nullptr;
  tell_path(line, peer);
  replies_->line(line);
  replies_->done();
  over_ = true;
}

void BenchRun::fail(const std::string& sentence) {
  if (over_) return;
  replies_->fail(sentence);
  conclude();
}

void BenchRun::conclude() {
  over_ = true;
  for (const auto& stream : streams_) stream->conclude();
}

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
    if (*served >= (known ? max_tests_served : max_tests_for_strangers))
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
  if (request.streams == 0 || request.streams > max_tests_served)
    return replies->fail("--streams: must be between 1 and " + std::to_string(max_tests_served));
  std::make_shared<BenchRun>(context_, request, *peer, std::move(replies))->start();
}

}  // namespace byway

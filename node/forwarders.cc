#include "node/forwarders.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <mutex>
#include <thread>
#include <utility>

#include "node/clock.h"
#include "overlay/link/lane_run.h"

namespace byway {
namespace {

// As much as a socket's own buffer; a piece is a datagram or a train of them.
constexpr std::size_t box_bytes = 4 << 20;
constexpr std::size_t box_pieces = 8192;
constexpr std::size_t unknown_lanes_part = 4;  // a quarter
// As many as a socket gives at a time, and as often in a row (node/udp_port.cc).
constexpr std::size_t pieces_at_once = 16;
constexpr std::size_t pieces_in_a_row = 64;
constexpr Duration report_interval = 100ms;

// A signal is for the node's own thread.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

// What is handed over: pieces, whose bytes lie one after another.
struct Box {
  struct Piece {
    Datagram datagram;  // without its bytes
    std::size_t begin = 0;
    std::size_t size = 0;
  };
  std::vector<Piece> pieces;
  Bytes bytes;
  std::size_t unknown_lanes = 0;  // bytes of them
  std::optional<Forwarded> report;

  bool empty() const { return pieces.empty() && !report; }
  void clear() {
    pieces.clear();
    bytes.clear();
    unknown_lanes = 0;
    report.reset();
  }
  bool take(const Datagram& datagram, bool unknown_lane) {
    const std::size_t size = datagram.bytes.size();
    if (pieces.size() >= box_pieces || bytes.size() + size > box_bytes) return false;
    if (unknown_lane && unknown_lanes + size > box_bytes / unknown_lanes_part) return false;
    if (unknown_lane && pieces.size() >= box_pieces / unknown_lanes_part) return false;
    if (unknown_lane) unknown_lanes += size;
    pieces.push_back({datagram, bytes.size(), size});
    pieces.back().datagram.bytes = {};
    append(bytes, datagram.bytes);
    return true;
  }
};

}  // namespace

class Forwarders::Forwarder : public std::enable_shared_from_this<Forwarder> {
 public:
  Forwarder(std::uint64_t salt, std::function<void()> wake)
      : io_(1),
        port_(io_, {.joins = true}),
        report_timer_(io_),
        table_(salt),
        wake_(std::move(wake)) {}

  // --- on the node's thread ---

  Outcome<Endpoint> bind(const Endpoint& endpoint) { return port_.bind(endpoint); }
  void start() {
    port_.start([this](std::span<const Datagram> datagrams) { on_datagrams(datagrams); });
    const SignalsBlocked blocked;
    thread_ = std::thread([this] { io_.run(); });
  }
  void stop() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
    port_.close();
    report();  // the thread is no more
  }
  void publish(std::span<const LaneChange> changes) {
    const std::lock_guard lock(mutex_);
    const bool was_empty = changes_.empty();
    changes_.insert(changes_.end(), changes.begin(), changes.end());
    has_changes_.store(true, std::memory_order_release);
    // Whoever hears nothing must not let them pile up.
    if (was_empty) boost::asio::post(io_, [this] { take_changes(); });
  }
  UdpPort::Counters counters() const {
    const std::lock_guard lock(mutex_);
    return counters_;
  }
  // Takes everything handed over so far, once all of what was taken before has been heard. False:
  // there is nothing, and wake_ will tell.
  bool take() {
    taken.clear();
    heard = 0;
    const std::lock_guard lock(mutex_);
    std::swap(taken, box_);
    if (taken.empty()) woken_ = false;
    return !taken.empty();
  }

  Box taken;  // being heard
  std::size_t heard = 0;

 private:
  // --- on its own ---

  void take_changes() {
    if (!has_changes_.load(std::memory_order_acquire)) return;
    {
      const std::lock_guard lock(mutex_);
      std::swap(changes_, applying_);
      has_changes_.store(false, std::memory_order_relaxed);
    }
    for (const LaneChange& change : applying_) table_.apply(change);
    applying_.clear();
  }

  void on_datagrams(std::span<const Datagram> datagrams) {
    take_changes();
    for (const Datagram& train : datagrams) on_train(train);
    port_.flush();
    hand_over();
    report_in_time();
  }

  // Neighbours that stay here go on together, and neighbours that do not are handed over together.
  void on_train(const Datagram& train) {
    const std::size_t whole = train.bytes.size();
    const std::size_t segment = train.segment_size == 0 ? whole : train.segment_size;
    if (whole == 0) return leave(train, false);
    for (std::size_t at = 0; at < whole;) {
      const ByteView rest = train.bytes.subspan(at);
      const LaneId lane = lane_of(rest.first(std::min(segment, rest.size())));
      Datagram run = train;
      run.bytes = lane_run(rest, segment, lane);
      if (run.bytes.size() <= segment) run.segment_size = 0;
      at += run.bytes.size();
      const std::size_t count = count_of(run.bytes.size(), segment);
      const Route* to =
          lane == 0 ? nullptr : table_.judge(route_of(run), lane, count, run.bytes.size());
      if (!to) {
        leave(run, lane != 0);
        continue;
      }
      port_.send({.to = to->endpoint,
                  .bytes = {},
                  .borrowed = run.bytes,
                  .segment_size = run.segment_size,
                  .socket = to->socket});
    }
  }

  void leave(const Datagram& run, bool unknown_lane) { left_.emplace_back(run, unknown_lane); }

  void hand_over() {
    if (left_.empty()) return;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [datagram, unknown_lane] : left_) {
        if (box_.take(datagram, unknown_lane)) continue;
        const std::size_t size = datagram.bytes.size();
        use_.dropped += datagram.segment_size == 0 ? 1 : count_of(size, datagram.segment_size);
        use_.dropped_bytes += size;
      }
      wake();
    }
    left_.clear();
  }

  // With the lock held.
  void wake() {
    if (!std::exchange(woken_, true)) wake_();
  }

  void report_in_time() {
    if (std::exchange(report_due_, true)) return;
    report_timer_.expires_after(report_interval);
    report_timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) report();
    });
  }
  void report() {
    report_due_ = false;
    use_.lanes = table_.take_use();
    const std::lock_guard lock(mutex_);
    counters_ = port_.counters();
    if (use_.lanes.empty() && use_.dropped == 0) return;
    if (!box_.report) box_.report.emplace();
    box_.report->lanes.insert(box_.report->lanes.end(), use_.lanes.begin(), use_.lanes.end());
    box_.report->dropped += use_.dropped;
    box_.report->dropped_bytes += use_.dropped_bytes;
    use_ = {};
    wake();
  }

  boost::asio::io_context io_;
  const boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_ =
      boost::asio::make_work_guard(io_);
  UdpPort port_;
  boost::asio::steady_timer report_timer_;
  LaneTable table_;
  Forwarded use_;
  bool report_due_ = false;
  std::vector<std::pair<Datagram, bool>> left_;
  std::vector<LaneChange> applying_;
  std::thread thread_;

  const std::function<void()> wake_;
  mutable std::mutex mutex_;  // of all that follows
  std::vector<LaneChange> changes_;
  std::atomic<bool> has_changes_ = false;
  Box box_;
  bool woken_ = false;  // wake_ was called, and take() has found something since
  UdpPort::Counters counters_;
};

Forwarders::Forwarders(boost::asio::io_context& main, std::uint64_t salt, Hear hear)
    : main_(main), salt_(salt), hear_(std::move(hear)) {}

Forwarders::~Forwarders() {
  for (const auto& one : all_) one->stop();
}

std::optional<Problem> Forwarders::start(std::size_t threads, UdpPort& port) {
  port.share();
  for (std::size_t i = 0; i < threads; ++i) {
    const auto weak = std::make_shared<std::weak_ptr<Forwarder>>();
    all_.push_back(std::make_shared<Forwarder>(salt_, [this, weak] {
      boost::asio::post(main_, [this, weak] {
        if (const auto one = weak->lock()) drain(one);
      });
    }));
    *weak = all_.back();
    for (const Endpoint& bound : port.bound())
      if (const auto joined = all_.back()->bind(bound); !joined) {
        all_.clear();
        return joined.error();
      }
  }
  for (const auto& one : all_) one->start();
  return {};
}

void Forwarders::stop() {
  for (const auto& one : all_) {
    one->stop();
    for (;;) {
      while (one->heard < one->taken.pieces.size()) hear_pieces(*one, pieces_in_a_row);
      if (!one->take()) break;
      if (one->taken.report) hear_.report(*one->taken.report);
    }
  }
  all_.clear();
}

void Forwarders::publish(std::span<const LaneChange> changes) {
  for (const auto& one : all_) one->publish(changes);
}

UdpPort::Counters Forwarders::counters() const {
  UdpPort::Counters sum;
  for (const auto& one : all_) sum += one->counters();
  return sum;
}

// Some of what was handed over; then others have their turn.
void Forwarders::drain(const std::shared_ptr<Forwarder>& forwarder) {
  Forwarder& one = *forwarder;
  if (one.heard == one.taken.pieces.size()) {
    if (!one.take()) return;
    if (one.taken.report) hear_.report(*one.taken.report);
  }
  hear_pieces(one, pieces_in_a_row);
  boost::asio::post(main_, [this, weak = std::weak_ptr<Forwarder>(forwarder)] {
    if (const auto still = weak.lock()) drain(still);
  });
}

void Forwarders::hear_pieces(Forwarder& one, std::size_t at_most) {
  const std::size_t end = std::min(one.heard + at_most, one.taken.pieces.size());
  std::array<Datagram, pieces_at_once> datagrams;
  while (one.heard < end) {
    std::size_t count = 0;
    for (; count < datagrams.size() && one.heard < end; ++count, ++one.heard) {
      const Box::Piece& piece = one.taken.pieces[one.heard];
      datagrams[count] = piece.datagram;
      datagrams[count].bytes = ByteView{one.taken.bytes}.subspan(piece.begin, piece.size);
    }
    hear_.datagrams(std::span(datagrams).first(count));
  }
}

}  // namespace byway

// The service "echo" as an asker meets it who is no `byway ping`: it writes what it likes, and
// reads when it likes.
#include "node/apps/echo.h"

#include <gtest/gtest.h>

#include "node/apps/app_codec.h"
#include "node/log.h"
#include "node/node.h"
#include "node/runtime.h"
#include "tests/unit/node/run_until.h"
#include "tests/unit/node/temporary_dir.h"

namespace byway::echo_test {
namespace {

constexpr std::size_t read_at_once = 64 * 1024;

class Asker : public testing::Test {
 protected:
  Asker() {
    start_logging("off");
    RunConfig config;
    config.state_dir = dir_ / "hub";
    config.role = Role::supernode;
    config.listen = {*Endpoint::parse("127.0.0.1:0")};
    auto node = Node::start(io_, config);
    if (!node) throw std::runtime_error(node.error().sentence);
    hub_ = std::move(*node);

    OverlayConfig ours{.role = Role::leaf, .lan = false};
    ours.seeds = {
        {hub_->id(), *Endpoint::parse("127.0.0.1:" + std::to_string(hub_->listen().port))}};
    auto runtime = Runtime::open(io_, ours, {*Endpoint::parse("127.0.0.1:0")}, identity_);
    if (!runtime) throw std::runtime_error(runtime.error().sentence);
    runtime_ = std::move(*runtime);
    runtime_->subscribe([this](const Event& event) { on_event(event); });
    runtime_->start();
  }
  ~Asker() override {
    runtime_.reset();
    hub_.reset();
  }

  bool until(const std::function<bool()>& holds) { return run_until(io_, holds); }

  void open() {
    ASSERT_TRUE(until([&] { return runtime_->overlay().status(runtime_->now()).ready; }));
    const auto stream = runtime_->overlay().open_stream(runtime_->now(), hub_->id(), {"echo", {}});
    ASSERT_TRUE(stream);
    stream_ = *stream;
  }
  // As much as there is room for.
  std::size_t write(ByteView bytes) {
    const std::size_t taken = runtime_->overlay().write(runtime_->now(), stream_, bytes);
    runtime_->settle();
    return taken;
  }
  void finish() {
    runtime_->overlay().finish(runtime_->now(), stream_);
    runtime_->settle();
  }
  void stop_reading() {
    runtime_->overlay().stop_reading(runtime_->now(), stream_);
    runtime_->settle();
  }
  void read() {
    while (true) {
      auto got = runtime_->overlay().read(runtime_->now(), stream_, read_at_once, {});
      ended_ |= got.end;
      append(heard_, got.bytes);
      if (got.bytes.empty()) break;
    }
    runtime_->settle();
  }

  boost::asio::io_context io_;
  StreamId stream_ = 0;
  bool reads_ = true;
  Bytes heard_;
  bool ended_ = false;
  bool unread_ = false;  // the other side reads no more
  std::string why_;      // how the stream was closed, where that was no clean end

 private:
  void on_event(const Event& event) {
    if (const auto* closed = std::get_if<StreamClosed>(&event)) why_ += closed->why;
    unread_ |= std::holds_alternative<StreamUnread>(event);
    if (reads_ && std::get_if<StreamReadable>(&event)) read();
  }

  TemporaryDir dir_;
  Identity identity_ = [] {
    Random random = strong_random();
    return Identity::generate(random);
  }();
  std::unique_ptr<Node> hub_;
  std::unique_ptr<Runtime> runtime_;
};

const Bytes accepted = apps::encode(apps::Accepted{});

TEST_F(Asker, HearsWhatItSaidWhateverItMeansAndTheEndOfIt) {
  open();
  const Bytes word = to_bytes(bytes_of("no message of ours \xff\xff\xff\xff"));
  ASSERT_EQ(write(word), word.size());
  Bytes expected = accepted;
  append(expected, word);
  EXPECT_TRUE(until([&] { return heard_.size() >= expected.size(); }));
  EXPECT_EQ(heard_, expected);
  EXPECT_FALSE(ended_);
  finish();
  EXPECT_TRUE(until([&] { return ended_; }));
  EXPECT_EQ(heard_, expected);
  EXPECT_EQ(why_, "");
}

TEST_F(Asker, IsHeldBackWhileItReadsNothingAndThenHearsAllOfIt) {
  open();
  reads_ = false;
  Bytes said;
  const auto say = [&] {
    Bytes more(read_at_once);
    for (std::size_t i = 0; i < more.size(); ++i)
      more[i] = static_cast<std::uint8_t>((said.size() + i) * 2654435761u >> 24);
    more.resize(write(more));
    append(said, more);
    return more.size();
  };
  constexpr std::size_t unheld = 256 << 20;
  TimePoint moved = monotonic_now();
  ASSERT_TRUE(until([&] {
    while (said.size() < unheld && say() > 0) moved = monotonic_now();
    return monotonic_now() - moved > 1s;
  }));
  EXPECT_LT(said.size(), unheld);

  reads_ = true;
  read();
  finish();
  EXPECT_TRUE(until([&] { return ended_; }));
  EXPECT_EQ(why_, "");
  ASSERT_EQ(heard_.size(), accepted.size() + said.size());
  EXPECT_TRUE(std::equal(said.begin(), said.end(),
                         heard_.end() - static_cast<std::ptrdiff_t>(said.size())));
}

// Neither half goes on: what nobody reads need not be asked for.
TEST_F(Asker, IsLetGoWhenItWillReadNoMore) {
  open();
  ASSERT_EQ(write(bytes_of("a word")), 6u);
  ASSERT_TRUE(until([&] { return heard_.size() >= accepted.size() + 6; }));
  stop_reading();
  EXPECT_TRUE(until([&] { return unread_; }));
}

}  // namespace
}  // namespace byway::echo_test

// Whole nodes over the loopback interface: a supernode and two leaves in one process and on one
// thread, with real sockets, real QUIC and their own state directories.
#include "node/node.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/json.hpp>
#include <thread>

#include "node/lent_ends.h"
#include "node/log.h"
#include "node/runtime.h"
#include "tests/unit/node/run_until.h"
#include "tests/unit/node/temporary_dir.h"

namespace byway::node_test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

namespace json = boost::json;

// A command that only listens to its answers.
class Answers final : public Replies {
 public:
  explicit Answers(boost::asio::io_context& io) : io_(io) {}

  void line(const json::object& object) override { lines.push_back(object); }
  void fail(const std::string& sentence) override {
    failed = sentence;
    end();
  }
  void done() override {
    is_done = true;
    end();
  }
  void raw(std::uint64_t its_token, bool borrows, std::function<void(Socket)> take) override {
    token = its_token;
    EXPECT_EQ(borrows, lends_ends);
    Socket theirs(io_);
    stream.emplace(io_);
    boost::asio::local::connect_pair(theirs, *stream);
    if (says_nothing) stream->shutdown(Socket::shutdown_send);
    end();
    take(std::move(theirs));
  }
  bool has_room() const override { return true; }
  void on_gone(std::function<void()> tell) override { gone_ = std::move(tell); }
  void on_drained(std::function<void()>) override {}

  bool over() const { return is_done || !failed.empty() || stream; }
  void go_away() {
    if (const auto tell = std::exchange(gone_, nullptr)) tell();
  }

  std::vector<json::object> lines;
  std::string failed;
  bool is_done = false;
  std::uint64_t token = 0;
  std::optional<Socket> stream;
  bool lends_ends = false;
  bool says_nothing = false;  // its standard input is at its end from the beginning

 private:
  void end() { gone_ = nullptr; }

  boost::asio::io_context& io_;
  std::function<void()> gone_;
};

class Neighbourhood : public testing::Test {
 protected:
  explicit Neighbourhood(std::size_t threads = 1) : threads_(threads) {
    start_logging("off");
    hub_ = start("hub", Role::supernode);
    ana_ = start("ana", Role::leaf);
    bob_ = start("bob", Role::leaf);
  }
  ~Neighbourhood() override {
    for (auto* node : {&ana_, &bob_, &hub_}) node->reset();
  }

  std::unique_ptr<Node> start(const std::string& name, Role role) {
    RunConfig config;
    config.state_dir = dir_ / name;
    config.role = role;
    config.name = name;
    config.listen = {*Endpoint::parse("127.0.0.1:0")};
    config.threads = threads_;
    if (hub_) config.seeds = {{hub_->id(), "127.0.0.1", hub_->listen().port}};
    auto node = Node::start(io_, config);
    if (!node) ADD_FAILURE() << node.error().sentence;
    return node ? std::move(*node) : nullptr;
  }

  bool until(const std::function<bool()>& holds, std::chrono::seconds limit = 15s) {
    return run_until(io_, holds, limit);
  }

  std::shared_ptr<Answers> ask(Node& node, const control::ControlRequest& request) {
    auto answers = std::make_shared<Answers>(io_);
    node.handle(request, answers);
    node.settle();
    return answers;
  }
  // Asks and waits for the end.
  std::shared_ptr<Answers> answer(Node& node, const control::ControlRequest& request) {
    auto answers = ask(node, request);
    EXPECT_TRUE(until([&] { return answers->over(); })) << "no answer in time";
    return answers;
  }

  void everybody_is_ready() {
    ASSERT_TRUE(until([&] { return hub_->ready() && ana_->ready() && bob_->ready(); }));
  }
  void ana_and_bob_know_each_other() {
    everybody_is_ready();
    EXPECT_TRUE(answer(*ana_, control::ContactAdd{"bob", bob_->id().to_string()})->is_done);
    EXPECT_TRUE(answer(*bob_, control::ContactAdd{"ana", ana_->id().to_string()})->is_done);
  }
  std::vector<std::string> inbox_of(Node& node) {
    std::vector<std::string> texts;
    const auto answers = answer(node, control::Inbox{});
    for (const auto& line : answers->lines)
      texts.push_back(std::string(line.at("text").as_string()));
    return texts;
  }

  // A stream of service "in" between ana and bob, taken at both ends.
  void connect_pipe(bool lent = false) {
    listening_ = ask(*bob_, control::Listen{"in", {}});
    for (auto* end : {&ana_end_, &bob_end_}) {
      *end = std::make_shared<Answers>(io_);
      (*end)->lends_ends = lent;
    }
    ana_->handle(control::Pipe{"bob", "in", lent}, ana_end_);
    ana_->settle();
    ASSERT_TRUE(until([&] { return listening_->lines.size() == 2; }));
    const auto token = json::value_to<std::uint64_t>(listening_->lines[1].at("accept"));
    bob_->handle(control::Accept{token, lent}, bob_end_);
    bob_->settle();
    ASSERT_TRUE(until([&] { return ana_end_->over() && bob_end_->over(); }));
    ASSERT_TRUE(ana_end_->stream) << ana_end_->failed;
    ASSERT_TRUE(bob_end_->stream) << bob_end_->failed;
    ana_end_->stream->non_blocking(true);
    bob_end_->stream->non_blocking(true);
  }
  static std::size_t write_some(Answers& end, std::size_t size) {
    const std::string bytes(size, 'x');
    boost::system::error_code error;
    return end.stream->write_some(boost::asio::buffer(bytes), error);
  }
  // Nothing: at its end.
  static std::optional<std::string> read_some(Answers& end) {
    std::string bytes(65'536, 0);
    boost::system::error_code error;
    bytes.resize(end.stream->read_some(boost::asio::buffer(bytes), error));
    if (error && error != boost::asio::error::would_block) return std::nullopt;
    return bytes;
  }

  // How much came until its end.
  std::size_t read_to_end(Answers& end) {
    std::size_t read = 0;
    EXPECT_TRUE(until([&] {
      const auto bytes = read_some(end);
      if (bytes) read += bytes->size();
      return !bytes.has_value();
    }));
    return read;
  }

  TemporaryDir dir_;
  boost::asio::io_context io_{1};
  std::size_t threads_;
  std::unique_ptr<Node> hub_, ana_, bob_;
  std::shared_ptr<Answers> listening_, ana_end_, bob_end_;
};

TEST_F(Neighbourhood, StatusTellsWhatWasPromised) {
  everybody_is_ready();
  const auto answers = answer(*ana_, control::Status{});
  ASSERT_EQ(answers->lines.size(), 1u);
  const json::object& status = answers->lines[0];
  for (const char* key :
       {"id", "name", "role", "role_why", "ready", "nat", "addresses", "homes", "supernodes_known",
        "leaves", "lanes", "peers", "relayed_bytes", "rss_bytes", "uptime_s", "drops", "counters"})
    EXPECT_TRUE(status.contains(key)) << key;
  EXPECT_EQ(status.at("id").as_string(), ana_->id().to_string());
  EXPECT_EQ(status.at("role").as_string(), "leaf");
  EXPECT_EQ(status.at("ready").as_bool(), true);
  ASSERT_EQ(status.at("homes").as_array().size(), 1u);
  EXPECT_EQ(status.at("homes").as_array()[0].at("id").as_string(), hub_->id().to_string());
  EXPECT_GT(json::value_to<std::uint64_t>(status.at("rss_bytes")), 0u);
}

class ThreadedNeighbourhood : public Neighbourhood {
 protected:
  ThreadedNeighbourhood() : Neighbourhood(4) {}

  json::object status_of(Node& node) { return answer(node, control::Status{})->lines.at(0); }
};

TEST_F(ThreadedNeighbourhood, ASupernodeOfFourThreadsIsOneSupernode) {
  ana_and_bob_know_each_other();
  EXPECT_EQ(status_of(*hub_).at("threads").to_number<int>(), 4);
  EXPECT_EQ(status_of(*ana_).at("threads").to_number<int>(), 1) << "a leaf passes nothing on";
  std::vector<std::unique_ptr<Node>> more;  // so that every thread has somebody
  for (int i = 0; i < 8; ++i) more.push_back(start("leaf" + std::to_string(i), Role::leaf));
  ASSERT_TRUE(until([&] {
    return std::all_of(more.begin(), more.end(), [](const auto& leaf) { return leaf->ready(); });
  }));
  EXPECT_EQ(status_of(*hub_).at("leaves").to_number<int>(), 10);
  const auto pinged = answer(*ana_, control::Ping{.peer = "bob", .count = 5, .interval_ms = 10});
  ASSERT_TRUE(pinged->is_done) << pinged->failed;
  EXPECT_EQ(pinged->lines.back().at("received").to_number<int>(), 5);

  const json::object status = status_of(*hub_);
  const json::object& counters = status.at("counters").as_object();
  std::uint64_t accounted = counters.at("datagrams_used").to_number<std::uint64_t>();
  for (const auto& [reason, count] : status.at("drops").as_object())
    accounted += count.to_number<std::uint64_t>();
  EXPECT_EQ(accounted, counters.at("datagrams_in").to_number<std::uint64_t>());
  bool left = false;
  hub_->leave([&] { left = true; });
  EXPECT_TRUE(until([&] { return left; }));
}

TEST_F(Neighbourhood, APeersNameIsResolvedBeforeAnythingIsAskedOfThePeer) {
  ana_and_bob_know_each_other();
  const auto bob = answer(*ana_, control::Whois{"bob"});
  ASSERT_TRUE(bob->is_done) << bob->failed;
  EXPECT_EQ(bob->lines.at(0).at("id").as_string(), bob_->id().to_string());
  EXPECT_EQ(bob->lines.at(0).at("name").as_string(), "bob");
  EXPECT_THAT(answer(*ana_, control::Whois{"bop"})->failed, HasSubstr("no contact 'bop'"));
  EXPECT_THAT(answer(*ana_, control::Whois{ana_->id().to_string()})->failed,
              HasSubstr("this node itself"));
}

TEST_F(Neighbourhood, PingMeasuresOverAStreamAndSumsUp) {
  ana_and_bob_know_each_other();
  const auto answers = answer(*ana_, control::Ping{.peer = "bob", .count = 3, .interval_ms = 10});
  ASSERT_TRUE(answers->is_done) << answers->failed;
  ASSERT_EQ(answers->lines.size(), 4u);
  for (std::int64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(answers->lines[i].at("seq").to_number<std::int64_t>(), i);
    EXPECT_GT(answers->lines[i].at("rtt_ms").to_number<double>(), 0.0);
  }
  const json::object& summary = answers->lines[3];
  EXPECT_EQ(summary.at("sent").to_number<int>(), 3);
  EXPECT_EQ(summary.at("received").to_number<int>(), 3);
  EXPECT_GT(summary.at("first_byte_ms").to_number<double>(), 0.0);
}

TEST_F(Neighbourhood, APingTellsTheNetworksTimeApartFromOurOwn) {
  ana_and_bob_know_each_other();
  const control::Ping until_direct{.peer = "bob", .count = 0, .until = control::Until::direct};
  ASSERT_TRUE(answer(*ana_, until_direct)->is_done);
  // Everybody here comes to things late. What has arrived at ana waits for her: that is her time.
  constexpr auto late = std::chrono::milliseconds(5);
  const auto answers = ask(*ana_, control::Ping{.peer = "bob", .count = 10, .interval_ms = 10});
  ASSERT_TRUE(until([&] {
    std::this_thread::sleep_for(late);
    return answers->over();
  }));
  ASSERT_TRUE(answers->is_done) << answers->failed;
  double most = 0;
  for (const auto& line : answers->lines) {
    if (!line.if_contains("seq")) continue;
    const double network = line.at("rtt_ms").to_number<double>();
    const double app = line.at("app_ms").to_number<double>();
    EXPECT_LE(network, app);
    most = std::max(most, app - network);
  }
  EXPECT_GE(most, 0.8 * late.count());
}

TEST_F(Neighbourhood, PingGoesOnUntilAnEchoWentDirect) {
  ana_and_bob_know_each_other();
  const auto answers = answer(
      *ana_, control::Ping{
                 .peer = "bob", .count = 0, .until = control::Until::direct, .timeout_ms = 10'000});
  ASSERT_TRUE(answers->is_done) << answers->failed;
  EXPECT_EQ(answers->lines.back().at("path").as_string(), "direct-udp");
  EXPECT_TRUE(answers->lines.back().at("direct_ms").is_number());
}

TEST_F(Neighbourhood, APingThatIsToldEnoughSumsUp) {
  ana_and_bob_know_each_other();
  const auto answers = ask(*ana_, control::Ping{.peer = "bob", .count = 0, .interval_ms = 5});
  ASSERT_TRUE(until([&] { return answers->lines.size() >= 3; }));
  answers->go_away();
  ASSERT_TRUE(answers->is_done) << answers->failed;
  const json::object& summary = answers->lines.back();
  EXPECT_EQ(summary.at("received").to_number<std::size_t>(), answers->lines.size() - 1);
  EXPECT_GT(summary.at("first_byte_ms").to_number<double>(), 0.0);
}

TEST_F(Neighbourhood, EchoesThatNobodyAnswersAreToldOneByOne) {
  ana_and_bob_know_each_other();
  const auto answers = ask(*ana_, control::Ping{.peer = "bob", .count = 0, .interval_ms = 20});
  ASSERT_TRUE(until([&] { return !answers->lines.empty(); }));
  bob_.reset();  // without a goodbye
  ASSERT_TRUE(until([&] { return answers->lines.back().contains("lost"); }));
  EXPECT_EQ(answers->lines.back().at("lost").as_bool(), true);
  EXPECT_GT(answers->lines.back().at("seq").to_number<std::uint32_t>(), 0u);
  answers->go_away();
}

TEST_F(Neighbourhood, APingWithATimeoutEndsInTime) {
  ana_and_bob_know_each_other();
  const auto counted =
      answer(*ana_, control::Ping{.peer = "bob", .count = 0, .interval_ms = 5, .timeout_ms = 400});
  EXPECT_TRUE(counted->is_done) << counted->failed;
  EXPECT_GT(counted->lines.back().at("received").to_number<int>(), 0);

  bob_.reset();  // without a goodbye, so that nobody knows better
  const TimePoint asked = monotonic_now();
  const auto unheard = answer(*ana_, control::Ping{.peer = "bob", .timeout_ms = 300});
  EXPECT_LT(monotonic_now() - asked, 2s);
  EXPECT_THAT(unheard->failed, AllOf(HasSubstr("bob"), HasSubstr("offline")));
}

TEST_F(Neighbourhood, ASeedWhoseNameIsKnownLaterIsJoinedThen) {
  std::atomic<int> asked = 0;
  RunConfig config;
  config.state_dir = dir_ / "dora";
  config.listen = {*Endpoint::parse("127.0.0.1:0")};
  config.seeds = {{hub_->id(), "hub.example", hub_->listen().port}};
  auto dora = Node::start(io_, config, [&](const std::string& host) -> HostAnswer {
    EXPECT_EQ(host, "hub.example");
    if (++asked == 1) return {{}, false, "the network is not up yet"};
    return {{*IpAddress::parse("127.0.0.1")}, false, {}};
  });
  ASSERT_TRUE(dora) << dora.error().sentence;
  EXPECT_TRUE(until([&] { return (*dora)->ready(); }));
  EXPECT_EQ(asked, 2);
}

TEST_F(Neighbourhood, NoSeedThatExistsIsASentence) {
  RunConfig config;
  config.state_dir = dir_ / "dora";
  config.listen = {*Endpoint::parse("127.0.0.1:0")};
  config.seeds = {{hub_->id(), "hbu.example", 7000}, {bob_->id(), "bbo.example", 7000}};
  auto dora = Node::start(io_, config, [](const std::string&) -> HostAnswer {
    return {{}, true, "no such name"};
  });
  ASSERT_TRUE(dora) << dora.error().sentence;
  std::string told;
  (*dora)->on_hopeless([&](const std::string& sentence) { told = sentence; });
  ASSERT_TRUE(until([&] { return !told.empty(); }));
  EXPECT_THAT(told, AllOf(HasSubstr("--seed"), HasSubstr("hbu.example"), HasSubstr("bbo.example")));

  // One that exists is enough to go on.
  config.state_dir = dir_ / "eva";
  config.seeds[1].host = "127.0.0.1";
  told.clear();
  bool asked = false;
  auto eva = Node::start(io_, config, [](const std::string&) -> HostAnswer {
    return {{}, true, "no such name"};
  });
  ASSERT_TRUE(eva) << eva.error().sentence;
  (*eva)->on_hopeless([&](const std::string& sentence) { told = sentence; });
  boost::asio::steady_timer soon(io_, std::chrono::milliseconds(50));
  soon.async_wait([&](const boost::system::error_code&) { asked = true; });
  ASSERT_TRUE(until([&] { return asked; }));
  EXPECT_EQ(told, "");
}

TEST_F(Neighbourhood, ALeafWithoutASeedIsToldWhatToDo) {
  RunConfig config;
  config.state_dir = dir_ / "dora";
  config.listen = {*Endpoint::parse("127.0.0.1:0")};
  const auto dora = Node::start(io_, config);
  ASSERT_FALSE(dora);
  EXPECT_THAT(dora.error().sentence,
              AllOf(HasSubstr("ID@HOST:PORT"), HasSubstr("--role supernode")));
}

TEST_F(Neighbourhood, NobodyHomeIsOnePlainSentence) {
  ana_and_bob_know_each_other();
  bool left = false;
  const std::string bob_id = bob_->id().to_string();
  bob_->leave([&] { left = true; });
  ASSERT_TRUE(until([&] { return left; }));
  bob_.reset();
  EXPECT_THAT(answer(*ana_, control::Ping{.peer = "bob"})->failed,
              AllOf(HasSubstr("bob"), HasSubstr("cannot be reached")));
  EXPECT_THAT(answer(*ana_, control::Ping{.peer = "carl"})->failed, HasSubstr("contact add carl"));
  EXPECT_THAT(answer(*ana_, control::Ping{.peer = bob_id.substr(1)})->failed,
              AllOf(HasSubstr("is no node's id"), HasSubstr("byway id")));
  EXPECT_THAT(answer(*ana_, control::Say{"bob", "hello", 0})->failed, HasSubstr("bob"));
}

TEST_F(Neighbourhood, TextsArriveOnceAndInOrder) {
  ana_and_bob_know_each_other();
  std::vector<std::shared_ptr<Answers>> said;
  std::vector<std::string> expected;
  for (int i = 0; i < 200; ++i) {
    expected.push_back("text " + std::to_string(i));
    said.push_back(ask(*ana_, control::Say{"bob", expected.back(), 0}));
  }
  ASSERT_TRUE(until([&] { return said.back()->over(); }));
  for (const auto& one : said) {
    ASSERT_TRUE(one->is_done) << one->failed;
    EXPECT_EQ(one->lines.at(0).at("delivered").as_bool(), true);
  }
  EXPECT_EQ(inbox_of(*bob_), expected);
}

TEST_F(Neighbourhood, ATextSaidWhileThePeerRestartsArrivesOnce) {
  ana_and_bob_know_each_other();
  ASSERT_TRUE(answer(*ana_, control::Say{"bob", "before", 0})->is_done);
  bob_.reset();  // without a goodbye
  bob_ = start("bob", Role::leaf);
  ASSERT_TRUE(until([&] { return bob_->ready(); }));
  const auto said = ask(*ana_, control::Say{"bob", "after", 60'000});
  ASSERT_TRUE(until([&] { return said->over(); }, 60s));
  EXPECT_TRUE(said->is_done) << said->failed;
  EXPECT_THAT(inbox_of(*bob_), ElementsAre("before", "after"));
}

TEST_F(Neighbourhood, AStrangersTextWaitsAsARequest) {
  everybody_is_ready();
  ASSERT_TRUE(answer(*ana_, control::Say{bob_->id().to_string(), "who are you?", 0})->is_done);
  const auto inbox = answer(*bob_, control::Inbox{});
  ASSERT_EQ(inbox->lines.size(), 1u);
  EXPECT_EQ(inbox->lines[0].at("request").as_bool(), true);
  EXPECT_EQ(inbox->lines[0].at("name").as_string(), "");
  EXPECT_EQ(inbox->lines[0].at("from").as_string(), ana_->id().to_string());
}

TEST_F(Neighbourhood, AChatSeesTextsAndPathsAsTheyCome) {
  ana_and_bob_know_each_other();
  const auto chat = ask(*bob_, control::Chat{});
  ASSERT_TRUE(answer(*ana_, control::Say{"bob", "hello", 0})->is_done);
  const auto saw = [&](const char* event) {
    for (const auto& line : chat->lines)
      if (line.at("event").as_string() == event) return true;
    return false;
  };
  EXPECT_TRUE(until([&] { return saw("message") && saw("path"); }));
  chat->go_away();
}

TEST_F(Neighbourhood, APipeCarriesBothWaysAndEachHalfEndsByItself) {
  ana_and_bob_know_each_other();
  connect_pipe();
  EXPECT_EQ(write_some(*ana_end_, 1000), 1000u);
  ana_end_->stream->shutdown(Replies::Socket::shutdown_send);

  EXPECT_EQ(read_to_end(*bob_end_), 1000u);

  EXPECT_EQ(write_some(*bob_end_, 500), 500u);  // the other half is still open
  bob_end_->stream->shutdown(Replies::Socket::shutdown_send);
  EXPECT_EQ(read_to_end(*ana_end_), 500u);
  EXPECT_TRUE(answer(*ana_, control::Outcome{ana_end_->token})->is_done);
  EXPECT_TRUE(answer(*bob_, control::Outcome{bob_end_->token})->is_done);
}

// The commands' ends of a stream, lent to their nodes.
class LendingNeighbourhood : public Neighbourhood {
 protected:
  LendingNeighbourhood() { ::signal(SIGPIPE, SIG_IGN); }  // as a node's program does
  struct PipePair {
    PipePair() {
      std::array<int, 2> fds{};
      EXPECT_EQ(::pipe2(fds.data(), O_CLOEXEC | O_NONBLOCK), 0);
      reads = UniqueFd{fds[0]};
      writes = UniqueFd{fds[1]};
    }
    UniqueFd reads, writes;
  };
  static void lend_to(Answers& end, int in, int out) {
    ASSERT_TRUE(lend(end.stream->native_handle(), lendable(in, out)));
  }
  // Writes until all of it is taken, and reads what has come meanwhile.
  void carry(UniqueFd& to, const std::string& bytes, int from, std::string& arrived) {
    std::size_t done = 0;
    ASSERT_TRUE(until([&] {
      const ssize_t n = ::write(to.get(), bytes.data() + done, bytes.size() - done);
      if (n > 0) done += static_cast<std::size_t>(n);
      if (done == bytes.size()) to.reset();
      std::string piece(65'536, 0);
      const ssize_t got = ::read(from, piece.data(), piece.size());
      if (got > 0) arrived.append(piece, 0, static_cast<std::size_t>(got));
      return done == bytes.size() && got == 0;
    }));
  }

  // A connection, one end of which is lent: both directions by it, each ended for itself.
  struct Connection {
    Connection() {
      std::array<int, 2> fds{};
      EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()),
                0);
      ours = UniqueFd{fds[0]};
      lent = UniqueFd{fds[1]};
    }
    UniqueFd ours, lent;
  };
  static void lend_to(Answers& end, Connection& connection) {
    ASSERT_TRUE(lend(end.stream->native_handle(), lendable_connection(connection.lent.get())));
    connection.lent.reset();
  }
  std::string read_all(const UniqueFd& from) {
    std::string all, piece(65'536, 0);
    EXPECT_TRUE(until([&] {
      const ssize_t n = ::read(from.get(), piece.data(), piece.size());
      if (n > 0) all.append(piece, 0, static_cast<std::size_t>(n));
      return n == 0;
    }));
    return all;
  }

  PipePair ana_in_, ana_out_, bob_in_, bob_out_;
};

TEST_F(LendingNeighbourhood, EachDirectionOfALentConnectionEndsForItself) {
  ana_and_bob_know_each_other();
  ASSERT_NO_FATAL_FAILURE(connect_pipe(true));
  Connection at_ana, at_bob;
  lend_to(*ana_end_, at_ana);
  lend_to(*bob_end_, at_bob);
  ASSERT_EQ(::write(at_ana.ours.get(), "question", 8), 8);
  ::shutdown(at_ana.ours.get(), SHUT_WR);
  EXPECT_EQ(read_all(at_bob.ours), "question");
  ASSERT_EQ(::write(at_bob.ours.get(), "answer", 6), 6);  // long after the question's end
  ::shutdown(at_bob.ours.get(), SHUT_WR);
  EXPECT_EQ(read_all(at_ana.ours), "answer");

  ASSERT_TRUE(until([&] { return !read_some(*ana_end_) && !read_some(*bob_end_); }));
  const auto ended = answer(*ana_, control::Outcome{ana_end_->token});
  EXPECT_TRUE(ended->is_done) << ended->failed;
  EXPECT_EQ(ended->lines.at(0).at("sent").to_number<int>(), 8);
  EXPECT_EQ(ended->lines.at(0).at("received").to_number<int>(), 6);
}

TEST_F(LendingNeighbourhood, WhatBreaksIsNoEndForALentConnection) {
  ana_and_bob_know_each_other();
  ASSERT_NO_FATAL_FAILURE(connect_pipe(true));
  Connection at_ana, at_bob;
  const UniqueFd commands{::fcntl(at_ana.lent.get(), F_DUPFD_CLOEXEC, 0)};  // keeps it open
  lend_to(*ana_end_, at_ana);
  lend_to(*bob_end_, at_bob);
  ASSERT_EQ(::write(at_bob.ours.get(), "half", 4), 4);
  std::string arrived(100, 0);
  ASSERT_TRUE(until([&] { return ::read(at_ana.ours.get(), arrived.data(), 100) == 4; }));
  bool left = false;
  bob_->leave([&] { left = true; });
  ASSERT_TRUE(until([&] { return left && !read_some(*ana_end_); }));
  EXPECT_FALSE(answer(*ana_, control::Outcome{ana_end_->token})->failed.empty());
  // Only the command, which has asked how it ended, may close it, and does so by a reset.
  EXPECT_EQ(::read(at_ana.ours.get(), arrived.data(), 100), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(LendingNeighbourhood, LentPipesCarryBothWaysAndTheNodesTellHowMuch) {
  ana_and_bob_know_each_other();
  ASSERT_NO_FATAL_FAILURE(connect_pipe(true));
  lend_to(*ana_end_, ana_in_.reads.get(), ana_out_.writes.get());
  lend_to(*bob_end_, bob_in_.reads.get(), bob_out_.writes.get());
  for (PipePair* pair : {&ana_in_, &bob_in_}) pair->reads.reset();
  for (PipePair* pair : {&ana_out_, &bob_out_}) pair->writes.reset();

  std::string film(3'000'000, 0), arrived, answered;
  for (std::size_t i = 0; i < film.size(); ++i) film[i] = static_cast<char>(i * 31 + i / 251);
  carry(ana_in_.writes, film, bob_out_.reads.get(), arrived);
  EXPECT_TRUE(arrived == film) << arrived.size();
  carry(bob_in_.writes, "thanks", ana_out_.reads.get(), answered);
  EXPECT_EQ(answered, "thanks");

  ASSERT_TRUE(until([&] { return !read_some(*ana_end_) && !read_some(*bob_end_); }));
  const auto ended = answer(*ana_, control::Outcome{ana_end_->token});
  EXPECT_TRUE(ended->is_done) << ended->failed;
  ASSERT_EQ(ended->lines.size(), 1u);
  EXPECT_EQ(json::value_to<std::size_t>(ended->lines[0].at("sent")), film.size());
  EXPECT_EQ(json::value_to<std::size_t>(ended->lines[0].at("received")), 6u);
  EXPECT_TRUE(answer(*bob_, control::Outcome{bob_end_->token})->is_done);
}

TEST_F(LendingNeighbourhood, OneEndMayBeLentAndTheOtherGoByTheSocket) {
  ana_and_bob_know_each_other();
  ASSERT_NO_FATAL_FAILURE(connect_pipe(true));
  lend_to(*ana_end_, ana_in_.reads.get(), -1);
  lend_to(*bob_end_, -1, bob_out_.writes.get());
  ana_in_.reads.reset();
  bob_out_.writes.reset();
  std::string arrived;
  carry(ana_in_.writes, "question", bob_out_.reads.get(), arrived);
  EXPECT_EQ(arrived, "question");
  EXPECT_EQ(write_some(*bob_end_, 500), 500u);
  bob_end_->stream->shutdown(Replies::Socket::shutdown_send);
  EXPECT_EQ(read_to_end(*ana_end_), 500u);
  EXPECT_TRUE(answer(*ana_, control::Outcome{ana_end_->token})->is_done);
  EXPECT_TRUE(answer(*bob_, control::Outcome{bob_end_->token})->is_done);
}

TEST_F(LendingNeighbourhood, ThatNobodyReadsALentPipeIsToldByAByte) {
  ana_and_bob_know_each_other();
  ASSERT_NO_FATAL_FAILURE(connect_pipe(true));
  lend_to(*ana_end_, ana_in_.reads.get(), -1);
  lend_to(*bob_end_, -1, bob_out_.writes.get());
  bob_out_.writes.reset();
  ASSERT_TRUE(until([&] { return ::write(ana_in_.writes.get(), "x", 1) == 1; }));
  ASSERT_TRUE(until([&] {
    char byte;
    return ::read(bob_out_.reads.get(), &byte, 1) == 1;
  }));
  bob_out_.reads.reset();
  ASSERT_EQ(::write(ana_in_.writes.get(), "y", 1), 1);
  ASSERT_TRUE(until([&] {
    const auto bytes = read_some(*bob_end_);
    return bytes && bytes->size() == 1;
  }));
  const auto ended = answer(*bob_, control::Outcome{bob_end_->token});
  EXPECT_THAT(ended->failed, HasSubstr("nobody reads"));
  ASSERT_EQ(ended->lines.size(), 1u);
  EXPECT_EQ(json::value_to<std::size_t>(ended->lines[0].at("received")), 1u);
}

TEST_F(LendingNeighbourhood, ACommandThatIsKilledEndsTheStreamThoughItsPipesGoOn) {
  ana_and_bob_know_each_other();
  ASSERT_NO_FATAL_FAILURE(connect_pipe(true));
  lend_to(*ana_end_, ana_in_.reads.get(), ana_out_.writes.get());
  lend_to(*bob_end_, -1, bob_out_.writes.get());
  bob_out_.writes.reset();
  ASSERT_EQ(::write(ana_in_.writes.get(), "half", 4), 4);
  std::string arrived;
  const auto read_more = [&] {
    std::string piece(100, 0);
    const ssize_t got = ::read(bob_out_.reads.get(), piece.data(), piece.size());
    if (got > 0) arrived.append(piece, 0, static_cast<std::size_t>(got));
    return got;
  };
  ASSERT_TRUE(until([&] { return read_more() == 4; }));
  ana_end_->stream->close();  // somebody still has ana_in_ open for writing
  ASSERT_TRUE(until([&] { return read_more() == 0; })) << "bob's end is told";
  EXPECT_EQ(arrived, "half");
  EXPECT_THAT(answer(*bob_, control::Outcome{bob_end_->token})->failed, HasSubstr("broke"))
      << "half is not taken for the whole";
  ana_in_.reads.reset();
  EXPECT_EQ(::write(ana_in_.writes.get(), "x", 1), -1) << "and the node lets go of the pipe";
}

TEST_F(LendingNeighbourhood, APipeThatNobodyThereReadsIsLetGo) {
  ana_and_bob_know_each_other();
  ASSERT_NO_FATAL_FAILURE(connect_pipe(true));
  lend_to(*ana_end_, ana_in_.reads.get(), -1);
  lend_to(*bob_end_, bob_in_.reads.get(), bob_out_.writes.get());
  for (UniqueFd* mine : {&ana_in_.reads, &bob_in_.reads, &bob_out_.writes}) mine->reset();
  bob_out_.reads.reset();
  const std::string words(1000, 'w');
  ASSERT_TRUE(until([&] {
    const ssize_t n = ::write(ana_in_.writes.get(), words.data(), words.size());
    const auto told = read_some(*bob_end_);
    if (told && !told->empty()) bob_end_->stream->close();  // as its command does
    return n < 0 && errno == EPIPE;
  })) << "ana's node holds on to it";
  const auto ended = answer(*ana_, control::Outcome{ana_end_->token});
  EXPECT_THAT(ended->failed, HasSubstr("nobody there reads what it brings any more"));
}

TEST_F(Neighbourhood, APipeEndsWellThoughItsListenerHadNothingToSay) {
  ana_and_bob_know_each_other();
  // Bob's "accepted" and his end travel together, and ana reads both at once.
  for (int round = 0; round < 10; ++round) {
    listening_ = ask(*bob_, control::Listen{"in", {}});
    ana_end_ = ask(*ana_, control::Pipe{"bob", "in"});
    ASSERT_TRUE(until([&] { return listening_->lines.size() == 2; }));
    const auto token = json::value_to<std::uint64_t>(listening_->lines[1].at("accept"));
    bob_end_ = std::make_shared<Answers>(io_);
    bob_end_->says_nothing = true;
    bob_->handle(control::Accept{token}, bob_end_);
    bob_->settle();
    ASSERT_TRUE(until([&] { return ana_end_->over() && bob_end_->over(); }));
    ASSERT_TRUE(ana_end_->stream) << ana_end_->failed;
    ASSERT_TRUE(bob_end_->stream) << bob_end_->failed;

    EXPECT_EQ(write_some(*ana_end_, 1000), 1000u);
    ana_end_->stream->shutdown(Replies::Socket::shutdown_send);
    EXPECT_EQ(answer(*ana_, control::Outcome{ana_end_->token})->failed, "");
    EXPECT_EQ(answer(*bob_, control::Outcome{bob_end_->token})->failed, "");
    listening_->go_away();
  }
}

TEST_F(Neighbourhood, APipeWhoseReaderRestsHoldsTheWriterBack) {
  ana_and_bob_know_each_other();
  connect_pipe();
  // Bob's command reads nothing: what ana may write must come to an end.
  std::size_t written = 0, quiet = 0;
  ASSERT_TRUE(until([&] {
    const std::size_t more = write_some(*ana_end_, 65'536);
    written += more;
    quiet = more == 0 ? quiet + 1 : 0;
    return quiet > 50 || written > (256u << 20);
  }));
  EXPECT_LT(written, 64u << 20);

  // Then he reads, and gets all of it.
  ana_end_->stream->shutdown(Replies::Socket::shutdown_send);
  EXPECT_EQ(read_to_end(*bob_end_), written);
}

TEST_F(Neighbourhood, APipeToAServiceThatIsNotOfferedFailsWithASentence) {
  ana_and_bob_know_each_other();
  EXPECT_THAT(answer(*ana_, control::Pipe{"bob", "in"})->failed,
              AllOf(HasSubstr("bob"), HasSubstr("'in'")));
  // Offered, but not to her: she is told the same.
  const auto listening = ask(*bob_, control::Listen{"in", {hub_->id().to_string()}});
  EXPECT_THAT(answer(*ana_, control::Pipe{"bob", "in"})->failed,
              AllOf(HasSubstr("bob"), HasSubstr("'in'")));
  EXPECT_EQ(listening->lines.size(), 1u);
  listening->go_away();
  EXPECT_THAT(answer(*bob_, control::Listen{"../etc", {}})->failed, HasSubstr("name"));
}

TEST_F(Neighbourhood, AWriterHearsAtOnceThatThePeersCommandIsGone) {
  ana_and_bob_know_each_other();
  ASSERT_NO_FATAL_FAILURE(connect_pipe());
  bob_end_->stream->close();
  ASSERT_TRUE(until([&] { return !read_some(*ana_end_); }));
  ASSERT_TRUE(until([&] { return write_some(*ana_end_, 10) == 0; })) << "it is taken for nobody";
  const auto ended = answer(*ana_, control::Outcome{ana_end_->token});
  EXPECT_THAT(ended->failed, HasSubstr("nobody there reads what it brings any more"));
}

TEST_F(Neighbourhood, APipeWhosePeerVanishesIsToldAsBroken) {
  ana_and_bob_know_each_other();
  connect_pipe();
  EXPECT_EQ(write_some(*ana_end_, 1000), 1000u);
  ASSERT_TRUE(until([&] {
    const auto bytes = read_some(*bob_end_);
    return bytes && !bytes->empty();
  }));
  bool left = false;
  bob_->leave([&] { left = true; });
  ASSERT_TRUE(until([&] { return left; }));
  ASSERT_TRUE(until([&] { return !read_some(*ana_end_).has_value(); }));
  EXPECT_THAT(answer(*ana_, control::Outcome{ana_end_->token})->failed, HasSubstr("bob"));
}

TEST_F(Neighbourhood, BenchCountsWhatArrivesBothWays) {
  ana_and_bob_know_each_other();
  for (const bool reverse : {false, true}) {
    const auto answers = answer(*ana_, control::Bench{"bob", 1, reverse});
    ASSERT_TRUE(answers->is_done) << answers->failed;
    const json::object& line = answers->lines.at(0);
    EXPECT_GT(line.at("bytes").to_number<double>(), 1e6);
    EXPECT_GT(line.at("gbit_s").to_number<double>(), 0.01);
    EXPECT_GT(line.at("cpu_s_remote").to_number<double>(), 0.0);
  }
}

// More than may be promised before there is a session.
TEST_F(Neighbourhood, BenchOpensAHundredStreamsWhereOneCommandAsksForThem) {
  ana_and_bob_know_each_other();
  for (const bool reverse : {false, true}) {
    const auto answers = answer(*ana_, control::Bench{"bob", 1, reverse, 100});
    ASSERT_TRUE(answers->is_done) << answers->failed;
    const json::object& line = answers->lines.at(0);
    EXPECT_EQ(line.at("streams").to_number<int>(), 100);
    EXPECT_GT(line.at("bytes").to_number<double>(), 1e6);
  }
  EXPECT_THAT(answer(*ana_, control::Bench{"bob", 1, false, 129})->failed, HasSubstr("--streams"));
}

// --- the socket itself ------------------------------------------------------------------------

TEST_F(Neighbourhood, TheControlSocketAnswersRealClientsAndShrugsOffOthers) {
  everybody_is_ready();
  const boost::asio::local::stream_protocol::endpoint place(control_socket_path(dir_ / "ana"));
  Replies::Socket client(io_), noise(io_);
  noise.connect(place);
  boost::asio::write(noise, boost::asio::buffer("\xff\xff\xff\xff rubbish", 12));
  client.connect(place);
  const Bytes request = control::encode(control::ControlRequest{control::Status{}});
  boost::asio::write(client, boost::asio::buffer(request));

  const auto replies_of = [&](Replies::Socket& socket) {
    socket.non_blocking(true);
    std::vector<control::ControlReply> replies;
    control::FrameReader frames;
    bool end = false;
    EXPECT_TRUE(until([&] {
      ByteArray<4096> bytes;
      boost::system::error_code error;
      const std::size_t size = socket.read_some(boost::asio::buffer(bytes), error);
      frames.feed(ByteView{bytes}.first(size));
      end = error && error != boost::asio::error::would_block;
      return end;
    }));
    while (true) {
      auto frame = frames.next();
      if (!frame || !*frame) return replies;
      if (auto reply = control::decode_reply(**frame)) replies.push_back(*reply);
    }
  };
  const auto replies = replies_of(client);
  ASSERT_EQ(replies.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<control::Line>(replies[0]));
  EXPECT_TRUE(std::holds_alternative<control::Done>(replies[1]));
  const auto answer_to_noise = replies_of(noise);
  ASSERT_EQ(answer_to_noise.size(), 1u);
  EXPECT_TRUE(std::holds_alternative<control::Failed>(answer_to_noise[0]));
}

TEST_F(Neighbourhood, ACommandThatStillWaitsIsToldThatTheNodeStops) {
  everybody_is_ready();
  Replies::Socket client(io_);
  client.connect(boost::asio::local::stream_protocol::endpoint(control_socket_path(dir_ / "ana")));
  boost::asio::write(
      client, boost::asio::buffer(control::encode(control::ControlRequest{control::Chat{}})));
  client.non_blocking(true);
  const TimePoint end = monotonic_now() + 200ms;
  ASSERT_TRUE(until([&] { return monotonic_now() >= end; }));  // it has been taken
  bool left = false;
  ana_->leave([&] { left = true; });
  ASSERT_TRUE(until([&] { return left; }));

  ByteArray<4096> bytes;
  control::FrameReader frames;
  frames.feed(ByteView{bytes}.first(client.read_some(boost::asio::buffer(bytes))));
  const auto frame = frames.next();
  ASSERT_TRUE(frame && *frame);
  const auto reply = control::decode_reply(**frame);
  ASSERT_TRUE(reply);
  const auto* failed = std::get_if<control::Failed>(&*reply);
  ASSERT_TRUE(failed);
  EXPECT_THAT(failed->sentence, HasSubstr("byway run"));
}

TEST_F(Neighbourhood, TwoNodesNeverShareAStateDirectory) {
  RunConfig config;
  config.state_dir = dir_ / "ana";
  config.listen = {*Endpoint::parse("127.0.0.1:0")};
  const auto second = Node::start(io_, config);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().sentence, HasSubstr("running"));
}

TEST(Node, APathTooLongForASocketIsASentence) {
  const TemporaryDir dir;
  boost::asio::io_context io;
  RunConfig config;
  config.state_dir = dir / std::string(120, 'x');
  config.listen = {*Endpoint::parse("127.0.0.1:0")};
  const auto node = Node::start(io, config);
  ASSERT_FALSE(node);
  EXPECT_THAT(node.error().sentence, AllOf(HasSubstr("--state-dir"), HasSubstr("shorter")));
}

}  // namespace
}  // namespace byway::node_test

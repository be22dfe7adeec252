// The command line as a person or a script meets it: words in, exit code and words out.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include <array>
#include <boost/json/parse.hpp>
#include <boost/program_options/options_description.hpp>
#include <fstream>
#include <latch>
#include <sstream>

#include "node/apps/app_codec.h"
#include "node/cli/cli.h"
#include "node/cli/commands.h"
#include "node/cli/tcp.h"
#include "node/lent_ends.h"
#include "tests/unit/node/cli_fake_node.h"

namespace byway::cli::cli_commands_test {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;
using testing::VariantWith;

struct Told {
  int code;
  std::string out, err;
};

Told byway(const std::vector<std::string>& words) {
  std::vector<const char*> argv{"byway"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  std::ostringstream out, err;
  const int code = run_cli(static_cast<int>(argv.size()), argv.data(), out, err);
  return {code, out.str(), err.str()};
}

// What a command promises whenever it does not succeed.
void expect_one_sentence(const Told& told) {
  EXPECT_EQ(std::ranges::count(told.err, '\n'), 1) << told.err;
  EXPECT_THAT(told.err, AllOf(StartsWith("byway"), EndsWith("\n")));
}

FakeNode::Replies lines(std::initializer_list<const char*> texts) {
  FakeNode::Replies replies;
  for (const char* text : texts) replies.push_back(control::Line{text});
  replies.push_back(control::Done{});
  return replies;
}

FakeNode::Answer always(FakeNode::Replies replies) {
  return [replies = std::move(replies)](const control::ControlRequest&) { return replies; };
}

std::string received_to_end(int fd) {
  std::string all;
  std::array<char, 4096> chunk;
  for (ssize_t n = 0; (n = recv(fd, chunk.data(), chunk.size(), 0)) > 0;)
    all.append(chunk.data(), static_cast<std::size_t>(n));
  return all;
}

// --- finding the way ----------------------------------------------------------------------------

TEST(Cli, HelpNamesEveryCommandInOneTable) {
  const Told told = byway({"--help"});
  EXPECT_EQ(told.code, 0);
  for (const char* command : {"run", "id", "status", "ping", "chat", "say", "inbox", "listen",
                              "pipe", "contact", "bench"})
    EXPECT_THAT(told.out, HasSubstr("\n  " + std::string{command} + " "));
  EXPECT_EQ(byway({"help"}).out, told.out);
  EXPECT_THAT(told.err, IsEmpty());
}

TEST(Cli, NothingToDoIsAMistakeThatNamesTheHelp) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{}, {"--json"}, {"--state-dir", "/tmp/x"}, {"--"}}) {
    const Told told = byway(words);
    EXPECT_EQ(told.code, 2);
    EXPECT_THAT(told.out, IsEmpty());
    EXPECT_THAT(told.err, AllOf(HasSubstr("usage"), HasSubstr("byway --help")));
    expect_one_sentence(told);
  }
}

TEST(Cli, EveryCommandExplainsItself) {
  for (const char* command : {"run", "id", "status", "ping", "chat", "say", "inbox", "listen",
                              "pipe", "contact", "bench"}) {
    const Told told = byway({command, "--help"});
    EXPECT_EQ(told.code, 0);
    EXPECT_THAT(told.out, StartsWith("Usage: byway " + std::string{command}));
    EXPECT_EQ(byway({"help", command}).out, told.out);
  }
}

TEST(Cli, TheVersionIsTheProjects) {
  std::ifstream project{BYWAY_SOURCE_DIR "/CMakeLists.txt"};
  const std::string text{std::istreambuf_iterator<char>{project}, {}};
  ASSERT_THAT(text, HasSubstr("project(byway VERSION " + std::string{version} + " "));
  EXPECT_EQ(byway({"--version"}).out, "byway " + std::string{version} + "\n");
}

TEST(Cli, AMistypedCommandIsAnsweredWithTheOneMeant) {
  const Told told = byway({"statsu"});
  EXPECT_EQ(told.code, 2);
  EXPECT_THAT(told.err, HasSubstr("did you mean `byway status`?"));
  expect_one_sentence(told);
  EXPECT_THAT(byway({"frobnicate"}).err, HasSubstr("byway --help"));
}

TEST(Cli, UsageMistakesNameTheOptionAndTheRemedy) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{"ping"}, "write `byway ping PEER"},
      {{"ping", "bob", "carl"}, "`carl` is too much"},
      {{"ping", "bob", "--cuont", "3"}, "--cuont is not known here"},
      {{"ping", "bob", "-c", "many"}, "--count many is not a number from 1 to 1000000000"},
      {{"ping", "bob", "-c", "-1"}, "--count -1 is not a number"},
      {{"ping", "bob", "-c"}, "is not complete: write a value behind it"},
      {{"ping", "bob", "--until", "nice"}, "write `direct` or `relay`"},
      {{"ping", "bob", "--timeout", "0"}, "--timeout 0 is not a number from 0.10 to 86400"},
      {{"say", "bob", std::string(8193, 'x')}, "longer than 8 KiB"},
      {{"say", "bob"}, "write `byway say PEER TEXT"},
      {{"bench", "bob", "--seconds", "0"}, "--seconds 0 is not a number from 1 to 3600"},
      {{"bench", "bob", "--seconds", "1", "--seconds", "2"}, "given twice"},
      {{"contact", "ad", "bob", "x"}, "did you mean `add`?"},
      {{"contact", "add", "bob"}, "write `byway contact add NAME ID`"},
      {{"listen", "in", "--json"}, "--json cannot go with a stream"},
      {{"pipe", "bob", "in", "--json"}, "--json cannot go with a stream"},
      {{"status", "--state-dir"}, "--state-dir needs a directory"},
      {{"status", "--state-dir="}, "--state-dir is empty"},
      {{"--frob", "status"}, "--frob is not known"},
  };
  for (const auto& [words, sentence] : cases) {
    const Told told = byway(words);
    EXPECT_EQ(told.code, 2) << told.err;
    EXPECT_THAT(told.err, HasSubstr(sentence));
    EXPECT_THAT(told.out, IsEmpty());
    expect_one_sentence(told);
  }
}

TEST(Cli, WithoutANodeEveryCommandTellsHowToStartOne) {
  const std::vector<std::vector<std::string>> all{{"status"},           {"ping", "bob"},
                                                  {"say", "bob", "hi"}, {"inbox"},
                                                  {"contact", "list"},  {"chat"},
                                                  {"listen", "in"},     {"pipe", "bob", "in"},
                                                  {"bench", "bob"},     {"forward", "0", "bob:in"}};
  for (std::vector<std::string> words : all) {
    words.insert(words.end(), {"--state-dir", "/nonexistent/byway"});
    const Told told = byway(words);
    EXPECT_EQ(told.code, 1);
    EXPECT_EQ(told.err,
              "byway: no node is running in /nonexistent/byway: start it with `byway run`\n");
    EXPECT_THAT(told.out, IsEmpty());
  }
}

TEST(Cli, WhatCannotBeForwardedIsSaidBeforeAnybodyConnects) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> mistakes{
      {{"forward", "70000", "bob:ssh"}, "70000 is no TCP address: write PORT or HOST:PORT"},
      {{"forward", "::1", "bob:ssh"}, "::1 is no TCP address"},
      {{"forward", "2222", "bob"}, "bob is no service of a peer: write PEER:SERVICE"},
      {{"listen", "ssh", "--to", "0"}, "--to 0 is no TCP address"},
      {{"listen", "ssh", "--to", "22", "--exec", "cat"}, "--exec and --to cannot both"}};
  for (const auto& [words, sentence] : mistakes) {
    const Told told = byway(words);
    EXPECT_EQ(told.code, 2);
    EXPECT_THAT(told.err, HasSubstr(sentence));
  }
  FakeNode node{always({control::Failed{"there is no contact 'bob'"}})};
  const Told told = byway({"forward", "0", "bob:ssh", "--state-dir", node.dir()});
  EXPECT_EQ(told.code, 1);
  EXPECT_EQ(told.err, "byway: there is no contact 'bob'\n");
  EXPECT_THAT(node.requests(), ElementsAre(control::ControlRequest{control::Whois{"bob"}}));
}

TEST(Cli, ATcpAddressMayLackItsHost) {
  EXPECT_EQ(parse_tcp("22")->text(), "127.0.0.1:22");
  EXPECT_EQ(parse_tcp("db.example:5432")->text(), "db.example:5432");
  EXPECT_EQ(parse_tcp("[::1]:0")->text(), "[::1]:0");
  EXPECT_EQ(parse_tcp("[::1]:0")->host, "::1");
  for (const char* wrong : {"", ":", ":22", "22:", "host", "host:", "host:65536", "a:b:22", "[]:22",
                            "22 ", "-1", "host:+2"})
    EXPECT_FALSE(parse_tcp(wrong)) << wrong;
}

TEST(Cli, AConnectionWithinThisHostIsNotPaced) {
  const auto control_of = [](int fd) {
    std::array<char, 16> name{};
    socklen_t size = name.size();
    EXPECT_EQ(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), &size), 0);
    return std::string(name.data());
  };
  for (const std::string host : {"127.0.0.1", "[::1]"}) {
    std::string why;
    const UniqueFd listener = listen_tcp(*parse_tcp(host + ":0"), why);
    if (!listener.is_open() && host == "[::1]") continue;  // a system without IPv6
    ASSERT_TRUE(listener.is_open()) << why;
    const UniqueFd made = connect_tcp(*parse_tcp(local_of(listener.get())), -1, why);
    ASSERT_TRUE(made.is_open()) << why;
    const UniqueFd taken{accept(listener.get(), nullptr, nullptr)};
    EXPECT_THAT(control_of(made.get()), AnyOf("cubic", "reno"));
    EXPECT_THAT(control_of(taken.get()), AnyOf("cubic", "reno"));
  }
}

TEST(Cli, ADirectoryTooLongForASocketIsExplained) {
  const Told told = byway({"status", "--state-dir", "/tmp/" + std::string(200, 'd')});
  EXPECT_EQ(told.code, 1);
  EXPECT_THAT(told.err, HasSubstr("too long for a socket"));
}

TEST(Cli, TheStateDirectoryMayStandAnywhere) {
  FakeNode node{always(lines({R"({"id":"x"})"}))};
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"--state-dir", node.dir(), "status", "--json"},
                                             {"status", "--state-dir=" + node.dir(), "--json"},
                                             {"--json", "status", "--state-dir", node.dir()}}) {
    const Told told = byway(words);
    EXPECT_EQ(told.code, 0) << told.err;
    EXPECT_EQ(told.out, "{\"id\":\"x\"}\n");
  }
}

// --- talking to the node ------------------------------------------------------------------------

TEST(Cli, WhatTheNodeCouldNotDoIsItsSentenceAndExitCodeOne) {
  FakeNode node{always({control::Failed{"bob is offline: ask him to start his node"}})};
  const Told told = byway({"say", "bob", "hi", "--state-dir", node.dir()});
  EXPECT_EQ(told.code, 1);
  EXPECT_EQ(told.err, "byway: bob is offline: ask him to start his node\n");
  EXPECT_THAT(told.out, IsEmpty());
}

TEST(Cli, ANodeThatDiesInTheMiddleIsNoSuccess) {
  FakeNode node{always({control::Line{R"({"seq":1})"}})};
  const Told told = byway({"inbox", "--json", "--state-dir", node.dir()});
  EXPECT_EQ(told.code, 1);
  EXPECT_THAT(told.err, HasSubstr("the node ended the conversation"));
}

TEST(Cli, SayJoinsItsWordsAndADoubleDashProtectsThem) {
  FakeNode node{always(lines({R"({"delivered":true,"path":"direct-udp","rtt_ms":12})"}))};
  EXPECT_EQ(byway({"say", "bob", "hello", "there", "--state-dir", node.dir()}).out,
            "delivered to bob: direct, 12 ms\n");
  EXPECT_EQ(
      byway({"say", "--state-dir", node.dir(), "--", "bob", "--json", "is", "a", "word"}).code, 0);
  EXPECT_THAT(
      node.requests(),
      ElementsAre(
          VariantWith<control::Say>(control::Say{.peer = "bob", .text = "hello there"}),
          VariantWith<control::Say>(control::Say{.peer = "bob", .text = "--json is a word"})));
}

TEST(Cli, PingAsksForWhatWasWrittenAndEndsWithASentence) {
  FakeNode node{always(
      lines({R"({"seq":0,"rtt_ms":80,"path":"relay","endpoint":"e","via":"hub"})",
             R"({"seq":1,"rtt_ms":42,"path":"direct-udp","endpoint":"1.2.3.4:5","via":null})",
             R"({"sent":2,"received":2,"first_byte_ms":161,"direct_ms":300,
                                  "path":"direct-udp","method":"punch","why":null})"}))};
  const Told told =
      byway({"ping", "bob", "--until", "direct", "--timeout", "10", "--state-dir", node.dir()});
  EXPECT_EQ(told.code, 0);
  EXPECT_EQ(
      told.out,
      "echo 0 from bob: 80 ms, relayed by hub\n"
      "echo 1 from bob: 42 ms, direct at 1.2.3.4:5\n"
      "2 of 2 echoes came back from bob, the first byte after 161 ms; the path is direct (hole "
      "punched), a direct one was proved after 300 ms.\n");
  EXPECT_THAT(node.requests(),
              ElementsAre(VariantWith<control::Ping>(control::Ping{.peer = "bob",
                                                                   .count = 0,
                                                                   .interval_ms = 200,
                                                                   .until = control::Until::direct,
                                                                   .timeout_ms = 10'000})));
}

TEST(Cli, APingThatMissedItsGoalPrintsTheSummaryAndFails) {
  FakeNode node{always(lines({R"({"sent":9,"received":9,"first_byte_ms":161,"direct_ms":null,
                    "path":"relay","method":"relay","why":"bob's NAT picks random ports"})"}))};
  const Told told = byway(
      {"ping", "bob", "--until", "direct", "--timeout", "2", "--json", "--state-dir", node.dir()});
  EXPECT_EQ(told.code, 1);
  EXPECT_EQ(boost::json::parse(told.out).at("received"), 9);
  EXPECT_EQ(told.err,
            "byway: no echo came by a direct path from bob: bob's NAT picks random ports\n");
}

TEST(Cli, AnInterruptedPingIsSummedUpByTheNode) {
  const pthread_t here = pthread_self();
  FakeNode node{[](const control::ControlRequest&) -> FakeNode::Replies {
                  return {control::Line{R"({"seq":0,"rtt_ms":5,"path":"direct-udp"})"},
                          control::Line{R"({"seq":1,"lost":true})"}};
                },
                [here](const control::ControlRequest&, int fd) {
                  pthread_kill(here, SIGINT);
                  received_to_end(fd);  // it wants no more, and still listens
                  for (const control::ControlReply& last :
                       lines({R"({"sent":2,"received":1,"path":"direct-udp","method":"punch"})"})) {
                    const Bytes bytes = control::encode(last);
                    send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
                  }
                }};
  const Told told = byway({"ping", "bob", "-i", "0", "--timeout", "9", "--state-dir", node.dir()});
  node.stop();
  EXPECT_EQ(told.code, 0) << told.err;
  EXPECT_EQ(told.out,
            "echo 0 from bob: 5.0 ms, direct\n"
            "no answer to 1\n"
            "1 of 2 echoes came back from bob; the path is direct (hole punched).\n");
  EXPECT_THAT(node.requests(),
              ElementsAre(VariantWith<control::Ping>(control::Ping{.peer = "bob",
                                                                   .count = 0,
                                                                   .interval_ms = 1,
                                                                   .until = control::Until::count,
                                                                   .timeout_ms = 9'000})));
}

TEST(Cli, NoEchoAtAllIsAFailure) {
  FakeNode node{always(lines({R"({"sent":3,"received":0,"path":null,"why":null})"}))};
  const Told told = byway({"ping", "bob", "-c", "3", "--state-dir", node.dir()});
  EXPECT_EQ(told.code, 1);
  expect_one_sentence(told);
}

TEST(Cli, TheInboxMarksAStrangersMessageAsARequest) {
  FakeNode node{
      always(lines({R"({"from":"bbbb","name":"bob","text":"hi","sent":0,"received":0})",
                    R"({"from":"cccc","name":null,"text":"me\u001b[2J","sent":0,"received":0})"}))};
  const Told told = byway({"inbox", "--state-dir", node.dir()});
  EXPECT_THAT(told.out, HasSubstr("] bob: hi\n"));
  EXPECT_THAT(told.out, HasSubstr("] request from cccc: me·[2J\n"));
}

TEST(Cli, ARelayThatIsAContactIsCalledByItsName) {
  const std::string hub(52, 'h');
  FakeNode node{[&](const control::ControlRequest& request) -> FakeNode::Replies {
    if (std::holds_alternative<control::ContactList>(request))
      return {control::Line{R"({"name":"hub","id":")" + hub + "\"}"}, control::Done{}};
    return {control::Line{R"({"delivered":true,"path":"relay","rtt_ms":80,"via":")" + hub + "\"}"},
            control::Done{}};
  }};
  EXPECT_EQ(byway({"say", "bob", "hi", "--state-dir", node.dir()}).out,
            "delivered to bob: relayed by hub, 80 ms\n");
  EXPECT_THAT(byway({"say", "bob", "hi", "--json", "--state-dir", node.dir()}).out, HasSubstr(hub));
}

TEST(Cli, ContactsAreListedInColumns) {
  FakeNode node{always(lines({R"({"name":"bo","id":"bbbb"})", R"({"name":"Zoë","id":"zzzz"})"}))};
  EXPECT_EQ(byway({"contact", "list", "--state-dir", node.dir()}).out, "bo   bbbb\nZoë  zzzz\n");
}

// --- streams: standard input and output are the process's, so they are lent to the command
// --------

class Lent {
 public:
  Lent(int standard, int fd) : standard_{standard}, before_{dup(standard)} { dup2(fd, standard); }
  ~Lent() { dup2(before_.get(), standard_); }

 private:
  int standard_;
  UniqueFd before_;
};

UniqueFd file_with(const std::string& text) {
  std::FILE* file = std::tmpfile();
  std::fwrite(text.data(), 1, text.size(), file);
  std::rewind(file);
  UniqueFd fd{dup(fileno(file))};
  std::fclose(file);
  return fd;
}

std::string contents(int fd) {
  std::string text(1 << 20, '\0');
  const ssize_t n = pread(fd, text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return text;
}

bool takes_stream(const control::ControlRequest& request) {
  return std::holds_alternative<control::Pipe>(request) ||
         std::holds_alternative<control::Accept>(request);
}

std::string question(int fd, std::string_view text) {
  send(fd, text.data(), text.size(), MSG_NOSIGNAL);
  return received_to_end(fd);
}

// A peer that takes the pipe; and what the node says of its end when asked.
FakeNode::Answer streams_ending_with(const control::ControlReply& outcome) {
  return [outcome](const control::ControlRequest& request) -> FakeNode::Replies {
    if (request == control::ControlRequest{control::Outcome{.token = 8}}) return {outcome};
    return {control::Raw{.token = 8}};
  };
}

TEST(Cli, APipeCarriesInputToItsEndAndTheAnswerBack) {
  std::string arrived;
  FakeNode node{streams_ending_with(control::Done{}),
                [&](const control::ControlRequest& request, int fd) {
                  if (!takes_stream(request)) return;
                  arrived = received_to_end(fd);
                  send(fd, "thanks", 6, MSG_NOSIGNAL);
                }};
  const UniqueFd input = file_with("a tar of everything");
  const UniqueFd output = file_with("");
  const Lent in{STDIN_FILENO, input.get()};
  const Lent out{STDOUT_FILENO, output.get()};
  const Told told = byway({"pipe", "bob", "in", "--state-dir", node.dir()});
  node.stop();
  EXPECT_EQ(told.code, 0) << told.err;
  EXPECT_EQ(arrived, "a tar of everything");
  EXPECT_EQ(contents(output.get()), "thanks");
}

TEST(Cli, APipeIsLentToANodeThatBorrowsAndItsFailureTellsWhatTheNodeCounted) {
  bool lent_both = false;
  FakeNode node{
      [](const control::ControlRequest& request) -> FakeNode::Replies {
        if (std::holds_alternative<control::Outcome>(request))
          return {control::Line{R"({"sent":4,"received":6})"}, control::Failed{"it broke"}};
        const auto& pipe = std::get<control::Pipe>(request);
        return {control::Raw{.token = 8, .borrows = pipe.lends}};
      },
      [&](const control::ControlRequest& request, int fd) {
        if (!takes_stream(request)) return;
        pollfd readable{fd, POLLIN, 0};
        poll(&readable, 1, 5000);
        const auto lent = take_lent(fd);
        lent_both = lent && lent->in.is_open() && lent->out.is_open();
      }};
  std::array<int, 2> in{}, out{};
  ASSERT_EQ(pipe2(in.data(), O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(out.data(), O_CLOEXEC), 0);
  const UniqueFd in_reads{in[0]}, in_writes{in[1]}, out_reads{out[0]}, out_writes{out[1]};
  const Lent input{STDIN_FILENO, in_reads.get()};
  const Lent output{STDOUT_FILENO, out_writes.get()};
  const Told told = byway({"pipe", "bob", "in", "--state-dir", node.dir()});
  node.stop();
  EXPECT_TRUE(lent_both);
  EXPECT_EQ(told.code, 1);
  EXPECT_EQ(told.err, "byway: it broke (4 bytes sent, 6 bytes received)\n");
}

TEST(Cli, APipeNobodyTakesFailsWithTheReason) {
  FakeNode node{always({control::Failed{"bob does not listen for `in`: ask him to"}})};
  const Told told = byway({"pipe", "bob", "in", "--state-dir", node.dir()});
  EXPECT_EQ(told.code, 1);
  EXPECT_THAT(told.err, HasSubstr("bob does not listen"));
}

TEST(Cli, AStreamThatBrokeIsAFailureThoughItsSocketEndedLikeAnyOther) {
  FakeNode node{streams_ending_with(control::Failed{"the stream to bob broke: the link was lost"}),
                [&](const control::ControlRequest& request, int fd) {
                  if (takes_stream(request)) send(fd, "half a fi", 9, MSG_NOSIGNAL);
                }};
  const UniqueFd input = file_with("");
  const UniqueFd output = file_with("");
  const Lent in{STDIN_FILENO, input.get()};
  const Lent out{STDOUT_FILENO, output.get()};
  const Told told = byway({"pipe", "bob", "film", "--state-dir", node.dir()});
  EXPECT_EQ(told.code, 1);
  EXPECT_EQ(told.err,
            "byway: the stream to bob broke: the link was lost (0 bytes sent, 9 bytes received)\n");
  EXPECT_EQ(contents(output.get()), "half a fi");
}

TEST(Cli, ListenWithACommandGivesEachStreamOne) {
  std::string first, second;
  std::latch both{2};
  FakeNode node{[](const control::ControlRequest& request) -> FakeNode::Replies {
                  if (std::holds_alternative<control::Listen>(request))
                    return {control::Line{R"({"listening":"hi"})"},
                            control::Line{R"({"accept":1,"peer":"bbbb","name":"bob"})"},
                            control::Line{R"({"accept":2,"peer":"cccc","name":"cy"})"}};
                  return {control::Raw{}};
                },
                [&](const control::ControlRequest& request, int fd) {
                  if (request == control::ControlRequest{control::Accept{1}})
                    first = question(fd, "one\n");
                  else if (request == control::ControlRequest{control::Accept{2}})
                    second = question(fd, "two\n");
                  else
                    return both.wait();
                  both.count_down();
                }};
  const Told told = byway({"listen", "hi", "--state-dir", node.dir(), "--exec",
                           "read word; echo $BYWAY_PEER_NAME of $BYWAY_PEER said $word"});
  node.stop();
  EXPECT_EQ(told.code, 1);  // the node went away; nothing else ends it but an interrupt
  EXPECT_EQ(first, "bob of bbbb said one\n");
  EXPECT_EQ(second, "cy of cccc said two\n");
  EXPECT_THAT(told.out, HasSubstr("a stream from bob\n"));
}

TEST(Cli, ListenTakesOneStreamAndEndsWithIt) {
  std::string arrived;
  FakeNode node{[](const control::ControlRequest& request) -> FakeNode::Replies {
                  if (std::holds_alternative<control::Listen>(request))
                    return {control::Line{R"({"listening":"in"})"},
                            control::Line{R"({"accept":7,"peer":"bbbb","name":"bob"})"}};
                  if (request == control::ControlRequest{control::Accept{7}})
                    return {control::Raw{.token = 8}};
                  if (request == control::ControlRequest{control::Outcome{8}})
                    return {control::Done{}};
                  return {control::Failed{"unexpected"}};
                },
                [&](const control::ControlRequest& request, int fd) {
                  if (!takes_stream(request)) return;
                  send(fd, "from bob", 8, MSG_NOSIGNAL);
                  shutdown(fd, SHUT_WR);
                  arrived = received_to_end(fd);
                }};
  const UniqueFd input = file_with("to bob");
  const UniqueFd output = file_with("");
  const Lent in{STDIN_FILENO, input.get()};
  const Lent out{STDOUT_FILENO, output.get()};
  const Told told =
      byway({"listen", "in", "--allow", "bob", "--allow", "cy", "--state-dir", node.dir()});
  EXPECT_EQ(told.code, 0) << told.err;
  EXPECT_EQ(contents(output.get()), "from bob");
  node.stop();
  EXPECT_EQ(arrived, "to bob");
  EXPECT_EQ(node.requests().at(0),
            control::ControlRequest(control::Listen{.service = "in", .allow = {"bob", "cy"}}));
}

TEST(Cli, ALineTooLongForOneTextIsCutBetweenTwoCharacters) {
  FakeNode node{[](const control::ControlRequest& request) -> FakeNode::Replies {
                  if (std::holds_alternative<control::Say>(request))
                    return lines({R"({"delivered":true,"path":"relay"})"});
                  return {};
                },
                [](const control::ControlRequest& request, int fd) {
                  if (std::holds_alternative<control::Chat>(request)) received_to_end(fd);
                }};
  std::string line = "x";
  while (line.size() < 20'000) line += "\u00e9";
  const UniqueFd input = file_with(line);
  const Lent in{STDIN_FILENO, input.get()};
  EXPECT_EQ(byway({"chat", "bob", "--json", "--state-dir", node.dir()}).code, 0);
  std::string said;
  for (const auto& request : node.requests()) {
    const auto* say = std::get_if<control::Say>(&request);
    if (!say) continue;
    EXPECT_LE(say->text.size(), apps::max_chat_text);
    EXPECT_TRUE(apps::is_utf8(say->text));
    said += say->text;
  }
  EXPECT_EQ(said, line);
}

TEST(Cli, ChatThroughAPipeSendsEveryLineInOrderAndEndsWhenAllArrived) {
  FakeNode node{
      [](const control::ControlRequest& request) -> FakeNode::Replies {
        if (std::holds_alternative<control::Say>(request))
          return lines({R"({"delivered":true,"path":"relay"})"});
        return {control::Line{
            R"({"event":"message","from":"bbbb","name":"bob","text":"hello","received":0})"}};
      },
      [](const control::ControlRequest& request, int fd) {
        if (std::holds_alternative<control::Chat>(request)) received_to_end(fd);
      }};
  const UniqueFd input = file_with("one\n\ntwo\nthree");
  const Lent in{STDIN_FILENO, input.get()};
  const Told told = byway({"chat", "bob", "--json", "--state-dir", node.dir()});
  EXPECT_EQ(told.code, 0) << told.err;
  EXPECT_THAT(told.out, HasSubstr("\"delivered\":true"));
  std::vector<std::string> said;
  for (const auto& request : node.requests())
    if (const auto* say = std::get_if<control::Say>(&request)) said.push_back(say->text);
  EXPECT_THAT(said, ElementsAre("one", "two", "three"));
}

}  // namespace
}  // namespace byway::cli::cli_commands_test

// What the node says, in words: samples as the daemon sends them, and what a person reads.
#include <gmock/gmock.h>

#include <boost/json/parse.hpp>

#include "node/cli/text.h"
#include "node/cli/words.h"

namespace byway::cli::cli_words_test {
namespace {

using testing::HasSubstr;
using testing::Not;

boost::json::object sample(std::string_view text) {
  return boost::json::parse(text).as_object();
}

const std::string bob_id(52, 'b');
const std::string hub_id = "hubhubhu" + std::string(44, 'h');

std::string leaf_status() {
  return R"({"id":")" + std::string(52, 'a') + R"(","name":"ana","role":"leaf",
    "role_why":"behind a NAT","ready":true,
    "nat":{"udp":{"mapping":"endpoint-independent","filtering":"address-port-dependent",
                  "ports":"preserved","delta":0,"block_size":0,"hairpin":null,"lifetime_s":null},
           "tcp":{"mapping":"unknown"}},
    "addresses":[{"endpoint":"10.0.0.2:7000","proto":"udp","scope":"private","how":"local","proved":false}],
    "homes":[{"id":")" +
         hub_id + R"(","endpoint":"203.0.113.5:7000","proto":"udp","rtt_ms":12.4}],
    "supernodes_known":1,"leaves":0,"lanes":0,
    "peers":[{"id":")" +
         bob_id + R"(","name":"bob","path":"direct-udp","method":"punch",
       "endpoint":"198.51.100.7:4000","via":null,"rtt_ms":42.3,"why":null},
      {"id":"c","name":"cy","path":"relay","method":"relay","endpoint":"203.0.113.5:7000",
       "via":")" +
         hub_id + R"(","rtt_ms":80,"why":"cy's NAT picks random ports and yours filters by port"}],
    "relayed_bytes":0,"rss_bytes":12582912,"uptime_s":185})";
}

TEST(StatusInWords, TellsWhoWhatAndWhy) {
  const std::string text = status_in_words(sample(leaf_status()));
  EXPECT_THAT(text, HasSubstr("node        ana  " + std::string(52, 'a')));
  EXPECT_THAT(text, HasSubstr("role        a leaf: behind a NAT"));
  EXPECT_THAT(text, HasSubstr("ready, up 3 min"));
  EXPECT_THAT(text, HasSubstr("one public port for everybody, lets in only who was written to"));
  EXPECT_THAT(text, HasSubstr("hubhubhu…  203.0.113.5:7000 udp, 12 ms"));
  EXPECT_THAT(text, HasSubstr("1 supernode known"));
}

TEST(StatusInWords, EveryPeerIsDirectOrRelayedForAReason) {
  const std::string text = status_in_words(sample(leaf_status()));
  EXPECT_THAT(text, HasSubstr("bob  direct (hole punched) at 198.51.100.7:4000, 42 ms"));
  EXPECT_THAT(text, HasSubstr("cy   relayed by hubhubhu…, 80 ms: cy's NAT picks random ports"));
}

TEST(StatusInWords, ANodeNobodyCanFindIsToldSo) {
  auto status = sample(leaf_status());
  status["homes"] = boost::json::array{};
  status["ready"] = false;
  const std::string text = status_in_words(status);
  EXPECT_THAT(text, HasSubstr("nobody can find this node"));
  EXPECT_THAT(text, HasSubstr("not ready yet"));
}

TEST(StatusInWords, ASupernodeTellsWhomItServes) {
  auto status = sample(leaf_status());
  status["role"] = "supernode";
  status["homes"] = boost::json::array{};
  status["leaves"] = 1;
  status["lanes"] = 3;
  status["relayed_bytes"] = 2'500'000;
  const std::string text = status_in_words(status);
  EXPECT_THAT(text, HasSubstr("1 registered node, 3 relayed pairs, 2.5 MB relayed"));
  EXPECT_THAT(text, Not(HasSubstr("nobody can find")));
}

TEST(StatusInWords, AnAnswerWithHalfItsKeysMissingStillReadsWell) {
  const std::string text =
      status_in_words(sample(R"({"id":"x","role":"leaf","ready":"yes","nat":7})"));
  EXPECT_THAT(text, HasSubstr("node        x\n"));
  EXPECT_THAT(text, HasSubstr("peers       none at present"));
}

TEST(StatusInWords, APeersNameCannotDriveTheTerminal) {
  const std::string text = status_in_words(
      sample(R"({"id":"x","peers":[{"id":"y","name":"\u001b[2Jbob","path":"none"}]})"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("bob  not connected"));
}

TEST(PingInWords, EachLineSaysHowLongAndByWhichPath) {
  EXPECT_EQ(
      echo_in_words(
          sample(
              R"({"seq":1,"rtt_ms":41.7,"path":"relay","endpoint":"203.0.113.5:7000","via":"hub"})"),
          "bob"),
      "echo 1 from bob: 42 ms, relayed by hub");
  EXPECT_EQ(
      echo_in_words(
          sample(
              R"({"seq":2,"rtt_ms":9.54,"path":"direct-udp","endpoint":"198.51.100.7:4000","via":null})"),
          "bob"),
      "echo 2 from bob: 9.5 ms, direct at 198.51.100.7:4000");
  EXPECT_EQ(echo_in_words(sample(R"({"seq":3,"lost":true})"), "bob"), "no answer to 3");
}

TEST(PingInWords, TheSummaryIsASentence) {
  EXPECT_EQ(
      ping_summary_in_words(sample(R"({"sent":4,"received":4,"first_byte_ms":81,"direct_ms":240.2,
                "path":"direct-udp","method":"punch","why":null})"),
                            "bob"),
      "4 of 4 echoes came back from bob, the first byte after 81 ms; the path is direct (hole "
      "punched), a direct one was proved after 240 ms.");
  EXPECT_EQ(
      ping_summary_in_words(sample(R"({"sent":1,"received":1,"first_byte_ms":81,"direct_ms":null,
                "path":"relay","via":"hub","method":"relay","why":"bob's NAT picks random ports"})"),
                            "bob"),
      "1 of 1 echo came back from bob, the first byte after 81 ms; the path is relayed by hub: "
      "bob's NAT picks random ports.");
  EXPECT_EQ(ping_summary_in_words(sample(R"({"sent":2,"received":0,"first_byte_ms":null})"), "bob"),
            "0 of 2 echoes came back from bob.");
}

TEST(BenchInWords, TellsSpeedPathAndPrice) {
  EXPECT_EQ(
      bench_in_words(sample(R"({"gbit_s":1.5,"bytes":937500000,"cpu_s_local":1.25,"cpu_s_remote":2,
                "rtt_ms":0.42,"path":"direct-udp"})"),
                     "bob", false),
      "1.500 Gbit/s to bob: 938 MB, direct, 0.42 ms; CPU 1.25 s here and 2.00 s there.");
}

TEST(PingInWords, APeerThatIsGoneHasNoPath) {
  EXPECT_EQ(
      ping_summary_in_words(
          sample(R"({"sent":9,"received":4,"first_byte_ms":2,"direct_ms":0,"path":"none"})"),
          "bob"),
      "4 of 9 echoes came back from bob, the first byte after 2.0 ms; it is not connected any "
      "more.");
}

TEST(Text, LongNewsIsBrokenBetweenWords) {
  EXPECT_EQ(wrapped("* bob cannot be reached", 12, 2), "* bob cannot\n  be reached");
  EXPECT_EQ(wrapped("short", 12, 2), "short");
  EXPECT_EQ(wrapped("", 12, 2), "");
  // What must be copied in one piece stays in one piece.
  EXPECT_EQ(wrapped("add abcdefghijklmnop now", 10, 2), "add\n  abcdefghijklmnop\n  now");
  EXPECT_EQ(wrapped("/to  PEER   talk", 40, 2), "/to  PEER   talk");
  EXPECT_EQ(wrapped("\u4f60\u597d \u4e16\u754c", 8, 2), "\u4f60\u597d\n  \u4e16\u754c");
}

}  // namespace
}  // namespace byway::cli::cli_words_test

// `byway invite`, and commands that stand in families.
#include <gmock/gmock.h>
#include <boost/json/parse.hpp>

#include <sstream>

#include "node/cli/cli.h"
#include "node/cli/command.h"
#include "protocol/invite.h"
#include "tests/unit/node/cli_fake_node.h"

namespace byway::cli::cli_invite_test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

struct Told {
  int code;
  std::string out, err;
};

Told byway(const std::vector<std::string>& words, std::span<const Command> more = {}) {
  std::vector<const char*> argv{"byway"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  std::ostringstream out, err;
  const int code = run_cli(static_cast<int>(argv.size()), argv.data(), out, err, more);
  return {code, out.str(), err.str()};
}

std::string id_of(std::uint64_t number) {
  Random random(number);
  return Identity::generate(random).id().to_string();
}

FakeNode::Answer node_that_knows(std::vector<std::string> endpoints) {
  return [=](const control::ControlRequest& request) -> FakeNode::Replies {
    if (std::holds_alternative<control::Status>(request))
      return {control::Line{R"({"id":")" + id_of(1) + R"("})"}, control::Done{}};
    FakeNode::Replies replies;
    for (std::size_t i = 0; i < endpoints.size(); ++i)
      replies.push_back(control::Line{R"({"id":")" + id_of(i + 2) + R"(","endpoint":")" +
                                      endpoints[i] + R"("})"});
    replies.push_back(control::Done{});
    return replies;
  };
}

TEST(InviteCommand, PrintsALineThatNamesTheNodeAndItsSupernodes) {
  FakeNode node{node_that_knows({"203.0.113.10:7000", "[2001:db8::1]:443"})};
  const Told told = byway({"invite", "--state-dir", node.dir()});
  EXPECT_EQ(told.code, 0);
  const auto invite = Invite::parse(told.out);
  ASSERT_TRUE(invite);
  EXPECT_EQ(invite->from.to_string(), id_of(1));
  ASSERT_EQ(invite->supernodes.size(), 2u);
  EXPECT_EQ(invite->supernodes[1].endpoint.to_string(), "[2001:db8::1]:443");

  const auto json =
      boost::json::parse(byway({"invite", "--json", "--state-dir", node.dir()}).out).as_object();
  EXPECT_EQ(std::string(json.at("invite").as_string()) + "\n", told.out);
  EXPECT_EQ(json.at("supernodes").as_array().size(), 2u);
}

TEST(InviteCommand, AsksForAsManySupernodesAsItWasTold) {
  FakeNode node{node_that_knows({"203.0.113.10:7000"})};
  EXPECT_EQ(byway({"invite", "--supernodes", "5", "--state-dir", node.dir()}).code, 0);
  EXPECT_EQ(std::get<control::Supernodes>(node.requests().back()).most, 5u);
  EXPECT_EQ(byway({"invite", "--supernodes", "9", "--state-dir", node.dir()}).code, 2);
}

TEST(InviteCommand, ANodeThatKnowsNobodySaysSo) {
  FakeNode node{node_that_knows({})};
  const Told told = byway({"invite", "--state-dir", node.dir()});
  EXPECT_EQ(told.code, 1);
  EXPECT_THAT(told.err, HasSubstr("knows no supernode yet"));
  EXPECT_THAT(told.out, IsEmpty());
}

// --- families ------------------------------------------------------------------------------------

class Family : public testing::Test {
 protected:
  std::vector<std::string> heard;
  std::vector<Command> more{{.name = "garden",
                             .synopsis = "TOOL …",
                             .summary = "tools for it",
                             .details = "Tools for the garden.\n",
                             .describe = {},
                             .family = {{.name = "rake",
                                         .synopsis = "[LEAF]",
                                         .summary = "gather leaves",
                                         .details = "Gathers.\n",
                                         .describe = {},
                                         .most_words = 1,
                                         .run =
                                             [this](Call& call) {
                                               heard = call.words;
                                               heard.push_back(call.command);
                                               return call.words.empty() ? call.usage("which?")
                                                                         : exit_done;
                                             }},
                                        {.name = "hose",
                                         .synopsis = {},
                                         .summary = "water",
                                         .details = {},
                                         .describe = {},
                                         .run =
                                             [this](Call& call) {
                                               heard = call.arguments;
                                               return exit_done;
                                             },
                                         .reads_itself = true}}}};
};

TEST_F(Family, AMemberIsFoundBehindItsName) {
  EXPECT_EQ(byway({"garden", "rake", "oak"}, more).code, 0);
  EXPECT_THAT(heard, ElementsAre("oak", "garden rake"));
  const Told told = byway({"garden", "rake"}, more);
  EXPECT_EQ(told.code, 2);
  EXPECT_EQ(told.err, "byway garden rake: which?\n");
}

TEST_F(Family, MistakesNameWhatThereIs) {
  EXPECT_THAT(byway({"garden"}, more).err,
              AllOf(HasSubstr("byway garden TOOL"), HasSubstr("byway garden --help")));
  EXPECT_EQ(byway({"garden"}, more).code, 2);
  EXPECT_THAT(byway({"garden", "rkae"}, more).err, HasSubstr("did you mean `byway garden rake`?"));
  EXPECT_THAT(byway({"garden", "frobnicate"}, more).err, HasSubstr("byway garden --help"));
  EXPECT_THAT(byway({"garden", "rake", "a", "b"}, more).err,
              HasSubstr("write `byway garden rake [LEAF]`"));
}

TEST_F(Family, HelpTellsOfTheFamilyAndOfEachMember) {
  EXPECT_THAT(byway({"--help"}, more).out, HasSubstr("\n  garden   tools for it\n"));
  EXPECT_THAT(
      byway({"garden", "--help"}, more).out,
      AllOf(StartsWith("Usage: byway garden TOOL"), HasSubstr("\n  rake     gather leaves")));
  EXPECT_THAT(byway({"help", "garden", "rake"}, more).out,
              StartsWith("Usage: byway garden rake [LEAF]"));
}

TEST_F(Family, OneThatReadsItselfAndSaysNothingHereTellsItsHelpItself) {
  EXPECT_EQ(byway({"garden", "hose", "--help"}, more).code, 0);
  EXPECT_THAT(heard, ElementsAre("--help"));
}

}  // namespace
}  // namespace byway::cli::cli_invite_test

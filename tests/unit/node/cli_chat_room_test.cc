// An interactive chat, told by what a person sees.
#include <gmock/gmock.h>

#include <boost/json/parse.hpp>

#include "node/cli/chat_room.h"
#include "node/cli/text.h"

namespace byway::cli::cli_chat_room_test {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

const std::string bob_id(52, 'b');
const std::string cy_id(52, 'c');

boost::json::object object(std::string_view text) {
  return boost::json::parse(text).as_object();
}

testing::Matcher<const Shown&> says(const testing::Matcher<const std::string&>& text) {
  return Field(&Shown::text, text);
}

class Room : public testing::Test {
 protected:
  Room() { room.learn_contact("bob", bob_id); }

  boost::json::object message(const std::string& from, const std::string& name,
                              const std::string& text) {
    return {{"event", "message"},
            {"from", from},
            {"name", name},
            {"text", text},
            {"sent", 1'700'000'000'000},
            {"received", 1'700'000'000'000}};
  }

  ChatRoom room;
};

TEST_F(Room, ThePromptSaysToWhomAndHowItIsConnected) {
  EXPECT_EQ(room.prompt(), "(/to PEER)> ");
  room.open("bob");
  EXPECT_EQ(room.prompt(), "bob (connecting…)> ");

  room.on_path("bob", object(R"({"path":"relay","via":"hub","rtt_ms":90,"why":"knocking"})"));
  EXPECT_EQ(room.prompt(), "bob (relayed by hub)> ");

  room.on_path(bob_id, object(R"({"path":"direct-udp","rtt_ms":42,"via":null})"));
  EXPECT_EQ(room.prompt(), "bob (direct, 42 ms)> ");

  room.on_unreachable("bob", "bob is offline");
  EXPECT_EQ(room.prompt(), "bob (not reached)> ");

  room.open("cy");
  room.on_undelivered("cy", "hi", "cy is offline");
  EXPECT_EQ(room.prompt(), "cy (not reached)> ");
}

TEST_F(Room, AChangeOfPathIsToldOnce) {
  room.open("bob");
  const auto relay = object(R"({"path":"relay","via":"hub","rtt_ms":90,"why":"knocking goes on"})");
  EXPECT_THAT(room.on_path("bob", relay),
              ElementsAre(says("bob is now relayed by hub: knocking goes on")));
  EXPECT_THAT(room.on_path("bob", relay), IsEmpty());

  boost::json::object event{
      {"event", "path"}, {"peer", bob_id}, {"path", "direct-udp"}, {"rtt_ms", 42}};
  EXPECT_THAT(room.on_event(event), ElementsAre(says("bob is now direct")));
  event["path"] = "none";
  EXPECT_THAT(room.on_event(event), ElementsAre(says("bob is not connected any more")));
  EXPECT_EQ(room.prompt(), "bob (connecting…)> ");
}

TEST_F(Room, PeersOfOtherCommandsDoNotDisturbTheChat) {
  room.open("bob");
  EXPECT_THAT(
      room.on_event(object(R"({"event":"path","peer":"somebody","path":"relay","via":"hub"})")),
      IsEmpty());
}

TEST_F(Room, AMessageShowsItsTimeAndItsSender) {
  EXPECT_THAT(room.on_event(message(bob_id, "bob", "hello")),
              ElementsAre(says("[" + clock_of(1'700'000'000'000) + "] bob: hello")));
}

TEST_F(Room, AStrangersMessageIsARequestWithTheWayToAcceptIt) {
  EXPECT_THAT(room.on_event(message(cy_id, "", "hi, it's cy")),
              ElementsAre(says(HasSubstr("request from cccccccc…: hi, it's cy")),
                          says(EndsWith("byway contact add NAME " + cy_id))));
  EXPECT_THAT(room.on_event(message(cy_id, "", "again")), ElementsAre(says(HasSubstr("again"))));
}

TEST_F(Room, AMessageCannotDriveTheTerminal) {
  const ShownLines shown = room.on_event(message(bob_id, "bob", "x\x1b]0;owned\x07"));
  ASSERT_EQ(shown.size(), 1u);
  EXPECT_THAT(shown[0].text, Not(HasSubstr("\x1b")));
}

TEST_F(Room, LinesGoToWhomThePromptNames) {
  room.open("bob");
  const auto answer = room.on_typed("hello");
  const auto* send = std::get_if<ChatRoom::Send>(&answer.wish);
  ASSERT_NE(send, nullptr);
  EXPECT_EQ(send->peer, bob_id);
  EXPECT_EQ(send->text, "hello");
}

TEST_F(Room, ALineToNobodyIsNotLostInSilence) {
  const auto answer = room.on_typed("hello");
  EXPECT_TRUE(std::holds_alternative<ChatRoom::Nothing>(answer.wish));
  EXPECT_THAT(answer.shown, ElementsAre(says(StartsWith("to whom?"))));
}

TEST_F(Room, ASlashBeginsACommandAndTwoSlashesALine) {
  room.open("bob");
  EXPECT_TRUE(std::holds_alternative<ChatRoom::Quit>(room.on_typed("/quit").wish));
  const auto to = room.on_typed("/to  cy ");
  ASSERT_TRUE(std::holds_alternative<ChatRoom::Open>(to.wish));
  EXPECT_EQ(std::get<ChatRoom::Open>(to.wish).peer, "cy");
  EXPECT_THAT(room.on_typed("/qiut").shown, ElementsAre(says(HasSubstr("did you mean /quit?"))));
  const auto line = room.on_typed("//etc/passwd");
  ASSERT_TRUE(std::holds_alternative<ChatRoom::Send>(line.wish));
  EXPECT_EQ(std::get<ChatRoom::Send>(line.wish).text, "/etc/passwd");
}

TEST_F(Room, SeveralPeersAreKeptApart) {
  room.open("bob");
  room.on_path("bob", object(R"({"path":"direct-udp","rtt_ms":42})"));
  room.open("cy");
  EXPECT_EQ(room.prompt(), "cy (connecting…)> ");
  room.learn_contact("cy", cy_id);  // typed before it was known whose name it is
  EXPECT_EQ(room.addressee(), cy_id);
  EXPECT_THAT(room.on_typed("/peers").shown,
              ElementsAre(says("  bob: direct, 42 ms"), says("> cy: connecting…")));
}

TEST_F(Room, AnUnreachablePeerIsToldOnceUntilItIsTriedAnew) {
  room.open("bob");
  EXPECT_THAT(room.on_unreachable("bob", "bob is offline: ask him to start"),
              ElementsAre(says("bob is offline: ask him to start")));
  EXPECT_THAT(room.on_unreachable("bob", "bob is offline: ask him to start"), IsEmpty());
  room.open("bob");
  EXPECT_EQ(room.prompt(), "bob (connecting…)> ");
}

TEST_F(Room, WhatDidNotArriveIsSaidWithItsText) {
  EXPECT_THAT(room.on_undelivered(bob_id, "see you", "bob is offline"),
              ElementsAre(says("\"see you\" did not reach bob: bob is offline")));
}

}  // namespace
}  // namespace byway::cli::cli_chat_room_test

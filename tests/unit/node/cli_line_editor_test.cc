// The line editor, key by key, as the terminal sends them.
#include <gmock/gmock.h>

#include "node/cli/line_editor.h"
#include "node/cli/text.h"

namespace byway::cli::cli_line_editor_test {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::VariantWith;

constexpr const char* left = "\x1b[D";
constexpr const char* up = "\x1b[A";
constexpr const char* down = "\x1b[B";
constexpr const char* rubout = "\x7f";

// Types, and tells which lines were submitted.
std::vector<std::string> typed(LineEditor& editor, std::string_view keys) {
  std::vector<std::string> lines;
  for (const auto& outcome : editor.feed(keys))
    if (const auto* submitted = std::get_if<LineEditor::Submitted>(&outcome))
      lines.push_back(submitted->line);
  return lines;
}

TEST(LineEditor, WhatIsTypedIsSubmittedOnEnter) {
  LineEditor editor;
  EXPECT_THAT(typed(editor, "hello bob\r"), ElementsAre("hello bob"));
  EXPECT_EQ(editor.line(), "");
}

TEST(LineEditor, CursorKeysLetTheMiddleBeMended) {
  LineEditor editor;
  editor.feed("helo");
  editor.feed(left);
  EXPECT_THAT(typed(editor, "l\r"), ElementsAre("hello"));
}

TEST(LineEditor, AKeyCutInPiecesIsStillOneKey) {
  LineEditor editor;
  editor.feed("ab\x1b");
  editor.feed("[");
  editor.feed("D");
  editor.feed("X");
  EXPECT_EQ(editor.line(), "aXb");
}

TEST(LineEditor, ALetterOfSeveralBytesIsOneLetterForEveryKey) {
  LineEditor editor;
  editor.feed("caf\xc3");
  EXPECT_EQ(editor.line(), "caf");  // half a letter is no letter
  editor.feed("\xa9");
  EXPECT_EQ(editor.line(), "café");
  editor.feed(rubout);
  EXPECT_EQ(editor.line(), "caf");

  editor.feed("😀");
  editor.feed(left);
  EXPECT_EQ(editor.cursor(), 3u);
}

TEST(LineEditor, BytesThatAreNoUtf8NeverEnterTheLine) {
  LineEditor editor;
  editor.feed("a\x80\xff\xc3(b\xed\xa0\x80");
  EXPECT_EQ(editor.line(), "a(b");
}

TEST(LineEditor, UnknownKeysAreSwallowedWhole) {
  LineEditor editor;
  editor.feed("a\x1b[15~b\x1b[1;2Pc\x1bOQd");
  EXPECT_EQ(editor.line(), "abcd");
}

TEST(LineEditor, WordsAndEndsOfLinesGoWithOneKey) {
  LineEditor editor;
  editor.feed("one two three\x17");  // Ctrl-W
  EXPECT_EQ(editor.line(), "one two ");
  editor.feed("\x01\x0b");  // Ctrl-A Ctrl-K
  EXPECT_EQ(editor.line(), "");
  editor.feed(
      "one two\x1b"
      "b\x15");  // Alt-B Ctrl-U
  EXPECT_EQ(editor.line(), "two");
  EXPECT_EQ(editor.cursor(), 0u);
}

TEST(LineEditor, HistoryComesBackAndTheDraftIsNotLost) {
  LineEditor editor;
  editor.feed("first\rsecond\rdraft");
  editor.feed(up);
  EXPECT_EQ(editor.line(), "second");
  editor.feed(up);
  editor.feed(up);  // there is nothing before the first
  EXPECT_EQ(editor.line(), "first");
  editor.feed(down);
  editor.feed(down);
  EXPECT_EQ(editor.line(), "draft");
}

TEST(LineEditor, CtrlCGivesUpTheLineFirstAndTheChatOnlyThen) {
  LineEditor editor;
  EXPECT_THAT(editor.feed("half\x03"), IsEmpty());
  EXPECT_EQ(editor.line(), "");
  EXPECT_THAT(editor.feed("\x03"),
              ElementsAre(VariantWith<LineEditor::Interrupted>(LineEditor::Interrupted{})));
}

TEST(LineEditor, CtrlDEndsOnlyAnEmptyLine) {
  LineEditor editor;
  EXPECT_THAT(editor.feed("ab\x01\x04"), IsEmpty());
  EXPECT_EQ(editor.line(), "b");
  editor.feed("\x04");
  EXPECT_THAT(editor.feed("\x04"),
              ElementsAre(VariantWith<LineEditor::EndOfInput>(LineEditor::EndOfInput{})));
}

TEST(LineEditor, TheCursorIsPaintedWhereTheNextLetterGoes) {
  LineEditor editor;
  editor.feed("日本");
  editor.feed(left);
  // "bob> " is five columns, the first letter two.
  EXPECT_THAT(editor.render("bob> ", 80), EndsWith("bob> 日本\r\x1b[7C"));
}

TEST(LineEditor, ALineLongerThanTheRowIsShownAroundTheCursor) {
  LineEditor editor;
  editor.feed(std::string(100, 'a') + "END");
  const std::string painted = editor.render("> ", 40);
  EXPECT_THAT(painted, HasSubstr("END"));
  EXPECT_LE(width_of(painted.substr(3, painted.find('\r', 1) - 3)), 40u);

  editor.feed("\x01");
  EXPECT_THAT(editor.render("> ", 40), Not(HasSubstr("END")));
}

TEST(LineEditor, AFloodOfKeysDoesNotGrowTheLineForEver) {
  LineEditor editor;
  editor.feed(std::string(100'000, 'x'));
  EXPECT_LE(editor.line().size(), 8192u);
}

TEST(Text, AStrangersMessageCannotDriveTheTerminal) {
  EXPECT_EQ(printable("hi\x1b[2Jthere"), "hi·[2Jthere");
  EXPECT_EQ(printable("a\nb\tc"), "a b c");
  EXPECT_EQ(printable("x\xe2\x80\xaey"), "x·y");  // right-to-left override
  EXPECT_EQ(printable("\xff\xc0\x80"), "···");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "·31m");  // the one-byte form of ESC [
  EXPECT_EQ(printable("Zoë 日本 😀"), "Zoë 日本 😀");
}

TEST(Text, ASlipOfTheFingerFindsItsWord) {
  const std::vector<std::string> words{"status", "ping", "pipe", "say", "contact"};
  EXPECT_EQ(nearest("statsu", words), "status");
  EXPECT_EQ(nearest("cont", words), "contact");
  EXPECT_EQ(nearest("zebra", words), "");
}

TEST(Text, WidthCountsColumnsAndNotBytes) {
  EXPECT_EQ(width_of(std::string_view{"café"}), 4u);
  EXPECT_EQ(width_of(std::string_view{"cafe\xcc\x81"}), 4u);
  EXPECT_EQ(width_of(std::string_view{"日本"}), 4u);
}

}  // namespace
}  // namespace byway::cli::cli_line_editor_test

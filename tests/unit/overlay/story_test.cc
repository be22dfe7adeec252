#include "overlay/link/story.h"

#include <gtest/gtest.h>

#include "overlay/core/limits.h"
#include "tests/unit/overlay/cast.h"

namespace byway::story_test {
namespace {

TEST(Story, ALongOneKeepsItsBeginningAndItsLatestStepsAndSaysHowManyAreMissing) {
  const TimePoint begun{5s};
  Story story(begun);
  for (int i = 0; i < 100; ++i) story.add(begun + i * 1ms, StepKind::knock, std::to_string(i));
  const auto steps = story.steps();
  ASSERT_EQ(steps.size(), limits::story_beginning + limits::story_latest);
  EXPECT_EQ(steps.front().text, "0");
  EXPECT_EQ(steps.front().since_begun, Duration{});
  EXPECT_EQ(steps.back().text, "99");
  EXPECT_EQ(steps.back().since_begun, 99ms);
  EXPECT_EQ(story.left_out(), 100 - steps.size());
}

TEST(Story, APersonOfManyWordsIsCutShort) {
  Story story(TimePoint{});
  story.add(TimePoint{}, StepKind::note, std::string(10'000, 'a'));
  EXPECT_EQ(story.steps()[0].text.size(), limits::story_text);
}

TEST(StoryBook, ForgetsTheOldestAndWhatWasToldOfAPeerBefore) {
  StoryBook book;
  for (std::uint8_t i = 0; i < 100; ++i) {
    book.begin(TimePoint{}, node(i));
    book.add(TimePoint{}, node(i), StepKind::call, "asked");
  }
  EXPECT_EQ(book.size(), limits::stories);
  EXPECT_EQ(book.find(node(0)), nullptr);
  ASSERT_NE(book.find(node(99)), nullptr);
  EXPECT_EQ(book.find(node(99))->steps().size(), 1u);
  book.begin(TimePoint{}, node(99));
  EXPECT_TRUE(book.find(node(99))->steps().empty());
  EXPECT_EQ(book.size(), limits::stories);
}

TEST(StoryBook, KeepsNothingAboutWhomNobodyTalksTo) {
  StoryBook book;
  book.add(TimePoint{}, node(1), StepKind::call, "asked");
  EXPECT_EQ(book.size(), 0u);
}

}  // namespace
}  // namespace byway::story_test

#include "overlay/reach/announcement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "overlay/core/limits.h"
#include "tests/unit/overlay/cast.h"

namespace byway::announcement_test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const NodeId ana = node(1);
const NodeId bo = node(2);
const NodeId cy = node(3);

struct AnnouncementTest : testing::Test {
  Announcement announcement;
  TimePoint now = noon;

  void tell(std::uint8_t record, const std::vector<NodeId>& homes) {
    announcement.tell(now, Registration{Bytes{record}, 3}, homes);
  }
  std::vector<NodeId> told() {
    std::vector<NodeId> homes;
    while (const auto telling = announcement.poll()) homes.push_back(telling->home);
    return homes;
  }
  void wait() {
    now = *announcement.next_timeout();
    announcement.on_timeout(now);
  }
};

TEST_F(AnnouncementTest, EachHomeIsToldOnceAndWhoAnswersIsNotToldAgain) {
  tell(1, {ana, bo, cy});
  EXPECT_THAT(told(), ElementsAre(ana, bo, cy));
  for (const NodeId& home : {ana, bo, cy}) announcement.on_taken(home);
  wait();
  EXPECT_THAT(told(), IsEmpty());
  EXPECT_EQ(announcement.next_timeout(), std::nullopt);
}

TEST_F(AnnouncementTest, WhoDoesNotAnswerIsToldAgainAfterPausesThatDoubleAndThenGivenUp) {
  tell(1, {ana, bo});
  EXPECT_THAT(told(), ElementsAre(ana, bo));
  announcement.on_taken(bo);
  Duration pause = limits::announce_pause;
  for (int i = 0; i < limits::announce_repeats; ++i, pause *= 2) {
    EXPECT_EQ(announcement.next_timeout(), now + pause);
    wait();
    const auto telling = announcement.poll();
    ASSERT_TRUE(telling);
    EXPECT_EQ(telling->home, ana);
    EXPECT_TRUE(telling->again);
    EXPECT_THAT(told(), IsEmpty());
  }
  wait();
  EXPECT_THAT(told(), IsEmpty());
  EXPECT_EQ(announcement.next_timeout(), std::nullopt);
}

TEST_F(AnnouncementTest, TheAnswerToAnOlderRecordIsNotTakenForOneToTheNewer) {
  tell(1, {ana});
  EXPECT_THAT(told(), ElementsAre(ana));
  tell(2, {ana, bo});
  EXPECT_THAT(told(), ElementsAre(ana, bo));
  announcement.on_taken(ana);
  announcement.on_taken(bo);
  wait();
  EXPECT_THAT(told(), ElementsAre(ana)) << "one of the two answers is missing";
  EXPECT_EQ(announcement.registration().record, Bytes{2});
  announcement.on_taken(ana);
  wait();
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(AnnouncementTest, WhoIsNoHomeAnyMoreIsNotTold) {
  tell(1, {ana, bo});
  EXPECT_THAT(told(), ElementsAre(ana, bo));
  tell(2, {bo});
  EXPECT_THAT(told(), ElementsAre(bo));
  wait();
  EXPECT_THAT(told(), ElementsAre(bo));
  announcement.on_taken(ana);
  announcement.on_taken(cy);
}

}  // namespace
}  // namespace byway::announcement_test

#include "overlay/link/call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "overlay/core/limits.h"
#include "tests/unit/overlay/cast.h"

namespace byway::call_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using State = Call::State;

const NodeId hub = node(1), mill = node(2), inn = node(3);

std::vector<NodeId> asked(Call& call, TimePoint now) {
  std::vector<NodeId> homes;
  while (const auto home = call.poll_ask(now)) {
    homes.push_back(*home);
    if (homes.size() > 100) break;
  }
  return homes;
}

TEST(Call, HomesAreAskedOneAfterAnother) {
  Call call;
  call.start(noon, {hub, mill, inn});
  EXPECT_THAT(asked(call, noon), ElementsAre(hub));
  EXPECT_THAT(asked(call, noon + 149ms), IsEmpty());
  EXPECT_EQ(call.next_timeout(), noon + limits::home_stagger);
  EXPECT_THAT(asked(call, noon + 150ms), ElementsAre(mill));
  EXPECT_THAT(asked(call, noon + 300ms), ElementsAre(inn));
}

TEST(Call, AHomeThatIsSilentIsAskedAgainAndAgain) {
  Call call;
  call.start(noon, {hub});
  std::vector<Duration> times;
  TimePoint now = noon;
  while (call.state() == State::calling) {
    if (!asked(call, now).empty()) times.push_back(now - noon);
    call.on_timeout(now);
    const auto next = call.next_timeout();
    if (!next) break;
    ASSERT_GT(*next, now);
    now = *next;
  }
  EXPECT_EQ(now - noon, limits::call_patience);
  ASSERT_EQ(times.size(), 11u);
  EXPECT_THAT(std::vector(times.begin(), times.begin() + 4),
              ElementsAre(0ms, 500ms, 1500ms, 2500ms));
  EXPECT_EQ(call.state(), State::failed);
  EXPECT_EQ(call.why(), "no supernode answered");
}

TEST(Call, OneThatPassedItOnIsAskedAgainForTheAnswerMayBeLost) {
  Call call;
  call.start(noon, {hub});
  asked(call, noon);
  call.on_result(hub, IntroduceOutcome::passed);
  EXPECT_EQ(call.state(), State::calling);
  EXPECT_THAT(asked(call, noon + 500ms), ElementsAre(hub));
  call.on_timeout(noon + limits::call_patience);
  EXPECT_EQ(call.state(), State::failed);
  EXPECT_EQ(call.why(), "it is registered, but did not answer");
}

TEST(Call, ANoIsNotAskedTwice) {
  Call call;
  call.start(noon, {hub, mill});
  asked(call, noon);
  call.on_result(hub, IntroduceOutcome::not_here);
  EXPECT_EQ(call.state(), State::calling);
  EXPECT_THAT(asked(call, noon + 5s), ElementsAre(mill));
}

TEST(Call, WhenEverybodySaidNoItFailsAtOnce) {
  Call call;
  call.start(noon, {hub, mill});
  asked(call, noon + 1s);
  call.on_result(mill, IntroduceOutcome::busy);
  EXPECT_EQ(call.state(), State::calling);
  call.on_result(hub, IntroduceOutcome::not_here);
  EXPECT_EQ(call.state(), State::failed);
  EXPECT_EQ(call.next_timeout(), std::nullopt);
  EXPECT_THAT(asked(call, noon + 2s), IsEmpty());
}

TEST(Call, TheReasonIsTheOneThatHelpsMost) {
  const auto why = [](std::vector<IntroduceOutcome> outcomes) {
    Call call;
    std::vector<NodeId> homes;
    for (std::size_t i = 0; i < outcomes.size(); ++i) homes.push_back(node(i));
    call.start(noon, homes);
    for (std::size_t i = 0; i < outcomes.size(); ++i) call.on_result(node(i), outcomes[i]);
    return call.why();
  };
  using enum IntroduceOutcome;
  EXPECT_THAT(why({not_here}), HasSubstr("offline"));
  EXPECT_THAT(why({not_here, busy}), HasSubstr("too busy"));
  EXPECT_THAT(why({not_here, busy, quota}), HasSubstr("too many introductions"));
  EXPECT_THAT(why({not_here, busy, quota, passed}), HasSubstr("did not answer"));
  EXPECT_THAT(why({}), HasSubstr("registered at no supernode"));
}

TEST(Call, AStrangersResultChangesNothing) {
  Call call;
  call.start(noon, {hub});
  call.on_result(inn, IntroduceOutcome::not_here);
  EXPECT_EQ(call.state(), State::calling);
}

TEST(Call, AHomeGainedOnTheWayIsAskedAtOnce) {
  Call call;
  call.start(noon, {});
  EXPECT_EQ(call.state(), State::calling);
  EXPECT_THAT(asked(call, noon), IsEmpty());
  call.add_home(noon + 1s, hub);
  call.add_home(noon + 1s, hub);
  EXPECT_THAT(asked(call, noon + 1s), ElementsAre(hub));
}

TEST(Call, AHomeLostOnTheWayIsAskedNoMore) {
  Call call;
  call.start(noon, {hub, mill});
  call.on_home_lost(hub);
  EXPECT_THAT(asked(call, noon + 1s), ElementsAre(mill));
}

TEST(Call, OnceAnsweredNobodyIsAskedAnyMore) {
  Call call;
  call.start(noon, {hub, mill});
  asked(call, noon);
  call.on_answered();
  EXPECT_EQ(call.state(), State::resting);
  EXPECT_THAT(asked(call, noon + 5s), IsEmpty());
  EXPECT_EQ(call.next_timeout(), std::nullopt);
  call.on_result(hub, IntroduceOutcome::not_here);
  call.add_home(noon, inn);
  EXPECT_EQ(call.state(), State::resting);
}

}  // namespace
}  // namespace byway::call_test

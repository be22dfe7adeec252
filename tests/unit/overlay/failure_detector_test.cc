#include "overlay/mesh/failure_detector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "overlay/mesh/mesh_limits.h"
#include "tests/unit/overlay/cast.h"

namespace byway::failure_detector_test {
namespace {

using Action = FailureDetector::Action;
using testing::Contains;
using testing::Each;
using testing::Field;
using testing::IsEmpty;
using testing::Not;

const NodeId ana = node(1);
const NodeId bo = node(2);
const NodeId cy = node(3);
const NodeId dee = node(4);

// Lets time pass for a detector whose partners answer at once if they are among the living.
class Watch {
 public:
  explicit Watch(std::vector<NodeId> partners, std::uint64_t seed = 1) : detector_(Random(seed)) {
    living_.insert(partners.begin(), partners.end());
    detector_.set_partners(now_, partners);
  }

  std::vector<Action> run_for(Duration span) {
    std::vector<Action> seen;
    const TimePoint end = now_ + span;
    for (;;) {
      while (const auto action = detector_.poll_action()) {
        seen.push_back(*action);
        const bool pinged = action->kind == Action::round || action->kind == Action::ping;
        if (pinged && living_.contains(action->id)) detector_.on_alive(now_, action->id);
        if (action->kind == Action::ask && helper_)
          detector_.on_helper(now_, *helper_, action->id, helper_finds_it_);
      }
      const auto next = detector_.next_timeout();
      if (!next || *next > end) break;
      EXPECT_GT(*next, last_) << "a timeout stays in the past";
      last_ = *next - 1ns;
      now_ = std::max(now_, *next);
      detector_.on_timeout(now_);
    }
    now_ = end;
    return seen;
  }
  void dies(const NodeId& id) { living_.erase(id); }
  void recovers(const NodeId& id) { living_.insert(id); }
  void helper(const NodeId& id, bool finds_it) {
    helper_ = id;
    helper_finds_it_ = finds_it;
  }
  FailureDetector& operator*() { return detector_; }
  FailureDetector* operator->() { return &detector_; }
  TimePoint now() const { return now_; }

 private:
  TimePoint now_ = noon;
  TimePoint last_ = noon;
  FailureDetector detector_;
  std::set<NodeId> living_;
  std::optional<NodeId> helper_;
  bool helper_finds_it_ = false;
};

std::vector<NodeId> of_kind(const std::vector<Action>& actions, Action::Kind kind) {
  std::vector<NodeId> ids;
  for (const Action& action : actions)
    if (action.kind == kind) ids.push_back(action.id);
  return ids;
}

TEST(FailureDetector, EveryPartnerHasItsTurnInEveryRound) {
  Watch watch({ana, bo, cy, dee});
  const auto rounds = of_kind(watch.run_for(400s), Action::round);
  ASSERT_GE(rounds.size(), 160u);
  for (std::size_t i = 0; i + 4 <= rounds.size(); i += 4)
    EXPECT_THAT(std::vector(rounds.begin() + static_cast<std::ptrdiff_t>(i),
                            rounds.begin() + static_cast<std::ptrdiff_t>(i) + 4),
                testing::UnorderedElementsAre(ana, bo, cy, dee));
  EXPECT_EQ(watch->suspects(), 0u);
}

TEST(FailureDetector, WhoDiesIsAskedForSuspectedAndLostWithinTwentySeconds) {
  Watch watch({ana, bo, cy, dee});
  watch.run_for(10s);
  watch.dies(bo);
  watch.helper(ana, false);
  const auto seen = watch.run_for(20s);
  EXPECT_THAT(of_kind(seen, Action::ask), Contains(bo));
  EXPECT_THAT(of_kind(seen, Action::suspect), Contains(bo));
  EXPECT_THAT(of_kind(seen, Action::lost), testing::ElementsAre(bo));
  EXPECT_THAT(of_kind(seen, Action::suspect), Each(bo)) << "and nobody else";
}

TEST(FailureDetector, WhomAHelperReachesIsNotSuspected) {
  Watch watch({ana, bo, cy, dee});
  watch.dies(bo);  // for us only
  watch.helper(cy, true);
  const auto seen = watch.run_for(10min);
  EXPECT_THAT(of_kind(seen, Action::ask), Contains(bo));
  EXPECT_THAT(of_kind(seen, Action::suspect), IsEmpty());
}

TEST(FailureDetector, ASuspectThatSpeaksUpIsCleared) {
  Watch watch({ana, bo, cy, dee});
  watch.run_for(4s);
  watch.dies(bo);
  while (!watch->is_suspect(bo)) watch.run_for(100ms);
  watch.run_for(limits::suspicion - 2s);
  ASSERT_TRUE(watch->is_suspect(bo));
  watch->on_alive(watch.now(), bo);
  EXPECT_FALSE(watch->is_suspect(bo));
  watch.recovers(bo);
  EXPECT_THAT(of_kind(watch.run_for(60s), Action::lost), IsEmpty());
}

TEST(FailureDetector, ASuspicionOfOthersIsLookedIntoAtOnce) {
  Watch watch({ana, bo, cy, dee});
  watch.run_for(10s);
  watch.dies(bo);
  watch->check(watch.now(), bo);
  const auto seen = watch.run_for(limits::suspicion + 100ms);
  EXPECT_THAT(of_kind(seen, Action::ping), Contains(bo));
  EXPECT_THAT(of_kind(seen, Action::lost), testing::ElementsAre(bo));
  EXPECT_THAT(of_kind(seen, Action::suspect), Not(Contains(bo))) << "that is known already";

  watch.recovers(bo);
  watch->check(watch.now(), bo);
  EXPECT_THAT(of_kind(watch.run_for(60s), Action::lost), IsEmpty());
}

TEST(FailureDetector, WhoHearsNobodyLosesNobody) {
  Watch watch({ana, bo, cy, dee});
  watch.run_for(10s);
  for (const NodeId& id : {ana, bo, cy, dee}) watch.dies(id);
  const auto seen = watch.run_for(10min);
  EXPECT_THAT(of_kind(seen, Action::suspect), Contains(bo));
  EXPECT_THAT(of_kind(seen, Action::lost), IsEmpty());
  EXPECT_GT(watch->health(), 0);
}

TEST(FailureDetector, PoorHealthSlowsAndAnswersCure) {
  Watch watch({ana, bo, cy, dee});
  const auto well = of_kind(watch.run_for(60s), Action::round).size();
  for (int i = 0; i < 4; ++i) watch->on_suspected_ourselves();
  EXPECT_EQ(watch->health(), 4);
  const auto ill = of_kind(watch.run_for(10s), Action::round).size();
  EXPECT_LE(ill, well / 6 / 2) << "at most half as many in the same time";
  watch.run_for(60s);
  EXPECT_EQ(watch->health(), 0);
}

TEST(FailureDetector, WhoIsIllJudgesNobody) {
  Watch watch({ana, bo, cy, dee});
  watch.run_for(10s);
  watch.dies(bo);
  watch->check(watch.now(), bo);
  // Suspected by others again and again while it waits.
  for (int i = 0; i < 4; ++i) {
    for (int k = 0; k < limits::worst_health; ++k) watch->on_suspected_ourselves();
    EXPECT_THAT(of_kind(watch.run_for(limits::suspicion / 2), Action::lost), IsEmpty());
  }
}

TEST(FailureDetector, WhoIsForgottenIsNotPingedAnyMore) {
  Watch watch({ana, bo});
  watch.run_for(4s);
  watch.dies(bo);
  watch.run_for(6s);
  watch->forget(bo);
  watch->set_partners(watch.now(), {ana});
  for (const Action& action : watch.run_for(60s)) EXPECT_EQ(action.id, ana);
}

TEST(FailureDetector, WithoutPartnersThereIsNothingToWaitFor) {
  FailureDetector detector{Random(1)};
  EXPECT_FALSE(detector.next_timeout());
  detector.set_partners(noon, {ana});
  EXPECT_TRUE(detector.next_timeout());
  detector.set_partners(noon, {});
  EXPECT_FALSE(detector.next_timeout());
}

TEST(FailureDetector, SuspicionsOfManyAreBounded) {
  Watch watch({ana});
  for (std::uint64_t i = 0; i < 2 * limits::suspects; ++i) watch->check(watch.now(), node(100 + i));
  EXPECT_EQ(watch->suspects(), limits::suspects);
}

}  // namespace
}  // namespace byway::failure_detector_test

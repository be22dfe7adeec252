#include "overlay/directory/lookup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/unit/overlay/directory_cast.h"

namespace byway::lookup_test {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::SizeIs;
using Outcome = Lookup::Outcome;
using Says = Lookup::Testimony::Says;

// A town of twenty supernodes; what each says about Bo is set before he is looked for.
class LookupTest : public ::testing::Test {
 protected:
  LookupTest() { everybody_holds(bo_at({0, 1, 2}, 10)); }

  // Bo's record with these supernodes as his homes.
  RecordPtr bo_at(std::vector<std::size_t> homes, std::uint64_t sequence) {
    std::vector<NodeId> ids;
    for (const std::size_t home : homes) ids.push_back(id_of(members[home]));
    return leaf_record(1, ids, sequence);
  }
  void everybody_holds(const RecordPtr& record) {
    for (const NodeId& holder : holders) says[holder] = record;
  }
  NodeId home(std::size_t index) const { return id_of(members[index]); }

  void answer(const Lookup::Outgoing& out) {
    asked.push_back(out.to);
    if (silent.contains(out.to)) return;
    if (const auto* find = std::get_if<Find>(&out.message)) {
      const RecordPtr record = says[out.to];
      Bytes bytes = record ? to_bytes(record->exact_bytes()) : Bytes{};
      if (liars.contains(out.to)) bytes.back() ^= 1;
      lookup.on_found(now, out.to,
                      {find->number, record ? FindOutcome::known : FindOutcome::unknown, bytes});
    } else {
      const auto& locate = std::get<Locate>(out.message);
      lookup.on_located(now, out.to, {locate.number, lives_at.contains(out.to)});
    }
  }
  // Lets time pass until somebody has something to say to us, or nothing is left to wait for.
  Lookup::Finding find_bo(bool afresh = false) {
    asked.clear();
    lookup.find(now, bo, afresh);
    for (;;) {
      while (const auto out = lookup.poll_message()) {
        now += rtt;
        answer(*out);
      }
      if (auto finding = lookup.poll_finding()) return *finding;
      const auto next = lookup.next_timeout();
      if (!next) break;
      EXPECT_GT(*next + rtt, now);
      now = std::max(now, *next);
      lookup.on_timeout(now);
    }
    ADD_FAILURE() << "the search ended without a finding";
    return {};
  }
  static std::size_t count(const Lookup::Finding& finding, Says what) {
    return static_cast<std::size_t>(std::ranges::count_if(
        finding.testimonies, [&](const auto& testimony) { return testimony.says == what; }));
  }

  std::vector<RecordPtr> members = supernodes(20, 1);
  Placement placement = placement_of(members);
  Lookup lookup{placement, verified, Random(1)};
  NodeId bo = id_of(leaf_record(1, {}));
  std::vector<NodeId> holders = placement.holders(bo);
  std::map<NodeId, RecordPtr> says;
  std::set<NodeId> silent, liars;
  std::set<NodeId> lives_at{home(0)};
  std::vector<NodeId> asked;
  TimePoint now = noon;
  Duration rtt = 1ms;
};

TEST_F(LookupTest, ThreeHoldersAgreeAndTheFirstHomeHasHim) {
  const auto finding = find_bo();
  EXPECT_EQ(finding.outcome, Outcome::found);
  EXPECT_EQ(finding.home, home(0));
  EXPECT_EQ(finding.record->record().sequence, 10u);
  EXPECT_THAT(asked, ElementsAre(holders[0], holders[1], holders[2], home(0)));
  EXPECT_EQ(lookup.searches(), 0u);
  EXPECT_EQ(lookup.next_timeout(), std::nullopt);
}

TEST_F(LookupTest, OfSeveralRecordsTheNewestIsBelievedAndDisagreementBringsInEverybody) {
  lives_at = {home(3), home(5)};
  for (const std::size_t informed : {0u, 7u}) {  // whether the news is the first answer or the last
    everybody_holds(bo_at({0, 1, 2}, 10));
    says[holders[1]] = bo_at({3}, 9);
    says[holders[informed]] = bo_at({5}, 11);
    const auto finding = find_bo(true);
    EXPECT_EQ(finding.outcome, Outcome::found);
    EXPECT_EQ(finding.record->record().sequence, 11u);
    EXPECT_EQ(finding.home, home(5));
    EXPECT_EQ(count(finding, Says::record), 8u);
  }
}

TEST_F(LookupTest, UnknownIsBelievedOnlyWhenAllEightSaySo) {
  for (std::size_t i = 0; i < 7; ++i) says[holders[i]] = nullptr;
  EXPECT_EQ(find_bo().outcome, Outcome::found);
  says[holders[7]] = nullptr;
  const auto finding = find_bo(true);
  EXPECT_EQ(finding.outcome, Outcome::unknown);
  EXPECT_FALSE(finding.record);
  EXPECT_EQ(count(finding, Says::unknown), 8u);
}

TEST_F(LookupTest, SilentHoldersBringInOthersAndAHomeThatHasHimEndsIt) {
  silent = {holders[0], holders[2]};
  const auto finding = find_bo();
  EXPECT_EQ(finding.outcome, Outcome::found);
  EXPECT_EQ(finding.home, home(0));
  EXPECT_GE(count(finding, Says::record), 2u);
  EXPECT_GE(count(finding, Says::nothing), 2u);
  EXPECT_LT(now, noon + limits::answer_patience_first + 1s) << "one patience, not one for each";
}

TEST_F(LookupTest, WhereNobodyAnswersTheSearchEnds) {
  silent = {holders.begin(), holders.end()};
  EXPECT_EQ(find_bo().outcome, Outcome::unknown);
  EXPECT_THAT(asked, SizeIs(8 * limits::question_sends));
  EXPECT_LT(now, noon + 30s);
  EXPECT_EQ(lookup.next_timeout(), std::nullopt);
  EXPECT_EQ(lookup.searches(), 0u);
}

TEST_F(LookupTest, OneDeadHolderIsNoReasonToCallSomebodyUnknown) {
  for (std::size_t i = 0; i < 8; ++i) says[holders[i]] = nullptr;
  says[holders[3]] = bo_at({0}, 10);
  silent = {holders[0], holders[7]};
  EXPECT_EQ(find_bo().outcome, Outcome::found);
}

TEST_F(LookupTest, AForgedRecordIsNamedNonsenseAndAnotherHolderAsked) {
  liars = {holders[0]};
  auto finding = find_bo();
  EXPECT_EQ(finding.outcome, Outcome::found);
  EXPECT_EQ(finding.testimonies[0].says, Says::nonsense);
  EXPECT_EQ(count(finding, Says::record), 3u);

  liars.clear();
  says[holders[1]] = leaf_record(2, {home(3)}, 99);  // good, but another's
  finding = find_bo(true);
  EXPECT_EQ(finding.record->record().id, bo);
  EXPECT_EQ(count(finding, Says::nonsense), 1u);
}

TEST_F(LookupTest, AFormerHomeSaysNotHereAndTheNextIsAsked) {
  lives_at = {home(2)};
  const auto finding = find_bo();
  EXPECT_EQ(finding.outcome, Outcome::found);
  EXPECT_EQ(finding.home, home(2));
  EXPECT_EQ(count(finding, Says::not_here), 2u);
}

TEST_F(LookupTest, ADeadHomeDoesNotKeepTheNextFromBeingAsked) {
  silent = {home(0)};
  lives_at = {home(1)};
  std::erase_if(silent, [&](const NodeId& id) { return std::ranges::count(holders, id) > 0; });
  const auto finding = find_bo();
  EXPECT_EQ(finding.home, home(1));
  EXPECT_LT(now, noon + 2s);
}

TEST_F(LookupTest, WhenNobodyHasHimEverythingIsAskedOnceMore) {
  lives_at = {home(9)};
  lookup.find(now, bo);
  bool moved = false;
  std::optional<Lookup::Finding> finding;
  while (!finding) {
    const auto out = lookup.poll_message();
    ASSERT_TRUE(out);
    answer(*out);
    // His new record arrives with the holders while his old homes are being asked.
    if (std::holds_alternative<Locate>(out->message) && !moved) {
      everybody_holds(bo_at({9}, 11));
      moved = true;
    }
    finding = lookup.poll_finding();
  }
  EXPECT_EQ(finding->outcome, Outcome::found);
  EXPECT_EQ(finding->home, home(9));
  EXPECT_EQ(count(*finding, Says::not_here), 3u);
  EXPECT_EQ(count(*finding, Says::record), 6u) << "both attempts are told of";
}

TEST_F(LookupTest, WhoIsNowhereIsOfflineAndHisHomesAreAskedOnce) {
  lives_at.clear();
  const auto finding = find_bo();
  EXPECT_EQ(finding.outcome, Outcome::offline);
  EXPECT_EQ(finding.record->record().sequence, 10u);
  EXPECT_EQ(count(finding, Says::not_here), 3u);
  EXPECT_EQ(count(finding, Says::record), 6u);
}

TEST_F(LookupTest, EverybodyWhoAsksForTheSameTargetSharesOneSearch) {
  lookup.find(now, bo);
  lookup.find(now, bo);
  EXPECT_EQ(lookup.searches(), 1u);
  std::size_t questions = 0;
  while (const auto out = lookup.poll_message()) {
    ++questions;
    answer(*out);
  }
  EXPECT_EQ(questions, 4u);
  EXPECT_TRUE(lookup.poll_finding());
  EXPECT_FALSE(lookup.poll_finding());
}

TEST_F(LookupTest, WhatWasFoundIsRememberedForTenSecondsUnlessItProvesWrong) {
  find_bo();
  now += 9s;
  const auto remembered = find_bo();
  EXPECT_TRUE(remembered.remembered);
  EXPECT_EQ(remembered.home, home(0));
  EXPECT_THAT(asked, SizeIs(0));
  EXPECT_FALSE(find_bo(true).remembered);
  now += 11s;
  EXPECT_FALSE(find_bo().remembered);
}

TEST_F(LookupTest, WhereTheHomeIsLostWhatWasFoundThereIsForgotten) {
  find_bo();
  lookup.on_left(home(1));
  EXPECT_TRUE(find_bo().remembered);
  lookup.on_left(home(0));
  EXPECT_FALSE(find_bo().remembered);
}

TEST_F(LookupTest, ThatNobodyKnowsHimIsRememberedForSecondsOnly) {
  everybody_holds(nullptr);
  EXPECT_EQ(find_bo().outcome, Outcome::unknown);
  now += 4s;
  EXPECT_TRUE(find_bo().remembered);
  everybody_holds(bo_at({0}, 10));
  now += 2s;
  EXPECT_EQ(find_bo().outcome, Outcome::found);
}

TEST_F(LookupTest, AThousandFindingsAreRememberedAndNoMore) {
  placement = placement_of({});
  for (std::uint64_t i = 0; i < 2'000; ++i) {
    lookup.find(now, node(i));
    EXPECT_EQ(lookup.poll_finding()->outcome, Outcome::unknown);
  }
  EXPECT_EQ(lookup.remembered(), limits::lookups_remembered);
}

TEST_F(LookupTest, WhoWasNotAskedIsNotHeard) {
  lookup.find(now, bo);
  const auto out = lookup.poll_message();
  const auto number = std::get<Find>(out->message).number;
  const Bytes lie = to_bytes(bo_at({7}, 99)->exact_bytes());
  lookup.on_found(now, node(66), {number, FindOutcome::known, lie});
  lookup.on_found(now, out->to, {number + 1, FindOutcome::known, lie});
  lookup.on_located(now, out->to, {number, true});
  answer(*out);
  lookup.on_found(now, out->to, {number, FindOutcome::known, lie});  // a second answer
  const auto finding = find_bo();
  EXPECT_EQ(finding.record->record().sequence, 10u);
  EXPECT_EQ(finding.testimonies[0].says, Says::record) << "a holder is no home";
}

TEST_F(LookupTest, SearchesAreBoundedAndOneTooManyIsToldAtOnce) {
  for (std::uint64_t i = 0; i < limits::lookups_at_once; ++i) lookup.find(now, node(i));
  EXPECT_FALSE(lookup.poll_finding());
  lookup.find(now, bo);
  const auto finding = lookup.poll_finding();
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->target, bo);
  EXPECT_EQ(finding->outcome, Outcome::busy);
  lookup.give_up(node(3));
  lookup.find(now, bo);
  EXPECT_EQ(lookup.searches(), limits::lookups_at_once);
}

TEST_F(LookupTest, PatienceFollowsTheMeasuredRoundTrips) {
  EXPECT_EQ(lookup.patience(), limits::answer_patience_first);
  for (int i = 0; i < 20; ++i) find_bo(true);
  EXPECT_EQ(lookup.patience(), limits::answer_patience_least);
  rtt = 200ms;  // one after the other: the fourth takes 800 ms
  for (int i = 0; i < 40; ++i) find_bo(true);
  EXPECT_GT(lookup.patience(), 500ms);
  EXPECT_LE(lookup.patience(), limits::answer_patience_most);
}

TEST_F(LookupTest, WhatCannotBeDeliveredIsNotWaitedFor) {
  lookup.find(now, bo);
  std::optional<Lookup::Finding> finding;
  while (const auto out = lookup.poll_message()) {
    if (out->to == holders[0] ||
        (out->to == home(0) && std::holds_alternative<Locate>(out->message)))
      lookup.on_unsent(now, out->message);
    else
      answer(*out);
    lives_at = {home(1)};
    if (!finding) finding = lookup.poll_finding();
  }
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->home, home(1));
  EXPECT_EQ(lookup.next_timeout(), std::nullopt);
}

TEST_F(LookupTest, TheDiagnosisTellsWhoSaidWhatAndWhen) {
  rtt = 10ms;
  silent = {holders[1]};
  const auto finding = find_bo();
  EXPECT_THAT(finding.testimonies, SizeIs(5));
  const auto& first = finding.testimonies[0];
  EXPECT_EQ(first.by, holders[0]);
  EXPECT_EQ(first.says, Says::record);
  EXPECT_EQ(first.sequence, 10u);
  EXPECT_EQ(first.answered - first.asked, 10ms);
  EXPECT_EQ(finding.testimonies[1].says, Says::nothing);
  EXPECT_TRUE(finding.testimonies[4].as_home);
  EXPECT_EQ(finding.testimonies[4].says, Says::here);
}

TEST_F(LookupTest, ANetworkOfOneOrTwoIsAskedWhollyAndOfNoneNotAtAll) {
  for (const std::size_t size : {0u, 1u, 2u}) {
    members = supernodes(size, 1);
    placement = placement_of(members);
    holders = placement.holders(bo);
    says.clear();
    if (size > 0) {
      lives_at = {home(0)};
      everybody_holds(bo_at({0}, 10));
    }
    const auto finding = find_bo(true);
    EXPECT_EQ(finding.outcome, size ? Outcome::found : Outcome::unknown);
    EXPECT_EQ(count(finding, Says::record), size);
  }
}

}  // namespace
}  // namespace byway::lookup_test

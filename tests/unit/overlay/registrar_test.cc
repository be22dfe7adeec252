#include "overlay/reach/registrar.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "overlay/core/limits.h"
#include "protocol/random.h"
#include "tests/unit/overlay/directory_cast.h"

namespace byway::registrar_test {
namespace {

Registration wish(int seeking) {
  return {.record = {}, .seeking = static_cast<std::uint8_t>(seeking)};
}
bool welcome(const Registrar& registrar, const NodeId& leaf, int seeking) {
  return std::holds_alternative<Registered>(registrar.judge(leaf, wish(seeking)));
}
// A house with so many leaves in it.
Registrar house(std::size_t max, std::uint64_t leaves) {
  Registrar registrar(max);
  for (std::uint64_t i = 0; i < leaves; ++i) registrar.admit(noon, node(i), nullptr);
  return registrar;
}

TEST(Registrar, AWishIsAnsweredWithTheLeaseAndNothingIsKeptYet) {
  const Registrar registrar(10);
  const auto answer = registrar.judge(node(1), wish(1));
  ASSERT_TRUE(std::holds_alternative<Registered>(answer));
  EXPECT_EQ(std::get<Registered>(answer).lease_s, limits::lease / 1s);
  EXPECT_EQ(registrar.size(), 0u);
  EXPECT_FALSE(registrar.has(node(1)));
}

TEST(Registrar, WhoHasNoHomeIsTakenBeyondTheLimitAndWhoSeeksAnotherBelowIt) {
  EXPECT_TRUE(welcome(house(10, 8), node(99), 2));
  EXPECT_FALSE(welcome(house(10, 9), node(99), 2));
  EXPECT_FALSE(welcome(house(10, 9), node(99), 3));
  EXPECT_TRUE(welcome(house(10, 12), node(99), 1));
  EXPECT_FALSE(welcome(house(10, 13), node(99), 1));
}

TEST(Registrar, BusyComesWithATimeToTryAgain) {
  const auto answer = house(10, 13).judge(node(99), wish(1));
  ASSERT_TRUE(std::holds_alternative<Refusal>(answer));
  EXPECT_EQ(std::get<Refusal>(answer).reason, RefusalReason::busy);
  EXPECT_GT(std::get<Refusal>(answer).retry_s, 0u);
}

TEST(Registrar, WhoLivesHereIsNeverPutOut) {
  const Registrar full = house(10, 13);
  EXPECT_TRUE(welcome(full, node(0), 1));
  EXPECT_TRUE(welcome(full, node(0), 3));
}

TEST(Registrar, WhoIsHeardOfStaysAndWhoIsSilentIsForgottenAfterItsLease) {
  Registrar registrar = house(10, 2);
  registrar.on_heard_from(noon + 60s, node(0));
  EXPECT_EQ(registrar.poll_expired(noon + limits::lease - 1ms), std::nullopt);
  EXPECT_EQ(registrar.poll_expired(noon + limits::lease), node(1));
  EXPECT_EQ(registrar.poll_expired(noon + limits::lease), std::nullopt);
  EXPECT_TRUE(registrar.has(node(0)));
  EXPECT_FALSE(registrar.has(node(1)));
  EXPECT_EQ(registrar.next_timeout(), noon + 60s + limits::lease);
  EXPECT_EQ(registrar.poll_expired(noon + 60s + limits::lease), node(0));
  EXPECT_EQ(registrar.next_timeout(), std::nullopt);
}

TEST(Registrar, RegisteringAgainRenewsTheLeaseAndCountsOnce) {
  Registrar registrar = house(10, 1);
  registrar.admit(noon + 80s, node(0), nullptr);
  EXPECT_EQ(registrar.size(), 1u);
  EXPECT_EQ(registrar.poll_expired(noon + limits::lease), std::nullopt);
  EXPECT_EQ(registrar.poll_expired(noon + 80s + limits::lease), node(0));
}

// The row of leaves, beside a list that is searched.
TEST(Registrar, WhoeverWasSilentLongestGoesFirstWhateverHappenedBefore) {
  Random random{7};
  Registrar registrar(1000);
  std::map<NodeId, TimePoint> heard;
  TimePoint now = noon;
  for (int i = 0; i < 5000; ++i) {
    now += 1ms;
    const NodeId leaf = node(random.below(40));
    if (random.chance(0.4)) {
      registrar.admit(now, leaf, nullptr);
      heard[leaf] = now;
    } else if (random.chance(0.5)) {
      registrar.on_heard_from(now, leaf);
      if (const auto known = heard.find(leaf); known != heard.end()) known->second = now;
    } else {
      registrar.remove(leaf);
      heard.erase(leaf);
    }
    ASSERT_EQ(registrar.size(), heard.size());
    const auto first =
        std::min_element(heard.begin(), heard.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    ASSERT_EQ(registrar.next_timeout(),
              first == heard.end() ? std::nullopt : std::optional(first->second + limits::lease));
  }
  std::vector<NodeId> ids = registrar.ids();
  std::sort(ids.begin(), ids.end());
  ASSERT_TRUE(std::equal(ids.begin(), ids.end(), heard.begin(), heard.end(),
                         [](const NodeId& id, const auto& known) { return id == known.first; }));
  for (TimePoint last{}; const auto gone = registrar.poll_expired(now + limits::lease);) {
    EXPECT_GE(heard.at(*gone), std::exchange(last, heard.at(*gone)));
    heard.erase(*gone);
  }
  EXPECT_TRUE(heard.empty());
}

TEST(Registrar, WhoLeftIsGoneAndExpiresNoMore) {
  Registrar registrar = house(10, 1);
  registrar.remove(node(0));
  registrar.on_heard_from(noon + 1s, node(0));
  EXPECT_EQ(registrar.size(), 0u);
  EXPECT_EQ(registrar.next_timeout(), std::nullopt);
  EXPECT_EQ(registrar.poll_expired(noon + 1h), std::nullopt);
}

TEST(Registrar, WhoseHomeItWasIsFoundAmongAllWhateverHappenedBefore) {
  Random random(9);
  Registrar registrar(1000);
  std::map<NodeId, std::vector<NodeId>> homes;  // as the records said
  for (int step = 0; step < 3000; ++step) {
    const std::uint64_t number = random.below(60);
    const RecordPtr record =
        leaf_record(number, {node(1000 + random.below(20)), node(1000 + random.below(20))},
                    std::uint64_t(step));
    if (random.below(3) == 0) {
      registrar.remove(id_of(record));
      homes.erase(id_of(record));
    } else {
      registrar.admit(noon, id_of(record), record);
      homes[id_of(record)] = record->record().homes;
    }
    if (step % 50 != 0) continue;
    const NodeId home = node(1000 + random.below(20));
    std::set<NodeId> expected, found;
    for (const auto& [leaf, its] : homes)
      if (std::ranges::count(its, home) > 0) expected.insert(leaf);
    registrar.each_with_home(home, [&](const NodeId& leaf) { return found.insert(leaf).second; });
    ASSERT_EQ(found, expected) << "after " << step;
  }
}

TEST(Registrar, WhoHasSeenEnoughOfAHomesLeavesIsShownNoMore) {
  Registrar registrar(10);
  for (std::uint64_t i = 0; i < 5; ++i) {
    const RecordPtr record = leaf_record(i, {node(1000)}, 1);
    registrar.admit(noon, id_of(record), record);
  }
  int seen = 0;
  registrar.each_with_home(node(1000), [&](const NodeId&) { return ++seen < 2; });
  EXPECT_EQ(seen, 2);
}

}  // namespace
}  // namespace byway::registrar_test

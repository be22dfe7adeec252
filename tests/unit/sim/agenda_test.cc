#include "tools/sim/agenda.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <queue>

#include "protocol/random.h"

namespace byway::sim::agenda_test {
namespace {

using testing::ElementsAre;

struct Entry {
  TimePoint at;
  std::uint64_t order;
};
struct Later {
  bool operator()(const Entry& a, const Entry& b) const {
    return a.at != b.at ? a.at > b.at : a.order > b.order;
  }
};

std::vector<std::uint64_t> all_of(Agenda<Entry>& agenda) {
  std::vector<std::uint64_t> orders;
  while (!agenda.empty()) orders.push_back(agenda.pop().order);
  return orders;
}

TEST(Agenda, WhatWasPutInFirstComesFirstAtEqualTimes) {
  Agenda<Entry> agenda;
  const TimePoint noon = TimePoint{} + 12h;
  agenda.push({noon + 1ms, 1});
  agenda.push({noon, 2});
  agenda.push({noon, 3});
  agenda.push({noon + 1ms, 4});
  EXPECT_THAT(all_of(agenda), ElementsAre(2, 3, 1, 4));
}

TEST(Agenda, AnHourAwayIsAsGoodAsNow) {
  Agenda<Entry> agenda;
  agenda.push({TimePoint{} + 3h, 1});
  agenda.push({TimePoint{} + 2h, 2});
  agenda.push({TimePoint{} + 2h + 5s, 3});
  EXPECT_EQ(agenda.front().order, 2u);
  // The next one is known, and something comes up before it.
  agenda.push({TimePoint{} + 1h, 4});
  EXPECT_THAT(all_of(agenda), ElementsAre(4, 2, 3, 1));
}

TEST(Agenda, WhatComesSoonIsKnownInOrder) {
  Agenda<Entry> agenda;
  for (std::uint64_t order = 0; order < 4; ++order)
    agenda.push({TimePoint{} + 1h + std::chrono::nanoseconds{100 - order}, order});
  agenda.pop();
  std::vector<std::uint64_t> soon;
  agenda.front();
  for (const Entry& entry : agenda.soon()) soon.push_back(entry.order);
  EXPECT_THAT(soon, ElementsAre(2, 1, 0));
}

TEST(Agenda, TellsTheSameStoryAsAHeap) {
  Random random(7);
  Agenda<Entry> agenda;
  std::priority_queue<Entry, std::vector<Entry>, Later> heap;
  TimePoint now = TimePoint{} + 2h;
  std::uint64_t order = 0;
  const auto add = [&] {
    const Duration spans[] = {Duration{1}, 1us, 3ms, 80ms, 9s, 2min};
    const Entry entry{now + random.upto(spans[random.below(std::size(spans))]), order++};
    agenda.push(entry);
    heap.push(entry);
  };
  for (int i = 0; i < 100; ++i) add();
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_EQ(agenda.front().order, heap.top().order);
    now = agenda.pop().at;
    heap.pop();
    for (std::uint64_t more = random.below(3); more > 0; --more) add();
    if (heap.empty()) add();
  }
}

}  // namespace
}  // namespace byway::sim::agenda_test

#include "overlay/link/birthday.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "overlay/link/hard_limits.h"
#include "tests/unit/overlay/cast.h"

namespace byway::birthday_test {
namespace {

// Runs a machine until it has nothing more to do, and tells when it did what.
template <class Machine, class Poll>
auto run(const Machine& machine, Poll poll) {
  std::vector<std::pair<Duration, std::decay_t<decltype(*poll(noon))>>> all;
  TimePoint now = noon;
  for (int steps = 0; steps < 100'000; ++steps) {
    while (const auto what = poll(now)) all.push_back({now - noon, *what});
    const auto next = machine.next_timeout();
    if (!next) return all;
    EXPECT_GT(*next, now) << "a deadline in the past that nothing resolves";
    if (*next <= now) return all;
    now = *next;
  }
  ADD_FAILURE() << "without end";
  return all;
}

TEST(Birthday, EverySocketKnocksOnceInEachWave) {
  Random random(1);
  Openers openers;
  openers.start(noon, 256, {{0ms, 4}, {250ms, 8}, {1s, 0}}, {64, 4ms}, random);
  const auto all = run(openers, [&](TimePoint now) { return openers.poll(now); });
  ASSERT_EQ(all.size(), 3u * 256);
  EXPECT_EQ(openers.sent(), all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& [when, knock] = all[i];
    EXPECT_EQ(knock.socket, i % 256);
    EXPECT_EQ(knock.hops, i < 256 ? 4 : i < 512 ? 8 : 0);
    EXPECT_EQ(knock.nonce, all[knock.socket].second.nonce);
  }
  EXPECT_EQ(all[63].first, 0ms);
  EXPECT_EQ(all[64].first, 4ms) << "never all at once";
  EXPECT_EQ(all[256].first, 250ms);
}

TEST(Birthday, OnlyTheSocketThatAskedIsAnswered) {
  Random random(2);
  Openers openers;
  EXPECT_FALSE(openers.is_answer(0, 0)) << "nobody has asked";
  openers.start(noon, 2, {{0ms, 0}}, {64, 4ms}, random);
  const auto first = openers.poll(noon), second = openers.poll(noon);
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(openers.is_answer(0, first->nonce));
  EXPECT_FALSE(openers.is_answer(1, first->nonce));
  EXPECT_FALSE(openers.is_answer(2, second->nonce));
  EXPECT_FALSE(openers.next_timeout());
}

TEST(Birthday, FiveHundredProbesASecondAndNoneTwice) {
  Random random(3);
  Probes probes;
  probes.start(noon, ports_by_chance(1024, 65'535, 1750, random), {5, 10ms});
  const auto all = run(probes, [&](TimePoint now) { return probes.poll(now, random); });
  ASSERT_EQ(all.size(), 1750u);
  std::set<std::uint16_t> ports;
  for (const auto& [when, probe] : all) {
    EXPECT_GE(probe.port, 1024);
    ports.insert(probe.port);
  }
  EXPECT_EQ(ports.size(), 1750u);
  EXPECT_EQ(all[500].first, 1s);
  EXPECT_EQ(all.back().first, 3490ms);
}

TEST(Birthday, ALateWakeUpIsMadeGoodButNotInOneHeap) {
  Random random(4);
  Probes probes;
  probes.start(noon, ports_by_chance(1024, 65'535, 1750, random), {5, 10ms});
  while (probes.poll(noon, random)) {
  }
  int after = 0;
  while (probes.poll(noon + 1s, random)) ++after;
  EXPECT_LE(after, 25);
}

TEST(Birthday, AnAnswerCountsOnlyFromThePortThatWasAsked) {
  Random random(5);
  Probes probes;
  probes.start(noon, {4000, 4001, 4000}, {1, 10ms});
  const auto first = probes.poll(noon, random);
  const auto second = probes.poll(noon + 10ms, random);
  const auto third = probes.poll(noon + 20ms, random);
  ASSERT_TRUE(first && second && third);
  EXPECT_EQ(probes.asked_at(4000, first->nonce), noon);
  EXPECT_EQ(probes.asked_at(4000, third->nonce), noon + 20ms);
  EXPECT_FALSE(probes.asked_at(4001, first->nonce));
  EXPECT_FALSE(probes.asked_at(4000, first->nonce + 1));
  EXPECT_TRUE(probes.has_asked(4001));
  EXPECT_FALSE(probes.has_asked(4002));
}

TEST(Birthday, WhatIsKnownBetterGoesFirstAndThrice) {
  Random random(6);
  Probes probes;
  probes.start(noon, {5000, 5001, 5002}, {16, 80ms});
  EXPECT_EQ(probes.poll(noon, random)->port, 5000);
  probes.hurry(noon, {6000, 6001});
  std::vector<std::uint16_t> order;
  while (const auto probe = probes.poll(noon, random)) order.push_back(probe->port);
  EXPECT_THAT(order, ::testing::ElementsAre(6000, 6001, 6000, 6001, 6000, 6001, 5001, 5002));
}

TEST(Birthday, ABlockIsTriedFromWithinOutward) {
  Random random(7);
  const auto ports = ports_of_block(20'000, 20'400, random);
  ASSERT_EQ(ports.size(), limits::hard::birthday_probes);
  EXPECT_EQ(std::set(ports.begin(), ports.end()).size(), ports.size());
  for (std::size_t i = 0; i < 401; ++i) {
    EXPECT_GE(ports[i], 20'000);
    EXPECT_LE(ports[i], 20'400);
  }
  EXPECT_EQ(ports[401], 20'401);
  EXPECT_EQ(ports[402], 19'999);
  // Whatever a stranger calls a block.
  for (const auto& [first, last] : {std::pair{1, 65'535}, {65'535, 65'535}, {1, 1}, {1024, 1024}})
    for (const std::uint16_t port : ports_of_block(static_cast<std::uint16_t>(first),
                                                   static_cast<std::uint16_t>(last), random))
      EXPECT_NE(port, 0);
}

// The figures that the numbers were chosen by.
TEST(Birthday, TheOddsAreAsTheParadoxSays) {
  Random random(8);
  std::vector<int> needed;
  for (int times = 0; times < 2'000; ++times) {
    const auto open = ports_by_chance(1024, 65'535, limits::hard::birthday_sockets, random);
    const std::set<std::uint16_t> mapped(open.begin(), open.end());
    const auto tried = ports_by_chance(1024, 65'535, limits::hard::birthday_probes, random);
    const auto hit = std::find_if(tried.begin(), tried.end(),
                                  [&](std::uint16_t port) { return mapped.contains(port); });
    needed.push_back(static_cast<int>(hit - tried.begin()));
  }
  std::sort(needed.begin(), needed.end());
  EXPECT_NEAR(needed[1'000], 174, 25);
  EXPECT_NEAR(needed[1'980], 1'150, 200);
  EXPECT_LE(needed.end() - std::lower_bound(needed.begin(), needed.end(), 1'750), 8)
      << "not found: one in a thousand";
}

}  // namespace
}  // namespace byway::birthday_test

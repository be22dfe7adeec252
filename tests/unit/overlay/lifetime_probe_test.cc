#include "overlay/reach/lifetime_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "overlay/reach/nat_limits.h"
#include "tests/unit/overlay/cast.h"

namespace byway::lifetime_probe_test {
namespace {

namespace nat = limits::nat;

const NodeId hub = node(1);
const Endpoint outside = at("198.51.100.7:4001");

// A probe, a NAT that forgets after `lifetime`, and a supernode that does what it is asked.
struct Story {
  Duration lifetime = 45s;
  bool hub_answers = true;
  bool late_is_lost = false;
  int lost = 0;  // of the late ones, the first of all

  Sockets sockets;
  LifetimeProbe probe{sockets, Random(1)};
  TimePoint now = noon;
  TimePoint last_out{};
  int packets = 0;
  int tests = 0;

  Story() { probe.begin(now, hub, at("203.0.113.1:7000")); }

  void answer(const NatAsk& ask) {
    ++packets;
    if (const auto* look = std::get_if<Look>(&ask.message)) {
      last_out = now;
      ++tests;
      if (!hub_answers) return;
      EXPECT_TRUE(probe.on_sighting(now, hub, ask.socket, {look->id, outside, 0, Tag{7}}));
      return;
    }
    const auto& late = std::get<TryLate>(ask.message);
    EXPECT_EQ(late.target, outside);
    EXPECT_EQ(late.ticket, Tag{7});
    if (!hub_answers) return;
    EXPECT_TRUE(probe.on_sighting(now, hub, main_socket, {late.id, outside, 0, {}}));
    if (now - last_out >= lifetime || late_is_lost) return;
    if (lost > 0) {
      --lost;
      return;
    }
    probe.on_arrival(now, *spare, late.nonce);
  }
  bool run(Duration limit) {
    const TimePoint end = now + limit;
    while (!probe.known()) {
      const auto next = probe.next_timeout();
      if (!next || *next > end) return false;
      now = std::max(now, *next);
      probe.on_timeout(now);
      while (const auto order = sockets.poll(true))
        if (const auto* open = std::get_if<OpenSocket>(&*order)) spare = open->id;
      while (const auto ask = probe.poll_ask(now)) answer(*ask);
    }
    return true;
  }
  std::optional<SocketId> spare;
};

TEST(LifetimeProbe, HalvesItsWayToTheLifetime) {
  Story story;
  ASSERT_TRUE(story.run(30min));
  EXPECT_LE(story.probe.alive(), story.lifetime);
  EXPECT_GE(story.probe.alive(), story.lifetime - 6s);
  EXPECT_LE(story.packets, 40);
  EXPECT_EQ(story.sockets.size(), 0u);
}

TEST(LifetimeProbe, GoesNoFurtherThanItMatters) {
  Story story;
  story.lifetime = 1h;
  ASSERT_TRUE(story.run(30min));
  EXPECT_EQ(story.probe.alive(), nat::lifetime_most);
  EXPECT_EQ(story.tests, 4);  // 30, 60, 120 and 180 s
}

TEST(LifetimeProbe, TwoThatWereLostSayNothingAboutTheNat) {
  Story story;
  story.lifetime = 1h;
  story.lost = 2;
  ASSERT_TRUE(story.run(30min));
  EXPECT_EQ(story.probe.alive(), nat::lifetime_most);
  EXPECT_EQ(story.lost, 0);
}

TEST(LifetimeProbe, ASilentSupernodeTellsNothing) {
  Story story;
  story.hub_answers = false;
  EXPECT_FALSE(story.run(10min));
  EXPECT_EQ(story.probe.alive(), Duration{});
  EXPECT_EQ(story.probe.dead(), std::nullopt);
  EXPECT_GT(story.tests, 3);
  EXPECT_LE(story.packets, 50);
}

TEST(LifetimeProbe, RestsBeforeItBegins) {
  Story story;
  EXPECT_FALSE(story.run(10s));
  EXPECT_EQ(story.packets, 0);
}

TEST(LifetimeProbe, ASocketThatCannotBeHadIsTriedAgainLater) {
  Story story;
  story.run(nat::lifetime_start * 2);
  ASSERT_TRUE(story.spare);
  story.sockets.on_failed(*story.spare);
  EXPECT_TRUE(story.probe.on_socket_failed(story.now, *story.spare));
  EXPECT_TRUE(story.run(30min));
}

TEST(LifetimeProbe, OnlyItsOwnNonceOnItsOwnSocketCounts) {
  Story story;
  story.late_is_lost = true;
  story.run(nat::lifetime_start * 2 + nat::lifetime_first + 100ms);
  ASSERT_TRUE(story.spare);
  EXPECT_FALSE(story.probe.on_arrival(story.now, *story.spare, ProofNonce{}));
  EXPECT_EQ(story.probe.alive(), Duration{});
}

}  // namespace
}  // namespace byway::lifetime_probe_test

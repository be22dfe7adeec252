#include "overlay/reach/nat_behaviour.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "overlay/reach/nat_limits.h"
#include "protocol/random.h"
#include "tests/unit/overlay/cast.h"

namespace byway::nat_behaviour_test {
namespace {

namespace nat = limits::nat;

std::vector<MappedPort> seen_as(std::initializer_list<int> ports) {
  std::vector<MappedPort> samples;
  for (const int port : ports) samples.push_back({50'000, static_cast<std::uint16_t>(port)});
  return samples;
}

// --- mapping ---

TEST(JudgeMapping, TheSameEverywhereIsEndpointIndependent) {
  const Endpoint x = at("198.51.100.7:4001");
  EXPECT_EQ(judge_mapping({x, x, x}), Behaviour::endpoint_independent);
  EXPECT_EQ(judge_mapping({x, {}, x}), Behaviour::endpoint_independent);
}

TEST(JudgeMapping, AnotherForTheOtherPortIsByAddressAndPort) {
  const Endpoint x = at("198.51.100.7:4001"), y = at("198.51.100.7:4002");
  EXPECT_EQ(judge_mapping({x, y, {}}), Behaviour::address_port_dependent);
  EXPECT_EQ(judge_mapping({x, y, y}), Behaviour::address_port_dependent);
}

TEST(JudgeMapping, AnotherForTheOtherAddressOnlyIsByAddress) {
  const Endpoint x = at("198.51.100.7:4001"), y = at("198.51.100.7:4002");
  EXPECT_EQ(judge_mapping({x, x, y}), Behaviour::address_dependent);
}

TEST(JudgeMapping, WhoOnlyKnowsThatItDependsExpectsTheWorst) {
  const Endpoint x = at("198.51.100.7:4001"), y = at("198.51.100.7:4002");
  EXPECT_EQ(judge_mapping({x, {}, y}), Behaviour::address_port_dependent);
}

TEST(JudgeMapping, OneSightAloneLeavesItOpen) {
  const Endpoint x = at("198.51.100.7:4001");
  EXPECT_EQ(judge_mapping({}), Behaviour::unknown);
  EXPECT_EQ(judge_mapping({x, x, {}}), Behaviour::unknown);
  EXPECT_EQ(judge_mapping({x, {}, {}, true}), Behaviour::none);
}

// --- filtering ---

TEST(JudgeFiltering, WhatArrivesProvesAndWhatDoesNotOnlyIfItWasSent) {
  EXPECT_EQ(judge_filtering({{}, true}), Behaviour::endpoint_independent);
  EXPECT_EQ(judge_filtering({false, true}), Behaviour::endpoint_independent);
  EXPECT_EQ(judge_filtering({true, false}), Behaviour::address_dependent);
  EXPECT_EQ(judge_filtering({false, false}), Behaviour::address_port_dependent);
  EXPECT_EQ(judge_filtering({false, {}}), Behaviour::address_port_dependent);
  EXPECT_EQ(judge_filtering({true, {}}), Behaviour::unknown);
  EXPECT_EQ(judge_filtering({{}, false}), Behaviour::unknown);
  EXPECT_EQ(judge_filtering({}), Behaviour::unknown);
}

// --- ports ---

TEST(JudgePorts, KeptByThreeIsNoChance) {
  const std::vector<MappedPort> kept{{5001, 5001}, {5002, 5002}, {5003, 5003}};
  EXPECT_EQ(judge_ports(kept), (PortVerdict{.ports = Ports::preserved, .sure = true}));
  EXPECT_FALSE(judge_ports(std::span(kept).first(2)).sure);
}

TEST(JudgePorts, OnePortThatWasTakenDoesNotHideThatTheOthersAreKept) {
  std::vector<MappedPort> kept{{5001, 5001}, {5002, 33'017}, {5003, 5003}};
  EXPECT_FALSE(judge_ports(kept).sure);
  kept.push_back({5004, 5004});
  kept.push_back({5005, 5005});
  EXPECT_EQ(judge_ports(kept), (PortVerdict{.ports = Ports::preserved, .sure = true}));
}

TEST(JudgePorts, FiveInARowAreSequential) {
  EXPECT_EQ(judge_ports(seen_as({4001, 4002, 4003, 4004, 4005})),
            (PortVerdict{.ports = Ports::sequential, .delta = 1, .sure = true}));
  EXPECT_EQ(judge_ports(seen_as({4008, 4006, 4004, 4002, 4000})),
            (PortVerdict{.ports = Ports::sequential, .delta = -2, .sure = true}));
  EXPECT_FALSE(judge_ports(seen_as({4001, 4002, 4003, 4004})).sure);
}

TEST(JudgePorts, OthersFlowsInBetweenMakeAStepAMultiple) {
  EXPECT_EQ(judge_ports(seen_as({4000, 4002, 4008, 4010, 4012})),
            (PortVerdict{.ports = Ports::sequential, .delta = 2, .sure = true}));
}

TEST(JudgePorts, TheRangeBeginsAnewOnce) {
  EXPECT_EQ(judge_ports(seen_as({44'094, 44'095, 40'000, 40'001, 40'002})),
            (PortVerdict{.ports = Ports::sequential, .delta = 1, .sure = true}));
  EXPECT_EQ(judge_ports(seen_as({65'534, 65'535, 0, 1, 2})),
            (PortVerdict{.ports = Ports::sequential, .delta = 1, .sure = true}));
}

TEST(JudgePorts, FarApartIsRandomAfterFive) {
  EXPECT_EQ(judge_ports(seen_as({1030, 50'000, 20'000, 61'234, 9'999})),
            (PortVerdict{.ports = Ports::random, .sure = true}));
}

// --- how many samples a verdict needs ---

// Draws samples as `draw` gives them and counts how often a verdict is sure and wrong.
template <class Draw, class Right>
int mistakes(int tries, std::size_t count, Draw draw, Right right) {
  int wrong = 0;
  for (int i = 0; i < tries; ++i) {
    std::vector<MappedPort> samples;
    for (std::size_t k = 0; k < count; ++k)
      samples.push_back({50'000, static_cast<std::uint16_t>(draw(i, k))});
    const PortVerdict verdict = judge_ports(samples);
    if (verdict.sure && !right(verdict)) ++wrong;
  }
  return wrong;
}

TEST(JudgePorts, FiveRandomPortsAreHardlyEverTakenForAnythingElse) {
  Random random(1);
  const auto draw = [&](int, std::size_t) { return 1024 + random.below(64'512); };
  EXPECT_LE(mistakes(50'000, nat::samples_told, draw,
                     [](const PortVerdict& v) { return v.ports == Ports::random; }),
            2);
}

TEST(JudgePorts, TenPortsOfABlockTellItsSizeButForOnceInHundreds) {
  Random random(2);
  for (const std::uint64_t size : {128u, 512u, 1024u, 2048u, 4096u}) {
    std::uint64_t base = 0;
    const auto draw = [&](int, std::size_t k) {
      if (k == 0) base = 1024 + size * random.below(64'512 / size);
      return base + random.below(size);
    };
    const auto right = [&](const PortVerdict& v) {
      return v.ports == Ports::block && v.block_size == size;
    };
    EXPECT_LE(mistakes(5000, nat::samples_sized, draw, right), 5000 / 200) << size;
  }
}

TEST(JudgePorts, FewerThanTenPortsOfABlockAreNotSure) {
  Random random(3);
  for (std::size_t count = 3; count < nat::samples_sized; ++count) {
    std::vector<MappedPort> samples;
    for (std::size_t k = 0; k < count; ++k)
      samples.push_back({50'000, static_cast<std::uint16_t>(8192 + random.below(2048))});
    EXPECT_FALSE(judge_ports(samples).sure) << count;
  }
}

TEST(JudgePorts, ATinyBlockIsHardlyTakenForSteps) {
  Random random(4);
  const auto draw = [&](int, std::size_t) { return 8192 + random.below(64); };
  const auto right = [](const PortVerdict& v) { return v.ports == Ports::block; };
  EXPECT_LE(mistakes(5000, nat::samples_told, draw, right), 5000 / 100);
  EXPECT_LE(mistakes(5000, nat::samples_sized, draw, right), 2);
}

// A household's twenty flows a second, and what a carrier may have: up to eight between two of
// ours.
TEST(JudgePorts, StepsAreSeenThroughOthersTraffic) {
  Random random(5);
  for (const int delta : {1, 2, 4, -1}) {
    int unsure = 0;
    for (int i = 0; i < 500; ++i) {
      std::vector<MappedPort> samples;
      int port = 30'000;
      for (std::size_t k = 0; k < nat::samples_sized; ++k) {
        samples.push_back({50'000, static_cast<std::uint16_t>(port)});
        port += delta * static_cast<int>(1 + (random.chance(0.3) ? random.below(8) : 0));
      }
      const PortVerdict verdict = judge_ports(samples);
      if (!verdict.sure) ++unsure;
      ASSERT_EQ(verdict.ports, Ports::sequential);
      EXPECT_EQ(verdict.delta, delta);
    }
    EXPECT_EQ(unsure, 0);
  }
}

}  // namespace
}  // namespace byway::nat_behaviour_test

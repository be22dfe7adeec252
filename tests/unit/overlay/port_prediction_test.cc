#include "overlay/link/port_prediction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "overlay/link/hard_limits.h"
#include "protocol/random.h"
#include "tests/unit/overlay/cast.h"

namespace byway::port_prediction_test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;

std::vector<PortSample> sampled(std::vector<int> ports, Duration apart = 100us) {
  std::vector<PortSample> samples;
  for (const int port : ports)
    samples.push_back({static_cast<std::uint16_t>(port), noon + apart * samples.size()});
  return samples;
}

// --- what kind of NAT -----------------------------------------------------------------------

TEST(PortPrediction, ANatThatCountsIsKnownByItsStep) {
  struct Case {
    std::vector<int> ports;
    int delta;
  };
  for (const Case& c :
       {Case{{40000, 40001, 40002, 40003, 40004, 40005}, 1}, Case{{40000, 40002, 40004, 40006}, 2},
        Case{{40000, 39996, 39992, 39988, 39984}, -4},
        // others' mappings in between
        Case{{40000, 40001, 40003, 40004, 40006, 40007}, 1},
        Case{{40000, 40004, 40012, 40016, 40020, 40028}, 4},
        // one answer is missing
        Case{{40000, 40001, 40003, 40004}, 1},
        // the counter has begun anew
        Case{{44093, 44094, 44095, 40000, 40001, 40002}, 1},
        Case{{65533, 65534, 65535, 1024, 1025, 1026}, 1}}) {
    const PortForecast seen = forecast(sampled(c.ports));
    EXPECT_EQ(seen.ports, Ports::sequential) << c.ports[0];
    EXPECT_EQ(seen.delta, c.delta) << c.ports[0];
    EXPECT_EQ(seen.last, c.ports.back());
  }
}

TEST(PortPrediction, StrangersMappingsAreCounted) {
  EXPECT_EQ(forecast(sampled({40000, 40001, 40002, 40003})).others, 0);
  EXPECT_EQ(forecast(sampled({40000, 40002, 40003, 40006})).others, 3);
}

TEST(PortPrediction, ChanceIsNeverTakenForCounting) {
  Random random(1);
  int sequential = 0, block = 0;
  for (int times = 0; times < 20'000; ++times) {
    std::vector<int> ports;
    for (int i = 0; i < 6; ++i) ports.push_back(1024 + static_cast<int>(random.below(64'512)));
    const Ports kind = forecast(sampled(ports)).ports;
    sequential += kind == Ports::sequential;
    block += kind == Ports::block;
  }
  EXPECT_EQ(sequential, 0);
  EXPECT_LE(block, 2);
}

TEST(PortPrediction, ABlockIsKnownByItsWidth) {
  Random random(2);
  int block = 0;
  for (int times = 0; times < 2'000; ++times) {
    std::vector<int> ports;
    for (int i = 0; i < 6; ++i) ports.push_back(20'000 + static_cast<int>(random.below(512)));
    const PortForecast seen = forecast(sampled(ports));
    block += seen.ports == Ports::block;
    EXPECT_EQ(seen.lowest, *std::min_element(ports.begin(), ports.end()));
    EXPECT_EQ(seen.highest, *std::max_element(ports.begin(), ports.end()));
  }
  EXPECT_GE(block, 1'995) << "a run in so small a block may look like counting once in a while";
}

TEST(PortPrediction, TooFewSamplesTellNothing) {
  EXPECT_EQ(forecast(sampled({40000, 40001, 40002})).ports, Ports::unknown);
  EXPECT_EQ(forecast({}).ports, Ports::unknown);
}

// --- which port comes next --------------------------------------------------------------------

TEST(PortPrediction, OnAQuietNatTheNextPortIsByFarTheLikeliest) {
  const auto quiet = forecast(sampled({40000, 40001, 40002, 40003, 40004, 40005}));
  const auto next = guesses(quiet, 60ms);
  ASSERT_GE(next.size(), limits::hard::near_guesses);
  EXPECT_EQ(next[0].port, 40006);
  EXPECT_GT(next[0].odds, 0.5);
  EXPECT_EQ(next[1].port, 40007);
  double sum = 0;
  for (const PortGuess& guess : next) sum += guess.odds;
  EXPECT_NEAR(sum, 1, 0.01);
  EXPECT_EQ(passed_over(quiet, 60ms, 16), 0);
}

TEST(PortPrediction, OnABusyNatTheGuessesAreFurtherAhead) {
  // Six strangers in 50 ms: 120 a second.
  const auto crowded = forecast(sampled({40000, 40001, 40004, 40006, 40007, 40011}, 10ms));
  ASSERT_EQ(crowded.ports, Ports::sequential);
  EXPECT_EQ(crowded.others, 6);
  EXPECT_GT(guesses(crowded, 200ms)[0].port, 40016);
  EXPECT_GT(passed_over(crowded, 200ms, 16), 2);
}

TEST(PortPrediction, AtTwentyFlowsASecondSixteenPortsAreEnough) {
  Random random(3);
  const auto poisson = [&](double mean) {
    int k = 0;
    for (double p = random.unit(); p > std::exp(-mean); p *= random.unit()) ++k;
    return k;
  };
  int right = 0;
  for (int times = 0; times < 2'000; ++times) {
    // Six samples within a millisecond, and 100 ms until the knock.
    const PortForecast seen = forecast(sampled({40000, 40001, 40002, 40003, 40004, 40005}));
    const int others = poisson(20 * 0.1);
    const auto port = static_cast<std::uint16_t>(40006 + others);
    const int over = passed_over(seen, 100ms, limits::hard::near_guesses);
    const auto tried = ports_to_try(port_after(seen.last, 1, over), 1);
    right += std::find(tried.begin(), tried.begin() + 16, port) != tried.begin() + 16;
  }
  EXPECT_GE(right, 1'990);
}

TEST(PortPrediction, FirstTheNextSixteenTwiceThenFiftyEitherWay) {
  const auto tried = ports_to_try(40000, 2);
  ASSERT_GE(tried.size(), 32u);
  EXPECT_EQ(tried[0], 40002);
  EXPECT_EQ(tried[15], 40032);
  EXPECT_EQ(tried[16], 40002);
  EXPECT_THAT(tried, Contains(40100));
  EXPECT_THAT(tried, Contains(39900));
  EXPECT_LE(tried.size(), 16u * 3 + 101);
}

TEST(PortPrediction, PortsThatAreNeverGivenAreNotTried) {
  for (const std::uint16_t last : {std::uint16_t{1030}, std::uint16_t{65'530}, std::uint16_t{7}})
    for (const std::uint16_t port : ports_to_try(last, 1)) EXPECT_GE(port, 1024);
  EXPECT_EQ(port_after(65'535, 1, 1), 1024);
  EXPECT_EQ(port_after(1024, 1, -1), 65'535);
  for (const int delta : {-32'768, -1, 1, 32'767})
    for (const int steps : {-50, -1, 0, 1, 50})
      EXPECT_GE(port_after(7, static_cast<std::int16_t>(delta), steps), 1024);
}

}  // namespace
}  // namespace byway::port_prediction_test

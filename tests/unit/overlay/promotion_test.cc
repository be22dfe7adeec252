#include "overlay/mesh/promotion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/overlay/cast.h"

namespace byway::promotion_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using State = Promotion::State;
using Event = Promotion::Event;

namespace figures = limits::promotion;

constexpr Promotion::Needs needy{.supernodes = 3};
constexpr Promotion::Needs content{.supernodes = 40, .mean_load = 0.2};

class PromotionStory : public testing::Test {
 protected:
  static Promotion::Config usual() { return {.capacity = 1000}; }
  // Wakes it at each of its deadlines until then.
  void run_until(TimePoint end) {
    for (int steps = 0; steps < 1000; ++steps) {
      const auto next = promotion.next_timeout();
      if (!next || *next > end) break;
      now = std::max(now, *next);
      promotion.on_timeout(now);
      const auto after = promotion.next_timeout();
      ASSERT_TRUE(!after || *after > now) << "a deadline in the past that nothing resolves";
    }
    now = end;
  }
  void run_for(Duration duration) { run_until(now + duration); }
  std::vector<Event> events() {
    std::vector<Event> all;
    while (const auto event = promotion.poll_event()) all.push_back(*event);
    return all;
  }
  void become_supernode() {
    promotion.on_needs(now, needy);
    promotion.on_proved(now);
    run_for(30min);
    ASSERT_EQ(promotion.state(), State::supernode);
    events();
  }
  std::string why(std::string_view proof = "the prover's sentence") {
    return promotion.why(now, proof);
  }

  TimePoint now = noon;
  Promotion promotion{noon, Random(5), usual()};
};

TEST_F(PromotionStory, WhoIsProvedStableAndNeededStepsUp) {
  EXPECT_EQ(promotion.state(), State::leaf);
  EXPECT_EQ(why(), "the prover's sentence");
  promotion.on_needs(now, needy);
  promotion.on_proved(now);
  EXPECT_THAT(events(), ElementsAre(Event::became_reserve));
  EXPECT_THAT(why(), HasSubstr("its address has to stay the same for another 20 min"));

  run_until(noon + 20min - 1ns);
  EXPECT_EQ(promotion.state(), State::reserve);
  run_until(noon + 22min);
  EXPECT_EQ(promotion.state(), State::supernode);
  EXPECT_THAT(events(), ElementsAre(Event::became_supernode));
  EXPECT_EQ(why(),
            "proved reachable and needed when it stepped up (only 3 other supernodes known)");
}

TEST_F(PromotionStory, WhoIsNotNeededStaysInReserve) {
  promotion.on_needs(now, content);
  promotion.on_proved(now);
  run_for(48h);
  EXPECT_EQ(promotion.state(), State::reserve);
  EXPECT_EQ(promotion.next_timeout(), std::nullopt);
  EXPECT_EQ(why(),
            "proved reachable, but not needed: 40 supernodes are known, and the nearest "
            "are 20 % loaded");
}

TEST_F(PromotionStory, EachNeedCallsForIt) {
  struct Case {
    const char* name;
    Promotion::Needs needs;
    bool called;
  };
  const Case cases[] = {
      {"seven known", {.supernodes = 7}, true},
      {"eight known", {.supernodes = 8}, false},
      {"load above 60 %", {.supernodes = 40, .mean_load = 0.61}, true},
      {"load of 60 %", {.supernodes = 40, .mean_load = 0.60}, false},
      {"no TCP 443, and we have it", {.supernodes = 40, .lacks_tcp443 = true}, true},
      {"no IPv6, and we have it", {.supernodes = 40, .lacks_ipv6 = true}, true},
  };
  for (const Case& c : cases) {
    promotion = Promotion(noon, Random(5), usual());
    now = noon;
    promotion.on_needs(now, c.needs);
    promotion.on_proved(now);
    run_for(1h);
    EXPECT_EQ(promotion.state(), c.called ? State::supernode : State::reserve) << c.name;
  }
}

TEST_F(PromotionStory, WhenAFifthOfTheNeighbourhoodIsGoneTheReserveIsCalled) {
  promotion.on_needs(now, content);
  promotion.on_proved(now);
  run_for(2h);
  promotion.on_needs(now, {.supernodes = 33, .mean_load = 0.2});
  run_for(10min);
  EXPECT_EQ(promotion.state(), State::reserve);
  promotion.on_needs(now, {.supernodes = 32, .mean_load = 0.2});
  EXPECT_THAT(why(), HasSubstr("8 of 40 supernodes gone"));
  run_for(2min);
  EXPECT_EQ(promotion.state(), State::supernode);
}

TEST_F(PromotionStory, AShrinkIsForgottenWhenItHasBecomeUsual) {
  promotion.on_needs(now, content);
  promotion.on_needs(now, {.supernodes = 20, .mean_load = 0.2});  // a leaf still
  run_for(figures::shrink_remembered);
  promotion.on_proved(now);
  run_for(1h);
  EXPECT_EQ(promotion.state(), State::reserve);
}

TEST_F(PromotionStory, NotAllStepUpAtOnceAndWhoComesLateFindsTheNeedGone) {
  std::vector<Promotion> reserves;
  for (std::uint64_t i = 0; i < 100; ++i) {
    reserves.emplace_back(noon, Random(i), usual());
    reserves.back().on_needs(noon, content);
    reserves.back().on_proved(noon);
  }
  // An hour later the mesh is loaded; five more supernodes would be enough.
  const TimePoint then = noon + 1h;
  for (Promotion& p : reserves) p.on_needs(then, {.supernodes = 40, .mean_load = 0.65});
  std::size_t stepped_up = 0;
  for (TimePoint t = then; t < then + 10min; t += 1s) {
    for (Promotion& p : reserves) p.on_timeout(t);
    stepped_up = static_cast<std::size_t>(
        std::count_if(reserves.begin(), reserves.end(),
                      [](const Promotion& p) { return p.state() == State::supernode; }));
    const double load = stepped_up >= 5 ? 0.45 : 0.65;
    for (Promotion& p : reserves) p.on_needs(t, {.supernodes = 40 + stepped_up, .mean_load = load});
  }
  EXPECT_GE(stepped_up, 5u);
  EXPECT_LE(stepped_up, 12u) << "a hundred saw the need";
}

TEST_F(PromotionStory, AFigureThatSwingsAroundItsLimitStillCalls) {
  promotion.on_needs(now, content);
  promotion.on_proved(now);
  run_for(1h);
  promotion.on_needs(now, {.supernodes = 40, .mean_load = 0.65});
  const auto moment = promotion.next_timeout();
  ASSERT_TRUE(moment);
  promotion.on_needs(now, {.supernodes = 40, .mean_load = 0.55});
  promotion.on_needs(now, {.supernodes = 40, .mean_load = 0.65});
  EXPECT_EQ(promotion.next_timeout(), moment) << "the wait did not begin anew";
  promotion.on_needs(now, {.supernodes = 40, .mean_load = 0.45});
  EXPECT_EQ(promotion.next_timeout(), std::nullopt) << "clearly relieved";
}

TEST_F(PromotionStory, NobodyStepsDownForNotBeingNeeded) {
  become_supernode();
  promotion.on_needs(now, content);
  run_for(48h);
  EXPECT_EQ(promotion.state(), State::supernode);
  EXPECT_THAT(events(), IsEmpty());
}

TEST_F(PromotionStory, LeavesAreToldFirst) {
  become_supernode();
  promotion.on_proof_lost(now);
  EXPECT_THAT(events(), ElementsAre(Event::hand_over));
  EXPECT_TRUE(promotion.serves()) << "until they have moved";
  EXPECT_EQ(promotion.admission_limit(now), 0u) << "but takes in nobody";
  EXPECT_THAT(why(), HasSubstr("leaves are told other homes first"));
  run_for(figures::hand_over);
  EXPECT_EQ(promotion.state(), State::leaf);
  EXPECT_THAT(events(), ElementsAre(Event::became_leaf));

  promotion = Promotion(noon, Random(5), usual());
  now = noon;
  become_supernode();
  promotion.on_proof_lost(now);
  promotion.on_leaves_gone(now + 2s);
  EXPECT_EQ(promotion.state(), State::leaf) << "no need to wait for nobody";
}

TEST_F(PromotionStory, AProofRegainedInTimeEndsTheHandOver) {
  become_supernode();
  promotion.on_proof_lost(now);
  run_for(10s);
  promotion.on_proved(now);
  EXPECT_THAT(events(), ElementsAre(Event::hand_over, Event::became_supernode));
  run_for(1h);
  EXPECT_EQ(promotion.state(), State::supernode);
}

TEST_F(PromotionStory, ANewAddressHasFiveMinutesToBeProved) {
  become_supernode();
  promotion.on_address_changed(now);
  EXPECT_EQ(why(), "its address has changed and is being proved again");
  run_for(4min);
  EXPECT_EQ(promotion.state(), State::supernode);
  promotion.on_proved(now);
  run_for(1h);
  EXPECT_EQ(promotion.state(), State::supernode);

  promotion.on_address_changed(now);
  run_for(figures::unproved_grace);
  EXPECT_EQ(promotion.state(), State::handing_over);
}

TEST_F(PromotionStory, AReserveWhoseAddressMovesBeginsAgain) {
  promotion.on_needs(now, needy);
  promotion.on_proved(now);
  run_for(15min);
  promotion.on_address_changed(now);
  EXPECT_EQ(promotion.state(), State::leaf);
  promotion.on_proved(now);
  run_for(19min);
  EXPECT_EQ(promotion.state(), State::reserve);
  run_for(4min);
  EXPECT_EQ(promotion.state(), State::supernode);
}

TEST_F(PromotionStory, WhoHadToStepDownWaitsLongerEachTime) {
  std::vector<Duration> waits;
  for (int i = 0; i < 4; ++i) {
    become_supernode();
    promotion.on_proof_lost(now);
    run_for(figures::hand_over);
    const TimePoint down = now;
    promotion.on_proved(now);
    EXPECT_THAT(why(), HasSubstr("it stepped down lately"));
    while (promotion.state() != State::supernode && now < down + 10h) run_for(1min);
    waits.push_back(now - down);
  }
  EXPECT_GE(waits[0], 20min);
  EXPECT_LE(waits[0], 24min);
  for (std::size_t i = 1; i < waits.size(); ++i) EXPECT_GT(waits[i], waits[i - 1] * 3 / 2) << i;
}

TEST_F(PromotionStory, AMachineTooSmallToHelpStaysInReserve) {
  promotion.on_capacity(now, figures::least_capacity - 1);
  promotion.on_needs(now, needy);
  promotion.on_proved(now);
  run_for(2h);
  EXPECT_EQ(promotion.state(), State::reserve);
  EXPECT_THAT(why(), HasSubstr("too small: it could serve 31 leaves"));
  promotion.on_capacity(now, 500);
  run_for(2min);
  EXPECT_EQ(promotion.state(), State::supernode);
}

TEST_F(PromotionStory, WhoDoesNotVolunteerIsNotCalledAndMayStopAtAnyTime) {
  promotion.on_volunteers(now, false);
  promotion.on_needs(now, needy);
  promotion.on_proved(now);
  run_for(2h);
  EXPECT_EQ(promotion.state(), State::leaf);
  EXPECT_THAT(why(), HasSubstr("does not volunteer"));

  promotion.on_volunteers(now, true);
  run_for(2min);
  EXPECT_EQ(promotion.state(), State::supernode);
  promotion.on_volunteers(now, false);
  EXPECT_EQ(promotion.state(), State::handing_over);
  promotion.on_proved(now);
  EXPECT_EQ(promotion.state(), State::handing_over) << "it is not about reachability";
}

TEST_F(PromotionStory, WhoWasToldToBeALeafIsOne) {
  Promotion::Config config = usual();
  config.told = Promotion::Told::leaf;
  promotion = Promotion(noon, Random(5), config);
  promotion.on_needs(now, needy);
  promotion.on_proved(now);
  run_for(48h);
  EXPECT_EQ(promotion.state(), State::leaf);
  EXPECT_EQ(why(), "told to be a leaf (--role leaf)");
  EXPECT_THAT(events(), IsEmpty());
}

TEST_F(PromotionStory, TheFirstNodeIsASupernodeAtOnceAndStaysOne) {
  Promotion::Config config = usual();
  config.told = Promotion::Told::supernode;
  promotion = Promotion(noon, Random(5), config);
  EXPECT_THAT(events(), ElementsAre(Event::became_supernode));
  EXPECT_EQ(promotion.admission_limit(now), 1000u) << "there is nobody else";
  EXPECT_EQ(why("nobody to dial: the network has no third address"),
            "told to be a supernode (--role supernode); nobody to dial: the network has no third "
            "address");
  promotion.on_proved(now);
  promotion.on_proof_lost(now);
  promotion.on_address_changed(now);
  promotion.on_volunteers(now, false);
  run_for(48h);
  EXPECT_EQ(promotion.state(), State::supernode);
  EXPECT_THAT(events(), IsEmpty());
}

TEST_F(PromotionStory, ANewSupernodeTakesItsLoadByAndBy) {
  EXPECT_EQ(promotion.admission_limit(now), 0u);
  promotion.on_needs(now, needy);
  promotion.on_proved(now);
  EXPECT_EQ(promotion.admission_limit(now), 0u);
  while (promotion.state() != State::supernode) run_until(*promotion.next_timeout());
  EXPECT_EQ(promotion.admission_limit(now), 100u);
  EXPECT_EQ(promotion.admission_limit(now + 5min), 550u);
  EXPECT_EQ(promotion.admission_limit(now + 10min), 1000u);
  promotion.on_capacity(now, 50);
  EXPECT_EQ(promotion.admission_limit(now), figures::least_capacity) << "few are taken at once";
  promotion.on_capacity(now, 10);
  EXPECT_EQ(promotion.admission_limit(now), 10u);
}

TEST_F(PromotionStory, InALabSecondsAreEnough) {
  Promotion::Config config = usual();
  config.promote_after = 2s;
  promotion = Promotion(noon, Random(5), config);
  promotion.on_needs(now, needy);
  promotion.on_proved(now);
  run_for(4s);
  EXPECT_EQ(promotion.state(), State::supernode);
}

TEST_F(PromotionStory, WhoServedUntilItWasStartedAnewServesOnAtOnceIfItIsProved) {
  promotion.on_served_before(now);
  EXPECT_EQ(promotion.state(), State::leaf);
  promotion.on_proved(now);
  promotion.on_served_before(now);
  EXPECT_THAT(events(), ElementsAre(Event::became_reserve, Event::became_supernode));
  EXPECT_EQ(why(),
            "proved reachable and needed when it stepped up (it had served here until it was "
            "started anew)");
}

}  // namespace
}  // namespace byway::promotion_test

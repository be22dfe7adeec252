#include "node/port_mapper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "node/clock.h"

namespace byway::port_mapper_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What a router of the test does, and what was asked of it. Used by the mapper's thread and ours.
struct Router {
  std::mutex mutex;
  bool there = true;
  IpAddress outside = IpAddress::v4({203, 0, 113, 5});
  std::uint16_t shift = 0;  // added to the port that was wished for
  bool refuses = false;
  Duration takes{};
  int rounds = 0;
  bool restarted = false;
  std::vector<std::string> unmapped;

  template <typename Change>
  void set(Change change) {
    const std::lock_guard lock(mutex);
    change(*this);
  }
};

class FakeControl final : public RouterControl {
 public:
  explicit FakeControl(std::shared_ptr<Router> router) : router_(std::move(router)) {}
  std::string_view name() const override { return "fake"; }
  bool take_restart() override {
    const std::lock_guard lock(router_->mutex);
    return std::exchange(router_->restarted, false);
  }
  bool find(const Cancelled&) override {
    Duration takes;
    router_->set([&](Router& r) { takes = r.takes, ++r.rounds; });
    std::this_thread::sleep_for(takes);
    const std::lock_guard lock(router_->mutex);
    return router_->there;
  }
  Outcome<PortMapping> map(Proto proto, std::uint16_t inside, std::uint16_t outside, Duration lease,
                           const Cancelled&) override {
    const std::lock_guard lock(router_->mutex);
    if (router_->refuses) return Problem{"no"};
    return PortMapping{
        proto,
        inside,
        {router_->outside,
         static_cast<std::uint16_t>(router_->shift == 0xffff ? 0 : outside + router_->shift)},
        lease};
  }
  void unmap(const PortMapping& mapping, const Cancelled&) override {
    const std::lock_guard lock(router_->mutex);
    router_->unmapped.push_back(std::string(to_string(mapping.proto)));
  }

 private:
  std::shared_ptr<Router> router_;
};

class PortMapperStory : public testing::Test {
 protected:
  PortMapperStory() {
    times.renew = 50ms;
    times.rest_first = 50ms;
    times.slow = 200ms;
    times.stop = 300ms;
    second->there = false;
  }
  void start() {
    mapper = std::make_unique<PortMapper>(
        io, 7000,
        [router = router, second = second] {
          std::vector<std::unique_ptr<RouterControl>> all;
          all.push_back(std::make_unique<FakeControl>(router));
          all.push_back(std::make_unique<FakeControl>(second));
          return all;
        },
        times);
    mapper->start(
        [this](const PortMapping& mapping) {
          told.push_back(std::string(to_string(mapping.proto)) + " " + mapping.outside.to_string());
        },
        [this](Proto proto) { told.push_back(std::string(to_string(proto)) + " gone"); });
  }
  // Serves the io_context until it holds; false after five seconds.
  bool until(const std::function<bool()>& holds) {
    for (const TimePoint end = monotonic_now() + 5s; monotonic_now() < end;) {
      io.restart();
      io.run_for(5ms);
      if (holds()) return true;
    }
    return false;
  }
  int rounds() {
    const std::lock_guard lock(router->mutex);
    return router->rounds;
  }

  boost::asio::io_context io;
  std::shared_ptr<Router> router = std::make_shared<Router>();
  std::shared_ptr<Router> second = std::make_shared<Router>();  // by another protocol
  PortMapper::Times times;
  std::unique_ptr<PortMapper> mapper;
  std::vector<std::string> told;
};

TEST_F(PortMapperStory, BothProtocolsAreMappedToldOnceAndRenewed) {
  start();
  ASSERT_TRUE(until([&] { return told.size() == 2; }));
  ASSERT_TRUE(until([&] { return rounds() >= 3; }));
  EXPECT_THAT(told, ElementsAre("udp 203.0.113.5:7000", "tcp 203.0.113.5:7000"));
}

TEST_F(PortMapperStory, WhatWasMappedIsRemovedAtTheEnd) {
  start();
  ASSERT_TRUE(until([&] { return told.size() == 2; }));
  bool left = false;
  mapper->stop([&] { left = true; });
  ASSERT_TRUE(until([&] { return left; }));
  const std::lock_guard lock(router->mutex);
  EXPECT_THAT(router->unmapped, ElementsAre("udp", "tcp"));
}

TEST_F(PortMapperStory, WithNothingMappedNothingIsRemoved) {
  router->there = false;
  start();
  ASSERT_TRUE(until([&] { return rounds() > 0; }));
  bool left = false;
  mapper->stop([&] { left = true; });
  ASSERT_TRUE(until([&] { return left; }));
  EXPECT_THAT(router->unmapped, IsEmpty());
  EXPECT_THAT(told, IsEmpty());
}

TEST_F(PortMapperStory, ARouterThatHangsHoldsUpNobody) {
  router->takes = 1500ms;
  start();
  ASSERT_TRUE(until([&] { return rounds() > 0; }));
  const TimePoint asked = monotonic_now();
  bool left = false;
  mapper->stop([&] { left = true; });
  ASSERT_TRUE(until([&] { return left; }));
  EXPECT_LT(monotonic_now() - asked, 1s);
  mapper.reset();  // the thread is still in its call; it finds nobody home
  std::this_thread::sleep_for(1600ms);
  io.restart();
  io.run_for(10ms);
  EXPECT_THAT(told, IsEmpty());
}

TEST_F(PortMapperStory, PortZeroAndNoAddressAreNoMapping) {
  router->shift = 0xffff;
  start();
  ASSERT_TRUE(until([&] { return rounds() >= 2; }));
  router->set([](Router& r) { r.shift = 0, r.outside = IpAddress{}; });
  const int before = rounds();
  ASSERT_TRUE(until([&] { return rounds() >= before + 2; }));
  EXPECT_THAT(told, IsEmpty());
}

TEST_F(PortMapperStory, AnotherPortThanTheOneWishedForIsTold) {
  router->shift = 3;
  start();
  ASSERT_TRUE(until([&] { return told.size() == 2; }));
  EXPECT_EQ(told[0], "udp 203.0.113.5:7003");
}

TEST_F(PortMapperStory, ARouterThatRefusesLaterTakesTheMappingAway) {
  start();
  ASSERT_TRUE(until([&] { return told.size() == 2; }));
  router->set([](Router& r) { r.refuses = true; });
  ASSERT_TRUE(until([&] { return told.size() == 4; }));
  EXPECT_EQ(told[2], "udp gone");
  EXPECT_EQ(told[3], "tcp gone");
  router->set([](Router& r) { r.refuses = false; });
  ASSERT_TRUE(until([&] { return told.size() == 6; }));
}

TEST_F(PortMapperStory, WhereOneProtocolIsNotSpokenTheNextIsAskedAndThenKept) {
  router->there = false;
  second->there = true;
  second->outside = IpAddress::v4({198, 51, 100, 9});
  start();
  ASSERT_TRUE(until([&] { return told.size() == 2; }));
  EXPECT_EQ(told[0], "udp 198.51.100.9:7000");
  router->set([](Router& r) { r.there = true; });
  const int before = rounds();
  ASSERT_TRUE(until([&] {
    const std::lock_guard lock(second->mutex);
    return second->rounds >= 4;
  }));
  EXPECT_EQ(rounds(), before) << "another protocol would make a second mapping";
  bool left = false;
  mapper->stop([&] { left = true; });
  ASSERT_TRUE(until([&] { return left; }));
  EXPECT_THAT(second->unmapped, ElementsAre("udp", "tcp"));
  EXPECT_THAT(router->unmapped, IsEmpty());
}

TEST_F(PortMapperStory, ARouterThatWasStartedAnewMeanwhileIsAskedAgainSoon) {
  times.renew = 1h;
  times.renew_least = 20ms;
  router->restarted = true;
  start();
  ASSERT_TRUE(until([&] { return rounds() >= 2; }));
  EXPECT_THAT(told, ElementsAre("udp 203.0.113.5:7000", "tcp 203.0.113.5:7000"));
}

TEST_F(PortMapperStory, ARestartIsTakenFromWhoeverNoticedItAlsoWhereAnotherMapsNow) {
  times.renew = 1h;
  times.renew_least = 20ms;
  router->refuses = true;
  router->restarted = true;
  second->there = true;
  start();
  ASSERT_TRUE(until([&] {
    const std::lock_guard lock(second->mutex);
    return second->rounds >= 2;
  }));
  EXPECT_THAT(told, ElementsAre("udp 203.0.113.5:7000", "tcp 203.0.113.5:7000"));
}

TEST_F(PortMapperStory, AnotherNetworkIsAskedAtOnce) {
  times.renew = 1h;
  start();
  ASSERT_TRUE(until([&] { return told.size() == 2; }));
  router->set([](Router& r) { r.outside = IpAddress::v4({198, 51, 100, 9}); });
  mapper->refresh();
  ASSERT_TRUE(until([&] { return told.size() == 4; }));
  EXPECT_EQ(told[2], "udp 198.51.100.9:7000");
}

TEST(MayNeedMapping, OnlyBehindAPrivateAddress) {
  const auto local = [](const char* text) { return std::vector{*Endpoint::parse(text)}; };
  EXPECT_TRUE(may_need_mapping(local("192.168.1.20:7000")));
  EXPECT_TRUE(may_need_mapping(local("100.64.1.2:7000")));
  EXPECT_FALSE(may_need_mapping(local("203.0.113.5:7000")));
  EXPECT_FALSE(may_need_mapping(local("127.0.0.1:7000")));
  EXPECT_FALSE(may_need_mapping(local("[fd00::1]:7000")));
  EXPECT_FALSE(may_need_mapping({}));
}

TEST(MayNeedPinhole, AtAGlobalIpv6AddressUnlessIpv4IsPublicToo) {
  const auto local = [](std::vector<const char*> texts) {
    std::vector<Endpoint> all;
    for (const char* text : texts) all.push_back(*Endpoint::parse(text));
    return all;
  };
  EXPECT_TRUE(may_need_pinhole(local({"[2001:db8::1]:7000"})));
  EXPECT_TRUE(may_need_pinhole(local({"192.168.1.20:7000", "[2001:db8::1]:7000"})));
  EXPECT_FALSE(may_need_pinhole(local({"203.0.113.5:7000", "[2001:db8::1]:7000"})));
  EXPECT_FALSE(may_need_pinhole(local({"192.168.1.20:7000", "[fd00::1]:7000", "[::1]:7000"})));
  EXPECT_FALSE(may_need_pinhole({}));
}

}  // namespace
}  // namespace byway::port_mapper_test

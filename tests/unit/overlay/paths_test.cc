#include "overlay/link/paths.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "overlay/core/limits.h"
#include "protocol/codec.h"
#include "protocol/packet.h"
#include "tests/unit/overlay/cast.h"

namespace byway::paths_test {
namespace {

using ::testing::ElementsAre;

const Route direct{.endpoint = at("198.51.100.7:7000")};
const Route moved{.endpoint = at("198.51.100.7:9000")};
const Route relay{.endpoint = at("192.0.2.1:7000"), .lane = 77};
const Route other_relay{.endpoint = at("203.0.113.1:7000"), .lane = 88};
const Route by_tcp{.proto = Proto::tcp, .endpoint = at("198.51.100.7:443")};

const Paths::Traits quiet{};  // the other end keeps it alive
const Paths::Traits kept{.method = Method::punch, .keepalive = limits::keepalive};

// Does whatever is due at `now`, as the conductor would. A deadline that nothing resolves would
// wake a node for ever; here it fails.
std::vector<Paths::Probe> drain(Paths& paths, TimePoint now) {
  std::vector<Paths::Probe> sent;
  for (int rounds = 0; rounds < 100; ++rounds) {
    paths.on_timeout(now);
    while (const auto probe = paths.poll_ping(now)) {
      sent.push_back(*probe);
      if (sent.size() > 100) {
        ADD_FAILURE() << "pings without end";
        return sent;
      }
    }
    const auto next = paths.next_timeout();
    if (!next || *next > now) return sent;
  }
  ADD_FAILURE() << "a deadline in the past that nothing resolves";
  return sent;
}

// Runs to `end`, from deadline to deadline. What `answers` says yes to is answered after its delay.
class PathStory : public testing::Test {
 protected:
  struct Sent {
    TimePoint when;
    Route route;
  };
  void run_until(TimePoint end) {
    for (;;) {
      for (const auto& probe : drain(paths, now)) {
        sent.push_back({now, probe.route});
        const auto delay = answering.find(probe.route);
        const bool passes = probe.ping.padding + 58u <= carries;
        if (delay != answering.end() && passes)
          pongs.emplace(now + delay->second, std::pair(probe.route, probe.ping.nonce));
      }
      const auto next = paths.next_timeout();
      TimePoint wake = next ? std::min(*next, end) : end;
      if (!pongs.empty()) wake = std::min(wake, pongs.begin()->first);
      now = wake;
      while (!pongs.empty() && pongs.begin()->first <= now) {
        const auto [route, nonce] = pongs.begin()->second;
        pongs.erase(pongs.begin());
        paths.on_pong(now, route, nonce);
      }
      if (now >= end && pongs.empty()) return;
      if (now >= end && pongs.begin()->first > end) return;
    }
  }
  void run_for(Duration span) { run_until(now + span); }
  void works(const Route& route, Duration rtt) { answering[route] = rtt; }
  void breaks(const Route& route) { answering.erase(route); }
  std::size_t pings_on(const Route& route) const {
    return static_cast<std::size_t>(
        std::count_if(sent.begin(), sent.end(), [&](const Sent& s) { return s.route == route; }));
  }
  std::optional<Route> best() const {
    return paths.best() ? std::optional(paths.best()->route) : std::nullopt;
  }

  TimePoint now = noon;
  Paths paths{Random(7)};
  std::map<Route, Duration> answering;
  std::size_t carries = 10'000;  // the largest datagram, wherever it goes
  std::multimap<TimePoint, std::pair<Route, std::uint64_t>> pongs;
  std::vector<Sent> sent;
};

TEST_F(PathStory, NothingButAnAnsweredPingProvesAPath) {
  paths.add(now, direct, quiet);
  const auto pings = drain(paths, now);
  ASSERT_EQ(pings.size(), 1u);
  EXPECT_EQ(paths.best(), nullptr);
  paths.on_data_sent(now, direct);
  EXPECT_FALSE(paths.ping(now, direct)) << "an unproved path is not put to the test";
  EXPECT_EQ(paths.best(), nullptr);

  const std::uint64_t nonce = pings[0].ping.nonce;
  EXPECT_FALSE(paths.on_pong(now, direct, nonce + 1)) << "not what was asked";
  EXPECT_FALSE(paths.on_pong(now, moved, nonce)) << "not where it was asked";
  EXPECT_FALSE(paths.on_pong(now, relay, nonce));
  EXPECT_EQ(paths.best(), nullptr);

  EXPECT_TRUE(paths.on_pong(now + 30ms, direct, nonce));
  EXPECT_EQ(best(), direct);
  EXPECT_EQ(paths.best()->rtt, 30ms);
  EXPECT_EQ(paths.best()->proved_at, now + 30ms);
  EXPECT_FALSE(paths.on_pong(now + 40ms, direct, nonce)) << "an answer counts once";
}

TEST_F(PathStory, WhoHasMovedIsFollowedAtOnce) {
  works(direct, 20ms);
  paths.add(now, direct, kept);
  run_for(1s);
  ASSERT_EQ(best(), direct);
  breaks(direct);
  works(moved, 20ms);
  paths.add(now, moved, kept);
  run_for(20ms);
  EXPECT_EQ(best(), direct) << "proved as well, but no better";
  paths.follow(now, moved);
  EXPECT_EQ(best(), moved);
  run_for(10s);
  EXPECT_EQ(best(), moved);
  EXPECT_EQ(paths.find(direct), nullptr) << "it had to answer, and did not";
}

TEST_F(PathStory, WhoIsFollowedToASecondAddressStaysAtBothWhereBothWork) {
  works(direct, 20ms);
  works(moved, 20ms);
  paths.add(now, direct, kept);
  paths.add(now, moved, kept);
  run_for(1s);
  paths.follow(now, moved);
  run_for(10s);
  EXPECT_EQ(best(), moved);
  ASSERT_NE(paths.find(direct), nullptr);
  EXPECT_FALSE(paths.find(direct)->doubted());
}

TEST_F(PathStory, WhoHasMovedUsesTheRelayUntilTheOldWayAnswers) {
  works(direct, 20ms);
  works(relay, 80ms);
  paths.add(now, direct, kept);
  paths.add(now, relay, kept);
  run_for(1s);
  ASSERT_EQ(best(), direct);
  paths.doubt_direct(now);
  EXPECT_EQ(best(), relay);
  run_for(100ms);
  EXPECT_EQ(best(), direct) << "it works from the new address too";
  breaks(direct);
  paths.doubt_direct(now);
  run_for(5s);
  EXPECT_EQ(best(), relay);
  EXPECT_EQ(paths.find(direct), nullptr);
}

TEST_F(PathStory, FollowingSomebodyWhoProvedNothingChangesNothing) {
  works(direct, 20ms);
  paths.add(now, direct, kept);
  run_for(1s);
  paths.add(now, moved, kept);
  paths.follow(now, moved);
  EXPECT_EQ(best(), direct);
}

TEST_F(PathStory, AfterASleepEveryPathHasItsFullTimeToAnswer) {
  works(direct, 20ms);
  works(relay, 40ms);
  paths.add(now, direct, kept);
  paths.add(now, relay, kept);
  run_for(1s);
  ASSERT_TRUE(paths.ping(now, direct)) << "asked, and then the machine slept";
  now += 10min;
  paths.test_all(now);
  const auto asked_before = pings_on(direct);
  run_for(1s);
  EXPECT_EQ(best(), direct);
  EXPECT_GT(pings_on(direct), asked_before);
  EXPECT_NE(paths.find(relay), nullptr);
}

TEST_F(PathStory, AWayThatLeadsNowhereIsTriedFourTimesAndForgotten) {
  paths.add(now, direct, kept);
  run_for(10s);
  EXPECT_EQ(pings_on(direct), 4u);
  EXPECT_TRUE(paths.empty());
  EXPECT_TRUE(paths.take_lost().empty()) << "it was never found, so it is not lost";
  EXPECT_EQ(paths.next_timeout(), std::nullopt);
}

TEST_F(PathStory, AddingAWayAgainDoesNotPingItAgain) {
  for (int i = 0; i < 20; ++i) paths.add(now, direct, kept);
  EXPECT_EQ(drain(paths, now).size(), 1u);
  EXPECT_EQ(paths.all().size(), 1u);
}

TEST_F(PathStory, DirectBeatsTheRelayHoweverQuickTheRelayIs) {
  works(relay, 1ms);
  works(by_tcp, 40ms);
  works(direct, 200ms);
  paths.add(now, relay, kept);
  run_for(50ms);
  EXPECT_EQ(best(), relay);
  paths.add(now, by_tcp, kept);
  run_for(100ms);
  EXPECT_EQ(best(), by_tcp);
  paths.add(now, direct, kept);
  run_for(300ms);
  EXPECT_EQ(best(), direct);
  EXPECT_EQ(paths.best_of(PathKind::relay)->route, relay);
  EXPECT_EQ(paths.best_of(PathKind::direct_tcp)->route, by_tcp);
}

TEST_F(PathStory, WithinATierOnlyFiveMillisecondsMoveTheTraffic) {
  works(direct, 20ms);
  works(moved, 16ms);
  paths.add(now, direct, quiet);
  run_for(100ms);
  paths.add(now, moved, quiet);
  run_for(2s);
  EXPECT_EQ(best(), direct) << "4 ms are not worth a change";

  const Route quick{.endpoint = at("10.0.0.7:7000")};
  works(quick, 14ms);
  paths.add(now, quick, quiet);
  run_for(2s);
  EXPECT_EQ(best(), quick);
}

TEST_F(PathStory, AHandshakeProvesThePathItTook) {
  paths.prove(now, direct, kept, 25ms);
  ASSERT_NE(paths.best(), nullptr);
  EXPECT_EQ(paths.best()->rtt, 25ms);
  EXPECT_EQ(paths.best()->method, Method::punch);
  EXPECT_EQ(paths.best()->kind(), PathKind::direct_udp);
  EXPECT_TRUE(drain(paths, now).empty()) << "no ping is needed now";
}

TEST_F(PathStory, ADoubtedPathYieldsAndALostOneIsLeft) {
  works(direct, 20ms);
  works(relay, 50ms);
  paths.add(now, direct, kept);
  paths.add(now, relay, kept);
  run_for(1s);
  ASSERT_EQ(best(), direct);

  breaks(direct);
  const TimePoint broken = now;
  paths.on_data_sent(now, direct);
  while (best() == direct && now < broken + 10s) run_for(10ms);
  EXPECT_EQ(best(), relay);
  EXPECT_LE(now - broken, 2s) << "a second to the next ping, two of them late";
  EXPECT_TRUE(paths.find(direct)->doubted());
  EXPECT_TRUE(paths.take_lost().empty());

  while (paths.find(direct) && now < broken + 10s) run_for(10ms);
  EXPECT_LE(now - broken, 6500ms) << "the promise";
  const auto lost = paths.take_lost();
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].route, direct);
  EXPECT_TRUE(paths.take_lost().empty()) << "told once";
}

TEST_F(PathStory, ADoubtedPathThatAnswersAgainIsTrusted) {
  works(direct, 20ms);
  works(relay, 50ms);
  paths.add(now, direct, kept);
  paths.add(now, relay, kept);
  run_for(1s);
  breaks(direct);
  paths.on_data_sent(now, direct);
  while (best() == direct) run_for(10ms);
  works(direct, 20ms);
  run_for(1s);
  EXPECT_EQ(best(), direct);
  EXPECT_FALSE(paths.find(direct)->doubted());
}

TEST_F(PathStory, TheLastPathIsUsedThoughDoubted) {
  works(direct, 20ms);
  paths.add(now, direct, kept);
  run_for(100ms);
  breaks(direct);
  paths.ping(now, direct);
  run_for(limits::path_patience - 100ms);
  EXPECT_TRUE(paths.find(direct)->doubted());
  EXPECT_EQ(best(), direct) << "there is no other";
  run_for(200ms);
  EXPECT_EQ(best(), std::nullopt);
}

TEST_F(PathStory, APathInUseIsPingedEverySecondAndAnIdleOneOnlyToKeepItAlive) {
  works(direct, 20ms);
  paths.add(now, direct, kept);
  run_for(1s);
  sent.clear();
  run_for(60s);
  EXPECT_GE(pings_on(direct), 2u);
  EXPECT_LE(pings_on(direct), 4u);

  sent.clear();
  for (int i = 0; i < 100; ++i) {
    paths.on_data_sent(now, direct);
    run_for(100ms);
  }
  EXPECT_GE(pings_on(direct), 9u);
  EXPECT_LE(pings_on(direct), 11u);
}

TEST_F(PathStory, WhomTheOtherEndKeepsAliveStaysSilent) {
  works(direct, 20ms);
  paths.add(now, direct, quiet);
  run_for(1s);
  sent.clear();
  run_for(1h);
  EXPECT_EQ(sent.size(), 0u);
  EXPECT_EQ(best(), direct);
}

TEST_F(PathStory, TheEndOfAnIdlePathIsNoticedAtItsKeepalive) {
  works(direct, 20ms);
  paths.add(now, direct, kept);
  run_for(1s);
  breaks(direct);
  const TimePoint broken = now;
  while (paths.best() && now < broken + 1min) run_for(50ms);
  EXPECT_EQ(best(), std::nullopt);
  EXPECT_LE(now - broken, limits::keepalive * 115 / 100 + limits::path_patience + 50ms);
}

TEST_F(PathStory, ANewcomerPutsTheOthersToTheTest) {
  works(direct, 20ms);
  works(moved, 20ms);
  paths.add(now, direct, quiet);
  run_for(1s);
  breaks(direct);  // the peer's address has moved, and nobody has told us
  sent.clear();
  paths.add(now, moved, quiet);
  run_for(100ms);
  EXPECT_EQ(pings_on(direct), 1u);
  run_for(1s);
  EXPECT_EQ(best(), moved) << "traffic follows as soon as the old way is doubted";
  run_for(limits::path_patience);
  EXPECT_EQ(paths.find(direct), nullptr);
}

TEST_F(PathStory, AProbeOfSizeRaisesWhatThePathCarriesOnlyWhenItIsAnswered) {
  paths.prove(now, direct, kept, 20ms);
  EXPECT_EQ(paths.best()->packet_size, limits::packet_size);
  const auto lost = paths.probe_size(now, direct, limits::probe_packet_size);
  ASSERT_TRUE(lost);
  EXPECT_EQ(paths.best()->packet_size, limits::packet_size);
  const auto probe = paths.probe_size(now, direct, limits::probe_packet_size);
  ASSERT_TRUE(probe);
  paths.on_pong(now + 20ms, direct, probe->nonce);
  EXPECT_EQ(paths.best()->packet_size, limits::probe_packet_size);
  EXPECT_FALSE(paths.probe_size(now, direct, limits::probe_packet_size)) << "known already";
  EXPECT_FALSE(paths.probe_size(now, moved, limits::probe_packet_size)) << "not proved";
}

TEST_F(PathStory, TheSizeIsFoundInStepsAndWhatDidNotPassIsTriedAgainSeldom) {
  works(direct, 20ms);
  paths.prove(now, direct, quiet, 20ms);
  paths.find_size(now, direct);
  run_for(1s);
  EXPECT_EQ(paths.best()->packet_size, limits::largest_packet_size);
  EXPECT_EQ(pings_on(direct), 2u);

  const Route narrow{.endpoint = at("198.51.100.9:7000")};
  works(narrow, 20ms);
  carries = 1420;
  paths.prove(now, narrow, quiet, 20ms);
  paths.find_size(now, narrow);
  const auto before = pings_on(narrow);
  run_for(60s);
  EXPECT_EQ(paths.find(narrow)->packet_size, limits::probe_packet_size);
  EXPECT_EQ(pings_on(narrow) - before, 1u + limits::size_probes);
  carries = 1500;
  run_for(limits::size_probe_again);
  EXPECT_EQ(paths.find(narrow)->packet_size, limits::largest_packet_size);

  const Route v6{.endpoint = at("[2001:db8::7]:7000")};
  works(v6, 20ms);
  paths.prove(now, v6, quiet, 20ms);
  paths.find_size(now, v6);
  run_for(1s);
  EXPECT_EQ(paths.find(v6)->packet_size, limits::largest_packet_size - limits::ipv6_takes_more);
}

TEST_F(PathStory, WhereLargePacketsCeaseToPassSmallOnesAreSentWithinThreeSeconds) {
  works(direct, 20ms);
  paths.prove(now, direct, kept, 20ms);
  paths.find_size(now, direct);
  const auto use_for = [&](Duration span) {
    for (const TimePoint end = now + span; now < end; run_for(50ms))
      paths.on_data_sent(now, direct);
  };
  use_for(5s);
  ASSERT_EQ(paths.best()->packet_size, limits::largest_packet_size);

  carries = 1300;
  use_for(2700ms);
  ASSERT_NE(paths.best(), nullptr) << "it still carries small ones";
  EXPECT_EQ(paths.best()->packet_size, limits::packet_size);
  use_for(20s);
  EXPECT_EQ(paths.best()->packet_size, limits::packet_size);
  carries = 1450;
  use_for(limits::size_probe_again);
  EXPECT_EQ(paths.best()->packet_size, limits::probe_packet_size);
}

TEST_F(PathStory, OneLargePingLostSaysNothing) {
  works(direct, 20ms);
  paths.prove(now, direct, kept, 20ms);
  paths.find_size(now, direct);
  for (int second = 0; second < 60; ++second) {
    carries = second % 10 == 5 ? 1300 : 1500;
    for (int i = 0; i < 20; ++i) {
      paths.on_data_sent(now, direct);
      run_for(50ms);
    }
  }
  EXPECT_EQ(paths.best()->packet_size, limits::largest_packet_size);
}

TEST_F(PathStory, AProbeOfSizeIsNeverSmallerThanWhatItProves) {
  Random random(3);
  for (int i = 0; i < 300; ++i) {
    const Route route{.endpoint = {address("203.0.113.9"), static_cast<std::uint16_t>(1 + i)}};
    Paths fresh{random.fork()};
    fresh.prove(now, route, kept, random.chance(0.2) ? Duration{} : random.upto(1s));
    const auto probe = fresh.probe_size(now, route, limits::probe_packet_size);
    ASSERT_TRUE(probe);
    const std::size_t size = encode(*probe).size() + sealed_overhead;
    ASSERT_GE(size, limits::probe_packet_size);
    ASSERT_LE(size, limits::probe_packet_size + 16) << "nor much larger";
  }
}

TEST_F(PathStory, AKnockIsOnePingAndProvesWhenAnswered) {
  const auto knock = paths.knock(now, direct, kept);
  ASSERT_TRUE(knock);
  EXPECT_TRUE(drain(paths, now).empty()) << "knocks keep their own time";
  const auto again = paths.knock(now + 50ms, direct, kept);
  ASSERT_TRUE(again);
  EXPECT_TRUE(paths.on_pong(now + 80ms, direct, knock->nonce)) << "the first one was answered";
  EXPECT_EQ(paths.best()->method, Method::punch);
  EXPECT_FALSE(paths.knock(now + 100ms, direct, kept)) << "the door is open";
}

TEST_F(PathStory, ALaneThatIsGoneTakesItsPathAlong) {
  paths.prove(now, relay, kept, 20ms);
  paths.prove(now, other_relay, kept, 40ms);
  ASSERT_EQ(best(), relay);
  paths.remove_lane(relay.lane);
  EXPECT_EQ(best(), other_relay);
  EXPECT_EQ(paths.find(relay), nullptr);
}

TEST_F(PathStory, AClosedConnectionTakesItsPathAlongAndIsReported) {
  Route connection = by_tcp;
  connection.connection = 5;
  paths.prove(now, connection, kept, 80ms);
  paths.prove(now, relay, kept, 80ms);
  ASSERT_EQ(paths.best()->route, connection);
  paths.remove_connection(4);
  EXPECT_TRUE(paths.find(connection));
  paths.remove_connection(5);
  EXPECT_EQ(paths.best()->route, relay);
  const auto lost = paths.take_lost();
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].route, connection);
}

TEST_F(PathStory, WhoComesByTcpMayHaveLostItsUdpAndThatIsFoundOut) {
  paths.prove(now, direct, quiet, 80ms);
  answering[by_tcp] = 80ms;
  paths.prove(now, by_tcp, quiet, 80ms);
  EXPECT_EQ(paths.best()->route, direct) << "as long as it answers";
  run_until(now + 2s);
  EXPECT_EQ(paths.best()->route, by_tcp);
}

TEST_F(PathStory, HoweverManyWaysAreOfferedFewAreKeptAndTheProvedOneStays) {
  paths.prove(now, direct, kept, 20ms);
  Random random(3);
  for (int i = 0; i < 5000; ++i) {
    const Route route{.endpoint = {address("203.0.113.9"), static_cast<std::uint16_t>(1 + i)}};
    if (random.chance(0.5))
      paths.add(now, route, quiet);
    else
      paths.knock(now, route, quiet);
    ASSERT_LE(paths.all().size(), limits::paths_per_peer);
  }
  EXPECT_EQ(best(), direct);
}

TEST_F(PathStory, APathThatMakesRoomForAnotherIsReportedAsLost) {
  for (std::uint16_t port = 1; port <= 2 * limits::paths_per_peer; ++port) {
    paths.prove(now, {.endpoint = {address("203.0.113.9"), port}}, quiet, 20ms);
    ASSERT_LE(paths.all().size(), limits::paths_per_peer);
    ASSERT_NE(paths.best(), nullptr);
  }
  EXPECT_EQ(paths.take_lost().size(), limits::paths_per_peer);
}

// Whatever is done to it, in whatever order: bounded, and never woken in vain.
TEST_F(PathStory, NoHistoryLeavesADeadlineBehind) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed);
    Paths subject{Random(seed)};
    TimePoint time = noon;
    std::vector<Paths::Probe> open;
    const auto some_route = [&] {
      const auto n = static_cast<std::uint16_t>(1 + random.below(24));
      return Route{.proto = random.chance(0.1) ? Proto::tcp : Proto::udp,
                   .endpoint = {address("203.0.113.9"), n},
                   .lane = random.chance(0.3) ? n : LaneId{0}};
    };
    const auto asked = [&](const Route& route, const std::optional<Ping>& ping) {
      if (ping) open.push_back({route, *ping});
    };
    for (int i = 0; i < 400; ++i) {
      const Route route = some_route();
      const Paths::Traits& traits = random.chance(0.5) ? kept : quiet;
      switch (random.below(13)) {
        case 0:
          subject.add(time, route, traits);
          break;
        case 1:
          asked(route, subject.knock(time, route, traits));
          break;
        case 2:
          asked(route, subject.ping(time, route));
          break;
        case 3:
          subject.prove(time, route, traits, random.upto(100ms));
          break;
        case 4:
          subject.on_data_sent(time, route);
          break;
        case 5:
          subject.remove_lane(route.lane);
          break;
        case 6:
          subject.set_keepalive(route, random.chance(0.5) ? std::optional(20s) : std::nullopt);
          break;
        case 7:
          asked(route, subject.probe_size(time, route, limits::probe_packet_size));
          break;
        case 9:
          subject.follow(time, route);
          break;
        case 10:
          subject.test_all(time);
          if (random.chance(0.5)) subject.doubt_direct(time);
          break;
        case 8:
          if (!open.empty()) {
            const auto& probe = open[random.below(open.size())];
            subject.on_pong(time, probe.route, probe.ping.nonce);
          }
          break;
        default:
          time += random.upto(random.chance(0.1) ? Duration(30s) : Duration(700ms));
      }
      for (const auto& probe : drain(subject, time)) open.push_back(probe);
      ASSERT_FALSE(HasFailure()) << "seed " << seed << ", step " << i;
      ASSERT_LE(subject.all().size(), limits::paths_per_peer);
      const Path* chosen = subject.best();
      const bool any = std::any_of(subject.all().begin(), subject.all().end(),
                                   [](const Path& path) { return path.proved; });
      ASSERT_EQ(chosen != nullptr, any) << "seed " << seed << ", step " << i;
      if (chosen) {
        ASSERT_TRUE(chosen->proved);
      }
    }
  }
}

}  // namespace
}  // namespace byway::paths_test

// How fast a session is: against a bottleneck, in virtual time, and against the processor, in real
// time. The second figure is only printed, for it says more about the machine than about us.
#include <gtest/gtest.h>

#include <chrono>

#include "tests/unit/stream/pair.h"

namespace byway::testing::throughput_test {
namespace {

// Bytes that reach Bo in the ten seconds after a second of warming up.
double bytes_per_second(Wire wire, bool cubic) {
  Pair pair{wire};
  pair.ana_config.cubic = pair.bo_config.cubic = cubic;
  if (!pair.meet()) return 0;
  const auto id = *pair.ana.session->open_stream();
  pair.ana.say(id, Bytes(static_cast<std::size_t>(wire.bytes_per_second * 15)));
  pair.run_for(2s);
  const auto before = pair.bo.heard[id].size();
  pair.run_for(10s);
  return static_cast<double>(pair.bo.heard[id].size() - before) / 10;
}

TEST(Throughput, BothControllersFillAQuietLink) {
  const Wire dsl{.delay = 20ms, .bytes_per_second = 5e6, .queue = 200'000};
  EXPECT_GT(bytes_per_second(dsl, false), 0.8 * dsl.bytes_per_second);
  EXPECT_GT(bytes_per_second(dsl, true), 0.8 * dsl.bytes_per_second);
}

TEST(Throughput, BbrIsNotFooledByRandomLoss) {
  const Wire radio{.delay = 30ms, .loss = 0.01, .bytes_per_second = 5e6, .queue = 200'000};
  EXPECT_GT(bytes_per_second(radio, false), 0.6 * radio.bytes_per_second);
}

// Ana's machine is busy with other things: whenever she asks to be woken she is half a millisecond
// late, and nothing else wakes her. Was that time lost to the stream each time, it would reach
// 55 % of this link.
TEST(Throughput, WhoIsWokenLateCatchesUpWithItsPace) {
  const Wire fibre{.delay = 20ms, .bytes_per_second = 20e6, .queue = 800'000};
  Pair pair{fibre};
  ASSERT_TRUE(pair.meet());
  const auto id = *pair.ana.session->open_stream();
  pair.ana.say(id, Bytes(70'000'000));
  const auto run_late = [&](Duration time) {
    for (const auto end = pair.now + time; pair.now < end;) {
      const auto due = pair.ana.session->next_timeout().value_or(end);
      pair.ana.asleep = true;
      pair.run_for(std::clamp<Duration>(due - pair.now, 0ns, 5ms) + 500us);
      pair.ana.asleep = false;
      pair.run_for(0ns);
    }
  };
  run_late(1s);
  const auto before = pair.bo.heard[id].size();
  run_late(2s);
  EXPECT_GT(static_cast<double>(pair.bo.heard[id].size() - before) / 2,
            0.85 * fibre.bytes_per_second);
}

// What Ana sends at one moment of a stream that has found its rate and then had nothing to say.
std::size_t burst(const Wire& wire, Duration warm_up) {
  Pair pair{wire};
  if (!pair.meet()) return 0;
  const auto id = *pair.ana.session->open_stream();
  const auto seconds = std::chrono::duration<double>(warm_up).count();
  pair.ana.say(id, Bytes(static_cast<std::size_t>(wire.bytes_per_second * seconds)));
  pair.run_for(2 * warm_up);
  pair.ana.session->write(id, Bytes(1'500'000));
  std::size_t sent = 0;
  while (auto packets = pair.ana.session->poll_packets(pair.now, 1400, 44))
    sent += packets->bytes.size();
  return sent;
}

TEST(Throughput, WhatLeavesAtOnceIsAMillisecondsWorth) {
  const Wire dsl{.delay = 10ms, .bytes_per_second = 5e6, .queue = 200'000};
  const auto slow = burst(dsl, 2s);
  EXPECT_GT(slow, 0u);
  EXPECT_LT(slow, 20'000u);  // of one, and what a late wake-up is forgiven
}

// Of ten streams that all have enough to send: how many packets follow one of the same stream.
double same_again(const Wire& wire, Duration warm_up) {
  const auto each = wire.bytes_per_second * std::chrono::duration<double>(warm_up).count() * 0.15;
  Pair pair{wire};
  if (!pair.meet()) return 0;
  std::map<QuicStreamId, std::size_t> heard;
  for (int i = 0; i < 10; ++i) {
    const auto id = *pair.ana.session->open_stream();
    pair.ana.say(id, Bytes(static_cast<std::size_t>(each)));
    heard[id] = 0;
  }
  pair.run_for(warm_up);
  std::size_t same = 0, all = 0;
  QuicStreamId last = -1;
  pair.run_until(
      [&] {
        for (auto& [id, before] : heard)
          if (const auto size = pair.bo.heard[id].size(); std::exchange(before, size) != size) {
            ++all;
            if (std::exchange(last, id) == id) ++same;
          }
        return false;
      },
      100ms);
  // Whatever a turn is, nobody falls behind by much more than one.
  const auto [least, most] = std::minmax_element(
      heard.begin(), heard.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  EXPECT_LT(most->second - least->second, 40'000u);
  EXPECT_GT(least->second, 0u);
  return all == 0 ? 0 : static_cast<double>(same) / static_cast<double>(all);
}

TEST(Throughput, StreamsTakeTurnsPacketByPacketButLongerOnAFastPath) {
  const Wire dsl{.delay = 10ms, .bytes_per_second = 2e6, .queue = 200'000};
  EXPECT_LT(same_again(dsl, 2s), 0.1);
  const Wire cable{.delay = 1ms, .bytes_per_second = 1e8, .queue = 1'000'000};
  EXPECT_GT(same_again(cable, 400ms), 0.5);
}

TEST(Throughput, ASessionMovesAHundredMegabytesIntact) {
  constexpr std::size_t size = 100'000'000;
  for (const bool cubic : {false, true}) {
    Pair pair{{.delay = 0ms}};
    pair.ana_config.cubic = pair.bo_config.cubic = cubic;
    ASSERT_TRUE(pair.meet());
    const auto id = *pair.ana.session->open_stream();
    Bytes chunk(1 << 20, 0x5a);
    std::size_t told = 0, heard = 0;

    const auto started = std::chrono::steady_clock::now();
    TimePoint now = pair.now;
    while (heard < size) {
      for (std::size_t taken = 1; taken > 0 && told < size; told += taken)
        taken =
            pair.ana.session->write(id, ByteView{chunk}.first(std::min(chunk.size(), size - told)));

      const auto carry = [&](Session& from, Session& to) {
        bool any = false;
        while (auto packets = from.poll_packets(now, 1400, 44)) {
          any = true;
          for (ByteView rest = packets->bytes; !rest.empty();) {
            const auto count = std::min(rest.size(), packets->segment_size);
            to.on_packet(now, rest.first(count));
            rest = rest.subspan(count);
          }
        }
        return any;
      };
      const bool busy =
          carry(*pair.ana.session, *pair.bo.session) | carry(*pair.bo.session, *pair.ana.session);
      while (pair.ana.session->poll_event() || pair.bo.session->poll_event()) {
      }
      for (auto got = pair.bo.session->read(id, 1 << 20); !got.bytes.empty();
           got = pair.bo.session->read(id, 1 << 20)) {
        ASSERT_EQ(got.bytes.front(), 0x5a);
        heard += got.bytes.size();
      }
      now += 20us;
      if (busy) continue;
      for (auto* one : {pair.ana.session.get(), pair.bo.session.get()})
        if (auto wake = one->next_timeout(); wake && *wake <= now) one->on_timeout(now);
    }
    EXPECT_EQ(heard, size);

    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    std::printf("%s, packets of 1400 bytes, both ends on one core: %.2f Gbit/s\n",
                cubic ? "CUBIC" : "BBR", 8e-9 * static_cast<double>(size) / took.count());
  }
}

}  // namespace
}  // namespace byway::testing::throughput_test

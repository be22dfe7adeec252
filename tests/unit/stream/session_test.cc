#include "overlay/stream/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/stream/pair.h"

namespace byway::testing::session_test {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

Bytes noise(std::size_t size, std::uint64_t seed) {
  Bytes bytes(size);
  Random{seed}.fill(bytes);
  return bytes;
}

TEST(Session, WhatAnaSaysComesBackFromBo) {
  Pair pair;
  pair.bo.echoes = true;
  ASSERT_TRUE(pair.meet());

  const auto id = *pair.ana.session->open_stream();
  pair.ana.say(id, "hello");
  pair.ana.finish(id);
  ASSERT_TRUE(pair.run_until([&] { return pair.ana.ended.contains(id); }, 1s));

  EXPECT_EQ(text_of(pair.ana.heard[id]), "hello");
  EXPECT_EQ(text_of(pair.bo.heard[id]), "hello");
}

TEST(Session, TheFirstByteIsEchoedTwoRoundTripsAfterTheFirstPacket) {
  Pair pair;  // 20 ms round trip
  pair.bo.echoes = true;
  pair.connect();
  const auto id = *pair.ana.session->open_stream();  // before anything was sent
  pair.ana.say(id, "early bird");

  ASSERT_TRUE(pair.run_until([&] { return !pair.ana.heard[id].empty(); }, 1s));
  EXPECT_EQ(text_of(pair.ana.heard[id]), "early bird");
  EXPECT_EQ(pair.now.time_since_epoch(), 40ms);
}

TEST(Session, NothingIsDeliveredBeforeTheClientHasProvedItsKey) {
  Pair pair;
  pair.connect();
  const auto id = *pair.ana.session->open_stream();
  pair.ana.say(id, "too early?");
  pair.run_for(5s);

  bool established = false;
  for (const auto& event : pair.bo.events) {
    established |= std::holds_alternative<session_event::Established>(event);
    const bool readable = std::holds_alternative<session_event::Readable>(event);
    EXPECT_TRUE(established || !readable);
  }
  EXPECT_EQ(text_of(pair.bo.heard[id]), "too early?");
}

TEST(Session, AServerThatIsSomebodyElseIsRefused) {
  Pair pair;
  pair.bo_config = Pair::config_of(identity(3), pair.ana_key);
  pair.connect();
  pair.run_for(5s);

  ASSERT_TRUE(pair.ana.closed());
  EXPECT_EQ(pair.ana.closed()->end, SessionEnd::wrong_key);
  EXPECT_FALSE(pair.ana.established());
  EXPECT_FALSE(pair.bo.established());
}

TEST(Session, AClientThatIsSomebodyElseIsRefusedAndHearsNothing) {
  Pair pair;
  pair.ana_config = Pair::config_of(identity(3), pair.bo_key);
  pair.connect();
  const auto id = *pair.ana.session->open_stream();
  pair.ana.say(id, "it is me, honestly");
  pair.run_for(5s);

  ASSERT_TRUE(pair.bo.closed());
  EXPECT_EQ(pair.bo.closed()->end, SessionEnd::wrong_key);
  EXPECT_FALSE(pair.bo.established());
  EXPECT_THAT(pair.bo.heard, IsEmpty());
  ASSERT_TRUE(pair.ana.closed());
  EXPECT_EQ(pair.ana.closed()->end, SessionEnd::closed_by_peer);
  EXPECT_NE(pair.ana.closed()->reason, "");
}

TEST(Session, AHundredStreamsKeepTheirWordsApart) {
  Pair pair;
  pair.bo.echoes = true;
  ASSERT_TRUE(pair.meet());

  std::map<QuicStreamId, Bytes> told;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const auto id = *pair.ana.session->open_stream();
    told[id] = noise(1000 + 37 * i, i);
    pair.ana.say(id, told[id]);
    pair.ana.finish(id);
  }
  ASSERT_TRUE(pair.run_until([&] { return pair.ana.ended.size() == 100; }, 10s));

  EXPECT_EQ(pair.ana.heard, told);
  ASSERT_TRUE(pair.run_until([&] { return pair.bo.session->open_streams() == 0; }, 10s));
  EXPECT_EQ(pair.ana.session->open_streams(), 0u);
}

TEST(Session, TenMegabytesSurviveLossAndReorderingBothWays) {
  for (const bool cubic : {false, true}) {
    Pair pair{{.delay = 10ms, .jitter = 5ms, .loss = 0.05}, 7};
    pair.ana_config.cubic = pair.bo_config.cubic = cubic;
    ASSERT_TRUE(pair.meet());
    const auto up = noise(10'000'000, 1), down = noise(10'000'000, 2);

    const auto id = *pair.ana.session->open_stream();
    pair.ana.say(id, up);
    pair.ana.finish(id);
    ASSERT_TRUE(pair.run_until([&] { return pair.bo.session->open_streams() == 1; }, 1s));
    pair.bo.say(id, down);
    pair.bo.finish(id);
    ASSERT_TRUE(pair.run_until(
        [&] { return pair.ana.ended.contains(id) && pair.bo.ended.contains(id); }, 300s));

    EXPECT_EQ(pair.bo.heard[id], up);
    EXPECT_EQ(pair.ana.heard[id], down);
    EXPECT_GT(pair.ana.session->stats().packets_lost, 0u);
  }
}

// One machine sleeps, the other has no way to it; afterwards the NAT has forgotten them for a
// moment.
TEST(Session, AfterASleepBothGoOnAtOnce) {
  for (const bool cubic : {false, true}) {
    Pair pair{{.delay = 40ms}, 3};
    pair.ana_config.cubic = pair.bo_config.cubic = cubic;
    ASSERT_TRUE(pair.meet());
    const auto id = *pair.ana.session->open_stream();
    pair.ana.say(id, "x");
    ASSERT_TRUE(pair.run_until([&] { return !pair.bo.heard[id].empty(); }, 1s));

    const auto chat = [&](Duration time) {
      for (const auto end = pair.now + time; pair.now < end; pair.run_for(20ms))
        for (Person* person : {&pair.ana, &pair.bo})
          if (!person->asleep) person->say(id, noise(1250, 1));
    };
    chat(2s);
    pair.ana.asleep = true;
    chat(4s);
    pair.bo.asleep = true;
    pair.run_for(26s);
    pair.ana.asleep = false;
    pair.meddle = [](bool, Bytes&) { return false; };
    chat(700ms);
    pair.meddle = {};
    pair.bo.asleep = false;
    const auto heard_by_ana = pair.ana.heard[id].size(), heard_by_bo = pair.bo.heard[id].size();
    chat(2s);
    EXPECT_GT(pair.ana.heard[id].size(), heard_by_ana + 100'000) << "cubic: " << cubic;
    EXPECT_GT(pair.bo.heard[id].size(), heard_by_bo + 100'000) << "cubic: " << cubic;
    EXPECT_LT(pair.ana.session->stats().smoothed_rtt, 1s);
    EXPECT_LT(pair.bo.session->stats().smoothed_rtt, 1s);
  }
}

TEST(Session, PacketsFitThePathAndFollowItWhenItShrinks) {
  Pair pair;
  ASSERT_TRUE(pair.meet());
  const auto id = *pair.ana.session->open_stream();
  pair.ana.say(id, noise(500'000, 1));
  pair.run_for(100ms);
  EXPECT_LE(pair.ana.largest_packet, 1400u);
  EXPECT_GT(pair.ana.largest_packet, 1380u);

  pair.wire.packet_size = 1250;
  pair.ana.largest_packet = 0;
  pair.ana.say(id, noise(500'000, 2));
  ASSERT_TRUE(pair.run_until([&] { return pair.bo.heard[id].size() == 1'000'000; }, 10s));
  EXPECT_LE(pair.ana.largest_packet, 1250u);
}

TEST(Session, EveryDatagramWithAnInitialFillsTwelveHundredBytes) {
  Pair pair;
  std::vector<std::size_t> initials;
  pair.meddle = [&](bool, Bytes& packet) {
    if ((packet[0] & 0xf0) == 0xc0) initials.push_back(packet.size());
    return true;
  };
  ASSERT_TRUE(pair.meet());
  ASSERT_FALSE(initials.empty());
  for (const auto size : initials) EXPECT_GE(size, 1200u);
}

TEST(Session, BatchesAreReadyForSegmentation) {
  Pair pair;
  ASSERT_TRUE(pair.meet());
  const auto id = *pair.ana.session->open_stream();
  ASSERT_EQ(pair.ana.session->write(id, noise(200'000, 1)), 200'000u);

  std::size_t longest = 0;
  while (auto packets = pair.ana.session->poll_packets(pair.now, 1400, 20)) {
    const auto count = (packets->bytes.size() + packets->segment_size - 1) / packets->segment_size;
    EXPECT_LE(count, 20u);
    EXPECT_LE(packets->segment_size, 1400u);
    longest = std::max(longest, count);
  }
  EXPECT_GE(longest, 8u);
}

TEST(Session, WordsOfSeveralStreamsShareAPacket) {
  Pair pair;
  ASSERT_TRUE(pair.meet());
  std::array<QuicStreamId, 3> ids{};
  for (auto& id : ids) pair.ana.say(id = *pair.ana.session->open_stream(), "hello");
  pair.run_for(1s);

  for (const auto id : ids) pair.ana.say(id, "a word");
  const auto packets = pair.ana.session->poll_packets(pair.now, 1400, 20);
  ASSERT_TRUE(packets);
  EXPECT_EQ(packets->bytes.size(), packets->segment_size);
  EXPECT_FALSE(pair.ana.session->poll_packets(pair.now, 1400, 20));
  pair.bo.session->on_packet(pair.now, packets->bytes);
  pair.run_for(1s);
  for (const auto id : ids) EXPECT_EQ(pair.bo.heard[id].size(), 5 + 6u);
}

TEST(Session, AReaderThatDoesNotReadHoldsTheWriterBack) {
  Pair pair;
  pair.bo.reads = false;
  ASSERT_TRUE(pair.meet());
  const auto id = *pair.ana.session->open_stream();
  const auto film = noise(20'000'000, 1);
  pair.ana.say(id, film);
  pair.run_for(20s);

  // One window at Bo and one send buffer at Ana; not the film.
  const auto on_the_way = pair.ana.session->stats().bytes_sent;
  EXPECT_LT(on_the_way, pair.bo_config.stream_window * 5 / 4);

  pair.bo.reads = true;
  pair.bo.listen(id);
  ASSERT_TRUE(pair.run_until([&] { return pair.bo.heard[id].size() == film.size(); }, 60s));
  EXPECT_EQ(pair.bo.heard[id], film);
}

TEST(Session, AWriterIsToldWhenThereIsRoomAgain) {
  Pair pair;
  pair.ana_config.send_buffer = 100'000;
  ASSERT_TRUE(pair.meet());
  const auto id = *pair.ana.session->open_stream();

  const auto taken = pair.ana.session->write(id, noise(150'000, 1));
  EXPECT_EQ(taken, 100'000u);
  EXPECT_EQ(pair.ana.session->write(id, noise(1, 1)), 0u);
  ASSERT_TRUE(
      pair.run_until([&] { return pair.ana.first<session_event::Writable>().has_value(); }, 5s));
  EXPECT_GT(pair.ana.session->write(id, noise(10, 1)), 0u);
}

TEST(Session, ManyWritersShareWhatOneMayHaveAlone) {
  Pair pair;
  pair.ana_config.session_send_buffer = 1 << 20;
  ASSERT_TRUE(pair.meet());
  const auto film = noise(1'500'000, 1);
  std::map<QuicStreamId, std::size_t> taken;
  for (int i = 0; i < 100; ++i) {
    const auto id = *pair.ana.session->open_stream();
    taken[id] = pair.ana.session->write(id, film);
    EXPECT_GE(taken[id], pair.ana_config.least_send_buffer);
  }
  EXPECT_EQ(taken.begin()->second, pair.ana_config.send_buffer);
  EXPECT_EQ(taken.rbegin()->second, pair.ana_config.least_send_buffer);

  // All of it gets there, in turns.
  for (auto& [id, count] : taken) pair.ana.say(id, ByteView{film}.subspan(count));
  const auto all_heard = [&] {
    return std::all_of(taken.begin(), taken.end(),
                       [&](const auto& one) { return pair.bo.heard[one.first] == film; });
  };
  EXPECT_TRUE(pair.run_until(all_heard, 60s));
}

TEST(Session, ASourceFillsTheStreamsOwnMemory) {
  Pair pair;
  ASSERT_TRUE(pair.meet());
  const auto id = *pair.ana.session->open_stream();
  const auto film = noise(700'001, 1);
  ByteView rest = film;
  std::size_t at_once = 1;  // what it has at a time: more and more, also none
  const auto source = [&](std::span<const MutableBytes> rooms) {
    std::size_t given = 0;
    for (const MutableBytes room : rooms) {
      const auto count = std::min({room.size(), rest.size(), at_once - given});
      std::copy_n(rest.begin(), count, room.begin());
      rest = rest.subspan(count);
      given += count;
    }
    return given;
  };
  while (!rest.empty()) {
    const auto before = rest.size();
    const auto taken = pair.ana.session->fill(id, 300'000, source);
    EXPECT_EQ(taken, before - rest.size());
    at_once = at_once == 0 ? 40'000 : at_once < 30'000 ? at_once * 2 : 0;
    pair.run_for(5ms);
  }
  pair.ana.session->finish(id);
  ASSERT_TRUE(pair.run_until([&] { return pair.bo.ended.contains(id); }, 10s));
  EXPECT_TRUE(pair.bo.heard[id] == film);
}

TEST(Session, PacketsAreMadeInMemoryThatWasGivenBack) {
  Spares<Bytes> spares{4};
  Pair pair;
  pair.ana_config.spares = &spares;
  ASSERT_TRUE(pair.meet());
  const auto id = *pair.ana.session->open_stream();
  // What is kept as spare the heap cannot hand out: the same places are the same memory.
  std::size_t batches = 0;
  std::set<const std::uint8_t*> places;
  bool grown = false;
  pair.sent = [&](bool from_ana, Bytes bytes) {
    if (!from_ana) return;
    if (grown) ++batches, places.insert(bytes.data());
    spares.give(std::move(bytes));
  };
  for (int i = 0; i < 60; ++i) {
    grown = i >= 20;
    pair.ana.session->write(id, noise(100'000, 1));
    pair.run_for(10ms);
  }
  EXPECT_GT(batches, 40u);
  EXPECT_LE(places.size(), 5u);  // four spare ones and its own
}

TEST(Session, SixtyStreamsAreReadFromTheSameMemoryAgainAndAgain) {
  Pair pair;
  ASSERT_TRUE(pair.meet());
  pair.bo.reads = false;  // so that all sixty have something at once
  std::vector<QuicStreamId> ids;
  for (int i = 0; i < 60; ++i) ids.push_back(*pair.ana.session->open_stream());
  std::set<const std::uint8_t*> places;
  for (int round = 0; round < 20; ++round) {
    for (const auto id : ids) pair.ana.say(id, noise(20'000, 1));
    pair.run_for(200ms);
    std::vector<Bytes> pieces;
    for (const auto id : ids) {
      Bytes piece = pair.bo.session->read(id, 100'000).bytes;
      ASSERT_EQ(piece.size(), 20'000u) << round;
      if (round >= 10) places.insert(piece.data());
      pieces.push_back(std::move(piece));
    }
    // Reading on ends a stream's turn, and gives back what was read.
    for (std::size_t i = 0; i < ids.size(); ++i)
      EXPECT_TRUE(pair.bo.session->read(ids[i], 100'000, std::move(pieces[i])).bytes.empty());
  }
  EXPECT_EQ(places.size(), 60u);
}

TEST(Session, FinishingOneDirectionLeavesTheOtherOpen) {
  Pair pair;
  ASSERT_TRUE(pair.meet());
  const auto id = *pair.ana.session->open_stream();
  pair.ana.say(id, "question");
  pair.ana.finish(id);
  ASSERT_TRUE(pair.run_until([&] { return pair.bo.ended.contains(id); }, 1s));
  EXPECT_EQ(pair.ana.session->write(id, bytes_of("more")), 0u);

  pair.run_for(5s);
  pair.bo.say(id, "answer");
  pair.bo.finish(id);
  ASSERT_TRUE(pair.run_until([&] { return pair.ana.ended.contains(id); }, 1s));
  EXPECT_EQ(text_of(pair.ana.heard[id]), "answer");
  pair.run_for(1s);
  EXPECT_THAT(pair.ana.all<session_event::StreamClosed>(), SizeIs(1));
  EXPECT_THAT(pair.bo.all<session_event::StreamClosed>(), SizeIs(1));
}

TEST(Session, AStreamIsKeptUntilItsLastByteIsRead) {
  Pair pair;
  pair.bo.reads = false;
  ASSERT_TRUE(pair.meet());
  const auto id = *pair.ana.session->open_stream();
  pair.ana.say(id, "read me later");
  pair.ana.finish(id);
  pair.run_for(100ms);
  pair.bo.session->finish(id);
  pair.run_for(1s);
  EXPECT_EQ(pair.ana.session->open_streams(), 0u);
  ASSERT_EQ(pair.bo.session->open_streams(), 1u);

  auto chunk = pair.bo.session->read(id, 5);
  EXPECT_EQ(text_of(chunk.bytes), "read ");
  EXPECT_FALSE(chunk.fin);
  chunk = pair.bo.session->read(id, 100);
  EXPECT_EQ(text_of(chunk.bytes), "me later");
  EXPECT_TRUE(chunk.fin);
  EXPECT_EQ(pair.bo.session->open_streams(), 0u);
}

TEST(Session, AResetEndsBothDirectionsAndTellsTheCode) {
  Pair pair;
  ASSERT_TRUE(pair.meet());
  const auto id = *pair.ana.session->open_stream();
  pair.ana.say(id, noise(300'000, 1));
  pair.run_for(15ms);
  pair.ana.session->reset(id, 42);
  pair.run_for(2s);

  ASSERT_TRUE(pair.bo.first<session_event::Reset>());
  EXPECT_EQ(pair.bo.first<session_event::Reset>()->code, 42u);
  EXPECT_EQ(pair.bo.session->write(id, bytes_of("anyone?")), 0u);
  EXPECT_EQ(pair.ana.session->open_streams(), 0u);
  EXPECT_EQ(pair.bo.session->open_streams(), 0u);
}

TEST(Session, AWriterHearsThatNobodyReadsAndStillHearsWhatItIsTold) {
  Pair pair;
  pair.ana.reads = false;
  ASSERT_TRUE(pair.meet());
  const auto id = *pair.ana.session->open_stream();
  pair.ana.say(id, "go on");
  pair.run_for(100ms);
  pair.bo.say(id, noise(5'000'000, 1));
  pair.run_for(5s);  // until its window is full
  pair.ana.session->stop_reading(id);
  ASSERT_TRUE(
      pair.run_until([&] { return pair.bo.first<session_event::Unread>().has_value(); }, 100ms));
  EXPECT_EQ(pair.bo.first<session_event::Unread>()->id, id);
  EXPECT_EQ(pair.bo.session->write(id, bytes_of("anyone?")), 0u);

  pair.ana.say(id, noise(300'000, 2));
  pair.ana.finish(id);
  ASSERT_TRUE(pair.run_until([&] { return pair.bo.ended.contains(id); }, 5s));
  EXPECT_EQ(pair.bo.heard[id].size(), 5 + 300'000u);
  pair.run_for(2s);
  EXPECT_FALSE(pair.ana.first<session_event::Reset>());
  EXPECT_THAT(pair.bo.all<session_event::Unread>(), SizeIs(1));
  EXPECT_THAT(pair.ana.all<session_event::StreamClosed>(), SizeIs(1));
  EXPECT_THAT(pair.bo.all<session_event::StreamClosed>(), SizeIs(1));
  EXPECT_EQ(pair.ana.session->open_streams(), 0u);
  EXPECT_EQ(pair.bo.session->open_streams(), 0u);
}

TEST(Session, AStreamMayBeLeftUnreadBeforeTheHandshakeIsDone) {
  Pair pair;
  pair.connect();
  const auto id = *pair.ana.session->open_stream();
  pair.ana.session->stop_reading(id);
  pair.ana.say(id, "only listen");
  pair.ana.finish(id);
  ASSERT_TRUE(pair.run_until([&] { return pair.bo.ended.contains(id); }, 2s));
  EXPECT_EQ(text_of(pair.bo.heard[id]), "only listen");
  pair.run_for(1s);
  EXPECT_TRUE(pair.bo.first<session_event::Unread>());
  EXPECT_EQ(pair.ana.session->open_streams() + pair.bo.session->open_streams(), 0u);
}

TEST(Session, WhatIsLeftUnreadTakesNothingFromTheOthersWindow) {
  Pair pair;
  pair.ana.reads = false;
  ASSERT_TRUE(pair.meet());
  for (int i = 0; i < 10; ++i) {  // each would use up a quarter of the session's window
    const auto id = *pair.bo.session->open_stream();
    pair.bo.say(id, noise(3'000'000, 1));
    pair.run_for(1s);
    pair.ana.session->stop_reading(id);
    pair.ana.session->finish(id);
    pair.run_for(1s);
  }
  EXPECT_EQ(pair.ana.session->open_streams() + pair.bo.session->open_streams(), 0u);
  pair.ana.reads = true;
  const auto id = *pair.bo.session->open_stream();
  pair.bo.say(id, noise(10'000'000, 2));
  pair.bo.finish(id);
  EXPECT_TRUE(pair.run_until([&] { return pair.ana.ended.contains(id); }, 60s));
}

TEST(Session, StreamsResetUnderLossLeaveNothingBehind) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Pair pair{{.delay = 10ms, .jitter = 8ms, .loss = 0.2}, seed};
    pair.bo.echoes = pair.ana.polite = true;
    ASSERT_TRUE(pair.meet());

    Random dice{seed};
    for (int round = 0; round < 400; ++round) {
      auto& opener = dice.chance(0.5) ? pair.ana : pair.bo;
      const auto id = opener.session->open_stream();
      ASSERT_TRUE(id) << round;
      if (dice.chance(0.8)) opener.say(*id, noise(dice.below(20'000), 1));
      if (dice.chance(0.3)) opener.finish(*id);
      pair.run_for(dice.upto(30ms));
      if (dice.chance(0.3)) opener.session->stop_reading(*id);
      if (dice.chance(0.7)) {
        opener.session->reset(*id, 1);
      } else {
        opener.finish(*id);
      }
    }
    const auto all_gone = [&] {
      return pair.ana.session->open_streams() + pair.bo.session->open_streams() == 0;
    };
    ASSERT_TRUE(pair.run_until(all_gone, 120s)) << seed;
    // Nor is a stream missing from what may be opened at once.
    pair.wire.loss = 0;
    pair.run_for(2s);
    for (int i = 0; i < 1024; ++i) ASSERT_TRUE(pair.ana.session->open_stream()) << i;
    EXPECT_EQ(pair.ana.session->open_stream().error(), Error::busy);
  }
}

TEST(Session, OpeningManyStreamsOneAfterTheOtherNeverRunsOut) {
  Pair pair{{.delay = 1ms}};
  pair.bo.echoes = true;
  ASSERT_TRUE(pair.meet());
  for (int i = 0; i < 3000; ++i) {
    const auto id = pair.ana.session->open_stream();
    ASSERT_TRUE(id) << i;
    pair.ana.say(*id, "x");
    pair.ana.finish(*id);
    ASSERT_TRUE(pair.run_until([&] { return pair.ana.ended.contains(*id); }, 1s)) << i;
  }
}

TEST(Session, AnEmptySessionGoesAfterItsIdleTimeout) {
  Pair pair;
  ASSERT_TRUE(pair.meet());
  pair.run_for(170s);
  EXPECT_FALSE(pair.ana.closed());
  pair.run_for(20s);
  ASSERT_TRUE(pair.ana.closed());
  EXPECT_EQ(pair.ana.closed()->end, SessionEnd::timed_out);
  EXPECT_EQ(pair.ana.session->state(), Session::State::closed);
  EXPECT_EQ(pair.bo.closed()->end, SessionEnd::timed_out);
}

TEST(Session, AWordWakesNobodyBeforeItsAcknowledgementIsDue) {
  Pair pair;
  ASSERT_TRUE(pair.meet());
  const auto id = *pair.ana.session->open_stream();
  pair.ana.say(id, "hello");
  pair.run_for(1s);
  for (int i = 0; i < 100; ++i) {
    pair.ana.say(id, "a word");
    pair.settle();
    ASSERT_GT(*pair.ana.session->next_timeout(), pair.now + 20ms) << i;
    pair.run_for(1s);
  }
  EXPECT_EQ(pair.bo.heard[id].size(), 5 + 100 * 6u);
}

TEST(Session, AQuietStreamKeepsItsSession) {
  Pair pair;
  ASSERT_TRUE(pair.meet());
  const auto id = *pair.ana.session->open_stream();
  pair.ana.say(id, "I shall be quiet now");
  pair.run_for(1h);
  EXPECT_FALSE(pair.ana.closed());
  EXPECT_LT(pair.steps, 1000u);  // and costs next to nothing
  pair.ana.say(id, "!");
  ASSERT_TRUE(pair.run_until([&] { return pair.bo.heard[id].back() == '!'; }, 1s));
}

TEST(Session, APeerThatVanishesIsGivenUp) {
  Pair pair;
  ASSERT_TRUE(pair.meet());
  const auto id = *pair.ana.session->open_stream();
  pair.ana.say(id, "hello?");
  pair.wire.loss = 1;
  pair.run_for(400s);
  ASSERT_TRUE(pair.ana.closed());
  EXPECT_EQ(pair.ana.closed()->end, SessionEnd::timed_out);
}

TEST(Session, NobodyAnswersAndTheHandshakeEndsInTime) {
  Pair pair{{.loss = 1}};
  pair.connect();
  pair.run_for(9s);
  EXPECT_EQ(pair.ana.session->state(), Session::State::handshaking);
  pair.run_for(2s);
  ASSERT_TRUE(pair.ana.closed());
  EXPECT_EQ(pair.ana.closed()->end, SessionEnd::timed_out);
}

TEST(Session, TheReasonForClosingIsHeardOnTheOtherSide) {
  Pair pair;
  ASSERT_TRUE(pair.meet());
  pair.ana.session->close(pair.now, "gone to\nlunch");
  pair.run_for(10s);

  EXPECT_EQ(pair.ana.closed()->end, SessionEnd::closed_here);
  ASSERT_TRUE(pair.bo.closed());
  EXPECT_EQ(pair.bo.closed()->end, SessionEnd::closed_by_peer);
  EXPECT_EQ(pair.bo.closed()->reason, "gone to?lunch");
  EXPECT_EQ(pair.ana.session->state(), Session::State::closed);
  EXPECT_EQ(pair.bo.session->state(), Session::State::closed);
  EXPECT_THAT(pair.bo.all<session_event::Closed>(), SizeIs(1));
}

TEST(Session, ACloseThatWasLostIsRepeatedWhenThePeerGoesOnTalking) {
  Pair pair;
  ASSERT_TRUE(pair.meet());
  const auto id = *pair.bo.session->open_stream();
  int swallowed = 0;
  pair.meddle = [&](bool from_ana, Bytes&) { return !from_ana || swallowed++ > 0; };
  pair.ana.session->close(pair.now, "bye");
  pair.settle();
  EXPECT_EQ(swallowed, 1);

  pair.bo.say(id, noise(5000, 1));
  pair.run_for(10s);
  ASSERT_TRUE(pair.bo.closed());
  EXPECT_EQ(pair.bo.closed()->reason, "bye");
}

TEST(Session, AnEndedSessionTakesNothingMore) {
  Pair pair;
  ASSERT_TRUE(pair.meet());
  const auto id = *pair.ana.session->open_stream();
  pair.ana.session->close(pair.now, "");
  EXPECT_EQ(pair.ana.session->write(id, bytes_of("x")), 0u);
  EXPECT_EQ(pair.ana.session->open_stream().error(), Error::refused);
  EXPECT_THAT(pair.ana.session->read(id, 10).bytes, IsEmpty());
  pair.ana.session->finish(id);
  pair.ana.session->reset(id, 0);
  pair.run_for(10s);
  EXPECT_EQ(pair.ana.session->open_streams(), 0u);
}

TEST(Session, PacketsAreFoundByTheIdsTheSessionNames) {
  Pair pair;
  std::set<ConnectionId> at_bo;
  pair.meddle = [&](bool from_ana, Bytes& packet) {
    if (from_ana) at_bo.insert(*destination_id(packet));
    return true;
  };
  pair.connect();
  pair.settle();
  const auto made_up = *at_bo.begin();
  ASSERT_TRUE(pair.run_until([&] { return pair.bo.session != nullptr; }, 1s));
  EXPECT_THAT(pair.bo.session->local_ids(), ::testing::Contains(made_up));
  const auto version = pair.bo.session->local_ids_version();

  ASSERT_TRUE(pair.run_until([&] { return pair.bo.established(); }, 1s));
  EXPECT_GT(pair.bo.session->local_ids_version(), version);
  EXPECT_THAT(pair.bo.session->local_ids(), SizeIs(1));

  at_bo.clear();
  const auto id = *pair.ana.session->open_stream();
  pair.ana.say(id, noise(100'000, 1));
  pair.run_for(5s);
  EXPECT_THAT(at_bo, ::testing::ElementsAre(pair.bo.session->local_ids()[0]));
}

TEST(Session, OnlyAFullInitialOfOursOpensASession) {
  Pair pair;
  Bytes initial;
  pair.meddle = [&](bool, Bytes& packet) {
    initial = packet;
    return false;
  };
  pair.connect();
  pair.settle();
  ASSERT_GE(initial.size(), 1200u);
  const auto accept = [&](ByteView packet) {
    return Session::accept(pair.bo_config, pair.now, pair.random, packet);
  };
  EXPECT_TRUE(accept(initial));

  EXPECT_EQ(accept({}).error(), Error::malformed);
  EXPECT_EQ(accept(ByteView{initial}.first(1199)).error(), Error::malformed);

  auto other_version = initial;
  other_version[4] = 2;
  EXPECT_EQ(accept(other_version).error(), Error::malformed);

  auto long_id = initial;
  long_id[5] = 20;
  EXPECT_EQ(accept(long_id).error(), Error::malformed);

  auto forged = initial;
  forged[600] ^= 1;
  EXPECT_EQ(accept(forged).error(), Error::unauthentic);
}

TEST(Session, RetryAndVersionNegotiationNeverReachTheLibrary) {
  Pair pair;
  pair.connect();
  pair.settle();
  const auto to = pair.ana.session->local_ids()[0];
  for (std::uint8_t version = 0; version < 3; ++version) {
    for (const std::uint8_t first : ByteArray<3>{0xc0, 0xd0, 0xf0}) {
      Bytes packet{first, 0, 0, 0, version, 8};
      append(packet, to);
      packet.push_back(8);
      append(packet, ByteArray<8>{});
      append(packet, noise(40, first));
      const auto before = pair.ana.session->stats().packets_dropped;
      pair.ana.session->on_packet(pair.now, packet);
      EXPECT_EQ(pair.ana.session->stats().packets_dropped, before + 1);
    }
  }
  EXPECT_EQ(pair.ana.session->state(), Session::State::handshaking);
}

TEST(Session, MutatedAndInventedPacketsDoNoHarm) {
  Pair pair{{}, 11};
  Random dice{12};
  pair.bo.echoes = true;
  std::vector<Bytes> kept;
  pair.meddle = [&](bool from_ana, Bytes& packet) {
    for (int i = 0; i < 3; ++i) {
      auto changed = dice.chance(0.3) && !kept.empty() ? kept[dice.below(kept.size())] : packet;
      const auto flips = 1 + dice.below(4);
      for (std::uint64_t f = 0; f < flips; ++f)
        changed[dice.below(changed.size())] ^= static_cast<std::uint8_t>(1 + dice.below(255));
      if (dice.chance(0.3)) changed.resize(dice.below(changed.size()) + 1);
      if (dice.chance(0.1)) dice.fill(changed);
      auto& to = from_ana ? pair.bo : pair.ana;
      if (to.session) to.session->on_packet(pair.now, changed);
    }
    if (kept.size() < 50) kept.push_back(packet);
    return true;
  };
  ASSERT_TRUE(pair.meet());
  const auto id = *pair.ana.session->open_stream();
  const auto text = noise(300'000, 2);
  pair.ana.say(id, text);
  pair.ana.finish(id);
  ASSERT_TRUE(pair.run_until([&] { return pair.ana.ended.contains(id); }, 60s));
  EXPECT_EQ(pair.ana.heard[id], text);
}

TEST(Session, ALossyHandshakeStillSucceeds) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Pair pair{{.delay = 20ms, .jitter = 20ms, .loss = 0.25}, seed};
    pair.connect();
    const auto id = *pair.ana.session->open_stream();
    pair.ana.say(id, "hello");
    EXPECT_TRUE(pair.run_until([&] { return text_of(pair.bo.heard[id]) == "hello"; }, 10s)) << seed;
  }
}

}  // namespace
}  // namespace byway::testing::session_test

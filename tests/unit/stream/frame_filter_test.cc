#include "overlay/stream/frame_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/stream/mallory.h"

namespace byway::testing::frame_filter_test {
namespace {

using ::testing::HasSubstr;

// Frames, byte by byte as RFC 9000 section 19 draws them.
Bytes frame(std::initializer_list<int> bytes) {
  Bytes out;
  for (const auto byte : bytes) out.push_back(static_cast<std::uint8_t>(byte));
  return out;
}
Bytes operator+(Bytes left, const Bytes& right) {
  append(left, right);
  return left;
}
Bytes new_connection_id(std::uint8_t sequence, std::uint8_t retire_prior_to,
                        std::uint8_t size = 8) {
  auto out = frame({0x18, sequence, retire_prior_to, size});
  out.insert(out.end(), size, std::uint8_t(0x40 + sequence));  // the id
  out.insert(out.end(), 16, std::uint8_t(0x80 + sequence));    // its reset token
  return out;
}

const Bytes padding = frame({0, 0, 0});
const Bytes ping = frame({0x01});
const Bytes ack = frame({0x02, 10, 0, 1, 2, 3, 1});
const Bytes crypto = frame({0x06, 0, 3, 'a', 'b', 'c'});
const Bytes close_by_transport = frame({0x1c, 0x0a, 0x00, 2, 'n', 'o'});
const Bytes close_by_application = frame({0x1d, 0x00, 2, 'n', 'o'});
const Bytes handshake_done = frame({0x1e});

enum class From { client, server };

std::optional<RefusedFrame> in_one_rtt(const Bytes& payload, From from = From::client) {
  return first_refused_frame(payload, QuicPacketKind::one_rtt, from == From::server);
}

TEST(FrameFilter, TheHandshakeSpeaksFiveFrames) {
  const auto everything = padding + ping + ack + crypto + close_by_transport;
  for (const auto kind : {QuicPacketKind::initial, QuicPacketKind::handshake}) {
    EXPECT_FALSE(first_refused_frame(everything, kind, false));
    for (int type = 0x03; type < 0x40; ++type) {
      if (type == 0x06 || type == 0x1c) continue;
      const auto refused = first_refused_frame(ping + frame({type}) + Bytes(40, 1), kind, true);
      ASSERT_TRUE(refused) << type;
      EXPECT_EQ(refused->type, static_cast<std::uint64_t>(type));
    }
  }
}

TEST(FrameFilter, WhatASessionSendsPasses) {
  const auto stream_without_length = frame({0x0c, 4, 9, 'x', 'y'});
  const auto payload = ack + frame({0x04, 4, 1, 2}) + frame({0x05, 0, 1}) +
                       frame({0x0b, 5, 2, 'h', 'i'}) + frame({0x10, 9}) + frame({0x11, 4, 9}) +
                       frame({0x12, 9}) + new_connection_id(1, 0) + stream_without_length;
  EXPECT_FALSE(in_one_rtt(payload));
  EXPECT_FALSE(in_one_rtt(padding + close_by_transport));
  EXPECT_FALSE(in_one_rtt(close_by_application));
  EXPECT_FALSE(in_one_rtt(handshake_done, From::server));
}

TEST(FrameFilter, StreamsThatNobodyReadsAreNamed) {
  std::vector<std::int64_t> unread;
  const auto payload =
      ping + frame({0x05, 8, 1}) + frame({0x04, 4, 1, 2}) + frame({0x05, 0x40, 0x64, 0});
  EXPECT_FALSE(first_refused_frame(payload, QuicPacketKind::one_rtt, false, &unread));
  EXPECT_THAT(unread, ::testing::ElementsAre(8, 100));
}

TEST(FrameFilter, OnlyTheServerSaysTheHandshakeIsDone) {
  EXPECT_TRUE(in_one_rtt(handshake_done, From::client));
}

TEST(FrameFilter, AConnectionIdIsTheOneSpareOrNothing) {
  EXPECT_FALSE(in_one_rtt(new_connection_id(1, 0)));
  EXPECT_EQ(in_one_rtt(new_connection_id(1, 1))->name, "NEW_CONNECTION_ID");
  EXPECT_EQ(in_one_rtt(new_connection_id(2, 0))->name, "NEW_CONNECTION_ID");
  EXPECT_EQ(in_one_rtt(new_connection_id(0, 0))->name, "NEW_CONNECTION_ID");
  EXPECT_EQ(in_one_rtt(new_connection_id(1, 0, 20))->name, "NEW_CONNECTION_ID");
  EXPECT_EQ(in_one_rtt(new_connection_id(1, 0, 0))->name, "NEW_CONNECTION_ID");
}

TEST(FrameFilter, EverythingWeNeverSendIsRefusedByName) {
  const struct {
    Bytes bytes;
    std::string_view name;
  } strangers[] = {
      {frame({0x03, 10, 0, 0, 3, 1, 1, 1}), "ACK with ECN counts"},
      {crypto, "CRYPTO"},
      {frame({0x07, 1, 7}), "NEW_TOKEN"},
      {frame({0x13, 9}), "MAX_STREAMS for unidirectional streams"},
      {frame({0x14, 9}), "DATA_BLOCKED"},
      {frame({0x15, 0, 9}), "STREAM_DATA_BLOCKED"},
      {frame({0x16, 9}), "STREAMS_BLOCKED"},
      {frame({0x17, 9}), "STREAMS_BLOCKED for unidirectional streams"},
      {frame({0x19, 0}), "RETIRE_CONNECTION_ID"},
      {frame({0x1a, 1, 2, 3, 4, 5, 6, 7, 8}), "PATH_CHALLENGE"},
      {frame({0x1b, 1, 2, 3, 4, 5, 6, 7, 8}), "PATH_RESPONSE"},
      {frame({0x30, 1}), "DATAGRAM"},
      {frame({0x31, 0}), "DATAGRAM"},
      {frame({0x1f}), "an unknown frame"},
      {frame({0x21}), "an unknown frame"},
  };
  for (const auto& [bytes, name] : strangers) {
    const auto refused = in_one_rtt(ping + bytes + padding, From::server);
    ASSERT_TRUE(refused) << name;
    EXPECT_EQ(refused->name, name);
    EXPECT_EQ(refused->type, bytes[0]);
  }
}

TEST(FrameFilter, UnidirectionalStreamsDoNotExist) {
  for (const int id : {2, 3, 6, 7}) {
    EXPECT_TRUE(in_one_rtt(frame({0x0a, id, 1, 'x'})));
    EXPECT_TRUE(in_one_rtt(frame({0x04, id, 0, 0})));
    EXPECT_TRUE(in_one_rtt(frame({0x05, id, 0})));
    EXPECT_TRUE(in_one_rtt(frame({0x11, id, 9})));
  }
}

TEST(FrameFilter, AFrameTypeHasOneSpelling) {
  const auto refused = in_one_rtt(frame({0x40, 0x01}));  // PING in two bytes
  ASSERT_TRUE(refused);
  EXPECT_THAT(refused->name, HasSubstr("shortest"));
}

TEST(FrameFilter, AnEmptyPacketSaysNothing) {
  EXPECT_TRUE(in_one_rtt({}));
}

TEST(FrameFilter, ATruncatedFrameIsRefusedWhereverItEnds) {
  const Bytes whole[] = {ack,
                         frame({0x04, 4, 1, 2}),
                         frame({0x05, 0, 1}),
                         frame({0x0e, 5, 3, 2, 'h', 'i'}),
                         frame({0x10, 0x80, 1, 2, 3}),
                         frame({0x11, 4, 9}),
                         frame({0x12, 9}),
                         new_connection_id(1, 0),
                         close_by_transport,
                         close_by_application};
  for (const auto& bytes : whole) {
    ASSERT_FALSE(in_one_rtt(bytes));
    for (std::size_t size = 1; size < bytes.size(); ++size) {
      const auto cut = to_bytes(ByteView{bytes}.first(size));
      EXPECT_TRUE(in_one_rtt(cut)) << "type " << int(bytes[0]) << " cut to " << size;
    }
  }
}

TEST(FrameFilter, LengthsBeyondThePacketAreRefused) {
  EXPECT_TRUE(in_one_rtt(frame({0x0a, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})));
  EXPECT_TRUE(in_one_rtt(frame({0x02, 10, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})));
}

// --- the same on a live session -----------------------------------------------------------------

class AuthenticatedMallory : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 20 && !(mallory.established() && bo && bo->state() == Session::State::open);
         ++i) {
      for (auto packet = mallory.poll(now); !packet.empty(); packet = mallory.poll(now)) {
        if (bo)
          bo->on_packet(now, packet);
        else
          bo = std::move(*Session::accept(pair.bo_config, now, pair.random, packet));
      }
      while (auto packets = bo->poll_packets(now, 1200, 1)) mallory.on_packet(now, packets->bytes);
      now += 10ms;
    }
    ASSERT_EQ(bo->state(), Session::State::open);
    while (auto event = bo->poll_event()) {
    }
  }
  void send(const Bytes& frames) {
    now += 50ms;
    if (const auto packet = mallory.packet_with(now, frames); !packet.empty())
      bo->on_packet(now, packet);
    if (bo->state() != Session::State::open) return;
    now += 50ms;
    if (bo->next_timeout()) bo->on_timeout(now);
    while (auto packets = bo->poll_packets(now, 1200, 1))
      if (!pair.random.chance(deaf)) mallory.on_packet(now, packets->bytes);
  }

  // Bo's application, which does not know what it wants either.
  void act(Random& dice) {
    while (auto event = bo->poll_event()) {
      if (auto* opened = std::get_if<session_event::StreamOpened>(&*event))
        ids.push_back(opened->id);
    }
    if (dice.chance(0.1))
      if (auto id = bo->open_stream()) ids.push_back(*id);
    if (ids.empty()) return;
    const auto id = ids[dice.below(ids.size())];
    switch (dice.below(5)) {
      case 0:
        bo->write(id, Bytes(dice.below(5000)));
        break;
      case 1:
        bo->read(id, dice.below(100));
        break;
      case 2:
        bo->finish(id);
        break;
      case 3:
        bo->reset(id, dice.below(3));
        break;
      default:
        break;
    }
  }

  double deaf = 0;  // how much of what Bo says she does not hear, so that he says it again
  std::vector<QuicStreamId> ids;
  Pair pair;
  TimePoint now{};
  Mallory mallory{pair.ana_config, now, pair.random};
  std::unique_ptr<Session> bo;
};

// ngtcp2 0.12.1 keeps a list of the ids it has retired and aborts when one is retired twice. This
// is how that is done: retire everything below 5, then name an older id, and name it again.
TEST_F(AuthenticatedMallory, CannotAbortUsByRetiringConnectionIds) {
  const auto frames = new_connection_id(5, 5) + new_connection_id(3, 0) + new_connection_id(3, 0);
  send(frames);

  const auto event = bo->poll_event();
  ASSERT_TRUE(event);
  const auto* closed = std::get_if<session_event::Closed>(&*event);
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->end, SessionEnd::refused_frame);
  EXPECT_THAT(closed->reason, HasSubstr("NEW_CONNECTION_ID"));
  EXPECT_EQ(bo->stats().frames_refused, 1u);

  // Bo says why, and then is deaf.
  EXPECT_TRUE(bo->poll_packets(now, 1200, 10));
  send(frames);
  EXPECT_FALSE(bo->poll_event());
}

TEST_F(AuthenticatedMallory, IsCutOffForAnythingWeNeverSay) {
  send(frame({0x1a, 1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(bo->state(), Session::State::closing);
  EXPECT_EQ(bo->stats().frames_refused, 1u);
}

TEST_F(AuthenticatedMallory, MaySayWhatWeSay) {
  send(ping + frame({0x0a, 0, 2, 'h', 'i'}));
  EXPECT_EQ(bo->state(), Session::State::open);
  EXPECT_EQ(text_of(bo->read(0, 100).bytes), "hi");
}

TEST_F(AuthenticatedMallory, CannotMakeUsHoldMoreThanTheWindow) {
  // One byte past the stream window, at an offset we would have to remember.
  send(frame({0x0e, 0, 0x80, 0x10, 0x00, 0x00, 1, 'x'}));
  EXPECT_EQ(bo->state(), Session::State::closing);
}

TEST_F(AuthenticatedMallory, ResettingStreamsThatNeverWereCostsNothing) {
  for (int id = 0; id < 60; id += 4) send(frame({0x04, id, 0, 0}));
  EXPECT_EQ(bo->state(), Session::State::open);
  EXPECT_LE(bo->open_streams(), 1u);
}

// Frames that each pass the filter, in an order that makes no sense.
TEST_F(AuthenticatedMallory, CannotConfuseUsWithFramesOutOfPlace) {
  Random dice{4};
  deaf = 0.3;
  const auto any = [&](int bound) { return static_cast<int>(dice.below(bound)); };
  for (int i = 0; i < 3000 && bo->state() == Session::State::open; ++i) {
    Bytes frames;
    for (auto count = 1 + any(6); count > 0; --count) {
      const int id = 4 * any(16) + any(1000) / 999;
      switch (any(8)) {  // every stream is 60 bytes long: to lie about that ends the session
        case 0:
          frames = frames + frame({0x04, id, any(3), 60});
          break;
        case 1:
          frames = frames + frame({0x05, id, any(3)});
          break;
        case 2:
          frames = frames + frame({0x0e, id, any(57), 3, 'a', 'b', 'c'});
          break;
        case 3:
          frames = frames + frame({0x0f, id, 59, 1, 'z'});
          break;
        case 4:
          frames = frames + frame({0x11, id, 0x80, any(64), 0, 0});
          break;
        case 5:
          frames = frames + frame({0x10, 0x80, any(64), 0, 0});
          break;
        case 6:
          frames = frames + frame({0x12, any(64)});
          break;
        case 7:
          frames = frames + ping;
          break;
      }
    }
    send(frames);
    act(dice);
  }
  EXPECT_EQ(bo->stats().frames_refused, 0u);
  EXPECT_GT(ids.size(), 10u);
}

TEST_F(AuthenticatedMallory, RandomContentUnderTheRightKeyNeverCrashes) {
  Random dice{4};
  for (int i = 0; i < 200; ++i) {
    Bytes frames(1 + dice.below(60));
    dice.fill(frames);
    frames[0] = static_cast<std::uint8_t>(dice.below(0x20));
    send(frames);
    if (bo->state() != Session::State::open) {
      EXPECT_TRUE(bo->poll_packets(now, 1200, 1));
      break;
    }
  }
  EXPECT_NE(bo->state(), Session::State::open);
}

}  // namespace
}  // namespace byway::testing::frame_filter_test

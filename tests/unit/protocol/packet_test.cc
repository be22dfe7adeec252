#include "protocol/packet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/stun.h"

namespace byway::packet_test {
namespace {

using testing::ElementsAre;

Bytes frame(PacketKind kind, std::size_t size) {
  Bytes datagram(size);
  datagram[0] = static_cast<std::uint8_t>(kind);
  return datagram;
}

TEST(Packet, TheFirstByteTellsTheFamiliesApart) {
  for (int first = 0; first <= 255; ++first) {
    const ByteArray<1> datagram{static_cast<std::uint8_t>(first)};
    const PacketKind expected = first >= 0x10 && first <= 0x17   ? static_cast<PacketKind>(first)
                                : first >= 0x40 && first <= 0x7f ? PacketKind::quic_short
                                : first >= 0xc0                  ? PacketKind::quic_long
                                                                 : PacketKind::unknown;
    EXPECT_EQ(classify(datagram), expected) << first;
  }
  EXPECT_EQ(classify({}), PacketKind::unknown);
}

TEST(Packet, StunIsKnownByItsCookieAndNotByItsFirstByteAlone) {
  Bytes request = stun_binding_request({});
  EXPECT_EQ(classify(request), PacketKind::stun);
  EXPECT_EQ(classify(ByteView(request).first(19)), PacketKind::unknown);
  request[4] ^= 1;
  EXPECT_EQ(classify(request), PacketKind::unknown);
}

TEST(Packet, ARelayFrameCarriesAnythingUntouched) {
  const Bytes frame = make_relay_frame(0x0102030405060708, bytes_of("opaque"));
  EXPECT_EQ(frame.size(), relay_header_size + 6);
  EXPECT_EQ(classify(frame), PacketKind::relay);

  const auto parsed = parse_relay_frame(frame);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->lane, 0x0102030405060708u);
  EXPECT_EQ(text_of(parsed->payload), "opaque");
  EXPECT_TRUE(parse_relay_frame(make_relay_frame(1, {}))->payload.empty());
}

TEST(Packet, ADialBackAndItsEchoCarryOneNonceAndAreOfOneSize) {
  ProofNonce nonce{};
  nonce[0] = 1;
  nonce[15] = 0xff;
  const Bytes dial = make_dialback(nonce), echo = make_dialback_echo(nonce);
  EXPECT_EQ(dial.size(), dialback_size);
  EXPECT_EQ(echo.size(), dial.size()) << "nobody gets more than he sent";
  EXPECT_EQ(classify(dial), PacketKind::dialback);
  EXPECT_EQ(classify(echo), PacketKind::dialback_echo);
  EXPECT_EQ(*parse_dialback(dial), nonce);
  EXPECT_EQ(*parse_dialback_echo(echo), nonce);
  EXPECT_EQ(parse_dialback(echo).error(), Error::malformed);
  EXPECT_EQ(parse_dialback_echo(dial).error(), Error::malformed);

  Bytes longer = dial;
  longer.push_back(0);
  EXPECT_EQ(parse_dialback(longer).error(), Error::too_large);
}

TEST(Packet, EveryLengthShortOfItsHeaderIsTruncated) {
  const std::pair<PacketKind, std::size_t> least[] = {
      {PacketKind::handshake1, handshake1_overhead}, {PacketKind::handshake2, handshake2_overhead},
      {PacketKind::cookie, cookie_packet_size},      {PacketKind::sealed, sealed_overhead},
      {PacketKind::relay, relay_header_size},        {PacketKind::dialback, dialback_size},
      {PacketKind::dialback_echo, dialback_size}};
  const auto outcome = [](PacketKind kind, ByteView datagram) -> boost::system::error_code {
    switch (kind) {
      case PacketKind::handshake1:
        return parse_handshake1(datagram).error();
      case PacketKind::handshake2:
        return parse_handshake2(datagram).error();
      case PacketKind::cookie:
        return parse_cookie(datagram).error();
      case PacketKind::sealed:
        return parse_sealed(datagram).error();
      case PacketKind::dialback:
        return parse_dialback(datagram).error();
      case PacketKind::dialback_echo:
        return parse_dialback_echo(datagram).error();
      default:
        return parse_relay_frame(datagram).error();
    }
  };
  for (const auto& [kind, size] : least) {
    const Bytes whole = frame(kind, size);
    EXPECT_FALSE(outcome(kind, whole)) << to_string(kind);
    for (std::size_t n = 0; n < size; ++n)
      EXPECT_EQ(outcome(kind, ByteView(whole).first(n)), Error::truncated) << to_string(kind) << n;
    Bytes other = whole;
    other[0] = 0x1f;
    EXPECT_EQ(outcome(kind, other), Error::malformed) << to_string(kind);
  }
}

TEST(Packet, ReservedBytesAreZeroUntilTheyMeanSomething) {
  for (std::size_t at = 1; at <= 3; ++at) {
    Bytes datagram = frame(PacketKind::sealed, sealed_overhead);
    datagram[at] = 1;
    EXPECT_EQ(parse_sealed(datagram).error(), Error::malformed);
  }
}

TEST(Packet, AHandshakeLargerThanADatagramShouldBeIsNotReadAtAll) {
  EXPECT_TRUE(parse_handshake1(frame(PacketKind::handshake1, max_handshake_size)));
  EXPECT_EQ(parse_handshake1(frame(PacketKind::handshake1, max_handshake_size + 1)).error(),
            Error::too_large);
  EXPECT_EQ(parse_handshake2(frame(PacketKind::handshake2, max_handshake_size + 1)).error(),
            Error::too_large);
  EXPECT_EQ(parse_cookie(frame(PacketKind::cookie, cookie_packet_size + 1)).error(),
            Error::too_large);
}

TEST(Packet, ThePartsOfAHandshakeCoverItWithoutAGap) {
  Bytes datagram = frame(PacketKind::handshake1, handshake1_overhead + 10);
  datagram[7] = 42;
  const auto packet = parse_handshake1(datagram);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->sender_index, 42u);
  EXPECT_EQ(packet->noise.size(), 96u + 10u);
  EXPECT_EQ(packet->before_mac1.size() + packet->mac1.size(), packet->before_mac2.size());
  EXPECT_EQ(packet->before_mac2.size() + packet->mac2.size(), datagram.size());
}

TEST(Packet, TheReceiverIndexStandsAtOnePlaceInAllThatHaveOne) {
  for (const PacketKind kind : {PacketKind::handshake2, PacketKind::cookie, PacketKind::sealed}) {
    Bytes datagram = frame(kind, 8);
    store_be<std::uint32_t>(MutableBytes(datagram).subspan(4), 0xa1b2c3d4);
    EXPECT_EQ(*receiver_index(datagram), 0xa1b2c3d4);
    EXPECT_EQ(receiver_index(ByteView(datagram).first(7)).error(), Error::truncated);
  }
  EXPECT_EQ(receiver_index(frame(PacketKind::handshake1, 8)).error(), Error::malformed);
  EXPECT_EQ(receiver_index(frame(PacketKind::relay, 9)).error(), Error::malformed);
  EXPECT_EQ(receiver_index({}).error(), Error::malformed);
}

}  // namespace
}  // namespace byway::packet_test

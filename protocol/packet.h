// How our datagrams begin. STUN, QUIC and our own packets share one UDP port and are told apart
// by their first byte (the ranges follow RFC 9443); this file knows the outer layout of each of
// ours and opens none of them. All integers are big-endian, reserved bytes are zero.
//
//   handshake 1 (0x10)   the wish to talk, from the initiator
//     type 1 | reserved 3 | sender index 4 | noise: e 32, s 48, payload n + 16 | mac1 16 | mac2 16
//   handshake 2 (0x11)   the answer
//     type 1 | reserved 3 | receiver index 4 | sender index 4 | noise: e 32, payload n + 16 | mac1
//     16
//   cookie (0x12)        the answer under load: "say that again, with this"
//     type 1 | reserved 3 | receiver index 4 | nonce 24 | sealed cookie 16 + 16
//   sealed (0x13)        a message inside a link
//     type 1 | reserved 3 | receiver index 4 | counter 8 | ciphertext n + 16
//   relay (0x14)         somebody else's datagram, passed on unread
//     type 1 | lane 8 | payload n
//   dial-back (0x15)     from a stranger: "can you be reached here?", and nothing else
//     type 1 | nonce 16
//   dial-back echo (0x16)  the answer, to where the dial-back came from
//     type 1 | nonce 16
//
// An index is the number a side gave its half of a link; the other side writes it in front of
// whatever it sends, so that the receiver finds the keys with one look-up, whatever address the
// packet came from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol/bytes.h"
#include "protocol/result.h"

namespace byway {

enum class PacketKind : std::uint8_t {
  unknown = 0,
  stun = 1,
  quic_long = 2,
  quic_short = 3,
  handshake1 = 0x10,  // from here on the value is the first byte on the wire
  handshake2 = 0x11,
  cookie = 0x12,
  sealed = 0x13,
  relay = 0x14,
  dialback = 0x15,
  dialback_echo = 0x16,
  lan = 0x17,  // protocol/lan_packet.h
};
std::string_view to_string(PacketKind kind);

// By the first byte alone, except STUN, which must be 20 bytes long and show its magic cookie.
PacketKind classify(ByteView datagram);

inline constexpr std::size_t mac_size = 16;
inline constexpr std::size_t handshake1_header_size = 8;
inline constexpr std::size_t handshake1_overhead = handshake1_header_size + 96 + 2 * mac_size;
inline constexpr std::size_t handshake2_header_size = 12;
inline constexpr std::size_t handshake2_overhead = handshake2_header_size + 48 + mac_size;
inline constexpr std::size_t cookie_packet_size = 8 + 24 + 32;
inline constexpr std::size_t sealed_header_size = 16;
inline constexpr std::size_t sealed_overhead = sealed_header_size + 16;
inline constexpr std::size_t relay_header_size = 9;
inline constexpr std::size_t dialback_size = 1 + 16;  // and its echo's: no more than was sent
// A handshake fits one datagram of an ordinary Ethernet path; nobody honest sends more.
inline constexpr std::size_t max_handshake_size = 1472;
inline constexpr std::size_t max_handshake_payload = max_handshake_size - handshake1_overhead;

// The views below point into the datagram they were parsed from.
struct Handshake1Packet {
  std::uint32_t sender_index;
  ByteView noise;
  ByteView before_mac1, mac1;
  ByteView before_mac2, mac2;
};
struct Handshake2Packet {
  std::uint32_t receiver_index;
  std::uint32_t sender_index;
  ByteView noise;
  ByteView before_mac1, mac1;
};
struct CookiePacket {
  std::uint32_t receiver_index;
  ByteView nonce;
  ByteView sealed_cookie;
};
struct SealedHeader {
  std::uint32_t receiver_index;
  std::uint64_t counter;
  ByteView ciphertext;
};

// truncated: too short for its kind. too_large: a handshake over max_handshake_size.
// malformed: another kind, or reserved bytes that are not zero.
Result<Handshake1Packet> parse_handshake1(ByteView datagram);
Result<Handshake2Packet> parse_handshake2(ByteView datagram);
Result<CookiePacket> parse_cookie(ByteView datagram);
Result<SealedHeader> parse_sealed(ByteView datagram);

// Whom a handshake 2, cookie or sealed packet is for; malformed for every other kind.
Result<std::uint32_t> receiver_index(ByteView datagram);

using LaneId = std::uint64_t;
struct RelayFrame {
  LaneId lane;
  ByteView payload;
};
Result<RelayFrame> parse_relay_frame(ByteView datagram);
Bytes make_relay_frame(LaneId lane, ByteView payload);

// Drawn by whoever wants its address proved; a dial-back carries it there and its echo back again.
using ProofNonce = ByteArray<16>;
// truncated, too_large: not of their one size. malformed: another kind.
Result<ProofNonce> parse_dialback(ByteView datagram);
Result<ProofNonce> parse_dialback_echo(ByteView datagram);
Bytes make_dialback(const ProofNonce& nonce);
Bytes make_dialback_echo(const ProofNonce& nonce);

}  // namespace byway

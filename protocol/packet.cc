#include "protocol/packet.h"

#include <algorithm>

#include "protocol/stun.h"

namespace byway {
namespace {

// Type, reserved bytes and least size in one look.
Result<void> check_frame(ByteView datagram, PacketKind kind, std::size_t least_size) {
  if (datagram.empty()) return Error::truncated;
  if (datagram[0] != static_cast<std::uint8_t>(kind)) return Error::malformed;
  if (datagram.size() < least_size) return Error::truncated;
  if (datagram[1] != 0 || datagram[2] != 0 || datagram[3] != 0) return Error::malformed;
  return {};
}

std::uint32_t index_at(ByteView datagram, std::size_t offset) {
  return load_be<std::uint32_t>(datagram.subspan(offset, 4));
}

Result<ProofNonce> nonce_of(ByteView datagram, PacketKind kind) {
  if (datagram.empty()) return Error::truncated;
  if (datagram[0] != static_cast<std::uint8_t>(kind)) return Error::malformed;
  if (datagram.size() < dialback_size) return Error::truncated;
  if (datagram.size() > dialback_size) return Error::too_large;
  ProofNonce nonce;
  std::copy(datagram.begin() + 1, datagram.end(), nonce.begin());
  return nonce;
}

Bytes with_nonce(PacketKind kind, const ProofNonce& nonce) {
  Bytes datagram{static_cast<std::uint8_t>(kind)};
  append(datagram, nonce);
  return datagram;
}

}  // namespace

std::string_view to_string(PacketKind kind) {
  switch (kind) {
    case PacketKind::unknown:
      return "unknown";
    case PacketKind::stun:
      return "stun";
    case PacketKind::quic_long:
      return "quic-long";
    case PacketKind::quic_short:
      return "quic-short";
    case PacketKind::handshake1:
      return "handshake-1";
    case PacketKind::handshake2:
      return "handshake-2";
    case PacketKind::cookie:
      return "cookie";
    case PacketKind::sealed:
      return "sealed";
    case PacketKind::relay:
      return "relay";
    case PacketKind::dialback:
      return "dial-back";
    case PacketKind::dialback_echo:
      return "dial-back-echo";
    case PacketKind::lan:
      return "lan";
  }
  return "unknown";
}

PacketKind classify(ByteView datagram) {
  if (datagram.empty()) return PacketKind::unknown;
  const std::uint8_t first = datagram[0];
  if (first >= 0x10 && first <= 0x17) return static_cast<PacketKind>(first);
  if (first >= 0xc0) return PacketKind::quic_long;
  if (first >= 0x40 && first <= 0x7f) return PacketKind::quic_short;
  const bool stun = first <= 0x3f && datagram.size() >= stun_header_size &&
                    index_at(datagram, 4) == stun_magic_cookie;
  return stun ? PacketKind::stun : PacketKind::unknown;
}

Result<Handshake1Packet> parse_handshake1(ByteView datagram) {
  const auto frame = check_frame(datagram, PacketKind::handshake1, handshake1_overhead);
  if (!frame) return frame.error();
  if (datagram.size() > max_handshake_size) return Error::too_large;

  const std::size_t mac1_at = datagram.size() - 2 * mac_size;
  const std::size_t mac2_at = datagram.size() - mac_size;
  Handshake1Packet packet;
  packet.sender_index = index_at(datagram, 4);
  packet.noise = datagram.subspan(handshake1_header_size, mac1_at - handshake1_header_size);
  packet.before_mac1 = datagram.first(mac1_at);
  packet.mac1 = datagram.subspan(mac1_at, mac_size);
  packet.before_mac2 = datagram.first(mac2_at);
  packet.mac2 = datagram.subspan(mac2_at);
  return packet;
}

Result<Handshake2Packet> parse_handshake2(ByteView datagram) {
  const auto frame = check_frame(datagram, PacketKind::handshake2, handshake2_overhead);
  if (!frame) return frame.error();
  if (datagram.size() > max_handshake_size) return Error::too_large;

  const std::size_t mac1_at = datagram.size() - mac_size;
  Handshake2Packet packet;
  packet.receiver_index = index_at(datagram, 4);
  packet.sender_index = index_at(datagram, 8);
  packet.noise = datagram.subspan(handshake2_header_size, mac1_at - handshake2_header_size);
  packet.before_mac1 = datagram.first(mac1_at);
  packet.mac1 = datagram.subspan(mac1_at);
  return packet;
}

Result<CookiePacket> parse_cookie(ByteView datagram) {
  const auto frame = check_frame(datagram, PacketKind::cookie, cookie_packet_size);
  if (!frame) return frame.error();
  if (datagram.size() > cookie_packet_size) return Error::too_large;
  return CookiePacket{index_at(datagram, 4), datagram.subspan(8, 24), datagram.subspan(32)};
}

Result<SealedHeader> parse_sealed(ByteView datagram) {
  const auto frame = check_frame(datagram, PacketKind::sealed, sealed_overhead);
  if (!frame) return frame.error();
  return SealedHeader{index_at(datagram, 4), load_be<std::uint64_t>(datagram.subspan(8, 8)),
                      datagram.subspan(sealed_header_size)};
}

Result<std::uint32_t> receiver_index(ByteView datagram) {
  const PacketKind kind = classify(datagram);
  const bool addressed =
      kind == PacketKind::handshake2 || kind == PacketKind::cookie || kind == PacketKind::sealed;
  if (!addressed) return Error::malformed;
  if (datagram.size() < 8) return Error::truncated;
  return index_at(datagram, 4);
}

Result<RelayFrame> parse_relay_frame(ByteView datagram) {
  if (datagram.empty()) return Error::truncated;
  if (datagram[0] != static_cast<std::uint8_t>(PacketKind::relay)) return Error::malformed;
  if (datagram.size() < relay_header_size) return Error::truncated;
  return RelayFrame{load_be<std::uint64_t>(datagram.subspan(1, 8)),
                    datagram.subspan(relay_header_size)};
}

Bytes make_relay_frame(LaneId lane, ByteView payload) {
  Bytes frame;
  frame.reserve(relay_header_size + payload.size());
  frame.push_back(static_cast<std::uint8_t>(PacketKind::relay));
  append_be<std::uint64_t>(frame, lane);
  append(frame, payload);
  return frame;
}

Result<ProofNonce> parse_dialback(ByteView datagram) {
  return nonce_of(datagram, PacketKind::dialback);
}
Result<ProofNonce> parse_dialback_echo(ByteView datagram) {
  return nonce_of(datagram, PacketKind::dialback_echo);
}
Bytes make_dialback(const ProofNonce& nonce) {
  return with_nonce(PacketKind::dialback, nonce);
}
Bytes make_dialback_echo(const ProofNonce& nonce) {
  return with_nonce(PacketKind::dialback_echo, nonce);
}

}  // namespace byway

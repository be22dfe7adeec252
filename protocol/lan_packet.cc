#include "protocol/lan_packet.h"

#include <algorithm>
#include <string_view>

#include "protocol/packet.h"

namespace byway {
namespace {

constexpr std::string_view context = "byway lan 1";

Tag tag_of(const Crypto& crypto, LanKind kind, const NodeId& target, const LanSalt& salt) {
  Bytes message = to_bytes(bytes_of(context));
  message.push_back(static_cast<std::uint8_t>(kind));
  append(message, salt);
  return crypto.mac(target.key(), message);
}

}  // namespace

Endpoint lan_group_v4() {
  return {IpAddress::v4({239, 255, 98, 119}), lan_port};
}
Endpoint lan_group_v6() {
  return {IpAddress::v6({0xff, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x62, 0x77, 0x61, 0x79}),
          lan_port};
}

Result<LanPacket> parse_lan_packet(ByteView datagram) {
  if (datagram.empty()) return Error::truncated;
  if (datagram[0] != static_cast<std::uint8_t>(PacketKind::lan)) return Error::malformed;
  if (datagram.size() < lan_packet_size) return Error::truncated;
  if (datagram.size() > lan_packet_size) return Error::too_large;
  if (datagram[1] > static_cast<std::uint8_t>(LanKind::answer)) return Error::malformed;
  LanPacket packet;
  packet.kind = static_cast<LanKind>(datagram[1]);
  std::copy_n(datagram.begin() + 2, packet.salt.size(), packet.salt.begin());
  std::copy_n(datagram.begin() + 2 + packet.salt.size(), packet.tag.size(), packet.tag.begin());
  return packet;
}

Bytes make_lan_packet(const Crypto& crypto, LanKind kind, const NodeId& target,
                      const LanSalt& salt) {
  Bytes datagram{static_cast<std::uint8_t>(PacketKind::lan), static_cast<std::uint8_t>(kind)};
  append(datagram, salt);
  append(datagram, tag_of(crypto, kind, target, salt));
  return datagram;
}

bool is_about(const Crypto& crypto, const LanPacket& packet, const NodeId& target) {
  return same_secret(packet.tag, tag_of(crypto, packet.kind, target, packet.salt));
}

}  // namespace byway

// Finding a peer in the same local network: a question sent to everybody there, and its answer.
//
//    0        1       2                   18                  34
//   +--------+-------+-------------------+-------------------+
//   | 0x17   | kind  | salt              | tag               |     kind: 0 ask, 1 answer
//   +--------+-------+-------------------+-------------------+
//
// The tag is a MAC over the kind and the salt, under the NodeId that is looked for. So only who
// knows an id can ask for it, only who knows it recognises the question, and to all others in the
// network both are noise that never repeats: nobody learns who is here, or who looks for whom.
// An answer is as long as its question. It proves nothing yet: the handshake that follows does.
#pragma once

#include "protocol/crypto.h"
#include "protocol/endpoint.h"
#include "protocol/identity.h"

namespace byway {

inline constexpr std::size_t lan_packet_size = 2 + 16 + tag_size;

// Where questions go: administratively scoped IPv4 (RFC 2365) and a transient site-local IPv6 group
// (RFC 4291), both with one hop. Site-local and not link-local, so that the answer comes from an
// address that needs no interface beside it.
inline constexpr std::uint16_t lan_port = 7117;
Endpoint lan_group_v4();  // 239.255.98.119
Endpoint lan_group_v6();  // ff15::6277:6179

using LanSalt = ByteArray<16>;
enum class LanKind : std::uint8_t { ask = 0, answer = 1 };

struct LanPacket {
  LanKind kind = LanKind::ask;
  LanSalt salt;
  Tag tag;
};
// truncated, too_large: not of its one size. malformed: another type or kind.
Result<LanPacket> parse_lan_packet(ByteView datagram);
Bytes make_lan_packet(const Crypto& crypto, LanKind kind, const NodeId& target,
                      const LanSalt& salt);
// Whether this packet is about that node.
bool is_about(const Crypto& crypto, const LanPacket& packet, const NodeId& target);

}  // namespace byway

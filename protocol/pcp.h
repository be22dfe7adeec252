// Port Control Protocol, version 2 (RFC 6887), as far as a client needs it: MAP and ANNOUNCE.
//
//   question  version 1 | opcode 1 | reserved 2          | lifetime 4 | our address 16
//   answer    version 1 | opcode 1 | reserved 1 | code 1 | lifetime 4 | epoch 4 | reserved 12
//   MAP       nonce 12 | protocol 1 | reserved 3 | inside port 2 | outside port 2 | outside address
//   16
//
// An answer's opcode has its first bit set; MAP's data follows the header, options may follow that.
// Addresses are 16 bytes, an IPv4 one as ::ffff:a.b.c.d. MAP asks the router to let in whatever is
// sent to the outside endpoint: through a NAT that is another endpoint than the inside one, in a
// firewall (IPv6) the same, and is then called a pinhole. Lifetime 0 takes it back. ANNOUNCE asks
// nothing, and its answer tells the epoch: for how many seconds the router has not forgotten its
// mappings. A router that was started anew says that answer unasked, to everybody in the network.
//
// We send no options, and those in an answer say nothing that we asked for: their lengths are
// checked, and that is all.
#pragma once

#include <cstdint>
#include <optional>

#include "protocol/bytes.h"
#include "protocol/endpoint.h"
#include "protocol/result.h"

namespace byway {

inline constexpr std::uint8_t pcp_version = 2;
inline constexpr std::uint16_t pcp_server_port = 5351;  // NAT-PMP's too
inline constexpr std::uint16_t pcp_client_port = 5350;  // where announcements arrive
inline constexpr std::size_t pcp_header_size = 24;
inline constexpr std::size_t pcp_map_size = pcp_header_size + 36;
inline constexpr std::size_t pcp_max_size = 1100;

using PcpNonce =
    ByteArray<12>;  // only who has seen the question can answer it, or change what it made

enum class PcpCode : std::uint8_t {
  success = 0,
  unsupported_version = 1,
  not_authorized = 2,
  malformed_request = 3,
  unsupported_opcode = 4,
  unsupported_option = 5,
  malformed_option = 6,
  network_failure = 7,
  no_resources = 8,
  unsupported_protocol = 9,
  user_exceeded_quota = 10,
  cannot_provide_external = 11,
  address_mismatch = 12,
  excessive_remote_peers = 13,
};
// One clause for a log; a code that nobody has defined is named by its number.
std::string in_words(PcpCode code);

struct PcpMap {
  PcpNonce nonce{};
  Proto proto = Proto::udp;
  std::uint16_t inside = 0;
  Endpoint outside;  // suggested, or assigned
  bool operator==(const PcpMap&) const = default;
};

// ANNOUNCE where there is no map.
struct PcpQuestion {
  IpAddress own;
  std::uint32_t lifetime_s = 0;
  std::optional<PcpMap> map{};
};
struct PcpAnswer {
  std::uint8_t version = pcp_version;
  PcpCode code = PcpCode::success;
  std::uint32_t lifetime_s = 0;  // of the mapping; of an error: do not ask the same before
  std::uint32_t epoch_s = 0;
  std::optional<PcpMap> map{};
};

Bytes encode(const PcpQuestion& question);

// Of another version than ours only `version` and `code` are filled in, and only its refusal of
// ours is read: so NAT-PMP's routers say that they speak no PCP (RFC 6887, section 9; RFC 6886,
// section 3.5), in as few as four bytes.
// truncated: ends early. too_large: over what PCP allows. malformed: no answer, or not built like
// one. unexpected: another opcode, or a protocol that we never ask for.
Result<PcpAnswer> parse_pcp_answer(ByteView datagram);

// A router's word to everybody that it may have forgotten its mappings: PCP's, or NAT-PMP's (12
// bytes: version 0, opcode 128, code 0, epoch, outside address; RFC 6886, section 3.2.1).
bool is_router_announcement(ByteView datagram);

}  // namespace byway

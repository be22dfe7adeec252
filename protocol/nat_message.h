// What is said to find out what a NAT does, as plain structs, and their way to bytes and back
// (nat.capnp). The experiments are those of RFC 5780, without its server of two addresses.
//
//   leaf, any socket --Look--> supernode, main or other port          mapping, ports
//   leaf, any socket <--Sighting-- the same port: "you are seen at …"
//
//   leaf, fresh socket --TryFilter--> supernode --StrangerOrder--> another supernode
//          ^ ^  <--Sighting--------------'   |                              |
//          | '------dial-back 0x15-------' from its other port          |     filtering
//          '--------dial-back 0x15--------------------------------------'
//   leaf, main socket <--StrangerTried-- supernode <--StrangerDone------'
//
//   leaf, main socket --TryLate--> supernode --dial-back 0x15--> the leaf's idle socket   lifetime
//
// Look and TryFilter come from the very socket they are about, so what is sent for them goes to
// where they came from; TryLate names its target with the ticket that only that socket was given.
// A TryFilter that comes over a TCP connection is about that connection's outside endpoint: there
// the two connect, each to say the dial-back (overlay/reach/tcp_probe.h).
#pragma once

#include <string_view>
#include <variant>

#include "protocol/crypto.h"
#include "protocol/endpoint.h"
#include "protocol/packet.h"
#include "protocol/result.h"

namespace byway {

struct Look {
  std::uint64_t id = 0;
  std::uint16_t padding = 0;  // bytes that carry nothing but size
  bool operator==(const Look&) const = default;
};
struct TryFilter {
  std::uint64_t id = 0;
  ProofNonce nonce{};
  std::uint16_t padding = 0;
  bool operator==(const TryFilter&) const = default;
};
struct TryLate {
  std::uint64_t id = 0;
  ProofNonce nonce{};
  Endpoint target;
  Tag ticket{};
  bool operator==(const TryLate&) const = default;
};
struct Sighting {
  std::uint64_t id = 0;
  Endpoint observed;
  std::uint16_t other_port = 0;
  Tag ticket{};
  bool operator==(const Sighting&) const = default;
};
struct StrangerTried {
  std::uint64_t id = 0;
  bool sent = false;
  bool operator==(const StrangerTried&) const = default;
};
struct StrangerOrder {
  ProofNonce nonce{};
  Endpoint target;
  Proto proto = Proto::udp;
  bool operator==(const StrangerOrder&) const = default;
};
struct StrangerDone {
  ProofNonce nonce{};
  bool sent = false;
  bool operator==(const StrangerDone&) const = default;
};

using NatMessage =
    std::variant<Look, TryFilter, TryLate, Sighting, StrangerTried, StrangerOrder, StrangerDone>;
std::string_view name_of(const NatMessage& message);

Bytes encode(const NatMessage& message);
// Whatever is not in our form, or over its limit, is malformed.
Result<NatMessage> decode_nat(ByteView bytes);

}  // namespace byway

// What is said about a proof of reachability, as plain structs, and their way to bytes and back
// (proof.capnp).
//
//   asker --ProveRequest--> helper --DialOrder--> dialler
//     ^  <---dial-back 0x15, from a stranger's address---'
//     '----dial-back echo 0x16---> dialler
//   asker <--ProveResult-- helper <--DialResult-- dialler
//
// Asker and helper, helper and dialler have a link; asker and dialler know nothing of each other,
// and just that makes the dial a proof.
#pragma once

#include <string_view>
#include <variant>
#include <vector>

#include "protocol/endpoint.h"
#include "protocol/identity.h"
#include "protocol/packet.h"
#include "protocol/result.h"

namespace byway {

// timed_out is a dialler's word: it dialled, and nothing came back. Where the dialler itself was
// lost, or there is none, nothing is known about the endpoint: no_dialler.
enum class ProofOutcome : std::uint8_t { proved, no_dialler, refused, timed_out };
std::string_view to_string(ProofOutcome outcome);

inline constexpr std::size_t max_met = 16;
inline std::uint64_t short_id(const NodeId& id) {
  return load_be<std::uint64_t>(ByteView(id.key()).first(8));
}

struct ProveRequest {
  ProofNonce nonce{};
  Endpoint endpoint;
  Proto proto = Proto::udp;
  std::uint16_t padding = 0;  // bytes that carry nothing but size
  // Whose dial would prove nothing, since we have sent to them lately (short_id, at most max_met).
  // More than these cannot be ruled out, so in a mesh of some size the asker chooses nobody.
  std::vector<std::uint64_t> met;
  bool operator==(const ProveRequest&) const = default;
};
struct DialOrder {
  NodeId asker;
  ProofNonce nonce{};
  Endpoint endpoint;
  Proto proto = Proto::udp;
  bool operator==(const DialOrder&) const = default;
};
struct DialResult {
  ProofNonce nonce{};
  ProofOutcome outcome = ProofOutcome::timed_out;
  Bytes attestation;  // exact bytes; not verified here, whoever relies on it does
  bool operator==(const DialResult&) const = default;
};
struct ProveResult {
  ProofNonce nonce{};
  ProofOutcome outcome = ProofOutcome::timed_out;
  Bytes attestation;
  std::uint32_t retry_s = 0;
  bool operator==(const ProveResult&) const = default;
};

using ProofMessage = std::variant<ProveRequest, DialOrder, DialResult, ProveResult>;
std::string_view name_of(const ProofMessage& message);

Bytes encode(const ProofMessage& message);
// Whatever is not in our form, or over its limit, is malformed.
Result<ProofMessage> decode_proof(ByteView bytes);

}  // namespace byway

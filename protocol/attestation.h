// A dialler's signed statement that it reached a node: "a datagram of mine to this endpoint was
// answered from there, and this node had asked for it".
//
//   signature 64 | dialler 32 | subject 32 | at 8 | proto 1 | port 2 | address 4 or 16
//
// `at` is the dialler's clock, Unix time in ms; proto is 0 for UDP and 1 for TCP. The signature's
// context is "byway attestation 1", and a field more would be another context. A supernode shows
// these to whoever is to vouch for it, so they travel and are kept as the exact bytes signed.
//
// It says what the dialler saw. That the subject had not opened its NAT to the dialler before is
// for the subject to know (overlay/reach/prover.h).
#pragma once

#include <string_view>
#include <utility>

#include "protocol/bytes.h"
#include "protocol/crypto.h"
#include "protocol/endpoint.h"
#include "protocol/identity.h"
#include "protocol/result.h"
#include "protocol/time.h"

namespace byway {

inline constexpr std::string_view attestation_context = "byway attestation 1";
inline constexpr std::size_t max_attestation_size = 64 + 32 + 32 + 8 + 1 + 2 + 16;

struct Attested {
  NodeId subject;
  Endpoint endpoint;
  Proto proto = Proto::udp;
  NodeId dialler;
  WallTime at{};
  bool operator==(const Attested&) const = default;
};

class Attestation {
 public:
  // The dialler is the identity's node, and not the subject; the endpoint has a port.
  static Attestation sign(const Identity& dialler, const Attested& attested);
  // truncated, too_large, malformed: not in our form, or a node praising itself. bad_key: the
  // dialler is no proper point. bad_signature: the dialler never said so.
  static Result<Attestation> parse(const Crypto& crypto, ByteView exact_bytes);

  const Attested& attested() const { return attested_; }
  const Bytes& exact_bytes() const { return exact_bytes_; }

 private:
  Attestation(const Attested& attested, Bytes exact_bytes)
      : attested_(attested), exact_bytes_(std::move(exact_bytes)) {}

  Attested attested_;
  Bytes exact_bytes_;
};

}  // namespace byway

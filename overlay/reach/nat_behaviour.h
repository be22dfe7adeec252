// What a NAT does, in the words of RFC 4787, and how that is told from what was seen: pure
// judgements, apart from whoever asks the questions (nat_probe.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "protocol/endpoint.h"
#include "protocol/message.h"
#include "protocol/time.h"

namespace byway {

// One protocol's. What is not known is `unknown` or nothing.
struct NatBehaviour {
  Behaviour mapping = Behaviour::unknown;
  Behaviour filtering = Behaviour::unknown;
  Ports ports = Ports::unknown;
  std::int16_t delta = 0;        // between two new mappings, where sequential
  std::uint16_t block_size = 0;  // where block: ports that ours are taken from, a power of two
  std::optional<bool> hairpin;
  std::optional<Duration> lifetime;  // a binding was seen to live this long without traffic
  bool operator==(const NatBehaviour&) const = default;

  NatSummary summary() const { return {mapping, filtering, ports, delta, block_size}; }
};
struct NatReport {
  NatBehaviour udp;
  NatBehaviour tcp;
  bool operator==(const NatReport&) const = default;
};

// --- mapping -----------------------------------------------------------------------------------

// One socket, as it was seen from three places; none where nobody answered.
struct Sightings {
  std::optional<Endpoint> there;             // by a supernode
  std::optional<Endpoint> there_other_port;  // by its other port
  std::optional<Endpoint> elsewhere;         // by a supernode at another address
  bool unchanged = false;                    // it is seen as what it is on this host
};
// unknown: what was seen leaves it open.
Behaviour judge_mapping(const Sightings& seen);

// --- ports -------------------------------------------------------------------------------------

// A mapping of which it is known how its port was chosen: for which of ours, and which it became.
struct MappedPort {
  std::uint16_t local = 0;  // 0: not known
  std::uint16_t outside = 0;
};
struct PortVerdict {
  Ports ports = Ports::unknown;
  std::int16_t delta = 0;
  std::uint16_t block_size = 0;
  // Otherwise more samples are needed: this is only the best guess.
  bool sure = false;
  bool operator==(const PortVerdict&) const = default;
};
// `samples`: in the order in which the mappings came about.
PortVerdict judge_ports(std::span<const MappedPort> samples);

// --- filtering ---------------------------------------------------------------------------------

// Who got a datagram to a socket that had sent to one port of one address only. None: that one
// did not send, so that nothing arrived tells nothing.
struct Arrivals {
  std::optional<bool> other_port;
  std::optional<bool> stranger;
};
Behaviour judge_filtering(const Arrivals& arrivals);

}  // namespace byway

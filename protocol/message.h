// What nodes say to one another, as plain structs. The wire form of each is in wire.capnp and
// the conversion in codec.h; the rest of the program never sees Cap'n Proto.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "protocol/endpoint.h"
#include "protocol/identity.h"
#include "protocol/packet.h"
#include "protocol/time.h"

namespace byway {

constexpr std::uint16_t protocol_version = 1;

// --- how a node may be reached ----------------------------------------------------------------

enum class How : std::uint8_t { local, observed, mapped, predicted };
std::string_view to_string(How how);

struct Candidate {
  Endpoint endpoint;
  Proto proto = Proto::udp;
  How how = How::local;
  bool operator==(const Candidate&) const = default;
};

// RFC 4787 terms; none: no NAT in the way; blocked: nothing passes.
enum class Behaviour : std::uint8_t {
  unknown,
  none,
  endpoint_independent,
  address_dependent,
  address_port_dependent,
  blocked
};
enum class Ports : std::uint8_t { unknown, preserved, sequential, block, random };
std::string_view to_string(Behaviour behaviour);
std::string_view to_string(Ports ports);

struct NatSummary {
  Behaviour mapping = Behaviour::unknown;
  Behaviour filtering = Behaviour::unknown;
  Ports ports = Ports::unknown;
  std::int16_t delta = 0;
  std::uint16_t block_size = 0;
  bool operator==(const NatSummary&) const = default;
};

struct Talk {
  std::vector<Candidate> candidates;
  NatSummary nat;
  std::uint16_t sessions = 0;  // with the receiver, that the sender holds
  bool operator==(const Talk&) const = default;
};

// --- handshake payloads -----------------------------------------------------------------------

struct Greet {
  bool operator==(const Greet&) const = default;
};
struct Registration {
  Bytes record;  // a SignedRecord's exact bytes and signature, or empty
  std::uint8_t seeking = 1;
  bool operator==(const Registration&) const = default;
};
struct Registered {
  std::uint32_t lease_s = 0;
  bool operator==(const Registered&) const = default;
};
enum class RefusalReason : std::uint8_t { busy, stale, unwilling, not_supernode, version };
std::string_view to_string(RefusalReason reason);
struct Whereabouts {
  NodeId id;
  Endpoint endpoint;
  bool operator==(const Whereabouts&) const = default;
};
inline constexpr std::size_t max_refusal_others = 3;
struct Refusal {
  RefusalReason reason = RefusalReason::busy;
  std::uint32_t retry_s = 0;
  std::vector<Whereabouts> others;  // supernodes that may have room; hearsay, as far as they fit
  bool operator==(const Refusal&) const = default;
};

struct Hello {
  std::uint16_t version = protocol_version;
  NodeId id;
  std::uint64_t boot = 0;
  WallTime wall{};
  std::variant<Greet, Registration, Talk> wish;
  bool operator==(const Hello&) const = default;
};

struct Welcome {
  Endpoint observed;
  std::uint64_t boot = 0;
  WallTime wall{};
  std::variant<Greet, Registered, Talk, Refusal> answer;
  bool operator==(const Welcome&) const = default;
};

// --- sealed messages --------------------------------------------------------------------------

struct Ping {
  std::uint64_t nonce = 0;
  std::uint32_t rtt_us = 0;
  std::uint16_t padding = 0;  // bytes that carry nothing but size
  bool operator==(const Ping&) const = default;
};
struct Pong {
  std::uint64_t nonce = 0;
  Endpoint observed;
  bool operator==(const Pong&) const = default;
};
struct Introduce {
  NodeId target;
  LaneId lane = 0;
  Bytes handshake;
  // From home to home: for whom. Nobody when the sender itself calls.
  NodeId caller;
  Endpoint caller_endpoint;
  std::uint32_t caller_rtt_us = 0;
  bool operator==(const Introduce&) const = default;
};
enum class IntroduceOutcome : std::uint8_t { passed, not_here, busy, quota };
std::string_view to_string(IntroduceOutcome outcome);
struct IntroduceResult {
  NodeId target;
  LaneId lane = 0;
  IntroduceOutcome outcome = IntroduceOutcome::passed;
  std::uint32_t retry_s = 0;
  bool operator==(const IntroduceResult&) const = default;
};
struct Introduction {
  LaneId lane = 0;
  Bytes handshake;
  Endpoint caller_endpoint;
  std::uint32_t caller_rtt_us = 0;
  std::uint32_t target_rtt_us = 0;
  bool operator==(const Introduction&) const = default;
};
struct Reach {
  std::uint16_t round = 0;
  Talk talk;
  std::uint32_t delay_us = 0;
  bool answer = false;
  bool operator==(const Reach&) const = default;
};
enum class ByeReason : std::uint8_t { leaving, unwilling, idle };
struct Bye {
  ByeReason reason = ByeReason::leaving;
  bool operator==(const Bye&) const = default;
};

struct Samples {
  std::vector<Bytes> records;  // exact bytes, not verified; together they fit one datagram
  bool relief = false;         // they have far more room than the sender: would you move there?
  // How full each of them is (in eighths, mesh_message.h), where the sender knows it.
  Bytes loads{};
  bool operator==(const Samples&) const = default;
};

struct HomeGone {
  NodeId home;
  bool operator==(const HomeGone&) const = default;
};

using Message = std::variant<Ping, Pong, Registration, Registered, Introduce, IntroduceResult,
                             Introduction, Reach, Bye, Refusal, Samples, HomeGone>;
std::string_view name_of(const Message& message);

// --- what a sealed packet is about --------------------------------------------------------------

// The first byte inside every seal: which of the schemas the rest follows.
enum class Area : std::uint8_t {
  link = 0,
  proof = 1,
  mesh = 2,
  directory = 3,
  survey = 4,
  nat = 5,
  punch = 6,
  tcp = 7
};

// --- streams ----------------------------------------------------------------------------------

struct StreamHeader {
  std::string service;
  Bytes detail;
  bool operator==(const StreamHeader&) const = default;
};

}  // namespace byway

// What is said about a punch through hard NATs, as plain structs, and their way to bytes and back
// (punch.capnp).
//
//   ana --Plan: my NAT is easy, I am at …------------------> bo        over the relay
//   ana <--Plan, answer: mine counts up, now at 40007--------bo        both act
//   ana <--Ports: it became 40011 or 40012-------------------bo
//
//   bo --Witness: tell ana where you see me--> home --Testimony: bo is at …--> ana
//                                                '--> ana's home --Testimony--'
//
// A plan has many packets sent to one address, so nobody acts on it before supernodes of his own
// choice have said that the peer is there (docs/decisions/witnesses.md).
#pragma once

#include <string_view>
#include <variant>
#include <vector>

#include "protocol/endpoint.h"
#include "protocol/identity.h"
#include "protocol/result.h"

namespace byway {

// How a NAT picks the port of a new mapping. easy: there is one for all destinations (or no NAT);
// the others pick another one for each: the next one, one of a small block, any.
enum class NatKind : std::uint8_t { easy, sequential, block, random };
std::string_view to_string(NatKind kind);

struct PunchPlan {
  std::uint16_t round = 0;
  bool answer = false;  // its sender has our plan
  NatKind kind = NatKind::easy;
  // easy: where everybody sees its main socket. Otherwise its public address, and the port that
  // was picked last.
  Endpoint endpoint;
  std::int16_t delta = 0;  // sequential: between one port and the next; not 0
  // block: the lowest and the highest port seen.
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  std::vector<NodeId> homes;  // of the sender
  std::uint32_t wait_us = 0;  // so long after it arrives its sender acts, at most a second
  bool operator==(const PunchPlan&) const = default;
};
struct PunchPorts {
  std::uint16_t round = 0;
  std::vector<std::uint16_t> ports;
  bool operator==(const PunchPorts&) const = default;
};
struct Witness {
  NodeId to;
  NodeId home;  // nobody: where it is registered is not known
  bool operator==(const Witness&) const = default;
};
struct Testimony {
  NodeId subject;
  NodeId to;
  IpAddress address;
  bool operator==(const Testimony&) const = default;
};

inline constexpr std::size_t max_plan_homes = 3;
inline constexpr std::size_t max_punch_ports = 32;
inline constexpr std::uint32_t max_plan_wait_us = 1'000'000;

using PunchMessage = std::variant<PunchPlan, PunchPorts, Witness, Testimony>;
std::string_view name_of(const PunchMessage& message);

Bytes encode(const PunchMessage& message);
// Whatever is not in our form, or over its limit, is malformed.
Result<PunchMessage> decode_punch(ByteView bytes);

}  // namespace byway

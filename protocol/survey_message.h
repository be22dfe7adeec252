// What a diagnosis tool asks a supernode, as plain structs, and their way to bytes and back
// (survey.capnp).
//
//   tool --StateRequest----> supernode    how are you?              <--SupernodeState--
//   tool --MembersRequest--> supernode    whom do you know, from    <--MembersPage-----
//                                         here to there on the ring?
//
// A tool is a guest: it has a link, so its key and address are proved, and nothing else is known of
// it. So no answer is larger than its question (that is what the padding is for), and each network
// may ask only so often (limits.h). Members are told as their signed records: a tool believes
// nobody's word about a third.
//
// The other questions of a tool are messages that exist already: Find and Locate of the directory,
// ProveRequest of the proofs.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "protocol/bytes.h"
#include "protocol/directory_message.h"
#include "protocol/proof_message.h"
#include "protocol/result.h"

namespace byway {

inline constexpr std::size_t max_survey_agent = 32;
inline constexpr std::size_t max_surveyed_members = 16;  // in one page; records of usual size: 5
// Padding that makes a question as large as the largest answer to it.
inline constexpr std::uint16_t state_padding = 200;
inline constexpr std::uint16_t members_padding = 1100;
inline constexpr std::uint8_t surveyed_load_unknown = 0xff;

struct StateRequest {
  std::uint64_t number = 0;
  std::uint16_t padding = state_padding;
  bool operator==(const StateRequest&) const = default;
};
struct SupernodeState {
  std::uint64_t number = 0;
  std::uint16_t version = 0;
  std::uint8_t netgroup_bits_v4 = 16;
  std::uint8_t netgroup_bits_v6 = 32;
  bool relays = false;
  bool established = false;
  bool handing_over = false;
  std::string agent;  // printable ASCII
  std::uint32_t uptime_s = 0;
  std::uint32_t leaves = 0;
  std::uint32_t limit = 0;
  std::uint32_t lanes = 0;
  std::uint64_t relay_rate = 0;  // bytes/s; 0: no limit
  std::uint64_t relayed_bytes = 0;
  std::uint32_t known = 0;
  std::uint32_t admitted = 0;
  std::uint32_t netgroups = 0;
  std::uint64_t root = 0;
  std::uint64_t sequence = 0;
  bool operator==(const SupernodeState&) const = default;
};

struct MembersRequest {
  std::uint64_t number = 0;
  std::uint64_t from = 0;  // positions on the ring (overlay/mesh/position.h)
  std::uint64_t last = ~0ull;
  std::uint16_t padding = members_padding;
  bool operator==(const MembersRequest&) const = default;
};
struct SurveyedMember {
  Bytes record;  // exact bytes, not verified here
  bool admitted = false;
  std::uint8_t load = surveyed_load_unknown;  // else 0…7
  bool operator==(const SurveyedMember&) const = default;
};
struct MembersPage {
  std::uint64_t number = 0;
  std::uint64_t root = 0;
  std::vector<SurveyedMember> members;  // in the order of their positions
  bool more = false;
  std::uint64_t next = 0;
  bool operator==(const MembersPage&) const = default;
};

using SurveyMessage = std::variant<StateRequest, SupernodeState, MembersRequest, MembersPage>;

// All that a tool may ask of a supernode, whatever area it belongs to; and what comes back. The
// question's number (for a proof: its nonce, and the endpoint) is filled in by whoever sends it.
using SurveyQuestion = std::variant<StateRequest, MembersRequest, Find, Locate, ProveRequest>;
using SurveyAnswer = std::variant<SupernodeState, MembersPage, Found, Located, ProveResult>;

// At most 1,150 bytes.
Bytes encode(const SurveyMessage& message);
// malformed: garbage, or over a limit.
Result<SurveyMessage> decode_survey(ByteView bytes);

}  // namespace byway

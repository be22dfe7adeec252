// An invitation: one line that a person can send to another by any means, and that is all the other
// needs to join.
//
//   byway:aebagba…     "byway:" and base32 of
//
//   version 1 | inviter's id 32 | count 1 | that many supernodes | checksum 4
//   supernode: address length 1 (4 or 16; +128: the inviter itself, without an id)
//              [ id 32 ] | port 2 | address 4 or 16
//
// The checksum is the first bytes of SHA-256 over "byway invite 1" and all before it: a line that
// lost its end or was typed wrongly is told from one that was never an invitation. It is no
// signature. Whoever hands on the line decides whom the reader joins and whom he takes for the
// inviter, so it is worth as much as the way it came. Blanks and line breaks inside are ignored,
// for mail programs make some.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/endpoint.h"
#include "protocol/identity.h"
#include "protocol/result.h"

namespace byway {

inline constexpr std::size_t max_invite_supernodes = 8;
inline constexpr std::string_view invite_prefix = "byway:";

struct Invite {
  struct Supernode {
    NodeId id;
    Endpoint endpoint;  // with a port
    bool operator==(const Supernode&) const = default;
  };
  NodeId from;
  std::vector<Supernode> supernodes;

  // At most max_invite_supernodes are told; the rest is left out.
  std::string to_line() const;
  // malformed: no invitation at all. truncated: one that was cut short or mistyped. unexpected: of
  // a version we do not know. bad_key: well formed, and yet no proper ids.
  static Result<Invite> parse(std::string_view line);

  bool operator==(const Invite&) const = default;
};

}  // namespace byway

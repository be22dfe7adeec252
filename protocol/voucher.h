// What supernodes sign about one another: that a node is really there, and that it is gone.
//
//   Voucher   "I spoke with this node at this address; it has been a member since …"
//             signed in "byway voucher 1": subject 32 | since 8 | address 16
//   Gone      "this node, in the life that began with this record, does not answer any more"
//             signed in "byway gone 1":    subject 32 | sequence 8
//
// Both travel with the news about their subject and name it only in what is signed. A voucher holds
// for the address it was given for (IPv4 as ::ffff:a.b.c.d) and says nothing of any other; its
// `since` is the voucher's clock in Unix ms, or, where a member of long standing is vouched for
// again, what the voucher's own view says. A Gone holds for records up to its sequence: the node
// refutes it by signing a newer record, and nobody else can.
//
// On the wire, integers big-endian:
//   Voucher  by 32 | since 8 | address 16 | signature 64
//   Gone     by 32 | sequence 8 | signature 64
#pragma once

#include <string_view>

#include "protocol/bytes.h"
#include "protocol/crypto.h"
#include "protocol/endpoint.h"
#include "protocol/identity.h"
#include "protocol/result.h"
#include "protocol/time.h"

namespace byway {

inline constexpr std::string_view voucher_context = "byway voucher 1";
inline constexpr std::string_view gone_context = "byway gone 1";

struct Voucher {
  static constexpr std::size_t size = 32 + 8 + 16 + 64;

  NodeId by;
  WallTime since{};
  IpAddress address;
  Signature signature{};

  static Voucher sign(const Identity& by, const NodeId& subject, const IpAddress& address,
                      WallTime since);
  // Whether `by` said this about the subject. A key that is no proper point has said nothing.
  bool is_true(const Crypto& crypto, const NodeId& subject) const;

  ByteArray<size> bytes() const;
  // Only the form: truncated, too_large, malformed (a clock past the year 9999).
  static Result<Voucher> from_bytes(ByteView raw);

  bool operator==(const Voucher&) const = default;
};

struct Gone {
  static constexpr std::size_t size = 32 + 8 + 64;

  NodeId by;
  std::uint64_t sequence = 0;
  Signature signature{};

  static Gone sign(const Identity& by, const NodeId& subject, std::uint64_t sequence);
  bool is_true(const Crypto& crypto, const NodeId& subject) const;

  ByteArray<size> bytes() const;
  static Result<Gone> from_bytes(ByteView raw);

  bool operator==(const Gone&) const = default;
};

}  // namespace byway

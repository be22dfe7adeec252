// A node's signed statement about itself: who it is, what it does, where it can be reached.
//
//   signature 64 | content: a Cap'n Proto message (record.capnp), 8 × n bytes
//
// Whoever holds a record passes on exactly the bytes that were signed and never encodes them
// anew, so a field added by a later version survives its way through older nodes, and the hash of
// the bytes names the record. The signature's context is "byway record 1".
//
// Anybody may hand us a record, so nothing in it is believed before the limits below hold and the
// signature does. Of two records of one node the one with the higher sequence counts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/bytes.h"
#include "protocol/crypto.h"
#include "protocol/endpoint.h"
#include "protocol/identity.h"
#include "protocol/result.h"

namespace byway {

inline constexpr std::string_view record_context = "byway record 1";
inline constexpr std::size_t max_record_size = 1024;  // so that one always fits a datagram
inline constexpr std::size_t max_record_endpoints = 8;
inline constexpr std::size_t max_record_tcp = 2;  // one by IPv4 and one by IPv6
inline constexpr std::size_t max_record_homes = 3;
inline constexpr std::size_t max_record_agent = 32;

struct Record {
  enum class Role : std::uint8_t { leaf, supernode };

  NodeId id;
  std::uint64_t sequence = 0;  // max(last + 1, Unix time in ms)
  Role role = Role::leaf;
  std::vector<Endpoint> endpoints;  // with a port each; where a supernode listens
  std::vector<NodeId> homes;        // not checked as points: a handshake with one would tell
  std::string agent;                // software and version, printable ASCII
  std::vector<Endpoint> tcp;        // where strangers have reached a supernode by TCP

  bool operator==(const Record&) const = default;
};

class SignedRecord {
 public:
  // The record is our own: its id is the identity's, and it keeps the limits.
  static SignedRecord sign(const Identity& identity, const Record& record);
  // too_large, truncated, malformed: not in our form. bad_signature: not said by that node.
  static Result<SignedRecord> parse(const Crypto& crypto, ByteView exact_bytes);

  const Record& record() const { return record_; }
  ByteView exact_bytes() const { return exact_bytes_; }

 private:
  SignedRecord(Record record, Bytes exact_bytes)
      : record_(std::move(record)), exact_bytes_(std::move(exact_bytes)) {}

  Record record_;
  Bytes exact_bytes_;
};

// One that was verified, and is shared by all who keep it.
using RecordPtr = std::shared_ptr<const SignedRecord>;

}  // namespace byway

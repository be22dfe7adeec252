// Supernodes in their netgroups and leaves with signed records, for the stories of the directory.
#pragma once

#include <memory>
#include <vector>

#include "overlay/directory/placement.h"
#include "tests/unit/overlay/cast.h"
#include "tests/unit/protocol/people.h"

namespace byway {

inline RecordPtr signed_by(const Identity& author, Record record) {
  record.id = author.id();
  return std::make_shared<const SignedRecord>(SignedRecord::sign(author, record));
}

// The same number is always the same supernode, whatever its place.
inline RecordPtr supernode_at(std::uint64_t number, const Endpoint& endpoint) {
  return signed_by(person(number),
                   {.sequence = 1, .role = Record::Role::supernode, .endpoints = {endpoint}});
}

// The member-th address of a netgroup (/16).
inline Endpoint in_netgroup(std::size_t netgroup, std::size_t member) {
  const auto octet = [](std::size_t value) { return static_cast<std::uint8_t>(value); };
  return {IpAddress::v4({octet(20 + netgroup / 256), octet(netgroup % 256), octet(member / 250),
                         octet(1 + member % 250)}),
          7000};
}

// So many netgroups with so many supernodes in each; the first netgroup's come first.
inline std::vector<RecordPtr> supernodes(std::size_t netgroups, std::size_t each) {
  std::vector<RecordPtr> out;
  for (std::size_t i = 0; i < netgroups * each; ++i)
    out.push_back(supernode_at(1'000 + i, in_netgroup(i / each, i % each)));
  return out;
}

inline RecordPtr leaf_record(std::uint64_t number, std::vector<NodeId> homes,
                             std::uint64_t sequence = 1) {
  return signed_by(person(900'000 + number), {.sequence = sequence, .homes = std::move(homes)});
}

inline const NodeId& id_of(const RecordPtr& record) {
  return record->record().id;
}

inline Placement placement_of(const std::vector<RecordPtr>& members) {
  Placement placement(sodium_crypto(), 16, 32);
  for (const RecordPtr& member : members) placement.add(member);
  return placement;
}

inline Result<RecordPtr> verified(ByteView bytes) {
  auto record = SignedRecord::parse(sodium_crypto(), bytes);
  if (!record) return record.error();
  return std::make_shared<const SignedRecord>(std::move(*record));
}

}  // namespace byway

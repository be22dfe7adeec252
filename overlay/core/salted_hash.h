// Hashes for tables whose keys strangers choose: they must not be able to choose such as fall
// together, or a table is as slow as a list, and one that is cut into buckets overflows. So a salt
// that they do not know is part of the hash: drawn, or, where nothing that the table says depends
// on it, where in memory the table is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "protocol/endpoint.h"
#include "protocol/identity.h"

namespace byway {

class SaltedHash {
 public:
  explicit SaltedHash(std::uint64_t salt) : salt_(salt) {}
  explicit SaltedHash(const void* table) : salt_(reinterpret_cast<std::uintptr_t>(table)) {}

  std::size_t operator()(const NodeId& id) const { return mixed(std::hash<NodeId>{}(id)); }
  std::size_t operator()(const Endpoint& endpoint) const {
    return mixed(std::hash<Endpoint>{}(endpoint));
  }
  std::size_t operator()(const IpAddress& address) const { return (*this)(Endpoint{address, 0}); }
  std::size_t operator()(const std::pair<NodeId, IpAddress>& both) const {
    return mixed((*this)(both.first) + (*this)(both.second));
  }

 private:
  std::size_t mixed(std::uint64_t h) const {
    h = (h ^ salt_) * 0xe7037ed1a0b428dbu;
    h = (h ^ (h >> 31)) * 0x8ebc6af09c88c6e3u;
    return static_cast<std::size_t>(h ^ (h >> 32));
  }

  std::uint64_t salt_;
};

}  // namespace byway

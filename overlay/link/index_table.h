// Session indices: the 32-bit numbers by which a sealed packet finds its keys. An Index holds its
// number for as long as it lives, so a session that is forgotten can never be found again. The peer
// whose session it is outlives it.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <utility>

#include "protocol/random.h"

namespace byway {

struct Peer;

class IndexTable {
 public:
  class Index {
   public:
    Index() = default;
    Index(Index&& other) noexcept
        : table_(std::exchange(other.table_, nullptr)), value_(other.value_) {}
    Index& operator=(Index&& other) noexcept {
      std::swap(table_, other.table_);
      std::swap(value_, other.value_);
      return *this;
    }
    ~Index() {
      if (table_) table_->owners_.erase(value_);
    }
    std::uint32_t value() const { return value_; }

   private:
    friend class IndexTable;
    Index(IndexTable* table, std::uint32_t value) : table_(table), value_(value) {}
    IndexTable* table_ = nullptr;
    std::uint32_t value_ = 0;
  };

  // Drawn at random: a stranger cannot guess which indices are in use.
  Index allocate(Peer& owner, Random& random) {
    for (;;)
      if (const auto value = random.u32(); owners_.emplace(value, &owner).second)
        return {this, value};
  }
  Peer* owner(std::uint32_t value) const {
    const auto found = owners_.find(value);
    return found == owners_.end() ? nullptr : found->second;
  }

 private:
  boost::unordered_flat_map<std::uint32_t, Peer*> owners_;
};

}  // namespace byway

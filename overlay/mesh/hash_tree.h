// What makes two supernodes see, with eight bytes, whether they know the same, and find in three
// steps where they do not.
//
// The ring of positions is cut into 16 parts, each of these into 16, and those into 16 again: 4,096
// buckets. A part's sum is the sum of the digests of all in it, so a change touches four numbers
// and the order of changes does not matter.
//
//   root      1 sum     equal: all is equal
//   level 1   16        Sums{level 0}: these, compared first
//   level 2   256       Sums{level 1, prefix}
//   level 3   4,096     Sums{level 2, prefix}; a bucket that differs is listed
//
// Digests are cut from SHA-256 and added, not xored: whoever wants two different sets to look alike
// has to find a sum among 2^64, and could only hide news of his own making anyway.
//
// 35 kB, whatever the size of the network (and nothing for a leaf, which has none); at 10,000
// supernodes a bucket holds two or three.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "overlay/mesh/position.h"

namespace byway {

class HashTree {
 public:
  static constexpr int levels = 3;
  using Parts = std::array<std::uint64_t, 16>;

  void add(Position position, std::uint64_t digest);
  void remove(Position position, std::uint64_t digest);

  std::uint64_t root() const { return sums_.empty() ? 0 : sums_[0]; }
  // The parts of one part: level 0 has one (prefix 0), level 2 has 256.
  Parts parts(int level, std::uint16_t prefix) const;

  static std::uint16_t bucket_of(Position position) {
    return static_cast<std::uint16_t>(position >> 52);
  }

 private:
  void change(Position position, std::uint64_t by);

  std::vector<std::uint64_t> sums_;  // level by level; none as long as nothing was added
};

}  // namespace byway

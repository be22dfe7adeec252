#include "overlay/mesh/hash_tree.h"

#include "protocol/result.h"

namespace byway {
namespace {

constexpr std::array<std::size_t, HashTree::levels + 2> first_of{0, 1, 1 + 16, 1 + 16 + 256,
                                                                 1 + 16 + 256 + 4096};

}  // namespace

void HashTree::change(Position position, std::uint64_t by) {
  if (sums_.empty()) sums_.resize(first_of.back());
  sums_[0] += by;
  for (int level = 1; level <= levels; ++level)
    sums_[first_of[static_cast<std::size_t>(level)] + (position >> (64 - 4 * level))] += by;
}

void HashTree::add(Position position, std::uint64_t digest) {
  change(position, digest);
}

void HashTree::remove(Position position, std::uint64_t digest) {
  change(position, 0 - digest);
}

HashTree::Parts HashTree::parts(int level, std::uint16_t prefix) const {
  ensure(level >= 0 && level < levels && prefix >> (4 * level) == 0);
  Parts parts{};
  if (sums_.empty()) return parts;
  const std::size_t first = first_of[static_cast<std::size_t>(level) + 1] + 16u * prefix;
  for (std::size_t i = 0; i < parts.size(); ++i) parts[i] = sums_[first + i];
  return parts;
}

}  // namespace byway

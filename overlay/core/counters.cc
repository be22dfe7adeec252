#include "overlay/core/counters.h"

#include <numeric>

namespace byway {

std::string_view name_of(Drop drop) {
  constexpr std::string_view names[] = {
#define X(name, text) #name,
      BYWAY_DROPS(X)
#undef X
  };
  return names[static_cast<std::size_t>(drop)];
}

std::string_view explain(Drop drop) {
  constexpr std::string_view texts[] = {
#define X(name, text) text,
      BYWAY_DROPS(X)
#undef X
  };
  return texts[static_cast<std::size_t>(drop)];
}

std::uint64_t Counters::dropped() const {
  return std::accumulate(drops.begin(), drops.end(), std::uint64_t{0});
}

}  // namespace byway

// Memory that was used and is used again: what is asked for once a batch of packets would otherwise
// be asked of the heap each time. Holds at most so many; what is given beyond goes back to the
// heap.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace byway {

// Of batches of packets: as many as are on their way to the sockets at once.
inline constexpr std::size_t spare_batches = 32;

template <typename T>
class Spares {
 public:
  explicit Spares(std::size_t most) : most_(most) { kept_.reserve(most); }

  // The one given last, which is the most likely still to be in the processor's cache; T{}: none.
  T take() {
    if (kept_.empty()) return T{};
    T last = std::move(kept_.back());
    kept_.pop_back();
    return last;
  }
  // From now on; what is kept beyond goes back to the heap.
  void keep_at_most(std::size_t most) {
    most_ = most;
    while (kept_.size() > most_) kept_.pop_back();
  }
  void give(T spent) {
    if (kept_.size() < most_) kept_.push_back(std::move(spent));
  }

 private:
  std::size_t most_;
  std::vector<T> kept_;
};

}  // namespace byway

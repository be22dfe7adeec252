// First in, first out, in memory that is kept: once as long as it has ever been, it never asks for
// more. (A deque gives its blocks back and asks for them again, every few elements.)
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "overlay/core/foresight.h"

namespace byway {

template <typename T>
class Fifo {
 public:
  bool empty() const { return count_ == 0; }
  std::size_t size() const { return count_; }
  // The oldest is 0.
  T& operator[](std::size_t i) { return ring_[(first_ + i) & (ring_.size() - 1)]; }
  const T& operator[](std::size_t i) const { return ring_[(first_ + i) & (ring_.size() - 1)]; }
  T& front() { return (*this)[0]; }

  void push(T value) {
    if (count_ == ring_.size()) grow();
    (*this)[count_++] = std::move(value);
  }
  T pop() {
    T value = std::move(front());
    drop();
    return value;
  }
  // The newest.
  T pop_back() { return std::exchange((*this)[--count_], T{}); }
  void drop() {
    front() = T{};  // what it held is not kept
    --count_;
    // Who is mostly empty uses the same few places again and again.
    first_ = count_ == 0 ? 0 : (first_ + 1) & (ring_.size() - 1);
  }
  // Something will be pushed, and it is probably empty.
  void foresee() const { ask_for(ring_.data(), ring_.empty() ? 0 : sizeof(T)); }
  void clear() {
    while (!empty()) drop();
  }

 private:
  void grow() {
    std::vector<T> wider(ring_.empty() ? 8 : ring_.size() * 2);  // a power of two
    for (std::size_t i = 0; i < count_; ++i) wider[i] = std::move((*this)[i]);
    ring_ = std::move(wider);
    first_ = 0;
  }

  std::vector<T> ring_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

}  // namespace byway

#include "overlay/stream/stream_buffers.h"

#include <algorithm>
#include <utility>

namespace byway {

void SendBuffer::push(ByteView bytes) {
  while (!bytes.empty()) {
    const auto at = static_cast<std::size_t>((end_ - first_) % block_size);
    const auto filled = static_cast<std::size_t>(end_ - first_);
    if (filled == blocks_.size() * block_size)
      blocks_.push_back(std::make_unique_for_overwrite<ByteArray<block_size>>());

    const auto count = std::min(bytes.size(), block_size - at);
    std::copy_n(bytes.begin(), count, blocks_.back()->begin() + static_cast<std::ptrdiff_t>(at));
    bytes = bytes.subspan(count);
    end_ += count;
  }
}

std::size_t SendBuffer::unsent(std::span<ByteView> pieces) const {
  std::size_t count = 0;
  for (auto offset = sent_; offset < end_ && count < pieces.size(); ++count) {
    const auto from_first = static_cast<std::size_t>(offset - first_);
    const auto at = from_first % block_size;
    const auto size =
        static_cast<std::size_t>(std::min<std::uint64_t>(block_size - at, end_ - offset));
    pieces[count] = ByteView{*blocks_[from_first / block_size]}.subspan(at, size);
    offset += size;
  }
  return count;
}

void SendBuffer::acknowledge(std::uint64_t offset) {
  acknowledged_ = std::clamp(offset, acknowledged_, sent_);
  while (!blocks_.empty() && acknowledged_ - first_ >= block_size) {
    blocks_.pop_front();
    first_ += block_size;
  }
}

Bytes ReceiveBuffer::take(std::size_t max) {
  if (taken_ == 0 && max >= bytes_.size()) return std::exchange(bytes_, {});

  const auto count = std::min(max, size());
  const auto from = bytes_.begin() + static_cast<std::ptrdiff_t>(taken_);
  Bytes out(from, from + static_cast<std::ptrdiff_t>(count));
  taken_ += count;
  // Move the rest down only when more than half is gone, so that a byte moves once on average.
  if (taken_ > bytes_.size() / 2) {
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(taken_));
    taken_ = 0;
  }
  return out;
}

std::size_t ReceiveBuffer::discard() {
  const auto count = size();
  bytes_ = {};
  taken_ = 0;
  return count;
}

}  // namespace byway

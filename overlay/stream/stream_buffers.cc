#include "overlay/stream/stream_buffers.h"

#include <algorithm>
#include <array>
#include <utility>

namespace byway {
namespace {

constexpr std::size_t pieces_at_once = 8;            // of memory, that a source is offered
constexpr std::size_t most_kept_spare = 256 * 1024;  // more than a reader takes at once

}  // namespace

void SendBuffer::push(ByteView bytes) {
  while (!bytes.empty())
    fill(bytes.size(), [&](std::span<const MutableBytes> rooms) {
      std::size_t count = 0;
      for (const MutableBytes room : rooms) {
        std::copy_n(bytes.begin(), room.size(), room.begin());
        bytes = bytes.subspan(room.size());
        count += room.size();
      }
      return count;
    });
}

std::size_t SendBuffer::fill(std::size_t most, const StreamSource& source) {
  std::array<MutableBytes, pieces_at_once> rooms;
  std::size_t pieces = 0;
  auto filled = static_cast<std::size_t>(end_ - first_);
  for (; most > 0 && pieces < rooms.size(); ++pieces) {
    if (filled == blocks_.size() * block_size) {
      Block block = spares_.take();
      if (!block) block = std::make_unique_for_overwrite<ByteArray<block_size>>();
      blocks_.push(std::move(block));
    }
    const std::size_t at = filled % block_size;
    const std::size_t size = std::min(most, block_size - at);
    rooms[pieces] = MutableBytes{*blocks_[filled / block_size]}.subspan(at, size);
    filled += size;
    most -= size;
  }
  const std::size_t count = source(std::span{rooms}.first(pieces));
  end_ += count;
  // Blocks that the source left empty.
  while (!blocks_.empty() && (blocks_.size() - 1) * block_size >= end_ - first_)
    spares_.give(blocks_.pop_back());
  return count;
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
    spares_.give(blocks_.pop());
    first_ += block_size;
  }
}

Bytes ReceiveBuffer::take(std::size_t max, Bytes spent) {
  if (taken_ == 0 && max >= bytes_.size()) {
    if (spent.capacity() > most_kept_spare) spent = {};
    spent.clear();
    return std::exchange(bytes_, std::move(spent));
  }

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

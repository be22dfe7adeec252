#include "overlay/stream/stream_buffers.h"

#include <algorithm>
#include <array>
#include <utility>

namespace byway {
namespace {

constexpr std::size_t pieces_at_once = 8;    // of memory, that a source is offered
constexpr std::size_t worth_keeping = 1024;  // less is asked of the heap as quickly

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

void ReceiveBuffer::push(ByteView bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (pieces_.empty() || pieces_[pieces_.size() - 1].size() >= piece_size) {
      pieces_.push(spares_.take());
      pieces_[pieces_.size() - 1].clear();
    }
    Bytes& piece = pieces_[pieces_.size() - 1];
    const auto count = std::min(bytes.size(), piece_size - piece.size());
    // Never more room than a piece may hold, or it could not be kept for the next.
    if (const auto needed = piece.size() + count; needed > piece.capacity())
      piece.reserve(std::min(piece_size, std::max(needed, 2 * piece.capacity())));
    append(piece, bytes.first(count));
    bytes = bytes.subspan(count);
  }
}

Bytes ReceiveBuffer::take(std::size_t max, Bytes spent) {
  if (spent.capacity() >= worth_keeping && spent.capacity() <= piece_size)
    spares_.give(std::move(spent));
  if (pieces_.empty()) return {};
  Bytes& first = pieces_.front();
  if (taken_ == 0 && first.size() <= max) {
    size_ -= first.size();
    return pieces_.pop();
  }
  const auto count = std::min(max, first.size() - taken_);
  const auto from = first.begin() + static_cast<std::ptrdiff_t>(taken_);
  Bytes out(from, from + static_cast<std::ptrdiff_t>(count));
  taken_ += count;
  size_ -= count;
  if (taken_ == first.size()) {
    spares_.give(pieces_.pop());
    taken_ = 0;
  }
  return out;
}

std::size_t ReceiveBuffer::discard() {
  const auto count = std::exchange(size_, 0);
  pieces_.clear();
  taken_ = 0;
  return count;
}

}  // namespace byway

// The bytes of one stream: what waits to be sent or acknowledged, and what waits to be read.
//
// QUIC may ask for sent bytes again until they are acknowledged, so they must not move: the
// outgoing side keeps them in blocks that are filled once and given back when acknowledged, to be
// filled again by whichever stream of the session comes next. The incoming side is a row of pieces
// that are handed over whole, so that nothing is moved however much waits; what the reader had
// before it may give for the next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "overlay/core/fifo.h"
#include "overlay/core/spares.h"
#include "overlay/stream/session.h"
#include "protocol/bytes.h"

namespace byway {

class SendBuffer {
 public:
  static constexpr std::size_t block_size = 32 * 1024;
  using Block = std::unique_ptr<ByteArray<block_size>>;

  // Where blocks come from and go to; it outlives the buffer.
  explicit SendBuffer(Spares<Block>& spares) : spares_(spares) {}

  // Appends a copy.
  void push(ByteView bytes);
  // Appends at most `most` bytes as the source puts them into our memory; tells how many.
  std::size_t fill(std::size_t most, const StreamSource& source);
  // Where the next unsent bytes lie: at most `pieces` spans, valid until acknowledged.
  std::size_t unsent(std::span<ByteView> pieces) const;
  void mark_sent(std::size_t count) { sent_ += count; }
  // Everything before this stream offset is with the peer.
  void acknowledge(std::uint64_t offset);

  std::size_t unsent_size() const { return static_cast<std::size_t>(end_ - sent_); }
  std::size_t size() const { return static_cast<std::size_t>(end_ - acknowledged_); }
  std::uint64_t sent() const { return sent_; }

 private:
  Spares<Block>& spares_;
  Fifo<Block> blocks_;
  std::uint64_t first_ = 0;  // stream offset where blocks_.front() begins
  std::uint64_t acknowledged_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t end_ = 0;
};

class ReceiveBuffer {
 public:
  explicit ReceiveBuffer(Spares<Bytes>& spares) : spares_(spares) {}

  void push(ByteView bytes);
  // At most `max` bytes and at most one piece; none: there is nothing. `spent`: memory for what
  // arrives later.
  Bytes take(std::size_t max, Bytes spent);
  // Throws everything away and tells how much it was.
  std::size_t discard();
  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t piece_size = 64 * 1024;

  Spares<Bytes>& spares_;
  Fifo<Bytes> pieces_;
  std::size_t taken_ = 0;  // of the first, that the reader already has
  std::size_t size_ = 0;
};

}  // namespace byway

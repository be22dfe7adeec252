// A link's datagrams once the handshake is done: each sealed under a counter that is never used
// twice and opened at most once, in whatever order they arrive.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "protocol/bytes.h"
#include "protocol/crypto.h"
#include "protocol/handshake.h"
#include "protocol/result.h"

namespace byway {

// Remembers which of the last 2,048 counters have been seen; what is older counts as seen.
//
// After RFC 6479: a ring of 64-bit words, one bit a counter. Moving forward clears whole words, so
// there is nothing to shift; one spare word makes up for the part of the newest not yet in use.
// check() before decrypting, accept() after: a forged counter must not move the window.
//
// Most links carry a keepalive now and then, in order. As long as nothing is missing but among the
// last 64, these are all that is kept; the ring is made when something older is.
class ReplayWindow {
 public:
  static constexpr std::uint64_t width = 2048;

  bool check(std::uint64_t counter) const;  // true: not seen yet
  void accept(std::uint64_t counter);       // one that check() let pass

 private:
  static constexpr std::size_t word_count = width / 64 + 1;
  using Ring = std::array<std::uint64_t, word_count>;

  void widen();

  std::uint64_t next_ = 0;        // one past the highest counter accepted
  std::uint64_t recent_ = ~0ull;  // while there is no ring; the lowest bit is next_ - 1
  std::unique_ptr<Ring> ring_;
};

// A supernode holds 100,000 of these: two keys, a counter, the window.
// Not to be copied: two copies would seal different messages under one counter.
class Seal {
 public:
  Seal(const Crypto& crypto, const SessionKeys& keys);
  Seal(Seal&&) = default;
  Seal& operator=(Seal&&) = default;

  // The whole datagram, sealed_overhead longer than the plaintext.
  Bytes seal(ByteView plaintext);
  // unknown_session: not for local_index(). replayed: seen, or too old to know.
  Result<Bytes> open(ByteView datagram);

  std::uint64_t sent() const { return sent_; }  // the link renews its keys by this
  std::uint32_t local_index() const { return local_index_; }
  std::uint32_t remote_index() const { return remote_index_; }

 private:
  const Crypto* crypto_;
  Key send_;
  Key receive_;
  std::uint64_t sent_ = 0;
  std::uint32_t local_index_;
  std::uint32_t remote_index_;
  ReplayWindow window_;
};

}  // namespace byway

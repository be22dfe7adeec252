#include "protocol/seal.h"

#include <algorithm>
#include <limits>

namespace byway {

bool ReplayWindow::check(std::uint64_t counter) const {
  if (counter == std::numeric_limits<std::uint64_t>::max()) return false;  // has no successor
  if (counter >= next_) return true;
  if (next_ - counter > width) return false;
  if (ring_) return (((*ring_)[counter / 64 % word_count] >> (counter % 64)) & 1) == 0;
  const std::uint64_t age = next_ - 1 - counter;
  return age < 64 && ((recent_ >> age) & 1) == 0;
}

void ReplayWindow::accept(std::uint64_t counter) {
  if (!ring_) {
    if (counter < next_) {
      recent_ |= std::uint64_t{1} << (next_ - 1 - counter);
      return;
    }
    const std::uint64_t step = counter - next_ + 1;
    const bool nothing_missing = step < 64 && (~recent_ >> (64 - step)) == 0;
    if (nothing_missing) {
      recent_ = recent_ << step | 1;
      next_ = counter + 1;
      return;
    }
    widen();
  }
  Ring& seen = *ring_;
  if (counter >= next_) {
    // Words past the newest one in use hold what was true one turn of the ring ago.
    const std::uint64_t first_stale = next_ == 0 ? 0 : (next_ - 1) / 64 + 1;
    const std::uint64_t newest = counter / 64;
    if (newest >= first_stale) {
      const std::uint64_t stale = std::min<std::uint64_t>(newest - first_stale + 1, word_count);
      for (std::uint64_t i = 0; i < stale; ++i) seen[(newest - i) % word_count] = 0;
    }
    next_ = counter + 1;
  }
  seen[counter / 64 % word_count] |= std::uint64_t{1} << (counter % 64);
}

// What is older than the last 64 was all seen.
void ReplayWindow::widen() {
  ring_ = std::make_unique<Ring>();
  const std::uint64_t oldest = next_ > width ? next_ - width : 0;
  for (std::uint64_t counter = oldest; counter < next_; ++counter) {
    const std::uint64_t age = next_ - 1 - counter;
    if (age >= 64 || ((recent_ >> age) & 1) != 0)
      (*ring_)[counter / 64 % word_count] |= std::uint64_t{1} << (counter % 64);
  }
}

Seal::Seal(const Crypto& crypto, const SessionKeys& keys)
    : crypto_(&crypto),
      send_(keys.send),
      receive_(keys.receive),
      local_index_(keys.local_index),
      remote_index_(keys.remote_index) {}

Bytes Seal::seal(ByteView plaintext) {
  Bytes datagram(sealed_overhead + plaintext.size());
  const MutableBytes all(datagram);
  all[0] = static_cast<std::uint8_t>(PacketKind::sealed);
  store_be<std::uint32_t>(all.subspan(4, 4), remote_index_);
  store_be<std::uint64_t>(all.subspan(8, 8), sent_);
  crypto_->seal(send_, sent_, all.first(sealed_header_size), plaintext,
                all.subspan(sealed_header_size));
  ++sent_;
  return datagram;
}

Result<Bytes> Seal::open(ByteView datagram) {
  const auto header = parse_sealed(datagram);
  if (!header) return header.error();
  if (header->receiver_index != local_index_) return Error::unknown_session;
  if (!window_.check(header->counter)) return Error::replayed;

  Bytes plaintext(header->ciphertext.size() - tag_size);
  if (!crypto_->open(receive_, header->counter, datagram.first(sealed_header_size),
                     header->ciphertext, plaintext))
    return Error::unauthentic;
  window_.accept(header->counter);
  return plaintext;
}

}  // namespace byway

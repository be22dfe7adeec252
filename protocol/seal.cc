#include "protocol/seal.h"

#include <algorithm>
#include <limits>

namespace byway {

bool ReplayWindow::check(std::uint64_t counter) const {
  if (counter == std::numeric_limits<std::uint64_t>::max()) return false;  // has no successor
  if (counter >= next_) return true;
  if (next_ - counter > width) return false;
  return ((seen_[counter / 64 % word_count] >> (counter % 64)) & 1) == 0;
}

void ReplayWindow::accept(std::uint64_t counter) {
  if (counter >= next_) {
    // Words past the newest one in use hold what was true one turn of the ring ago.
    const std::uint64_t first_stale = next_ == 0 ? 0 : (next_ - 1) / 64 + 1;
    const std::uint64_t newest = counter / 64;
    if (newest >= first_stale) {
      const std::uint64_t stale = std::min<std::uint64_t>(newest - first_stale + 1, word_count);
      for (std::uint64_t i = 0; i < stale; ++i) seen_[(newest - i) % word_count] = 0;
    }
    next_ = counter + 1;
  }
  seen_[counter / 64 % word_count] |= std::uint64_t{1} << (counter % 64);
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

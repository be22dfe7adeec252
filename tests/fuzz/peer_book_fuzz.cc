// Peer books out of a file that anybody may have written: its hash is put right first, so that what
// lies behind it is within reach; what is let through keeps its bounds and can be lived with.
#include "overlay/mesh/peer_book.h"

#include "tests/fuzz/change.h"

using namespace byway;

namespace {

NodeId node(std::uint8_t number) {
  return NodeId::trusted(Key{1, number});
}
Endpoint at(std::uint8_t number) {
  return {IpAddress::v4({50, number, 1, 1}), 7000};
}

Bytes good_book() {
  PeerBook book(sodium_crypto(), Random(1), 16, 32);
  const WallTime wall = wall_from_unix_ms(1'700'000'000'000);
  for (std::uint8_t i = 0; i < 6; ++i) book.good(wall, node(i), at(i));
  for (std::uint8_t i = 6; i < 12; ++i) book.add(wall, node(i), at(i), at(1).address);
  book.steady(node(0));
  book.steady(node(1));
  Bytes saved = book.save();
  saved.resize(saved.size() - 32);
  return saved;
}

void live_with(PeerBook book) {
  const WallTime wall = wall_from_unix_ms(1'700'100'000'000);
  ensure(book.anchors().size() <= limits::book_anchors);
  ensure(book.tried() <= book.size());
  ensure(book.size() <= 2 * limits::book_buckets * limits::book_bucket_size);
  for (std::uint8_t i = 0; i < 20; ++i) {
    const auto candidate = book.select(wall + i * 1h);
    if (!candidate) break;
    ensure(candidate->endpoint.is_set());
    if (i % 2)
      book.good(wall, candidate->id, candidate->endpoint);
    else
      book.failed(wall, candidate->id);
    book.add(wall, node(static_cast<std::uint8_t>(100 + i)), at(i), candidate->endpoint.address);
  }
  const auto again = PeerBook::load(book.save(), sodium_crypto(), Random(2), 16, 32);
  ensure(again.has_value());
  ensure(again->size() == book.size());
  ensure(again->tried() == book.tried());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Bytes good = good_book();
  const ByteView input(data, size);
  (void)PeerBook::load(input, sodium_crypto(), Random(2), 16, 32);
  Bytes forged = change(good, input);
  append(forged, sodium_crypto().hash(forged));
  if (auto book = PeerBook::load(forged, sodium_crypto(), Random(2), 16, 32))
    live_with(std::move(*book));
  return 0;
}

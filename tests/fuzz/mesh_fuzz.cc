// What supernodes hear of one another: as it comes, and as a change to something good. What is let
// through keeps the bounds that those who build messages count with, and is heard again as the
// same.
#include "protocol/mesh_message.h"

#include "tests/fuzz/change.h"

using namespace byway;

namespace {

News good_news(std::uint8_t number) {
  const NodeId who = NodeId::trusted(Key{1, number});
  const Voucher voucher{
      who, wall_from_unix_ms(1'700'000'000'000), IpAddress::v4({50, 1, 1, number}), {}};
  return {who, Bytes(200, number), {voucher, voucher}, {Gone{who, 77, {}}}};
}

std::vector<Bytes> good_messages() {
  Compare compare{1000, {Sums{2, 255, {1, 2, 3}}}, {Bucket{0xabc, {{7, 8}, {9, 10}}}}};
  std::vector<Bytes> good;
  for (const MeshMessage& message :
       {MeshMessage(Gossip{77, 3, {good_news(1), good_news(2)}}), MeshMessage(std::move(compare)),
        MeshMessage(Want{{1, 2, 3}}), MeshMessage(Pull{1, 99}),
        MeshMessage(Page{1, 9, true, {good_news(3)}}),
        MeshMessage(ProbeFor{NodeId::trusted(Key{4})}),
        MeshMessage(ProbeFound{NodeId::trusted(Key{4}), true}),
        MeshMessage(Suspect{NodeId::trusted(Key{4}), 77})})
    good.push_back(encode(message));
  return good;
}

void keeps_limits(const std::vector<News>& news) {
  ensure(news.size() <= max_news);
  for (const News& one : news)
    ensure(one.record.size() <= max_mesh_record && one.vouchers.size() <= max_news_vouchers &&
           one.gones.size() <= max_news_gones);
}

void hear(ByteView bytes) {
  const auto message = decode_mesh(bytes);
  if (!message) return;
  if (const auto* gossip = std::get_if<Gossip>(&*message)) {
    keeps_limits(gossip->news);
    ensure(gossip->load <= max_load);
  }
  if (const auto* page = std::get_if<Page>(&*message)) keeps_limits(page->news);
  if (const auto* want = std::get_if<Want>(&*message)) ensure(want->positions.size() <= max_listed);
  if (const auto* compare = std::get_if<Compare>(&*message)) {
    ensure(compare->sums.size() + compare->buckets.size() <= 2 * max_compared);
    for (const Bucket& bucket : compare->buckets) ensure(bucket.items.size() <= max_listed);
  }
  const auto again = decode_mesh(encode(*message));
  ensure(again.has_value() && *again == *message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<Bytes> good = good_messages();
  if (size < 1) return 0;
  const ByteView input(data + 1, size - 1);
  hear(input);
  hear(change(good[data[0] % good.size()], input));
  return 0;
}

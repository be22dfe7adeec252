#include "protocol/mesh_message.h"

#include <gtest/gtest.h>

#include "protocol/record.h"
#include "tests/unit/protocol/people.h"

namespace byway::mesh_message_test {
namespace {

Voucher some_voucher(std::uint64_t by) {
  Random random(by);
  return {NodeId::trusted(random.bytes<32>()), wall_from_unix_ms(random.u32()),
          IpAddress::v6(random.bytes<16>()), random.bytes<64>()};
}
Gone some_gone(std::uint64_t by) {
  Random random(by);
  return {NodeId::trusted(random.bytes<32>()), random.u64(), random.bytes<64>()};
}
News some_news(Random& random, std::size_t record, std::uint64_t vouchers, std::uint64_t gones) {
  News news{NodeId::trusted(random.bytes<32>()), Bytes(record), {}, {}};
  random.fill(news.record);
  for (std::uint64_t i = 0; i < vouchers; ++i) news.vouchers.push_back(some_voucher(random.u64()));
  for (std::uint64_t i = 0; i < gones; ++i) news.gones.push_back(some_gone(random.u64()));
  return news;
}

std::vector<MeshMessage> one_of_each() {
  Random random(5);
  Compare compare{1000, {Sums{2, 255, {}}}, {Bucket{0xabc, {}}, Bucket{1, {}}}};
  for (std::uint64_t& part : compare.sums[0].parts) part = random.u64();
  compare.buckets[0].items = {{0xabc0000000000001, 7}, {0xabcfffffffffffff, 8}};
  return {Gossip{random.u64(), 7, {some_news(random, 300, 1, 0), some_news(random, 0, 0, 2)}},
          Gossip{},
          Gossip{1, 0, {}, {{random.u64(), random.u64()}, {~std::uint64_t{0}, 0}}},
          compare,
          Want{{1, 2, ~std::uint64_t{0}}},
          Pull{random.u64(), random.u64()},
          Page{3, 9, true, {some_news(random, 200, 4, 0)}},
          ProbeFor{person(1).id()},
          ProbeFound{person(1).id(), true},
          Suspect{person(2).id(), 77}};
}

TEST(MeshMessage, WhatIsSaidIsWhatIsHeard) {
  for (const MeshMessage& message : one_of_each()) {
    const auto heard = decode_mesh(encode(message));
    ASSERT_TRUE(heard) << name_of(message);
    EXPECT_EQ(*heard, message) << name_of(message);
  }
}

TEST(MeshMessage, GarbageIsRefusedAndNeverThrows) {
  Random random(6);
  int refused = 0;
  for (const MeshMessage& message : one_of_each()) {
    const Bytes good = encode(message);
    for (int i = 0; i < 400; ++i) {
      Bytes bad = good;
      for (int k = 0; k < 3; ++k)
        bad[random.below(bad.size())] = static_cast<std::uint8_t>(random.u64());
      if (random.chance(0.3)) bad.resize(random.below(bad.size()));
      const auto heard = decode_mesh(bad);
      refused += heard ? 0 : 1;
      if (heard) {
        EXPECT_EQ(*decode_mesh(encode(*heard)), *heard);
      }
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(MeshMessage, MoreThanTheBoundsAllowIsRefused) {
  Random random(7);
  EXPECT_FALSE(decode_mesh(encode(Gossip{0, max_load + 1, {}})));
  EXPECT_FALSE(decode_mesh(encode(Gossip{0, 0, {some_news(random, max_mesh_record + 1, 0, 0)}})));
  EXPECT_FALSE(decode_mesh(encode(Gossip{0, 0, {some_news(random, 0, max_news_vouchers + 1, 0)}})));
  EXPECT_FALSE(decode_mesh(encode(Gossip{0, 0, {some_news(random, 0, 0, max_news_gones + 1)}})));
  EXPECT_FALSE(decode_mesh(encode(Gossip{0, 0, std::vector<News>(max_news + 1)})));
  EXPECT_FALSE(decode_mesh(encode(Gossip{0, 0, {}, std::vector<BucketItem>(max_listed + 1)})));
  EXPECT_FALSE(decode_mesh(encode(Want{std::vector<std::uint64_t>(max_listed + 1)})));
  EXPECT_FALSE(decode_mesh(encode(Compare{0, {Sums{3, 0, {}}}, {}})));
  EXPECT_FALSE(decode_mesh(encode(Compare{0, {Sums{1, 16, {}}}, {}})));
  EXPECT_FALSE(decode_mesh(encode(Compare{0, {}, {Bucket{1, {{0, 0}}}}})))
      << "a position that is not of the bucket";
  EXPECT_FALSE(decode_mesh(encode(Page{2, 1, false, {}})));
}

TEST(MeshMessage, TheBoundsOfSizesAreNeverTooLow) {
  Random random(8);
  for (int i = 0; i < 200; ++i) {
    Gossip gossip{random.u64(), 7, {}};
    std::size_t bound = empty_mesh_message;
    const auto pieces = random.below(6);
    for (std::uint64_t k = 0; k < pieces; ++k) {
      const auto record = random.below(600);
      const auto vouchers = random.below(5);
      const auto gones = random.below(3);
      gossip.news.push_back(some_news(random, record, vouchers, gones));
      bound += news_bound(record, vouchers, gones);
    }
    const auto named = random.below(max_listed + 1);
    for (std::uint64_t k = 0; k < named; ++k) gossip.recent.push_back({random.u64(), random.u64()});
    EXPECT_LE(encode(gossip).size(), bound + recent_bound(named));
  }
  for (std::size_t items = 0; items <= max_listed; ++items) {
    Compare compare{~0u, {}, {Bucket{0, {}}}};
    for (std::size_t k = 0; k < items; ++k)
      compare.buckets[0].items.push_back({random.u64() >> 12, random.u64()});
    EXPECT_LE(encode(compare).size(), empty_mesh_message + bucket_bound(items));
  }
  Compare sums{~0u, {}, {}};
  for (std::uint16_t i = 0; i < 5; ++i) {
    sums.sums.push_back({2, static_cast<std::uint16_t>(200 + i), {}});
    for (std::uint64_t& part : sums.sums.back().parts) part = random.u64();
    EXPECT_LE(encode(sums).size(), empty_mesh_message + (i + 1u) * sums_bound);
  }
}

TEST(MeshMessage, TheLargestRecordThatIsAllowedFitsADatagram) {
  Random random(9);
  const Page page{
      random.u64() / 2, ~std::uint64_t{0}, true, {some_news(random, max_mesh_record, 0, 0)}};
  EXPECT_LE(encode(page).size(), max_mesh_message);
}

TEST(Voucher, HoldsForItsSubjectAddressAndTimeOnly) {
  const Identity ana = person(1);
  const NodeId bo = person(2).id();
  const auto address = *IpAddress::parse("203.0.113.7");
  const Voucher voucher = Voucher::sign(ana, bo, address, wall_from_unix_ms(1000));
  EXPECT_TRUE(voucher.is_true(sodium_crypto(), bo));
  EXPECT_EQ(*Voucher::from_bytes(voucher.bytes()), voucher);
  EXPECT_LE(Voucher::size, 200u);

  EXPECT_FALSE(voucher.is_true(sodium_crypto(), person(3).id()));
  Voucher changed = voucher;
  changed.address = *IpAddress::parse("203.0.113.8");
  EXPECT_FALSE(changed.is_true(sodium_crypto(), bo));
  changed = voucher;
  changed.since -= 1ms;
  EXPECT_FALSE(changed.is_true(sodium_crypto(), bo));
  changed = voucher;
  changed.by = person(3).id();
  EXPECT_FALSE(changed.is_true(sodium_crypto(), bo));
  changed.by = NodeId{};
  EXPECT_FALSE(changed.is_true(sodium_crypto(), bo)) << "a key that is no point";
}

TEST(Voucher, NobodyVouchesForHimself) {
  const Identity ana = person(1);
  const Voucher voucher = Voucher::sign(ana, ana.id(), {}, wall_from_unix_ms(1));
  EXPECT_FALSE(voucher.is_true(sodium_crypto(), ana.id()));
}

TEST(Voucher, AnAddressTravelsWhateverItsKind) {
  const Identity ana = person(1);
  for (const char* text : {"192.0.2.1", "2001:db8::17"}) {
    const Voucher voucher =
        Voucher::sign(ana, person(2).id(), *IpAddress::parse(text), wall_from_unix_ms(5));
    const auto again = Voucher::from_bytes(voucher.bytes());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->address.to_string(), text);
    EXPECT_TRUE(again->is_true(sodium_crypto(), person(2).id()));
  }
  EXPECT_FALSE(Voucher::from_bytes(Bytes(Voucher::size - 1)));
  EXPECT_FALSE(Voucher::from_bytes(Bytes(Voucher::size, 0xff))) << "a clock after the year 9999";
}

TEST(Gone, IsAboutOneLifeOfOneNode) {
  const Identity ana = person(1);
  const NodeId bo = person(2).id();
  const Gone gone = Gone::sign(ana, bo, 7);
  EXPECT_TRUE(gone.is_true(sodium_crypto(), bo));
  EXPECT_EQ(*Gone::from_bytes(gone.bytes()), gone);
  Gone changed = gone;
  changed.sequence = 8;
  EXPECT_FALSE(changed.is_true(sodium_crypto(), bo));
  EXPECT_FALSE(gone.is_true(sodium_crypto(), person(3).id()));
  EXPECT_FALSE(Gone::sign(ana, ana.id(), 7).is_true(sodium_crypto(), ana.id()));
}

}  // namespace
}  // namespace byway::mesh_message_test

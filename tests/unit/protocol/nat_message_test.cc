#include "protocol/nat_message.h"

#include <gtest/gtest.h>

#include "overlay/reach/nat_limits.h"
#include "tests/unit/protocol/people.h"

namespace byway::nat_message_test {
namespace {

namespace nat = limits::nat;

Endpoint some_endpoint(Random& random) {
  const auto port = static_cast<std::uint16_t>(1 + random.below(65535));
  if (random.chance(0.5)) return {IpAddress::v4(random.bytes<4>()), port};
  return {IpAddress::v6(random.bytes<16>()), port};
}
std::uint16_t some_padding(Random& random) {
  return static_cast<std::uint16_t>(random.below(1001));
}
NatMessage some_message(Random& random, std::size_t kind) {
  switch (kind) {
    case 0:
      return Look{random.u64(), some_padding(random)};
    case 1:
      return TryFilter{random.u64(), random.bytes<16>(), some_padding(random)};
    case 2:
      return TryLate{random.u64(), random.bytes<16>(), some_endpoint(random), random.bytes<16>()};
    case 3:
      return Sighting{random.u64(), some_endpoint(random),
                      static_cast<std::uint16_t>(random.below(65536)), random.bytes<16>()};
    case 4:
      return StrangerTried{random.u64(), random.chance(0.5)};
    case 5:
      return StrangerOrder{random.bytes<16>(), some_endpoint(random),
                           random.below(2) == 0 ? Proto::udp : Proto::tcp};
    default:
      return StrangerDone{random.bytes<16>(), random.chance(0.5)};
  }
}
constexpr std::size_t kinds = std::variant_size_v<NatMessage>;

TEST(NatMessage, AnythingThatCanBeSaidIsUnderstood) {
  Random random(1);
  for (std::size_t i = 0; i < 2100; ++i) {
    const NatMessage said = some_message(random, i % kinds);
    const auto heard = decode_nat(encode(said));
    ASSERT_TRUE(heard) << name_of(said) << " " << i;
    EXPECT_EQ(*heard, said) << name_of(said);
  }
}

TEST(NatMessage, NobodyGetsOutMoreThanHePutIn) {
  constexpr std::size_t headers = 40 + 8;  // IPv6 and UDP
  Random random(2);
  const auto size = [&](const NatMessage& message) {
    return headers + 1 + sealed_overhead + encode(message).size();
  };
  std::size_t largest_answer = 0;
  for (int i = 0; i < 500; ++i)
    largest_answer =
        std::max(largest_answer, size(Sighting{random.u64() | 1ull << 63,
                                               {IpAddress::v6(random.bytes<16>()), 65535},
                                               65535,
                                               random.bytes<16>()}));
  EXPECT_GE(size(Look{0, nat::look_padding}), largest_answer);
  EXPECT_GE(size(TryFilter{0, {}, nat::filter_padding}),
            largest_answer + 2 * nat::echoes * (headers + dialback_size));
}

TEST(NatMessage, GarbageIsAnErrorAndNothingWorse) {
  Random random(3);
  for (std::size_t i = 0; i < 4000; ++i) {
    Bytes bytes = encode(some_message(random, i % kinds));
    for (std::uint64_t n = 1 + random.below(6); n > 0; --n)
      bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.u64());
    if (random.chance(0.3)) bytes.resize(random.below(bytes.size() + 1));
    if (const auto heard = decode_nat(bytes)) {
      const auto again = decode_nat(encode(*heard));
      ASSERT_TRUE(again) << i;
      EXPECT_EQ(*again, *heard) << i;
    }
  }
  EXPECT_FALSE(decode_nat(encode(NatMessage(Look{1, 1001}))));
}

}  // namespace
}  // namespace byway::nat_message_test

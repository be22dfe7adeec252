#include "protocol/tcp_message.h"

#include <gtest/gtest.h>

#include "protocol/random.h"

namespace byway::tcp_message_test {
namespace {

Candidate some_candidate(Random& random) {
  const auto port = static_cast<std::uint16_t>(1 + random.below(65535));
  const IpAddress address =
      random.chance(0.5) ? IpAddress::v4(random.bytes<4>()) : IpAddress::v6(random.bytes<16>());
  return {{address, port}, Proto::tcp, static_cast<How>(random.below(4))};
}

Meet some_meet(Random& random) {
  Meet meet;
  for (std::size_t i = random.below(max_meet_endpoints + 1); i > 0; --i)
    meet.endpoints.push_back(some_candidate(random));
  meet.mapping = static_cast<Behaviour>(random.below(6));
  meet.ports = static_cast<Ports>(random.below(5));
  meet.outlet = static_cast<Outlet>(random.below(4));
  return meet;
}

TEST(TcpMessage, AnythingThatCanBeSaidIsUnderstood) {
  Random random(1);
  for (int i = 0; i < 1000; ++i) {
    const Meet said = some_meet(random);
    const auto heard = decode_meet(encode(said));
    ASSERT_TRUE(heard);
    EXPECT_EQ(*heard, said);
  }
}

TEST(TcpMessage, ATooLongListIsCutByItsSender) {
  Random random(2);
  Meet meet;
  for (int i = 0; i < 9; ++i) meet.endpoints.push_back(some_candidate(random));
  EXPECT_EQ(decode_meet(encode(meet))->endpoints.size(), max_meet_endpoints);
}

TEST(TcpMessage, GarbageIsAnError) {
  Random random(3);
  std::size_t understood = 0;
  for (int i = 0; i < 2000; ++i) {
    Bytes bytes = encode(some_meet(random));
    bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.below(256));
    bytes.resize(random.below(bytes.size() + 1));
    const auto heard = decode_meet(bytes);
    if (!heard) continue;
    ++understood;
    EXPECT_LE(heard->endpoints.size(), max_meet_endpoints);
    EXPECT_LE(heard->outlet, Outlet::tcp_443);
  }
  EXPECT_LT(understood, 1900u);
}

}  // namespace
}  // namespace byway::tcp_message_test

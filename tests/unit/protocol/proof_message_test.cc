#include "protocol/proof_message.h"

#include <gtest/gtest.h>

#include "overlay/reach/proof_limits.h"
#include "protocol/attestation.h"
#include "protocol/packet.h"
#include "tests/unit/protocol/people.h"

namespace byway::proof_message_test {
namespace {

Endpoint some_endpoint(Random& random) {
  const auto port = static_cast<std::uint16_t>(1 + random.below(65535));
  if (random.chance(0.5)) return {IpAddress::v4(random.bytes<4>()), port};
  return {IpAddress::v6(random.bytes<16>()), port};
}
Proto some_proto(Random& random) {
  return random.chance(0.5) ? Proto::udp : Proto::tcp;
}
ProofOutcome some_outcome(Random& random) {
  return static_cast<ProofOutcome>(random.below(4));
}
Bytes some_attestation(Random& random) {
  Bytes bytes(random.below(max_attestation_size + 1));
  random.fill(bytes);
  return bytes;
}
ProofMessage some_message(Random& random, std::size_t kind) {
  const auto nonce = random.bytes<16>();
  switch (kind) {
    case 0:
      return ProveRequest{nonce, some_endpoint(random), some_proto(random),
                          static_cast<std::uint16_t>(random.below(1001))};
    case 1:
      return DialOrder{NodeId::trusted(random.bytes<32>()), nonce, some_endpoint(random),
                       some_proto(random)};
    case 2:
      return DialResult{nonce, some_outcome(random), some_attestation(random)};
    default:
      return ProveResult{nonce, some_outcome(random), some_attestation(random), random.u32()};
  }
}

TEST(ProofMessage, AnythingThatCanBeSaidIsUnderstood) {
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    const ProofMessage said = some_message(random, static_cast<std::size_t>(i) % 4);
    const Bytes bytes = encode(said);
    EXPECT_LE(bytes.size(), 1150u) << name_of(said);
    const auto heard = decode_proof(bytes);
    ASSERT_TRUE(heard) << name_of(said) << " " << i;
    EXPECT_EQ(*heard, said) << name_of(said);
  }
}

TEST(ProofMessage, NobodyGetsOutMoreThanHePutIn) {
  // All with headers: IPv6 and UDP in front of each datagram.
  constexpr std::size_t headers = 40 + 8;
  Random random(2);
  ProveRequest request{.padding = limits::proof::request_padding};  // nothing in it but zeros
  request.endpoint.port = 1;
  const std::size_t put_in = headers + sealed_overhead + encode(request).size();
  EXPECT_GE(put_in, limits::proof::dial_sends * (headers + dialback_size));
  for (int i = 0; i < 500; ++i) {
    Bytes attestation(max_attestation_size);
    random.fill(attestation);
    const ProveResult result{random.bytes<16>(), ProofOutcome::proved, attestation, 0xffffffff};
    ASSERT_GE(put_in, headers + sealed_overhead + encode(result).size());
  }
}

TEST(ProofMessage, GarbageIsAnErrorAndNothingWorse) {
  Random random(3);
  for (int i = 0; i < 4000; ++i) {
    Bytes bytes = encode(some_message(random, static_cast<std::size_t>(i) % 4));
    for (std::uint64_t n = 1 + random.below(6); n > 0; --n)
      bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.u64());
    if (random.chance(0.3)) bytes.resize(random.below(bytes.size() + 1));
    if (const auto heard = decode_proof(bytes)) {
      const auto again = decode_proof(encode(*heard));
      ASSERT_TRUE(again) << "what is let in can be said again";
      EXPECT_EQ(*again, *heard);
    }
  }
  EXPECT_FALSE(decode_proof({}));
}

TEST(ProofMessage, WhatIsOverItsLimitStaysOutside) {
  const Endpoint door = *Endpoint::parse("203.0.113.5:7000");
  EXPECT_TRUE(decode_proof(encode(ProveRequest{.endpoint = door, .padding = 1000})));
  EXPECT_FALSE(decode_proof(encode(ProveRequest{.endpoint = door, .padding = 1001})));
  EXPECT_FALSE(decode_proof(encode(ProveRequest{.endpoint = {door.address, 0}})));
  DialResult result{.attestation = Bytes(max_attestation_size, 1)};
  EXPECT_TRUE(decode_proof(encode(result)));
  result.attestation.push_back(1);
  EXPECT_FALSE(decode_proof(encode(result)));
  EXPECT_FALSE(decode_proof(encode(DialResult{.outcome = static_cast<ProofOutcome>(4)})));
}

}  // namespace
}  // namespace byway::proof_message_test

#include "protocol/attestation.h"

#include <gtest/gtest.h>

#include "tests/unit/protocol/people.h"

namespace byway::attestation_test {
namespace {

const Crypto& crypto = sodium_crypto();
const Identity ana = person(1);
const Identity dora = person(2);

Attested reached(std::string_view endpoint, Proto proto = Proto::udp) {
  return {.subject = ana.id(),
          .endpoint = *Endpoint::parse(endpoint),
          .proto = proto,
          .dialler = dora.id(),
          .at = wall_from_unix_ms(1'700'000'000'000)};
}

// Dora herself signs what a well-behaved dialler would never write.
Bytes signed_by_dora(Bytes content) {
  Bytes bytes = to_bytes(dora.sign(attestation_context, content));
  append(bytes, content);
  return bytes;
}
Bytes content_of(const Attestation& attestation) {
  const ByteView content = ByteView(attestation.exact_bytes()).subspan(64);
  return to_bytes(content);
}

TEST(Attestation, SaysTheSameToWhoeverReadsIt) {
  for (const Attested& said :
       {reached("203.0.113.5:7000"), reached("[2001:db8::5]:443", Proto::tcp),
        reached("255.255.255.255:65535")}) {
    const auto attestation = Attestation::sign(dora, said);
    EXPECT_LE(attestation.exact_bytes().size(), max_attestation_size);
    const auto heard = Attestation::parse(crypto, attestation.exact_bytes());
    ASSERT_TRUE(heard) << said.endpoint.to_string();
    EXPECT_EQ(heard->attested(), said);
    EXPECT_EQ(heard->exact_bytes(), attestation.exact_bytes());
  }
}

TEST(Attestation, TheLargestIsFarBelowTheQuarterKilobyteGrantedToIt) {
  EXPECT_EQ(Attestation::sign(dora, reached("[2001:db8::5]:443")).exact_bytes().size(),
            max_attestation_size);
  EXPECT_LE(max_attestation_size, 256u);
}

TEST(Attestation, AnyChangedBitIsNoticed) {
  Bytes bytes = Attestation::sign(dora, reached("203.0.113.5:7000")).exact_bytes();
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    EXPECT_FALSE(Attestation::parse(crypto, bytes)) << bit;
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
  }
}

TEST(Attestation, EveryOtherLengthIsRefused) {
  const Bytes v4 = Attestation::sign(dora, reached("203.0.113.5:7000")).exact_bytes();
  for (std::size_t n = 0; n < v4.size(); ++n)
    EXPECT_FALSE(Attestation::parse(crypto, ByteView(v4).first(n))) << n;
  Bytes longer = v4;
  while (longer.size() < max_attestation_size + 8) {
    longer.push_back(0);
    EXPECT_FALSE(Attestation::parse(crypto, longer)) << longer.size();
  }
}

TEST(Attestation, NobodyPraisesItself) {
  Bytes content = content_of(Attestation::sign(dora, reached("203.0.113.5:7000")));
  std::copy_n(content.begin(), 32, content.begin() + 32);
  EXPECT_EQ(Attestation::parse(crypto, signed_by_dora(content)).error(), Error::malformed);
}

TEST(Attestation, ASignatureMadeForSomethingElseIsWorthNothingHere) {
  const Bytes content = content_of(Attestation::sign(dora, reached("203.0.113.5:7000")));
  Bytes bytes = to_bytes(dora.sign("byway record 1", content));
  append(bytes, content);
  EXPECT_EQ(Attestation::parse(crypto, bytes).error(), Error::bad_signature);
}

TEST(Attestation, WhatHasASecondFormIsRefusedInIt) {
  const Bytes good = content_of(Attestation::sign(dora, reached("203.0.113.5:7000")));
  EXPECT_TRUE(Attestation::parse(crypto, signed_by_dora(good)));

  Bytes mapped(good.begin(), good.end() - 4);  // ::ffff:203.0.113.5
  append(mapped, from_hex("00000000000000000000ffff"
                          "cb007105"));
  EXPECT_EQ(Attestation::parse(crypto, signed_by_dora(mapped)).error(), Error::malformed);

  Bytes no_port = good;
  no_port[73] = no_port[74] = 0;
  EXPECT_EQ(Attestation::parse(crypto, signed_by_dora(no_port)).error(), Error::malformed);
  Bytes third_proto = good;
  third_proto[72] = 2;
  EXPECT_EQ(Attestation::parse(crypto, signed_by_dora(third_proto)).error(), Error::malformed);
  Bytes end_of_time = good;
  std::fill_n(end_of_time.begin() + 64, 8, 0xff);
  EXPECT_EQ(Attestation::parse(crypto, signed_by_dora(end_of_time)).error(), Error::malformed);
  Bytes no_key = good;
  std::fill_n(no_key.begin(), 32, 0);
  EXPECT_EQ(Attestation::parse(crypto, signed_by_dora(no_key)).error(), Error::bad_key);
}

}  // namespace
}  // namespace byway::attestation_test

#include "overlay/reach/kept_proof.h"

#include <gtest/gtest.h>

#include "tests/unit/overlay/cast.h"

namespace byway::kept_proof_test {
namespace {

class KeptProofStory : public testing::Test {
 protected:
  KeptDial dial(std::string_view from, Proto proto = Proto::udp) {
    const auto dialler = Identity::generate(random);
    return {address(from), wall_noon,
            Attestation::sign(dialler, {.subject = ana.id(),
                                        .endpoint = at("203.0.113.5:7000"),
                                        .proto = proto,
                                        .dialler = dialler.id(),
                                        .at = wall_noon})};
  }
  Result<KeptProof> load(ByteView saved) {
    return KeptProof::load(sodium_crypto(), ana.id(), saved);
  }
  // With its hash put right again.
  Result<KeptProof> load_forged(Bytes saved) {
    saved.resize(saved.size() - 32);
    append(saved, sodium_crypto().hash(saved));
    return load(saved);
  }

  Random random{7};
  Identity ana = Identity::generate(random);
};

TEST_F(KeptProofStory, WhatWasKeptIsWhatIsReadAgain) {
  const KeptProof proof{.served = true,
                        .dials = {dial("8.1.0.1"), dial("2001:db8::1", Proto::tcp)}};
  const auto read = load(proof.save(sodium_crypto()));
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->served);
  ASSERT_EQ(read->dials.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(read->dials[i].from, proof.dials[i].from);
    EXPECT_EQ(read->dials[i].at, proof.dials[i].at);
    EXPECT_EQ(read->dials[i].attestation.attested(), proof.dials[i].attestation.attested());
  }
}

TEST_F(KeptProofStory, NoMoreIsSavedThanIsReadAgain) {
  KeptProof proof;
  for (std::size_t i = 0; i < KeptProof::max_dials + 1; ++i) proof.dials.push_back(dial("8.1.0.1"));
  const auto read = load(proof.save(sodium_crypto()));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->dials.size(), KeptProof::max_dials);
}

TEST_F(KeptProofStory, ADamagedOrForgedFileIsNone) {
  const Bytes saved = KeptProof{.served = true, .dials = {dial("8.1.0.1")}}.save(sodium_crypto());
  ASSERT_TRUE(load_forged(saved));
  EXPECT_FALSE(load({}));
  for (std::size_t i = 0; i < saved.size(); ++i) {
    Bytes damaged = saved;
    damaged[i] ^= 1;
    EXPECT_FALSE(load(damaged)) << i;
    EXPECT_FALSE(load(ByteView(saved).first(i))) << i;
  }
  const auto with = [&](std::size_t at, std::uint8_t value) {
    Bytes forged = saved;
    forged[at] = value;
    return load_forged(forged).has_value();
  };
  EXPECT_FALSE(with(0, 'B')) << "another format";
  EXPECT_FALSE(with(14, 2)) << "neither served nor not";
  EXPECT_FALSE(with(15, 0)) << "fewer dials than it has";
  EXPECT_FALSE(with(15, 2)) << "more";
  EXPECT_FALSE(with(16 + 16, 255)) << "a time no clock shows";
  EXPECT_FALSE(with(16 + 24, 255)) << "longer than the file";
  EXPECT_FALSE(with(16 + 25, saved[16 + 25] ^ 1)) << "its dialler never signed that";
}

TEST_F(KeptProofStory, AnothersProofIsNotOurs) {
  const Bytes saved = KeptProof{.served = true, .dials = {dial("8.1.0.1")}}.save(sodium_crypto());
  const auto bo = Identity::generate(random);
  EXPECT_FALSE(KeptProof::load(sodium_crypto(), bo.id(), saved));
}

}  // namespace
}  // namespace byway::kept_proof_test

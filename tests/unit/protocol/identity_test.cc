#include "protocol/identity.h"

#include <gtest/gtest.h>

#include <unordered_set>

#include "tests/unit/protocol/people.h"

namespace byway::identity_test {
namespace {

const Crypto& crypto = sodium_crypto();

TEST(NodeId, SurvivesBeingWrittenDown) {
  const NodeId ana = person(1).id();
  const std::string text = ana.to_string();
  EXPECT_EQ(text.size(), 52u);
  EXPECT_EQ(*NodeId::parse(text), ana);
  EXPECT_EQ(text.substr(0, 8), ana.short_string());

  std::string shouted = text;
  for (char& c : shouted) c = static_cast<char>(std::toupper(c));
  EXPECT_EQ(*NodeId::parse(shouted), ana);
}

TEST(NodeId, AMistypedOneIsAnErrorAndNotSomebodyElse) {
  const std::string text = person(1).id().to_string();
  EXPECT_EQ(NodeId::parse(text.substr(1)).error(), Error::malformed);
  EXPECT_EQ(NodeId::parse(text + "a").error(), Error::malformed);
  EXPECT_EQ(NodeId::parse("").error(), Error::malformed);
  std::string last_bits = text;
  last_bits.back() = 'b';  // only "a" and "q" leave the four spare bits zero
  EXPECT_EQ(NodeId::parse(last_bits).error(), Error::malformed);
}

TEST(NodeId, BytesThatAreNoProperKeyAreRefused) {
  EXPECT_EQ(NodeId::from_bytes(Key{}).error(), Error::bad_key);
  EXPECT_EQ(NodeId::from_bytes(ByteArray<31>{}).error(), Error::malformed);
  EXPECT_EQ(*NodeId::from_bytes(person(1).id().key()), person(1).id());
}

TEST(NodeId, NobodyIsNobodyAndAnaIsSomebody) {
  EXPECT_TRUE(NodeId().is_nobody());
  EXPECT_FALSE(person(1).id().is_nobody());
  EXPECT_FALSE(NodeId::parse(NodeId().to_string()));
}

TEST(NodeId, KeysOrderAndHashLikeTheirBytes) {
  const NodeId low = NodeId::trusted(Key{1}), high = NodeId::trusted(Key{2});
  EXPECT_LT(low, high);
  EXPECT_EQ((std::unordered_set<NodeId>{low, high, low}.size()), 2u);
}

TEST(Identity, TheSameSeedIsTheSamePerson) {
  const Identity ana = person(1);
  EXPECT_EQ(Identity::from_seed(ana.seed()).id(), ana.id());
  EXPECT_NE(person(2).id(), ana.id());
}

TEST(Identity, ASignatureIsWorthNothingInAnotherContext) {
  const Identity ana = person(1);
  const ByteView said = bytes_of("I live here");
  const Signature signature = ana.sign("byway record 1", said);

  EXPECT_TRUE(verify(crypto, ana.id(), "byway record 1", said, signature));
  EXPECT_FALSE(verify(crypto, ana.id(), "byway record 2", said, signature));
  EXPECT_FALSE(verify(crypto, ana.id(), "byway record 1", bytes_of("I live there"), signature));
  EXPECT_FALSE(verify(crypto, person(2).id(), "byway record 1", said, signature));
}

TEST(Identity, ContextAndMessageCannotTradeLetters) {
  const Identity ana = person(1);
  const Signature signature = ana.sign("byway", bytes_of(" record"));
  EXPECT_FALSE(verify(crypto, ana.id(), "byway ", bytes_of("record"), signature));
}

}  // namespace
}  // namespace byway::identity_test

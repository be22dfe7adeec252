#include "protocol/record.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <gtest/gtest.h>

#include <functional>

#include "protocol/record.capnp.h"
#include "tests/unit/protocol/people.h"

namespace byway::record_test {
namespace {

const Crypto& crypto = sodium_crypto();
const Identity ana = person(1);

Record modest_record() {
  Record record;
  record.id = ana.id();
  record.sequence = 1'700'000'000'000;
  record.role = Record::Role::leaf;
  record.homes = {person(2).id(), person(3).id()};
  record.agent = "byway/0.1";
  return record;
}

Record largest_record() {
  Record record = modest_record();
  record.role = Record::Role::supernode;
  for (std::size_t i = 0; i < max_record_endpoints; ++i)
    record.endpoints.push_back(*Endpoint::parse("[2001:db8::" + std::to_string(i) + "]:7000"));
  record.homes.push_back(person(4).id());
  record.tcp = {record.endpoints[0], record.endpoints[1]};
  record.agent = std::string(max_record_agent, '~');
  return record;
}

// What a hand of her own could encode, starting from a record that is in order.
Bytes encoded(const std::function<void(wire::NodeRecord::Builder)>& spoil) {
  const auto to_data = [](const Key& key) { return capnp::Data::Reader(key.data(), key.size()); };
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<wire::NodeRecord>();
  root.setId(to_data(ana.id().key()));
  root.setSequence(7);
  spoil(root);
  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = words.asBytes();
  return {bytes.begin(), bytes.end()};
}

// Ana herself signs content that a well-behaved encoder would never write.
Bytes signed_content(ByteView content) {
  Bytes bytes = to_bytes(ana.sign(record_context, content));
  append(bytes, content);
  return bytes;
}

TEST(Record, SaysTheSameToWhoeverReadsIt) {
  for (const Record& said : {modest_record(), largest_record()}) {
    const SignedRecord record = SignedRecord::sign(ana, said);
    const auto heard = SignedRecord::parse(crypto, record.exact_bytes());
    ASSERT_TRUE(heard);
    EXPECT_EQ(heard->record(), said);
    EXPECT_EQ(to_bytes(heard->exact_bytes()), to_bytes(record.exact_bytes()));
  }
}

TEST(Record, TheLargestFitsADatagram) {
  EXPECT_LE(SignedRecord::sign(ana, largest_record()).exact_bytes().size(), max_record_size);
}

TEST(Record, ReadsFromAnyAddressInMemory) {
  const SignedRecord record = SignedRecord::sign(ana, largest_record());
  for (std::size_t shift = 0; shift < 8; ++shift) {
    Bytes shifted(shift);
    append(shifted, record.exact_bytes());
    EXPECT_TRUE(SignedRecord::parse(crypto, ByteView(shifted).subspan(shift))) << shift;
  }
}

TEST(Record, AnyChangedBitIsNoticed) {
  Bytes bytes = to_bytes(SignedRecord::sign(ana, modest_record()).exact_bytes());
  for (std::size_t bit = 0; bit < bytes.size() * 8; bit += 3) {
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    EXPECT_FALSE(SignedRecord::parse(crypto, bytes)) << bit;
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
  }
}

TEST(Record, NobodySpeaksForAna) {
  const Identity eve = person(9);
  Bytes bytes = to_bytes(SignedRecord::sign(ana, modest_record()).exact_bytes());
  const Signature eves = eve.sign(record_context, ByteView(bytes).subspan(sizeof(Signature)));
  std::copy(eves.begin(), eves.end(), bytes.begin());
  EXPECT_EQ(SignedRecord::parse(crypto, bytes).error(), Error::bad_signature);
}

TEST(Record, ASignatureFromAnotherContextDoesNotCount) {
  Bytes bytes = to_bytes(SignedRecord::sign(ana, modest_record()).exact_bytes());
  const Signature other = ana.sign("byway voucher 1", ByteView(bytes).subspan(sizeof(Signature)));
  std::copy(other.begin(), other.end(), bytes.begin());
  EXPECT_EQ(SignedRecord::parse(crypto, bytes).error(), Error::bad_signature);
}

TEST(Record, EveryCutIsRefusedWithoutAnException) {
  const SignedRecord record = SignedRecord::sign(ana, largest_record());
  for (std::size_t n = 0; n < record.exact_bytes().size(); ++n)
    EXPECT_FALSE(SignedRecord::parse(crypto, record.exact_bytes().first(n))) << n;
}

TEST(Record, NothingMayHideBehindTheMessage) {
  Bytes content =
      to_bytes(SignedRecord::sign(ana, modest_record()).exact_bytes().subspan(sizeof(Signature)));
  ASSERT_TRUE(SignedRecord::parse(crypto, signed_content(content)));
  content.resize(content.size() + 8);
  EXPECT_EQ(SignedRecord::parse(crypto, signed_content(content)).error(), Error::malformed);
}

TEST(Record, TheLimitsHoldForWhateverItsAuthorSigned) {
  using Builder = wire::NodeRecord::Builder;
  const ByteArray<33> zeros{};
  const auto blank = [&](std::size_t size) { return capnp::Data::Reader(zeros.data(), size); };
  const auto outcome = [](const std::function<void(Builder)>& spoil) {
    return SignedRecord::parse(crypto, signed_content(encoded(spoil))).error();
  };
  const auto fill_endpoints = [&](Builder root, unsigned count, std::uint16_t port) {
    auto endpoints = root.initEndpoints(count);
    for (auto endpoint : endpoints) {
      endpoint.setAddress(blank(4));
      endpoint.setPort(port);
    }
  };
  ASSERT_FALSE(outcome([](Builder) {}));
  ASSERT_FALSE(outcome([&](Builder root) { fill_endpoints(root, 8, 7000); }));

  EXPECT_EQ(outcome([&](Builder root) { fill_endpoints(root, 9, 7000); }), Error::too_large);
  EXPECT_EQ(outcome([&](Builder root) { fill_endpoints(root, 1, 0); }), Error::malformed);
  EXPECT_EQ(outcome([&](Builder root) { root.initEndpoints(1)[0].setAddress(blank(5)); }),
            Error::malformed);
  EXPECT_EQ(outcome([&](Builder root) {
              auto homes = root.initHomes(4);
              for (unsigned i = 0; i < homes.size(); ++i) homes.set(i, blank(32));
            }),
            Error::too_large);
  EXPECT_EQ(outcome([&](Builder root) { root.initHomes(1).set(0, blank(33)); }), Error::malformed);
  EXPECT_EQ(outcome([](Builder root) { root.setAgent(std::string(33, 'x')); }), Error::too_large);
  EXPECT_EQ(outcome([](Builder root) { root.setAgent("\x1b[2J"); }), Error::malformed);
  EXPECT_EQ(outcome([](Builder root) { root.setRole(static_cast<wire::NodeRecord::Role>(2)); }),
            Error::malformed);
  EXPECT_EQ(outcome([&](Builder root) { root.setId(blank(32)); }), Error::bad_signature);
  EXPECT_EQ(outcome([&](Builder root) { root.setId(blank(31)); }), Error::malformed);
}

TEST(Record, TooLargeIsRefusedBeforeItIsRead) {
  EXPECT_EQ(SignedRecord::parse(crypto, Bytes(max_record_size + 1)).error(), Error::too_large);
  EXPECT_EQ(SignedRecord::parse(crypto, {}).error(), Error::truncated);
  EXPECT_EQ(SignedRecord::parse(crypto, Bytes(64)).error(), Error::truncated);
  EXPECT_FALSE(SignedRecord::parse(crypto, Bytes(max_record_size)));
}

TEST(Record, GarbageBecomesAnErrorWhateverItSays) {
  Random random(7);
  for (int i = 0; i < 1000; ++i) {
    Bytes noise(64 + 8 * random.below(100));
    random.fill(noise);
    EXPECT_FALSE(SignedRecord::parse(crypto, noise));
  }
}

TEST(Record, EvenASignatureBuysNoWayPastTheLimits) {
  Random random(7);
  const SignedRecord good = SignedRecord::sign(ana, largest_record());
  const ByteView content = good.exact_bytes().subspan(sizeof(Signature));
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    Bytes changed = to_bytes(content);
    for (std::uint64_t n = random.below(4) + 1; n > 0; --n)  // mostly the pointers at the start
      changed[random.below(96)] = static_cast<std::uint8_t>(random.below(256));
    const auto record = SignedRecord::parse(crypto, signed_content(changed));
    if (!record) {
      ++refused;
      continue;
    }
    EXPECT_EQ(record->record().id, ana.id());
    EXPECT_LE(record->record().endpoints.size(), max_record_endpoints);
    EXPECT_LE(record->record().homes.size(), max_record_homes);
    EXPECT_LE(record->record().agent.size(), max_record_agent);
  }
  EXPECT_GT(refused, 1000);  // pointers bent out of shape
  EXPECT_LT(refused, 3000);  // and harmless changes, which get through
}

}  // namespace
}  // namespace byway::record_test

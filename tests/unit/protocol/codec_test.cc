#include "protocol/codec.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "protocol/packet.h"
#include "tests/unit/protocol/people.h"

namespace byway::codec_test {
namespace {

// --- anything a node could say, drawn at random ------------------------------------------------

IpAddress some_address(Random& random) {
  if (random.chance(0.5)) return IpAddress::v4(random.bytes<4>());
  auto octets = random.bytes<16>();
  if (random.chance(0.3)) std::fill(octets.begin() + 4, octets.end() - 2, 0);
  return IpAddress::v6(octets);
}
Endpoint some_endpoint(Random& random) {
  return {some_address(random), static_cast<std::uint16_t>(1 + random.below(65535))};
}
Bytes some_bytes(Random& random, std::size_t most) {
  Bytes bytes(random.below(most + 1));
  random.fill(bytes);
  if (random.chance(0.3)) std::fill(bytes.begin(), bytes.end(), 0);
  return bytes;
}
template <class Enum>
Enum some(Random& random, Enum last) {
  return static_cast<Enum>(random.below(static_cast<std::uint64_t>(last) + 1));
}
// Small numbers are as likely as large ones: packing treats them differently.
std::uint64_t some_number(Random& random) {
  return random.u64() >> random.below(64);
}
std::uint32_t some_u32(Random& random) {
  return static_cast<std::uint32_t>(some_number(random));
}
std::uint16_t some_u16(Random& random) {
  return static_cast<std::uint16_t>(some_number(random));
}
WallTime some_wall(Random& random) {
  return wall_from_unix_ms(random.below(253'402'300'800'000));
}
NatSummary some_nat(Random& random) {
  return {.mapping = some(random, Behaviour::blocked),
          .filtering = some(random, Behaviour::blocked),
          .ports = some(random, Ports::random),
          .delta = static_cast<std::int16_t>(some_u16(random)),
          .block_size = some_u16(random)};
}
Talk some_talk(Random& random) {
  Talk talk{.nat = some_nat(random), .sessions = some_u16(random)};
  talk.candidates.resize(random.below(max_candidates + 1));
  for (Candidate& c : talk.candidates)
    c = {some_endpoint(random), some(random, Proto::tcp), some(random, How::predicted)};
  return talk;
}
NodeId some_name(Random& random) {
  return NodeId::trusted(random.bytes<32>());
}
Refusal some_refusal(Random& random) {
  return {some(random, RefusalReason::version), some_u32(random)};
}
Registration some_registration(Random& random) {
  return {some_bytes(random, 1100), static_cast<std::uint8_t>(random.u64())};
}

Hello some_hello(Random& random) {
  Hello hello{.version = some_u16(random),
              .id = person(random.below(20)).id(),
              .boot = some_number(random),
              .wall = some_wall(random),
              .wish = Greet{}};
  const auto kind = random.below(3);
  if (kind == 1) hello.wish = some_registration(random);
  if (kind == 2) hello.wish = some_talk(random);
  return hello;
}
Welcome some_welcome(Random& random) {
  Welcome welcome{.observed = some_endpoint(random),
                  .boot = some_number(random),
                  .wall = some_wall(random),
                  .answer = Greet{}};
  const auto kind = random.below(4);
  if (kind == 1) welcome.answer = Registered{some_u32(random)};
  if (kind == 2) welcome.answer = some_talk(random);
  if (kind == 3) welcome.answer = some_refusal(random);
  return welcome;
}
Introduce some_introduce(Random& random) {
  Introduce introduce{some_name(random), some_number(random), some_bytes(random, 1200)};
  if (random.chance(0.5)) {
    introduce.caller = some_name(random);
    introduce.caller_endpoint = some_endpoint(random);
    introduce.caller_rtt_us = some_u32(random);
  }
  return introduce;
}
Message some_message(Random& random, std::size_t kind) {
  switch (kind) {
    case 0:
      return Ping{some_number(random), some_u32(random),
                  static_cast<std::uint16_t>(random.below(1400))};
    case 1:
      return Pong{some_number(random), random.chance(0.3) ? Endpoint{} : some_endpoint(random)};
    case 2:
      return some_registration(random);
    case 3:
      return Registered{some_u32(random)};
    case 4:
      return some_introduce(random);
    case 5:
      return IntroduceResult{some_name(random), some_number(random),
                             some(random, IntroduceOutcome::quota), some_u32(random)};
    case 6:
      return Introduction{some_number(random), some_bytes(random, 1200), some_endpoint(random),
                          some_u32(random), some_u32(random)};
    case 7:
      return Reach{some_u16(random), some_talk(random), some_u32(random), random.chance(0.5)};
    case 8:
      return Bye{some(random, ByeReason::idle)};
    case 9:
      return some_refusal(random);
    case 10:
      return HomeGone{some_name(random)};
    default: {
      Samples samples;
      for (std::uint64_t i = random.below(max_samples + 1); i > 0; --i)
        samples.records.push_back(some_bytes(random, 300));
      samples.loads = some_bytes(random, max_samples);
      samples.relief = random.below(2) == 1;
      return samples;
    }
  }
}
StreamHeader some_header(Random& random) {
  StreamHeader header;
  for (auto left = 1 + random.below(max_service_name); left > 0; --left)
    header.service.push_back(static_cast<char>('!' + random.below(94)));
  header.detail = some_bytes(random, max_stream_detail);
  return header;
}

// --- what is said is what is heard --------------------------------------------------------------

TEST(Codec, EveryMessageIsHeardAsItWasSaid) {
  Random random(1);
  for (std::size_t i = 0; i < 4000; ++i) {
    const Message said = some_message(random, i % std::variant_size_v<Message>);
    const auto heard = decode_message(encode(said));
    ASSERT_TRUE(heard) << name_of(said) << ", " << i;
    ASSERT_EQ(*heard, said) << name_of(said) << ", " << i;
  }
}

TEST(Codec, EveryHandshakePayloadIsHeardAsItWasSaid) {
  Random random(2);
  for (int i = 0; i < 1500; ++i) {
    const Hello hello = some_hello(random);
    const auto heard_hello = decode_hello(encode(hello, random.below(400)));
    ASSERT_TRUE(heard_hello) << i;
    ASSERT_EQ(*heard_hello, hello) << i;
    const Welcome welcome = some_welcome(random);
    const auto heard_welcome = decode_welcome(encode(welcome));
    ASSERT_TRUE(heard_welcome) << i;
    ASSERT_EQ(*heard_welcome, welcome) << i;
  }
}

TEST(Codec, EveryStreamHeaderIsHeardAsItWasSaid) {
  Random random(3);
  for (int i = 0; i < 1000; ++i) {
    const StreamHeader header = some_header(random);
    Bytes bytes = encode(header);
    const std::size_t size = bytes.size();
    append(bytes, some_bytes(random, 50));
    const auto heard = decode_stream_header(bytes);
    ASSERT_TRUE(heard && *heard) << i;
    ASSERT_EQ((*heard)->header, header) << i;
    ASSERT_EQ((*heard)->size, size) << "what follows is not touched";
  }
}

TEST(Codec, AStreamHeaderThatIsNotAllThereYetIsWaitedFor) {
  const StreamHeader header{"chat", to_bytes(bytes_of("a first word"))};
  const Bytes bytes = encode(header);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto heard = decode_stream_header(ByteView(bytes).first(size));
    ASSERT_TRUE(heard) << size;
    EXPECT_FALSE(*heard) << size;
  }
}

// --- what nobody may say ------------------------------------------------------------------------

TEST(Codec, AStreamHeaderKeepsItsLimits) {
  const auto heard = [](const StreamHeader& header) {
    const auto parsed = decode_stream_header(encode(header));
    return parsed && *parsed;
  };
  const auto named = [](std::size_t n) { return StreamHeader{std::string(n, 'x'), {}}; };
  EXPECT_TRUE(heard(named(max_service_name)));
  EXPECT_FALSE(heard(named(max_service_name + 1)));
  EXPECT_FALSE(heard(named(0)));
  EXPECT_TRUE(heard({"chat", Bytes(max_stream_detail, 1)}));
  EXPECT_FALSE(heard({"chat", Bytes(max_stream_detail + 1, 1)}));

  Bytes endless{0xff, 0xff};
  EXPECT_EQ(decode_stream_header(endless).error(), Error::too_large) << "known before it arrives";
}

TEST(Codec, ANameThatSeemsToEndBeforeItsEndIsRefused) {
  const Bytes good = encode(StreamHeader{"abc", {}});
  const Bytes word{0x07, 'a', 'b', 'c'};  // packed: which bytes are not zero, and those
  for (const Bytes& with_zero : {Bytes{0x05, 'a', 'c'}, Bytes{0x06, 'b', 'c'}}) {
    Bytes bytes = good;
    const auto found = std::search(bytes.begin(), bytes.end(), word.begin(), word.end());
    ASSERT_NE(found, bytes.end());
    bytes.insert(bytes.erase(found, found + 4), with_zero.begin(), with_zero.end());
    store_be<std::uint16_t>(bytes, static_cast<std::uint16_t>(bytes.size() - 2));
    EXPECT_EQ(decode_stream_header(bytes).error(), Error::malformed);
  }
}

TEST(Codec, TooManyCandidatesAreNeitherSaidNorHeard) {
  Random random(4);
  Talk talk;
  for (std::size_t i = 0; i < max_candidates + 3; ++i)
    talk.candidates.push_back({some_endpoint(random)});
  const auto heard = decode_message(encode(Reach{.talk = talk}));
  ASSERT_TRUE(heard);
  EXPECT_EQ(std::get<Reach>(*heard).talk.candidates.size(), max_candidates);
}

TEST(Codec, AHandshakeOrRecordThatIsTooLongIsNotPassedOn) {
  const auto heard = [](const Message& message) {
    return decode_message(encode(message)).has_value();
  };
  EXPECT_TRUE(heard(Introduce{{}, 1, Bytes(1200, 7)}));
  EXPECT_FALSE(heard(Introduce{{}, 1, Bytes(1201, 7)}));
  EXPECT_TRUE(heard(Introduction{1, Bytes(1200, 7), {}, 0, 0}));
  EXPECT_FALSE(heard(Introduction{1, Bytes(1201, 7), {}, 0, 0}));
  EXPECT_TRUE(heard(Registration{Bytes(1100, 7), 1}));
  EXPECT_FALSE(heard(Registration{Bytes(1101, 7), 1}));
}

TEST(Codec, AClockThatShowsNoTimeIsNotBelieved) {
  Hello hello{.id = person(1).id()};
  Welcome welcome;
  for (const std::uint64_t ms :
       {std::uint64_t{253'402'300'800'000}, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
    hello.wall = welcome.wall = wall_from_unix_ms(ms);
    EXPECT_FALSE(decode_hello(encode(hello))) << ms;
    EXPECT_FALSE(decode_welcome(encode(welcome))) << ms;
  }
}

// --- sizes that others rely on ------------------------------------------------------------------

TEST(Codec, AHelloIsAsLongAsItIsAskedToBeAndItsPaddingDoesNotPackAway) {
  Random random(5);
  for (int i = 0; i < 500; ++i) {
    const Hello hello = some_hello(random);
    const std::size_t bare = encode(hello).size(), asked = random.below(600);
    const std::size_t size = encode(hello, asked).size();
    ASSERT_GE(size, asked);
    if (bare < asked) {
      ASSERT_LE(size, asked + 40) << "nor much longer";
    }
  }
}

TEST(Codec, AKnockIsASmallDatagram) {
  Random random(6);
  for (int i = 0; i < 1000; ++i) {
    const Ping knock{random.u64(), some_u32(random), 28};
    ASSERT_LE(encode(knock).size() + sealed_overhead, 100u);
  }
}

TEST(Codec, APongIsNeverLargerThanItsPing) {
  Random random(7);
  for (int i = 0; i < 4000; ++i) {
    const std::uint64_t nonce = some_number(random);
    const Ping ping{nonce, some_u32(random), 28};
    const Pong pong{nonce, some_endpoint(random)};
    ASSERT_LE(encode(pong).size(), encode(ping).size()) << pong.observed.to_string();
  }
}

// --- garbage ------------------------------------------------------------------------------------

struct Door {
  const char* name;
  std::function<Bytes(Random&)> genuine;
  std::function<bool(ByteView)> opens;
};
const std::vector<Door>& doors() {
  static const std::vector<Door> all{
      {"hello", [](Random& r) { return encode(some_hello(r), r.below(300)); },
       [](ByteView b) { return decode_hello(b).has_value(); }},
      {"welcome", [](Random& r) { return encode(some_welcome(r)); },
       [](ByteView b) { return decode_welcome(b).has_value(); }},
      {"message",
       [](Random& r) { return encode(some_message(r, r.below(std::variant_size_v<Message>))); },
       [](ByteView b) { return decode_message(b).has_value(); }},
      {"header", [](Random& r) { return encode(some_header(r)); },
       [](ByteView b) { return decode_stream_header(b).has_value(); }},
  };
  return all;
}

TEST(Codec, GarbageIsAValueAndNotAnException) {
  Random random(8);
  for (const Door& door : doors())
    for (int i = 0; i < 3000; ++i) {
      const Bytes garbage = some_bytes(random, 200);
      ASSERT_NO_THROW(door.opens(garbage)) << door.name << ", " << i;
    }
}

TEST(Codec, AChangedMessageIsReadOrRefusedButNeverThrows) {
  Random random(9);
  std::size_t refused = 0;
  for (const Door& door : doors())
    for (int i = 0; i < 3000; ++i) {
      Bytes changed = door.genuine(random);
      for (auto flips = 1 + random.below(4); flips > 0; --flips)
        changed[random.below(changed.size())] = static_cast<std::uint8_t>(random.u64());
      ASSERT_NO_THROW(refused += !door.opens(changed)) << door.name << ", " << i;
    }
  EXPECT_GT(refused, 1000u);
}

TEST(Codec, NobodyWritesOurLog) {
  testing::internal::CaptureStderr();
  Random random(12);
  for (const Door& door : doors())
    for (int i = 0; i < 3000; ++i) {
      Bytes changed = door.genuine(random);
      for (int flips = 0; flips < 3; ++flips)
        changed[random.below(changed.size())] = static_cast<std::uint8_t>(random.u64());
      door.opens(changed);
    }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Codec, AMessageCutShortNeverThrows) {
  Random random(10);
  for (const Door& door : doors())
    for (int i = 0; i < 20; ++i) {
      const Bytes whole = door.genuine(random);
      for (std::size_t size = 0; size < whole.size(); ++size)
        ASSERT_NO_THROW(door.opens(ByteView(whole).first(size))) << door.name << ", " << size;
    }
}

TEST(Codec, AFewBytesThatClaimToBeMegabytesAreRefused) {
  // One segment of so many words; packed, the zero words that follow cost two bytes for 256.
  for (const std::uint32_t words : {1025u, 1u << 16, 1u << 28, 0xffffffffu}) {
    Bytes bomb{0xf0};
    for (int shift = 0; shift < 32; shift += 8)
      bomb.push_back(static_cast<std::uint8_t>(words >> shift));
    for (int i = 0; i < 600; ++i) append(bomb, Bytes{0x00, 0xff});
    EXPECT_FALSE(decode_message(bomb)) << words;
    EXPECT_FALSE(decode_hello(bomb)) << words;
    EXPECT_FALSE(decode_welcome(bomb)) << words;
  }
  // And one that claims many segments.
  EXPECT_FALSE(decode_message(Bytes{0x0f, 0xff, 0xff, 0xff, 0xff}));
}

TEST(Message, EveryKindHasANameOfItsOwn) {
  Random random(11);
  std::set<std::string_view> names;
  for (std::size_t kind = 0; kind < std::variant_size_v<Message>; ++kind)
    names.insert(name_of(some_message(random, kind)));
  EXPECT_EQ(names.size(), std::variant_size_v<Message>);
}

TEST(Message, WhatAStrangerCannotSayIsStillCalledSomething) {
  EXPECT_EQ(to_string(static_cast<RefusalReason>(99)), "unknown");
  EXPECT_EQ(to_string(static_cast<IntroduceOutcome>(99)), "unknown");
  EXPECT_EQ(to_string(static_cast<Behaviour>(99)), "unknown");
  EXPECT_EQ(to_string(static_cast<Ports>(99)), "unknown");
  EXPECT_EQ(to_string(static_cast<How>(99)), "unknown");
}

}  // namespace
}  // namespace byway::codec_test

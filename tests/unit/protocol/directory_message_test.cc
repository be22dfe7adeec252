#include "protocol/directory_message.h"

#include <gtest/gtest.h>

#include "protocol/record.h"
#include "tests/unit/protocol/people.h"

namespace byway::directory_message_test {
namespace {

std::vector<DirectoryMessage> one_of_each() {
  const NodeId bo = person(2).id();
  const Bytes record(300, 7);
  return {Place{1, bo, record},
          Placed{~0ull, PlaceOutcome::not_mine},
          Find{3, bo},
          Found{4, FindOutcome::known, record},
          Found{5, FindOutcome::unknown, {}},
          Locate{6, bo},
          Located{7, true}};
}

TEST(DirectoryMessage, WhatIsSaidIsHeardAsItWasSaid) {
  for (const DirectoryMessage& message : one_of_each()) {
    const auto heard = decode_directory(encode(message));
    ASSERT_TRUE(heard);
    EXPECT_EQ(*heard, message);
  }
}

TEST(DirectoryMessage, TheLargestRecordStillFitsADatagram) {
  Random random(1);
  Bytes record(max_record_size);
  random.fill(record);  // nothing in it packs away
  const NodeId bo = person(2).id();
  for (const DirectoryMessage& message :
       {DirectoryMessage(Place{~0ull, bo, record}),
        DirectoryMessage(Found{~0ull, FindOutcome::known, record})}) {
    const Bytes bytes = encode(message);
    EXPECT_LE(bytes.size(), 1150u);
    EXPECT_TRUE(decode_directory(bytes));
  }
}

TEST(DirectoryMessage, WhatIsTooLargeIsRefused) {
  EXPECT_FALSE(decode_directory(encode(Place{1, person(2).id(), Bytes(max_record_size + 1, 7)})));
}

TEST(DirectoryMessage, NoGarbageGetsThroughAsMoreThanAnError) {
  Random random(1);
  for (const DirectoryMessage& message : one_of_each()) {
    const Bytes good = encode(message);
    for (std::size_t size = 0; size < good.size(); ++size)
      (void)decode_directory(ByteView(good).first(size));
    for (int i = 0; i < 2'000; ++i) {
      Bytes bad = good;
      bad[random.below(bad.size())] = static_cast<std::uint8_t>(random.u32());
      const auto heard = decode_directory(bad);
      if (!heard) continue;
      if (const auto* place = std::get_if<Place>(&*heard)) {
        EXPECT_LE(place->record.size(), max_record_size);
      }
    }
  }
  EXPECT_FALSE(decode_directory({}));
  EXPECT_FALSE(decode_directory(Bytes(100, 0xff)));
}

}  // namespace
}  // namespace byway::directory_message_test

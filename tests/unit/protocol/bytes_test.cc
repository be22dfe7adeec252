#include "protocol/bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace byway::bytes_test {
namespace {

using testing::ElementsAre;

TEST(Bytes, IntegersTravelMostSignificantByteFirst) {
  Bytes wire;
  append_be<std::uint8_t>(wire, 0x01);
  append_be<std::uint16_t>(wire, 0x0203);
  append_be<std::uint32_t>(wire, 0x04050607);
  EXPECT_THAT(wire, ElementsAre(1, 2, 3, 4, 5, 6, 7));
}

TEST(Bytes, WhatIsStoredIsLoadedAgainAtTheEdgesOfEveryWidth) {
  for (const std::uint64_t value :
       {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}, std::uint64_t{0x8000000000000001}}) {
    ByteArray<8> wire;
    store_be<std::uint64_t>(wire, value);
    EXPECT_EQ(load_be<std::uint64_t>(wire), value);
  }
  EXPECT_EQ(load_be<std::uint8_t>(ByteArray<1>{0xff}), 0xff);
  EXPECT_EQ(load_be<std::uint16_t>(ByteArray<2>{0xff, 0xfe}), 0xfffe);
}

TEST(Bytes, HexShowsEveryByteAsTwoLowerCaseDigits) {
  EXPECT_EQ(to_hex(ByteArray<4>{0x00, 0x0f, 0xa0, 0xff}), "000fa0ff");
  EXPECT_EQ(to_hex({}), "");
}

}  // namespace
}  // namespace byway::bytes_test

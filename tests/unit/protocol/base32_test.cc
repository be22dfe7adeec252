#include "protocol/base32.h"

#include <gtest/gtest.h>

namespace byway::base32_test {
namespace {

TEST(Base32, WritesAsRfc4648SaysButSmallAndUnpadded) {  // §10
  const std::pair<const char*, const char*> known[] = {
      {"", ""},
      {"f", "my"},
      {"fo", "mzxq"},
      {"foo", "mzxw6"},
      {"foob", "mzxw6yq"},
      {"fooba", "mzxw6ytb"},
      {"foobar", "mzxw6ytboi"},
  };
  for (const auto& [text, encoded] : known) {
    EXPECT_EQ(to_base32(bytes_of(text)), encoded);
    const auto decoded = from_base32(encoded);
    ASSERT_TRUE(decoded) << encoded;
    EXPECT_EQ(text_of(*decoded), text);
  }
}

TEST(Base32, ReadsWhatSomebodyTypedWithCapsLockOn) {
  EXPECT_EQ(text_of(*from_base32("MZXW6ytboi")), "foobar");
}

TEST(Base32, NoTwoTextsMeanTheSameBytes) {
  for (const char* text : {"mz", "mzxr", "mzxw7yr"})  // ones in the bits left over
    EXPECT_FALSE(from_base32(text)) << text;
  for (const char* text : {"m", "mzx", "mzxw6y", "myaaaaaaa"})  // lengths no byte string has
    EXPECT_FALSE(from_base32(text)) << text;
}

TEST(Base32, ForeignCharactersAreRefused) {
  for (const char* text : {"m0", "m1", "m8", "my======", "m y", "m\xff"})
    EXPECT_FALSE(from_base32(text)) << text;
}

}  // namespace
}  // namespace byway::base32_test

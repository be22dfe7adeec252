// What a person or a small script reads behind --json.
#include "node/json_text.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <limits>

namespace byway::json_text_test {
namespace {

namespace json = boost::json;

TEST(JsonText, NumbersAreWrittenAsAPersonWould) {
  const std::vector<std::pair<double, std::string>> cases{{1.978, "1.978"},
                                                          {0.057, "0.057"},
                                                          {42, "42"},
                                                          {161.25, "161.25"},
                                                          {0, "0"},
                                                          {-0.0, "0"},
                                                          {-3.5, "-3.5"},
                                                          {1.0 / 3, "0.333"},
                                                          {1234567.8, "1234567.8"},
                                                          {0.000213, "0.000213"},
                                                          {9.8765432, "9.877"},
                                                          {1e-30, "0"}};
  for (const auto& [number, text] : cases) EXPECT_EQ(json_text(number), text);
  EXPECT_EQ(json_text(std::uint64_t{18'000'000'000'000'000'000u}), "18000000000000000000");
}

TEST(JsonText, WhatIsNoNumberIsNull) {
  EXPECT_EQ(json_text(std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(json_text(std::numeric_limits<double>::quiet_NaN()), "null");
}

TEST(JsonText, HugeNumbersAreStillTheSameNumbers) {
  EXPECT_EQ(json::parse(json_text(1.5e300)).as_double(), 1.5e300);
}

TEST(JsonText, EverythingElseIsOrdinaryJsonOnOneLine) {
  const json::value value =
      json::parse(R"({"a":[1,[],{}, -2.5,true,null],"{":{"b\n":"line\nline \"q\" é","c":[]}})");
  const std::string text = json_text(value);
  EXPECT_EQ(text, R"({"a":[1,[],{},-2.5,true,null],"{":{"b\n":"line\nline \"q\" é","c":[]}})");
  EXPECT_EQ(json::parse(text), value);
}

}  // namespace
}  // namespace byway::json_text_test

// A line that people pass on by hand, and what becomes of it on the way.
#include "protocol/invite.h"

#include <gtest/gtest.h>

#include <cctype>
#include <span>

#include "tests/unit/protocol/people.h"

namespace byway::invite_test {
namespace {

Invite invitation() {
  return {person(1).id(),
          {{person(2).id(), *Endpoint::parse("203.0.113.10:7000")},
           {person(1).id(), *Endpoint::parse("[2001:db8::1]:443")}}};
}

TEST(Invite, IsReadAsItWasWritten) {
  const auto read = Invite::parse(invitation().to_line());
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, invitation());
}

TEST(Invite, IsOneWordOfLettersAndDigits) {
  const std::string line = invitation().to_line();
  EXPECT_TRUE(line.starts_with("byway:"));
  EXPECT_EQ(line.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567", 6), std::string::npos);
}

TEST(Invite, OneFromASupernodeNamesItOnce) {
  const Invite one{person(1).id(), {{person(1).id(), *Endpoint::parse("203.0.113.10:7000")}}};
  EXPECT_LE(one.to_line().size(), 80u);
}

TEST(Invite, SurvivesLineBreaksBlanksAndCapitals) {
  std::string line = invitation().to_line();
  for (auto& c : std::span(line).subspan(6)) c = static_cast<char>(std::toupper(c));
  line.insert(60, "\r\n  ");
  const auto read = Invite::parse("  " + line + "\n");
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, invitation());
}

TEST(Invite, EverySlipOfTheFingerIsNoticed) {
  const std::string good = invitation().to_line();
  for (std::size_t at = 6; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = bad[at] == 'a' ? 'b' : 'a';
    EXPECT_EQ(Invite::parse(bad).error(), Error::truncated) << at;
  }
  for (std::size_t size = 6; size < good.size(); ++size)
    EXPECT_EQ(Invite::parse(good.substr(0, size)).error(), Error::truncated) << size;
}

TEST(Invite, WhatNeverWasOneIsTold) {
  for (const char* text : {"", "hello", "byway", "https://example.org/byway:aaaa"})
    EXPECT_EQ(Invite::parse(text).error(), Error::malformed) << text;
}

TEST(Invite, TellsOnlySoManySupernodes) {
  Invite many{person(1).id(), {}};
  for (std::uint64_t i = 2; i < 20; ++i)
    many.supernodes.push_back({person(i).id(), *Endpoint::parse("203.0.113.10:7000")});
  const auto read = Invite::parse(many.to_line());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->supernodes.size(), max_invite_supernodes);
}

}  // namespace
}  // namespace byway::invite_test

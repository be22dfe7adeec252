// Whom to join by, written down well or badly.
#include "node/seeds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "node/config.h"
#include "tests/unit/node/temporary_dir.h"

namespace byway::seeds_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

NodeId somebody(std::uint64_t number) {
  Random random(number);
  return Identity::generate(random).id();
}

std::string seed_of(std::uint64_t number) {
  return somebody(number).to_string() + "@203.0.113." + std::to_string(number) + ":7000";
}

Invite invitation() {
  return {somebody(1),
          {{somebody(2), *Endpoint::parse("203.0.113.2:7000")},
           {somebody(3), *Endpoint::parse("[2001:db8::3]:7000")}}};
}

std::string sentence(const std::vector<std::string>& arguments) {
  const auto config = parse_run_config(arguments, "/tmp/unused");
  return config ? "" : config.error().sentence;
}

TEST(Seeds, AFileHoldsOneALineAndNotes) {
  const TemporaryDir dir;
  std::ofstream(dir / "seeds") << "# ours\n\n  " << seed_of(2) << "  # the hub\n"
                               << seed_of(3) << "\r\n"
                               << somebody(4).to_string() << "@hub.example:7001";
  const auto seeds = read_seeds_file(dir / "seeds");
  ASSERT_TRUE(seeds) << seeds.error().sentence;
  ASSERT_EQ(seeds->size(), 3u);
  EXPECT_EQ((*seeds)[0].id, somebody(2));
  EXPECT_EQ((*seeds)[1].port, 7000);
  EXPECT_EQ((*seeds)[2].host, "hub.example");
}

TEST(Seeds, AMistakeInAFileIsToldWithItsLine) {
  const TemporaryDir dir;
  std::ofstream(dir / "seeds") << seed_of(2) << "\nnonsense\n";
  EXPECT_THAT(sentence({"--seeds", dir / "seeds"}),
              AllOf(HasSubstr("--seeds"), HasSubstr("nonsense"), HasSubstr("line 2")));
  EXPECT_THAT(sentence({"--seeds", dir / "absent"}),
              AllOf(HasSubstr("--seeds"), HasSubstr(dir / "absent")));
  std::ofstream(dir / "notes") << "# nobody\n";
  EXPECT_THAT(sentence({"--seeds", dir / "notes"}), HasSubstr("holds no seed"));
  std::ofstream many(dir / "many");
  for (int i = 0; i < 65; ++i) many << seed_of(2) << "\n";
  many.close();
  EXPECT_THAT(sentence({"--seeds", dir / "many"}), HasSubstr("more than 64"));
}

TEST(Seeds, AnInvitationGivesSeedsAndTheInviter) {
  const auto config = parse_run_config({"--join", invitation().to_line()}, "/tmp/unused");
  ASSERT_TRUE(config) << config.error().sentence;
  ASSERT_EQ(config->seeds.size(), 2u);
  EXPECT_EQ(config->seeds[0].id, somebody(2));
  EXPECT_EQ(config->seeds[1].host, "2001:db8::3");
  EXPECT_EQ(config->invited_by, somebody(1));
}

TEST(Seeds, OptionsFileAndInvitationAddUp) {
  const TemporaryDir dir;
  std::ofstream(dir / "seeds") << seed_of(5) << "\n";
  const auto config = parse_run_config(
      {"--seed", seed_of(4), "--seeds", dir / "seeds", "--join", invitation().to_line()},
      "/tmp/unused");
  ASSERT_TRUE(config) << config.error().sentence;
  EXPECT_EQ(config->seeds.size(), 4u);
}

TEST(Seeds, ASpoiltInvitationIsToldFromNone) {
  std::string line = invitation().to_line();
  EXPECT_THAT(sentence({"--join", line.substr(0, 100)}),
              AllOf(HasSubstr("--join"), HasSubstr("cut short"), HasSubstr("byway invite")));
  EXPECT_THAT(sentence({"--join", "hello"}),
              AllOf(HasSubstr("--join"), HasSubstr("hello"), HasSubstr("no invitation")));
  EXPECT_THAT(sentence({"--join", Invite{somebody(1), {}}.to_line()}),
              HasSubstr("names no supernode"));
}

}  // namespace
}  // namespace byway::seeds_test

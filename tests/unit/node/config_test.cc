// What an operator types, well or badly, and the sentence that helps.
#include "node/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/node/temporary_dir.h"

namespace byway::config_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string some_id() {
  Random random(7);
  return Identity::generate(random).id().to_string();
}

std::string sentence(const std::vector<std::string>& arguments) {
  const auto config = parse_run_config(arguments, "/tmp/unused");
  return config ? "" : config.error().sentence;
}

TEST(RunConfig, SaysNothingAndIsALeafOnAnyPort) {
  const auto config = parse_run_config({}, "/tmp/unused");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->role, std::nullopt) << "it finds out by itself";
  ASSERT_EQ(config->listen.size(), 1u);
  EXPECT_EQ(config->listen[0], Endpoint{});
  EXPECT_TRUE(config->relay);
}

TEST(RunConfig, TakesEveryOption) {
  const std::string id = some_id();
  const auto config =
      parse_run_config({"--state-dir",     "/tmp/other", "--listen",     "127.0.0.1:7000",
                        "--listen",        "[::1]:7000", "--seed",       id + "@hub.example:7001",
                        "--role",          "supernode",  "--name",       "hub",
                        "--max-leaves",    "12",         "--threads",    "4",
                        "--netgroup-bits", "24,48",      "--relay-rate", "5M",
                        "--lane-rate",     "64k",        "--no-relay",   "--cubic",
                        "--log-level",     "debug",      "--no-lan",     "--no-port-mapping"},
                       "/tmp/unused");
  ASSERT_TRUE(config) << config.error().sentence;
  EXPECT_EQ(config->state_dir, "/tmp/other");
  ASSERT_EQ(config->listen.size(), 2u);
  EXPECT_TRUE(config->listen[1].address.is_v6());
  ASSERT_EQ(config->seeds.size(), 1u);
  EXPECT_EQ(config->seeds[0].id.to_string(), id);
  EXPECT_EQ(config->seeds[0].host, "hub.example");
  EXPECT_EQ(config->seeds[0].port, 7001);
  EXPECT_EQ(config->role, Role::supernode);
  EXPECT_EQ(config->threads, 4u);
  EXPECT_EQ(config->name, "hub");
  EXPECT_EQ(config->max_leaves, 12u);
  EXPECT_EQ(config->netgroup_bits_v4, 24);
  EXPECT_EQ(config->netgroup_bits_v6, 48);
  EXPECT_EQ(config->relay_rate, 5'000'000u);
  EXPECT_EQ(config->lane_rate, 64'000u);
  EXPECT_FALSE(config->relay);
  EXPECT_FALSE(config->lan);
  EXPECT_FALSE(config->port_mapping);
  EXPECT_TRUE(config->cubic);
  EXPECT_EQ(config->log_level, "debug");
}

TEST(RunConfig, ReadsAFileAndLetsTheCommandLineWin) {
  const TemporaryDir dir;
  std::ofstream(dir / "conf")
      << "name = from the file\nmax-leaves = 5\ncubic = true\nno-lan = true\n"
      << "listen = 127.0.0.1:1\nlisten = 127.0.0.1:2\n";
  const auto config =
      parse_run_config({"--config", dir / "conf", "--max-leaves", "9"}, "/tmp/unused");
  ASSERT_TRUE(config) << config.error().sentence;
  EXPECT_EQ(config->name, "from the file");
  EXPECT_EQ(config->max_leaves, 9u);
  EXPECT_TRUE(config->cubic);
  EXPECT_FALSE(config->lan);
  EXPECT_TRUE(config->port_mapping);
  EXPECT_EQ(config->listen.size(), 2u);
}

TEST(RunConfig, NamesTheFileWhoseLineIsWrong) {
  const TemporaryDir dir;
  std::ofstream(dir / "conf") << "colour = red\n";
  EXPECT_THAT(sentence({"--config", dir / "conf"}),
              AllOf(HasSubstr("colour"), HasSubstr(dir / "conf")));
  EXPECT_THAT(sentence({"--config", dir / "absent"}), HasSubstr("--config"));
}

TEST(RunConfig, EveryMistakeGetsASentenceNamingTheOptionAndTheRemedy) {
  const std::string id = some_id();
  EXPECT_THAT(sentence({"--listen", "7000"}),
              AllOf(HasSubstr("--listen"), HasSubstr("0.0.0.0:7000")));
  EXPECT_THAT(sentence({"--listen", "127.0.0.1:7", "--listen", "127.0.0.1:7"}), HasSubstr("twice"));
  EXPECT_THAT(sentence({"--seed", "hub:7000"}),
              AllOf(HasSubstr("--seed"), HasSubstr("ID@HOST:PORT")));
  EXPECT_THAT(sentence({"--seed", "nonsense@hub:7000"}), HasSubstr("byway id"));
  EXPECT_THAT(sentence({"--seed", id + "@hub"}), HasSubstr("no port"));
  EXPECT_THAT(sentence({"--seed", id + "@hub:70000"}), HasSubstr("65535"));
  EXPECT_THAT(sentence({"--seed", id + "@2001:db8::1:7000"}), HasSubstr("brackets"));
  EXPECT_THAT(sentence({"--role", "king"}), AllOf(HasSubstr("--role"), HasSubstr("supernode")));
  EXPECT_THAT(sentence({"--role", "supernode"}), HasSubstr("--listen"));
  EXPECT_THAT(sentence({"--max-leaves", "many"}), HasSubstr("--max-leaves"));
  EXPECT_THAT(sentence({"--threads", "0"}), AllOf(HasSubstr("--threads"), HasSubstr("1 to 64")));
  EXPECT_THAT(sentence({"--threads", "65"}), HasSubstr("--threads"));
  EXPECT_THAT(sentence({"--netgroup-bits", "16"}), HasSubstr("16,32"));
  EXPECT_THAT(sentence({"--netgroup-bits", "40,32"}), HasSubstr("--netgroup-bits"));
  EXPECT_THAT(sentence({"--relay-rate", "fast"}), HasSubstr("--relay-rate"));
  EXPECT_THAT(sentence({"--relay-rate", "99999999999999999999"}), HasSubstr("--relay-rate"));
  EXPECT_THAT(sentence({"--log-level", "loud"}), HasSubstr("--log-level"));
  EXPECT_THAT(sentence({"--colour"}), AllOf(HasSubstr("--colour"), HasSubstr("--help")));
  EXPECT_THAT(sentence({"--name"}), AllOf(HasSubstr("--name"), HasSubstr("--help")));
  EXPECT_THAT(sentence({"stray"}), HasSubstr("stray"));
}

TEST(RunConfig, ReadsSeedsWithAnIpv6Address) {
  const auto seed = parse_seed_address(some_id() + "@[2001:db8::1]:7000");
  ASSERT_TRUE(seed);
  EXPECT_EQ(seed->host, "2001:db8::1");
  EXPECT_EQ(seed->port, 7000);
}

}  // namespace
}  // namespace byway::config_test

// What survives a restart, and what happens when it did not quite.
#include "node/state_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "node/database.h"
#include "tests/unit/node/temporary_dir.h"

namespace byway::state_dir_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

unsigned mode_of(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
}

NodeId id_of(std::uint64_t number) {
  Random random(number);
  return Identity::generate(random).id();
}

TEST(StateDir, MakesAPrivateKeyOnceAndKeepsIt) {
  const TemporaryDir dir;
  const auto first = make_or_load_identity(dir / "deep/er");
  ASSERT_TRUE(first) << first.error().sentence;
  EXPECT_EQ(mode_of(dir / "deep/er"), 0700u);
  EXPECT_EQ(mode_of(dir / "deep/er/identity.key"), 0600u);
  const auto second = make_or_load_identity(dir / "deep/er");
  ASSERT_TRUE(second);
  EXPECT_EQ(*first, *second);
}

TEST(StateDir, LeavesNothingBehindButTheKey) {
  const TemporaryDir dir;
  ASSERT_TRUE(make_or_load_identity(dir / "s"));
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(dir / "s"))
    names.push_back(entry.path().filename());
  EXPECT_THAT(names, ElementsAre("identity.key"));
}

TEST(StateDir, RefusesADamagedKeyInsteadOfBecomingSomebodyElse) {
  const TemporaryDir dir;
  ASSERT_TRUE(make_or_load_identity(dir / "s"));
  for (const std::string text : {"", "abc\n", "zz", "00112233445566778899aabbccddeeff\n"}) {
    std::ofstream(dir / "s/identity.key", std::ios::trunc) << text;
    const auto id = make_or_load_identity(dir / "s");
    ASSERT_FALSE(id) << text;
    EXPECT_THAT(id.error().sentence, HasSubstr("identity.key is damaged"));
  }
}

TEST(StateDir, RefusesAKeyThatOthersMayRead) {
  const TemporaryDir dir;
  ASSERT_TRUE(make_or_load_identity(dir / "s"));
  ASSERT_EQ(::chmod((dir / "s/identity.key").c_str(), 0644), 0);
  const auto id = make_or_load_identity(dir / "s");
  ASSERT_FALSE(id);
  EXPECT_THAT(id.error().sentence, HasSubstr("chmod 600"));
}

TEST(StateDir, IsNotAFile) {
  const TemporaryDir dir;
  std::ofstream(dir / "file") << "x";
  const auto id = make_or_load_identity(dir / "file");
  ASSERT_FALSE(id);
  EXPECT_THAT(id.error().sentence, HasSubstr("--state-dir"));
}

TEST(StateDir, IsUsedByOneNodeAtATime) {
  const TemporaryDir dir;
  auto one = StateDir::open(dir / "s");
  auto other = StateDir::open(dir / "s");
  ASSERT_TRUE(one && other);
  ASSERT_TRUE(one->lock());
  const auto second = other->lock();
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().sentence, HasSubstr("running"));
  { const StateDir ended = std::move(*one); }
  EXPECT_TRUE(other->lock());
}

TEST(Database, KeepsContactsByNameAndById) {
  const TemporaryDir dir;
  {
    auto store = Database::open(dir / "db");
    ASSERT_TRUE(store) << store.error().sentence;
    ASSERT_TRUE(store->add_contact({"bob", id_of(1)}));
    ASSERT_TRUE(store->add_contact({"ana", id_of(2)}));
    ASSERT_TRUE(store->add_contact({"robert", id_of(1)}));  // bob has another name now
    ASSERT_TRUE(store->add_contact({"ana", id_of(3)}));     // and another is called ana
  }
  auto store = Database::open(dir / "db");
  ASSERT_TRUE(store);
  EXPECT_THAT(store->contacts(),
              ElementsAre(Contact{"ana", id_of(3)}, Contact{"robert", id_of(1)}));
  EXPECT_TRUE(store->remove_contact("ana"));
  EXPECT_FALSE(store->remove_contact("ana"));
}

TEST(Database, KeepsATextOnceHoweverOftenItComes) {
  const TemporaryDir dir;
  auto store = Database::open(dir / "db");
  ASSERT_TRUE(store);
  InboxText text{.row = 0,
                 .from = id_of(1),
                 .id = 42,
                 .text = "hello",
                 .sent_ms = 1,
                 .received_ms = 2,
                 .request = false};
  EXPECT_EQ(store->keep(text), Database::Kept::yes);
  EXPECT_EQ(store->keep(text), Database::Kept::already);
  text.from = id_of(2);  // another's 42 is another text
  EXPECT_EQ(store->keep(text), Database::Kept::yes);
  EXPECT_EQ(store->texts_after(0, 10).size(), 2u);
  EXPECT_EQ(store->texts_after(store->last_row(), 10).size(), 0u);
}

TEST(Database, GivesAStrangerLittleRoomAndAContactMore) {
  const TemporaryDir dir;
  auto store = Database::open(dir / "db");
  ASSERT_TRUE(store);
  const auto keep = [&](std::uint64_t id, bool request) {
    InboxText text{.row = 0,
                   .from = id_of(1),
                   .id = id,
                   .text = "x",
                   .sent_ms = 0,
                   .received_ms = 0,
                   .request = request};
    return store->keep(text);
  };
  store->begin_batch();
  for (std::uint64_t id = 0; id < Database::max_requests_each; ++id)
    ASSERT_EQ(keep(id, true), Database::Kept::yes);
  ASSERT_TRUE(store->end_batch());
  EXPECT_EQ(keep(1000, true), Database::Kept::full);
  EXPECT_EQ(keep(1, true), Database::Kept::already);

  ASSERT_TRUE(store->add_contact({"bob", id_of(1)}));
  EXPECT_FALSE(store->texts_after(0, 1)[0].request);
  EXPECT_EQ(keep(1000, false), Database::Kept::yes);
}

TEST(Database, SaysWhichFileIsDamaged) {
  const TemporaryDir dir;
  std::ofstream(dir / "db") << std::string(4096, 'x');
  const auto store = Database::open(dir / "db");
  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().sentence, HasSubstr(dir / "db"));
}

}  // namespace
}  // namespace byway::state_dir_test

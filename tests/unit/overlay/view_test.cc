#include "overlay/mesh/view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "overlay/mesh/mesh_limits.h"
#include "tests/unit/overlay/cast.h"

namespace byway::view_test {
namespace {

using testing::ElementsAreArray;

struct Person {
  DossierPtr dossier;
  WallTime since;
};

class ViewTest : public testing::Test {
 protected:
  Person person(std::string_view address, std::chrono::minutes since, std::uint64_t sequence = 1,
                std::optional<Identity> known = {}) {
    const Identity who = known ? *known : Identity::generate(random_);
    const Record record{.id = who.id(),
                        .sequence = sequence,
                        .role = Record::Role::supernode,
                        .endpoints = {{byway::address(address), 7000}}};
    const auto shared = archive_.record(SignedRecord::sign(who, record).exact_bytes());
    return {archive_.dossier(*shared, {}), wall_noon + since};
  }
  // People everywhere, crowded in some places.
  std::vector<Person> crowd(std::size_t count) {
    std::vector<Person> people;
    for (std::size_t i = 0; i < count; ++i) {
      const auto group = i % 3 == 0 ? 1 : random_.below(60);
      const std::string address = "20." + std::to_string(group) + "." +
                                  std::to_string(random_.below(30)) + "." +
                                  std::to_string(random_.below(250) + 1);
      people.push_back(person(address, std::chrono::minutes{random_.below(50)}));
    }
    return people;
  }
  void shuffle(std::vector<Person>& people) {
    for (std::size_t i = people.size(); i > 1; --i)
      std::swap(people[i - 1], people[random_.below(i)]);
  }
  static void put(View& view, const Person& person) {
    view.put(person.dossier, person.since, true);
  }
  static std::vector<NodeId> admitted(const View& view) {
    std::vector<NodeId> ids;
    view.each_admitted([&](const View::Member& member) { ids.push_back(member.id()); });
    return ids;
  }

  Random random_{11};
  Archive archive_{sodium_crypto()};
  View view_{16, 32};
};

TEST_F(ViewTest, OfEachSmallBlockTheTwoOldestAreAdmitted) {
  const Person old = person("20.0.1.1", 1min);
  const Person middle = person("20.0.1.2", 2min);
  const Person young = person("20.0.1.3", 3min);
  const Person elsewhere = person("20.0.2.1", 9min);
  for (const Person& p : {young, elsewhere, middle, old}) put(view_, p);
  EXPECT_TRUE(view_.is_admitted(old.dossier->id()));
  EXPECT_TRUE(view_.is_admitted(middle.dossier->id()));
  EXPECT_FALSE(view_.is_admitted(young.dossier->id()));
  EXPECT_TRUE(view_.is_admitted(elsewhere.dossier->id()));
  EXPECT_EQ(view_.known(), 4u);

  view_.remove(old.dossier->id());
  EXPECT_TRUE(view_.is_admitted(young.dossier->id())) << "the next oldest moves up";
}

TEST_F(ViewTest, OfANetgroupNoMoreThanEightWhileTheNetworkIsSmall) {
  for (int i = 0; i < 20; ++i)
    put(view_, person("20.0." + std::to_string(i) + ".1", std::chrono::minutes{i}));
  EXPECT_EQ(view_.size(), limits::members_per_netgroup);
  EXPECT_EQ(view_.netgroups(), 1u);
  for (const NodeId& id : admitted(view_)) EXPECT_LT(view_.find(id)->since, wall_noon + 8min);
}

TEST_F(ViewTest, ANetgroupsShareGrowsWithTheNetwork) {
  for (int i = 0; i < 20; ++i)
    put(view_, person("20.0." + std::to_string(i) + ".1", std::chrono::minutes{i}));
  for (int i = 0; i < 592; ++i)  // and eight of the first twenty count
    put(view_,
        person("30." + std::to_string(i % 200) + "." + std::to_string(i / 200) + ".1", 1min));
  std::size_t of_first = 0;
  for (const NodeId& id : admitted(view_))
    of_first += view_.netgroup_of(view_.find(id)->dossier->address()) == address("20.0.0.0");
  EXPECT_EQ(of_first, 600 / limits::netgroup_fraction);
}

TEST_F(ViewTest, ManyInAFewNetgroupsDoNotRaiseTheirOwnLimit) {
  for (int i = 0; i < 400; ++i)
    put(view_,
        person("30." + std::to_string(i % 200) + "." + std::to_string(i / 200) + ".1", 1min));
  ASSERT_EQ(view_.size(), 400u);
  std::vector<Person> crowded;
  for (int i = 0; i < 800; ++i) {
    crowded.push_back(
        person("20." + std::to_string(i % 4) + "." + std::to_string(i / 4) + ".1", 2min));
    put(view_, crowded.back());
  }
  EXPECT_EQ(view_.size(), 400 + 4 * limits::members_per_netgroup);
  for (const Person& p : crowded) ASSERT_TRUE(view_.remove(p.dossier->id()));
  EXPECT_EQ(view_.size(), 400u);
}

TEST_F(ViewTest, WhoIsAdmittedDoesNotDependOnTheOrderOfNews) {
  std::vector<Person> people = crowd(300);
  std::vector<Person> passers_by = crowd(100);
  for (const Person& p : people) put(view_, p);
  ASSERT_LT(view_.size(), view_.known()) << "some are crowded out, or this proves nothing";
  for (int round = 0; round < 5; ++round) {
    shuffle(people);
    View other(16, 32);
    for (std::size_t i = 0; i < people.size(); ++i) {
      put(other, people[i]);
      if (i < passers_by.size()) put(other, passers_by[i]);
      if (i >= 50 && i - 50 < passers_by.size()) other.remove(passers_by[i - 50].dossier->id());
    }
    EXPECT_EQ(other.known(), view_.known());
    EXPECT_THAT(admitted(other), ElementsAreArray(admitted(view_)));
    EXPECT_EQ(other.tree().root(), view_.tree().root());
    EXPECT_EQ(other.netgroups(), view_.netgroups());
  }
}

TEST_F(ViewTest, ChangesTellExactlyWhoCameInAndWhoFellOut) {
  std::vector<Person> people = crowd(200);
  std::map<NodeId, bool> told;
  const auto listen = [&] {
    while (const auto change = view_.poll_change()) {
      EXPECT_NE(told[change->dossier->id()], change->admitted) << "told twice";
      told[change->dossier->id()] = change->admitted;
    }
  };
  for (const Person& p : people) {
    put(view_, p);
    listen();
  }
  for (std::size_t i = 0; i < 120; ++i) {
    view_.remove(people[i].dossier->id());
    listen();
  }
  for (const auto& [id, is_in] : told) EXPECT_EQ(view_.is_admitted(id), is_in);
}

TEST_F(ViewTest, ANewerRecordAtTheSamePlaceIsNoComingAndGoing) {
  const Identity ana = Identity::generate(random_);
  put(view_, person("20.0.1.1", 1min, 1, ana));
  ASSERT_TRUE(view_.poll_change());
  const auto root = view_.tree().root();
  put(view_, person("20.0.1.1", 1min, 2, ana));
  EXPECT_FALSE(view_.poll_change());
  EXPECT_EQ(view_.find(ana.id())->dossier->sequence(), 2u);
  EXPECT_NE(view_.tree().root(), root);
  put(view_, person("20.0.1.1", 7min, 2, ana));  // another age
  EXPECT_FALSE(view_.poll_change());
  EXPECT_EQ(view_.known(), 1u);
}

TEST_F(ViewTest, TheNearestAreTheNearestEitherWayRound) {
  for (const Person& p : crowd(120)) put(view_, p);
  std::vector<NodeId> all = admitted(view_);
  for (int round = 0; round < 20; ++round) {
    const Position from = random_.u64();
    std::sort(all.begin(), all.end(), [&](const NodeId& a, const NodeId& b) {
      return ring_distance(from, position_of(a)) < ring_distance(from, position_of(b));
    });
    EXPECT_THAT(view_.nearest(from, 8), ElementsAreArray(all.begin(), all.begin() + 8));
  }
  EXPECT_EQ(view_.nearest(0, 1000).size(), all.size()) << "nobody twice, nobody forgotten";
  all = admitted(view_);
  std::vector<NodeId> by_number;
  for (std::size_t i = 0; i < view_.known(); ++i)
    if (view_.at(i).admitted) by_number.push_back(view_.at(i).id());
  EXPECT_EQ(by_number, all);
}

TEST_F(ViewTest, NeighboursStandOnBothSidesAndKnowEachOther) {
  for (const Person& p : crowd(60)) put(view_, p);
  const auto all = admitted(view_);
  for (const NodeId& id : all) {
    const auto beside = view_.beside(position_of(id), 4);
    EXPECT_EQ(beside.size(), 8u);
    EXPECT_THAT(beside, testing::Not(testing::Contains(id)));
    for (const NodeId& other : beside)
      EXPECT_THAT(view_.beside(position_of(other), 4), testing::Contains(id));
  }
  const auto skipped = view_.beside(position_of(all[0]), 4)[0];
  EXPECT_THAT(view_.beside(position_of(all[0]), 4, [&](const NodeId& id) { return id == skipped; }),
              testing::Not(testing::Contains(skipped)));
}

TEST_F(ViewTest, InACompanyOfThreeEverybodyStandsBesideEverybodyOnce) {
  std::vector<Person> three;
  for (int i = 0; i < 3; ++i) three.push_back(person("2" + std::to_string(i) + ".0.1.1", 1min));
  for (const Person& p : three) put(view_, p);
  for (const Person& p : three) EXPECT_EQ(view_.beside(p.dossier->position, 4).size(), 2u);
}

TEST_F(ViewTest, AnybodyMayBeDrawnButTheCrowdedOutAndOneself) {
  for (const Person& p : crowd(100)) put(view_, p);
  const auto all = admitted(view_);
  std::map<NodeId, int> drawn;
  for (int i = 0; i < 20'000; ++i) ++drawn[*view_.random_member(random_, all[0])];
  EXPECT_EQ(drawn.size(), all.size() - 1);
  EXPECT_FALSE(drawn.contains(all[0]));
  for (const auto& [id, count] : drawn) EXPECT_TRUE(view_.is_admitted(id));

  View lonely(16, 32);
  put(lonely, person("20.0.0.1", 1min));
  EXPECT_FALSE(lonely.random_member(random_, admitted(lonely)[0]));
}

TEST_F(ViewTest, InALabWhereEveryAddressIsANetgroupBlocksAreNoLimit) {
  View lab(32, 128);
  for (int i = 1; i <= 50; ++i)
    put(lab, person("10.0.0." + std::to_string(i), std::chrono::minutes{i}));
  EXPECT_EQ(lab.size(), 50u);
  EXPECT_EQ(lab.netgroups(), 50u);
}

TEST_F(ViewTest, TheMeanLoadIsOfThoseWhoTold) {
  const Person ana = person("20.0.0.1", 1min);
  const Person bo = person("21.0.0.1", 1min);
  const Person cy = person("22.0.0.1", 1min);
  for (const Person& p : {ana, bo, cy}) put(view_, p);
  EXPECT_FALSE(view_.mean_load(0, 16, {}));
  view_.set_load(ana.dossier->id(), 2);
  view_.set_load(bo.dossier->id(), 7);
  EXPECT_DOUBLE_EQ(*view_.mean_load(0, 16, {}), 4.5);
  EXPECT_DOUBLE_EQ(*view_.mean_load(0, 16, bo.dossier->id()), 2);
}

TEST_F(ViewTest, AnEntryIsSmallEnoughForTenThousandTimesTenThousand) {
  EXPECT_LE(sizeof(View::Member) + 2 * sizeof(std::uint32_t), 64u);
}

}  // namespace
}  // namespace byway::view_test

#include "overlay/directory/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/unit/overlay/directory_cast.h"

namespace byway::placement_test {
namespace {

using ::testing::SizeIs;
using ::testing::UnorderedElementsAreArray;

std::map<NodeId, IpAddress> netgroups_of(const Placement& placement,
                                         const std::vector<RecordPtr>& members) {
  std::map<NodeId, IpAddress> out;
  for (const RecordPtr& member : members) out[id_of(member)] = *placement.netgroup_of(*member);
  return out;
}

// How many of the holders stand in each netgroup.
std::vector<std::size_t> shares(const Placement& placement, const std::vector<RecordPtr>& members,
                                const NodeId& target) {
  const auto netgroup = netgroups_of(placement, members);
  std::map<IpAddress, std::size_t> counts;
  for (const NodeId& holder : placement.holders(target)) ++counts[netgroup.at(holder)];
  std::vector<std::size_t> out;
  for (const auto& [group, count] : counts) out.push_back(count);
  std::ranges::sort(out);
  return out;
}

std::set<NodeId> as_set(const std::vector<NodeId>& ids) {
  return {ids.begin(), ids.end()};
}

TEST(Placement, ARecordIsHeldInEightNetgroupsOnceEach) {
  const auto members = supernodes(20, 5);
  const Placement placement = placement_of(members);
  for (std::uint64_t target = 0; target < 100; ++target)
    EXPECT_EQ(shares(placement, members, node(target)), std::vector<std::size_t>(8, 1));
}

TEST(Placement, EverybodyWithTheSameViewNamesTheSameHoldersInTheSameOrder) {
  auto members = supernodes(20, 5);
  const Placement mine = placement_of(members);
  std::ranges::reverse(members);
  const Placement yours = placement_of(members);
  for (std::uint64_t target = 0; target < 100; ++target)
    EXPECT_EQ(mine.holders(node(target)), yours.holders(node(target)));
}

TEST(Placement, WithFewerNetgroupsItGoesRoundAgain) {
  const auto three_of_ten = supernodes(3, 10);
  EXPECT_EQ(shares(placement_of(three_of_ten), three_of_ten, node(1)),
            (std::vector<std::size_t>{2, 3, 3}));
  const auto one_of_three = supernodes(1, 3);
  EXPECT_EQ(shares(placement_of(one_of_three), one_of_three, node(1)),
            (std::vector<std::size_t>{3}));
  EXPECT_THAT(placement_of({}).holders(node(1)), SizeIs(0));

  auto uneven = supernodes(1, 1);
  for (std::uint64_t i = 0; i < 20; ++i)
    uneven.push_back(supernode_at(5'000 + i, in_netgroup(9, i)));
  EXPECT_EQ(shares(placement_of(uneven), uneven, node(1)), (std::vector<std::size_t>{1, 7}));
  EXPECT_THAT(as_set(placement_of(uneven).holders(node(1))), SizeIs(8));
}

// Adds one supernode, takes it away again, and looks at what that did to many targets.
std::size_t targets_changed_by(const RecordPtr& newcomer, const std::vector<RecordPtr>& members) {
  Placement placement = placement_of(members);
  const std::uint64_t group = *placement.group_of(*newcomer);
  std::size_t changed = 0;
  for (std::uint64_t t = 0; t < 2'000; ++t) {
    const auto draw = placement.draw(node(t));
    const auto before = placement.seats(draw);
    EXPECT_TRUE(placement.add(newcomer));
    const auto after = placement.seats(draw);
    const bool holds = as_set(after.holders).contains(id_of(newcomer));
    const bool differs = as_set(after.holders) != as_set(before.holders);
    EXPECT_EQ(differs, holds) << "others' seats moved";
    if (differs) {
      ++changed;
      EXPECT_TRUE(Placement::concerns(draw, before.bar, group)) << "nobody would notice it come";
      EXPECT_TRUE(Placement::concerns(draw, after.bar, group)) << "nobody would notice it go";
      std::vector<NodeId> stayed;
      std::ranges::set_intersection(as_set(before.holders), as_set(after.holders),
                                    std::back_inserter(stayed));
      EXPECT_GE(stayed.size() + 1, before.holders.size());
    }
    EXPECT_TRUE(placement.remove(*newcomer));
    EXPECT_EQ(placement.seats(draw).holders, before.holders);
  }
  return changed;
}

TEST(Placement, ASupernodeThatComesOrGoesChangesOnlyTheTargetsItHolds) {
  const auto members = supernodes(100, 5);
  // Expected: 8 of 100 netgroups, and there one of six; or a netgroup of its own, 8 of 101.
  EXPECT_LT(targets_changed_by(supernode_at(7, in_netgroup(50, 77)), members), 60u);
  EXPECT_LT(targets_changed_by(supernode_at(7, in_netgroup(500, 1)), members), 220u);
}

TEST(Placement, InASmallNetworkToo) {
  for (const std::size_t netgroups : {1u, 2u, 5u, 8u})
    targets_changed_by(supernode_at(7, in_netgroup(500, 1)), supernodes(netgroups, 1));
  targets_changed_by(supernode_at(7, in_netgroup(0, 77)), supernodes(3, 4));
}

TEST(Placement, WhomANewcomerMayConcernIsFew) {
  const auto members = supernodes(100, 2);
  const Placement placement = placement_of(members);
  const std::uint64_t group = *placement.group_of(*members[0]);
  std::size_t concerned = 0;
  for (std::uint64_t t = 0; t < 2'000; ++t) {
    const auto draw = placement.draw(node(t));
    concerned += Placement::concerns(draw, placement.seats(draw).bar, group);
  }
  EXPECT_GT(concerned, 100u);  // 160 are expected
  EXPECT_LT(concerned, 230u);
}

TEST(Placement, RecordsAreSpreadEvenly) {
  const auto members = supernodes(100, 2);
  const Placement placement = placement_of(members);
  std::map<NodeId, int> held;
  for (std::uint64_t t = 0; t < 5'000; ++t)
    for (const NodeId& holder : placement.holders(node(t))) ++held[holder];
  EXPECT_THAT(held, SizeIs(members.size()));
  for (const auto& [holder, count] : held) {
    EXPECT_GT(count, 120);  // 200 are expected
    EXPECT_LT(count, 290);
  }
}

TEST(Placement, AThousandSupernodesInOneNetgroupGetOneSeatLikeAnyOther) {
  auto members = supernodes(20, 1);
  const Placement honest = placement_of(members);
  Placement placement = placement_of(members);
  for (std::uint64_t i = 0; i < 1'000; ++i)
    placement.add(supernode_at(5'000 + i, in_netgroup(99, i)));
  const auto known = as_set([&] {
    std::vector<NodeId> ids;
    for (const auto& member : members) ids.push_back(id_of(member));
    return ids;
  }());
  for (std::uint64_t t = 0; t < 200; ++t) {
    const auto holders = placement.holders(node(t));
    EXPECT_LE(std::ranges::count_if(holders, [&](const NodeId& id) { return !known.contains(id); }),
              1);
  }
}

TEST(Placement, AMembersNewerRecordIsNoNewMember) {
  Placement placement = placement_of(supernodes(3, 2));
  const RecordPtr first = supernode_at(7, in_netgroup(1, 50));
  const RecordPtr second = supernode_at(7, in_netgroup(1, 51));
  EXPECT_TRUE(placement.add(first));
  EXPECT_FALSE(placement.add(second));
  EXPECT_EQ(placement.size(), 7u);
  EXPECT_TRUE(placement.remove(*second));
  EXPECT_FALSE(placement.remove(*second));
  EXPECT_EQ(placement.size(), 6u);
  EXPECT_EQ(placement.netgroups(), 3u);
  EXPECT_FALSE(placement.add(signed_by(person(8), {.sequence = 1}))) << "it stands nowhere";
}

TEST(Placement, ThoseJustBehindTheBestMayHoldItTooAsViewsDiffer) {
  const auto members = supernodes(40, 1);
  const Placement placement = placement_of(members);
  const auto count_plausible = std::ranges::count_if(
      members, [&](const RecordPtr& m) { return placement.may_hold(id_of(m), node(1)); });
  EXPECT_EQ(count_plausible, static_cast<int>(limits::plausible_holders));
  for (const NodeId& holder : placement.holders(node(1)))
    EXPECT_TRUE(placement.may_hold(holder, node(1)));
}

// Asked about one node after another, and with netgroups to spare or too few of them.
TEST(Placement, WhetherANodeMayHoldIsWhatTheSeatsSay) {
  for (const std::size_t netgroups : {1u, 5u, 12u, 30u}) {
    const auto members = supernodes(netgroups, 3);
    Placement placement = placement_of(members);
    const auto expect_the_same = [&] {
      for (std::uint64_t target = 0; target < 20; ++target) {
        const auto holders =
            placement.seats(placement.draw(node(target)), limits::plausible_holders).holders;
        for (const RecordPtr& member : members)
          EXPECT_EQ(placement.may_hold(id_of(member), node(target)),
                    std::ranges::find(holders, id_of(member)) != holders.end());
      }
    };
    expect_the_same();
    for (std::size_t i = 0; i < members.size(); i += 4) placement.remove(*members[i]);
    expect_the_same();
    EXPECT_FALSE(placement.may_hold(id_of(members[0]), node(1))) << "it has gone";
  }
}

}  // namespace
}  // namespace byway::placement_test

// What only many show: how fast news goes round, how soon a crash is noticed, what idling costs.
#include <gtest/gtest.h>

#include "tests/unit/overlay/mesh_cluster.h"

namespace byway::mesh_cluster_test {
namespace {

constexpr MeshCluster::Weather rainy{.loss = 0.05};

TEST(MeshOfAThousand, ANewcomerIsKnownToNinetyNineInAHundredWithinThirtySeconds) {
  MeshCluster cluster(1, rainy);
  cluster.add_old_network(1000);
  cluster.run_for(30s);
  const auto newcomer = cluster.add();
  const TimePoint asked = cluster.now();
  cluster.join(newcomer, 17);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.seen_by(newcomer) >= 990; }, 30s));
  RecordProperty("seconds", std::to_string(to_ms(cluster.now() - asked) / 1000));
  EXPECT_TRUE(cluster.run_until([&] { return cluster.mesh(newcomer).view().size() == 1001; }, 60s));
}

TEST(MeshOfAThousand, ACrashIsNoticedByNinetyNineInAHundredWithinThirtySeconds) {
  MeshCluster cluster(2, rainy);
  cluster.add_old_network(1000);
  cluster.run_for(30s);
  for (const std::size_t victim : {123u, 456u, 789u}) {
    const TimePoint died = cluster.now();
    cluster.crash(victim);
    ASSERT_TRUE(cluster.run_until([&] { return cluster.seen_by(victim) <= 10; }, 30s))
        << cluster.seen_by(victim) << " still see it";
    RecordProperty("seconds" + std::to_string(victim),
                   std::to_string(to_ms(cluster.now() - died) / 1000));
  }
  EXPECT_EQ(cluster.buried_alive(), 0u);
}

TEST(MeshOfAThousand, IdlingCostsLessThanTwoKilobytesASecondAndFewNewLinks) {
  MeshCluster cluster(3, rainy);
  cluster.add_old_network(1000);
  cluster.run_for(60s);
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    cluster.node(i).bytes = 0;
    cluster.node(i).spoken_with.clear();
  }
  cluster.on_the_wire();
  const auto minutes = 3;
  cluster.run_for(minutes * 1min);
  double most = 0;
  double bytes = 0;
  double links = 0;
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    const double per_second = static_cast<double>(cluster.node(i).bytes) / (60.0 * minutes);
    bytes += per_second;
    most = std::max(most, per_second);
    links += static_cast<double>(cluster.node(i).spoken_with.size());
  }
  RecordProperty("bytes_per_second", std::to_string(bytes / 1000));
  RecordProperty("most_bytes_per_second", std::to_string(most));
  RecordProperty("partners_in_three_minutes", std::to_string(links / 1000));
  EXPECT_LT(most, 2000);
  EXPECT_LT(links / 1000, 30);
  EXPECT_LE(cluster.largest(), max_mesh_message);
}

TEST(MeshOfAHundred, NobodyIsBuriedAliveInFourHoursOfRain) {
  MeshCluster cluster(5, rainy);
  cluster.add_old_network(100);
  cluster.run_for(4h);
  EXPECT_EQ(cluster.buried_alive(), 0u);
  EXPECT_TRUE(cluster.agrees());
}

TEST(MeshOfAHundred, AThirdThatCrashesAtOnceIsClearedAwayAndTheRestStay) {
  MeshCluster cluster(6, rainy);
  cluster.add_old_network(99);
  cluster.run_for(30s);
  for (std::size_t i = 0; i < 99; i += 3) cluster.crash(i);
  EXPECT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 3min));
  EXPECT_EQ(cluster.buried_alive(), 0u);
  cluster.run_for(2min);
  for (std::size_t i = 1; i < 99; i += 3)
    EXPECT_EQ(cluster.mesh(i).view().tree().root(), cluster.mesh(1).view().tree().root());
}

TEST(MeshOfAHundred, GrowsOutOfOneNodeInTheRain) {
  MeshCluster cluster(7, rainy);
  cluster.on_the_wire();
  cluster.add();
  for (std::size_t i = 1; i < 100; ++i) {
    cluster.add();
    cluster.join(i, cluster.random().below(i));
    cluster.run_for(500ms);
  }
  EXPECT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 2min));
  EXPECT_TRUE(cluster.run_until(
      [&] {
        for (std::size_t i = 0; i < 100; ++i)
          if (cluster.mesh(i).view().tree().root() != cluster.mesh(0).view().tree().root())
            return false;
        return true;
      },
      3min))
      << "and the trees agree";
  EXPECT_EQ(cluster.buried_alive(), 0u);
  EXPECT_LE(cluster.largest(), max_mesh_message);
}

TEST(MeshOfAHundred, WhoWasMissedByARumourHearsOfItByName) {
  MeshCluster cluster(11);
  cluster.add_old_network(100);
  cluster.run_for(30s);
  std::size_t compared = 0;
  cluster.on_sent = [&](std::size_t from, const NodeId&, const MeshMessage& message) {
    if (from == 40 && std::holds_alternative<Compare>(message)) ++compared;
  };
  // Node 40 hears nothing until everybody else knows that 7 has left.
  cluster.node(40).side = 1;
  cluster.leave(7);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.seen_by(7) == 1; }, 10s));
  ASSERT_TRUE(cluster.sees(40, 7));
  cluster.node(40).side = 0;
  EXPECT_TRUE(cluster.run_until([&] { return !cluster.sees(40, 7); }, 8s));
  EXPECT_EQ(compared, 0u) << "not by anti-entropy";
}

TEST(MeshOfAHundred, AVoucherStaysWhenWhoeverGaveItLeaves) {
  MeshCluster cluster(12);
  cluster.add_old_network(100);
  cluster.run_for(10s);
  const std::vector<VoucherPtr> vouchers =
      cluster.mesh(0).view().find(cluster.id(50))->dossier->vouchers;
  ASSERT_EQ(vouchers.size(), limits::vouchers_kept);
  for (std::size_t i = 0; i < cluster.size(); ++i)
    for (const VoucherPtr& voucher : vouchers)
      if (cluster.id(i) == voucher->by) cluster.leave(i);
  cluster.run_for(30s);
  for (std::size_t i = 0; i < cluster.size(); ++i)
    EXPECT_EQ(cluster.told<Examine>(i), 0u) << "nobody is examined again for that";

  const std::size_t newcomer = cluster.add();
  cluster.join(newcomer, 50);
  EXPECT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 60s));
  const View::Member* member = cluster.mesh(newcomer).view().find(cluster.id(50));
  ASSERT_TRUE(member);
  EXPECT_TRUE(member->strong);
}

TEST(MeshOfAHundred, WhoeverIsVouchedForTwiceIsExaminedByFewMore) {
  MeshCluster cluster(13);
  cluster.add_old_network(100);
  std::size_t vouchers = 0;
  for (int i = 0; i < 20; ++i) {
    const std::size_t newcomer = cluster.add();
    cluster.join(newcomer, 3);
    ASSERT_TRUE(
        cluster.run_until([&] { return cluster.seen_by(newcomer) + 1 == cluster.living(); }, 30s));
    cluster.run_for(5s);
    vouchers += cluster.mesh(3).view().find(cluster.id(newcomer))->dossier->vouchers.size();
  }
  EXPECT_GE(vouchers, 40u);
  EXPECT_LE(vouchers, 60u) << "71 where nobody tells the other examiners";
}

TEST(MeshOfAHundred, AMessageLostToAllIsBroughtByAntiEntropy) {
  MeshCluster cluster(8);
  cluster.add_old_network(100);
  cluster.run_for(30s);
  // Node 40 hears nothing while 7 leaves and 100 comes, and is too short away to be missed.
  cluster.node(40).side = 1;
  cluster.leave(7);
  const auto newcomer = cluster.add();
  cluster.join(newcomer, 3);
  cluster.run_for(9s);
  ASSERT_TRUE(cluster.sees(40, 7));
  ASSERT_FALSE(cluster.sees(40, newcomer));
  cluster.node(40).side = 0;
  EXPECT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 2min));
}

TEST(MeshOfAHundred, ComesTogetherWhenAllBeginAtOnce) {
  MeshCluster cluster(9, rainy);
  for (std::size_t i = 0; i < 100; ++i) cluster.add();
  // Nobody remembers anything; everybody knows two others' addresses.
  for (std::size_t i = 0; i < 100; ++i)
    for (int k = 0; k < 2; ++k) cluster.join(i, cluster.random().below(100));
  EXPECT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 5min));
  EXPECT_EQ(cluster.buried_alive(), 0u);
}

}  // namespace
}  // namespace byway::mesh_cluster_test

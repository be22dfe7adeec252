#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/overlay/mesh_cluster.h"

namespace byway::membership_test {
namespace {

using testing::Contains;
using testing::Pair;

// `count` nodes that join one after the other, each through the first.
struct SmallNetwork : MeshCluster {
  explicit SmallNetwork(std::size_t count) : MeshCluster(1) {
    for (std::size_t i = 0; i < count; ++i) {
      add();
      if (i > 0) join(i, 0);
      run_for(10s);
    }
  }
};

// Somebody who is not there.
struct Ghost {
  explicit Ghost(std::uint64_t seed, std::string_view where = "99.1.1.1",
                 std::uint64_t sequence = 1)
      : address(*IpAddress::parse(where)) {
    Random random(seed);
    identity = Identity::generate(random);
    const Record record{.id = id(),
                        .sequence = sequence,
                        .role = Record::Role::supernode,
                        .endpoints = {{address, 7000}}};
    bytes = to_bytes(SignedRecord::sign(*identity, record).exact_bytes());
  }
  const NodeId& id() const { return identity->id(); }
  News news() const { return {id(), bytes, {}, {}}; }

  IpAddress address;
  std::optional<Identity> identity;
  Bytes bytes;
};

// A network of `count` in which everybody is vouched for.
struct SettledNetwork : SmallNetwork {
  explicit SettledNetwork(std::size_t count) : SmallNetwork(count) {
    EXPECT_TRUE(run_until([&] { return agrees(); }, 60s));
    run_for(30s);
  }
  Voucher voucher(std::size_t by, const Ghost& ghost, const IpAddress& address) {
    return Voucher::sign(node(by).identity, ghost.id(), address, wall());
  }
};

TEST(Membership, ANetworkOfOneIsItsOwnMember) {
  MeshCluster cluster(1);
  cluster.add();
  cluster.run_for(5min);
  EXPECT_EQ(cluster.mesh(0).view().size(), 1u);
  EXPECT_TRUE(cluster.sees(0, 0));
  EXPECT_EQ(cluster.node(0).messages, 0u) << "there is nobody to talk to";
}

TEST(Membership, TheSecondNodeNeedsTheFirstOnesVoucher) {
  MeshCluster cluster(1);
  cluster.add();
  cluster.add();
  cluster.join(1, 0);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 10s));
  ASSERT_TRUE(cluster.run_until([&] { return cluster.mesh(0).is_established(); }, 10s));
  EXPECT_TRUE(cluster.mesh(1).is_established());
  EXPECT_EQ(cluster.mesh(0).view().find(cluster.id(1))->dossier->vouchers.size(), 1u);
  EXPECT_EQ(cluster.mesh(0).view().tree().root(), cluster.mesh(1).view().tree().root());
}

class MembershipInSmallNetworks : public testing::TestWithParam<std::size_t> {};

TEST_P(MembershipInSmallNetworks, EveryoneComesToKnowEveryoneAndTheSameOfThem) {
  SmallNetwork cluster(GetParam());
  ASSERT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 60s));
  cluster.run_for(60s);
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    EXPECT_TRUE(cluster.mesh(i).is_established());
    EXPECT_EQ(cluster.mesh(i).view().tree().root(), cluster.mesh(0).view().tree().root());
  }
  EXPECT_EQ(cluster.buried_alive(), 0u);
}
INSTANTIATE_TEST_SUITE_P(OfSize, MembershipInSmallNetworks, testing::Values(2, 3, 5, 12));

TEST(Membership, TwoWhoBeginAtOnceWithOneAnotherAsSeedsFindTogether) {
  MeshCluster cluster(1);
  cluster.add();
  cluster.add();
  cluster.join(0, 1);
  cluster.join(1, 0);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 10s));
  EXPECT_TRUE(cluster.run_until(
      [&] { return cluster.mesh(0).is_established() && cluster.mesh(1).is_established(); }, 10s));
}

TEST(Membership, WhomNobodyReachesIsNotAdmittedAndNotTalkedOf) {
  SmallNetwork cluster(8);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 60s));
  const auto claimed = IpAddress::v4({99, 1, 1, 1});
  const auto liar = cluster.add();
  cluster.node(liar).address = claimed;
  cluster.start(liar);
  cluster.node(liar).address = IpAddress::v4({98, 1, 1, 1});  // where it is not
  cluster.join(liar, 0);
  cluster.run_for(60s);
  EXPECT_EQ(cluster.seen_by(liar), 0u);
  EXPECT_FALSE(cluster.mesh(liar).is_established());
}

TEST(Membership, InAGrownNetworkOneVoucherIsNotEnough) {
  SmallNetwork cluster(8);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 60s));
  cluster.run_for(30s);
  // Member 3 says that it met somebody whom nobody else can reach.
  Random random(99);
  const Identity ghost = Identity::generate(random);
  const auto address = IpAddress::v4({99, 1, 1, 1});
  const Record record{.id = ghost.id(),
                      .sequence = 1,
                      .role = Record::Role::supernode,
                      .endpoints = {{address, 7000}}};
  const Bytes bytes = to_bytes(SignedRecord::sign(ghost, record).exact_bytes());
  const auto vouched_by = [&](std::size_t i) {
    return Voucher::sign(cluster.node(i).identity, ghost.id(), address, cluster.wall());
  };
  cluster.deliver(0, cluster.id(3), Gossip{0, 0, {News{ghost.id(), bytes, {vouched_by(3)}, {}}}});
  cluster.run_for(30s);
  EXPECT_FALSE(cluster.mesh(0).view().find(ghost.id()));

  cluster.deliver(0, cluster.id(3), Gossip{0, 0, {News{ghost.id(), {}, {vouched_by(4)}, {}}}});
  EXPECT_TRUE(cluster.mesh(0).view().find(ghost.id())) << "with two it would have been";
}

TEST(Membership, VouchersOfPeopleNobodyVouchedForCountNothing) {
  SmallNetwork cluster(8);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 60s));
  Random random(99);
  std::vector<Identity> ghosts;
  for (int i = 0; i < 4; ++i) ghosts.push_back(Identity::generate(random));
  std::vector<News> news;
  for (std::uint8_t i = 0; i < 4; ++i) {
    const auto address = IpAddress::v4({99, i, 1, 1});
    const Record record{.id = ghosts[i].id(),
                        .sequence = 1,
                        .role = Record::Role::supernode,
                        .endpoints = {{address, 7000}}};
    News one{ghosts[i].id(), to_bytes(SignedRecord::sign(ghosts[i], record).exact_bytes()), {}, {}};
    for (const Identity& other : ghosts)
      if (other.id() != ghosts[i].id())
        one.vouchers.push_back(
            Voucher::sign(other, ghosts[i].id(), address, cluster.wall() - 1000h));
    news.push_back(one);
  }
  cluster.deliver(0, cluster.id(1), Gossip{0, 0, news});
  cluster.deliver(0, cluster.id(1), Page{0, 0, false, news});
  for (const Identity& ghost : ghosts) EXPECT_FALSE(cluster.mesh(0).view().find(ghost.id()));
  cluster.run_for(60s);
  for (const Identity& ghost : ghosts) EXPECT_FALSE(cluster.mesh(0).view().find(ghost.id()));
}

// Which positions node `i` asks `of` for from now on.
std::shared_ptr<std::vector<Position>> listen_for_wants(MeshCluster& cluster, std::size_t i,
                                                        const NodeId& of) {
  auto positions = std::make_shared<std::vector<Position>>();
  cluster.on_sent = [=](std::size_t from, const NodeId& to, const MeshMessage& message) {
    const auto* want = std::get_if<Want>(&message);
    if (want && from == i && to == of)
      positions->insert(positions->end(), want->positions.begin(), want->positions.end());
  };
  return positions;
}

TEST(Membership, WhoIsNamedAndNotKnownAsOneSaysIsAskedFor) {
  SettledNetwork cluster(6);
  const Ghost ghost(7);
  const auto member = [&](std::size_t i) { return cluster.mesh(0).view().find(cluster.id(i)); };
  const auto position = [&](std::size_t i) { return position_of(cluster.id(i)); };
  const std::uint64_t root = cluster.mesh(0).view().tree().root();
  const auto asked = listen_for_wants(cluster, 0, cluster.id(1));
  cluster.deliver(0, cluster.id(1),
                  Gossip{root,
                         0,
                         {},
                         {{position(2), member(2)->dossier->digest},      // as we know it
                          {position(3), member(3)->dossier->digest + 1},  // otherwise
                          {position(4), 0},                     // departed, and we know it not
                          {position_of(ghost.id()), 5},         // never heard of
                          {position_of(ghost.id()) + 1, 0}}});  // nor of that: it is gone
  EXPECT_THAT(*asked, testing::ElementsAre(position(3), position(4), position_of(ghost.id())));

  // What was asked for is waited for, and then another may know.
  cluster.deliver(0, cluster.id(1), Gossip{root, 0, {}, {{position(4), 0}}});
  EXPECT_EQ(asked->size(), 3u);
  cluster.run_for(2 * limits::missed_again);
  cluster.deliver(0, cluster.id(1), Gossip{root, 0, {}, {{position(4), 0}}});
  EXPECT_EQ(asked->size(), 4u);
}

TEST(Membership, WhoNamesMuchThatIsNotSoKeepsNobodyElseFromBeingAsked) {
  SettledNetwork cluster(6);
  const Ghost ghost(7);
  const std::uint64_t root = cluster.mesh(0).view().tree().root();
  const auto liar = listen_for_wants(cluster, 0, cluster.id(1));
  for (Position lie = 1; lie <= 20 * max_listed; lie += max_listed) {
    std::vector<BucketItem> named;
    for (Position k = 0; k < max_listed; ++k) named.push_back({lie + k, 5});
    cluster.deliver(0, cluster.id(1), Gossip{root, 0, {}, named});
  }
  EXPECT_EQ(liar->size(), limits::missed_of_one);

  const auto honest = listen_for_wants(cluster, 0, cluster.id(2));
  cluster.deliver(0, cluster.id(2), Gossip{root, 0, {}, {{position_of(ghost.id()), 5}}});
  EXPECT_THAT(*honest, testing::ElementsAre(position_of(ghost.id())));
}

TEST(Membership, WhoAnnouncesItselfWithFewerVouchersThanItHasIsToldThem) {
  SettledNetwork cluster(6);
  const auto vouchers = cluster.mesh(0).view().find(cluster.id(3))->dossier->vouchers.size();
  ASSERT_GE(vouchers, 2u);
  std::vector<News> told;
  cluster.on_sent = [&](std::size_t from, const NodeId& to, const MeshMessage& message) {
    const auto* gossip = std::get_if<Gossip>(&message);
    if (gossip && from == 0 && to == cluster.id(3)) told = gossip->news;
  };
  const Bytes record = to_bytes(cluster.record(3)->exact_bytes());
  cluster.deliver(0, cluster.id(3), Gossip{0, 0, {News{cluster.id(3), record, {}, {}}}});
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].subject, cluster.id(3));
  EXPECT_EQ(told[0].vouchers.size(), vouchers);
}

TEST(Membership, StrangersNameNobody) {
  SettledNetwork cluster(6);
  const Ghost stranger(7);
  const auto asked = listen_for_wants(cluster, 0, stranger.id());
  cluster.deliver(0, stranger.id(), Gossip{0, 0, {}, {{position_of(cluster.id(3)), 5}}});
  EXPECT_THAT(*asked, testing::Not(Contains(position_of(cluster.id(3)))));
}

TEST(Membership, AFarewellIsHeardByAllAndKeepsOldRecordsOut) {
  SmallNetwork cluster(8);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 60s));
  const Bytes before = to_bytes(cluster.record(5)->exact_bytes());
  cluster.leave(5);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.seen_by(5) == 0; }, 15s));
  EXPECT_THAT(cluster.node(2).dropped, Contains(Pair(cluster.id(5), Departure::left)));

  cluster.deliver(2, cluster.id(1), Gossip{0, 0, {News{cluster.id(5), before, {}, {}}}});
  EXPECT_FALSE(cluster.sees(2, 5));

  ++cluster.node(5).sequence;
  cluster.start(5);
  cluster.join(5, 1);
  EXPECT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 20s));
}

TEST(Membership, OneVoiceAloneBuriesNobody) {
  SmallNetwork cluster(8);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 60s));
  cluster.run_for(30s);
  for (std::size_t accuser = 1; accuser < 8; ++accuser) {
    if (accuser == 5) continue;
    const Gone gone =
        Gone::sign(cluster.node(accuser).identity, cluster.id(5), cluster.node(5).sequence);
    cluster.deliver(0, cluster.id(accuser), Gossip{0, 0, {News{cluster.id(5), {}, {}, {gone}}}});
    EXPECT_TRUE(cluster.sees(0, 5));
    cluster.deliver(0, cluster.id(accuser), Gossip{0, 0, {News{cluster.id(5), {}, {}, {gone}}}});
    EXPECT_TRUE(cluster.sees(0, 5)) << "nor by saying it twice";
    break;
  }
  Random random(99);
  const Identity stranger = Identity::generate(random);
  const Gone gone = Gone::sign(stranger, cluster.id(5), cluster.node(5).sequence);
  cluster.deliver(0, cluster.id(1), Gossip{0, 0, {News{cluster.id(5), {}, {}, {gone}}}});
  EXPECT_TRUE(cluster.sees(0, 5)) << "nor does a stranger's word count";
}

TEST(Membership, WhoIsDeclaredGoneWronglyComesBackByItself) {
  SmallNetwork cluster(8);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 60s));
  cluster.run_for(30s);
  const std::uint64_t sequence = cluster.node(5).sequence;
  const Bytes before = to_bytes(cluster.record(5)->exact_bytes());
  std::vector<Gone> gones{Gone::sign(cluster.node(1).identity, cluster.id(5), sequence),
                          Gone::sign(cluster.node(2).identity, cluster.id(5), sequence)};
  cluster.deliver(0, cluster.id(1), Gossip{0, 0, {News{cluster.id(5), {}, {}, gones}}});
  EXPECT_FALSE(cluster.sees(0, 5));
  cluster.deliver(0, cluster.id(1), Gossip{0, 0, {News{cluster.id(5), before, {}, {}}}});
  EXPECT_FALSE(cluster.sees(0, 5)) << "others cannot speak for it";

  EXPECT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 60s));
  EXPECT_GT(cluster.node(5).sequence, sequence);
  EXPECT_GE(cluster.told<Renew>(5), 1u);
}

TEST(Membership, WhoMovesHasToBeVouchedForAnew) {
  SmallNetwork cluster(8);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 60s));
  cluster.run_for(30s);
  cluster.move(5, IpAddress::v4({99, 1, 1, 1}));
  ASSERT_TRUE(
      cluster.run_until([&] { return cluster.node(0).dropped.contains(cluster.id(5)); }, 10s));
  EXPECT_EQ(cluster.node(0).dropped[cluster.id(5)], Departure::moved);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 60s));
  const View::Member* member = cluster.mesh(0).view().find(cluster.id(5));
  for (const VoucherPtr& voucher : member->dossier->vouchers)
    EXPECT_EQ(voucher->address, IpAddress::v4({99, 1, 1, 1}));
}

TEST(Membership, StrangersCannotFillOurMemory) {
  SmallNetwork cluster(2);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 60s));
  Random random(99);
  std::size_t sent = 0;
  for (std::uint32_t i = 0; i < limits::candidates_per_pair * 4; ++i) {
    const Identity ghost = Identity::generate(random);
    const Record record{
        .id = ghost.id(),
        .sequence = 1,
        .role = Record::Role::supernode,
        .endpoints = {{IpAddress::v4({99, 1, 1, static_cast<std::uint8_t>(i)}), 7000}}};
    cluster.deliver(
        0, cluster.id(1),
        Gossip{
            0,
            0,
            {News{ghost.id(), to_bytes(SignedRecord::sign(ghost, record).exact_bytes()), {}, {}}}});
    ++sent;
  }
  EXPECT_GT(sent, limits::candidates_per_pair);
  EXPECT_EQ(cluster.mesh(0).candidates(), limits::candidates_per_pair);
  cluster.run_for(limits::candidate_lifetime + 1min);
  EXPECT_EQ(cluster.mesh(0).candidates(), 0u) << "and are forgotten";
}

TEST(Membership, TheHalvesOfASplitNetworkFindEachOtherAgain) {
  MeshCluster cluster(4);
  cluster.add_old_network(24);
  cluster.run_for(1min);
  ASSERT_TRUE(cluster.agrees());
  for (std::size_t i = 0; i < 24; ++i) cluster.node(i).side = static_cast<int>(i % 2);
  ASSERT_TRUE(cluster.run_until(
      [&] {
        for (std::size_t i = 0; i < 24; ++i)
          if (cluster.mesh(i).view().size() != 12) return false;
        return true;
      },
      5min));
  for (std::size_t i = 0; i < 24; ++i) cluster.node(i).side = 0;
  EXPECT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 5min));
}

TEST(Membership, WhoHearsNobodyKnowsThatItIsAloneAndBuriesNobody) {
  MeshCluster cluster(4);
  cluster.add_old_network(24);
  cluster.run_for(1min);
  cluster.node(7).side = 1;
  cluster.run_for(limits::lost_touch + 5s);
  EXPECT_EQ(cluster.told<Alone>(7), 1u);
  EXPECT_EQ(cluster.mesh(7).view().size(), 1u);
  for (const auto& [_, why] : cluster.node(7).dropped) EXPECT_EQ(why, Departure::lost_touch);

  cluster.node(7).side = 0;
  cluster.join(7, 3);
  EXPECT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 2min));
}

TEST(Membership, ASilentSponsorIsGivenUp) {
  SmallNetwork cluster(3);
  const auto newcomer = cluster.add();
  cluster.crash(1);
  cluster.join(newcomer, 1);
  cluster.run_for(30s);
  EXPECT_EQ(cluster.told<JoinFailed>(newcomer), 1u);
  cluster.join(newcomer, 2);
  EXPECT_TRUE(cluster.run_until([&] { return cluster.told<Joined>(newcomer) == 1; }, 10s));
}

TEST(Membership, TwoOfOneNetgroupAreOneVoice) {
  // 6, 7 and 8 live where 0, 1 and 2 do.
  MeshCluster cluster(1);
  for (std::size_t i = 0; i < 9; ++i) {
    cluster.add(6);
    if (i > 0) cluster.join(i, 0);
    cluster.run_for(10s);
  }
  ASSERT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 60s));
  cluster.run_for(30s);
  const auto says_gone = [&](std::size_t who) {
    return Gone::sign(cluster.node(who).identity, cluster.id(4), cluster.node(4).sequence);
  };
  cluster.deliver(3, cluster.id(1),
                  Gossip{0, 0, {News{cluster.id(4), {}, {}, {says_gone(0), says_gone(6)}}}});
  EXPECT_TRUE(cluster.sees(3, 4));
  cluster.deliver(3, cluster.id(1), Gossip{0, 0, {News{cluster.id(4), {}, {}, {says_gone(1)}}}});
  EXPECT_FALSE(cluster.sees(3, 4)) << "with one of another netgroup it would have been";
}

TEST(Membership, TwoOfOneNetgroupVouchAsOne) {
  MeshCluster cluster(1);
  for (std::size_t i = 0; i < 9; ++i) {
    cluster.add(6);
    if (i > 0) cluster.join(i, 0);
    cluster.run_for(10s);
  }
  ASSERT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 60s));
  cluster.run_for(30s);
  Random random(99);
  const Identity ghost = Identity::generate(random);
  const auto address = IpAddress::v4({99, 1, 1, 1});
  const Record record{.id = ghost.id(),
                      .sequence = 1,
                      .role = Record::Role::supernode,
                      .endpoints = {{address, 7000}}};
  News news{ghost.id(), to_bytes(SignedRecord::sign(ghost, record).exact_bytes()), {}, {}};
  for (const std::size_t who : {0u, 6u})
    news.vouchers.push_back(
        Voucher::sign(cluster.node(who).identity, ghost.id(), address, cluster.wall()));
  cluster.deliver(3, cluster.id(0), Gossip{0, 0, {news}});
  EXPECT_FALSE(cluster.mesh(3).view().find(ghost.id()));
}

TEST(Membership, WhoeverIsSuspectedAllTheTimeStaysAndStaysWell) {
  SmallNetwork cluster(12);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 60s));
  for (int second = 0; second < 120; ++second) {
    const Suspect suspect{cluster.id(5), cluster.node(5).sequence};
    for (std::size_t i = 0; i < 12; ++i)
      if (i != 3) cluster.deliver(i, cluster.id(3), suspect);
    cluster.run_for(1s);
  }
  EXPECT_TRUE(cluster.agrees());
  EXPECT_LT(cluster.mesh(5).health(), limits::unfit_to_judge);
  EXPECT_EQ(cluster.buried_alive(), 0u);
}

TEST(Membership, WhoLosesAQuarterOfAllPacketsStays) {
  MeshCluster cluster(4);
  cluster.add_old_network(24);
  cluster.node(7).loss = 0.25;
  cluster.run_for(1h);
  EXPECT_EQ(cluster.buried_alive(), 0u);
}

TEST(Membership, WhoLosesHalfOfAllPacketsBuriesNobodyElse) {
  MeshCluster cluster(4);
  cluster.add_old_network(24);
  cluster.node(7).loss = 0.5;
  cluster.run_for(1h);
  for (std::size_t i = 0; i < cluster.size(); ++i)
    for (const auto& [whom, why] : cluster.node(i).dropped) EXPECT_EQ(whom, cluster.id(7));
  cluster.node(7).loss = 0;
  EXPECT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 2min)) << "and recovers";
}

TEST(Membership, LongRecordsAreToldInPieces) {
  MeshCluster cluster(1);
  cluster.on_the_wire();
  for (std::size_t i = 0; i < 10; ++i) {
    cluster.add();
    cluster.node(i).padding = 7;
    cluster.start(i);
    if (i > 0) cluster.join(i, 0);
    cluster.run_for(10s);
  }
  EXPECT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 60s));
  EXPECT_TRUE(cluster.run_until(
      [&] { return cluster.mesh(9).view().tree().root() == cluster.mesh(0).view().tree().root(); },
      2min));
  EXPECT_GT(cluster.record(0)->exact_bytes().size(), 400u);
  EXPECT_LE(cluster.largest(), max_mesh_message);
}

TEST(Membership, MessagesWithoutSenseChangeNothing) {
  SmallNetwork cluster(6);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 60s));
  Random random(13);
  const auto anybody = [&] { return cluster.id(random.below(6)); };
  const std::uint64_t root = cluster.mesh(0).view().tree().root();
  for (int i = 0; i < 3000; ++i) {
    Compare compare{static_cast<std::uint32_t>(random.below(20)), {}, {}};
    for (std::uint64_t k = random.below(5); k > 0; --k) {
      const auto level = static_cast<std::uint8_t>(random.below(3));
      Sums sums{level, static_cast<std::uint16_t>(random.below(1u << (4 * level))), {}};
      for (std::uint64_t& part : sums.parts) part = random.chance(0.5) ? 0 : random.u64();
      compare.sums.push_back(sums);
    }
    for (std::uint64_t k = random.below(4); k > 0; --k) {
      const auto position = position_of(anybody());
      compare.buckets.push_back(
          {static_cast<std::uint16_t>(position >> 52), {{position, random.u64()}}});
    }
    const MeshMessage messages[] = {
        compare,
        Want{{position_of(anybody()), random.u64()}},
        Pull{random.u64(), random.u64()},
        Page{0, random.u64(), random.chance(0.5), {News{anybody(), Bytes(100), {}, {}}}},
        ProbeFor{anybody()},
        ProbeFound{anybody(), random.chance(0.5)},
        Gossip{random.u64(),
               3,
               {News{anybody(),
                     {},
                     {Voucher{.by = anybody()}},
                     {Gone{.by = anybody(), .sequence = 9}}}}}};
    cluster.deliver(0, random.chance(0.2) ? node(random.below(9)) : anybody(),
                    messages[random.below(std::size(messages))]);
    if (i % 20 == 0) cluster.run_for(50ms);
  }
  cluster.run_for(1min);
  EXPECT_TRUE(cluster.agrees());
  EXPECT_EQ(cluster.mesh(0).view().tree().root(), root);
  EXPECT_EQ(cluster.mesh(0).candidates(), 0u);
}

TEST(Membership, AVoucherIsForOneAddressOnly) {
  SettledNetwork cluster(8);
  const Ghost ghost(99);
  const IpAddress elsewhere = IpAddress::v4({98, 1, 1, 1});
  News news = ghost.news();
  for (const std::size_t by : {3u, 4u})
    news.vouchers.push_back(cluster.voucher(by, ghost, elsewhere));
  cluster.deliver(0, cluster.id(3), Gossip{0, 0, {news}});
  EXPECT_EQ(cluster.mesh(0).candidates(), 1u);
  EXPECT_FALSE(cluster.mesh(0).view().find(ghost.id()));

  for (const std::size_t by : {3u, 4u})
    cluster.deliver(
        0, cluster.id(3),
        Gossip{0, 0, {News{ghost.id(), {}, {cluster.voucher(by, ghost, ghost.address)}, {}}}});
  ASSERT_TRUE(cluster.mesh(0).view().find(ghost.id()));
  cluster.deliver(0, cluster.id(3),
                  Gossip{0, 0, {News{ghost.id(), {}, {cluster.voucher(5, ghost, elsewhere)}, {}}}});
  EXPECT_FALSE(cluster.mesh(0).view().find(ghost.id())->dossier->voucher_by(cluster.id(5)));
}

TEST(Membership, AForgedVoucherIsNone) {
  SettledNetwork cluster(8);
  const Ghost ghost(99);
  News news = ghost.news();
  for (const std::size_t by : {3u, 4u}) {
    news.vouchers.push_back(cluster.voucher(by, ghost, ghost.address));
    news.vouchers.back().signature[7] ^= 1;
  }
  cluster.deliver(0, cluster.id(3), Gossip{0, 0, {news}});
  EXPECT_FALSE(cluster.mesh(0).view().find(ghost.id()));
}

TEST(Membership, OnlyThoseWhoStandNearAreBelievedThatSomebodyIsGone) {
  MeshCluster cluster(4);
  cluster.add_old_network(60);
  cluster.run_for(30s);
  const auto nearest = cluster.mesh(0).nearest(cluster.id(5), 60);  // itself first
  const auto index_of = [&](const NodeId& id) {
    for (std::size_t i = 0; i < cluster.size(); ++i)
      if (cluster.id(i) == id) return i;
    return cluster.size();
  };
  const auto says_gone = [&](const NodeId& who) {
    return Gone::sign(cluster.node(index_of(who)).identity, cluster.id(5),
                      cluster.node(5).sequence);
  };
  const std::size_t listener = index_of(nearest[30]);
  std::vector<Gone> far;
  for (std::size_t i = 50; i < 56; ++i) far.push_back(says_gone(nearest[i]));
  cluster.deliver(listener, nearest[50], Gossip{0, 0, {News{cluster.id(5), {}, {}, far}}});
  EXPECT_TRUE(cluster.sees(listener, 5));
  cluster.deliver(
      listener, nearest[50],
      Gossip{0, 0, {News{cluster.id(5), {}, {}, {says_gone(nearest[1]), says_gone(nearest[2])}}}});
  EXPECT_FALSE(cluster.sees(listener, 5)) << "of the nearest two are enough";
}

TEST(Membership, WhereAllAreOfOneNetgroupItStillTakesTwoToBury) {
  MeshCluster cluster(1);
  for (std::size_t i = 0; i < 6; ++i) {
    cluster.add(1);
    if (i > 0) cluster.join(i, 0);
    cluster.run_for(10s);
  }
  ASSERT_TRUE(cluster.run_until([&] { return cluster.agrees(); }, 60s));
  const auto says_gone = [&](std::size_t who) {
    return Gossip{
        0,
        0,
        {News{cluster.id(4),
              {},
              {},
              {Gone::sign(cluster.node(who).identity, cluster.id(4), cluster.node(4).sequence)}}}};
  };
  cluster.deliver(0, cluster.id(1), says_gone(1));
  EXPECT_TRUE(cluster.sees(0, 4));
  cluster.deliver(0, cluster.id(2), says_gone(2));
  EXPECT_FALSE(cluster.sees(0, 4));
}

TEST(Membership, OneAccusationIsNoReasonForANewRecord) {
  SettledNetwork cluster(8);
  const Gone gone = Gone::sign(cluster.node(3).identity, cluster.id(5), cluster.node(5).sequence);
  const Gossip accusation{0, 0, {News{cluster.id(5), {}, {}, {gone, gone}}}};
  for (int i = 0; i < 10; ++i) cluster.deliver(5, cluster.id(3), accusation);
  EXPECT_EQ(cluster.told<Renew>(5), 0u);
}

TEST(Membership, AStrangerSpeaksForItselfOnly) {
  SettledNetwork cluster(8);
  const Ghost friendly(98);
  const Ghost stranger(99, "99.2.1.1");
  cluster.deliver(0, stranger.id(), Page{0, 0, false, {friendly.news(), stranger.news()}});
  EXPECT_TRUE(cluster.mesh(0).record_of(stranger.id()));
  EXPECT_FALSE(cluster.mesh(0).record_of(friendly.id()));
}

TEST(Membership, WhoIsNoMemberYetExaminesNobody) {
  SettledNetwork cluster(4);  // where nobody has four vouchers
  const auto liar = cluster.add();
  cluster.node(liar).address = IpAddress::v4({99, 1, 1, 1});
  cluster.start(liar);
  cluster.node(liar).address = IpAddress::v4({98, 1, 1, 1});  // where it is not
  cluster.join(liar, 0);
  cluster.run_for(60s);
  ASSERT_EQ(cluster.mesh(liar).view().size(), 5u);
  EXPECT_EQ(cluster.told<Examine>(liar), 0u);
}

TEST(Membership, AnAddressIsNotBotheredForEveryKeyThatNamesIt) {
  SettledNetwork cluster(4);
  for (std::uint64_t i = 0; i < limits::candidates_per_pair; ++i) {
    const Ghost ghost(200 + i);
    cluster.deliver(0, ghost.id(), Gossip{0, 0, {ghost.news()}});
  }
  ASSERT_EQ(cluster.mesh(0).candidates(), limits::candidates_per_pair);
  const std::size_t before = cluster.told<Examine>(0);
  cluster.run_for(20s);
  EXPECT_LE(cluster.told<Examine>(0) - before, 2u);
}

TEST(Membership, AStrangerWhoShoutsIsPassedOnSeldom) {
  SettledNetwork cluster(12);
  const Ghost ghost(99);
  const std::uint64_t before = cluster.node(0).messages;
  for (int i = 0; i < 50; ++i) cluster.deliver(0, ghost.id(), Gossip{0, 0, {ghost.news()}});
  EXPECT_GT(cluster.node(0).messages, before);
  EXPECT_LE(cluster.node(0).messages - before, 3 * 2 * limits::neighbours_each_side);
}

TEST(Membership, AStrangerWhoAsksForEverythingAllTheTimeGetsLittle) {
  SettledNetwork cluster(12);
  const std::uint64_t before = cluster.node(0).messages;
  for (int i = 0; i < 1000; ++i) cluster.deliver(0, node(1), Pull{0});
  EXPECT_LE(cluster.node(0).messages - before,
            static_cast<std::uint64_t>(limits::requests_burst) * 12);
}

TEST(Membership, WhoMovesWhileItIsExaminedIsExaminedAgain) {
  SettledNetwork cluster(2);
  for (std::size_t i = 0; i < 2; ++i) cluster.node(i).honest_examiner = false;
  const Ghost before(99, "99.1.1.1", 1);
  const Ghost after(99, "98.1.1.1", 2);
  const std::size_t examined = cluster.told<Examine>(0);
  cluster.deliver(0, before.id(), Gossip{0, 0, {before.news()}});
  while (cluster.told<Examine>(0) == examined) cluster.run_for(1ms);
  cluster.deliver(0, before.id(), Gossip{0, 0, {after.news()}});
  ASSERT_TRUE(cluster.run_until(
      [&] {
        const View::Member* member = cluster.mesh(0).view().find(after.id());
        return member && member->dossier->voucher_by(cluster.id(0));
      },
      10s));
  EXPECT_EQ(cluster.told<Examine>(0) - examined, 2u);
}

}  // namespace
}  // namespace byway::membership_test

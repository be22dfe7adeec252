#include "overlay/directory/store.h"

#include <gtest/gtest.h>

#include "tests/unit/overlay/directory_cast.h"

namespace byway::store_test {
namespace {

// A small network in which everybody may hold everything; its first supernode is the holder.
class StoreTest : public ::testing::Test {
 protected:
  StoreTest() { make({}); }
  void make(Store::Room room) {
    store.emplace(
        id_of(members[0]), placement,
        [this](ByteView bytes) {
          ++verifications;
          return verified(bytes);
        },
        room);
  }
  PlaceOutcome place(std::size_t home, const RecordPtr& record, TimePoint now = noon) {
    const Place message{7, id_of(record), to_bytes(record->exact_bytes())};
    const Placed placed = store->on_place(now, id_of(members[home]), members[home].get(), message);
    EXPECT_EQ(placed.number, 7u);
    return placed.outcome;
  }
  // A leaf's record that names these members as homes.
  RecordPtr leaf(std::uint64_t number, std::vector<std::size_t> homes, std::uint64_t seq = 1) {
    std::vector<NodeId> ids;
    for (const std::size_t home : homes) ids.push_back(id_of(members[home]));
    return leaf_record(number, ids, seq);
  }
  Found find(const NodeId& target) { return store->on_find(noon, node(1), {9, target}); }

  std::vector<RecordPtr> members = supernodes(6, 2);
  Placement placement = placement_of(members);
  int verifications = 0;
  std::optional<Store> store;
};

TEST_F(StoreTest, WhatAHomePlacedAnybodyFinds) {
  const RecordPtr ana = leaf(1, {2, 3});
  EXPECT_EQ(place(2, ana), PlaceOutcome::kept);
  const Found found = find(id_of(ana));
  EXPECT_EQ(found.number, 9u);
  EXPECT_EQ(found.outcome, FindOutcome::known);
  EXPECT_EQ(found.record, to_bytes(ana->exact_bytes()));
  EXPECT_EQ(find(node(5)), (Found{9, FindOutcome::unknown, {}}));
}

TEST_F(StoreTest, TheNewestSequenceWinsWhoeverBringsIt) {
  place(2, leaf(1, {2, 3}, 5));
  EXPECT_EQ(place(3, leaf(1, {3}, 4)), PlaceOutcome::newer_known);
  EXPECT_EQ(store->find(id_of(leaf(1, {})))->record().sequence, 5u);
  EXPECT_EQ(place(3, leaf(1, {3}, 6)), PlaceOutcome::kept);
  EXPECT_EQ(store->find(id_of(leaf(1, {})))->record().sequence, 6u);
  EXPECT_EQ(store->size(), 1u);
}

TEST_F(StoreTest, OnlyAHomeThatTheRecordNamesMayPlaceIt) {
  EXPECT_EQ(place(4, leaf(1, {2, 3})), PlaceOutcome::refused);
  EXPECT_EQ(place(4, leaf(1, {})), PlaceOutcome::refused);
  EXPECT_EQ(store->size(), 0u);
}

TEST_F(StoreTest, AStrangerToTheMeshPlacesNothing) {
  const RecordPtr ana = leaf_record(1, {node(77)});
  const Place message{7, id_of(ana), to_bytes(ana->exact_bytes())};
  EXPECT_EQ(store->on_place(noon, node(77), nullptr, message).outcome, PlaceOutcome::refused);
  EXPECT_EQ(store->on_place(noon, node(77), members[2].get(), message).outcome,
            PlaceOutcome::refused)
      << "another's record is no admission";
  EXPECT_EQ(verifications, 0);
}

TEST_F(StoreTest, GarbageAndOthersRecordsAreRefused) {
  const auto send = [&](const NodeId& target, Bytes bytes) {
    return store->on_place(noon, id_of(members[2]), members[2].get(), {7, target, bytes}).outcome;
  };
  const RecordPtr ana = leaf(1, {2});
  EXPECT_EQ(send(id_of(ana), Bytes(100, 7)), PlaceOutcome::refused);
  EXPECT_EQ(send(id_of(ana), {}), PlaceOutcome::refused);
  EXPECT_EQ(send(node(3), to_bytes(ana->exact_bytes())), PlaceOutcome::refused);
  Bytes forged = to_bytes(ana->exact_bytes());
  forged.back() ^= 1;
  EXPECT_EQ(send(id_of(ana), forged), PlaceOutcome::refused);
  EXPECT_EQ(store->size(), 0u);
}

TEST_F(StoreTest, WhatBelongsToOthersIsTurnedAwayBeforeAnySignatureIsChecked) {
  members = supernodes(60, 1);
  placement = placement_of(members);
  make({});
  int kept = 0;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const RecordPtr record = leaf(i, {2});
    const bool mine = placement.may_hold(id_of(members[0]), id_of(record));
    EXPECT_EQ(place(2, record), mine ? PlaceOutcome::kept : PlaceOutcome::not_mine);
    kept += mine;
  }
  EXPECT_GT(kept, 0);
  EXPECT_LT(kept, 100);
  EXPECT_EQ(verifications, kept);
}

TEST_F(StoreTest, ARecordIsForgottenThirtyDaysAfterItWasReceivedLast) {
  const RecordPtr ana = leaf(1, {2}), bo = leaf(2, {2});
  place(2, ana);
  place(2, bo);
  EXPECT_EQ(store->next_timeout(), noon + 30 * 24h);
  EXPECT_EQ(place(2, bo, noon + 10 * 24h), PlaceOutcome::kept);
  EXPECT_EQ(verifications, 2) << "the same bytes need no second check";
  store->on_timeout(noon + 30 * 24h);
  EXPECT_FALSE(store->find(id_of(ana)));
  EXPECT_TRUE(store->find(id_of(bo)));
  EXPECT_EQ(store->next_timeout(), noon + 40 * 24h);
  store->on_timeout(noon + 40 * 24h);
  EXPECT_EQ(store->size(), 0u);
  EXPECT_EQ(store->bytes(), 0u);
  EXPECT_EQ(store->next_timeout(), std::nullopt);
}

TEST_F(StoreTest, WhoFillsTheStorePushesOutHisOwnRecordsAndNobodyElses) {
  make({.records = 100, .per_home = 1'000});
  std::vector<RecordPtr> honest;
  for (std::uint64_t i = 0; i < 20; ++i) honest.push_back(leaf(i, {8}));
  for (const RecordPtr& record : honest) EXPECT_EQ(place(8, record), PlaceOutcome::kept);
  // Members 2 to 5 are the attacker's: two netgroups.
  for (std::uint64_t i = 0; i < 400; ++i) {
    const std::size_t home = 2 + i % 4;
    place(home, leaf(1'000 + i, {home}), noon + 1s);
  }
  EXPECT_EQ(store->size(), 100u);
  for (const RecordPtr& record : honest) EXPECT_TRUE(store->find(id_of(record)));
  EXPECT_EQ(place(10, leaf(50, {10}), noon + 2s), PlaceOutcome::kept) << "and there is still room";
}

TEST_F(StoreTest, AnHonestHomeTakesARecordOutOfTheFloodersPile) {
  make({.records = 100, .per_home = 1'000});
  const RecordPtr ana = leaf(1, {2, 8});
  for (std::uint64_t i = 0; i < 50; ++i) place(2, leaf(1'000 + i, {2}));
  place(2, ana);
  place(8, ana);
  place(2, ana, noon + 1s);  // and he cannot draw it back
  for (std::uint64_t i = 0; i < 300; ++i) place(2, leaf(2'000 + i, {2}), noon + 2s);
  EXPECT_TRUE(store->find(id_of(ana)));
}

TEST_F(StoreTest, OneHomeHasItsQuota) {
  make({.per_home = 10});
  for (std::uint64_t i = 0; i < 10; ++i) EXPECT_EQ(place(2, leaf(i, {2})), PlaceOutcome::kept);
  EXPECT_EQ(place(2, leaf(10, {2})), PlaceOutcome::busy);
  EXPECT_EQ(place(2, leaf(5, {2}, 2)), PlaceOutcome::kept) << "renewing takes nothing more";
  EXPECT_EQ(place(4, leaf(11, {4})), PlaceOutcome::kept);
}

TEST_F(StoreTest, BytesAreBoundedAsWellAsRecords) {
  const std::size_t one = leaf(1, {2})->exact_bytes().size();
  make({.bytes = 10 * one});
  for (std::uint64_t i = 0; i < 30; ++i) place(2, leaf(i, {2}), noon + i * 1s);
  EXPECT_EQ(store->size(), 10u);
  EXPECT_TRUE(store->find(id_of(leaf(29, {2})))) << "the oldest went";
}

TEST_F(StoreTest, WhoAsksTooMuchIsToldBusyAndOthersAreServed) {
  const RecordPtr ana = leaf(1, {2});
  place(2, ana);
  std::size_t served = 0;
  for (int i = 0; i < 1'000; ++i) served += find(id_of(ana)).outcome == FindOutcome::known;
  EXPECT_EQ(served, static_cast<std::size_t>(limits::finds_burst));
  EXPECT_EQ(store->on_find(noon, node(2), {9, id_of(ana)}).outcome, FindOutcome::known);

  const RecordPtr bo = leaf(2, {4});
  for (int i = 0; i < 1'100; ++i) place(2, ana);
  EXPECT_EQ(place(2, ana), PlaceOutcome::busy);
  EXPECT_EQ(place(4, bo), PlaceOutcome::kept);
}

}  // namespace
}  // namespace byway::store_test

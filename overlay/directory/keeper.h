// As a home: sees to it that our leaves' records are with their holders.
//
// Each record has its seats (placement.h). A seat is filled when its holder has acknowledged; until
// then the record is sent again with back-off. A change of membership opens the seats that it
// concerns and no others, and which these are costs a few multiplications for each of our leaves.
//
//   open --sent--> asked --kept--> filled --a day later, or its holder restarted--> open
//    ^               |
//    '--silent, busy, not mine (back-off)
//
// A leaf has three homes, and all of them have its record. Three times the same to each holder
// would be two for nothing, so the homes share the seats: which of those that the record names sees
// to a holder, the two ids say, and the others do so only when an hour has gone by. A home that has
// died is named no more in the leaf's next record, which is shared anew among those that are left.
//
// When a third of the network vanishes at once, every home notices at the same time. So new seats
// wait for a random moment within a few seconds, and placements leave one by one at a limited rate;
// what waits is kept in order and each seat only once, so there is nothing to pile up.
//
// A placement to ourselves comes out as any other: hand it to our own store.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "overlay/core/alarms.h"
#include "overlay/directory/placement.h"
#include "protocol/directory_message.h"
#include "protocol/random.h"

namespace byway {

class Keeper {
 public:
  struct Outgoing {
    NodeId to;
    Place message;
  };

  // `placement` outlives the keeper, and has changed already when it is told of a change.
  Keeper(const NodeId& self, const Placement& placement, Random random)
      : self_(self), placement_(placement), random_(std::move(random)) {}

  // A leaf registered here, or renewed its record. One that is older than the last is ignored, and
  // so is one that does not name us as home: no holder would take it from us.
  void keep(TimePoint now, RecordPtr record);
  // It left: nothing more is placed. What the holders have, they keep.
  void release(const NodeId& leaf);

  void on_joined(TimePoint now, const SignedRecord& member);
  // A member has a newer record: perhaps it was started anew and has forgotten what it held.
  void on_renewed(TimePoint now, const SignedRecord& member);
  void on_left(TimePoint now, const SignedRecord& member);
  void on_placed(TimePoint now, const NodeId& from, const Placed& placed);

  void on_timeout(TimePoint now);
  std::optional<Outgoing> poll_message(TimePoint now);
  std::optional<TimePoint> next_timeout() const;
  void foresee() const { alarms_.foresee(); }  // what that looks at

  std::size_t leaves() const { return leaves_.size(); }
  // How many of the leaf's seats are filled.
  std::size_t filled(const NodeId& leaf) const;
  std::size_t waiting() const { return queue_.size(); }

 private:
  struct Seat {
    NodeId holder;
    enum class State : std::uint8_t { open, queued, asked, filled } state = State::open;
    std::uint8_t tries = 0;
    std::uint64_t number = 0;  // of the question, while queued or asked
    TimePoint due{};           // when it is looked at next; not while queued
  };
  struct Leaf {
    AlarmPlace alarm;
    std::uint32_t place = 0;  // in bars_
    RecordPtr record;
    std::vector<Seat> seats;
    TimePoint changed{};  // when its record may be placed, at the earliest

    const NodeId& id() const { return record->record().id; }
  };
  using Ticket = std::pair<NodeId, std::uint64_t>;  // leaf and number of a queued seat
  // What says whether a change of membership concerns a leaf; side by side, for every change asks
  // all of them and concerns few.
  struct Bar {
    Placement::Draw draw;
    std::uint64_t bar = 0;
    Leaf* leaf = nullptr;
  };

  Seat* queued_seat(const Ticket& ticket);
  std::vector<Leaf*> concerned(std::uint64_t group) const;
  void reseat(TimePoint now, Leaf& leaf, Duration spread);
  Duration turn(const Leaf& leaf, const NodeId& holder);
  void reopen(Seat& seat, TimePoint due);
  void schedule(Leaf& leaf);
  bool may_send(TimePoint now) const;

  NodeId self_;
  const Placement& placement_;
  Random random_;
  std::map<NodeId, Leaf> leaves_;
  std::vector<Bar> bars_;                      // of all of them, in no order
  Alarms<Leaf> alarms_;                        // the earliest due seat of each leaf
  std::map<std::uint64_t, NodeId> questions_;  // number -> leaf
  std::deque<Ticket> queue_;                   // to be sent when the rate allows
  TimePoint paid_until_{};                     // what was sent is paid for until then
};

}  // namespace byway

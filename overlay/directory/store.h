// As a holder: the records of leaves that hash to us, for their homes to find.
//
// What an attacker may want here, and what stands against it:
//
//   - to make us lie about a leaf: records are signed, the newest sequence wins, and nothing older
//     ever replaces it;
//   - to put records of others about, or keep old ones alive: only a supernode that the record
//     itself names as home may place it;
//   - to use us as free storage: we keep only what we are a plausible holder for, for 30 days, and
//     so many records of a home;
//   - to fill us until others fall out: records are charged to the netgroup of the home that placed
//     them, and when there is no room, the netgroup that has the most loses its oldest. Whoever has
//     few netgroups pushes out his own. A record that homes of two netgroups place is charged to
//     the one that has less, so nobody can draw another's record to where it would fall out;
//   - to keep us busy with signatures: who is asked is checked first, then rates, then signatures.
#pragma once

#include <boost/intrusive/list.hpp>
#include <functional>
#include <map>
#include <set>
#include <unordered_map>

#include "overlay/core/foresight.h"
#include "overlay/core/rate_limiter.h"
#include "overlay/core/salted_hash.h"
#include "overlay/directory/placement.h"
#include "protocol/directory_message.h"

namespace byway {

// Verifies a record's bytes and gives the shared copy of it: RecordPool::get, or a test's own.
using RecordSource = std::function<Result<RecordPtr>(ByteView exact_bytes)>;

class Store {
 public:
  // The bounds, as parameters so that a test can be short.
  struct Room {
    std::size_t records = limits::stored_records;
    std::size_t bytes = limits::stored_bytes;
    std::size_t per_home = limits::stored_per_home;
  };

  // `placement` outlives the store and knows ourselves as well.
  Store(const NodeId& self, const Placement& placement, RecordSource source, Room room);
  Store(const NodeId& self, const Placement& placement, RecordSource source)
      : Store(self, placement, std::move(source), Room{}) {}

  // `home`: the sender's own record, where it is a supernode of our view; null otherwise.
  Placed on_place(TimePoint now, const NodeId& from, const SignedRecord* home, const Place& place);
  Found on_find(TimePoint now, const NodeId& from, const Find& find);
  void on_timeout(TimePoint now);  // forgets what is too old
  std::optional<TimePoint> next_timeout() const;
  void foresee() const {  // what that looks at
    if (!ages_.empty()) ask_for(&ages_.front(), sizeof(Entry));
  }

  RecordPtr find(const NodeId& target) const;
  std::size_t size() const { return entries_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  using Hook = boost::intrusive::list_member_hook<
      boost::intrusive::link_mode<boost::intrusive::normal_link>>;
  struct Burden;
  struct Entry {
    RecordPtr record;
    TimePoint received;  // last
    NodeId home;         // that placed it
    Burden* charged;     // the netgroup of that home
    Hook in_age;
    Hook in_burden;

    const NodeId& target() const { return record->record().id; }
  };
  using ByAge =
      boost::intrusive::list<Entry, boost::intrusive::member_hook<Entry, Hook, &Entry::in_age>>;
  struct Burden {
    IpAddress netgroup;
    boost::intrusive::list<Entry, boost::intrusive::member_hook<Entry, Hook, &Entry::in_burden>>
        records;  // the oldest first
  };

  void charge(Entry& entry, const NodeId& home, const IpAddress& netgroup);
  void discharge(Entry& entry);
  void refresh(Entry& entry, TimePoint now, RecordPtr record);
  void erase(Entry& entry);
  void make_room();
  std::size_t charged_to(const IpAddress& netgroup) const;

  NodeId self_;
  const Placement& placement_;
  RecordSource source_;
  Room room_;
  RateLimiter<NodeId> places_;
  RateLimiter<NodeId> finds_;
  TokenBucket verifications_;

  // Most of what comes says again what is known: that moves one entry to the end of two lists.
  std::unordered_map<NodeId, Entry, SaltedHash> entries_;
  std::size_t bytes_ = 0;
  ByAge ages_;                                           // the oldest first
  std::map<IpAddress, Burden> netgroups_;                // who is charged with what
  std::set<std::pair<std::size_t, IpAddress>> burdens_;  // how much, the least first
  std::map<NodeId, std::size_t> per_home_;
};

}  // namespace byway

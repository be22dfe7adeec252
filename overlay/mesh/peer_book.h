// The supernodes this node knows of, for the day when it has to join again: a bounded table that
// strangers fill and that is hard to fill with lies. In the manner of Bitcoin's address manager.
//
// Whoever owns all the entries we would try owns us: we would join his network instead of the real
// one. What he may do, and what stands against it:
//
//   - Tell us thousands of addresses. An address that was only heard of is "new". There are 128
//     buckets of 4 for these, and which bucket is a keyed hash of who told us (his netgroup) and of
//     the address's netgroup: one teller reaches 8 buckets, however much he tells. A full bucket
//     refuses, unless one in it has failed repeatedly or was not heard of for a month.
//   - Run many real supernodes in the few netgroups he has. Only addresses that answered us, with
//     the right key, are "tried": 128 buckets of 4, and a netgroup belongs to exactly one. Four
//     netgroups hold 16 of 512 places at most.
//   - Push good entries out of "tried". Nothing is evicted untested: when a bucket is full the
//     newcomer waits while the one longest unconfirmed in it is asked (a feeler), and takes the
//     place only if that fails.
//   - Guess which bucket collides with whom. The hash is keyed with a secret of this node's own.
//   - Wait for us to restart. Tried entries, and with them the secret, survive a restart; so do two
//     "anchors", nodes that served us well for long, which are tried before anything else, and
//     which nothing but their own repeated failure removes.
//   - Fill the table with the dead. Feelers try a random "new" entry now and then, so what answers
//     moves to "tried" in good time, and what does not makes room.
//   - Damage or write the file. It is parsed as any stranger's message; the worst is an Error.
//
//   heard of --answers--> tried        heard of, fails 3 times: makes room for others
//      ^                    |
//      '--its place went to one that answers
//
// Times are wall times, for they have to survive a restart; a clock that was set back only makes
// entries look fresh. An entry takes 104 bytes.
#pragma once

#include <array>
#include <optional>
#include <unordered_map>
#include <vector>

#include "protocol/crypto.h"
#include "protocol/endpoint.h"
#include "protocol/identity.h"
#include "protocol/random.h"
#include "protocol/result.h"

namespace byway {

namespace limits {

// 512 new and 512 tried: at 5 supernodes a netgroup enough to keep two hundred of a large network.
inline constexpr std::size_t book_buckets = 128;
inline constexpr std::size_t book_bucket_size = 4;
// How many of the new buckets one netgroup can reach by telling us addresses.
inline constexpr std::size_t book_buckets_per_source = 8;
inline constexpr std::size_t book_anchors = 2;
// An entry that never answered makes room after 3 failures, any other new one after 10 in a week.
inline constexpr int book_failures_new = 3;
inline constexpr int book_failures_known = 10;
inline constexpr auto book_horizon = 30 * 24h;
// An anchor may be away for a while, and is only given up after this many failures in a row.
inline constexpr int book_failures_anchor = 8;
// What was tried a moment ago is hardly worth another try.
inline constexpr auto book_retry = 10min;
// Feelers: a handshake every two minutes costs a supernode nothing and turns the book over in a
// day. A leaf, which has a megabyte a day for everything, asks every half hour: 50 kB a day.
inline constexpr Duration feeler_interval = 2min;
inline constexpr Duration leaf_feeler_interval = 30min;
// How long a feeler's link is kept: a handshake with all its repetitions.
inline constexpr Duration feeler_patience = 15s;
// A home or partner that has answered for so long serves well enough to be an anchor.
inline constexpr Duration book_steady = 30min;
// That somebody does not answer says something about him only while others do answer.
inline constexpr Duration book_witness = 10min;

}  // namespace limits

class PeerBook {
 public:
  struct Candidate {
    NodeId id;
    Endpoint endpoint;
    enum class Kind : std::uint8_t { fresh, tried, anchor } kind = Kind::fresh;
    bool operator==(const Candidate&) const = default;
  };

  PeerBook(const Crypto& crypto, Random random, int netgroup_bits_v4, int netgroup_bits_v6);

  // `source`, at its address, told us of the node; its signature on the endpoint was verified.
  // False when there is no place for it.
  bool add(WallTime wall, const NodeId& id, const Endpoint& endpoint, const IpAddress& source);
  // It answered at this endpoint and proved its key.
  void good(WallTime wall, const NodeId& id, const Endpoint& endpoint);
  // It did not answer, where it should have.
  void failed(WallTime wall, const NodeId& id);
  // It has served us for long: worth keeping as an anchor, if there is room for one.
  void steady(const NodeId& id);

  // Whom to try next: anchors first, then new and tried in equal parts at random, those that
  // failed or were just tried less often. Counts as a try.
  std::optional<Candidate> select(WallTime wall);
  // A node to be asked whether it is still there, each `interval` or so; tell good() or failed().
  std::optional<Candidate> poll_feeler(TimePoint now, WallTime wall,
                                       Duration interval = limits::feeler_interval);
  std::optional<TimePoint> next_feeler() const { return next_feeler_; }

  std::vector<Candidate> anchors() const;
  std::size_t size() const { return index_.size(); }
  std::size_t tried() const;
  bool is_tried(const NodeId& id) const;
  bool knows(const NodeId& id) const { return index_.contains(id); }

  // The whole book; its secret included, so the file is for our eyes only.
  Bytes save() const;
  // malformed, truncated: damaged, or not ours. Nothing in it is believed beyond what a stranger
  // could have told us, except which entries were tried.
  static Result<PeerBook> load(ByteView saved, const Crypto& crypto, Random random,
                               int netgroup_bits_v4, int netgroup_bits_v6);

 private:
  using Slot = std::uint16_t;  // index into entries_
  static constexpr Slot empty = 0xffff;
  using Table = std::array<Slot, limits::book_buckets * limits::book_bucket_size>;

  struct Entry {
    NodeId id;
    Endpoint endpoint;
    IpAddress source;      // its netgroup
    WallTime heard{};      // last told of
    WallTime succeeded{};  // zero: never
    WallTime tried_at{};
    std::uint16_t place = empty;  // in its table
    std::uint8_t failures = 0;    // since it last answered
    bool is_tried = false;
    bool is_anchor = false;
  };
  struct Dispute {
    NodeId holder;
    NodeId challenger;
    bool operator==(const Dispute&) const = default;
  };

  IpAddress netgroup(const IpAddress& address) const;
  std::size_t hash(std::string_view purpose, ByteView a, ByteView b, std::size_t below) const;
  std::size_t new_bucket(const Entry& entry) const;
  std::size_t tried_bucket(const Entry& entry) const;
  Table& table_of(const Entry& entry) { return entry.is_tried ? tried_ : new_; }
  bool is_worthless(WallTime wall, const Entry& entry) const;
  static bool just_tried(WallTime wall, const Entry& entry);
  double chance(WallTime wall, const Entry& entry) const;
  Entry* find(const NodeId& id);
  const Entry* find(const NodeId& id) const { return const_cast<PeerBook*>(this)->find(id); }
  Slot store(const Entry& entry);
  void drop(Slot slot);
  void leave_place(Entry& entry);
  bool place_new(WallTime wall, Slot slot);
  bool place_tried(Slot slot);
  Entry& least_confirmed(std::size_t bucket);
  void settle_dispute(WallTime wall, const NodeId& holder, bool holder_answered);
  std::optional<Slot> draw(WallTime wall, const Table& table);
  Candidate candidate(const Entry& entry) const;

  const Crypto* crypto_;
  Random random_;
  int bits_v4_;
  int bits_v6_;
  Key secret_;
  Table new_;
  Table tried_;
  std::vector<Entry> entries_;
  std::vector<Slot> free_;
  std::unordered_map<NodeId, Slot> index_;  // only looked up in
  std::vector<NodeId> anchors_;             // the first gained first
  std::vector<Dispute> disputes_;           // one for a place at most
  std::optional<TimePoint> next_feeler_;
};

}  // namespace byway

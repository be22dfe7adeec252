// Which supernodes hold a leaf's record: computed by everybody from the view, asked of nobody.
//
// Every netgroup has a score for every target, H(target, netgroup), and every supernode one within
// its netgroup, H(target, NodeId): highest random weight. The record is held in the 8 netgroups
// with the highest scores, in each by the supernode with the highest. Where there are fewer than 8
// netgroups we go round again: the second best of each, in the same order, until there are 8
// holders or no more supernodes. So
//
//   - a supernode that comes or goes changes only the targets for which it wins: 8 in n;
//   - many supernodes in few netgroups hold few copies, however many they are;
//   - two nodes whose views differ a little agree on most holders.
//
// H must be the same everywhere and fast, for one look-up weighs every netgroup: SHA-256 of the
// target gives 128 bits of key, once per target (its Draw), and with it 64-bit multiplications mix
// what stands for the netgroup or node. Keys can be ground so that a NodeId wins in its own
// netgroup, whatever the hash; a netgroup cannot be chosen so.
//
// A member stands where its record's first endpoint is. Entries are 16 bytes: the records are
// shared with the view.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "overlay/directory/directory_limits.h"
#include "protocol/crypto.h"
#include "protocol/record.h"

namespace byway {

class Placement {
 public:
  // What H needs to know of a target. Costs a SHA-256; kept by whoever asks often.
  struct Draw {
    std::uint64_t first = 0;
    std::uint64_t second = 0;
  };
  // `bar`: the lowest score among the netgroups that hold the target. What happens in a netgroup
  // below it is of no concern to the target.
  struct Seats {
    std::vector<NodeId> holders;  // the best first
    std::uint64_t bar = 0;
  };

  struct Scored {
    std::uint64_t score;
    std::size_t index;
  };

  Placement(const Crypto& crypto, int netgroup_bits_v4, int netgroup_bits_v6)
      : crypto_(&crypto), bits_v4_(netgroup_bits_v4), bits_v6_(netgroup_bits_v6) {}

  // Every member of the view, ourselves included. False: nothing changed but the member's record.
  // A member that moved is removed with its old record first.
  bool add(RecordPtr member);
  bool remove(const SignedRecord& member);

  Draw draw(const NodeId& target) const;
  Seats seats(const Draw& draw, std::size_t count = limits::holders_per_record) const;
  std::vector<NodeId> holders(const NodeId& target) const { return seats(draw(target)).holders; }
  // Whether `node` is among the `count` best. Cheap where it is always asked about the same node.
  bool may_hold(const NodeId& node, const NodeId& target,
                std::size_t count = limits::plausible_holders) const;
  // What stands for the member's netgroup in scores; none for a record without endpoints.
  std::optional<std::uint64_t> group_of(const SignedRecord& member) const;
  // Whether a coming or going in that netgroup may change the target's seats: four multiplications.
  static bool concerns(const Draw& draw, std::uint64_t bar, std::uint64_t group);

  bool has(const SignedRecord& member) const;
  // Where its record says it is; none for a record without endpoints.
  std::optional<IpAddress> netgroup_of(const SignedRecord& member) const;
  std::size_t size() const { return size_; }
  std::size_t netgroups() const { return groups_.size(); }

 private:
  using Members = std::vector<RecordPtr>;
  std::size_t index_of(std::uint64_t group) const;
  std::vector<NodeId> best_of_each(const Draw& draw, const std::vector<Scored>& groups) const;
  bool is_in(std::uint64_t group, const NodeId& node) const;
  bool find_group(const NodeId& node) const;

  const Crypto* crypto_;
  int bits_v4_;
  int bits_v6_;
  // Side by side and sorted, so that weighing all netgroups reads 8 bytes for each.
  std::vector<std::uint64_t> groups_;
  std::vector<Members> members_;
  std::size_t size_ = 0;
  mutable std::uint64_t group_asked_ = 0;  // where the node was that may_hold was asked about last
};

}  // namespace byway

// The supernodes that are vouched for, and which of them are admitted.
//
// Vouched for is not admitted. Whoever owns a whole address block can run many honest-looking
// supernodes in it, so of each /24 (IPv6: /48) only the two that have been members longest count,
// and of each netgroup at most eight or a fiftieth of all, the oldest again; ties by position. (Of
// all: where no netgroup counts for more than eight, or whoever has many keys in a few netgroups
// would raise his own limit with them.) That is a pure function of who is vouched for and since
// when: in whatever order the news came, two nodes that hold the same admit the same. That they
// hold the same records is what the hash tree's root says; the times agree but for moments (whoever
// vouches second says what the first said). A newcomer never displaces anybody older; where one
// falls out, the next oldest moves up.
//
// Sizes: an entry is 40 bytes and stands in two orders (round the ring with its position, 12 bytes,
// and by netgroup and age, 4 bytes). Finding is O(log n); a change also shifts up to 4 n bytes, 1
// µs at 10,000.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "overlay/mesh/archive.h"
#include "overlay/mesh/hash_tree.h"
#include "protocol/random.h"
#include "protocol/time.h"

namespace byway {

class View {
 public:
  static constexpr std::uint8_t load_unknown = 0xff;

  struct Member {
    DossierPtr dossier;
    Position position = 0;
    WallTime since{};     // member since, as its vouchers say
    bool strong = false;  // vouched for by two netgroups
    bool admitted = false;
    std::uint8_t load = load_unknown;  // 0…7, where it told us

    const NodeId& id() const { return dossier->id(); }
  };
  static_assert(sizeof(Member) <= 48);

  // Somebody came into or fell out of the admitted view.
  struct Change {
    DossierPtr dossier;
    bool admitted;
  };

  View(int netgroup_bits_v4, int netgroup_bits_v6);

  // Adds a member, or replaces what is known of it.
  void put(DossierPtr dossier, WallTime since, bool strong);
  bool remove(const NodeId& id);
  void set_load(const NodeId& id, std::uint8_t load);
  std::optional<Change> poll_change();

  const Member* find(const NodeId& id) const;
  // Whoever stands there, the first of several.
  const Member* at_position(Position position) const;
  // Whoever stands there will be looked for: asks for what that takes (core/foresight.h), in each
  // round for what the rounds before have led to.
  static constexpr int rounds_of_foresight = 4;
  void foresee(int round, Position position) const;
  bool is_admitted(const NodeId& id) const;
  // Another one after every change but of loads.
  std::uint64_t version() const { return version_; }
  bool empty() const { return ring_.empty(); }
  std::size_t known() const { return ring_.size(); }    // vouched for
  std::size_t size() const { return admitted_; }        // admitted
  std::size_t netgroups() const { return netgroups_; }  // that have an admitted member
  std::size_t with_vouchers() const { return with_vouchers_; }
  // Whether `count` netgroups hold a strong member. Cheap where the answer is yes.
  bool has_strong_netgroups(std::size_t count) const;
  const HashTree& tree() const { return tree_; }
  IpAddress netgroup_of(const IpAddress& address) const;

  // The admitted ones nearest to a position, the nearest first, without `except`.
  std::vector<NodeId> nearest(Position position, std::size_t count,
                              const NodeId& except = {}) const;
  // The admitted ones next to a position on either side of the ring, `each_side` of them, without
  // the node that stands there and those that `skip` names.
  using Skip = std::function<bool(const NodeId&)>;
  std::vector<NodeId> beside(Position position, std::size_t each_side, const Skip& skip = {}) const;
  // How far apart two positions are, in members between them.
  std::size_t steps_between(Position a, Position b) const;
  // Any admitted member but `except`; none where there is no other.
  std::optional<NodeId> random_member(Random& random, const NodeId& except) const;
  // The mean of what the `count` nearest told, 0…7; none where none did.
  std::optional<double> mean_load(Position position, std::size_t count, const NodeId& except) const;

  // All members (admitted or not) with positions from `from` up to and with `last`, while `take`
  // returns true.
  void each(Position from, Position last, const std::function<bool(const Member&)>& take) const;
  void each_admitted(const std::function<void(const Member&)>& take) const;
  // By number, below known(): whoever is vouched for, admitted or not.
  const Member& at(std::size_t number) const { return slots_[ring_[number]]; }

 private:
  using Slot = std::uint32_t;

  void grow();
  std::size_t lower(Position position) const;  // index in ring_
  std::optional<std::size_t> index_of(const NodeId& id) const;
  template <typename Take>
  void walk_from(Position position, Take&& take) const;  // the nearest first, until it says no
  bool ages_before(Slot a, Slot b) const;                // order of ages_
  void admit(const IpAddress& netgroup);
  void judge_all_if_cap_changed();
  std::size_t cap() const;
  std::pair<std::size_t, std::size_t> run_of(const IpAddress& netgroup) const;
  IpAddress pair_of(const IpAddress& address) const;
  void set_admitted(Slot slot, bool admitted);

  int bits_v4_;
  int bits_v6_;
  std::vector<Member> slots_;
  std::vector<Slot> free_;
  std::vector<Slot> ring_;        // by position, then id
  std::vector<Position> places_;  // of those in ring_, side by side for searching
  std::vector<Slot> ages_;        // by netgroup, then since, position and id
  HashTree tree_;
  std::size_t admitted_ = 0;
  std::size_t netgroups_ = 0;
  std::size_t with_vouchers_ = 0;
  std::size_t crowded_ = 0;   // netgroups with more than may always be admitted
  std::size_t counting_ = 0;  // members, of each netgroup no more than may always be admitted
  std::size_t judged_with_cap_;
  std::uint64_t version_ = 0;
  std::deque<Change> changes_;
};

}  // namespace byway

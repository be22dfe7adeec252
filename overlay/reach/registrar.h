// As a supernode: who is registered here. A leaf registers by a handshake and stays as long as it
// is heard of; one that was silent for its lease is forgotten. Full means BUSY with a time to try
// again, and never an existing leaf put out.
//
// Three classes: a leaf without a home is taken in up to 1.3 times the limit, one that seeks its
// second or third below 0.9 of it, and one that has three and wants to move (seeking its fourth)
// below 0.7. So a full house stays open for those who have nowhere else to go.
//
// All leases are of one length, so whoever was heard of longest ago is the next to go: the leaves
// stand in a row by that, and each that is heard of goes to its end. There may be 100,000 of them,
// which are small therefore, lie in one piece of memory, and name their neighbours by number.
#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "protocol/message.h"
#include "protocol/record.h"

namespace byway {

class Registrar {
 public:
  explicit Registrar(std::size_t max_leaves) : max_leaves_(max_leaves) {}

  // What to answer to a wish to register; nothing is kept before admit().
  std::variant<Registered, Refusal> judge(const NodeId& leaf, const Registration& wish) const;
  void admit(TimePoint now, const NodeId& leaf, RecordPtr record);
  void on_heard_from(TimePoint now, const NodeId& leaf);
  void remove(const NodeId& leaf);
  bool has(const NodeId& leaf) const { return places_.contains(leaf); }

  // A leaf whose lease ran out; it is forgotten with this.
  std::optional<NodeId> poll_expired(TimePoint now);
  std::optional<TimePoint> next_timeout() const;
  // Asks for what next_timeout() looks at, a step further in each of two rounds.
  void foresee(int round) const;
  std::size_t size() const { return leaves_->size(); }
  // In no order; `place` < size(). Others have other places once one is removed.
  const NodeId& at(std::size_t place) const { return (*leaves_)[place].id; }
  // Those whose record names this home, while `take` says yes. One in ten is looked at in vain, the
  // others cost 4 bytes of memory each.
  template <typename Take>
  void each_with_home(const NodeId& home, Take&& take) const {
    const Marks mark = mark_of(home);
    for (Place place = 0; place < leaves_->size(); ++place)
      if ((marks_[place] & mark) != 0 && names((*leaves_)[place], home))
        if (!take((*leaves_)[place].id)) return;
  }
  std::vector<NodeId> ids() const;
  RecordPtr record_of(const NodeId& leaf) const;
  // How many to take in at this moment.
  void set_limit(std::size_t max_leaves) { max_leaves_ = max_leaves; }

 private:
  using Place = std::uint32_t;
  static constexpr Place nowhere = ~Place{0};
  struct Leaf {
    NodeId id;
    RecordPtr record;
    TimePoint heard;
    Place before = nowhere;  // heard of earlier
    Place after = nowhere;
  };
  using Leaves = std::vector<Leaf>;
  // A leaf is found by its id, without the index keeping another copy of that.
  struct Hash {
    using is_transparent = void;
    const Leaves* leaves;
    std::size_t operator()(const NodeId& id) const noexcept { return std::hash<NodeId>{}(id); }
    std::size_t operator()(Place place) const noexcept { return (*this)((*leaves)[place].id); }
  };
  struct Same {
    using is_transparent = void;
    const Leaves* leaves;
    bool operator()(Place a, Place b) const noexcept { return a == b; }
    bool operator()(const NodeId& id, Place place) const noexcept {
      return id == (*leaves)[place].id;
    }
    bool operator()(Place place, const NodeId& id) const noexcept { return (*this)(id, place); }
  };

  using Marks = std::uint32_t;  // a bit for each home that a record names
  static Marks mark_of(const NodeId& home);
  static bool names(const Leaf& leaf, const NodeId& home);

  void hear(TimePoint now, Place place);
  void link_last(Place place);
  void unlink(Place place);
  void erase(Place place);

  std::size_t max_leaves_;
  std::unique_ptr<Leaves> leaves_ = std::make_unique<Leaves>();  // stays where the index knows it
  boost::unordered_flat_set<Place, Hash, Same> places_{0, Hash{leaves_.get()}, Same{leaves_.get()}};
  std::vector<Marks> marks_;  // of the leaves, in their order
  Place first_ = nowhere;     // in the row
  Place last_ = nowhere;
};

}  // namespace byway

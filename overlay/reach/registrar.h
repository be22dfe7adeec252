// As a supernode: who is registered here. A leaf registers by a handshake and stays as long as it
// is heard of; one that was silent for its lease is forgotten. Full means BUSY with a time to try
// again, and never an existing leaf put out.
//
// Three classes: a leaf without a home is taken in up to 1.3 times the limit, one that seeks its
// second or third below 0.9 of it, and one that has three and wants to move (seeking its fourth)
// below 0.7. So a full house stays open for those who have nowhere else to go.
#pragma once

#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "overlay/core/timers.h"
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
  bool has(const NodeId& leaf) const { return leaves_.contains(leaf); }

  // A leaf whose lease ran out; it is forgotten with this.
  std::optional<NodeId> poll_expired(TimePoint now);
  std::optional<TimePoint> next_timeout() const { return leases_.next(); }
  std::size_t size() const { return leaves_.size(); }
  const std::vector<NodeId>& ids() const { return ids_; }  // in no order
  RecordPtr record_of(const NodeId& leaf) const;
  // How many to take in at this moment.
  void set_limit(std::size_t max_leaves) { max_leaves_ = max_leaves; }

 private:
  struct Leaf {
    RecordPtr record;
    TimePoint heard;
    std::size_t place;  // in ids_
  };
  using Leaves = std::map<NodeId, Leaf>;
  void erase(Leaves::iterator leaf);

  std::size_t max_leaves_;
  std::vector<NodeId> ids_;
  Leaves leaves_;
  Timers<NodeId> leases_;  // a deadline may be early; it is looked at again then
};

}  // namespace byway

// Those with whom something is to be done, in the order of their ids, so that one seed tells one
// story. It fills and empties with nearly every packet, so the last place that became free is kept
// for the next and the heap is not asked.
#pragma once

#include <set>
#include <utility>

#include "protocol/identity.h"

namespace byway {

class Agenda {
 public:
  bool empty() const { return ids_.empty(); }
  const NodeId& first() const { return *ids_.begin(); }

  void insert(const NodeId& id) {
    if (spare_.empty()) {
      ids_.insert(id);
      return;
    }
    spare_.value() = id;
    auto done = ids_.insert(std::move(spare_));
    spare_ = std::move(done.node);
  }
  void erase(const NodeId& id) {
    if (auto place = ids_.extract(id)) spare_ = std::move(place);
  }
  NodeId pop() {
    spare_ = ids_.extract(ids_.begin());
    return spare_.value();
  }

 private:
  std::set<NodeId> ids_;
  std::set<NodeId>::node_type spare_;
};

}  // namespace byway

// Which handshake messages are new. Message 1 of a handshake can be recorded and sent again by
// anyone; its stamp is what tells a replay from a renewal. A stamp is accepted once per key: it
// has to be newer than the last one of that key, or, for a key not remembered, newer than our own
// start (what was recorded before we started is of no use against us), and near our clock.
#pragma once

#include <list>
#include <unordered_map>

#include "protocol/identity.h"
#include "protocol/time.h"

namespace byway {

class Stamps {
 public:
  explicit Stamps(WallTime started) : started_(started) {}

  enum class Verdict { fresh, repeated, stale };  // repeated: exactly the last one again
  // Does not remember it yet: that is for accept(), once the whole message proved good.
  Verdict judge(WallTime wall, const NodeId& id, WallTime stamp) const;
  void accept(WallTime wall, const NodeId& id, WallTime stamp);

 private:
  struct Entry {
    WallTime last;
    WallTime at;  // by our clock
    std::list<NodeId>::iterator age;
  };
  WallTime started_;
  std::list<NodeId> ages_;  // most recently accepted first
  std::unordered_map<NodeId, Entry> entries_;
};

}  // namespace byway

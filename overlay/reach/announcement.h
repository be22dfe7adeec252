// A leaf's newest record on its way to its homes: told to each, and told again to those that do not
// say that they have it, after a pause that doubles. A home without it would name former homes of
// the leaf to whoever asks, and not warn the leaf when one of the new ones dies.
//
// A home that does not know `registered` as an answer never says so, and is given up after a while.
#pragma once

#include <optional>
#include <vector>

#include "protocol/message.h"
#include "protocol/time.h"

namespace byway {

class Announcement {
 public:
  struct Telling {
    NodeId home;
    bool again = false;
  };

  // Another record, and whom it is for. What was under way is not told any more.
  void tell(TimePoint now, Registration registration, const std::vector<NodeId>& homes);
  // A home says that it has a record of ours.
  void on_taken(const NodeId& home);
  void on_timeout(TimePoint now);

  // Who is to be sent registration() now.
  std::optional<Telling> poll();
  const Registration& registration() const { return registration_; }
  std::optional<TimePoint> next_timeout() const { return again_at_; }

 private:
  struct Home {
    NodeId id;
    int answers_due = 0;  // one for each time it was told: an answer may be to a record before
    bool to_tell = true;
    bool again = false;
  };

  Registration registration_;
  std::vector<Home> homes_;
  std::optional<TimePoint> again_at_;
  Duration pause_{};
  int repeats_left_ = 0;
};

}  // namespace byway

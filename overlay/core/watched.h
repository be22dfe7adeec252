// When some machines want to be woken next, without asking them each time.
//
// A node has a dozen machines, and most of what happens to it concerns one or two of them. To ask
// the others when they want to be woken costs nothing but the memory that has to be fetched for it,
// which is most of what a packet costs where thousands of nodes live in one process. So a deadline
// is remembered for several of them together, until one is changed; and a machine can be changed
// only by change(), which says so.
//
//   Deadline deadline;
//   Watched<Membership> membership{deadline, …};
//   membership->view();                    to look
//   membership.change().on_message(…);     to tell it something: the deadline is asked for again
//   deadline.next([&] { return membership->next_timeout(); });
#pragma once

#include <optional>
#include <utility>

#include "protocol/time.h"

namespace byway {

class Deadline {
 public:
  // `ask` gives the earliest of all that share it.
  template <typename Ask>
  std::optional<TimePoint> next(Ask&& ask) {
    if (changed_) next_ = ask();
    changed_ = false;
    return next_;
  }
  // Its time has come, or one of them was changed and may have something to tell.
  bool may_be_due(TimePoint now) const { return changed_ || (next_ && *next_ <= now); }
  void on_change() { changed_ = true; }
  bool is_changed() const { return changed_; }  // since it was asked for

 private:
  std::optional<TimePoint> next_;
  bool changed_ = true;
};

template <typename Machine>
class Watched {
 public:
  template <typename... Args>
  explicit Watched(Deadline& deadline, Args&&... args)
      : deadline_(deadline), machine_(std::forward<Args>(args)...) {}

  const Machine* operator->() const { return &machine_; }
  const Machine& operator*() const { return machine_; }
  Machine& change() {
    deadline_.on_change();
    return machine_;
  }

 private:
  Deadline& deadline_;
  Machine machine_;
};

}  // namespace byway

// The time of one QUIC session: the node's, but for what was missed.
//
//   node       --|------------|==== asleep, or no path ====|-------->
//   session    --|------------||----------------------------------->
//                             timer due                    looked at again
//
// Who sleeps for half a minute, or has no path for so long, has learnt nothing about the network
// meanwhile. Taken as it is, the gap would become a round trip time of half a minute, and the next
// question would wait for minutes (RFC 9002, 5.3 and 6.2). So when a timer is looked at much too
// late, the session's clock stands where it was due.
#pragma once

#include <algorithm>
#include <optional>

#include "protocol/time.h"

namespace byway {

class SessionClock {
 public:
  // A gap of `longest` is no pause any more: the session is told the truth, and ends by its idle
  // timeout.
  SessionClock(TimePoint now, Duration longest) : last_(now), longest_(longest) {}

  // The session's time, which never goes back. `due`: when, by that time, it wanted to be woken.
  TimePoint at(TimePoint now, std::optional<TimePoint> due) {
    TimePoint own = now - behind_;
    if (due) {
      const TimePoint stopped = std::max(*due, last_);
      const Duration missed = own - stopped;
      if (missed >= noticed && missed < longest_) {
        behind_ += missed;
        own = stopped;
      }
    }
    return last_ = std::max(last_, own);
  }
  // The node's time at which the session's will be `own`.
  TimePoint outside(TimePoint own) const { return own + behind_; }

 private:
  static constexpr Duration noticed = 250ms;  // more than a busy machine is late

  Duration behind_{};
  TimePoint last_;
  Duration longest_;
};

}  // namespace byway

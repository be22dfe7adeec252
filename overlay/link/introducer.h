// How often anyone may have others introduced. As a supernode we pass on so many a second for one
// caller; as a leaf we take so many from one home, and so many from one address behind it, so that
// neither a home that turned bad nor a caller with many keys can drown us.
#pragma once

#include "overlay/core/limits.h"
#include "overlay/core/rate_limiter.h"
#include "protocol/message.h"

namespace byway {

class Introducer {
 public:
  Introducer()
      : per_caller_(limits::introductions_per_caller, limits::introductions_burst,
                    limits::tracked_strangers),
        per_forwarder_(limits::introductions_per_forwarder, 2 * limits::introductions_per_forwarder,
                       limits::tracked_strangers),
        per_home_(limits::introductions_per_home, 2 * limits::introductions_per_home,
                  4 * limits::homes_per_leaf),
        per_address_(limits::introductions_per_address, limits::introductions_address_burst,
                     limits::tracked_strangers) {}

  bool may_call(TimePoint now, const NodeId& caller) { return per_caller_.take(now, caller); }
  // Another supernode, for a leaf of its own.
  bool may_forward(TimePoint now, const NodeId& home) { return per_forwarder_.take(now, home); }
  bool may_be_called(TimePoint now, const NodeId& home, const IpAddress& caller) {
    return per_home_.take(now, home) && per_address_.take(now, {home, caller});
  }

 private:
  RateLimiter<NodeId> per_caller_;
  RateLimiter<NodeId> per_forwarder_;
  RateLimiter<NodeId> per_home_;
  RateLimiter<std::pair<NodeId, IpAddress>> per_address_;
};

}  // namespace byway

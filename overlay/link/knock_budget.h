// What may be sent to addresses that have not answered. An introduction names addresses; without
// a budget, whoever can get introduced could have any host on the internet knocked at.
// To one such address: at most 16 packets per introduction (counted by Punch) and 64 a minute
// over all introductions (counted here). An address that answered is no stranger any more.
#pragma once

#include "overlay/core/limits.h"
#include "overlay/core/rate_limiter.h"
#include "protocol/endpoint.h"

namespace byway {

class KnockBudget {
 public:
  KnockBudget()
      : per_address_((limits::knocks_per_minute - limits::knocks_per_introduction) / 60.0,
                     limits::knocks_per_introduction, limits::tracked_strangers) {}

  // A bucket that holds 16 and refills by 48 a minute never lets more than 64 pass in one.
  bool take(TimePoint now, const IpAddress& address) { return per_address_.take(now, address); }

 private:
  RateLimiter<IpAddress> per_address_;
};

}  // namespace byway

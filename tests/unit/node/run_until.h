// Real sockets and timers are waited for by running them.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>

#include "node/clock.h"

namespace byway {

// False: it did not come true in time.
inline bool run_until(boost::asio::io_context& io, const std::function<bool()>& holds,
                      std::chrono::seconds limit = 15s) {
  const TimePoint end = monotonic_now() + limit;
  while (!holds()) {
    if (monotonic_now() >= end) return false;
    io.run_one_for(std::chrono::milliseconds(20));
  }
  return true;
}

}  // namespace byway

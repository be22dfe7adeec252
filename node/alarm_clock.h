// One timer of the system's (timerfd_create(2)), for whoever sets it anew at every ring.
//
// A stream's pace sets a timer thousands of times a second. Asio's own asks the kernel twice for
// each ring (once when it rang, for the next of all timers, and once when it is set), and asking
// is the dear part: it programs the machine's clock.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <functional>
#include <memory>

#include "protocol/time.h"

namespace byway {

class AlarmClock {
 public:
  // `ring` runs on `io`; it may set the clock again.
  AlarmClock(boost::asio::io_context& io, std::function<void()> ring);

  // By the clock of monotonic_now(); what is past rings at once. Replaces what was set before.
  void set(TimePoint when);
  // It does not ring any more, and `io` does not wait for it.
  void close();

 private:
  void wait();

  boost::asio::posix::stream_descriptor handle_;
  std::function<void()> ring_;
  std::uint64_t rung_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace byway

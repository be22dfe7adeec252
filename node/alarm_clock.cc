#include "node/alarm_clock.h"

#include <sys/timerfd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <cerrno>
#include <system_error>
#include <utility>

namespace byway {
namespace {

int open_timer() {
  const int fd = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::system_category(), "timerfd_create");
  return fd;
}

}  // namespace

AlarmClock::AlarmClock(boost::asio::io_context& io, std::function<void()> ring)
    : handle_(io, open_timer()), ring_(std::move(ring)) {
  wait();
}

void AlarmClock::set(TimePoint when) {
  // All zeros would stop it.
  const auto since = std::max<Duration>(when.time_since_epoch(), 1ns);
  itimerspec spec{};
  spec.it_value.tv_sec = static_cast<time_t>(since / 1s);
  spec.it_value.tv_nsec = static_cast<long>((since % 1s).count());
  ::timerfd_settime(handle_.native_handle(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

void AlarmClock::close() {
  boost::system::error_code ignored;
  handle_.close(ignored);
}

void AlarmClock::wait() {
  // Reading how often it rang makes it wait for the next time.
  handle_.async_read_some(boost::asio::buffer(&rung_, sizeof(rung_)),
                          [this, alive = std::weak_ptr<int>(alive_)](
                              const boost::system::error_code& error, std::size_t) {
                            if (error || alive.expired()) return;
                            wait();
                            ring_();
                          });
}

}  // namespace byway

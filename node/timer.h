// Rings once, later, on the node's thread, and lets the runtime settle afterwards. Setting it
// again, cancel() and its own end all silence it for good.
#pragma once

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <utility>

#include "node/runtime.h"

namespace byway {

class Timer {
 public:
  explicit Timer(Runtime& runtime) : runtime_(runtime), timer_(runtime.io()) {}

  void after(Duration delay, std::function<void()> ring) {
    pending_ = std::make_shared<std::function<void()>>(std::move(ring));
    timer_.expires_after(std::max(delay, Duration::zero()));
    timer_.async_wait([runtime = &runtime_, pending = std::weak_ptr<std::function<void()>>(
                                                pending_)](const boost::system::error_code&) {
      // Taken out while it runs: it may well end the timer's owner, or set it again.
      const auto ring_now = pending.lock();
      if (!ring_now || !*ring_now) return;
      std::exchange(*ring_now, nullptr)();
      runtime->settle();
    });
  }
  void cancel() { pending_.reset(); }

 private:
  Runtime& runtime_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<std::function<void()>> pending_;
};

// For an owner that a timer must not keep alive.
template <typename Owner>
std::function<void()> weakly(Owner* owner, void (Owner::*method)()) {
  return [weak = owner->weak_from_this(), method] {
    if (const auto self = weak.lock()) ((*self).*method)();
  };
}

}  // namespace byway

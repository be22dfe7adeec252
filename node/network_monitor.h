// Notices that the host is in another network, as soon as the kernel knows (rtnetlink(7)).
//
// The kernel reports every link, address and route that comes or goes; a laptop that changes its
// network causes a dozen reports within half a second, and a container that starts next door some
// more that mean nothing to us. So reports are only a reason to look: a little after the first of
// them, and once more when they have ended, the addresses and the default routes are compared with
// what they were.
//
//   quiet --report--> gathering --100 ms, and every 100 ms while reports come--> told, quiet
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "protocol/time.h"

namespace byway {

class NetworkMonitor {
 public:
  explicit NetworkMonitor(boost::asio::io_context& io);
  NetworkMonitor(const NetworkMonitor&) = delete;
  NetworkMonitor& operator=(const NetworkMonitor&) = delete;

  // `look` is called when something may have changed. Without rtnetlink (some containers) it never
  // is: whoever uses this looks from time to time as well.
  void start(std::function<void()> look);
  void close();

  // Whether the default routes, or which interfaces carry anything, are others than when this was
  // last asked. Addresses are for the caller to compare.
  bool take_change();

 private:
  void wait_for_report();
  void gather();

  boost::asio::posix::stream_descriptor socket_;
  boost::asio::steady_timer timer_;
  std::function<void()> look_;
  std::string known_;
  bool gathering_ = false;
  bool more_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

// The host's way out, in a text that is equal as long as nothing has changed: the default routes
// with gateway and interface, and the interfaces that carry anything (loopback left out).
std::string way_out();

}  // namespace byway

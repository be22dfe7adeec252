#include "node/network_monitor.h"

#include <gtest/gtest.h>

namespace byway::network_monitor_test {
namespace {

TEST(NetworkMonitor, NothingHasChangedWhereNothingHas) {
  boost::asio::io_context io;
  NetworkMonitor monitor(io);
  monitor.start([] {});
  EXPECT_FALSE(monitor.take_change());
  io.run_for(std::chrono::milliseconds{50});
  monitor.close();
  EXPECT_EQ(way_out(), way_out());
}

TEST(NetworkMonitor, CanBeClosedBeforeItsReports) {
  boost::asio::io_context io;
  auto monitor = std::make_unique<NetworkMonitor>(io);
  monitor->start([] { FAIL() << "closed"; });
  monitor->close();
  monitor.reset();
  io.run_for(std::chrono::milliseconds{20});
}

}  // namespace
}  // namespace byway::network_monitor_test

// The shell around the core: sockets, time and chance for one Overlay, on one thread. (As long as
// the node is a supernode others may forward beside it: node/forwarders.h.)
//
// Every input (datagrams, a timer, a command of an app) is followed by settle(), which carries
// out all the core has decided. Apps hear of events inside settle() and may give commands there;
// the same settle() then goes on until everything is quiet.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "node/alarm_clock.h"
#include "node/clock.h"
#include "node/forwarders.h"
#include "node/lan_port.h"
#include "node/network_monitor.h"
#include "node/outcome.h"
#include "node/tcp_port.h"
#include "node/udp_port.h"
#include "overlay/overlay.h"

namespace byway {

// A generator with a seed from the operating system.
Random strong_random();

class Runtime {
 public:
  // Binds the sockets; `config.local_endpoints` is filled in here. `identity` must outlive it.
  // `threads`: with the caller's; the others forward while the node is a supernode.
  static Outcome<std::unique_ptr<Runtime>> open(boost::asio::io_context& io, OverlayConfig config,
                                                const std::vector<Endpoint>& listen,
                                                const Identity& identity, std::size_t threads = 1);
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  ~Runtime();

  void subscribe(std::function<void(const Event&)> hear) { hear_ = std::move(hear); }
  // After the network changed, or the machine slept; the core knows already.
  void on_network_change(std::function<void()> tell) { changed_ = std::move(tell); }
  void start();
  // To be called after every command given from outside of an event; cheap when nothing is to do.
  void settle();
  // Says goodbye to everybody. The sockets stay open until close().
  void leave();
  void close();

  boost::asio::io_context& io() { return io_; }
  Overlay& overlay() { return *overlay_; }
  TimePoint now() const { return monotonic_now(); }
  // When what is being told of arrived: at the kernel, where that is known (UDP, and only while
  // somebody keeps stamp_arrivals()), else now.
  TimePoint arrived() const { return port_.arrived().value_or(now()); }
  std::shared_ptr<void> stamp_arrivals();
  // Once, as the last thing before what is gathered is handed to the kernel.
  void before_sending(std::function<void()> tell) { before_sending_.push_back(std::move(tell)); }
  std::vector<Endpoint> bound() const { return port_.bound(); }
  const std::vector<Endpoint>& local() const { return local_; }
  UdpPort::Counters port_counters() const;  // of all threads
  std::size_t threads() const { return 1 + forwarders_.threads(); }
  const TcpPort::Counters& tcp_counters() const { return tcp_.counters(); }

 private:
  explicit Runtime(boost::asio::io_context& io, std::size_t threads);

  void bind_other_family(const std::vector<Endpoint>& listen);
  void on_datagrams(std::span<const Datagram> datagrams);
  void carry_out(const SocketOrder& order);
  void send(Transmit transmit);
  void send_off();
  Outcome<Endpoint> listen_by_tcp(const Endpoint& asked, const Endpoint& bound);
  TcpPort::Hear hear_tcp();
  void listen_at_443();
  void on_role(bool is_supernode);
  void share_the_work(bool is_supernode);
  void publish_lanes();
  std::vector<Endpoint> local_tcp() const;
  void settle_later();
  void wake_at(TimePoint deadline);
  void on_alarm();
  void watch_host();
  void look_at_host();
  void notice_sleep();

  boost::asio::io_context& io_;
  UdpPort port_;
  TcpPort tcp_;
  std::unique_ptr<Overlay> overlay_;
  const std::size_t wanted_threads_;
  Forwarders forwarders_;
  std::vector<LaneChange> lane_changes_;
  std::function<void(const Event&)> hear_;
  std::function<void()> changed_;
  std::vector<std::function<void()>> before_sending_;
  std::weak_ptr<void> stamps_;  // kept by those who want arrivals to be stamped
  AlarmClock alarm_;
  std::optional<TimePoint> armed_;
  boost::asio::steady_timer host_timer_;
  NetworkMonitor network_;
  std::optional<LanPort> lan_;
  Duration awake_at_{};  // by boot_time(), when we last did anything
  std::vector<Endpoint> local_;
  std::vector<Endpoint> local_tcp_;
  bool asked_for_443_ = false;
  Duration wall_offset_{};  // wall clock minus monotonic clock, as last told
  bool settling_ = false;
  bool closed_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace byway

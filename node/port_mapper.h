// Has the router in front of us let others in at our main port, UDP and TCP, while we run. There is
// one of these for IPv4, where the router sends on a port of its own, and one for IPv6, where it
// opens its firewall for an address of ours.
//
// Routers are slow, silent, wrong, or want a second to be found; their libraries block. So all of
// it happens on a thread of its own that the node never waits for, and costs it a log line at most:
//
//   asking --a router maps--> mapped --half the lease, at most 10 min--> asking
//     ^ '--nobody, or refused--> resting --1 … 30 min--.      |
//     '------------------------------------------------'     '--refresh(): another network-->
//     asking
//
// stop() has the mappings removed, and waits for that no longer than two seconds. Who is killed
// leaves a mapping that ends with its lease, an hour.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "node/router_control.h"

namespace byway {

class PortMapper {
 public:
  using Controls = std::function<std::vector<std::unique_ptr<RouterControl>>()>;
  struct Times {
    Duration lease = std::chrono::hours{1};
    Duration renew = std::chrono::minutes{10};
    Duration renew_least = std::chrono::seconds{5};  // whatever lease the router grants
    Duration rest_first = std::chrono::minutes{1};
    Duration rest_last = std::chrono::minutes{30};
    // Then it is logged that a router takes so long: that nobody is there at all is known after six
    // (PCP 1.75, NAT-PMP 2, UPnP's search 2.4; by IPv6 PCP and two searches of 2.4 and 1.2).
    Duration slow = std::chrono::seconds{7};
    Duration stop = std::chrono::seconds{2};
    Duration stop_unmapped = std::chrono::milliseconds{300};
  };

  PortMapper(boost::asio::io_context& io, std::uint16_t port, Controls controls, Times times);
  // `listen`: what the main socket of the family is bound to.
  PortMapper(boost::asio::io_context& io, const Endpoint& listen)
      : PortMapper(
            io, listen.port, [listen] { return router_controls(listen.address); }, Times{}) {}
  ~PortMapper();
  PortMapper(const PortMapper&) = delete;
  PortMapper& operator=(const PortMapper&) = delete;

  // Called on the io_context's thread.
  using OnMapped = std::function<void(const PortMapping&)>;
  using OnUnmapped = std::function<void(Proto)>;
  void start(OnMapped mapped, OnUnmapped unmapped);
  // The network is another one, or the router was started anew: ask again now.
  void refresh();
  // Removes what was mapped; `done` when it is gone, or when it takes too long.
  void stop(std::function<void()> done);

 private:
  struct Shared;
  struct Report {
    std::string by;                     // which protocol
    std::vector<PortMapping> mappings;  // all there are now
    std::vector<std::string> problems;
    std::string restarted_by;  // which protocol told that the router has forgotten what it mapped
    bool stopped = false;
  };

  static void work(const std::shared_ptr<Shared>& shared, const Controls& controls,
                   std::uint16_t port, const Times& times);
  static Report round(RouterControl*& chosen, std::vector<std::unique_ptr<RouterControl>>& controls,
                      std::uint16_t port, const Times& times,
                      const RouterControl::Cancelled& cancelled);
  void on_asking();
  void on_report(const Report& report);
  void complain(const std::vector<std::string>& problems);
  void finish();

  boost::asio::io_context& io_;
  std::uint16_t port_;
  Controls controls_;
  Times times_;
  OnMapped mapped_;
  OnUnmapped unmapped_;
  boost::asio::steady_timer slow_;
  boost::asio::steady_timer end_;
  std::map<Proto, Endpoint> known_;
  std::vector<std::string> told_;  // problems, so that each is logged once
  std::function<void()> done_;
  std::shared_ptr<Shared> shared_;
};

// Whether a router can be in the way at all. By IPv4: a listening socket is at a private address.
// By IPv6: at a global one, unless this host has a public IPv4 address too, as no household has.
bool may_need_mapping(const std::vector<Endpoint>& local);
bool may_need_pinhole(const std::vector<Endpoint>& local);

}  // namespace byway

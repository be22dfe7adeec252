// Hears routers say that they have been started anew, and may have forgotten what they mapped.
//
// A router that speaks PCP or NAT-PMP tells it to everybody in the network, several times, on port
// 5350 of 224.0.0.1 and ff02::1 (RFC 6887, section 14.1; RFC 6886, section 3.2.1). Only what comes
// from a gateway's address, or from the link itself (an IPv6 router may use another of its
// addresses there), is heard; but anybody in that network can forge it. So it is only a reason to
// ask again, and not more often than every ten seconds:
//
//   quiet --heard--> tell; resting --10 s--> quiet, or once more tell where more was heard
//
// Where somebody else has the port for itself nothing is heard, and mappings are looked after when
// they are renewed.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "protocol/endpoint.h"
#include "protocol/time.h"

namespace byway {

class RouterNews {
 public:
  // Called on the io_context's thread.
  RouterNews(boost::asio::io_context& io, std::function<void()> tell);
  RouterNews(const RouterNews&) = delete;
  RouterNews& operator=(const RouterNews&) = delete;

  void start();
  // One datagram: what start() has arranged, and tests do.
  void on_datagram(const Endpoint& from, ByteView datagram);

 private:
  using Socket = boost::asio::ip::udp::socket;
  void open(Socket& socket, bool v6);
  void wait(Socket& socket);
  void rest();

  Socket v4_;
  Socket v6_;
  boost::asio::steady_timer timer_;
  std::function<void()> tell_;
  bool resting_ = false;
  bool heard_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace byway

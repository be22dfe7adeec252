// The node's ear and voice for its local networks: joins the groups of protocol/lan_packet.h on
// every interface that has an address, hands on what arrives there, and sends questions out by each
// of those interfaces, from the main socket, so that an answer comes back to it.
//
// Several nodes of one host share the port (SO_REUSEADDR: a multicast datagram goes to each). Where
// a network has no multicast, or the port is taken, nothing is heard and nothing breaks.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "overlay/core/io.h"

namespace byway {

class LanPort {
 public:
  explicit LanPort(boost::asio::io_context& io);
  LanPort(const LanPort&) = delete;
  LanPort& operator=(const LanPort&) = delete;

  // `receive` gets one datagram at a time, with lan_socket; its bytes live until the call returns.
  void start(std::function<void(const Datagram&)> receive);
  // The interfaces may be others now: joins the groups anew.
  void join();
  void close();
  bool is_open() const { return v4_.is_open() || v6_.is_open(); }

  // To the group of its address family, by every interface; `main` is the native handle of the main
  // socket of that family. Counts nothing and tells nothing: the question is asked again anyway.
  void send(const Transmit& transmit, int main) const;

 private:
  using Socket = boost::asio::ip::udp::socket;
  void open(Socket& socket, bool v6);
  void wait(Socket& socket);
  void drain(Socket& socket);

  Socket v4_;
  Socket v6_;
  std::vector<unsigned> joined_v4_;  // interface numbers
  std::vector<unsigned> joined_v6_;
  std::function<void(const Datagram&)> receive_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace byway

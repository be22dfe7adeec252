// The other threads of a supernode. Each has a socket of its own at every port the node listens on
// (SO_REUSEPORT: the kernel deals out senders, so that all of one sender goes to one thread, in
// order) and passes on what is in lanes. Everything else it hands over to the node's own thread,
// which owns all state and decides as ever:
//
//   sender ──► socket of thread k ──known lane──► sent from there, as the train it came in
//                                └──all else────► handed over ──► Overlay (one thread)
//                                     the node's own socket ─────►   │ lane changes
//   LaneTable of each thread ◄───────────────────────────────────────┘
//
// Threads share nothing but two boxes each, with a lock around: changes of lanes in, datagrams and
// reports of use out. So nothing waits for anybody while it forwards. What has no room in the box
// is dropped and counted; frames of unknown lanes have a quarter of it, so that whoever guesses at
// lanes keeps nobody from registering.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "node/outcome.h"
#include "node/udp_port.h"
#include "overlay/overlay.h"

namespace byway {

class Forwarders {
 public:
  // Both are called on the thread of `main`. The datagrams' bytes live until the call returns.
  struct Hear {
    std::function<void(std::span<const Datagram>)> datagrams;
    std::function<void(const Forwarded&)> report;
  };

  // `salt`: a secret, for the tables of lanes.
  Forwarders(boost::asio::io_context& main, std::uint64_t salt, Hear hear);
  ~Forwarders();
  Forwarders(const Forwarders&) = delete;
  Forwarders& operator=(const Forwarders&) = delete;

  // So many threads beside the caller's, with sockets where `port` has its own. Whatever cannot be
  // had ends all of them again.
  std::optional<Problem> start(std::size_t threads, UdpPort& port);
  // What they have used and received by then is reported, and heard, before this returns.
  void stop();
  std::size_t threads() const { return all_.size(); }

  // To all of them; seen before the next datagram is judged.
  void publish(std::span<const LaneChange> changes);
  // Of all their sockets, as they were at the last report (a tenth of a second ago at most, or
  // nothing has happened since).
  UdpPort::Counters counters() const;

 private:
  class Forwarder;

  void drain(const std::shared_ptr<Forwarder>& forwarder);
  void hear_pieces(Forwarder& forwarder, std::size_t at_most);

  boost::asio::io_context& main_;
  std::uint64_t salt_;
  Hear hear_;
  std::vector<std::shared_ptr<Forwarder>> all_;
};

}  // namespace byway

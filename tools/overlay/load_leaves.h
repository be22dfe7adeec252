// The synthetic leaves of `byway overlay load`: links without a node around them.
//
//   made --hello--> asked --handshake 2, or a cookie first--> linked --pong--> registered
//
// Single-threaded; run() serves the sockets until a condition holds or the time is over.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "node/udp_port.h"
#include "overlay/overlay.h"
#include "protocol/handshake.h"
#include "protocol/seal.h"

namespace byway {

class LoadLeaves {
 public:
  // `sockets` UDP sockets, on ports of the system's choice or one after another from `first_port`.
  static Outcome<std::unique_ptr<LoadLeaves>> open(const Seed& supernode, std::size_t sockets,
                                                   std::uint16_t first_port = 0);
  // They are numbered from 0.
  // Which socket a leaf uses, by its number; otherwise they take turns.
  void place(std::function<SocketId(std::size_t)> socket_of) { socket_of_ = std::move(socket_of); }

  struct Tally {
    std::uint64_t registered = 0;
    std::uint64_t refused = 0;
    std::uint64_t unanswered = 0;  // hellos, after all repeats
    std::uint64_t pongs = 0;
    std::uint64_t pings_lost = 0;
    std::uint64_t answers = 0;  // to introductions
    std::uint64_t answers_lost = 0;
    std::uint64_t lanes_opened = 0;
    std::uint64_t frames_in = 0;
    std::uint64_t garbage = 0;  // what did not open, or nobody asked for
  };
  const Tally& tally() const { return tally_; }
  std::size_t size() const { return leaves_.size(); }

  // Keys, records and hellos for so many more leaves: what a leaf does before it speaks. Returns
  // the number of the first.
  std::size_t make(std::size_t count);
  // Each says hello; until all are registered, refused, or given up.
  void register_all(std::size_t first, std::size_t in_flight);
  // One ping from every registered leaf that has not been heard for so long: before its lease ends.
  void refresh(Duration silence, std::size_t in_flight);
  // Pings round all registered leaves.
  void keep_alive(Duration span, std::size_t in_flight);
  void look_up(Duration span, std::size_t in_flight);
  // Lanes from leaf 2i to leaf 2i + 1.
  void open_lanes(std::size_t count);
  // Relay frames round the lanes, `burst` at a time into each. Returns how many were sent.
  struct OpenLane {
    LaneId lane;
    std::size_t from;
  };
  const std::vector<OpenLane>& lanes() const { return lanes_; }
  std::uint64_t fill_lanes(Duration span, std::size_t burst, std::size_t frame_size);
  void leave();

 private:
  struct Leaf {
    std::unique_ptr<Identity> identity;    // until it is linked
    std::unique_ptr<Initiator> initiator;  // until it is linked
    std::optional<Seal> seal;
    NodeId id;
    SocketId socket = 0;
    bool registered = false;
    std::uint8_t sends = 0;
    TimePoint asked_at{};  // the question under way, if any
    TimePoint heard_at{};  // the last pong
    std::uint64_t nonce = 0;
  };
  LoadLeaves(const Seed& supernode, Random random);

  void on_datagrams(std::span<const Datagram> datagrams);
  void on_handshake2(ByteView bytes);
  void on_cookie(ByteView bytes);
  void on_sealed(ByteView bytes);
  Leaf* leaf_of(ByteView bytes);
  void send(const Leaf& leaf, Bytes bytes);
  void ping(std::size_t number);
  void end_hello(Leaf& leaf);
  // One round of the sockets; waits a little where there is nothing to do.
  void serve(bool may_wait);
  void ask_round(Duration span, std::size_t in_flight,
                 const std::function<void(std::size_t)>& question, std::uint64_t& lost);

  boost::asio::io_context io_;
  Seed supernode_;
  Random random_;
  UdpPort port_;
  std::vector<Leaf> leaves_;
  std::size_t waiting_ = 0;
  std::vector<OpenLane> lanes_;
  std::function<SocketId(std::size_t)> socket_of_;
  Tally tally_;
};

}  // namespace byway

// How long does the NAT remember a binding that is not used? Learnt on a spare socket, slowly.
//
// The socket asks a supernode once, which opens a binding; then it is silent for a while, and the
// supernode, asked over the main socket, sends it a datagram. If that arrives the binding has
// lived so long. Idle times are doubled until one is too long, then halved in between:
//
//   resting --> opening --seen--> idle --the time is over--> calling --arrived, or not--> resting
//
// Everything is judged by what a supernode says it did: a test of which that is not known tells
// nothing and is made again.
#pragma once

#include "overlay/core/sockets.h"
#include "overlay/reach/nat_ask.h"
#include "protocol/random.h"

namespace byway {

class LifetimeProbe {
 public:
  // `sockets` outlives it.
  LifetimeProbe(Sockets& sockets, Random random) : sockets_(sockets), random_(std::move(random)) {}
  LifetimeProbe(const LifetimeProbe&) = delete;
  LifetimeProbe& operator=(const LifetimeProbe&) = delete;

  // Forgets what was learnt and begins, after a rest, with this supernode's help.
  void begin(TimePoint now, const NodeId& supernode, const Endpoint& at);
  void cancel();
  bool running() const { return phase_ != Phase::none; }
  const NodeId& helper() const { return helper_; }

  bool on_socket_failed(TimePoint now, SocketId socket);
  bool on_sighting(TimePoint now, const NodeId& from, SocketId socket, const Sighting& view);
  bool on_arrival(TimePoint now, SocketId socket, const ProofNonce& nonce);
  void on_timeout(TimePoint now);

  std::optional<NatAsk> poll_ask(TimePoint now);
  std::optional<TimePoint> next_timeout() const;

  // A binding was seen to live this long / to be gone after that.
  Duration alive() const { return alive_; }
  std::optional<Duration> dead() const { return dead_; }
  // All that there is to learn is known: alive() is the answer.
  bool known() const { return known_; }
  void forget() { known_ = false; }

 private:
  enum class Phase : std::uint8_t { none, resting, opening, idle, calling };
  void rest(TimePoint now, Duration how_long);
  void judge(TimePoint now, bool lived);
  Duration next_idle() const;
  void drop_socket();

  Sockets& sockets_;
  Random random_;
  Phase phase_ = Phase::none;
  NodeId helper_;
  Endpoint at_;
  std::optional<SocketId> socket_;
  std::uint64_t id_ = 0;
  ProofNonce nonce_{};
  Endpoint seen_;
  Tag ticket_{};
  int sent_ = 0;
  int confirmed_ = 0;  // late datagrams that the supernode says it sent
  TimePoint next_{};
  Duration alive_{};
  std::optional<Duration> dead_;
  bool known_ = false;
};

}  // namespace byway

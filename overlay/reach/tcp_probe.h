// What does the NAT in front of us let in by TCP? Found out only where somebody wants to know
// (OverlayConfig::study_tcp), for it costs connections that nothing else needs.
//
// Over a connection that left from the port on which we listen, a supernode S is asked to have
// that port's outside endpoint connected to:
//
//   us --TryFilter--> S         over the connection
//   us <--SYN, nonce-- S        from another port of its own
//   us <--SYN, nonce-- T        at S's wish: an address that we have not connected to
//
//   resting --begin()--> asking --T got through, or nothing more can come--> settled
//
// How connections are mapped TcpView tells; it takes a second supernode, which is to be connected
// to only when this is settled: until then it may be T.
#pragma once

#include <optional>

#include "overlay/reach/nat_behaviour.h"
#include "protocol/identity.h"
#include "protocol/nat_message.h"
#include "protocol/random.h"

namespace byway {

class TcpProbe {
 public:
  explicit TcpProbe(Random random) : random_(std::move(random)) {}

  // What is to be asked of S over the connection.
  TryFilter begin(TimePoint now, const NodeId& supernode, Duration rtt);
  // Each of these is true where it concerned us.
  bool on_sighting(TimePoint now, const NodeId& from, const Sighting& view);
  bool on_stranger_tried(TimePoint now, const NodeId& from, const StrangerTried& tried);
  // Somebody connected to us and said this. `stranger`: we have not connected to its address.
  bool on_arrival(const ProofNonce& nonce, bool stranger);
  void on_timeout(TimePoint now);
  std::optional<TimePoint> next_timeout() const;

  bool is_begun() const { return state_ != State::resting; }
  bool is_settled() const { return state_ == State::settled; }
  Behaviour filtering() const;

 private:
  enum class State : std::uint8_t { resting, asking, settled };
  bool is_from(const NodeId& from, std::uint64_t id) const {
    return state_ != State::resting && from == supernode_ && id == id_;
  }

  Random random_;
  State state_ = State::resting;
  NodeId supernode_;
  std::uint64_t id_ = 0;
  ProofNonce nonce_{};
  Duration patience_{};
  TimePoint deadline_{};
  bool answered_ = false;            // S will connect to us
  std::optional<bool> stranger_;     // T was ordered to, or there is none
  bool other_port_arrived_ = false;  // from an address that we had connected to
  bool stranger_arrived_ = false;
};

}  // namespace byway

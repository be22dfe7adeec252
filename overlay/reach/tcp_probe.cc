#include "overlay/reach/tcp_probe.h"

#include <algorithm>

#include "overlay/reach/nat_limits.h"

namespace byway {

namespace nat = limits::nat;

TryFilter TcpProbe::begin(TimePoint now, const NodeId& supernode, Duration rtt) {
  state_ = State::asking;
  supernode_ = supernode;
  id_ = random_.u64();
  nonce_ = random_.bytes<16>();
  patience_ = nat::tcp_patience + 2 * rtt;
  deadline_ = now + patience_;
  return {id_, nonce_, nat::filter_padding};
}

bool TcpProbe::on_sighting(TimePoint now, const NodeId& from, const Sighting& view) {
  if (!is_from(from, view.id)) return false;
  answered_ = true;
  deadline_ = std::max(deadline_, now + std::max(patience_, nat::stranger_patience));
  return true;
}

bool TcpProbe::on_stranger_tried(TimePoint now, const NodeId& from, const StrangerTried& tried) {
  if (!is_from(from, tried.id)) return false;
  stranger_ = tried.sent;
  deadline_ = now + patience_;
  return true;
}

bool TcpProbe::on_arrival(const ProofNonce& nonce, bool stranger) {
  if (state_ == State::resting || nonce != nonce_) return false;
  (stranger ? stranger_arrived_ : other_port_arrived_) = true;
  if (stranger) state_ = State::settled;
  return true;
}

void TcpProbe::on_timeout(TimePoint now) {
  if (state_ == State::asking && now >= deadline_) state_ = State::settled;
}

std::optional<TimePoint> TcpProbe::next_timeout() const {
  return state_ == State::asking ? std::optional(deadline_) : std::nullopt;
}

Behaviour TcpProbe::filtering() const {
  if (state_ != State::settled) return Behaviour::unknown;
  Arrivals arrivals;
  if (answered_) arrivals.other_port = other_port_arrived_;
  if (stranger_.value_or(false) || stranger_arrived_) arrivals.stranger = stranger_arrived_;
  return judge_filtering(arrivals);
}

}  // namespace byway

#include "overlay/reach/lifetime_probe.h"

#include <algorithm>

#include "overlay/reach/nat_limits.h"

namespace byway {
namespace {

namespace nat = limits::nat;

// Closer than this makes no difference to a keepalive.
bool close_enough(Duration alive, Duration dead) {
  return dead - alive <= std::max<Duration>(2s, alive / 8);
}

}  // namespace

void LifetimeProbe::begin(TimePoint now, const NodeId& supernode, const Endpoint& at) {
  cancel();
  helper_ = supernode;
  at_ = at;
  alive_ = {};
  dead_.reset();
  known_ = false;
  rest(now, random_.jittered(nat::lifetime_start));
}

void LifetimeProbe::cancel() {
  drop_socket();
  phase_ = Phase::none;
}

void LifetimeProbe::drop_socket() {
  if (socket_) sockets_.close(*socket_);
  socket_.reset();
}

void LifetimeProbe::rest(TimePoint now, Duration how_long) {
  drop_socket();
  phase_ = Phase::resting;
  next_ = now + how_long;
}

Duration LifetimeProbe::next_idle() const {
  if (dead_) return alive_ + (*dead_ - alive_) / 2;
  if (alive_ == Duration{}) return nat::lifetime_first;
  return std::min<Duration>(alive_ * 2, nat::lifetime_most);
}

bool LifetimeProbe::on_socket_failed(TimePoint now, SocketId socket) {
  if (socket_ != socket) return false;
  socket_.reset();
  rest(now, nat::lifetime_retry);
  return true;
}

bool LifetimeProbe::on_sighting(TimePoint now, const NodeId& from, SocketId socket,
                                const Sighting& view) {
  if (from != helper_ || view.id != id_) return false;
  if (phase_ == Phase::calling) {
    ++confirmed_;
    return true;
  }
  if (phase_ != Phase::opening || socket_ != socket) return phase_ == Phase::idle;
  seen_ = view.observed;
  ticket_ = view.ticket;
  phase_ = Phase::idle;
  next_ = now + next_idle();
  return true;
}

bool LifetimeProbe::on_arrival(TimePoint now, SocketId socket, const ProofNonce& nonce) {
  if (phase_ != Phase::calling || socket_ != socket || nonce != nonce_) return false;
  judge(now, true);
  return true;
}

void LifetimeProbe::judge(TimePoint now, bool lived) {
  const Duration idle = next_idle();
  if (lived)
    alive_ = idle;
  else
    dead_ = idle;
  known_ = alive_ >= nat::lifetime_most || (dead_ && close_enough(alive_, *dead_)) ||
           (dead_ && *dead_ <= nat::lifetime_least);
  if (known_) return cancel();
  rest(now, random_.upto(1s));
}

void LifetimeProbe::on_timeout(TimePoint now) {
  if (phase_ == Phase::none || now < next_) return;
  switch (phase_) {
    case Phase::none:
      return;
    case Phase::resting:
      socket_ = sockets_.open(
          SocketUse::nat,
          Endpoint{at_.address.is_v4() ? IpAddress{} : IpAddress::v6(ByteArray<16>{}), 0});
      if (!socket_) return rest(now, nat::lifetime_retry);
      phase_ = Phase::opening;
      id_ = random_.u64();
      sent_ = 0;
      return;
    case Phase::opening:
      if (sent_ >= nat::lifetime_sends) rest(now, nat::lifetime_retry);
      return;
    case Phase::idle:
      phase_ = Phase::calling;
      id_ = random_.u64();
      nonce_ = random_.bytes<16>();
      sent_ = confirmed_ = 0;
      return;
    case Phase::calling:
      if (sent_ < nat::lifetime_sends) return;
      if (confirmed_ >= nat::lifetime_confirmed) return judge(now, false);
      return rest(now, nat::lifetime_retry);
  }
}

std::optional<NatAsk> LifetimeProbe::poll_ask(TimePoint now) {
  const bool asks = phase_ == Phase::opening || phase_ == Phase::calling;
  if (!asks || sent_ >= nat::lifetime_sends || now < next_) return {};
  ++sent_;
  next_ = now + nat::lifetime_resend;
  if (phase_ == Phase::opening)
    return NatAsk{
        .to = helper_, .socket = *socket_, .at = at_, .message = Look{id_, nat::look_padding}};
  return NatAsk{.to = helper_, .at = at_, .message = TryLate{id_, nonce_, seen_, ticket_}};
}

std::optional<TimePoint> LifetimeProbe::next_timeout() const {
  return phase_ == Phase::none ? std::nullopt : std::optional(next_);
}

}  // namespace byway

#include "overlay/reach/nat_service.h"

#include <algorithm>

#include "overlay/core/timers.h"
#include "overlay/reach/dial_rules.h"
#include "overlay/reach/nat_limits.h"
#include "protocol/packet.h"

namespace byway {
namespace {

namespace nat = limits::nat;

}  // namespace

NatService::NatService(const Crypto& crypto, Random random)
    : crypto_(crypto),
      secret_(random.bytes<32>()),
      looks_(nat::looks_per_second, nat::looks_burst, nat::tracked),
      wishes_(nat::wishes_per_second, nat::wishes_burst, nat::tracked),
      per_target_(nat::echoes_per_target_per_second, nat::echoes_per_target_burst, nat::tracked),
      all_(nat::orders_per_second, nat::orders_burst) {}

void NatService::on_other_port(std::optional<SocketId> socket, const Endpoint& bound) {
  other_socket_ = socket;
  other_ = bound;
}

// Whoever shows it was reached at that endpoint: it was sent there and nowhere else.
Tag NatService::ticket(const NodeId& asker, const Endpoint& endpoint) const {
  Bytes content = to_bytes(bytes_of("byway nat ticket 1"));
  append(content, asker.key());
  append(content, endpoint.address.mapped());
  append_be<std::uint16_t>(content, endpoint.port);
  return crypto_.mac(secret_, content);
}

Sighting NatService::view(const Asker& asker, std::uint64_t id) const {
  const bool same_family = other_.address.is_v4() == asker.from.address.is_v4();
  return {.id = id,
          .observed = asker.from,
          .other_port = other_socket_ && same_family ? other_.port : std::uint16_t{0},
          .ticket = ticket(asker.id, asker.from)};
}

bool NatService::may_be_sent_to(TimePoint now, const Endpoint& target, const IpAddress& witness) {
  if (!is_dialled_port(target.port)) return false;
  if (!is_dialled_scope(target.address.scope(), witness.scope())) return false;
  if (echoes_.size() >= nat::pending) return false;
  return per_target_.take(now, target.address) && all_.take(now);
}

std::optional<Sighting> NatService::on_look(TimePoint now, const Asker& asker, const Look& look) {
  if (look.padding < nat::look_padding || !looks_.take(now, asker.id)) return {};
  return view(asker, look.id);
}

std::optional<Sighting> NatService::on_try_filter(TimePoint now, const Asker& asker,
                                                  const TryFilter& wish,
                                                  const std::optional<NodeId>& stranger) {
  if (wish.padding < nat::filter_padding || !wishes_.take(now, asker.id)) return {};
  if (!may_be_sent_to(now, asker.from, asker.from.address)) return {};
  const Sighting answer = view(asker, wish.id);
  // A connection comes from a port of its own anyhow.
  if (asker.proto == Proto::tcp)
    echoes_.push_back({main_socket, asker.from, wish.nonce, 1, now, Proto::tcp});
  else if (answer.other_port != 0)
    echoes_.push_back({*other_socket_, asker.from, wish.nonce, nat::echoes, now});
  const OrderKey key{stranger.value_or(NodeId{}), wish.nonce};
  if (!stranger || orders_.size() >= nat::pending) {
    tell(asker.id, wish.id, false);
  } else if (orders_.emplace(key, Order{asker.id, wish.id, now + nat::order_patience}).second) {
    letters_.push_back({*stranger, StrangerOrder{wish.nonce, asker.from, asker.proto}});
  }
  return answer;
}

std::optional<Sighting> NatService::on_try_late(TimePoint now, const Asker& asker,
                                                const TryLate& wish) {
  if (!same_secret(wish.ticket, ticket(asker.id, wish.target))) return {};
  if (!wishes_.take(now, asker.id)) return {};
  if (!may_be_sent_to(now, wish.target, asker.from.address)) return {};
  echoes_.push_back({main_socket, wish.target, wish.nonce, 1, now});
  return view(asker, wish.id);
}

void NatService::on_order(TimePoint now, const NodeId& orderer, const IpAddress& at,
                          const StrangerOrder& order) {
  const bool sends = order.target.address != at && may_be_sent_to(now, order.target, at);
  const int times = order.proto == Proto::tcp ? 1 : nat::echoes;
  if (sends) echoes_.push_back({main_socket, order.target, order.nonce, times, now, order.proto});
  letters_.push_back({orderer, StrangerDone{order.nonce, sends}});
}

bool NatService::on_done(const NodeId& stranger, const StrangerDone& done) {
  const auto order = orders_.find({stranger, done.nonce});
  if (order == orders_.end()) return false;
  tell(order->second.asker, order->second.id, done.sent);
  orders_.erase(order);
  return true;
}

void NatService::on_lost(const NodeId& stranger) {
  auto order = orders_.lower_bound({stranger, {}});
  while (order != orders_.end() && order->first.stranger == stranger) {
    tell(order->second.asker, order->second.id, false);
    order = orders_.erase(order);
  }
}

void NatService::on_timeout(TimePoint now) {
  for (auto order = orders_.begin(); order != orders_.end();) {
    if (now < order->second.deadline) {
      ++order;
      continue;
    }
    tell(order->second.asker, order->second.id, false);
    order = orders_.erase(order);
  }
}

std::optional<Transmit> NatService::poll_transmit(TimePoint now) {
  for (auto echo = echoes_.begin(); echo != echoes_.end(); ++echo) {
    if (now < echo->next) continue;
    Transmit next{.to = echo->to,
                  .bytes = make_dialback(echo->nonce),
                  .socket = echo->socket,
                  .proto = echo->proto};
    echo->next = now + nat::echo_gap;
    if (--echo->left == 0) echoes_.erase(echo);
    return next;
  }
  return {};
}

std::optional<NatLetter> NatService::poll_letter() {
  if (letters_.empty()) return {};
  NatLetter letter = std::move(letters_.front());
  letters_.pop_front();
  return letter;
}

std::optional<TimePoint> NatService::next_timeout() const {
  std::optional<TimePoint> next;
  for (const Echo& echo : echoes_) next = earlier(next, echo.next);
  for (const auto& [key, order] : orders_) next = earlier(next, order.deadline);
  return next;
}

}  // namespace byway

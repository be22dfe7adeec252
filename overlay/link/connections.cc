#include "overlay/link/connections.h"

#include <algorithm>
#include <vector>

#include "overlay/core/timers.h"
#include "overlay/link/tcp_limits.h"

namespace byway {

TcpId Connections::add(const Connection& connection) {
  const TcpId id = ++last_;
  Connection& added = connections_[id] = connection;
  added.id = id;
  unproved_.insert(id);
  if (!added.peer.is_nobody()) by_peer_.emplace(added.peer, id);
  if (added.purpose == Purpose::accepted) ++accepted_from_[added.remote.address];
  return id;
}

void Connections::erase(TcpId id) {
  const auto found = connections_.find(id);
  const Connection& connection = found->second;
  unproved_.erase(id);
  by_peer_.erase({connection.peer, id});
  if (connection.purpose == Purpose::accepted) {
    const auto from = accepted_from_.find(connection.remote.address);
    if (--from->second == 0) accepted_from_.erase(from);
  }
  connections_.erase(found);
}

TcpId Connections::open(TimePoint now, const Endpoint& to, Purpose purpose, const NodeId& peer,
                        TcpFrom from) {
  const auto is_opening = [this](TcpId id) { return !connections_.at(id).open; };
  const auto opening = std::count_if(unproved_.begin(), unproved_.end(), is_opening);
  if (static_cast<std::size_t>(opening) >= limits::tcp_openings ||
      connections_.size() >= limits::tcp_connections)
    return 0;
  const TcpId id = add({.remote = to, .purpose = purpose, .peer = peer, .since = now});
  orders_.push_back(OpenTcp{id, to, from});
  return id;
}

TcpId Connections::on_accepted(TimePoint now, const Endpoint& local, const Endpoint& remote) {
  std::size_t strangers = 0, strangers_there = 0;
  for (const TcpId id : unproved_) {
    const Connection& connection = connections_.at(id);
    if (connection.purpose != Purpose::accepted) continue;
    ++strangers;
    strangers_there += connection.remote.address == remote.address;
  }
  const auto from = accepted_from_.find(remote.address);
  if (connections_.size() >= limits::tcp_connections || strangers >= limits::tcp_strangers ||
      strangers_there >= limits::tcp_strangers_per_address ||
      (from != accepted_from_.end() && from->second >= limits::tcp_connections_per_address))
    return 0;
  return add({.remote = remote, .local = local, .open = true, .since = now});
}

const Connections::Connection* Connections::on_open(TimePoint now, TcpId id,
                                                    const Endpoint& local) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || found->second.open) return nullptr;
  found->second.open = true;
  found->second.local = local;
  found->second.since = now;
  return &found->second;
}

std::optional<Connections::Connection> Connections::on_closed(TcpId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return std::nullopt;
  const Connection was = found->second;
  erase(id);
  return was;
}

void Connections::on_proved(TcpId id, const NodeId& peer) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  by_peer_.erase({connection.peer, id});
  by_peer_.emplace(peer, id);
  connection.peer = peer;
  connection.proved = true;
  unproved_.erase(id);
}

void Connections::close(TcpId id) {
  if (!connections_.contains(id)) return;
  erase(id);
  orders_.push_back(CloseTcp{id});
}

void Connections::close_all_of(const NodeId& peer, std::optional<Purpose> purpose, TcpId except) {
  std::vector<TcpId> chosen;
  for (auto entry = by_peer_.lower_bound({peer, 0});
       entry != by_peer_.end() && entry->first == peer; ++entry) {
    const Connection& connection = connections_.at(entry->second);
    if (connection.id == except) continue;
    if (purpose && (connection.purpose != *purpose || connection.proved)) continue;
    chosen.push_back(connection.id);
  }
  for (const TcpId id : chosen) close(id);
}

void Connections::give_up_attempts(const NodeId& peer, Purpose purpose) {
  std::vector<TcpId> chosen;
  for (auto entry = by_peer_.lower_bound({peer, 0});
       entry != by_peer_.end() && entry->first == peer; ++entry) {
    const Connection& connection = connections_.at(entry->second);
    if (connection.purpose == purpose && !connection.open) chosen.push_back(connection.id);
  }
  for (const TcpId id : chosen) close(id);
}

std::optional<TcpOrder> Connections::poll_order() {
  if (orders_.empty()) return std::nullopt;
  const TcpOrder next = orders_.front();
  orders_.pop_front();
  return next;
}

TimePoint Connections::expires(const Connection& connection) const {
  if (connection.open) return connection.since + limits::tcp_unproved_lifetime;
  return connection.since + (connection.purpose == Purpose::punch ? limits::tcp_punch_attempt
                                                                  : limits::tcp_connect_patience);
}

std::optional<Connections::Connection> Connections::poll_expired(TimePoint now) {
  const auto due = [&](TcpId id) { return now >= expires(connections_.at(id)); };
  const auto found = std::find_if(unproved_.begin(), unproved_.end(), due);
  if (found == unproved_.end()) return std::nullopt;
  const Connection was = connections_.at(*found);
  close(was.id);
  return was;
}

std::optional<TimePoint> Connections::next_timeout() const {
  std::optional<TimePoint> next;
  for (const TcpId id : unproved_) next = earlier(next, expires(connections_.at(id)));
  return next;
}

const Connections::Connection* Connections::find(TcpId id) const {
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : &found->second;
}

const Connections::Connection* Connections::find(const NodeId& peer, const Endpoint& remote) const {
  for (auto entry = by_peer_.lower_bound({peer, 0});
       entry != by_peer_.end() && entry->first == peer; ++entry) {
    const Connection& connection = connections_.at(entry->second);
    if (connection.remote == remote) return &connection;
  }
  return nullptr;
}

bool Connections::has_gone_to(const IpAddress& address) const {
  return std::any_of(connections_.begin(), connections_.end(), [&](const auto& entry) {
    return entry.second.purpose != Purpose::accepted && entry.second.remote.address == address;
  });
}

std::size_t Connections::looking(const NodeId& peer) const {
  std::size_t count = 0;
  for (auto entry = by_peer_.lower_bound({peer, 0});
       entry != by_peer_.end() && entry->first == peer; ++entry) {
    const Connection& connection = connections_.at(entry->second);
    count += connection.purpose == Purpose::look && !connection.proved;
  }
  return count;
}

}  // namespace byway

// The node's spare UDP sockets: which numbers are open, what for, and what the shell is still to
// be told.
//
// A probe of the NAT and a birthday punch need sockets beside the main one, each a mapping of its
// own. The core only gives out numbers; the shell binds a real socket to each, on a port that the
// system chooses. What is sent right behind open() leaves from the new socket, for the shell opens
// before it sends; it closes only after it has sent, so what was sent before close() leaves too.
//
//   free --open()--> open --close(), or the shell could not--> free, and not given again for long
//
// Numbers go round through 1 … 4095, so a late datagram to a socket that was closed does not
// meet somebody else's.
#pragma once

#include <deque>
#include <map>
#include <optional>

#include "overlay/core/io.h"
#include "overlay/core/limits.h"

namespace byway {

// Who asked for a spare socket: whose affair its facts are.
enum class SocketUse : std::uint8_t { nat, punch };

class Sockets {
 public:
  // `bind`: see OpenSocket. Nothing: too many are open.
  std::optional<SocketId> open(SocketUse use, std::optional<Endpoint> bind = std::nullopt) {
    if (open_.size() >= limits::spare_sockets) return {};
    do last_ = last_ >= last_spare_socket ? first_spare_socket : last_ + 1;
    while (open_.contains(last_));
    open_.emplace(last_, use);
    to_open_.push_back({last_, bind});
    return last_;
  }
  void close(SocketId id) {
    if (open_.erase(id) > 0) to_close_.push_back({id});
  }
  // The shell could not open it: it is free again. Whose it was; none: it was closed meanwhile.
  std::optional<SocketUse> on_failed(SocketId id) {
    const auto use = use_of(id);
    open_.erase(id);
    return use;
  }
  std::optional<SocketUse> use_of(SocketId id) const {
    const auto found = open_.find(id);
    return found == open_.end() ? std::nullopt : std::optional(found->second);
  }
  std::size_t size() const { return open_.size(); }

  // What the shell is to do. Openings at once; closings once there is nothing left to send.
  std::optional<SocketOrder> poll(bool all_sent) {
    if (!to_open_.empty()) return take(to_open_);
    if (all_sent && !to_close_.empty()) return take(to_close_);
    return {};
  }

 private:
  template <typename Order>
  static SocketOrder take(std::deque<Order>& orders) {
    const Order order = orders.front();
    orders.pop_front();
    return order;
  }

  std::map<SocketId, SocketUse> open_;
  SocketId last_ = 0;
  std::deque<OpenSocket> to_open_;
  std::deque<CloseSocket> to_close_;
};

}  // namespace byway

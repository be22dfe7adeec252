// As a leaf: the supernodes where we are registered, and which to try next.
//
// A leaf wants three homes, in different netgroups where it can. It dials the nearest gaps first
// and comes back to one that failed with full jitter, growing from a second to five minutes, so
// that a supernode that returns is not met by everybody at once.
//
//   resting --its time, and a home is wanted--> dialing --registered--> home
//      ^-------failed, refused or lost (back-off)--'-----------------------'
#pragma once

#include <optional>
#include <vector>

#include "protocol/message.h"
#include "protocol/random.h"

namespace byway {

class Homes {
 public:
  Homes(Random random, int netgroup_bits_v4, int netgroup_bits_v6)
      : random_(std::move(random)), bits_v4_(netgroup_bits_v4), bits_v6_(netgroup_bits_v6) {}

  // One that has an address of each family may be added with both; the one that we cannot use, or
  // that did not answer, gives way to the other.
  void add_supernode(TimePoint now, const NodeId& id, const Endpoint& endpoint);
  // Which address families this host has; with none of them known any is tried.
  void set_families(bool v4, bool v6);

  struct Target {
    NodeId id;
    Endpoint endpoint;
    std::uint8_t seeking;  // which home this would be
  };
  std::optional<Target> poll_dial(TimePoint now);
  // True when this is a new home.
  bool on_registered(const NodeId& id);
  void on_refused(TimePoint now, const NodeId& id, const Refusal& refusal);
  // Did not answer, or was a home and is gone. True once per bout of trying, for the log.
  bool on_failed(TimePoint now, const NodeId& id);
  // The network changed: whatever was given up is worth another try.
  void on_network_change(TimePoint now);
  std::optional<TimePoint> next_timeout() const;

  bool is_home(const NodeId& id) const;
  bool is_dialing(const NodeId& id) const;
  std::vector<NodeId> ids() const;  // in the order they were gained
  std::optional<Endpoint> endpoint_of(const NodeId& id) const;
  std::vector<Endpoint> endpoints() const;  // of all that are known
  std::vector<NodeId> all() const;          // likewise
  std::size_t known() const { return supernodes_.size(); }

 private:
  enum class State : std::uint8_t { resting, dialing, home };
  struct Supernode {
    NodeId id;
    Endpoint endpoint;
    std::optional<Endpoint> other;  // of the other address family
    State state = State::resting;
    TimePoint try_at{};
    Duration back_off{};
    std::uint64_t gained = 0;
    bool told = false;
  };
  Supernode* find(const NodeId& id);
  const Supernode* find(const NodeId& id) const { return const_cast<Homes*>(this)->find(id); }
  bool is_usable(const Endpoint& endpoint) const;
  void use_other(Supernode& supernode);
  std::size_t count_wanted() const;
  bool netgroup_taken(const Endpoint& endpoint) const;
  IpAddress netgroup(const Endpoint& endpoint) const;
  void rest(TimePoint now, Supernode& supernode);

  Random random_;
  int bits_v4_;
  int bits_v6_;
  bool v4_ = true;
  bool v6_ = true;
  std::vector<Supernode> supernodes_;
  std::uint64_t gained_ = 0;
};

}  // namespace byway

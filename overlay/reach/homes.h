// As a leaf: the supernodes where we are registered, and which to try next.
//
// A leaf wants three homes, in different netgroups where it can. It dials the nearest gaps first
// and comes back to one that failed with full jitter, growing from a second to five minutes, so
// that a supernode that returns is not met by everybody at once.
//
//   resting --its time, and a home is wanted--> dialing --registered--> home <--> doubted
//      ^-------failed, refused or lost (back-off)--'----------------------'-------'
//
// Without a sound home nobody can reach us, and waiting for one who may be dead costs twelve
// seconds: so then one more is dialled every 150 ms, and whoever answers first is the home. Homes
// that are late are doubted, not lost; where all of them are, replacements are dialled before
// their time is up. Who comes to be the fourth is sent away again.
//
// Where all homes were lost together many leaves lost them in the same moment. We come back to
// those after 0 to 30 s, unless somebody here is waiting; to others we go at once.
//
// Who has a home and lacks another is in no hurry: first a few of those who may be alive are asked
// how far they are (distance_probe.h), and one of the nearest is dialled, drawn by how full they
// are. The dead, who do not answer, are not dialled at all while somebody else does.
//
// A home that is far fuller than others asks to be relieved. Then one that has room is dialled as a
// fourth, and takes its place; not often, and only where all three are sound. The same is done,
// more rarely still, where somebody is found who is nearer than half as far as a home.
//
// Some supernodes are reserved: they are to dial us as strangers (prover.h), and stay undialled
// while there is any other way.
#pragma once

#include <functional>
#include <optional>
#include <span>
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
  // How others than we can reach a supernode, besides by UDP over IPv4.
  struct Offers {
    bool tcp443 = false;
    bool ipv6 = false;
    bool operator==(const Offers&) const = default;
  };
  // A home has named it, so it was there lately; of those whom we only remember nobody knows.
  // `load`: how full it is, in eighths, where that is known.
  void on_named(TimePoint now, const NodeId& id, Offers offers, std::optional<int> load = {});
  // These, and nobody else, are to remain strangers.
  void set_reserved(std::span<const NodeId> ids);
  // Which address families this host has; with none of them known any is tried.
  void set_families(bool v4, bool v6);

  struct Target {
    NodeId id;
    Endpoint endpoint;
    std::uint8_t seeking;  // which home this would be
  };
  struct Known {
    NodeId id;
    Endpoint endpoint;
  };
  std::optional<Target> poll_dial(TimePoint now);

  // Whether distances can be asked for, and may. Otherwise whoever is found is dialled.
  void set_asks(bool asks);
  // Who is to be asked how far he is; drain before poll_dial(). Nobody is dialled until it is told,
  // unless there is no sound home.
  std::vector<Known> poll_question(TimePoint now);
  struct Distance {
    NodeId id;
    std::optional<Duration> rtt;  // none: it did not answer
  };
  // `may_leave`: that home is not in use.
  void on_distances(TimePoint now, std::span<const Distance> distances,
                    const std::function<bool(const NodeId&)>& may_leave);
  // True when this is a new home.
  bool on_registered(const NodeId& id);
  void on_refused(TimePoint now, const NodeId& id, const Refusal& refusal);
  // Did not answer, or was a home and is gone. True once per bout of trying, for the log.
  bool on_failed(TimePoint now, const NodeId& id);
  // A home is late, or has answered again after that.
  void on_late(const NodeId& id, bool late);
  // One home too many: no failure, and no hurry to come back.
  void on_surplus(TimePoint now, const NodeId& id);
  // This home asks to be relieved by one of those.
  void on_relief_wanted(TimePoint now, const NodeId& home, std::span<const NodeId> by);
  // The home that this one, just gained, takes the place of; once.
  struct Move {
    NodeId from;
    NodeId to;
    bool nearer = false;  // else the one that is left has asked for it
  };
  std::optional<Move> move_to(const NodeId& gained);
  // The network changed: whatever was given up is worth another try.
  void on_network_change(TimePoint now);
  // Somebody here wants to talk: nobody is waited for longer than a second.
  void hurry(TimePoint now);
  std::optional<TimePoint> next_timeout() const;

  // Nobody who is sound is home, there is room for another dial, and nobody known is left for it.
  bool is_starving(TimePoint now) const;
  // When that may come to be, unless somebody answers first.
  std::optional<TimePoint> hungry_at() const { return sound() == 0 ? room_at() : std::nullopt; }
  // Which home this one is or would be, counting those under way: three asked at once do not all
  // claim to be the first.
  std::uint8_t seeking(const NodeId& id) const;
  bool is_home(const NodeId& id) const;
  bool is_dialing(const NodeId& id) const;
  bool is_reserved(const NodeId& id) const;
  // In the order they were gained; the doubted ones last.
  std::vector<NodeId> ids() const;
  std::size_t sound() const;  // homes that are not doubted
  std::optional<Endpoint> endpoint_of(const NodeId& id) const;
  std::vector<NodeId> all() const;
  // Who may be thought alive: those that answered or were named, and with none named yet whoever
  // did not fail to answer.
  std::vector<Known> living() const;
  std::size_t known() const { return supernodes_.size(); }
  // What some of those offer that were named and do not fail to answer.
  Offers offered() const;

 private:
  enum class State : std::uint8_t { resting, dialing, home };
  struct Supernode {
    NodeId id;
    Endpoint endpoint;
    std::optional<Endpoint> other;  // of the other address family
    State state = State::resting;
    bool doubted = false;
    bool reserved = false;
    bool named = false;
    Offers offers;
    bool silent = false;        // when it was last dialled
    bool mute = false;          // when it was last asked how far it is
    bool was_too_full = false;  // it was a home, and asked to be relieved
    std::optional<int> load;    // eighths
    TimePoint known_at{};       // last named, or added
    std::optional<Duration> rtt;
    std::optional<TimePoint> measured_at;
    std::uint8_t seeking = 1;
    TimePoint try_at{};
    TimePoint dialled_at{};
    Duration back_off{};
    std::uint64_t gained = 0;
    bool told = false;
    bool busy_for_more = false;  // it refused us while we had a home
  };
  enum class Asking : std::uint8_t { nobody, for_a_home, for_a_move };
  Supernode* find(const NodeId& id);
  bool may_relieve(TimePoint now, const Supernode& one, const Supernode& home) const;
  Supernode* whom_to_dial(TimePoint now);
  bool was_asked(TimePoint now, const Supernode& one) const;
  bool is_measured(TimePoint now, const Supernode& one) const;
  std::optional<TimePoint> look_at() const;
  std::vector<Supernode*> to_be_asked(TimePoint now, std::size_t most);
  Supernode* draw_near(std::vector<Supernode*> from);
  void look_for_nearer(TimePoint now, const std::function<bool(const NodeId&)>& may_leave);
  bool make_room(TimePoint now);
  void end_move(const NodeId& id);
  const Supernode* find(const NodeId& id) const { return const_cast<Homes*>(this)->find(id); }
  bool wants_dial(TimePoint now) const;
  bool may_break_reserve(TimePoint now) const;
  std::optional<TimePoint> room_at() const;
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
  bool any_reserved_ = false;
  std::uint64_t gained_ = 0;
  std::optional<TimePoint> lost_one_at_;
  std::optional<Move> move_;  // from when it is decided until the new home is gained
  TimePoint next_move_{};     // not before
  bool asks_ = false;
  Asking asking_ = Asking::nobody;
  TimePoint asking_until_{};
  std::optional<TimePoint> look_at_;  // for nearer homes; none: not before there are three
};

}  // namespace byway

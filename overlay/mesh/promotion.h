// Which role this node plays, and why.
//
//                proved                 needed, stable and strong enough,
//                                       after a random wait
//      leaf ---------------> reserve ------------------------------> supernode
//       ^ ^                     |                                       |
//       | '-----proof lost------'           proof lost, not proved in   |
//       |                                   time at a new address, or   |
//       |                                   no longer volunteering      |
//       |                                                               v
//       '------- leaves gone, or a minute -------------------- handing over
//                                                   ('--proved again--> supernode)
//
// Supernodes are made where they are needed: too few are known, the nearest are loaded, a fifth of
// them vanished, or none of them offers what we can (TCP 443, IPv6). Everybody who could sees the
// need at the same moment, so each waits for a random while and looks again.
//
// Who served until it was started anew, and is still proved, serves on at once: its wait was that
// of the run before, and where all were started anew together the others wait for it.
//
// Nobody steps down because he is not needed any more: an idle supernode costs the others a line
// in their view, its leaving would cost its leaves a move. So only lost reachability makes a leaf
// of it, and before its leaves lose their home they are told of other ones. Who had to step down
// waits longer before the next time, so that an unsteady address does not make an unsteady mesh.
//
// --role leaf and --role supernode end the discussion. A network's first node is told to be a
// supernode: nobody could prove it reachable.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "overlay/mesh/promotion_limits.h"
#include "protocol/random.h"

namespace byway {

class Promotion {
 public:
  enum class Told : std::uint8_t { automatic, leaf, supernode };
  struct Config {
    Told told = Told::automatic;
    bool volunteers = true;  // false: opted out of serving others
    Duration promote_after = limits::promotion::promote_after;
    std::size_t capacity = 0;  // leaves this machine could serve
  };
  Promotion(TimePoint now, Random random, const Config& config);

  // --- facts ---
  void on_proved(TimePoint now);
  // Dials fail, or the proof grew old. Not for a changed address, which is on_address_changed.
  void on_proof_lost(TimePoint now);
  // Seen from outside we are somewhere else: not proved until on_proved, not stable until later.
  void on_address_changed(TimePoint now);
  // Right after the start, where the proof was kept: it served here until it was started anew.
  void on_served_before(TimePoint now);
  void on_capacity(TimePoint now, std::size_t leaves);
  void on_volunteers(TimePoint now, bool volunteers);
  struct Needs {
    std::size_t supernodes = 0;  // known, without us
    double mean_load = 0;        // of the 16 nearest: 1 is full
    bool lacks_tcp443 = false;   // nobody known has it, and we have
    bool lacks_ipv6 = false;     // the same
    bool operator==(const Needs&) const = default;
  };
  void on_needs(TimePoint now, const Needs& needs);
  // While handing over: nobody is registered here any more.
  void on_leaves_gone(TimePoint now);
  void on_timeout(TimePoint now);

  // --- decisions; drain after every input ---
  // hand_over: tell the leaves other homes, take no new ones, go on serving until became_leaf.
  enum class Event : std::uint8_t { became_leaf, became_reserve, became_supernode, hand_over };
  std::optional<Event> poll_event();
  std::optional<TimePoint> next_timeout() const;

  enum class State : std::uint8_t { leaf, reserve, supernode, handing_over };
  State state() const { return state_; }
  bool serves() const { return state_ == State::supernode || state_ == State::handing_over; }
  // How many leaves to take in all at this moment. 0 unless a supernode.
  std::size_t admission_limit(TimePoint now) const;
  // `role_why`: one sentence without a full stop. `proof`: the same about the proof of our
  // address, which it leans on where that is the reason.
  std::string why(TimePoint now, std::string_view proof) const;

 private:
  std::string need() const;  // empty: not needed
  std::string new_need() const;
  bool shrunk() const;
  TimePoint earliest() const;
  void settle(TimePoint now);
  void become(TimePoint now, State state);
  void begin_hand_over(TimePoint now, std::string why);
  bool may_serve() const { return config_.told == Told::automatic && config_.volunteers; }

  Random random_;
  Config config_;
  State state_ = State::leaf;
  bool proved_ = false;
  TimePoint stable_since_;
  Needs needs_;
  std::size_t usual_ = 0;  // supernodes known when the neighbourhood was last whole
  std::optional<TimePoint> shrunk_since_;
  std::string needed_for_;  // the need that was seen, until it is relieved
  std::optional<TimePoint> step_up_at_;
  std::optional<TimePoint> prove_by_;  // as supernode, at an address not proved yet
  TimePoint served_since_{};
  TimePoint hand_over_until_{};
  TimePoint not_before_{};
  int stepped_down_ = 0;
  std::string because_;  // why the present state was entered
  std::deque<Event> events_;
};

}  // namespace byway

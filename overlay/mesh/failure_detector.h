// Is somebody still there? After SWIM, with Lifeguard's humility.
//
// Every two seconds one partner is pinged, each once in a round whose order is shuffled anew. Who
// does not answer is asked for through three others; who does not answer them either is suspected,
// and told so. For eight seconds it may speak up, and is pinged every second meanwhile.
//
//   round --ping--> probing --nothing in 1 s--> asking --nothing in 1 s--> suspected --8 s--> lost
//                      |                          |                           ^  |
//     somebody else suspects it --check()---------|---------------------------'  |
//                      '------- it answers, or says anything at all -------------'--> nothing
//
// Losing a node here declares nothing: what becomes of it is for those who stand next to it to
// sign (overlay/mesh/membership.h).
//
// A node whose own network is bad must not bury the healthy. Its health counts the probes that
// failed while no helper spoke either, and the times it was suspected itself, down to 0 with each
// answer; it stretches probes and their patience by as much, and a node in poor health judges
// nobody. Nor does one that has heard of no other since the suspicion began.
//
// Facts in: answers, messages, timeouts. The shell's own timeout (a link that could not be made)
// may be told, but need not be.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "overlay/core/timers.h"
#include "protocol/identity.h"
#include "protocol/random.h"
#include "protocol/time.h"

namespace byway {

class FailureDetector {
 public:
  explicit FailureDetector(Random random) : random_(std::move(random)) {}

  // Whom to probe in turn. The round goes on where it was.
  void set_partners(TimePoint now, const std::vector<NodeId>& partners);
  // Somebody suspects it, and we are to judge.
  void check(TimePoint now, const NodeId& id);
  void on_alive(TimePoint now, const NodeId& id);
  void on_probe_timeout(TimePoint now, const NodeId& id);
  // What a helper found. "No" from a helper is an answer of the helper's.
  void on_helper(TimePoint now, const NodeId& helper, const NodeId& id, bool alive);
  void on_suspected_ourselves();
  void forget(const NodeId& id);  // no member any more
  void on_timeout(TimePoint now);

  struct Action {
    enum Kind {
      round,    // its turn: ping it, and send what there is to say
      ping,     // ping it (again)
      ask,      // have three others ping it
      suspect,  // tell it, and those who stand next to it
      lost,     // it did not speak up, and we are fit to judge
    };
    Kind kind;
    NodeId id;
    bool operator==(const Action&) const = default;
  };
  std::optional<Action> poll_action();
  std::optional<TimePoint> next_timeout() const;
  void foresee() const { timers_.foresee(); }  // what that looks at

  bool is_suspect(const NodeId& id) const;
  std::size_t suspects() const { return suspects_; }
  int health() const { return health_; }  // 0: good … limits::worst_health

 private:
  enum class Phase { probing, asking, suspected };
  struct Target {
    Phase phase = Phase::probing;
    TimePoint since;      // of this phase
    TimePoint deadline;   // of this phase
    TimePoint next_ping;  // past the deadline: none
    bool judge = false;   // brought by check(): the suspicion is known already
    bool helper_spoke = false;
  };

  void start_round_again();
  void probe_next(TimePoint now);
  void ask(TimePoint now, const NodeId& id, Target& target);
  void suspect(TimePoint now, const NodeId& id, Target& target);
  void conclude(TimePoint now, const NodeId& id, Target& target);
  void worsen();
  void erase(const NodeId& id);
  void arm(const NodeId& id, const Target& target);
  void act(Action::Kind kind, const NodeId& id) { actions_.push_back({kind, id}); }
  Duration stretched(Duration base) const { return base * (1 + health_); }

  Random random_;
  std::set<NodeId> partners_;
  std::vector<NodeId> round_;  // still to be probed in this round, the next one last
  std::optional<TimePoint> next_probe_;
  std::map<NodeId, Target> targets_;
  Timers<NodeId> timers_;
  std::size_t suspects_ = 0;
  int health_ = 0;
  // The last two who were heard: has anybody but this one been heard since?
  struct Heard {
    NodeId who;
    TimePoint at;
  };
  std::optional<Heard> last_heard_;
  std::optional<Heard> other_heard_;
  std::deque<Action> actions_;
};

}  // namespace byway

// Looks at a swarm and keeps figures: who knows whom and how soon, whose end is noticed, who is
// taken for dead and lives, whether look-ups are right.
//
// What is right is decided by looking into all heads at once, which no node can: a newcomer is
// known when 99 of 100 supernodes admit it; a look-up is right when it names a supernode that runs
// and has the leaf registered, or nobody where nobody has.
#pragma once

#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "tools/sim/swarm.h"

namespace byway::sim {

// Times or sizes, to be asked for their median and the like.
class Sample {
 public:
  void add(double value) { values_.push_back(value); }
  std::size_t size() const { return values_.size(); }
  double at(double share) const;  // 0.5: the median; 0 where there is none
  double least() const { return at(0); }
  double most() const { return at(1); }
  double mean() const;
  double share_within(double limit) const;  // 1 where there is none

 private:
  mutable std::vector<double> values_;
  mutable std::size_t sorted_ = 0;
};

class Watch {
 public:
  using HostId = Swarm::HostId;

  // Asks `lookups` times a second, from anywhere, for anybody.
  Watch(Swarm& swarm, double lookups);

  // Begins to count now: what was before was the beginning.
  void reset();
  // The watching ends: whoever came, went or died half a minute ago or earlier and is not known to
  // have done so by 99 of 100 counts as never known; of the others nothing can be said.
  void conclude();
  // Events go on to here.
  std::function<void(HostId, const Event&)> then;
  // Whether the subject may rightly be taken for gone by the other although it runs (it is cut
  // off).
  std::function<bool(HostId by, HostId subject)> excused;

  // --- who knows whom ---
  // Seconds until 99 of 100 knew; `never` where that was not so within five minutes, in its life or
  // before the end.
  static constexpr double never = 1e9;
  const Sample& newcomers() const { return newcomers_; }
  const Sample& crashes() const { return crashes_; }
  const Sample& farewells() const { return farewells_; }
  std::size_t buried_alive() const { return buried_.size(); }  // how many nodes
  std::size_t burials_alive() const { return burials_; }       // in how many views
  // Of all pairs of supernodes that have run for a minute: who has the other in view.
  double mutual() const;
  // Entries in views that name nobody who runs, of all.
  double ghosts() const;
  std::size_t roots() const;  // different ones among them

  // --- look-ups ---
  struct Lookups {
    std::size_t right = 0;
    std::size_t wrong = 0;
    std::size_t undecided = 0;   // it came or went meanwhile
    std::size_t not_found = 0;   // of the wrong ones: though it was there
    std::size_t elsewhere = 0;   // of the wrong ones: at a home that had not got it
    std::size_t ghosts = 0;      // of the wrong ones: though it was nowhere
    std::size_t unanswered = 0;  // of the wrong ones
    Sample ms;
    double share_right() const;
  };
  const Lookups& lookups() const { return lookups_; }
  // Everybody who can be reached is looked up once, from anywhere, spread over the time.
  void look_up_everybody(Duration spread);

  // --- leaves ---
  // Running leaves, and those of them that some running supernode has registered.
  std::size_t leaves() const;
  std::size_t reachable() const;
  Sample homes_per_leaf() const;
  Sample home_rtt_ms() const;  // of each home of each leaf, as it measures it
  Sample leaves_per_supernode() const;

  // --- traffic, since reset ---
  struct Traffics {
    double seconds = 0;
    Sample mesh_bytes;        // a second and supernode, sent to other supernodes
    Sample supernode_bytes;   // a second and supernode, sent
    Sample leaf_bytes;        // a day and leaf, both ways
    Flow supernodes, leaves;  // sent, all together
  };
  Traffics traffic() const;
  TimePoint since() const { return since_; }

 private:
  struct Track {
    HostId host;
    NodeId id;
    TimePoint since;
    std::size_t hint = 0;  // how many have told of it
    TimePoint looked{};
  };
  struct Question {
    HostId asker;
    std::uint32_t asker_life;
    NodeId target;
    std::optional<HostId> host;  // none: nobody has this id
    std::uint32_t host_life = 0;
    bool there = false;
    std::vector<NodeId> homes;  // of the host, when it was asked
    TimePoint asked;
  };
  using Tracks = std::map<NodeId, Track>;

  void on_event(HostId host, const Event& event);
  void on_start(HostId host);
  void on_stop(HostId host, bool farewell);
  void look(bool for_the_last_time = false);
  void look_at(Tracks& tracks, Sample& sample, bool known, bool for_the_last_time);
  std::optional<HostId> some_asker();
  void ask();
  void ask(HostId asker, const NodeId& target, std::optional<HostId> host, bool there);
  bool has_registered(const NodeId& home, const NodeId& leaf) const;
  void on_answer(const Question& question, const LookedUp& answer);
  bool is_there(HostId leaf) const;
  bool is_old(HostId supernode, Duration age) const;

  Swarm& swarm_;
  double rate_;
  double owed_ = 0;
  TimePoint since_;
  std::map<HostId, std::array<Flow, 3>> before_;  // of those that were there at reset

  Tracks coming_, crashed_, left_;
  Sample newcomers_, crashes_, farewells_;
  std::set<NodeId> buried_;
  std::size_t burials_ = 0;

  std::map<std::pair<HostId, NodeId>, Question> questions_;
  std::vector<NodeId> dead_;  // leaves, the last few hundred
  std::vector<TimePoint> died_;
  Lookups lookups_;
};

}  // namespace byway::sim

// Who else is here? Every supernode knows every other; this is how it comes to know.
//
//   known ----two vouchers----> vouched for --room in its netgroup--> admitted
//   (a candidate)               (in the View) <------'                (what others see of it)
//        |                          |
//        '---ten minutes-->         '--- farewell, or two signed "gone" ---> departed --an hour-->
//                                            ^---- a newer record of its own ----'
//
// Coming. A newcomer tells a sponsor, who passes it on to the eight supernodes nearest on the ring.
// Those speak with it themselves (`Examine`), and sign a voucher. Vouchers spread, and who holds
// two by members of different netgroups takes the newcomer into its view. Nobody has to be
// believed alone, and a record that nobody vouched for does not spread at all. A voucher is for the
// day on which it was given: it stays when whoever gave it leaves, and nobody is examined again for
// that. The newcomer pulls everybody from its sponsor, whom it has to believe once: what it was
// told wrongly there, probes and later comparisons with others mend. Below four netgroups one
// voucher will do, and as long as nobody is vouched for at all anybody may vouch: so a network of
// one is its own member, of two is two that vouch for each other, and from the fifth netgroup on it
// takes two. Where all begin at once it may happen that others vouch in a circle that does not
// touch our view: such a candidate we examine ourselves after a while, and what we have seen with
// our own eyes needs no voucher.
//
// Spreading. News is told once, to four partners, which reaches nine of ten (rumours.h). With every
// gossip goes the name of what changed a little earlier, 16 bytes for each node, and whoever has
// missed it asks. What is missed for longer than that is found by comparing hash trees
// (hash_tree.h), one datagram a step.
//
// Staying. Neighbours on the ring watch one another (failure_detector.h). Who suspects somebody
// tells it and the four nearest to it, and those probe it at once; two of them, of different
// netgroups, must sign "gone" before anybody removes it. A suspect that hears of it answers; one
// declared gone signs a newer record (`Renew`), which brings it back. One voice alone removes
// nobody. A node that hears no one for a minute knows that it is alone, sets everybody aside and
// begins again (`Alone`).
//
// Partners are the eight neighbours and four others that change slowly, so the mesh's links are
// few and stay: one new link a minute while nothing happens.
//
// Load travels with the heartbeats as a class 0…7 and is known of partners only: it changes all the
// time, and records change when something about a node does.
//
// Files: membership.cc (facts, partners, examining, time), membership_news.cc (what is heard),
// membership_telling.cc (what is told), membership_sync.cc (pages, what was missed, anti-entropy),
// membership_watch.cc (suspicion and the gone).
#pragma once

#include <boost/unordered/unordered_map.hpp>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <variant>
#include <vector>

#include "overlay/core/rate_limiter.h"
#include "overlay/mesh/failure_detector.h"
#include "overlay/mesh/mesh_limits.h"
#include "overlay/mesh/rumours.h"
#include "overlay/mesh/view.h"
#include "protocol/mesh_message.h"

namespace byway {

struct MembershipConfig {
  int netgroup_bits_v4 = 16;
  int netgroup_bits_v6 = 32;
};

// --- what the membership wants or tells; record_of() says where a node is ---

// Speak with it at its record's first endpoint, with fetched attestations; tell on_examined.
struct Examine {
  RecordPtr record;
};
// Ping it over its link, which is made if there is none; tell on_probe_answer. A later one for the
// same node replaces it.
struct Probe {
  NodeId id;
};
// Sign a record of ours with a sequence above this, and give it to on_own_record.
struct Renew {
  std::uint64_t above = 0;
};
enum class Departure : std::uint8_t {
  left,         // it said farewell
  gone,         // two of its neighbours signed so
  lost_touch,   // we are alone
  crowded_out,  // still a member, but its netgroup is full of older ones
  moved,        // to another address, for which nobody vouched yet
  unvouched,    // one voucher was enough while the network was small
};
std::string_view to_string(Departure why);
struct MemberAdmitted {
  RecordPtr record;
};
struct MemberUpdated {  // a newer record, at the same address
  RecordPtr record;
};
struct MemberDropped {
  RecordPtr record;
  Departure why;
};
struct Joined {
  std::size_t members;
};
struct JoinFailed {};  // no sponsor answered
struct Alone {};       // nobody was heard for a minute: join again
using MeshEvent = std::variant<Examine, Probe, Renew, MemberAdmitted, MemberUpdated, MemberDropped,
                               Joined, JoinFailed, Alone>;

// Since when somebody is a member, as its vouchers say: the second oldest stamp, so that no one of
// them alone makes it old. Not empty.
WallTime agreed(std::vector<WallTime> stamps);

struct MeshTransmit {
  std::vector<NodeId> to;  // the same to each
  MeshMessage message;
};

class Membership {
 public:
  // `archive` outlives it; all nodes of a simulation share one. It speaks once it has a record of
  // its own.
  Membership(MembershipConfig config, const Identity& identity, Archive& archive, Random random,
             TimePoint now, WallTime wall);

  // --- facts ---
  // Ours, as a supernode with an endpoint, newly signed.
  void on_own_record(TimePoint now, RecordPtr record);
  // A supernode to which there is a link. The first one is believed; more are fallbacks.
  void join(TimePoint now, const NodeId& sponsor);
  // `farewell`: a record of ours that is no supernode's, or has no endpoint.
  void leave(TimePoint now, RecordPtr farewell);
  // From an authenticated link.
  void on_message(TimePoint now, const NodeId& from, const MeshMessage& message);
  // Registered here as a leaf. If it was a member, it was started anew and serves no more, and this
  // record is its farewell: a link alone would keep it alive in everybody's eyes.
  void on_leaf_record(TimePoint now, const RecordPtr& record);
  void on_probe_answer(TimePoint now, const NodeId& id);
  void on_probe_timeout(TimePoint now, const NodeId& id);
  void on_examined(TimePoint now, const NodeId& id, bool ok);
  void on_wall_clock(TimePoint now, WallTime wall);
  void set_load(std::uint8_t load) { load_ = load; }  // 0…7
  // A view that is right, for a simulation that begins with an old network: copied as it is, and
  // nothing is told of those in it. We are one of them, with our own record.
  void adopt(TimePoint now, const View& view);
  void on_timeout(TimePoint now);

  // --- to be drained after every fact ---
  bool has_output() const { return !messages_.empty() || !events_.empty(); }
  std::optional<MeshTransmit> poll_message();
  std::optional<MeshEvent> poll_event();
  std::optional<TimePoint> next_timeout() const;
  void foresee() const;  // what that looks at

  // --- what is known ---
  const View& view() const { return view_; }
  // The admitted nearest to a key or node on the ring, ourselves included.
  std::vector<NodeId> nearest(const NodeId& to, std::size_t count) const {
    return view_.nearest(position_of(to), count);
  }
  std::optional<NodeId> random_member() { return view_.random_member(random_, self_); }
  // 0…1, of those among the 16 nearest to us that told; none where none did.
  std::optional<double> mean_load_nearby() const;
  RecordPtr record_of(const NodeId& id) const;
  bool is_suspect(const NodeId& id) const { return detector_.is_suspect(id); }
  // Others vouch for us.
  bool is_established() const { return established_; }
  std::size_t candidates() const { return candidates_.size(); }
  std::size_t departed() const { return departed_.size(); }
  int health() const { return detector_.health(); }
  const std::vector<NodeId>& partners() const { return partners_; }

 private:
  struct Candidate {
    RecordPtr record;
    std::vector<VoucherPtr> vouchers;
    TimePoint known_since;
    std::size_t told = 0;  // how many of its vouchers we passed on
  };
  struct Departed {
    DossierPtr dossier;  // as a member
    RecordPtr record;    // its last, which may be a farewell
    WallTime since{};
    bool strong = false;
    Departure why = Departure::left;
    std::vector<Gone> gones;
  };
  struct Pulling {
    NodeId from;
    Position cursor = 0;
    std::map<Position, Page> ahead;  // what came before its turn, without its news
    std::size_t pages = 0;           // of this answer
    bool filling = false;            // a gap before what is ahead
    int tries = 0;
    TimePoint deadline;
    bool adopt = false;  // joining: what it says is believed
  };
  struct Guest {  // whose partner we are
    NodeId id;
    TimePoint until;
  };
  struct BackOff {
    TimePoint until;
    Duration pause{};
  };

  // --- membership.cc ---
  static bool contains(const std::vector<NodeId>& ids, const NodeId& id);
  WallTime wall(TimePoint now) const;
  void on_stranger(const NodeId& from, const Gossip& gossip);
  void foresee(const std::vector<News>& news) const;
  void after_changes(TimePoint now);
  void consider_ourselves();
  void report_changes(TimePoint now, Departure why);
  void refresh_partners(TimePoint now);
  void wander();
  void receive_guest(TimePoint now, const NodeId& id);
  bool is_near(const NodeId& subject, std::size_t each_side) const;
  void consider_duty(TimePoint now, const NodeId& subject);
  void do_duty(TimePoint now, const NodeId& subject);
  bool lacks_vouchers(const NodeId& subject) const;
  bool may_vouch() const;
  WallTime since_when(TimePoint now, const NodeId& subject) const;
  void look_ourselves(TimePoint now);
  void forget_candidate(const NodeId& id);

  // --- membership_news.cc ---
  void hear(TimePoint now, const NodeId& from, const News& news);
  void adopt_news(TimePoint now, const NodeId& from, const News& news);
  bool is_last_of_departed(const News& news) const;
  void hear_record(TimePoint now, const NodeId& from, const RecordPtr& record);
  void hear_as_member(TimePoint now, const NodeId& from, const RecordPtr& record);
  void hear_as_departed(TimePoint now, const NodeId& from, const RecordPtr& record);
  void hear_as_candidate(TimePoint now, const NodeId& from, const RecordPtr& record);
  void introduce(TimePoint now, const NodeId& newcomer, const RecordPtr& record);
  void hear_of_ourselves(TimePoint now, const NodeId& from, const News& news);
  void hear_vouchers(TimePoint now, const News& news);
  void hear_voucher(TimePoint now, const NodeId& subject, const Voucher& voucher);
  std::size_t netgroups_of(const std::vector<VoucherPtr>& vouchers) const;
  WallTime since_of(const std::vector<VoucherPtr>& vouchers) const;
  std::size_t vouchers_needed() const { return mature_ ? 2 : 1; }
  void judge(TimePoint now, const NodeId& subject);
  void judge_candidates(TimePoint now);
  void take_in(TimePoint now, const NodeId& subject, bool first_hand, bool strong);
  void consider_maturity(TimePoint now);

  // --- membership_telling.cc ---
  void send(const NodeId& to, MeshMessage message);
  void tell(const NodeId& to, std::vector<News> news);
  void tell(const std::vector<NodeId>& to, std::vector<News> news);
  void announce(TimePoint now);
  void tell_examiners(const NodeId& subject, const Voucher& voucher);
  void rumour(TimePoint now, const NodeId& subject, Rumours::Kind kind, const NodeId& by = {});
  void spread(TimePoint now, const Dossier& dossier);
  void heartbeat(TimePoint now, const NodeId& to);
  bool gossip(TimePoint now, std::vector<NodeId> to, bool at_any_rate);
  void push(TimePoint now);
  void note_change(TimePoint now, Position position);
  std::vector<BucketItem> settled_changes(TimePoint now);
  std::vector<News> gather(std::size_t listeners, std::size_t room);
  std::optional<News> news_about(const NodeId& id) const;
  News whole_news(const Dossier& dossier) const;
  static std::size_t bound_of(const News& news);
  static std::vector<std::vector<News>> in_datagrams(std::vector<News> news);

  // --- membership_sync.cc ---
  bool was_missed(Position position) const;
  void consider_recent(TimePoint now, const NodeId& from, const std::vector<BucketItem>& recent);
  void consider_sync(TimePoint now, const NodeId& with, std::uint64_t root);
  void on_compare(TimePoint now, const NodeId& from, const Compare& compare);
  void on_want(const NodeId& from, const Want& want);
  void on_pull(const NodeId& from, const Pull& pull);
  void on_page(TimePoint now, const NodeId& from, const Page& page);
  void start_pull(TimePoint now, const NodeId& from, bool adopt);
  void ask_pages(TimePoint now);
  void fill_gap(TimePoint now);
  void pull_timed_out(TimePoint now);

  void finish_pull(TimePoint now);

  // --- membership_watch.cc ---
  void on_alive(TimePoint now, const NodeId& id);
  void on_alive(TimePoint now, const NodeId& id, bool member);
  void answer_askers(const NodeId& target, bool alive);
  void run_detector(TimePoint now);
  void ask_helpers(const NodeId& target);
  void spread_suspicion(const NodeId& subject);
  void on_suspect(TimePoint now, const NodeId& from, const Suspect& suspect);
  void on_probe_for(TimePoint now, const NodeId& from, const ProbeFor& ask);
  void sign_gone(TimePoint now, const NodeId& subject);
  void hear_gone(TimePoint now, const NodeId& subject, const Gone& gone);
  bool enough(const NodeId& subject, const std::vector<Gone>& gones) const;
  void depart(TimePoint now, const NodeId& id, Departure why, RecordPtr last,
              std::vector<Gone> gones);
  void forget_departed(const NodeId& id);
  void on_departed_alive(TimePoint now, const NodeId& id);
  void lose_touch(TimePoint now);
  void feel(TimePoint now);

  MembershipConfig config_;
  Identity identity_;
  NodeId self_;
  Position position_;
  Archive& archive_;
  Random random_;
  TimePoint wall_known_at_;
  WallTime wall_known_;

  RecordPtr own_;
  std::uint8_t load_ = 0;
  bool established_ = false;
  bool leaving_ = false;
  bool mature_ = false;
  std::optional<std::uint64_t> judged_view_;  // which one was last looked at for maturity

  View view_;
  std::map<NodeId, Candidate> candidates_;
  std::map<IpAddress, std::size_t> candidate_pairs_;
  Timers<NodeId> candidate_ends_;
  boost::unordered_map<NodeId, Departed, std::hash<NodeId>> departed_;
  std::map<Position, NodeId> departed_at_;
  Timers<NodeId> departed_ends_;
  std::map<NodeId, std::vector<Gone>> accusations_;  // of members and ourselves

  // Scheduled or being examined; then where, for that is what a voucher will be about.
  std::map<NodeId, std::optional<IpAddress>> on_duty_;
  Timers<NodeId> duties_;        // to be examined
  Timers<NodeId> examining_;     // being examined
  std::set<NodeId> first_hand_;  // being examined to convince ourselves, nobody else
  RateLimiter<IpAddress> examinations_;
  std::map<IpAddress, BackOff> back_offs_;  // who failed an examination

  FailureDetector detector_;
  std::map<NodeId, std::vector<NodeId>> asked_by_;  // for whom we probe
  Timers<NodeId> asked_ends_;
  std::optional<TimePoint> heard_any_;

  std::vector<NodeId> partners_;
  std::vector<NodeId> wanderers_;
  std::vector<Guest> guests_;
  Rumours rumours_;
  struct Change {
    Position position;
    std::uint64_t digest;  // 0: departed
    TimePoint at;
  };
  struct Missed {
    Position position;
    NodeId asked;
    TimePoint at;
  };
  std::deque<Change> changes_;  // what is to be named, the newest last
  std::deque<Missed> missed_;   // what we have asked for, the newest last
  bool late_ = false;           // most others know already what we hear now
  std::optional<TimePoint> push_at_;
  TimePoint next_push_{};
  std::optional<TimePoint> pushed_at_;
  std::optional<TimePoint> refresh_at_;
  std::optional<TimePoint> wander_at_;
  std::optional<TimePoint> announce_at_;
  std::optional<TimePoint> feel_at_;
  std::optional<TimePoint> look_at_;
  bool judge_again_ = false;

  std::vector<NodeId> sponsors_;
  std::optional<Pulling> pulling_;
  std::uint64_t last_root_ = 0;
  TimePoint still_since_;
  std::optional<TimePoint> differ_since_;
  TimePoint next_sync_;
  Duration sync_pause_ = limits::sync_pause;

  RateLimiter<NodeId> requests_;
  RateLimiter<NodeId> announcers_;
  TokenBucket announcements_;
  RateLimiter<NodeId> told_;  // accusations, to whom they concern
  std::vector<NodeId> accusers_;
  std::optional<TimePoint> renewed_at_;
  TokenBucket blame_{0.1, 2};  // whoever suspects us in vain makes us no sicker than this

  std::deque<MeshTransmit> messages_;
  std::deque<MeshEvent> events_;
};

}  // namespace byway

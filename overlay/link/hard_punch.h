// A direct path where a NAT picks another port for every destination, so that nobody can tell
// beforehand from where its packets will come. Runs beside Punch, which needs to know no ports,
// once the two have agreed over the relay what each of them does:
//
//   resting --start--> measuring --own NAT known--> agreeing --both plans, and witnesses--> acting
//      |                   |  too few answers           | no plan, no witness               |
//      '<----- failed <----'----------------------------'<-----------patience---------------|
//                                                               open <-------a path---------'
//
//   we            the peer      we do                                the peer does
//   easy          sequential    probe the next ports of its NAT      one fresh socket knocks
//   easy          block/random  probe up to 1,750 ports              256 sockets knock (birthday)
//   sequential    sequential    25 sockets knock at one port         the same
//   easy          easy          one fresh socket knocks: only when   the same
//                               Punch has found nothing
//   otherwise                   nothing: there is no way but luck
//
// Nothing is tried twice from the same socket. Where a packet was lost one side acts before the
// other, and the router of that other may take what comes uninvited for itself: then its whole
// socket leaves from another port, for all that is new. So from the second attempt on the easy
// side uses a fresh socket too, and asks supernodes first where that is seen.
//
// Each plan says how long after its arrival its sender is ready, and both act when both are: so
// they open their NATs at the same moment, and no knock comes uninvited. A counting NAT is asked
// right before and right after the knock, from sockets on either side of it; what lies between is
// told to the peer, however many others use that NAT.
//
// Many packets go to one address, so a plan is acted upon only when supernodes of our own choice
// have said that the peer is there: the conductor tells by set_witnessed(). Sockets are the
// conductor's: it opens as many as are wanted() and closes them when they are not used() any more.
#pragma once

#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "overlay/core/events.h"
#include "overlay/link/birthday.h"
#include "overlay/link/port_sampler.h"
#include "protocol/punch_message.h"

namespace byway {

class HardPunch {
 public:
  enum class State : std::uint8_t { resting, measuring, agreeing, acting, open, failed };
  // What both sides do about it.
  enum class Part : std::uint8_t {
    none,
    probe_next,
    probe_all,
    open_one,
    open_many,
    meet,
    knock_anew
  };
  enum class End : std::uint8_t {
    none,
    unmeasured,
    no_plan,
    unwitnessed,
    hopeless,
    busy,
    not_found
  };

  // How we look from outside, as far as that is known.
  struct Self {
    bool hard = false;                 // another port for every destination
    bool fresh = false;                // easy: from a new socket, for this is not the first try
    bool anew = false;                 // neither NAT is hard, and Punch has found nothing
    Endpoint seen;                     // the main socket, at a supernode
    std::vector<Endpoint> supernodes;  // two that can be asked, at different addresses
    std::vector<NodeId> homes;
  };
  // What an earlier measurement found of a NAT that gives ports by chance.
  struct Known {
    PortForecast forecast;
    std::optional<std::uint8_t> hops;
  };

  explicit HardPunch(Random random) : random_(std::move(random)) {}

  void start(TimePoint now, std::uint16_t round, Self self, Duration relay_rtt,
             const std::optional<Known>& known);
  // --- facts ---
  void on_sockets(TimePoint now, const std::vector<SocketId>& sockets);  // as many as there were
  bool on_stun(TimePoint now, SocketId socket, const Endpoint& from, ByteView response);
  void on_plan(TimePoint now, const PunchPlan& plan);
  void on_ports(TimePoint now, const PunchPorts& ports);
  void set_witnessed(bool yes) { witnessed_ = yes; }
  // An answer that proves a path; with the round trip, where that can be told.
  struct Answer {
    std::optional<Duration> rtt;
  };
  std::optional<Answer> on_pong(TimePoint now, SocketId socket, const Endpoint& from,
                                std::uint64_t nonce);
  void on_open();
  void on_timeout(TimePoint now);

  // --- what to do ---
  std::size_t wanted(TimePoint now) const;  // fresh sockets
  bool wants_to_act(TimePoint now) const;
  void act(TimePoint now);
  void give_up(TimePoint now, End end);
  struct Send {
    SocketId socket;
    Endpoint to;
    std::uint64_t nonce;  // of a ping
    std::uint8_t hops;
  };
  struct AskWitnesses {};  // have our homes tell the peer where they see us
  using Wish = std::variant<AskWitnesses, PunchPlan, PunchPorts, PortSampler::Question, Send>;
  std::optional<Wish> poll(TimePoint now);
  std::optional<TimePoint> next_timeout() const;

  // --- what is ---
  State state() const { return state_; }
  bool busy() const {
    return state_ == State::measuring || state_ == State::agreeing || state_ == State::acting;
  }
  Part part() const;
  bool is_birthday() const { return part() == Part::probe_all || part() == Part::open_many; }
  bool is_anew() const { return self_.anew; }
  Method method() const;
  std::uint16_t round() const { return round_; }
  End end() const { return end_; }
  const std::optional<PunchPlan>& theirs() const { return theirs_; }
  const std::optional<PunchPlan>& ours() const { return mine_; }
  // Where the peer said it is, while that matters.
  std::optional<IpAddress> address() const;
  // A packet from there is an answer to something we tried.
  bool tried(SocketId socket, const Endpoint& from) const;
  bool used(SocketId socket) const;
  // A measurement worth keeping: of a NAT that gives ports by chance.
  std::optional<Known> learnt() const;
  std::size_t sent() const { return probes_.sent() + openers_.sent(); }
  std::size_t sockets() const { return opened_; }
  Duration took() const { return took_; }

 private:
  TimePoint measure_at() const;
  bool measured(TimePoint now) const;
  std::optional<TimePoint> witnesses_at() const;
  void schedule_plan(TimePoint now);
  TimePoint not_before() const;
  void offer(TimePoint now);
  void agreed(TimePoint earliest);
  std::size_t openers_wanted() const;
  void finish(TimePoint now, State state, End end);
  void look_around();

  Random random_;
  State state_ = State::resting;
  End end_ = End::none;
  std::uint16_t round_ = 0;
  Self self_;
  Duration relay_rtt_{};
  TimePoint started_{};
  TimePoint acting_since_{};
  TimePoint deadline_{};
  Duration took_{};
  bool witnessed_ = false;

  std::optional<Known> known_;
  PortSampler sampler_;
  std::vector<SocketId> sampling_;
  SocketId probing_ = main_socket;  // the easy side's

  std::optional<PunchPlan> mine_, theirs_;
  TimePoint offered_{};
  std::size_t witnesses_asked_ = 0;
  std::size_t plans_sent_ = 0;
  std::optional<TimePoint> plan_at_;  // to be sent then, perhaps again
  bool answered_ = false;
  TimePoint ready_there_{};  // not before this does the peer act
  std::optional<TimePoint> act_at_;

  std::vector<SocketId> sockets_;  // openers
  std::size_t opened_ = 0;
  Openers openers_;
  Probes probes_;
  PortSampler around_;  // right before and right after an opener's first knock
  std::vector<SocketId> beside_;
  bool asked_before_ = false;
  std::optional<PunchPorts> between_;
  int hurried_ = 0;
};

}  // namespace byway

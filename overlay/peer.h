// What the conductor keeps about one other node: the link, the paths, and, where the two talk, the
// conversation. A supernode keeps thousands of these for its leaves, so what only talking needs
// is allocated only then.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "overlay/core/alarms.h"
#include "overlay/link/call.h"
#include "overlay/link/hard_punch.h"
#include "overlay/link/link.h"
#include "overlay/link/paths.h"
#include "overlay/link/punch.h"
#include "overlay/link/tcp_punch.h"
#include "overlay/stream/session.h"
#include "protocol/message.h"
#include "protocol/tcp_message.h"

namespace byway {

// A QUIC session and the numbers its streams have here.
struct SessionSlot {
  std::unique_ptr<Session> session;
  std::map<QuicStreamId, StreamId> streams;
  std::vector<ConnectionId> indexed;  // its ids, as the conductor has them
  std::uint64_t ids_version = ~0ull;
  TimePoint born{};
  bool draining = false;  // takes no new streams; another session replaced it
  Bytes first_flight;     // went by a home; again where a direct path is there before the answer
  std::optional<TimePoint> idle_since;
};

// What only a pair needs of which one side has no UDP.
struct TcpTalk {
  TcpPunch punch;
  std::vector<Candidate> candidates;  // the peer's, fit to be connected to
  Meet theirs;                        // what it said last
  std::optional<TimePoint> met;       // when we said ours; none: to be said
  struct Again {
    Bytes body;
    TimePoint at;
  };
  std::optional<Again> meet_again;  // ours a second time, for one may be lost
  std::optional<TimePoint> next_round;
  Duration round_gap{};
};

struct Conversation {
  bool called = false;     // we began it
  bool connected = false;  // authenticated both ways
  TimePoint begun{};
  TimePoint last_used{};

  Call call;
  Punch punch;
  std::vector<Candidate> candidates;  // the peer's, fit to be knocked at
  NatSummary nat;                     // the peer's
  NodeId introduced_by;
  std::map<NodeId, LaneId> asked;    // the lane that each home was asked to open
  std::vector<LaneId> lanes;         // all that lead to the peer, whoever asked; the last few
  std::optional<Route> provisional;  // where to send while no path is proved
  std::unique_ptr<TcpTalk> tcp;

  std::uint16_t round = 0;
  std::optional<TimePoint> next_round;
  Duration round_gap{};
  std::optional<TimePoint> next_call;  // to replace a lane, or every path
  Duration call_gap{};

  bool alarmed = false;  // a path fell silent: the homes were asked whether we have moved
  std::optional<TimePoint> reached_anew;  // when the peer was last told that we have moved

  std::optional<Route> announced;  // the path last told to the application
  std::optional<TimePoint> direct_since;
  std::optional<Endpoint> last_direct;
  std::optional<Route> moved_to;  // where its session speaks from since its NAT dropped a mapping
  std::string lost_why;           // what became of the last direct path

  std::unique_ptr<HardPunch> hard;  // where a NAT picks another port for every destination
  TimePoint hard_begun{};
  int birthdays = 0;
  std::size_t hard_failed = 0;            // attempts in a row
  std::map<NodeId, IpAddress> witnesses;  // our homes, and where each says the peer is

  std::vector<std::unique_ptr<SessionSlot>> sessions;
  std::optional<TimePoint> stranded_since;  // the sessions have no way out
  // The ids that the peer made up for sessions we took: a first flight that comes twice, and late,
  // must not begin another one.
  std::vector<ConnectionId> begun_sessions;
};

struct Peer {
  Peer(const Crypto& crypto, const Identity& self, const NodeId& its_id, Random random)
      : id(its_id), link(crypto, self, id), paths(std::move(random)) {}
  Peer(const Peer&) = delete;  // its link knows where its id is
  Peer& operator=(const Peer&) = delete;

  const NodeId id;
  AlarmPlace alarm;
  std::list<Peer>::iterator place;  // among all peers
  bool is_touched = false;          // something is to be done with it
  bool is_leaf = false;             // registered here
  bool is_guest = false;            // greeted us, and stands in the row of those who did
  bool alarmed = false;             // a home that is late: the others were asked too
  bool examining = false;           // whether it is at its address, by a handshake under way
  Link link;
  Paths paths;
  std::uint64_t boot = 0;  // of its process; 0: not known
  TimePoint heard_at{};    // last, over whatever path
  TimePoint sampled{};     // when it was last told of other supernodes
  Duration rtt_hint{};     // as the node itself measured it

  // A home that is reached by TCP is asked by UDP too, from time to time.
  struct UdpTrial {
    std::optional<TimePoint> again;
    Duration gap{};
    std::optional<TimePoint> judged_at;  // the first time: no answer by then
    bool failed = false;
  };
  struct Letter {
    Area area;
    Bytes body;
  };
  // What is known of handshakes that we began; a supernode begins none with its leaves.
  struct Dial {
    std::optional<Route> route;  // none: homes carry it
    TimePoint at{};
    int by_tcp = 0;  // attempts of this handshake, as UDP does not answer
    std::optional<std::chrono::milliseconds> clock_offset;  // to ours, once it complained
    WallTime last_stamp{};                                  // by its clock
    UdpTrial udp_trial;
    std::vector<Letter> outbox;  // waits for the link
  };
  const Dial& dialled() const {
    static const Dial never;
    return dial_ ? *dial_ : never;
  }
  Dial& dial() {  // to be changed
    if (!dial_) dial_ = std::make_unique<Dial>();
    return *dial_;
  }

  // A handshake that we answered and that is not confirmed yet.
  struct Pending {
    std::variant<Greet, Registration, Talk> wish;
    Route route;
    WallTime stamp;
    Bytes reply;
    TimePoint expires;
  };
  std::unique_ptr<Pending> pending;

  std::unique_ptr<Conversation> talk;
  std::vector<SocketId> spare;  // sockets opened to reach it

  // A supernode that we had something to say to: kept linked for a while.
  std::optional<TimePoint> wanted_until;

 private:
  std::unique_ptr<Dial> dial_;
};

}  // namespace byway

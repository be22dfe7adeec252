// Knows all the machines and lets them know of one another: takes every fact to whom it concerns
// and carries out what comes back. The machines never meet; whatever spans two of them is here,
// as a switch on the kind of message and a list of facts passed on.
//
//   conductor_input.cc       datagrams in, and those that are only passed on
//   conductor.cc             messages in and out, time
//   conductor_handshakes.cc  links being made: dialled, answered, confirmed
//   conductor_homes.cc       registration and introduction, both sides
//   conductor_network.cc     port mappings, changes of the network we are in
//   conductor_lan.cc         peers in our own local network
//   conductor_roles.cc       proofs of reachability, stepping up and down
//   conductor_nat.cc         what our NAT does, and helping others to find out
//   conductor_mesh.cc        links among supernodes, who is a member
//   conductor_book.cc        supernodes remembered, for a start without seeds
//   conductor_directory.cc   records of leaves, look-ups, introductions from home to home
//   conductor_talk.cc        conversations: calling, knocking, changing path
//   conductor_punch.cc       ports that have to be guessed: predicted and birthday punching
//   conductor_streams.cc     sessions and their streams
//   conductor_tcp.cc         where UDP is blocked: connections, direct ones too
//   conductor_survey.cc      what diagnosis tools ask and are told
//   conductor_status.cc      what `status` shows
//   conductor_foresight.cc   memory that will be needed, for simulations
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <deque>
#include <list>
#include <map>
#include <set>

#include "overlay/core/agenda.h"
#include "overlay/core/alarms.h"
#include "overlay/core/fifo.h"
#include "overlay/core/limits.h"
#include "overlay/core/rate_limiter.h"
#include "overlay/core/salted_hash.h"
#include "overlay/core/sockets.h"
#include "overlay/core/spares.h"
#include "overlay/core/watched.h"
#include "overlay/directory/keeper.h"
#include "overlay/directory/lookup.h"
#include "overlay/directory/store.h"
#include "overlay/link/connections.h"
#include "overlay/link/hard_limits.h"
#include "overlay/link/index_table.h"
#include "overlay/link/introducer.h"
#include "overlay/link/knock_budget.h"
#include "overlay/link/lan_finder.h"
#include "overlay/link/relay.h"
#include "overlay/link/relay_month.h"
#include "overlay/link/stamps.h"
#include "overlay/link/story.h"
#include "overlay/mesh/membership.h"
#include "overlay/mesh/peer_book.h"
#include "overlay/mesh/promotion.h"
#include "overlay/overlay.h"
#include "overlay/peer.h"
#include "overlay/reach/announcement.h"
#include "overlay/reach/dialback.h"
#include "overlay/reach/distance_probe.h"
#include "overlay/reach/homes.h"
#include "overlay/reach/lifetime_probe.h"
#include "overlay/reach/nat_probe.h"
#include "overlay/reach/nat_service.h"
#include "overlay/reach/prover.h"
#include "overlay/reach/registrar.h"
#include "overlay/reach/self_view.h"
#include "overlay/reach/tcp_probe.h"
#include "overlay/reach/tcp_view.h"
#include "overlay/survey/survey.h"
#include "protocol/cookie.h"

namespace byway {

class Overlay::Conductor {
 public:
  Conductor(OverlayConfig config, const Identity& identity, const Crypto& crypto, Random random,
            TimePoint now, WallTime wall);

  void on_datagrams(TimePoint now, std::span<const Datagram> datagrams);
  void release_input();
  void on_timeout(TimePoint now);
  void on_local_endpoints(TimePoint now, std::vector<Endpoint> endpoints);
  void on_mapped(TimePoint now, Proto proto, const Endpoint& outside);
  void on_unmapped(TimePoint now, Proto proto, bool v6);
  void on_network_change(TimePoint now);
  void on_wall_clock(TimePoint now, WallTime wall);
  void on_socket_opened(TimePoint now, SocketId id, const Endpoint& bound);
  void on_socket_failed(TimePoint now, SocketId id);
  void add_seed(TimePoint now, const Seed& seed);
  void on_local_tcp_endpoints(TimePoint now, std::vector<Endpoint> endpoints);
  void on_tcp_open(TimePoint now, TcpId id, const Endpoint& local);
  TcpId on_tcp_accepted(TimePoint now, const Endpoint& local, const Endpoint& remote);
  void on_tcp_closed(TimePoint now, TcpId id, TcpEnd why);

  void connect(TimePoint now, const NodeId& id);
  Result<StreamId> open_stream(TimePoint now, const NodeId& id, const StreamHeader& header);
  std::size_t write(TimePoint now, StreamId stream, ByteView bytes);
  std::size_t fill(TimePoint now, StreamId stream, std::size_t most, const StreamSource& source);
  void finish(TimePoint now, StreamId stream);
  void reset(TimePoint now, StreamId stream);
  void stop_reading(TimePoint now, StreamId stream);
  Read read(TimePoint now, StreamId stream, std::size_t max, Bytes spent);
  std::uint64_t survey(TimePoint now, const Seed& supernode, SurveyQuestion question);
  void leave(TimePoint now);

  std::optional<SocketOrder> poll_socket();
  void look_up(TimePoint now, const NodeId& target);
  void adopt(TimePoint now, const View& view, const Placement& placement);
  void foresee(int round, TimePoint at, ByteView datagram, const Peer*& whom) const;
  RecordPtr own_record() const { return membership_->record_of(id()); }
  const View& view() const { return membership_->view(); }
  const Registrar& registrar() const { return registrar_; }

  std::optional<Transmit> poll_data(TimePoint now);
  std::optional<Transmit> poll_transmit(TimePoint now);
  void reuse(Bytes spent);
  std::optional<TcpOrder> poll_tcp();
  std::optional<Event> poll_event();
  std::optional<LaneChange> poll_lane_change();
  void publish_lanes(bool wanted) { relay_.publish(wanted); }
  void on_forwarded(TimePoint now, const Forwarded& forwarded);
  std::optional<TimePoint> next_timeout() const;

  const NodeId& id() const { return identity_.id(); }
  const Counters& counters() const { return counters_; }
  OverlayStatus status(TimePoint now) const;
  std::optional<PeerStatus> peer(const NodeId& id) const;
  const Story* story(const NodeId& id) const { return stories_.find(id); }
  std::vector<Seed> supernodes(std::size_t most) const;

  Bytes peer_book() const { return book_.save(); }
  std::uint64_t peer_book_version() const { return book_version_; }
  std::size_t supernodes_remembered() const { return book_.size(); }
  Bytes kept_proof() const;
  std::uint64_t kept_proof_version() const { return proof_version_; }
  Bytes relay_month() const { return relay_month_.save(); }
  std::uint64_t relay_month_version() const { return relay_month_.version(); }

 private:
  // What became of a datagram: used, or dropped for this reason.
  using Outcome = std::optional<Drop>;
  static constexpr Outcome used = std::nullopt;

  // --- conductor_input.cc ---
  void on_train(TimePoint now, const Datagram& train);
  Outcome on_one(TimePoint now, const Datagram& datagram);
  Outcome on_own_lane(TimePoint now, const Datagram& datagram);
  void pass_on(TimePoint now, const Datagram& run, LaneId lane, std::size_t segment);
  void count_relayed(TimePoint now, std::uint64_t datagrams, std::uint64_t bytes);
  bool relays(TimePoint now) const;

  // --- conductor.cc ---
  Outcome take(TimePoint now, const Route& route, ByteView bytes);
  Outcome on_stun(TimePoint now, const Datagram& datagram);
  Outcome on_sealed(TimePoint now, const Route& route, ByteView bytes);
  Outcome on_message(TimePoint now, Peer& peer, const Route& route, const Message& message,
                     std::size_t size);
  Outcome on_ping(TimePoint now, Peer& peer, const Route& route, const Ping& ping,
                  std::size_t size);
  Outcome on_pong(TimePoint now, Peer& peer, const Route& route, const Pong& pong);
  Outcome on_bye(TimePoint now, Peer& peer, const Bye& bye);
  void heard_from(TimePoint now, Peer& peer, const Route& route);
  void note_direct(const Peer& peer, const Route& route);
  void forget_direct(const Endpoint& endpoint, const NodeId& id);
  void transmit(const Route& route, Bytes bytes);
  void transmit_raw(TimePoint now, Transmit transmit);
  bool send(Peer& peer, const Route& route, const Message& message);
  bool send(Peer& peer, const Message& message);  // over the best path
  bool send_body(Peer& peer, const Route& route, Area area, ByteView body);
  void settle(TimePoint now);  // pumps every peer touched
  void touch(Peer& peer) {
    settle_due_ = true;
    stir(peer);
  }
  // Its sessions alone have something to tell or to send: the rest may be done after that.
  void stir(Peer& peer) {
    if (!std::exchange(peer.is_touched, true)) touched_.push(&peer);
  }
  void pump(TimePoint now, Peer& peer);
  void pump_paths(TimePoint now, Peer& peer);
  std::optional<TimePoint> next_timeout(const Peer& peer) const;
  bool is_needed(const Peer& peer) const;
  void forget(const NodeId& id);
  Peer* find(const NodeId& id);
  const Peer* find(const NodeId& id) const;
  Peer& ensure_peer(const NodeId& id);
  WallTime wall(TimePoint now) const;
  void step(const NodeId& about, std::string text, StepKind kind = StepKind::note) {
    stories_.add(now_, about, kind, text);
    events_.push_back(Step{about, std::move(text), kind});
  }
  bool is_supernode() const { return serving_; }

  // --- conductor_handshakes.cc ---
  Outcome on_handshake1(TimePoint now, const Route& route, ByteView bytes);
  Outcome answer_in_turn(TimePoint now, const Route& route, ByteView bytes);
  void answer_waiting(TimePoint now);
  // `introduction`: it came through this home, not from its sender's own address.
  Outcome answer(TimePoint now, const Route& route, ByteView bytes,
                 const Introduction* introduction, const NodeId& home);
  Outcome on_handshake2(TimePoint now, const Route& route, ByteView bytes);
  Outcome on_cookie(TimePoint now, const Route& route, ByteView bytes);
  void on_confirmed(TimePoint now, Peer& peer, const Route& route);
  void take_in(TimePoint now, Peer& peer, const Registration& wish, const Route& route);
  void on_refused(TimePoint now, Peer& peer, const Refusal& refusal, WallTime its_time);
  bool dial(TimePoint now, Peer& peer, std::optional<Route> route,
            std::variant<Greet, Registration, Talk> wish);
  void redial(TimePoint now, Peer& peer);  // for new keys
  Registration registration(TimePoint now, const NodeId& to);
  void pump_handshake(TimePoint now, Peer& peer);
  void on_dial_failed(TimePoint now, Peer& peer, const std::string& why);
  void learn_boot(TimePoint now, Peer& peer, std::uint64_t boot);

  // --- conductor_homes.cc ---
  void run_homes(TimePoint now);
  void ask_how_far(TimePoint now);
  bool carries_lanes(const NodeId& home) const;
  bool remember_somebody(TimePoint now);
  void on_registered(TimePoint now, Peer& peer, const Route& route, const Endpoint& observed);
  void on_home_pong(TimePoint now, Peer& peer, const Route& route, const Pong& pong);
  void dismiss_home(TimePoint now, Peer& peer);
  Duration home_watch(Duration keepalive) const;
  void spread_keepalives(TimePoint now, Peer& peer, const Route& route);
  void lose_home(TimePoint now, Peer& peer, const std::string& why);
  void lose_leaf(TimePoint now, Peer& peer);
  void announce_record(TimePoint now);
  void pump_announcement();
  Outcome on_record_taken(const Peer& home);
  void keep_record(TimePoint now, const RecordPtr& record);
  Outcome on_new_record(TimePoint now, Peer& leaf, const Registration& registration);
  Outcome on_introduce(TimePoint now, Peer& caller, const Introduce& introduce);
  Outcome introduced_to_us(TimePoint now, Peer& home, const Path& from, const Introduce& introduce);
  Outcome on_introduction(TimePoint now, Peer& home, const Introduction& introduction);
  Outcome on_introduce_result(TimePoint now, Peer& home, const IntroduceResult& result);
  Duration rtt_to(const Peer& peer) const;
  std::vector<Whereabouts> others_with_room(const NodeId& leaf) const;
  void turned_away(TimePoint now, const NodeId& by, const Refusal& refusal);
  Outcome on_refusal(TimePoint now, Peer& peer, const Refusal& refusal);
  Outcome on_home_gone(TimePoint now, const Peer& by, const HomeGone& gone);
  void warn_leaves_of(TimePoint now, const NodeId& gone);
  std::size_t tell_home_gone(const NodeId& gone);
  void warn_again(TimePoint now);

  // --- conductor_network.cc ---
  void doubt_everything(TimePoint now);
  void test_homes(TimePoint now);
  void worry_about_own_place(TimePoint now, Peer& peer);
  void on_observed(TimePoint now, const NodeId& supernode, const Endpoint& at,
                   const Endpoint& observed);
  void reach_anew(TimePoint now, Peer& peer);
  void reach_everybody_anew(TimePoint now, bool other_address);
  void claim_doors(TimePoint now);
  void claim_door(TimePoint now, const Endpoint& seen);
  Prover::Front front(const Endpoint& seen, bool mapped) const;
  void claim_tcp_doors(TimePoint now);
  void claim_tcp_door(TimePoint now, const Endpoint& seen);
  void dial_to_prove(TimePoint now, Transmit dial, TcpFrom from = TcpFrom::listening);
  void on_proved(TimePoint now, const Prover::Proved& proved);
  void on_proof_lost(TimePoint now, const Prover::Lost& lost);
  bool can_dial(const DialOrder& order) const;
  void judge_mapping();

  // --- conductor_lan.cc ---
  void seek_on_lan(TimePoint now, const Peer& peer);
  void pump_lan(TimePoint now);
  Outcome on_lan(TimePoint now, const Datagram& datagram);

  // --- conductor_roles.cc ---
  bool seeks_proof() const;
  void start_anew(TimePoint now);
  Outcome on_dialback(TimePoint now, const Datagram& datagram);
  Outcome on_proof(TimePoint now, Peer& from, const Route& route, ByteView body);
  void help_to_prove(TimePoint now, Peer& asker, const Route& route, const ProveRequest& request);
  void on_seen_by(TimePoint now, const NodeId& supernode, const Endpoint& at,
                  const Endpoint& observed);
  void on_unseen_by(TimePoint now, const NodeId& supernode);
  void pump_roles(TimePoint now);
  void pump_promotion(TimePoint now);
  std::size_t netgroups_to_dial() const;
  void tell_prover_whom_we_know();
  std::vector<Prover::Known> supernodes_living() const;
  void on_promotion(TimePoint now, Promotion::Event event);
  std::string role_word() const;
  std::string role_why(TimePoint now) const;
  void become_supernode(TimePoint now);
  void hand_over(TimePoint now);
  void become_leaf(TimePoint now);

  // --- conductor_nat.cc ---
  void on_vantage(TimePoint now, const Peer& home, const Route& route, const Endpoint& observed);
  void on_vantage_lost(const NodeId& home);
  void become_ready(TimePoint now);
  NatSummary nat_summary() const;
  NatReport nat_report() const;
  Duration keepalive() const;
  void adapt_keepalives();
  void look_after_lifetime(TimePoint now);
  void ask_about_nat(const NatAsk& ask);
  bool on_nat_arrival(TimePoint now, const Datagram& datagram);
  void study_tcp(TimePoint now);
  bool on_tcp_arrival(const Datagram& datagram);
  void serve_nat();
  void stop_serving_nat();
  std::optional<NodeId> stranger_to(const Peer& asker, const Endpoint& from);
  Outcome on_nat(TimePoint now, Peer& from, const Route& route, ByteView body, std::size_t size);
  void pump_nat(TimePoint now);
  void on_nat_timeout(TimePoint now);
  std::optional<TimePoint> next_nat_timeout() const;

  // --- conductor_mesh.cc ---
  void join_mesh(TimePoint now);
  void leave_mesh(TimePoint now);
  std::vector<Endpoint> own_endpoints() const;
  void send_samples(TimePoint now, Peer& leaf);
  void look_after_leaf(TimePoint now, Peer& leaf);
  void seek_relief(TimePoint now, std::uint8_t load);
  void ask_to_move(const NodeId& leaf, std::uint8_t load);
  void on_relief_wanted(TimePoint now, const Peer& home, const std::vector<NodeId>& by);
  void worry_about_homes(TimePoint now, Peer& home);
  bool tell(TimePoint now, const NodeId& to, Area area, ByteView body);
  bool post(TimePoint now, const NodeId& to, Area area, ByteView body);
  void keep_for_a_while(TimePoint now, Peer& peer);
  void flush_outbox(TimePoint now, Peer& peer);
  std::optional<Endpoint> supernode_endpoint(const NodeId& supernode) const;
  RecordPtr member(const NodeId& supernode) const;
  bool is_member(const NodeId& supernode) const {
    return membership_->view().is_admitted(supernode);
  }
  RecordSource record_source();
  Outcome on_mesh(TimePoint now, Peer& from, ByteView body);
  void pump_mesh(TimePoint now);
  void on_mesh_event(TimePoint now, const MeshEvent& event);
  void examine(TimePoint now, const RecordPtr& record);
  void probe(TimePoint now, const NodeId& id);
  void on_alive(TimePoint now, Peer& peer);
  void on_mesh_dial_failed(TimePoint now, Peer& peer);
  void sign_own_record(TimePoint now, std::uint64_t above = 0);
  void assess_needs(TimePoint now);
  void on_samples(TimePoint now, Peer& from, const Samples& samples);

  // --- conductor_book.cc ---
  void remember_heard(TimePoint now, const Record& supernode, const IpAddress& from);
  void remember_answer(TimePoint now, const NodeId& supernode, const Endpoint& at);
  void remember_silence(TimePoint now, const NodeId& supernode);
  bool ask_book(TimePoint now);
  void pump_book(TimePoint now);

  // --- conductor_directory.cc ---
  struct Waiting {
    NodeId caller;
    Introduce introduce;
  };
  Outcome on_directory(TimePoint now, Peer& from, const Route& route, ByteView body);
  void on_directory_message(TimePoint now, const NodeId& from, const DirectoryMessage& message);
  void pump_directory(TimePoint now);
  void seek(TimePoint now, const NodeId& caller, const Introduce& introduce);
  void introduce_those_waiting(TimePoint now, const NodeId& leaf);
  void on_own_finding(TimePoint now, const Lookup::Finding& finding);
  void on_finding(TimePoint now, const Lookup::Finding& finding);
  void forward(TimePoint now, const NodeId& caller, const Introduce& introduce, const NodeId& home);
  void tell_outcome(const NodeId& caller, const Introduce& introduce, IntroduceOutcome outcome);
  Outcome pass_on_result(TimePoint now, Peer& home, const IntroduceResult& result);

  // --- conductor_survey.cc ---
  Outcome on_survey(TimePoint now, Peer& from, const Route& route, ByteView body);
  Outcome on_guest_directory(TimePoint now, Peer& from, const Route& route, ByteView body);
  bool may_survey(TimePoint now, const Route& route);
  SupernodeState survey_state(TimePoint now, const StateRequest& request) const;
  MembersPage survey_members(const MembersRequest& request, std::size_t room) const;
  void pump_survey(TimePoint now);

  // --- conductor_talk.cc ---
  bool may_talk_to(const NodeId& id) const;
  Peer& reach_for(TimePoint now, const NodeId& id);
  Conversation& begin_talk(TimePoint now, Peer& peer, bool called);
  void call(TimePoint now, Peer& peer);
  void ask_home(TimePoint now, Peer& peer, const NodeId& home);
  Talk our_talk(const Peer* peer) const;
  void remember_lane(Peer& peer, const Route& route, const NodeId& home);
  void on_welcome_to_talk(TimePoint now, Peer& peer, const Route& route, const Talk& talk);
  void on_asked_to_talk(TimePoint now, Peer& peer, const Route& route, const Talk& talk,
                        const Introduction* introduction, const NodeId& home);
  void on_connected(TimePoint now, Peer& peer);
  void on_path_proved(TimePoint now, Peer& peer, const Route& route);
  void on_paths_lost(TimePoint now, Peer& peer, const std::vector<Path>& lost);
  Outcome on_reach(TimePoint now, Peer& peer, const Reach& reach);
  void start_round(TimePoint now, Peer& peer);
  void begin_knocking(TimePoint now, TimePoint moment, Peer& peer,
                      std::vector<Candidate> candidates);
  void knock_at_peer(TimePoint now, TimePoint moment, Peer& peer);
  void knock(TimePoint now, Peer& peer);
  void pump_talk(TimePoint now, Peer& peer);
  void recall(TimePoint now, Peer& peer);
  void announce_path(Peer& peer);
  void end_talk(TimePoint now, Peer& peer, const std::string& why);
  Paths::Traits traits_of(const Peer& peer, const Route& route) const;
  Method method_of(const Peer& peer, const Endpoint& endpoint) const;
  std::string no_common_family(const Peer& peer) const;
  std::string why_not_direct(const Peer& peer) const;
  std::optional<TimePoint> next_timeout(const Conversation& talk) const;

  // --- conductor_punch.cc ---
  std::optional<HardPunch::Self> hard_self() const;
  void begin_hard(TimePoint now, Peer& peer, std::uint16_t round, bool asked);
  Outcome on_punch(TimePoint now, Peer& from, ByteView body);
  Outcome on_punch_plan(TimePoint now, Peer& peer, const PunchPlan& plan);
  void seek_witnesses(TimePoint now, const Peer& peer, const PunchPlan& plan);
  void count_witnesses(Peer& peer);
  Outcome on_witness(TimePoint now, Peer& leaf, const Witness& witness);
  Outcome on_testimony(TimePoint now, Peer& from, const Testimony& testimony);
  Outcome on_stun_answer(TimePoint now, const Datagram& datagram);
  bool on_hard_pong(TimePoint now, Peer& peer, const Route& route, const Pong& pong);
  bool hard_tried(const Peer& peer, const Route& route) const;
  void pump_hard(TimePoint now, Peer& peer);
  void act_hard(TimePoint now, Peer& peer);
  void on_hard_end(TimePoint now, Peer& peer);
  void carry_out(TimePoint now, Peer& peer, const HardPunch::Wish& wish);
  std::vector<SocketId> open_sockets(Peer& peer, std::size_t count);
  void close_unused(Peer& peer);

  // --- conductor_streams.cc ---
  struct Stream {
    NodeId peer;
    SessionSlot* slot;
    QuicStreamId id;
    bool announced = false;  // the application knows of it
    bool ended = false;      // it was told of the end
    bool at_end = false;     // all there is was read with the header
    Bytes head;              // read while looking for the header, not taken yet
  };
  SessionSlot* session_for_new_stream(TimePoint now, Peer& peer);
  SessionConfig session_config(const Peer& peer);
  Outcome on_quic(TimePoint now, const Route& route, ByteView bytes);
  void notice_move(TimePoint now, Peer& peer, const Route& route);
  Outcome accept_session(TimePoint now, const Route& route, ByteView bytes);
  bool is_stranded(TimePoint now, Peer& peer);
  void pump_sessions(TimePoint now, Peer& peer);
  void hear_sessions();
  Peer* next_to_send();
  void pump_events(TimePoint now, Peer& peer, SessionSlot& slot);
  void index_ids(Peer& peer, SessionSlot& slot);
  void unindex(SessionSlot& slot);
  void try_header(StreamId number, Stream& stream);
  void close_stream(StreamId number, const std::string& why);
  void close_slot(TimePoint now, SessionSlot& slot, const std::string& why);
  void drop_open_sessions(TimePoint now, Peer& peer, TimePoint since);
  void close_sessions(TimePoint now, Peer& peer, const std::string& why);
  std::optional<Transmit> poll_session(TimePoint now, Peer& peer);
  void repeat_first_flight(Peer& peer, const Path& path);
  void wants_to_send(const Peer& peer) { sendable_.insert(peer.id); }
  void after_stream_call(TimePoint now, const NodeId& peer);

  // --- conductor_tcp.cc ---
  struct OwnLane {
    NodeId peer;
    NodeId home;
    Endpoint relay;
    Route route;  // by which the lane is known to the peer's paths, whatever carries it
  };
  void use(TimePoint now, const Connections::Connection& connection);
  TcpId connect_to(TimePoint now, const Endpoint& to, Connections::Purpose purpose,
                   const NodeId& peer, TcpFrom from = TcpFrom::listening);
  void on_connection_gone(TimePoint now, const Connections::Connection& was, TcpEnd why);
  void pump_connections(TimePoint now);
  bool lives_by_tcp() const;
  bool is_udp_blocked() const;
  Outlet outlet() const;
  std::optional<TimePoint> tcp_dial_due(const Peer& peer) const;
  void dial_by_tcp(TimePoint now, Peer& peer);
  bool was_dialled_by(const Peer& peer, const Route& route) const;
  void note_observed(TimePoint now, Peer& home, const Route& route, const Endpoint& observed);
  void tend_connections(TimePoint now, Peer& peer);
  void try_udp(TimePoint now, Peer& home, const Path& by_tcp);
  void judge_udp(TimePoint now, Peer& home);
  void drop_connection(Peer& peer, TcpId id);
  Route carrier(const Route& route) const;
  bool is_carried_by(const OwnLane& lane, const Datagram& datagram) const;
  void add_tcp(Talk& talk) const;
  TcpTalk& tcp_talk(Peer& peer);
  void hear_of_tcp(TimePoint now, Peer& peer, const Talk& talk);
  bool may_have_udp(const Peer& peer) const;
  bool wants_tcp(const Peer& peer) const;
  void look_by_tcp(TimePoint now);
  void consider_tcp(TimePoint now, Peer& peer);
  void send_meet(TimePoint now, Peer& peer);
  Outcome on_tcp_message(TimePoint now, Peer& peer, ByteView body);
  void connect_at(TimePoint now, TimePoint moment, Peer& peer);
  void pump_tcp_talk(TimePoint now, Peer& peer);
  void start_tcp_round(TimePoint now, Peer& peer);
  std::optional<TimePoint> next_tcp_timeout(const Peer& peer) const;
  void on_tcp_path_proved(TimePoint now, Peer& peer, const Route& route);
  void on_tcp_paths_lost(TimePoint now, Peer& peer, const std::vector<Path>& lost);
  Method method_by_tcp(const Peer& peer, const Route& route) const;
  std::string why_not_by_tcp(const Peer& peer) const;

  PeerStatus peer_status(const Peer& peer) const;

  // --- conductor_foresight.cc ---
  void foresee_ourselves() const;

  // A peer is found by its id, without the index keeping another copy of that.
  struct PeerHash {
    using is_transparent = void;
    std::size_t operator()(const NodeId& id) const noexcept { return std::hash<NodeId>{}(id); }
    std::size_t operator()(const Peer* peer) const noexcept { return (*this)(peer->id); }
  };
  struct SamePeer {
    using is_transparent = void;
    bool operator()(const Peer* a, const Peer* b) const noexcept { return a == b; }
    bool operator()(const NodeId& id, const Peer* peer) const noexcept { return id == peer->id; }
    bool operator()(const Peer* peer, const NodeId& id) const noexcept { return id == peer->id; }
  };

  OverlayConfig config_;
  Identity identity_;
  const Crypto& crypto_;
  Random random_;
  std::uint64_t boot_;
  TimePoint wall_known_at_;
  WallTime wall_known_;
  WallTime last_stamp_{};
  TimePoint now_{};  // of the last input: for what is only counted

  IndexTable indices_;     // before the peers: their sessions hold indices
  std::list<Peer> peers_;  // in the order in which they came
  boost::unordered_flat_set<Peer*, PeerHash, SamePeer> peer_index_;  // of the same, by id
  Alarms<Peer> timers_;
  Fifo<Peer*> touched_;             // those with whom something is to be done; nobody: it is gone
  bool settle_due_ = false;         // and not only with their sessions
  bool was_data_ = false;           // the last datagram: for a session that we have
  mutable Deadline mesh_deadline_;  // these two as a supernode
  mutable Deadline directory_deadline_;
  std::optional<TimePoint> rejoin_at_;
  struct Warning {
    TimePoint at;
    NodeId gone;
  };
  Fifo<Warning> warnings_;  // to be repeated

  Stamps stamps_;
  CookieMint cookies_;
  TokenBucket handshake_load_;
  struct WaitingHandshake {
    Route route;
    Bytes bytes;
  };
  std::deque<WaitingHandshake> handshakes_waiting_;
  int handshakes_left_ = 0;  // to be answered in this turn
  std::deque<NodeId> unconfirmed_;
  std::deque<NodeId> greeted_;  // guests, the oldest first
  RateLimiter<NodeId> new_records_;
  RateLimiter<IpAddress> stun_rate_;
  TokenBucket moves_{limits::moves_per_second, limits::moves_burst};

  std::shared_ptr<Archive> archive_;
  Watched<Membership> membership_;
  TimePoint assess_at_{};  // what the mesh needs: with whatever wakes us then
  TimePoint relief_sought_{};
  double relief_due_ = 0;  // leaves to be asked to move
  PeerBook book_;
  std::uint64_t book_version_ = 0;
  std::optional<TimePoint> answered_at_;  // when some supernode last answered a dial
  TimePoint ask_book_at_{};               // not before
  Placement placement_;                   // of the members that the view admits
  Watched<Store> store_;
  Watched<Keeper> keeper_;
  Watched<Lookup> lookup_;
  std::map<NodeId, std::vector<Waiting>> waiting_;  // introductions, by target looked up
  std::set<NodeId> commanded_;                      // look-ups by command

  SelfView self_;
  Homes homes_;
  Registrar registrar_;
  Introducer introducer_;
  Relay relay_;
  RelayMonth relay_month_;
  KnockBudget knock_budget_;
  Prover prover_;
  ProofHelper proof_helper_;
  Dialler dialler_;
  Promotion promotion_;
  LanFinder lan_;
  StoryBook stories_;
  bool serving_ = false;  // as a supernode
  TimePoint started_;
  Survey survey_;
  RateLimiter<IpAddress> survey_rate_;
  TokenBucket survey_load_;
  std::set<Endpoint> proved_;
  std::uint64_t proof_version_ = 0;  // of what kept_proof() gives
  std::set<Endpoint> proved_by_tcp_;
  std::map<TcpId, Bytes> tcp_dials_;  // what is to be said when the connection stands
  struct Seen {
    NodeId by;    // the supernode whose view of our address counts
    Endpoint as;  // what it sees
  };
  // By family: IPv4, IPv6.
  std::array<Seen, 2> seen_;
  std::array<std::optional<Endpoint>, 2> doubted_;  // a mapping that supernodes contradict, told

  Connections connections_;
  TcpView tcp_view_;

  Sockets sockets_;
  NatProbe nat_probe_;
  Behaviour filtering_ = Behaviour::unknown;  // what was known of it when we last looked
  LifetimeProbe lifetime_probe_;
  std::optional<TcpProbe> tcp_probe_;
  NatService nat_service_;
  DistanceProbe distance_probe_;
  std::optional<SocketId> other_port_;  // as a supernode: asked for, if not yet open
  std::optional<TimePoint> ready_by_;   // with a NAT that is known or not
  Duration kept_alive_every_ = limits::keepalive;

  std::map<LaneId, OwnLane> lanes_;  // where we are an end
  boost::unordered_flat_map<Endpoint, NodeId, SaltedHash> direct_peers_{
      0, SaltedHash(this)};  // who speaks from there

  struct SessionRef {
    NodeId peer;
    SessionSlot* slot;
  };
  std::map<ConnectionId, SessionRef> sessions_;
  std::map<StreamId, Stream> streams_;
  StreamId last_stream_ = 0;
  Agenda sendable_;

  std::set<NodeId> hard_active_;  // with whom a hard punch is under way
  TimePoint next_birthday_{};
  struct OwnPorts {
    HardPunch::Known known;
    IpAddress seen;  // where that was measured
    TimePoint until;
  };
  std::optional<OwnPorts> own_ports_;
  RateLimiter<NodeId> testimony_rate_{limits::hard::testimonies_per_leaf,
                                      limits::hard::testimonies_burst, limits::tracked_strangers};

  std::size_t talks_ = 0;
  std::uint64_t record_sequence_ = 0;
  Announcement announcement_;  // of our record, to our homes
  bool ready_ = false;
  bool leaving_ = false;
  Counters counters_;
  Bytes plaintext_;  // of the message that is being sealed
  Fifo<Transmit> transmits_;
  Spares<Bytes> spares_{spare_batches};  // memory for packets of sessions, in turn
  std::size_t borrowed_ = 0;             // how many of them lie in the shell's receive buffer
  std::deque<Event> events_;
};

}  // namespace byway

// The whole node without its sockets: the conductor that routes facts and datagrams between the
// machines that know something. It is told what happened and asked what to do:
//
//     on_datagrams, on_tcp_…, on_timeout, a command  ──►  Overlay  ──►  poll_transmit,
//     poll_tcp, poll_socket, poll_event, next_timeout
//
// After every input the caller drains all polls until they are empty and then wakes it at
// next_timeout(). Who asks poll_data() before poll_transmit() has what streams send in answer to
// what came, before anything else is looked after. No call blocks, none reads a clock, and the same
// inputs with the same Random always give the same outputs. (The one exception: QUIC's TLS key
// shares are drawn by GnuTLS itself. Sizes and times do not depend on them.)
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "overlay/core/counters.h"
#include "overlay/core/events.h"
#include "overlay/core/io.h"
#include "overlay/core/source.h"
#include "overlay/link/lane_table.h"
#include "overlay/reach/nat_behaviour.h"
#include "protocol/crypto.h"
#include "protocol/identity.h"
#include "protocol/message.h"
#include "protocol/random.h"
#include "protocol/record.h"
#include "protocol/survey_message.h"

namespace byway {

class Story;  // overlay/link/story.h

class Archive;
class Placement;
class View;

enum class Role : std::uint8_t { leaf, supernode };
std::string_view to_string(Role role);

struct Seed {
  NodeId id;
  Endpoint endpoint;
};

struct OverlayConfig {
  // Told, or none: found out by proof (automatic).
  std::optional<Role> role = Role::leaf;
  Duration promote_after = 20min;  // an address has to be stable for this long
  std::vector<Seed> seeds;
  // Where the main socket can be reached on this host: its addresses with its port.
  std::vector<Endpoint> local_endpoints;
  std::vector<Endpoint> local_tcp_endpoints;  // where TCP is listened on; none: it is not used
  int netgroup_bits_v4 = 16;
  int netgroup_bits_v6 = 32;
  std::size_t max_leaves = 100'000;
  bool relay = true;                    // as a supernode: carry lanes for others
  bool volunteers = true;               // becomes a supernode when it can and is needed
  std::uint64_t relay_rate = 0;         // bytes/s over all lanes; 0: no limit
  std::uint64_t lane_rate = 0;          // bytes/s between two nodes; 0: no limit
  std::uint64_t node_rate = 0;          // bytes/s for whoever asks for lanes; 0: no limit
  std::uint64_t relay_monthly_cap = 0;  // bytes in a calendar month; 0: no limit
  std::shared_ptr<Archive> archive;     // shared by the nodes of a simulation; none: its own
  bool lan = true;                      // looks for peers in its own network, and answers there
  bool study_nat = true;                // as a leaf: find out what the NAT does
  bool study_tcp = false;               // … and what it does to TCP, which takes connections
  bool cubic = false;                   // congestion control of streams; default BBR
  Bytes peer_book;              // what peer_book() gave before a restart; damaged: as if empty
  Bytes kept_proof;             // what kept_proof() gave, likewise
  Bytes relay_month;            // what relay_month() gave, likewise
  std::string agent = "byway";  // software and version, for whoever asks
  // A diagnosis tool, here for a moment: it is placed in no directory, looks for no further homes,
  // and tells no addresses, so that what is relayed stays relayed.
  bool visitor = false;
};

// --- what `status` shows --------------------------------------------------------------------

struct HomeStatus {
  NodeId id;
  Endpoint endpoint;
  Endpoint observed;
  Proto proto = Proto::udp;
  Duration rtt{};
};
struct AddressStatus {
  Endpoint endpoint;
  Proto proto = Proto::udp;
  How how = How::local;
  bool proved = false;
};
struct PeerStatus {
  NodeId id;
  PathKind path = PathKind::none;
  Method method = Method::none;
  Endpoint endpoint;  // of the peer, or of the relay
  NodeId via;         // relay: the supernode
  NodeId introduced_by;
  Duration rtt{};
  std::string why;                        // relay or none: why not direct
  std::optional<TimePoint> direct_since;  // first two-way proof of a direct path
  std::size_t streams = 0;
};
// A node that has asked for lanes.
struct RelayedStatus {
  NodeId id;
  std::size_t lanes = 0;
  std::uint64_t bytes = 0;  // since it had none
};
struct OverlayStatus {
  NodeId id;
  std::string role;  // leaf, reserve or supernode
  std::string role_why;
  bool ready = false;
  NatReport nat;
  std::vector<AddressStatus> addresses;
  std::vector<HomeStatus> homes;
  std::size_t supernodes_known = 0;
  std::size_t leaves = 0;
  std::size_t lanes = 0;
  std::vector<RelayedStatus> relayed_for;  // the 16 for whom most was carried
  std::uint64_t relayed_this_month = 0;    // bytes
  std::uint64_t relay_monthly_cap = 0;     // 0: none
  std::vector<PeerStatus> peers;           // those talked to; not homes and leaves as such
};

// What others did with datagrams that this node received (node/forwarders.h).
struct Forwarded {
  std::vector<LaneUse> lanes;
  // Could be handed over to nobody.
  std::uint64_t dropped = 0;
  std::uint64_t dropped_bytes = 0;
};

struct Peer;

class Overlay {
 public:
  // `crypto` must outlive the overlay.
  Overlay(OverlayConfig config, const Identity& identity, const Crypto& crypto, Random random,
          TimePoint now, WallTime wall);
  ~Overlay();
  Overlay(const Overlay&) = delete;
  Overlay& operator=(const Overlay&) = delete;

  // --- facts ---
  // Datagrams, or trains of them, that arrived together: one input, decided once all of it is
  // known. What is only passed on is not copied, so the bytes must live until the transmits have
  // been polled and sent; release_input() copies what is still queued of them.
  void on_datagrams(TimePoint now, std::span<const Datagram> datagrams);
  void release_input();
  // One datagram, whose bytes may go at once.
  void on_datagram(TimePoint now, const Datagram& datagram);
  void on_timeout(TimePoint now);
  // The host's addresses changed: every one with the main socket's port.
  void on_local_endpoints(TimePoint now, std::vector<Endpoint> endpoints);
  // A spare socket that was asked for is bound here / could not be had.
  void on_socket_opened(TimePoint now, SocketId id, const Endpoint& bound);
  void on_socket_failed(TimePoint now, SocketId id);
  // Our router lets in to the main port what is sent to `outside`, an address of its own or, where
  // it is a firewall, of ours / no longer does, in this family.
  void on_mapped(TimePoint now, Proto proto, const Endpoint& outside);
  void on_unmapped(TimePoint now, Proto proto, bool v6);
  // Another network, the same one after a pause, or the machine has slept: nothing that is known
  // about paths holds any more until it was looked at again.
  void on_network_change(TimePoint now);
  void on_local_tcp_endpoints(TimePoint now, std::vector<Endpoint> endpoints);
  // A connection that was asked for stands; `local` is this end of it.
  void on_tcp_open(TimePoint now, TcpId id, const Endpoint& local);
  // Somebody has connected. Its number from now on; 0: to be closed at once.
  TcpId on_tcp_accepted(TimePoint now, const Endpoint& local, const Endpoint& remote);
  // An attempt that failed, or a connection that is no more.
  void on_tcp_closed(TimePoint now, TcpId id, TcpEnd why);
  // A supernode that was not known at the start (a seed whose name was resolved later).
  void add_seed(TimePoint now, const Seed& seed);
  // Whether others pass on what is in lanes: poll_lane_change() tells them how from then on.
  void publish_lanes(bool wanted);
  // They have. What they handed over comes as any datagram does.
  void on_forwarded(TimePoint now, const Forwarded& forwarded);
  // What the wall clock says at `now`; to be told again when it was set.
  void on_wall_clock(TimePoint now, WallTime wall);

  // --- commands ---
  // Talk to this peer: through homes, or at an address already known. Answered by PathChanged
  // or PeerUnreachable. Opening a stream does the same by itself.
  void connect(TimePoint now, const NodeId& peer);
  // A stream to the peer, usable at once: what is written waits for the session.
  Result<StreamId> open_stream(TimePoint now, const NodeId& peer, const StreamHeader& header);
  // Takes as much as there is room for; StreamWritable tells when there is room again.
  std::size_t write(TimePoint now, StreamId stream, ByteView bytes);
  // The same without a copy: the source puts at most `most` bytes where they are to lie.
  std::size_t fill(TimePoint now, StreamId stream, std::size_t most, const StreamSource& source);
  void finish(TimePoint now, StreamId stream);  // no more from us; the peer may go on
  void reset(TimePoint now, StreamId stream);   // both directions, at once
  // What the peer still sends is thrown away, and the peer hears StreamUnread; we may go on.
  void stop_reading(TimePoint now, StreamId stream);
  struct Read {
    Bytes bytes;
    bool end = false;  // the peer finished and everything was read
  };
  // A piece of what waits: read on until it gives none. `spent`: what was read before, for reuse.
  Read read(TimePoint now, StreamId stream, std::size_t max, Bytes spent = {});
  // Asks a supernode something, linking with it as a guest where there is no link yet. Answered by
  // exactly one SurveyDone with the number that is returned.
  std::uint64_t survey(TimePoint now, const Seed& supernode, SurveyQuestion question);
  // Say goodbye to everybody; drain the transmits, then destroy.
  void leave(TimePoint now);

  // As a supernode: where is it registered? Answered by LookedUp, at once where it was just found.
  void look_up(TimePoint now, const NodeId& target);

  // --- for simulations, which begin with an old network and look into every head ---
  // Puts a supernode among others that have known one another for long (Membership::adopt).
  void adopt(TimePoint now, const View& view, const Placement& placement);
  // The datagram, or (empty) a timeout, will be this node's next input, at that time. For several
  // nodes together, a round for all of them at a time; `whom` is kept from round to round, and is
  // nobody at first.
  static constexpr int rounds_of_foresight = 6;
  void foresee(int round, TimePoint at, ByteView datagram, const Peer*& whom) const;
  RecordPtr own_record() const;                           // as a supernode with an address
  bool admits(const NodeId& supernode) const;             // to its view
  bool has_registered(const NodeId& leaf) const;          // here
  RecordPtr registered_record(const NodeId& leaf) const;  // none of who is not registered
  std::size_t leaves() const;                             // registered here
  const View& view() const;

  // --- what to do ---
  // Sockets to be opened come before what is sent from them, those to be closed after it: ask for
  // these whenever poll_transmit() is asked next, and once more when that has nothing left.
  std::optional<SocketOrder> poll_socket();
  std::optional<Transmit> poll_transmit(TimePoint now);
  // Of the same what sessions have to send, as long as nothing must be settled before. Events come
  // first, for apps to answer them. Nobody has to.
  std::optional<Transmit> poll_data(TimePoint now);
  // What a transmit held, once it is sent: memory for the next ones. Nobody has to.
  void reuse(Bytes spent);
  std::optional<TcpOrder> poll_tcp();  // to be carried out after the transmits
  std::optional<Event> poll_event();
  std::optional<LaneChange> poll_lane_change();  // while lanes are published
  std::optional<TimePoint> next_timeout() const;

  // --- what is ---
  const NodeId& id() const;
  const Counters& counters() const;
  OverlayStatus status(TimePoint now) const;
  std::optional<PeerStatus> peer(const NodeId& peer) const;
  // How the conversation with it came about; null where none is remembered.
  const Story* story(const NodeId& peer) const;
  // Supernodes that others may join by, at most so many: ourselves if we serve, our homes, and
  // whomever else we know.
  std::vector<Seed> supernodes(std::size_t most) const;

  // --- what is to survive a restart ---
  // The supernodes remembered, for OverlayConfig::peer_book: about 84 B each, 86 kB at most. For
  // our eyes only.
  Bytes peer_book() const;
  std::uint64_t peer_book_version() const;  // another one than before: worth keeping again
  std::size_t supernodes_remembered() const;
  // The proof of an address of our own, for OverlayConfig::kept_proof: 6 kB at most.
  Bytes kept_proof() const;
  std::uint64_t kept_proof_version() const;
  // What was relayed in this month, for OverlayConfig::relay_month: 16 B.
  Bytes relay_month() const;
  std::uint64_t relay_month_version() const;

 private:
  class Conductor;
  std::unique_ptr<Conductor> conductor_;
};

}  // namespace byway

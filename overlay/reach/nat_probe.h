// What does the NAT in front of us do? Found out with fresh sockets and two supernodes, once for
// every network that we come to.
//
// Three sockets A, B, C that nobody has sent to or from; supernodes S and, at another address, T:
//
//   A asks S, T and then S's other port where it is seen         mapping
//   B and C ask S as well: every mapping is a sample             ports
//   B wants a datagram from S's other port, and from a stranger  filtering
//   B and C send to one another, to where S sees them            hairpin
//
// Where the samples leave open how ports are chosen, more sockets ask S. About twenty packets
// where ports are kept, forty at the most; then nothing until the network changes.
//
//   waiting --linked with two, or one and company is late--> measuring --all told--> settled
//      ^------------- other addresses of our own, or seen at another one -------------'
//
// What was found is kept for the network (our own addresses, and the one we are seen at), so who
// comes back knows at once. Where it stayed open for want of another supernode, it is measured
// again when there is one.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <vector>

#include "overlay/core/sockets.h"
#include "overlay/reach/nat_ask.h"
#include "overlay/reach/nat_behaviour.h"
#include "protocol/random.h"

namespace byway {

class NatProbe {
 public:
  // `sockets` outlives it.
  NatProbe(Sockets& sockets, Random random) : sockets_(sockets), random_(std::move(random)) {}
  NatProbe(const NatProbe&) = delete;
  NatProbe& operator=(const NatProbe&) = delete;

  // --- facts ---
  void on_local_endpoints(const std::vector<Endpoint>& endpoints);
  // A supernode at `at` answered us by UDP, and sees our main socket at `observed`. May be told
  // again and again.
  void on_linked(TimePoint now, const NodeId& supernode, const Endpoint& at,
                 const Endpoint& observed, Duration rtt);
  void on_unlinked(const NodeId& supernode);
  // A supernode did not answer by UDP.
  void on_unanswered(const Endpoint& at);
  // Each of these is true where it concerned us.
  bool on_socket_opened(SocketId socket, const Endpoint& bound);
  bool on_socket_failed(TimePoint now, SocketId socket);
  bool on_sighting(TimePoint now, const NodeId& from, SocketId socket, const Sighting& view);
  bool on_stranger_tried(TimePoint now, const NodeId& from, const StrangerTried& tried);
  bool on_arrival(TimePoint now, SocketId socket, const ProofNonce& nonce, const Endpoint& from);
  // The binding's lifetime was learnt; it is remembered with the rest.
  void on_lifetime(Duration lifetime);
  void on_timeout(TimePoint now);

  // --- what to do ---
  std::optional<NatAsk> poll_ask(TimePoint now);
  std::optional<Transmit> poll_transmit();
  std::optional<TimePoint> next_timeout() const;

  // --- what is ---
  const NatReport& report() const { return report_; }
  bool settled() const { return settled_; }  // it is known, as far as it can be
  bool measuring() const { return measurement_.has_value(); }
  // A supernode that can be asked for more: the first linked.
  struct Vantage {
    NodeId id;
    Endpoint at;
    Duration rtt{};
  };
  std::optional<Vantage> vantage() const;

 private:
  struct Network {
    std::vector<IpAddress> local;
    IpAddress observed;
    auto operator<=>(const Network&) const = default;
  };
  struct Remembered {
    NatReport report;
    TimePoint at;
  };
  struct Spare {
    SocketId socket;
    Endpoint bound;  // not set until told
  };
  struct Question {
    std::size_t spare;
    Vantage to;
    bool other_port = false;
    bool filter = false;
    std::uint64_t id = 0;
    int sent = 0;
    TimePoint next{};
    std::optional<Endpoint> seen;
    bool given_up = false;
    bool over() const { return seen || given_up; }
  };
  enum class Stranger : std::uint8_t { unknown, none, sent };
  struct Measurement {
    std::vector<Vantage> vantages;  // to be asked: S, T, and who steps in for T
    std::size_t elsewhere = 1;      // which of them is T
    std::vector<Spare> spares;
    std::vector<Question> questions;  // in the order they were first asked: so mappings came about
    std::uint16_t other_port = 0;     // of S

    ProofNonce filter_nonce;
    std::optional<TimePoint> filter_seen;    // S answered B
    std::optional<TimePoint> stranger_told;  // … and told of the stranger
    Stranger stranger = Stranger::unknown;
    bool other_port_arrived = false;
    bool stranger_arrived = false;
    bool filter_over = false;

    ProofNonce hairpin_nonce;
    int hairpin_knocks = 0;
    std::optional<TimePoint> hairpin_next;
    std::optional<TimePoint> hairpin_until;
    bool hairpin_arrived = false;
    bool hairpin_over = false;
  };

  void enter(TimePoint now, Network network);
  void plan(TimePoint now);
  void begin(TimePoint now);
  void abandon();
  std::optional<std::size_t> open_spare();
  void ask(std::size_t spare, const Vantage& to, bool filter = false);
  void advance(TimePoint now);
  void ask_elsewhere();
  void ask_other_port();
  void seek_samples();
  void run_hairpin(TimePoint now);
  void conclude(TimePoint now);
  const Question* question(std::size_t spare, const Vantage& to, bool other_port) const;
  Sightings sightings() const;
  bool is_unchanged(std::size_t spare, const Endpoint& seen) const;
  std::vector<MappedPort> samples(Behaviour mapping) const;
  std::optional<TimePoint> filter_deadline() const;
  bool filter_told(TimePoint now) const;
  bool hairpin_told(TimePoint now) const;
  Arrivals arrivals(TimePoint now) const;
  Duration patience() const;

  Sockets& sockets_;
  Random random_;
  std::vector<IpAddress> local_;
  std::vector<Vantage> vantages_;  // at different addresses
  NodeId watched_;                 // whose sight of us tells the network
  std::set<IpAddress> silent_;     // who did not answer, as long as nobody did
  std::optional<Network> network_;
  std::map<Network, Remembered> remembered_;
  std::optional<TimePoint> begin_at_;
  std::optional<Measurement> measurement_;
  std::set<NodeId> asked_;          // whose answers may still come when all is told
  std::optional<TimePoint> again_;  // not before
  Duration again_gap_{};
  std::size_t turn_ = 0;  // which vantage is S
  NatReport report_;
  bool settled_ = false;
  std::deque<Transmit> transmits_;
};

}  // namespace byway

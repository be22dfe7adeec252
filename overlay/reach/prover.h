// Can strangers reach us? The asker's side of a proof.
//
// We ask a supernode (the helper) to have somebody dial an address of ours whom we do not know
// and have not sent to for ten minutes. So no NAT in front of us was opened for that dialler, and
// if its datagram arrives all the same, anybody's would. We echo it; the dialler signs that it was
// answered. Three diallers from three netgroups prove an endpoint, or as many as there are
// netgroups in a smaller network.
//
// Each door (IPv4 or IPv6, UDP or TCP) is proved by itself; what opens a NAT or a firewall to
// somebody by UDP opens nothing by TCP, so a stranger by TCP is whom we have not sent to by TCP:
//
//               .--inconclusive: again, with back-off--.
//               v                                      |
//   claimed --ask a helper--> asking ------------------'
//               ^              | | '--reached, by enough netgroups--> proved --an hour--> asking
//               |--reached <---' |                                      |
//               '--not reached <-'      3 of 5 not reached, or a day old, or another address
//                  (a minute … an hour)                                 |
//                                                        claimed <------'
//
// A failure is only what a dialler says: "I dialled and nothing came back". A helper that is busy
// or silent, a network with nobody to dial, a dialler that we know already: these say nothing about
// the endpoint. And what we have seen arrive has arrived, whatever the helper says.
//
// In a small mesh we soon have met everybody. A request names whom we met, so that nobody dials in
// vain; two supernodes (three until we are proved) are left alone as long as we can (reserved());
// and where nobody is left to dial us at all, a proof that was made stands, instead of growing old.
//
// A node that was started anew keeps its proof at an address of its own (kept_proof.h). Otherwise
// it has forgotten whom it sent to, and a NAT or a firewall has not: so for ten minutes from its
// start nobody counts as a stranger, and nobody is asked.
//
// Most nodes are behind a NAT that lets nobody in, and to ask again and again would only cost
// others their strangers. So what is known of the NAT (nat_probe.h) says when we ask: at once for
// an address of our own or behind a NAT that was seen to let strangers in, and hardly ever where
// it was seen to let nobody in. It says nothing else: a port may be forwarded by hand.
//
// Sources: DESIGN §4; the filtering behaviours told apart here are those of RFC 4787, section 5.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "overlay/core/io.h"
#include "overlay/reach/contacted.h"
#include "overlay/reach/kept_proof.h"
#include "protocol/attestation.h"
#include "protocol/proof_message.h"
#include "protocol/random.h"

namespace byway {

class Prover {
 public:
  Prover(const NodeId& self, const Crypto& crypto, Random random, int netgroup_bits_v4,
         int netgroup_bits_v6);

  // One of the four doors.
  struct Door {
    bool v6 = false;
    Proto proto = Proto::udp;
    auto operator<=>(const Door&) const = default;
  };
  static Door door_of(const Endpoint& endpoint, Proto proto) {
    return {endpoint.address.is_v6(), proto};
  }

  // --- facts ---
  // First of all: we ran before, these dials reached us, and these are our addresses now.
  void on_started_anew(TimePoint now, WallTime wall, std::vector<KeptDial> dials,
                       std::span<const Endpoint> own);
  // What stands in front of an address that we are seen at.
  enum class Front : std::uint8_t {
    nothing,  // it is an interface's own
    open,     // a NAT that lets strangers in: our router says so, or it was seen
    unknown,  // a NAT
    closed    // one that was seen to let nobody in
  };
  // Supernodes see us at this endpoint, or our router mapped it. Another one than before for the
  // same door: what was proved is forgotten, and proved anew at once.
  void on_claim(TimePoint now, const Endpoint& endpoint, Proto proto, Front front = Front::nothing);
  void on_claim_gone(Door door);
  // Our router lets strangers in there from now on: what dials told before says nothing any more.
  void on_opened(TimePoint now, const Endpoint& endpoint, Proto proto);
  // A supernode that can be asked over its link, and the address it is linked at: it helps with
  // doors of that family. Those over the limit are not needed.
  void on_linked(const NodeId& supernode, const IpAddress& at);
  void on_unlinked(TimePoint now, const NodeId& supernode);
  // How many netgroups the network is known to have somebody in who could dial us.
  void on_netgroups(TimePoint now, std::size_t known);
  // Who could be drawn to dial us, in a small mesh. To be told before poll_ask, when is_ask_due.
  struct Known {
    NodeId id;
    IpAddress at;
  };
  void on_known(std::vector<Known> supernodes) { known_ = std::move(supernodes); }
  // We dial somebody else, to help it prove its address: it is no stranger to us any more.
  void on_dialling(const NodeId& asker, const IpAddress& at);
  // Something of ours was sent there; all traffic counts, whatever socket it left from.
  void on_sent(TimePoint now, const IpAddress& address, Proto proto = Proto::udp) {
    contacted(proto).on_sent(now, address);
  }
  void foresee(const IpAddress& address, Proto proto) const {  // something will be sent there
    contacted_[static_cast<std::size_t>(proto)].foresee(address);
  }
  // True: it was asked for; the echo is ready to be sent, if it can prove anything.
  bool on_dialback(TimePoint now, const Datagram& datagram);
  // True: we waited for it.
  bool on_result(TimePoint now, WallTime wall, const NodeId& helper, const ProveResult& result);
  void on_timeout(TimePoint now);

  // --- decisions; drain after every input ---
  struct Ask {
    NodeId helper;
    ProveRequest request;
  };
  bool is_ask_due(TimePoint now) const;
  std::optional<Ask> poll_ask(TimePoint now);
  std::optional<Transmit> poll_transmit();
  struct Proved {
    Endpoint endpoint;
    Proto proto;
    std::size_t diallers;
  };
  struct Lost {
    Endpoint endpoint;
    Proto proto;
    bool moved;  // no failure: the address is another one now, or gone
    std::string why;
  };
  using Event = std::variant<Proved, Lost>;
  std::optional<Event> poll_event();
  std::optional<TimePoint> next_timeout() const;

  // --- what is known ---
  bool is_proved(Door door) const;
  bool is_proved() const;  // some door is by UDP, without which nobody serves
  // What to show to those who are to vouch for us: exact bytes, the newest first.
  std::vector<Bytes> attestations(Door door) const;
  // For on_started_anew: the dials that prove addresses of our own.
  std::vector<KeptDial> kept(TimePoint now, WallTime wall) const;
  // Of the supernodes known, which to leave alone for now, so that they can dial us: strangers
  // first, the same ones for the same list, others for another node. Linear in `known`: call it
  // when that changes, with a fixed part of it where it is long.
  std::vector<NodeId> reserved(TimePoint now, std::span<const Known> known) const;
  // Whether some door of ours is, or may yet be proved: then strangers are needed.
  bool needs_strangers() const;
  // Some door of ours is not known to be closed: otherwise nobody is reserved.
  bool may_be_proved() const;
  // One sentence about the door that is furthest, without a full stop.
  std::string status() const;
  std::string status(Door door) const;

 private:
  bool is_hopeless() const;
  struct Success {
    IpAddress from;
    TimePoint at;
    Attestation attestation;
    const NodeId& dialler() const { return attestation.attested().dialler; }
  };
  struct Asking {
    NodeId helper;
    IpAddress helper_at;
    ProofNonce nonce;
    TimePoint deadline;
    std::optional<Endpoint> dialled_by;
    bool counts = false;  // the dialler was a stranger to any NAT of ours
    int echoes = 0;
  };
  struct Claim {
    Endpoint endpoint;
    Front front = Front::nothing;
    std::optional<Asking> asking;
    TimePoint next_ask{};
    Duration back_off{};
    std::vector<Success> successes;  // newest first, a netgroup and a dialler once each
    std::deque<bool> reached;        // the last conclusive dials
    bool proved = false;
    bool unreachable = false;  // 3 of the last 5 dials said so
    bool nobody_to_dial = false;
    std::optional<TimePoint> complete_by;  // proved, but a dialler short of it
  };
  struct Helper {
    IpAddress at;
    TimePoint ready_at{};
  };

  Contacted& contacted(Proto proto) { return contacted_[static_cast<std::size_t>(proto)]; }
  bool is_stranger(TimePoint now, const IpAddress& address, Proto proto) const {
    return now >= strangers_from_ &&
           contacted_[static_cast<std::size_t>(proto)].is_quiet(now, address);
  }
  IpAddress netgroup(const IpAddress& address) const;
  std::size_t needed() const;
  const Helper* helper_for(const Door& door) const;  // the one to be ready first
  Duration first_ask(Front front);
  void go_on(TimePoint now, const Door& door, Claim& claim);
  std::optional<TimePoint> ask_at(const Door& door, const Claim& claim) const;
  std::vector<std::uint64_t> met(TimePoint now, const Door& door, const Claim& claim) const;
  void on_reached(TimePoint now, const Door& door, Claim& claim, const Attestation& attestation);
  void on_unanswered(TimePoint now, const Door& door, Claim& claim);
  void on_inconclusive(TimePoint now, Claim& claim);
  void review(TimePoint now, const Door& door, Claim& claim);
  void lose(const Door& door, Claim& claim, bool moved, std::string why);
  Duration back_off(Claim& claim, Duration first, Duration last);
  void on_change() { reviewed_ = next_known_ = false; }
  bool is_due(TimePoint now) const;

  NodeId self_;
  const Crypto& crypto_;
  Random random_;
  int bits_v4_;
  int bits_v6_;
  std::map<Door, Claim> claims_;
  std::map<NodeId, Helper> helpers_;
  std::vector<Known> known_;
  std::deque<Known> dialled_;
  std::vector<Success> kept_;                    // of the run before, newest first
  TimePoint strangers_from_ = TimePoint::min();  // before this nobody is one
  std::size_t netgroups_ = 0;
  std::array<Contacted, 2> contacted_;  // by protocol
  // It is asked at every turn, and changes seldom.
  bool reviewed_ = false;  // by on_timeout, since something changed
  mutable bool next_known_ = false;
  mutable std::optional<TimePoint> next_;
  std::deque<Transmit> transmits_;
  std::deque<Event> events_;
};

}  // namespace byway

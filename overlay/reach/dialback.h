// Proving to a node that strangers can reach it: the two who help it.
//
//   asker ---request---> ProofHelper ---order---> Dialler
//     ^ <----------- dial-back, up to 3 ----------' |
//     '------------- echo -----------------------> signs an attestation
//   asker <---result---- ProofHelper <---result----'
//
// What an abuser would want, and why he does not get it:
// - To have someone else dialled: the helper lets only the address be dialled that it sees the
//   asker at. A helper that lies to diallers gets out of each a few datagrams of 17 bytes, once a
//   minute for one address, to a port where no old service listens.
// - To be dialled by a friend: the helper draws the dialler. Nobody at the asker's own address or
//   the helper's, nobody the asker named or has met lately, a supernode before any leaf, and
//   somebody in a third netgroup before anybody else.
// - To make others work: 12 dials a minute each, one for an asker at a time, and the request is
//   larger than everything it sets off.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>

#include "overlay/core/io.h"
#include "overlay/core/rate_limiter.h"
#include "protocol/identity.h"
#include "protocol/proof_message.h"
#include "protocol/random.h"

namespace byway {

// So many in any minute, and not one more.
class DialBudget {
 public:
  // How long until there is one to be had.
  Duration wait(TimePoint now) const;
  bool take(TimePoint now);

 private:
  std::deque<TimePoint> taken_;  // the last ones
};

// To be sent over the link to `to`.
struct ProofLetter {
  NodeId to;
  ProofMessage message;
};

class ProofHelper {
 public:
  ProofHelper(const NodeId& self, Random random, int netgroup_bits_v4, int netgroup_bits_v6);

  struct Asker {
    NodeId id;
    Endpoint observed;              // where this request came from
    std::span<const NodeId> named;  // whoever it ever named to us: its homes
  };
  // Whom we could ask to dial: our view of the supernodes, and the leaves registered here. Each is
  // looked up by number, with its address in the family of the endpoint; none where it has none.
  struct Candidate {
    NodeId id;
    IpAddress address;
  };
  struct Candidates {
    std::size_t supernodes = 0;
    std::function<std::optional<Candidate>(std::size_t)> supernode;
    std::size_t leaves = 0;
    std::function<std::optional<Candidate>(std::size_t)> leaf;
  };
  // `own`: our own address in that family.
  void on_request(TimePoint now, const Asker& asker, const ProveRequest& request,
                  const IpAddress& own, const Candidates& candidates);
  // True: we waited for it.
  bool on_result(const NodeId& dialler, const DialResult& result);
  // There is no link to it (any more): whatever it was to dial is known not to have been.
  void on_lost(const NodeId& dialler);
  void on_timeout(TimePoint now);

  std::optional<ProofLetter> poll_letter();
  std::optional<TimePoint> next_timeout() const;
  std::size_t pending() const { return pending_.size(); }

 private:
  struct Key {
    NodeId dialler;
    ProofNonce nonce;
    auto operator<=>(const Key&) const = default;
  };
  struct Pending {
    NodeId asker;
    IpAddress target;
    TimePoint deadline;
  };
  bool may_be_dialled(const Asker& asker, const ProveRequest& request) const;
  std::optional<Candidate> draw(const Asker& asker, const ProveRequest& request,
                                const IpAddress& own, std::size_t count,
                                const std::function<std::optional<Candidate>(std::size_t)>& get);
  IpAddress netgroup(const IpAddress& address) const;
  void answer(const NodeId& asker, ProveResult result) {
    letters_.push_back({asker, std::move(result)});
  }

  NodeId self_;
  Random random_;
  int bits_v4_;
  int bits_v6_;
  DialBudget dials_;
  RateLimiter<IpAddress> per_target_;
  std::map<Key, Pending> pending_;
  std::deque<ProofLetter> letters_;
};

class Dialler {
 public:
  explicit Dialler(const Identity& identity);  // which outlives it

  struct Orderer {
    NodeId id;
    IpAddress at;    // where it is linked
    bool supernode;  // known as one, or a home of ours
  };
  void on_order(TimePoint now, const Orderer& orderer, const DialOrder& order);
  // True: from exactly where we dialled.
  bool on_echo(TimePoint now, WallTime wall, const Datagram& datagram);
  void on_timeout(TimePoint now);

  std::optional<Transmit> poll_transmit(TimePoint now);
  std::optional<ProofLetter> poll_letter();
  std::optional<TimePoint> next_timeout() const;
  std::size_t pending() const { return dials_.size(); }

 private:
  struct Dial {
    NodeId orderer;
    DialOrder order;
    TimePoint next_send;
    TimePoint deadline;
    int sent = 0;
  };
  bool accepts(TimePoint now, const Orderer& orderer, const DialOrder& order);
  bool wants_to_send(const Dial& dial) const;

  const Identity& identity_;
  DialBudget budget_;
  RateLimiter<IpAddress> per_target_;
  std::map<ProofNonce, Dial> dials_;
  std::deque<ProofLetter> letters_;
};

}  // namespace byway

// The keys that two nodes share: how they agree on them, renew them and put them away.
//
// A link knows nothing of addresses. It makes datagrams and opens datagrams; which way they
// travel is the business of Paths. That is why a link outlives every path it ever used.
//
//   (no keys) --dial--> dialing --handshake 2--> linked --1 h--> dialing again, still linked
//   (no keys) --handshake 1 answered--> unconfirmed --first sealed packet--> linked
//
// When both dial at once both handshakes succeed, and both ends send with the keys of the one
// that the smaller NodeId began; the others are put away 10 s later.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "overlay/core/foresight.h"
#include "overlay/link/index_table.h"
#include "protocol/handshake.h"
#include "protocol/seal.h"
#include "protocol/time.h"

namespace byway {

class Link {
 public:
  // All three outlive the link.
  Link(const Crypto& crypto, const Identity& self, const NodeId& peer)
      : crypto_(&crypto), self_(&self), peer_(&peer) {}

  // --- as the initiator ---

  // A new handshake; one under way is given up. The datagram is handshake message 1; who has no
  // way to send it yet may ask for it again with dial_datagram().
  Result<Bytes> dial(TimePoint now, IndexTable::Index index, ByteView hello, Random& random);
  bool dialing() const { return dial_ != nullptr; }
  bool dial_awaits(std::uint32_t index) const;
  Bytes dial_datagram() const;
  // Message 1 again, when it is due; nothing when there is none or all are spent.
  std::optional<Bytes> poll_resend(TimePoint now);
  bool dial_failed(TimePoint now) const;  // all are spent and the last one had its time
  void give_up_dial() { dial_.reset(); }
  // The payload of message 2; the link is linked then.
  Result<Bytes> on_handshake2(TimePoint now, ByteView datagram);
  // What message 2 said was no: its keys open nothing.
  void discard_refused();
  // The responder asks for proof of our address first: message 1, with its cookie.
  Result<Bytes> on_cookie(TimePoint now, ByteView datagram);

  // --- as the responder ---

  void on_answered(TimePoint now, IndexTable::Index index, const SessionKeys& keys);

  // --- linked ---

  std::optional<Bytes> seal(ByteView plaintext);
  struct Opened {
    Bytes plaintext;
    bool confirms;  // the first packet of a session that we answered
  };
  Result<Opened> open(TimePoint now, ByteView datagram);

  bool has_keys() const { return !sessions_.empty(); }
  bool confirmed() const;
  std::optional<Duration> handshake_rtt() const { return handshake_rtt_; }

  bool wants_rekey(TimePoint now) const;
  void postpone_rekey(TimePoint until) { rekey_not_before_ = until; }
  void on_timeout(TimePoint now);
  std::optional<TimePoint> next_timeout() const;
  void foresee() const { ask_for(sessions_.data(), sessions_.size() * sizeof(Session)); }

 private:
  struct Session {
    Seal seal;
    IndexTable::Index index;
    bool initiated;  // by us
    bool confirmed;
    TimePoint born;
    std::optional<TimePoint> gone_at;
  };
  struct Dial {
    Initiator initiator;
    IndexTable::Index index;
    std::optional<Tag> cookie;
    TimePoint sent_at;
    TimePoint resend_at;
    Duration gap;
    int sends = 1;
  };

  Session* sender();
  const Session* sender() const { return const_cast<Link*>(this)->sender(); }
  bool preferred(const Session& a, const Session& b) const;
  void retire_all_but(const Session* kept, TimePoint now);
  std::optional<TimePoint> rekey_at() const;

  const Crypto* crypto_;
  const Identity* self_;
  const NodeId* peer_;  // a supernode holds 100,000 of these beside their ids
  std::unique_ptr<Dial> dial_;
  std::vector<Session> sessions_;  // at most a handful: current, draining, unconfirmed
  std::optional<Duration> handshake_rtt_;
  TimePoint rekey_not_before_{};
};

}  // namespace byway

// Supernodes remembered: who was heard of, who answered, and whom to ask when nobody else is left.
#include "overlay/conductor.h"

namespace byway {

// `from` told us of it; its own signature is on the address.
void Overlay::Conductor::remember_heard(TimePoint now, const Record& supernode,
                                        const IpAddress& from) {
  if (supernode.id == id() || supernode.endpoints.empty()) return;
  const bool is_new = !book_.knows(supernode.id);
  if (book_.add(wall(now), supernode.id, supernode.endpoints.front(), from) && is_new)
    ++book_version_;
}

void Overlay::Conductor::remember_answer(TimePoint now, const NodeId& supernode,
                                         const Endpoint& at) {
  answered_at_ = now;
  const bool was_tried = book_.is_tried(supernode);
  book_.good(wall(now), supernode, at);
  if (!was_tried) ++book_version_;
}

void Overlay::Conductor::remember_silence(TimePoint now, const NodeId& supernode) {
  if (answered_at_ && now - *answered_at_ < limits::book_witness)
    book_.failed(wall(now), supernode);
}

// One more supernode to try, out of the book. False: it has nobody whom we do not try already.
bool Overlay::Conductor::ask_book(TimePoint now) {
  constexpr int looks = 8;  // it may draw those that we know
  for (int look = 0; look < looks; ++look) {
    const auto candidate = book_.select(wall(now));
    if (!candidate) return false;
    if (candidate->id == id() || homes_.endpoint_of(candidate->id)) continue;
    homes_.add_supernode(now, candidate->id, candidate->endpoint);
    if (!homes_.endpoint_of(candidate->id)) return false;
    step(candidate->id, "remembered at " + candidate->endpoint.to_string());
    return true;
  }
  return false;
}

// Now and then somebody in the book is asked whether he is still there, and whoever has served for
// long becomes an anchor.
void Overlay::Conductor::pump_book(TimePoint now) {
  if (leaving_) return;
  const Duration interval = is_supernode() ? limits::feeler_interval : limits::leaf_feeler_interval;
  const auto candidate = book_.poll_feeler(now, wall(now), interval);
  if (!candidate) return;

  for (const NodeId& served : is_supernode() ? membership_->partners() : homes_.ids()) {
    const Peer* peer = find(served);
    const Path* path = peer ? peer->paths.best() : nullptr;
    if (path && path->proved_at && now - *path->proved_at >= limits::book_steady)
      book_.steady(served);
  }

  if (candidate->id == id() || homes_.is_reserved(candidate->id)) return;
  Peer& peer = ensure_peer(candidate->id);
  if (peer.link.confirmed() || peer.link.dialing()) return touch(peer);
  dial(now, peer, Route{.endpoint = candidate->endpoint}, Greet{});
  peer.wanted_until = now + limits::feeler_patience;
}

}  // namespace byway

// The network we are in: what our router maps for us, and what is to be done when we are moved
// (other addresses, a router that was started anew, a machine that has slept).
//
// Whoever has moved hears it from the shell or finds out by itself: a path falls silent, the homes
// are pinged, and their pongs name another address of ours. Then, in this order: the homes prove
// the way to the new address and carry lanes there; over those the peers are told our new
// candidates; both sides knock. So a stream stands still for about as long as it takes to notice.
#include "overlay/conductor.h"
#include "overlay/link/candidates.h"

namespace byway {

// --- port mappings -------------------------------------------------------------------------------

void Overlay::Conductor::on_mapped(TimePoint now, Proto proto, const Endpoint& outside) {
  const auto before = self_.candidates();
  self_.set_mapped(proto, outside);
  step({}, "the router maps " + outside.to_string() + " to us");
  judge_mapping();
  claim_doors(now);
  prover_.on_opened(now, outside, proto);
  pump_roles(now);
  if (self_.candidates() != before)
    for (Peer& peer : peers_)
      if (peer.talk && !peer.paths.best_of(PathKind::direct_udp)) reach_anew(now, peer);
  settle(now);
}

void Overlay::Conductor::on_unmapped(TimePoint now, Proto proto, bool v6) {
  self_.set_unmapped(proto, v6);
  step({}, "the router maps nothing to us any more");
  judge_mapping();
  claim_doors(now);
  pump_roles(now);
  settle(now);
}

// Says once for each such mapping that it is of no use.
void Overlay::Conductor::judge_mapping() {
  for (const bool v6 : {false, true}) {
    auto& doubted = doubted_[v6];
    const auto seen = self_.contradicts_router(Proto::udp, v6);
    const auto outside = self_.router_says(Proto::udp, v6);
    if (!seen)
      doubted.reset();
    else if (doubted != outside) {
      doubted = outside;
      events_.push_back(MappingDoubted{*outside, *seen});
    }
  }
}

// What strangers may dial, to be proved, in each family that we are seen in: the mapped endpoint,
// else where we are seen.
void Overlay::Conductor::claim_doors(TimePoint now) {
  if (!seeks_proof()) return;
  for (const Seen& seen : seen_)
    if (!seen.by.is_nobody() && seen.as.is_set()) claim_door(now, seen.as);
}

void Overlay::Conductor::claim_door(TimePoint now, const Endpoint& seen) {
  const auto mapped = self_.router_says(Proto::udp, seen.address.is_v6());
  const bool use = mapped && (mapped->address == seen.address || self_.is_local(*mapped));
  prover_.on_claim(now, use ? *mapped : seen, Proto::udp, front(seen, use));
  claim_tcp_door(now, seen);
}

// By TCP strangers come in where we listen at an address of our own, or where the router says so.
// After UDP, which comes first, for diallers are few; and behind any other NAT nobody is asked.
void Overlay::Conductor::claim_tcp_doors(TimePoint now) {
  for (const Seen& seen : seen_)
    if (seen.as.is_set()) claim_tcp_door(now, seen.as);
}

void Overlay::Conductor::claim_tcp_door(TimePoint now, const Endpoint& seen) {
  using Front = Prover::Front;
  const Prover::Door udp = Prover::door_of(seen, Proto::udp);
  const Prover::Door tcp = Prover::door_of(seen, Proto::tcp);
  const auto here = [&](const Endpoint& one) { return one.address == seen.address; };
  const auto& listened = tcp_view_.local();
  const auto own = std::find_if(listened.begin(), listened.end(), here);
  const auto mapped = self_.router_says(Proto::tcp, seen.address.is_v6());
  if (!prover_.is_proved(udp))
    prover_.on_claim_gone(tcp);
  else if (own != listened.end())
    prover_.on_claim(now, *own, Proto::tcp, Front::nothing);
  else if (mapped && here(*mapped))
    prover_.on_claim(now, *mapped, Proto::tcp, Front::open);
  else
    prover_.on_claim_gone(tcp);
}

Prover::Front Overlay::Conductor::front(const Endpoint& seen, bool mapped) const {
  using Front = Prover::Front;
  const auto& local = self_.local();
  if (std::find(local.begin(), local.end(), seen) != local.end()) return Front::nothing;
  if (mapped) return Front::open;
  const NatBehaviour& nat = nat_probe_.report().udp;
  switch (nat.filtering) {
    case Behaviour::none:
    case Behaviour::endpoint_independent:
      return Front::open;
    case Behaviour::address_dependent:
    case Behaviour::address_port_dependent:
      return Front::closed;
    case Behaviour::unknown:
    case Behaviour::blocked:
      break;
  }
  return Front::unknown;
}

// --- changes -------------------------------------------------------------------------------------

void Overlay::Conductor::on_local_endpoints(TimePoint now, std::vector<Endpoint> endpoints) {
  const bool changed = endpoints != self_.local();
  nat_probe_.on_local_endpoints(endpoints);
  self_.set_local(std::move(endpoints));
  homes_.set_families(self_.has_family(false), self_.has_family(true));
  doubt_everything(now);
  if (changed) reach_everybody_anew(now, true);
  settle(now);
}

void Overlay::Conductor::on_network_change(TimePoint now) {
  step({}, "the network may be another one");
  doubt_everything(now);
  settle(now);
}

void Overlay::Conductor::doubt_everything(TimePoint now) {
  homes_.on_network_change(now);
  // Our homes are asked for a new registration: one that has forgotten us takes us in again.
  for (const NodeId& home_id : homes_.ids())
    if (Peer* home = find(home_id); home && !home->link.dialing()) redial(now, *home);
  for (Peer& peer : peers_) {
    if (peer.is_leaf && !peer.talk) continue;  // it is for them to find out where we are
    peer.paths.test_all(now);
    if (peer.talk) {
      peer.talk->next_call = now;
      peer.talk->next_round = now;
      peer.talk->round_gap = {};
    }
    touch(peer);
  }
}

// A path to a peer has fallen silent. If it is we who have moved, the homes can tell; and the lanes
// that they carry move with our paths to them.
void Overlay::Conductor::worry_about_own_place(TimePoint now, Peer& peer) {
  if (!peer.paths.is_worried()) {
    peer.talk->alarmed = false;
    return;
  }
  if (!std::exchange(peer.talk->alarmed, true)) test_homes(now);
}

void Overlay::Conductor::test_homes(TimePoint now) {
  for (const NodeId& home_id : homes_.ids()) {
    Peer* home = find(home_id);
    const Path* path = home ? home->paths.best() : nullptr;
    if (!path || path->unanswered_since) continue;
    if (const auto ping = home->paths.ping(now, path->route)) send(*home, path->route, *ping);
    touch(*home);
  }
}

// A supernode says where it sees us.
void Overlay::Conductor::on_observed(TimePoint now, const NodeId& supernode, const Endpoint& at,
                                     const Endpoint& observed) {
  const Endpoint before = self_.observed_by(supernode);
  self_.on_observed(supernode, at, observed);
  judge_mapping();
  if (!before.is_set() || !observed.is_set() || before == observed) return;
  // A home that says something else each time must not keep us busy.
  if (!moves_.take(now)) return;

  events_.push_back(Moved{before, observed});
  test_homes(now);
  // Another port alone may be that of a mapping that ran out: it says nothing about other paths.
  reach_everybody_anew(now, before.address != observed.address);
}

void Overlay::Conductor::reach_everybody_anew(TimePoint now, bool other_address) {
  for (Peer& peer : peers_) {
    if (!peer.talk) continue;
    if (other_address) peer.paths.doubt_direct(now);
    reach_anew(now, peer);
  }
}

// Tells the peer where we may be reached now, though the old path may not be given up yet; and
// knocks. Over the relay where there is one: it is there that the home has moved us to.
void Overlay::Conductor::reach_anew(TimePoint now, Peer& peer) {
  Conversation& talk = *peer.talk;
  if (!talk.connected) return;
  const Path* path = peer.paths.best_of(PathKind::relay);
  if (!path) path = peer.paths.best();
  if (!path) return;
  if (talk.reached_anew && now - *talk.reached_anew < limits::reach_anew_gap) {
    // The last home to notice need not start another round now, but none must be missed.
    talk.next_round = *talk.reached_anew + limits::reach_anew_gap;
    touch(peer);
    return;
  }
  talk.reached_anew = now;
  ++talk.round;
  step(peer.id, "telling it where we are now, round " + std::to_string(talk.round),
       StepKind::moved);
  send(peer, path->route, Reach{.round = talk.round, .talk = our_talk(&peer)});
  knock_at_peer(now, now + path->rtt / 2, peer);
}

}  // namespace byway

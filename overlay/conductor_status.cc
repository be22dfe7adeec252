// What `status` shows.
#include <algorithm>

#include "overlay/conductor.h"

namespace byway {

OverlayStatus Overlay::Conductor::status(TimePoint now) const {
  OverlayStatus status{.id = id(), .role = role_word(), .ready = ready_, .nat = nat_report()};
  status.role_why = role_why(now);
  for (const Candidate& candidate : self_.candidates())
    status.addresses.push_back(
        {candidate.endpoint, candidate.proto, candidate.how,
         (candidate.proto == Proto::tcp ? proved_by_tcp_ : proved_).contains(candidate.endpoint)});
  for (const Candidate& candidate : tcp_view_.candidates()) {
    const auto is_shown = [&](const AddressStatus& shown) {
      return shown.endpoint == candidate.endpoint && shown.proto == candidate.proto;
    };
    if (std::any_of(status.addresses.begin(), status.addresses.end(), is_shown)) continue;
    status.addresses.push_back({candidate.endpoint, candidate.proto, candidate.how,
                                proved_by_tcp_.contains(candidate.endpoint)});
  }
  for (const NodeId& home_id : homes_.ids()) {
    const Peer* home = find(home_id);
    const Path* path = home ? home->paths.best() : nullptr;
    HomeStatus shown{.id = home_id, .endpoint = homes_.endpoint_of(home_id).value_or(Endpoint{})};
    if (path) {
      shown.proto = path->route.proto;
      if (path->route.proto == Proto::tcp) shown.endpoint = path->route.endpoint;
      shown.rtt = path->rtt;
    }
    shown.observed = self_.observed_by(home_id);
    status.homes.push_back(shown);
  }
  status.supernodes_known = is_supernode() ? membership_->view().size() : homes_.known();
  status.leaves = registrar_.size();
  status.lanes = relay_.lanes();
  for (const Relay::Account& one : relay_.accounts(limits::relay_accounts_shown))
    status.relayed_for.push_back({one.owner, one.lanes, one.bytes});
  status.relayed_this_month = relay_month_.carried(wall(now));
  status.relay_monthly_cap = relay_month_.cap();
  for (const Peer& peer : peers_)
    if (peer.talk) status.peers.push_back(peer_status(peer));
  std::ranges::sort(status.peers, {}, &PeerStatus::id);
  return status;
}

std::optional<PeerStatus> Overlay::Conductor::peer(const NodeId& id) const {
  const Peer* peer = find(id);
  if (!peer || !peer->talk) return {};
  return peer_status(*peer);
}

PeerStatus Overlay::Conductor::peer_status(const Peer& peer) const {
  const Conversation& talk = *peer.talk;
  PeerStatus status{.id = peer.id};
  status.introduced_by = talk.introduced_by;
  status.direct_since = talk.direct_since;
  for (const auto& slot : talk.sessions) status.streams += slot->session->open_streams();
  if (const Path* best = peer.paths.best()) {
    status.path = best->kind();
    status.method = best->method;
    status.endpoint = best->route.endpoint;
    status.via = best->via;
    status.rtt = best->rtt;
  }
  const bool direct = status.path == PathKind::direct_udp || status.path == PathKind::direct_tcp;
  if (!direct) status.why = why_not_direct(peer);
  return status;
}

}  // namespace byway

// Peers in our own local network: looked for beside every call, dialled where they answer.
#include "overlay/conductor.h"
#include "overlay/link/candidates.h"

namespace byway {
namespace {

// Whether it can be in our own network: an inner address, or one beside an address of ours. What
// claims to answer from elsewhere would have us dial a third party.
bool is_near(const IpAddress& address, const std::vector<Endpoint>& local) {
  const int bits = address.is_v4() ? 24 : 64;
  return is_inner(address) || std::any_of(local.begin(), local.end(), [&](const Endpoint& own) {
           return own.address.is_v4() == address.is_v4() &&
                  own.address.prefix(bits) == address.prefix(bits);
         });
}

}  // namespace

void Overlay::Conductor::seek_on_lan(TimePoint now, const Peer& peer) {
  if (!config_.lan) return;
  const auto& local = self_.local();
  const auto has = [&](bool v6) {
    return std::any_of(local.begin(), local.end(), [&](const Endpoint& endpoint) {
      return endpoint.address.is_v6() == v6 && endpoint.address.scope() != Scope::loopback;
    });
  };
  lan_.seek(now, peer.id, has(false), has(true));
  pump_lan(now);
}

void Overlay::Conductor::pump_lan(TimePoint now) {
  while (auto packet = lan_.poll_transmit(now)) transmit_raw(now, std::move(*packet));
}

Overlay::Conductor::Outcome Overlay::Conductor::on_lan(TimePoint now, const Datagram& datagram) {
  if (!config_.lan) return Drop::unexpected;
  const auto outcome = lan_.on_datagram(now, datagram);
  pump_lan(now);
  if (outcome.drop || !outcome.found) return outcome.drop;

  Peer* peer = find(outcome.found->id);
  if (!peer || !peer->talk) return Drop::lan_unasked;
  if (!is_near(outcome.found->at.address, self_.local())) return Drop::lan_unasked;
  const Route route{.endpoint = outcome.found->at};
  step(peer->id, "it answers in this network, at " + route.endpoint.to_string(), StepKind::lan);
  touch(*peer);
  if (peer->paths.find(route)) return used;
  if (!knock_budget_.take(now, route.endpoint.address)) return Drop::quota;
  if (peer->link.confirmed())
    peer->paths.add(now, route, traits_of(*peer, route));
  else if (peer->link.dialing())
    transmit(route, peer->link.dial_datagram());  // the one that the homes carry too
  return used;
}

}  // namespace byway

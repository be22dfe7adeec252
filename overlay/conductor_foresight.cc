// Who has thousands of nodes in one process knows which of them will hear something next, and each
// time nearly all that it looks at has left the processor's caches. Here is what that is.
#include "overlay/conductor.h"
#include "overlay/core/foresight.h"
#include "protocol/packet.h"

namespace byway {

// Each round asks for what the rounds before it have led to.
void Overlay::Conductor::foresee(int round, ByteView datagram, const Peer*& whom) const {
  if (round == 0) {
    ask_for(&now_, sizeof(now_) + sizeof(indices_) + sizeof(peers_) + sizeof(peer_index_) +
                       sizeof(timers_) + sizeof(touched_));
    ask_for(&homes_, sizeof(homes_));
    ask_for(&registrar_, sizeof(registrar_));
    ask_for(&prover_, sizeof(prover_));
    ask_for(&proof_helper_, sizeof(proof_helper_));
    ask_for(&dialler_, sizeof(dialler_));
    ask_for(&promotion_, sizeof(promotion_));
    ask_for(&lan_, sizeof(lan_));
    ask_for(&survey_, sizeof(survey_));
    ask_for(&connections_, sizeof(connections_));
    ask_for(&sockets_, sizeof(sockets_));
    ask_for(&nat_probe_, sizeof(nat_probe_));
    ask_for(&lifetime_probe_, sizeof(lifetime_probe_));
    ask_for(&nat_service_, sizeof(nat_service_));
    ask_for(&counters_,
            sizeof(counters_) + sizeof(transmits_) + sizeof(borrowed_) + sizeof(events_));
    if (!serving_) return;
    ask_for(&membership_, sizeof(membership_));
    ask_for(&store_, sizeof(store_));
    ask_for(&keeper_, sizeof(keeper_));
    ask_for(&lookup_, sizeof(lookup_));
    return;
  }
  if (round == 1) {
    if (datagram.empty()) {
      whom = timers_.first();
    } else if (classify(datagram) == PacketKind::sealed) {
      const auto index = receiver_index(datagram);
      const NodeId* owner = index ? indices_.owner(*index) : nullptr;
      whom = owner ? find(*owner) : nullptr;
    }
    if (whom) ask_for(whom, sizeof(Peer));
  } else if (whom) {
    whom->link.foresee();
    whom->paths.foresee();
  }
}

}  // namespace byway

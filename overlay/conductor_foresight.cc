// Who has thousands of nodes in one process knows which of them will hear something next, and each
// time nearly all that it looks at has left the processor's caches. Here is what that is.
#include "overlay/conductor.h"
#include "overlay/core/foresight.h"
#include "protocol/packet.h"

namespace byway {
namespace {

// Pings and their answers are smaller; of the mesh and the directory only short questions are.
constexpr std::size_t small = 120;

}  // namespace

// Each round asks for what the rounds before it have led to.
void Overlay::Conductor::foresee(int round, TimePoint at, ByteView datagram,
                                 const Peer*& whom) const {
  if (round == 0) return foresee_ourselves();

  // The mesh and the directory are large, and left alone where it can be told beforehand.
  const bool alarm = datagram.empty();
  const auto concerns = [&](const Deadline& deadline) {
    return serving_ && (alarm ? deadline.may_be_due(at) : datagram.size() > small);
  };
  const bool mesh = concerns(mesh_deadline_);
  const bool directory = concerns(directory_deadline_);
  if (round == 1) {
    timers_.foresee();
    transmits_.foresee();
    registrar_.foresee(0);
    if (serving_) ask_for_all_of(membership_->view());
    if (mesh) ask_for_all_of(*membership_);
    if (directory) ask_for_all_of(*store_, *keeper_, *lookup_);
  } else if (round == 2) {
    if (alarm) {
      whom = timers_.first();
    } else if (classify(datagram) == PacketKind::sealed) {
      const auto index = receiver_index(datagram);
      whom = index ? indices_.owner(*index) : nullptr;
    }
    if (whom) ask_for_all_of(*whom);
    registrar_.foresee(1);
    if (mesh) membership_->foresee();
    if (directory) {
      store_->foresee();
      keeper_->foresee();
    }
  } else if (whom) {
    if (round == 3) {
      whom->link.foresee();
      whom->paths.foresee();
      timers_.foresee(*whom);
    }
    if (serving_) membership_->view().foresee(round - 3, position_of(whom->id));
  }
}

void Overlay::Conductor::foresee_ourselves() const {
  const auto* const from = reinterpret_cast<const char*>(&now_);
  ask_for(from, static_cast<std::size_t>(reinterpret_cast<const char*>(&stamps_) - from));
  ask_for_all_of(homes_, registrar_, prover_, proof_helper_, dialler_, promotion_, lan_, survey_,
                 connections_, sockets_, nat_probe_, lifetime_probe_, nat_service_);
  ask_for(&counters_, sizeof(counters_) + sizeof(transmits_) + sizeof(borrowed_) + sizeof(events_));
}

}  // namespace byway

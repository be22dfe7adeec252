#include "overlay/link/reason.h"

namespace byway {
namespace {

bool depends_on_destination(const NatSummary& nat) {
  return nat.mapping == Behaviour::address_dependent ||
         nat.mapping == Behaviour::address_port_dependent;
}

}  // namespace

std::string why_relayed(const Punch& punch, const NatSummary& ours, const NatSummary& theirs,
                        std::size_t candidates) {
  if (candidates == 0) return "the peer named no address that could be knocked at";
  switch (punch.state()) {
    case Punch::State::resting:
      return "a direct path has not been tried yet";
    case Punch::State::knocking:
      return "knocking for a direct path";
    case Punch::State::open:
      return "the direct path does not answer at the moment";
    case Punch::State::failed:
      break;
  }
  const std::string tried =
      std::to_string(punch.knocks()) + " knocks at " + std::to_string(candidates) +
      (candidates == 1 ? " address" : " addresses") + " in " + std::to_string(punch.rounds()) +
      (punch.rounds() == 1 ? " round" : " rounds") + " found no way";
  if (depends_on_destination(ours) && depends_on_destination(theirs))
    return "both NATs pick another port for every destination; " + tried;
  if (depends_on_destination(ours))
    return "this side's NAT picks another port for every destination; " + tried;
  if (depends_on_destination(theirs))
    return "the peer's NAT picks another port for every destination; " + tried;
  return tried + ": a NAT on the way drops them or picks another port for every destination";
}

}  // namespace byway

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

std::string why_tcp_relayed(const TcpSide& ours, const TcpSide& theirs, const TcpPunch& punch) {
  if (ours.outlet == Outlet::tcp_443 && theirs.outlet == Outlet::tcp_443)
    return "both networks let out nothing but TCP to port 443, and nobody can listen there";
  if (ours.outlet == Outlet::tcp_443)
    return "this side's network lets out nothing but TCP to port 443, where the peer does not "
           "listen";
  if (theirs.outlet == Outlet::tcp_443)
    return "the peer's network lets out nothing but TCP to port 443, where this side does not "
           "listen";
  const std::string blocked = ours.blocked && theirs.blocked ? "UDP is blocked on both sides"
                              : ours.blocked                 ? "UDP is blocked on this side"
                                                             : "UDP is blocked on the peer's side";
  const auto is_hard = [](Behaviour mapping) {
    return mapping == Behaviour::address_dependent || mapping == Behaviour::address_port_dependent;
  };
  if (is_hard(ours.nat))
    return blocked + ", and this side's NAT picks another port for every TCP connection";
  if (is_hard(theirs.nat))
    return blocked + ", and the peer's NAT picks another port for every TCP connection";
  switch (punch.state()) {
    case TcpPunch::State::resting:
      return blocked + ", and a direct TCP connection has not been tried yet";
    case TcpPunch::State::trying:
      return blocked + "; connecting by TCP";
    case TcpPunch::State::open:
      return blocked + ", and the direct TCP connection does not answer at the moment";
    case TcpPunch::State::failed:
      break;
  }
  return blocked + ", and " + std::to_string(punch.attempts()) +
         (punch.attempts() == 1 ? " attempt" : " attempts") + " to connect by TCP in " +
         std::to_string(punch.rounds()) + (punch.rounds() == 1 ? " round" : " rounds") +
         " found no way";
}

}  // namespace byway

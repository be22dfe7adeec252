#include "overlay/link/reason.h"

namespace byway {
namespace {

bool depends_on_destination(const NatSummary& nat) {
  return nat.mapping == Behaviour::address_dependent ||
         nat.mapping == Behaviour::address_port_dependent;
}

std::string ports_of(NatKind kind) {
  switch (kind) {
    case NatKind::sequential:
      return "picks the next port for every destination";
    case NatKind::block:
      return "picks ports of a block by chance";
    case NatKind::random:
      return "picks random ports";
    default:
      return "filters by port";
  }
}

std::string with_commas(std::size_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string seconds(Duration duration) {
  const auto tenths = duration / 100ms;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

// What the ports to be guessed had to do with it; empty: nothing so far.
std::string why_not_punched(const HardPunch& hard) {
  using End = HardPunch::End;
  if (hard.is_anew()) return {};  // what the knocks from the main socket found stands
  if (hard.busy())
    return hard.state() == HardPunch::State::acting
               ? "trying the ports that the NATs may have picked"
               : "looking how the NATs pick their ports";
  if (hard.state() != HardPunch::State::failed) return {};
  const std::string both = hard.ours() && hard.theirs()
                               ? "the peer's NAT " + ports_of(hard.theirs()->kind) +
                                     " and this side's " + ports_of(hard.ours()->kind)
                               : "";
  switch (hard.end()) {
    case End::unmeasured:
      return "this side's NAT picks another port for every destination, and too few supernodes "
             "answered to see which";
    case End::no_plan:
      return "a NAT picks another port for every destination, and the peer did not say which ports "
             "its own NAT picks";
    case End::unwitnessed:
      return both +
             "; before many ports are tried two supernodes must see the peer where it says "
             "it is, and they do not";
    case End::hopeless:
      return both + ": neither can be found by trying";
    case End::busy:
      return both + "; ports are being tried with another peer, then it is this one's turn";
    case End::not_found:
      break;
    case End::none:
      return {};
  }
  const bool probed = hard.sockets() == 0;
  return both + "; " +
         (probed ? with_commas(hard.sent()) + " knocks"
                 : with_commas(hard.sockets()) +
                       (hard.sockets() == 1 ? " open port" : " open ports")) +
         " in " + seconds(hard.took()) + " found none";
}

}  // namespace

std::string why_relayed(const Punch& punch, const NatSummary& ours, const NatSummary& theirs,
                        std::size_t candidates, const HardPunch* hard) {
  if (candidates == 0) return "the peer named no address that could be knocked at";
  if (hard && punch.state() != Punch::State::open)
    if (std::string why = why_not_punched(*hard); !why.empty()) return why;
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

#include "tools/sim/oracle.h"

namespace byway::sim {
namespace {

bool is_blocked(const Nat& nat) {
  return nat.mapping == Behaviour::blocked;
}

// One outside endpoint for all remotes: what a third party observed holds for the peer too.
bool is_easy(const Nat& nat) {
  return nat.mapping == Behaviour::none || nat.mapping == Behaviour::endpoint_independent;
}

// Once it has knocked at a peer's address, any port of that address gets in.
bool ignores_ports(const Nat& nat) {
  return nat.filtering != Behaviour::address_port_dependent;
}

// Hard, but each new port is the next one.
bool counts(const Nat& nat) {
  return !is_easy(nat) && nat.ports == Ports::sequential;
}

}  // namespace

bool direct_by_knocking(const Nat& a, const Nat& b) {
  if (is_blocked(a) || is_blocked(b)) return false;
  if (is_easy(a) && is_easy(b)) return true;
  // The easy side's endpoint is known; the other's knock must come in from a port nobody foresaw.
  if (is_easy(a)) return ignores_ports(a);
  if (is_easy(b)) return ignores_ports(b);
  return false;
}

bool direct_possible(const Nat& a, const Nat& b) {
  if (is_blocked(a) || is_blocked(b)) return false;
  return is_easy(a) || is_easy(b) || (counts(a) && counts(b));
}

bool tcp_possible(const Nat& a, const Nat& b) {
  // Whoever lets out one port only reaches nobody at the ports that nodes listen on.
  if (a.only_tcp_port || b.only_tcp_port) return false;
  return direct_by_knocking(a.for_tcp(), b.for_tcp());
}

bool direct_by_any_means(const Nat& a, const Nat& b) {
  if (!is_blocked(a) && !is_blocked(b)) return direct_possible(a, b);
  if (a.only_tcp_port || b.only_tcp_port) return false;
  const Nat &tcp_a = a.for_tcp(), &tcp_b = b.for_tcp();
  return tcp_possible(a, b) || (is_easy(tcp_a) && counts(tcp_b)) ||
         (counts(tcp_a) && is_easy(tcp_b));
}

}  // namespace byway::sim

// What ought to be possible, decided from the NATs alone and in a few lines, so that a test may
// ask whether two peers found a direct path whenever there was one to find.
#pragma once

#include "tools/sim/nat.h"

namespace byway::sim {

// Can two peers, each alone behind one of these, come to a direct UDP path by knocking together
// at the endpoints that a third party observed?
bool direct_by_knocking(const Nat& a, const Nat& b);

// The same, and with ports that have to be guessed: those of a NAT that counts, against one that
// keeps its port or counts as well; those that a NAT picks by chance only against one that keeps
// its port. It takes two supernodes to see what a NAT does, and some luck.
bool direct_possible(const Nat& a, const Nat& b);
// The same by TCP, where both listen on some port other than 443.
bool tcp_possible(const Nat& a, const Nat& b);
// By UDP, or where a side has none by TCP, also to a port that is foreseen.
bool direct_by_any_means(const Nat& a, const Nat& b);

}  // namespace byway::sim

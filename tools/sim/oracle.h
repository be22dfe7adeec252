// What ought to be possible, decided from the NATs alone and in a few lines, so that a test may
// ask whether two peers found a direct path whenever there was one to find.
#pragma once

#include "tools/sim/nat.h"

namespace byway::sim {

// Can two peers, each alone behind one of these, come to a direct UDP path by knocking together
// at the endpoints that a third party observed? Guessing the ports of a NAT that maps by remote
// is not counted: it takes luck, and needs a judgement of its own.
bool direct_possible(const Nat& a, const Nat& b);
// The same by TCP, where both listen on some port other than 443.
bool tcp_possible(const Nat& a, const Nat& b);

}  // namespace byway::sim

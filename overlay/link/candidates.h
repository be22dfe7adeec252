// Where a peer says it may be, and which of that we are willing to knock at. A candidate is a
// stranger's claim: it can name a victim. So never loopback (unless we live there ourselves),
// multicast, broadcast or an address of our own; at most 8 public and 2 private ones.
#pragma once

#include <vector>

#include "protocol/message.h"

namespace byway {

// What is left of `offered`; public addresses first, in the order given.
std::vector<Candidate> knockable(const std::vector<Candidate>& offered,
                                 const std::vector<Endpoint>& own);

// Loopback, private, link-local and shared addresses: they mean another host in another network.
bool is_inner(const IpAddress& address);

}  // namespace byway

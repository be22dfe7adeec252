// Which addresses this host has: what a peer in the same network may reach us at, and by their
// change how we notice a new network.
#pragma once

#include <span>
#include <vector>

#include "protocol/endpoint.h"

namespace byway {

// Of every interface that is up, IPv4 and IPv6; without link-local and multicast.
std::vector<IpAddress> host_addresses();

// Where sockets bound to `bound` can be reached: a wildcard stands for every address of its
// family. Loopback counts only when it was bound to, or when there is nothing else. In a fixed
// order, so that equal lists compare equal.
std::vector<Endpoint> local_endpoints(std::span<const Endpoint> bound,
                                      std::span<const IpAddress> host);

}  // namespace byway

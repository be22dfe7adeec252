// Asks the router by PCP (RFC 6887): overlay/reach/pcp_client.h with a socket and a clock.
//
// The server is the default gateway of the family; the questions go out from the address that is to
// be reached, as PCP demands. By IPv4 that is the one that leads to the gateway; by IPv6 it is a
// global one of this host, which stays the same outside, and what the router opens is a pinhole in
// its firewall.
#pragma once

#include <memory>

#include "node/router_control.h"

namespace byway {

// `listen`: the address that the main port is bound to; unspecified, any: then the one that this
// host's packets leave with. Its family is the one that is asked about.
std::unique_ptr<RouterControl> pcp_control(const IpAddress& listen);
// The same with a server of the test's: `server` takes the gateway's place.
std::unique_ptr<RouterControl> pcp_control_at(const Endpoint& server, const IpAddress& own);

// The global IPv6 address that this host's packets leave with, if it has one and a way out.
std::optional<IpAddress> outgoing_v6();

}  // namespace byway

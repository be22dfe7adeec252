// Our addresses as the kernel's calls want them, and back (ip(7), ipv6(7)).
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <optional>

#include "protocol/endpoint.h"

namespace byway {

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

// Returns the length of what is filled in.
socklen_t fill(SocketAddress& to, const Endpoint& from);
// For addresses that IPv4 and IPv6 sockets gave.
Endpoint endpoint_of(const SocketAddress& from);
// None where there is no address, or one of another family.
std::optional<IpAddress> address_of(const sockaddr* from);

}  // namespace byway

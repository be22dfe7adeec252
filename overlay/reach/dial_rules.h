// Where somebody else may let us send a datagram that we would not send by ourselves.
#pragma once

#include "protocol/endpoint.h"

namespace byway {

// No port where some service of old, without a handshake of its own, might take 17 bytes amiss.
inline bool is_dialled_port(std::uint16_t port) {
  return port == 443 || port >= 1024;
}

// Public, or on a net of the kind that we see the one who wants it at: so labs and offices can be
// a network of their own, and a host on the internet cannot have our own net dialled.
inline bool is_dialled_scope(Scope scope, Scope witness) {
  switch (scope) {
    case Scope::public_net:
      return true;
    case Scope::loopback:
    case Scope::private_net:
    case Scope::shared:
      return scope == witness;
    case Scope::unspecified:
    case Scope::link_local:
    case Scope::multicast:
    case Scope::broadcast:
      return false;
  }
  return false;
}

}  // namespace byway

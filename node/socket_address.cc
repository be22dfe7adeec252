#include "node/socket_address.h"

#include <cstring>

namespace byway {
namespace {

IpAddress address_in(const sockaddr_in& from) {
  ByteArray<4> raw;
  std::memcpy(raw.data(), &from.sin_addr, raw.size());
  return IpAddress::v4(raw);
}

IpAddress address_in(const sockaddr_in6& from) {
  ByteArray<16> raw;
  std::memcpy(raw.data(), &from.sin6_addr, raw.size());
  return IpAddress::v6(raw);
}

// The kernel's lists need not be aligned for the larger type.
template <typename Family>
IpAddress copied(const sockaddr* from) {
  Family family;
  std::memcpy(&family, from, sizeof(family));
  return address_in(family);
}

}  // namespace

socklen_t fill(SocketAddress& to, const Endpoint& from) {
  std::memset(&to, 0, sizeof(to));
  if (from.address.is_v4()) {
    to.v4.sin_family = AF_INET;
    to.v4.sin_port = htons(from.port);
    std::memcpy(&to.v4.sin_addr, from.address.bytes().data(), 4);
    return sizeof(to.v4);
  }
  to.v6.sin6_family = AF_INET6;
  to.v6.sin6_port = htons(from.port);
  std::memcpy(&to.v6.sin6_addr, from.address.bytes().data(), 16);
  return sizeof(to.v6);
}

Endpoint endpoint_of(const SocketAddress& from) {
  if (from.any.sa_family == AF_INET) return {address_in(from.v4), ntohs(from.v4.sin_port)};
  return {address_in(from.v6), ntohs(from.v6.sin6_port)};
}

std::optional<IpAddress> address_of(const sockaddr* from) {
  if (!from) return std::nullopt;
  if (from->sa_family == AF_INET) return copied<sockaddr_in>(from);
  if (from->sa_family == AF_INET6) return copied<sockaddr_in6>(from);
  return std::nullopt;
}

}  // namespace byway

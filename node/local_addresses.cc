#include "node/local_addresses.h"

#include <ifaddrs.h>
#include <net/if.h>

#include <algorithm>

#include "node/socket_address.h"

namespace byway {
namespace {

bool usable(const IpAddress& address) {
  switch (address.scope()) {
    case Scope::unspecified:
    case Scope::link_local:
    case Scope::multicast:
    case Scope::broadcast:
      return false;
    default:
      return true;
  }
}

}  // namespace

std::vector<IpAddress> host_addresses() {
  std::vector<IpAddress> found;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return found;
  for (const ifaddrs* i = list; i; i = i->ifa_next) {
    if (!(i->ifa_flags & IFF_UP)) continue;
    const auto address = address_of(i->ifa_addr);
    if (address && usable(*address)) found.push_back(*address);
  }
  ::freeifaddrs(list);
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

std::vector<Endpoint> local_endpoints(std::span<const Endpoint> bound,
                                      std::span<const IpAddress> host) {
  std::vector<Endpoint> all, loopback;
  for (const Endpoint& socket : bound) {
    if (!socket.address.is_unspecified()) {
      all.push_back(socket);
      continue;
    }
    for (const IpAddress& address : host) {
      if (address.is_v4() != socket.address.is_v4()) continue;
      auto& list = address.scope() == Scope::loopback ? loopback : all;
      list.push_back({address, socket.port});
    }
  }
  if (all.empty()) return loopback;
  return all;
}

}  // namespace byway

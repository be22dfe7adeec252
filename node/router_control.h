// Ways to ask the router in front of us to let others in at a port of this host: PCP (RFC 6887, by
// node/pcp_control.h), NAT-PMP (RFC 6886, through libnatpmp) and UPnP IGD (through miniupnpc). By
// IPv4 the router sends on a port of its own; by IPv6 it opens its firewall for an address of ours,
// a pinhole, which PCP and UPnP IGD 2 (WANIPv6FirewallControl) can do. These calls block, some for
// seconds: they belong on a thread that nothing waits for, the port mapper's.
//
// What a router says is a claim. It may name an address that is not ours, none, or port 0; whoever
// uses the answer decides what to believe.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/outcome.h"
#include "protocol/endpoint.h"
#include "protocol/time.h"

namespace byway {

struct PortMapping {
  Proto proto = Proto::udp;
  std::uint16_t inside = 0;  // our port
  Endpoint outside;
  Duration lease{};       // 0: until it is removed
  std::string_view by{};  // which protocol; filled in by the port mapper
};

class RouterControl {
 public:
  // Looked at between two steps of what takes long, and so often while waiting: true, give up.
  using Cancelled = std::function<bool()>;
  static constexpr Duration look_every = 50ms;

  virtual ~RouterControl() = default;
  virtual std::string_view name() const = 0;
  // Looks for the router, anew each time. Nothing: none speaks this protocol, or in time.
  virtual bool find(const Cancelled& cancelled) = 0;
  // After find(). `outside`: the outside port that we would like; another may come back. The
  // problem is one clause for the log.
  virtual Outcome<PortMapping> map(Proto proto, std::uint16_t inside, std::uint16_t outside,
                                   Duration lease, const Cancelled& cancelled) = 0;
  virtual void unmap(const PortMapping& mapping, const Cancelled& cancelled) = 0;
  // Whether it was noticed, since this was last asked, that the router has forgotten its mappings.
  virtual bool take_restart() { return false; }
};

std::unique_ptr<RouterControl> nat_pmp_control();
std::unique_ptr<RouterControl> upnp_control();
// Opens a pinhole for `listen`, or for the address that packets leave with where that is any.
std::unique_ptr<RouterControl> upnp_pinhole_control(const IpAddress& listen);
// All that know the family of `listen`, the address that the main port is bound to, in the order in
// which they are tried: a packet each way comes before a second of discovery and an exchange in
// XML; and PCP before NAT-PMP, whose routers say at once that they do not speak it.
std::vector<std::unique_ptr<RouterControl>> router_controls(const IpAddress& listen);

}  // namespace byway

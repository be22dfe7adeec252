// Ways to ask the router in front of us to send on a port to this host: UPnP IGD (through
// miniupnpc) and NAT-PMP (RFC 6886, through libnatpmp; routers that speak PCP, RFC 6887, answer it
// too). These calls block, some for seconds: they belong on a thread that nothing waits for, the
// port mapper's.
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
  Duration lease{};  // 0: until it is removed
};

class RouterControl {
 public:
  // Looked at between two steps of what takes long: true, give up.
  using Cancelled = std::function<bool()>;

  virtual ~RouterControl() = default;
  virtual std::string_view name() const = 0;
  // Looks for the router, anew each time. Nothing: none speaks this protocol, or in time.
  virtual bool find(const Cancelled& cancelled) = 0;
  // After find(). `outside`: the outside port that we would like; another may come back. The
  // problem is one clause for the log.
  virtual Outcome<PortMapping> map(Proto proto, std::uint16_t inside, std::uint16_t outside,
                                   Duration lease, const Cancelled& cancelled) = 0;
  virtual void unmap(const PortMapping& mapping, const Cancelled& cancelled) = 0;
};

std::unique_ptr<RouterControl> nat_pmp_control();
std::unique_ptr<RouterControl> upnp_control();
// Both, in the order in which they are tried: the one that takes a packet each way comes first.
std::vector<std::unique_ptr<RouterControl>> router_controls();

}  // namespace byway

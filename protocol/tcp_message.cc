#include "protocol/tcp_message.h"

#include "protocol/packing.h"
#include "protocol/tcp.capnp.h"

namespace byway {
namespace {

using packing::enum_of;
using packing::require;
using packing::to_data;

// --- out ---------------------------------------------------------------------------------------

void put(wire::Meet::Builder out, const Meet& meet) {
  const std::size_t count = std::min(meet.endpoints.size(), max_meet_endpoints);
  auto endpoints = out.initEndpoints(static_cast<unsigned>(count));
  for (unsigned i = 0; i < count; ++i) {
    const Candidate& candidate = meet.endpoints[i];
    packing::put_endpoint(endpoints[i].initEndpoint(), candidate.endpoint);
    endpoints[i].setHow(static_cast<wire::How>(candidate.how));
  }
  out.setMapping(static_cast<wire::Behaviour>(meet.mapping));
  out.setPorts(static_cast<wire::Ports>(meet.ports));
  out.setOutlet(static_cast<wire::Outlet>(meet.outlet));
}

// --- in ----------------------------------------------------------------------------------------

Candidate get(wire::TcpEndpoint::Reader from) {
  return {packing::get_endpoint(from.getEndpoint()), Proto::tcp,
          enum_of(from.getHow(), How::predicted)};
}

Meet get(wire::Meet::Reader from) {
  const auto endpoints = from.getEndpoints();
  require(endpoints.size() <= max_meet_endpoints);
  Meet meet;
  for (const auto endpoint : endpoints) meet.endpoints.push_back(get(endpoint));
  meet.mapping = enum_of(from.getMapping(), Behaviour::blocked);
  meet.ports = enum_of(from.getPorts(), Ports::random);
  meet.outlet = enum_of(from.getOutlet(), Outlet::tcp_443);
  return meet;
}

}  // namespace

std::string_view to_string(Outlet outlet) {
  switch (outlet) {
    case Outlet::unknown:
      return "unknown";
    case Outlet::anything:
      return "anything";
    case Outlet::tcp:
      return "tcp";
    case Outlet::tcp_443:
      return "tcp-443";
  }
  return "unknown";
}

Bytes encode(const Meet& meet) {
  return packing::pack<wire::Meet>([&](wire::Meet::Builder to) { put(to, meet); });
}

Result<Meet> decode_meet(ByteView bytes) {
  return packing::unpack<wire::Meet>(bytes, [](wire::Meet::Reader from) { return get(from); });
}

}  // namespace byway

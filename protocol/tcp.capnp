# How two peers agree on a moment to connect to one another by TCP: said inside their link, over
# the relay. Packed encoding; protocol/tcp_message.h has the plain struct. Fields are only ever
# added, at the end.
@0xc3a9e47d10b6f2e8;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("byway::wire");
using Wire = import "wire.capnp";

struct Meet {
  endpoints @0 :List(TcpEndpoint);  # where the sender may be reached by TCP
  mapping @1 :Wire.Behaviour;       # of the sender's NAT, for TCP
  ports @2 :Wire.Ports;
  outlet @3 :Outlet;                # what the sender's network lets out
}

struct TcpEndpoint {
  endpoint @0 :Wire.Endpoint;
  how @1 :Wire.How;
}

enum Outlet { unknown @0; anything @1; tcp @2; tcp443 @3; }

# How two nodes agree on a punch through NATs that pick a new port for every destination: what each
# knows of its own NAT, and what supernodes say about where the other is. Packed encoding;
# protocol/punch_message.h has the plain structs. Fields are only ever added, at the end.
@0xc86d1f0be2a39406;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("byway::wire");
using Wire = import "wire.capnp";

struct PunchMessage {
  union {
    plan @0 :PunchPlan;
    ports @1 :PunchPorts;
    witness @2 :Witness;
    testimony @3 :Testimony;
  }
}

struct PunchPlan {       # peer -> peer, over the relay
  round @0 :UInt16;
  answer @1 :Bool;       # the sender has the receiver's plan: act as this arrives
  kind @2 :NatKind;      # of the sender's NAT
  endpoint @3 :Wire.Endpoint;  # the sender's public address; the port, where it means something
  delta @4 :Int16;       # sequential: between two new mappings
  first @5 :UInt16;      # block: the ports seen lie in here
  last @6 :UInt16;
  homes @7 :List(Data);  # whose word about the receiver's address the sender takes
  waitUs @8 :UInt32;     # so long after this arrives the sender acts, at the earliest

  enum NatKind { easy @0; sequential @1; block @2; random @3; }
}

struct PunchPorts {      # peer -> peer: my socket's port is one of these
  round @0 :UInt16;
  ports @1 :List(UInt16);
}

struct Witness {         # leaf -> home: tell this node where you see me
  to @0 :Data;
  home @1 :Data;         # where it is registered; empty: perhaps with you
}

struct Testimony {       # home -> home -> leaf: we see the subject at this address
  subject @0 :Data;
  to @1 :Data;
  address @2 :Data;      # 4 or 16 bytes
}

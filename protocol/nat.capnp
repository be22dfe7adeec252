# How a node learns what its NAT does: what it and supernodes say to one another inside their
# links. Packed encoding; protocol/nat_message.h has the plain structs.
# Fields are only ever added, at the end.
@0xe7a3c1905d2b4f86;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("byway::wire");
using Wire = import "wire.capnp";

struct NatMessage {
  union {
    look @0 :Look;
    tryFilter @1 :TryFilter;
    tryLate @2 :TryLate;
    sighting @3 :Sighting;
    strangerTried @4 :StrangerTried;
    order @5 :StrangerOrder;
    done @6 :StrangerDone;
  }
}

struct Look {              # leaf -> supernode, from the socket in question
  id @0 :UInt64;
  padding @1 :Data;        # the answer must not outweigh it
}

struct TryFilter {         # likewise
  id @0 :UInt64;
  nonce @1 :Data;          # 16 bytes; to be sent back from elsewhere
  padding @2 :Data;        # nor must all that is sent for it
}

struct TryLate {           # leaf -> supernode, from its main socket
  id @0 :UInt64;
  nonce @1 :Data;
  target @2 :Wire.Endpoint;  # another socket of its own, as a Sighting named it
  ticket @3 :Data;         # 16 bytes, from that Sighting
}

struct Sighting {              # supernode -> leaf
  id @0 :UInt64;           # of what it answers
  observed @1 :Wire.Endpoint;
  otherPort @2 :UInt16;    # where the supernode can be asked as well; 0: nowhere
  ticket @3 :Data;
}

struct StrangerTried {     # supernode -> leaf
  id @0 :UInt64;
  sent @1 :Bool;           # false: there was nobody to do it
}

struct StrangerOrder {     # supernode -> another supernode
  nonce @0 :Data;
  target @1 :Wire.Endpoint;
  byTcp @2 :Bool;          # to be connected to, not sent to
}

struct StrangerDone {      # the answer
  nonce @0 :Data;
  sent @1 :Bool;
}

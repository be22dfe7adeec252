# How a node has it proved that it can be reached: what asker, helper and dialler say to one
# another inside their links. Packed encoding; protocol/proof_message.h has the plain structs.
# Fields are only ever added, at the end.
@0xd4f0a5c1b7e95a02;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("byway::wire");
using Wire = import "wire.capnp";

struct ProofMessage {
  union {
    request @0 :ProveRequest;
    order @1 :DialOrder;
    dialled @2 :DialResult;
    result @3 :ProveResult;
  }
}

struct ProveRequest {    # asker -> helper
  nonce @0 :Data;        # 16 bytes
  endpoint @1 :Wire.Endpoint;
  proto @2 :Wire.Proto;
  padding @3 :Data;      # what is done for it must not outweigh it
  met @4 :List(UInt64);  # first 8 bytes of ids whose dial would prove nothing: they were sent to
}

struct DialOrder {       # helper -> dialler
  asker @0 :Data;
  nonce @1 :Data;
  endpoint @2 :Wire.Endpoint;
  proto @3 :Wire.Proto;
}

struct DialResult {      # dialler -> helper
  nonce @0 :Data;
  outcome @1 :ProofOutcome;
  attestation @2 :Data;  # exact bytes; empty unless proved
}

struct ProveResult {     # helper -> asker
  nonce @0 :Data;
  outcome @1 :ProofOutcome;
  attestation @2 :Data;
  retryS @3 :UInt32;     # where refused: not before so many seconds
}

enum ProofOutcome { proved @0; noDialler @1; refused @2; timedOut @3; }

# Everything that travels inside a link's seal, and the payloads of its two handshake messages.
# All of it is Cap'n Proto in packed encoding; protocol/codec.h turns it into the plain structs
# of protocol/message.h and back. Fields are only ever added, at the end.
@0xb1a7c0de5eed0001;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("byway::wire");

struct Endpoint {
  address @0 :Data;   # 4 or 16 bytes
  port @1 :UInt16;
}

enum Proto { udp @0; tcp @1; }
enum How { local @0; observed @1; mapped @2; predicted @3; }
enum Behaviour {
  unknown @0; none @1; endpointIndependent @2; addressDependent @3; addressPortDependent @4; blocked @5;
}
enum Ports { unknown @0; preserved @1; sequential @2; block @3; random @4; }

struct Candidate {
  endpoint @0 :Endpoint;
  proto @1 :Proto;
  how @2 :How;
}

struct NatSummary {
  mapping @0 :Behaviour;
  filtering @1 :Behaviour;
  ports @2 :Ports;
  delta @3 :Int16;       # ports between two new mappings, when sequential
  blockSize @4 :UInt16;  # ports of the block, when block
}

# --- handshake payloads ---------------------------------------------------------------------

struct Hello {           # in handshake message 1: idempotent content only
  version @0 :UInt16;
  id @1 :Data;           # the initiator's NodeId
  boot @2 :UInt64;       # drawn at each start of the process: tells a restart from a rekey
  wallMs @3 :UInt64;     # the initiator's clock, unix ms
  union {
    greet @4 :Void;
    register @5 :Registration;
    talk @6 :Talk;
  }
  padding @7 :Data;
}

struct Welcome {         # in handshake message 2
  observed @0 :Endpoint; # where the responder saw message 1 come from
  boot @1 :UInt64;
  wallMs @2 :UInt64;
  union {
    greeted @3 :Void;
    registered @4 :Registered;
    talk @5 :Talk;
    refused @6 :Refusal;
  }
}

struct Registration {
  record @0 :Data;       # the leaf's signed record, exact bytes; may be empty
  seeking @1 :UInt8;     # which home this would be: 1, 2 or 3
}

struct Registered {
  leaseS @0 :UInt32;     # forgotten after this long without a packet
}

struct Talk {            # the wish to talk, and where we may be
  candidates @0 :List(Candidate);
  nat @1 :NatSummary;
  sessions @2 :UInt16;   # how many sessions with the receiver the sender holds
}

struct Refusal {
  reason @0 :Reason;
  retryS @1 :UInt32;
  others @2 :List(Whereabouts);  # busy: supernodes that have room, 3 at most
  struct Whereabouts {
    id @0 :Data;
    endpoint @1 :Endpoint;
  }
  enum Reason { busy @0; stale @1; unwilling @2; notSupernode @3; version @4; }
}

# --- sealed messages ------------------------------------------------------------------------

struct Message {
  union {
    ping @0 :Ping;
    pong @1 :Pong;
    register @2 :Registration;
    registered @3 :Registered;
    introduce @4 :Introduce;
    introduceResult @5 :IntroduceResult;
    introduction @6 :Introduction;
    reach @7 :Reach;
    bye @8 :Bye;
    refused @9 :Refusal;
    samples @10 :Samples;
    homeGone @11 :HomeGone;
  }
}

struct Ping {
  nonce @0 :UInt64;
  rttUs @1 :UInt32;      # the sender's smoothed round trip to the receiver, 0: not known
  padding @2 :Data;
}

struct Pong {
  nonce @0 :UInt64;
  observed @1 :Endpoint; # where the ping came from
}

struct Introduce {       # caller -> home, and the caller's home -> the target's
  target @0 :Data;
  lane @1 :UInt64;       # drawn by the caller
  handshake @2 :Data;    # message 1 for the target, a whole datagram
  # From home to home only: for whom.
  caller @3 :Data;
  callerEndpoint @4 :Endpoint;
  callerRttUs @5 :UInt32;
}

struct IntroduceResult { # home -> caller
  target @0 :Data;
  lane @1 :UInt64;
  outcome @2 :Outcome;
  retryS @3 :UInt32;
  enum Outcome { passed @0; notHere @1; busy @2; quota @3; }
}

struct Introduction {    # home -> target
  lane @0 :UInt64;
  handshake @1 :Data;
  callerEndpoint @2 :Endpoint;  # where the home sees the caller
  callerRttUs @3 :UInt32;       # the home's round trips to both
  targetRttUs @4 :UInt32;
}

struct Reach {           # peer -> peer, over any path: my candidates now; knock with me
  round @0 :UInt16;
  talk @1 :Talk;
  delayUs @2 :UInt32;    # the receiver should knock this long after receipt
  answer @3 :Bool;       # this answers a Reach
}

struct Samples {         # home -> leaf: other supernodes
  records @0 :List(Data);
  relief @1 :Bool;       # they have far more room than we have: would you move there?
  loads @2 :Data;        # how full each of them is, in eighths, 255: not known
}

struct HomeGone {        # home -> leaf: another of your homes does not answer us
  home @0 :Data;
}

struct Bye {
  reason @0 :Reason;
  enum Reason { leaving @0; unwilling @1; idle @2; }
}

# --- streams --------------------------------------------------------------------------------

struct StreamHeader {    # opens every stream, behind a 16-bit length
  service @0 :Text;
  detail @1 :Data;       # the service's own first message, at most 512 bytes
}

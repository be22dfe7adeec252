# What supernodes say to one another about who is in the mesh, inside their links. Packed encoding;
# protocol/mesh_message.h has the plain structs. Fields are only ever added, at the end.
@0xc3a9f1d27b5e8604;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("byway::wire");

struct MeshMessage {
  union {
    gossip @0 :Gossip;
    compare @1 :Compare;
    want @2 :Want;
    pull @3 :Pull;
    page @4 :Page;
    probeFor @5 :ProbeFor;
    probeFound @6 :ProbeFound;
    suspect @7 :Suspect;
  }
}

struct News {              # about one node
  subject @0 :Data;        # its NodeId
  record @1 :Data;         # exact bytes of its signed record; empty: not told here
  vouchers @2 :List(Data); # protocol/voucher.h
  gones @3 :List(Data);
}

struct Gossip {
  root @0 :UInt64;         # of the sender's hash tree
  load @1 :UInt8;          # 0 idle … 7 full
  news @2 :List(News);
  # What changed at the sender a while ago, so that whoever missed it can ask: positions on the
  # ring, and what each stands for now, as in Bucket; 0: departed.
  positions @3 :List(UInt64);
  digests @4 :List(UInt64);
}

struct Compare {           # where do we differ?
  members @0 :UInt32;      # how many the sender's tree holds
  sums @1 :List(Sums);
  buckets @2 :List(Bucket);
}
struct Sums {              # of the 16 parts of one part of the tree
  level @0 :UInt8;         # 0: the parts of the whole, 1: of a sixteenth, 2: of a 256th
  prefix @1 :UInt16;       # which part of that level
  parts @2 :List(UInt64);
}
struct Bucket {            # all that a 4096th of the tree holds
  prefix @0 :UInt16;
  positions @1 :List(UInt64);
  digests @2 :List(UInt64);
}

struct Want {              # tell me of those
  positions @0 :List(UInt64);
}
struct Pull {              # tell me of everybody from here to there
  from @0 :UInt64;
  to @1 :UInt64;           # not included; all ones: to the end
}
struct Page {              # everybody from here to there, the latter not included
  from @0 :UInt64;
  to @1 :UInt64;           # equal to from: an answer to Want or Compare
  end @2 :Bool;            # there is nobody behind
  news @3 :List(News);
}

struct ProbeFor {          # does this node answer you?
  target @0 :Data;
}
struct ProbeFound {
  target @0 :Data;
  alive @1 :Bool;
}
struct Suspect {           # to it, and to those who can declare it gone
  subject @0 :Data;
  sequence @1 :UInt64;     # of its newest record that the sender knows
}

# What a node says about itself. These bytes are signed, stored and passed on as they are; nobody
# but their author ever encodes them. Fields are only added, at the end. See protocol/record.h.
@0xe69dcd45615f5276;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("byway::wire");

struct NodeRecord {
  id @0 :Data;                         # Ed25519 public key, 32 bytes
  sequence @1 :UInt64;                 # grows with every record of this node
  role @2 :Role;
  endpoints @3 :List(RecordEndpoint);  # at most 8
  homes @4 :List(Data);                # at most 3, 32 bytes each
  agent @5 :Text;                      # at most 32 characters
  tcp @6 :List(RecordEndpoint);        # proved to be reached by TCP; at most 2

  enum Role { leaf @0; supernode @1; }
}

struct RecordEndpoint {
  address @0 :Data;  # 4 or 16 bytes
  port @1 :UInt16;   # not 0
}

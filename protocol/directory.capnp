# The directory: where a leaf's record is put, found, and whether a home has the leaf. Travels
# inside a link's seal; see protocol/directory_message.h. Fields are only ever added, at the end.
@0xb1a7c0de5eed0d1e;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("byway::wire");

struct DirectoryMessage {
  union {
    place @0 :Place;
    placed @1 :Placed;
    find @2 :Find;
    found @3 :Found;
    locate @4 :Locate;
    located @5 :Located;
  }
}

struct Place {
  number @0 :UInt64;  # drawn by the asker; comes back with the answer
  target @1 :Data;    # 32 bytes
  record @2 :Data;    # a signed record, exact bytes
}
struct Placed {
  number @0 :UInt64;
  outcome @1 :Outcome;
  enum Outcome { kept @0; newerKnown @1; notMine @2; refused @3; busy @4; }
}

struct Find {
  number @0 :UInt64;
  target @1 :Data;
}
struct Found {
  number @0 :UInt64;
  outcome @1 :Outcome;
  record @2 :Data;    # when known
  enum Outcome { known @0; unknown @1; busy @2; }
}

struct Locate {
  number @0 :UInt64;
  target @1 :Data;
}
struct Located {
  number @0 :UInt64;
  here @1 :Bool;
}

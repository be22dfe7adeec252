# What a diagnosis tool asks a supernode, and what it is told. Travels inside a link's seal; see
# protocol/survey_message.h. Fields are only ever added, at the end.
@0xb1a7c0de5eed5043;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("byway::wire");

struct SurveyMessage {
  union {
    stateRequest @0 :StateRequest;
    state @1 :SupernodeState;
    membersRequest @2 :MembersRequest;
    members @3 :MembersPage;
  }
}

struct StateRequest {
  number @0 :UInt64;          # drawn by the asker; comes back with the answer
  padding @1 :Data;           # so that the answer is no larger
}

struct SupernodeState {
  number @0 :UInt64;
  version @1 :UInt16;         # of the protocol
  netgroupBitsV4 @2 :UInt8;
  netgroupBitsV6 @3 :UInt8;
  relays @4 :Bool;            # carries lanes for others
  established @5 :Bool;       # others vouch for it
  handingOver @6 :Bool;       # about to serve no more
  agent @7 :Text;             # software and version
  uptimeS @8 :UInt32;
  leaves @9 :UInt32;          # registered here
  limit @10 :UInt32;          # of them, at present
  lanes @11 :UInt32;
  relayRate @12 :UInt64;      # bytes a second; 0: no limit
  relayedBytes @13 :UInt64;
  known @14 :UInt32;          # supernodes vouched for
  admitted @15 :UInt32;       # those of them in its view
  netgroups @16 :UInt32;      # that have an admitted one
  root @17 :UInt64;           # of its hash tree: equal roots, equal knowledge
  sequence @18 :UInt64;       # of its own record
}

struct MembersRequest {
  number @0 :UInt64;
  from @1 :UInt64;            # positions on the ring, the first and the last asked for
  last @2 :UInt64;
  padding @3 :Data;
}

struct MembersPage {
  number @0 :UInt64;
  root @1 :UInt64;
  members @2 :List(SurveyedMember);
  more @3 :Bool;
  next @4 :UInt64;            # if there is more: the position to go on from
}

struct SurveyedMember {
  record @0 :Data;            # signed, exact bytes
  admitted @1 :Bool;
  load @2 :UInt8;             # 0…7; 255: it did not tell
}

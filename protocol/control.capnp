# What a command and the running node say to one another over the Unix socket in the state
# directory: a 32-bit big-endian length, then one message, each way. A reply of kind `raw` is the
# last framed thing on the connection: from there on both directions are a stream's bytes, and
# shutting down a direction finishes it. A Unix socket cannot tell a clean end from a broken one,
# so how such a stream ended is asked for with `outcome`; of ends that were lent it says in a line
# before how many bytes they took and gave.
@0xb1a7c0de5eed0002;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("byway::control_wire");

struct Request {
  union {
    status @0 :Void;          # one line
    ping @1 :Ping;            # a line per echo, then the summary
    say @2 :Say;              # one line
    inbox @3 :Inbox;          # a line per message; with follow, without end
    chat @4 :Void;            # lines: messages in, peers' paths as they change; never done
    contactAdd @5 :Contact;
    contactList @6 :Void;     # a line per contact
    contactRemove @7 :Text;   # name or id
    listen @8 :Listen;        # {"listening":…}, then a line {"accept":TOKEN,"peer":…} per stream; ends with the connection
    accept @9 :UInt64;        # TOKEN of such a line; answered by raw
    pipe @10 :Pipe;           # answered by raw once the peer took it
    bench @11 :Bench;         # a line
    stop @12 :Void;           # leave gracefully
    outcome @13 :UInt64;      # token of a raw reply: waits for that stream's end, then done or failed
    supernodes @14 :UInt32;   # at most so many that others may join by: a line {"id","endpoint"} each
    trace @15 :Text;          # peer: a line per step of the conversation's story, then what came of it
    whois @17 :Text;          # peer: whom that means, a line {"id","name"}
  }
  lends @16 :Bool;            # accept, pipe: the ends of pipes can be lent to the node
}

struct Ping {
  peer @0 :Text;
  count @1 :UInt32;           # 0: until interrupted (or `until` is met)
  intervalMs @2 :UInt32;
  until @3 :Until;
  timeoutMs @4 :UInt32;       # for `until`; 0: none
  enum Until { count @0; direct @1; relay @2; }
}
struct Say { peer @0 :Text; text @1 :Text; timeoutMs @2 :UInt32; }
struct Inbox { follow @0 :Bool; }
struct Contact { name @0 :Text; id @1 :Text; }
struct Listen { service @0 :Text; allow @1 :List(Text); }   # allow: names or ids; empty: contacts
struct Pipe { peer @0 :Text; service @1 :Text; }
struct Bench { peer @0 :Text; seconds @1 :UInt32; reverse @2 :Bool; streams @3 :UInt32 = 1; }

struct Reply {
  union {
    line @0 :Text;            # one JSON object, with the keys that --json promises
    failed @1 :Text;          # one plain sentence; the last reply
    done @2 :Void;            # the last reply
    raw @3 :UInt64;           # a token, see outcome
  }
  borrows @4 :Bool;           # raw: the first byte from the command says which ends it lends, and brings them
}

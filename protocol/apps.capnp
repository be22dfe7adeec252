# What the apps say on their streams, each message behind a 32-bit big-endian length. Whoever
# accepts a stream answers first with `accepted` or `refused`; what follows depends on the
# service. Refusals are codes and not text: what a person reads is written at home.
@0xb1a7c0de5eed0003;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("byway::apps_wire");

struct AppMessage {
  union {
    accepted @0 :Void;
    refused @1 :Refusal;
    echo @2 :Echo;            # service "echo": comes back as it is
    text @3 :ChatText;           # service "chat": opener to accepter
    received @4 :UInt64;      # service "chat": the id of a text that is kept safely
    benchStart @5 :BenchStart;  # service "bench": in the stream header's detail
    benchReport @6 :BenchReport;
  }
  enum Refusal { unavailable @0; busy @1; full @2; }
}

struct Echo { sequence @0 :UInt32; }
struct ChatText {
  id @0 :UInt64;              # drawn by the sender, the same when it is sent again
  sentMs @1 :UInt64;          # the sender's clock, Unix milliseconds
  body @2 :Text;
}
struct BenchStart { seconds @0 :UInt32; reverse @1 :Bool; }
struct BenchReport {
  bytes @0 :UInt64;           # received, or sent when reverse
  elapsedUs @1 :UInt64;       # from the first byte to the last
  cpuUs @2 :UInt64;           # processor time of the whole process meanwhile
}

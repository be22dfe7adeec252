// What a command and the running node say to one another, as plain structs: the mirror of
// protocol/control.capnp, used by both ends of the Unix socket. Cap'n Proto stays in the .cc.
//
// Framing: a 32-bit big-endian length, then one message. Neither side believes the other's
// lengths: a frame over max_control_frame is refused before it is buffered.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "protocol/bytes.h"
#include "protocol/result.h"

namespace byway::control {

constexpr std::size_t max_control_frame = 64 * 1024;
constexpr std::size_t control_frame_header = 4;

// --- requests: one per connection ---------------------------------------------------------------
// Shutting down the sending side afterwards means "enough": a ping then sums up and is done.

struct Status {
  bool operator==(const Status&) const = default;
};
enum class Until : std::uint8_t { count, direct, relay };
struct Ping {
  std::string peer;               // an id or a contact's name
  std::uint32_t count = 4;        // 0: until interrupted (or `until` is met)
  std::uint32_t interval_ms = 0;  // 0: the node chooses (1 s, or 0.2 s with `until`)
  Until until = Until::count;
  std::uint32_t timeout_ms = 0;  // for all of it; 0: none
  bool operator==(const Ping&) const = default;
};
struct Say {
  std::string peer;
  std::string text;
  std::uint32_t timeout_ms = 0;  // 0: the node chooses (10 s)
  bool operator==(const Say&) const = default;
};
struct Inbox {
  bool follow = false;
  bool operator==(const Inbox&) const = default;
};
struct Chat {
  bool operator==(const Chat&) const = default;
};
struct ContactAdd {
  std::string name;
  std::string id;
  bool operator==(const ContactAdd&) const = default;
};
struct ContactList {
  bool operator==(const ContactList&) const = default;
};
struct ContactRemove {
  std::string name_or_id;
  bool operator==(const ContactRemove&) const = default;
};
struct Listen {
  std::string service;
  std::vector<std::string> allow;  // names or ids; empty: every contact
  bool operator==(const Listen&) const = default;
};
struct Accept {
  std::uint64_t token = 0;  // of an {"accept":TOKEN,…} line
  bool lends = false;       // the ends of pipes (lent_ends.h), if the node wants them
  bool operator==(const Accept&) const = default;
};
struct Pipe {
  std::string peer;
  std::string service;
  bool lends = false;  // as in Accept
  bool operator==(const Pipe&) const = default;
};
struct Bench {
  std::string peer;
  std::uint32_t seconds = 5;
  bool reverse = false;       // the peer sends
  std::uint32_t streams = 1;  // so many at once
  bool operator==(const Bench&) const = default;
};
struct Stop {
  bool operator==(const Stop&) const = default;
};
// How the stream of an earlier Raw reply ended: waits for its end, then done or failed with the
// sentence. A Unix socket cannot tell a clean end from a broken one, so a command asks this
// when its raw connection is at its end. Of ends that were lent a line {"sent","received"} before
// that tells the bytes.
struct Outcome {
  std::uint64_t token = 0;  // of the Raw reply
  bool operator==(const Outcome&) const = default;
};

// Supernodes that others may join by: a line {"id","endpoint"} each, the surest first.
struct Supernodes {
  std::uint32_t most = 0;
  bool operator==(const Supernodes&) const = default;
};

// Whom a PEER means.
struct Whois {
  std::string peer;  // an id or a contact's name
  bool operator==(const Whois&) const = default;
};

// How the conversation with a peer came about.
struct Trace {
  std::string peer;
  bool operator==(const Trace&) const = default;
};

using ControlRequest =
    std::variant<Status, Ping, Say, Inbox, Chat, ContactAdd, ContactList, ContactRemove, Listen,
                 Accept, Pipe, Bench, Stop, Outcome, Supernodes, Trace, Whois>;

// --- replies: any number of lines, then failed or done; or raw
// ------------------------------------

struct Line {
  std::string json;  // one JSON object, with the keys that --json promises
  bool operator==(const Line&) const = default;
};
struct Failed {
  std::string sentence;  // plain, and complete: who, why, what to do
  bool operator==(const Failed&) const = default;
};
struct Done {
  bool operator==(const Done&) const = default;
};
// The last framed thing: from here on both directions are a stream's bytes. Shutting down a
// direction finishes it; so does closing, and what the peer still sends is then thrown away. When
// both directions are at their end, or the connection broke, ask Outcome{token} (on a new
// connection) whether all is well.
struct Raw {
  std::uint64_t token = 0;
  bool borrows = false;  // the node waits for the ends that the command lends
  bool operator==(const Raw&) const = default;
};

using ControlReply = std::variant<Line, Failed, Done, Raw>;

// --- bytes
// ------------------------------------------------------------------------------------------

// With the length in front, ready to be written to the socket.
Bytes encode(const ControlRequest& request);
Bytes encode(const ControlReply& reply);

// Without the length. Garbage is Error::malformed.
Result<ControlRequest> decode_request(ByteView message);
Result<ControlReply> decode_reply(ByteView message);

// Cuts a connection's bytes into frames. Feed what was read, take frames until there is none:
//   next() -> the message without its length; nothing: more bytes are needed;
//   Error::too_large: the other side is not speaking this protocol, close.
// Bytes behind the last frame (after a Raw reply) are kept and handed out by rest().
class FrameReader {
 public:
  void feed(ByteView bytes) { append(buffer_, bytes); }
  Result<std::optional<Bytes>> next();
  Bytes rest();

 private:
  Bytes buffer_;
};

}  // namespace byway::control

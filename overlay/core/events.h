// What the core tells the shell. Each event is a plain fact; what a person reads about it is
// written by the shell.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "protocol/message.h"
#include "protocol/survey_message.h"

namespace byway {

// A bidirectional stream between two peers, numbered by this node.
using StreamId = std::uint64_t;

enum class PathKind : std::uint8_t { none, direct_udp, direct_tcp, relay };
std::string_view to_string(PathKind kind);

// How a path came about.
enum class Method : std::uint8_t {
  none,
  open,
  reverse,
  punch,
  predicted,
  birthday,
  lan,
  hairpin,
  mapped,
  tcp_punch,
  relay
};
std::string_view to_string(Method method);  // `open` reads "public"

struct HomeGained {
  NodeId id;
  Endpoint endpoint;
  Endpoint observed;  // where the home sees us
  Duration rtt;
};
struct HomeLost {
  NodeId id;
  Endpoint endpoint;
  std::string why;
};
// A seed or home that could not be reached, told once per bout of trying.
struct HomeUnreachable {
  Endpoint endpoint;
  std::string why;
};
// Can be used: registered at a home, or, as a supernode, listening.
struct Ready {};

// Data now takes this path to the peer.
struct PathChanged {
  NodeId peer;
  PathKind kind;
  Method method;
  Endpoint endpoint;  // the peer's, or the relay's
  NodeId via;         // the supernode, for relay
  Duration rtt;
  std::string
      why;  // for relay: why not direct; for a return to relay: what became of the direct path
};
// A link exists (authenticated both ways) / ended.
struct PeerConnected {
  NodeId peer;
};
struct PeerLost {
  NodeId peer;
  std::string why;
};
// The wish to talk failed; streams waiting for it are gone.
struct PeerUnreachable {
  NodeId peer;
  std::string why;
};

struct StreamOpened {  // by the peer
  StreamId stream;
  NodeId peer;
  StreamHeader header;
};
struct StreamReadable {
  StreamId stream;
};
struct StreamWritable {  // room again after a short write
  StreamId stream;
};
struct StreamUnread {  // the peer reads no more of it; what it sends still comes
  StreamId stream;
};
// Nothing more will come or go; the number is not used again. Empty why: a clean end.
struct StreamClosed {
  StreamId stream;
  std::string why;
};

// This node's role is another one now.
struct RoleChanged {
  std::string role;  // leaf, reserve, supernode
  std::string why;
};

// As a supernode: another one is admitted to our view, or is in it no more.
struct SupernodeGained {
  NodeId id;
};
struct SupernodeLost {
  NodeId id;
  bool declared_gone;  // it did not answer its neighbours; otherwise it left, moved …
  std::string_view why;
};

// What a look-up by command came to.
struct LookedUp {
  NodeId target;
  NodeId home;  // where it is registered; nobody: it is not
  std::string_view outcome;
};

// A supernode sees us at another address or port than before: the NAT in front of us was started
// anew, or we are in another network.
struct Moved {
  Endpoint before;
  Endpoint now;
};
// Our router says that it maps this address to us, but supernodes see us elsewhere: not used.
struct MappingDoubted {
  Endpoint outside;
  IpAddress seen;
};

// What became of a question that Overlay::survey() asked.
struct SurveyDone {
  NodeId whom;
  std::uint64_t number;
  std::optional<SurveyAnswer> answer;
  std::string why;                        // no answer: why not
  std::optional<Duration> rtt;            // of question and answer, where it was asked once
  std::optional<Duration> handshake_rtt;  // of the link's handshake, where there was one
  Endpoint observed;                      // where it sees us
  Endpoint dialled_from;                  // a proof: whose dial-back arrived, if any did
};

// What a step of a connection's story is about.
enum class StepKind : std::uint8_t {
  note,
  call,       // asked for, introduced, answered
  lan,        // found in our own network
  knock,      // knocks at addresses that are known
  ports,      // NATs measured, ports foreseen or found by chance
  tcp,        // connections
  session,    // QUIC
  proved,     // a path works both ways
  path,       // what carries data from now on
  moved,      // one of the two is elsewhere
  lost,       // a path that worked
  not_found,  // and why
};
std::string_view to_string(StepKind kind);

// One step of a connection's story, for the log at debug level and for `overlay trace`.
struct Step {
  NodeId peer;  // nobody: about this node itself
  std::string text;
  StepKind kind = StepKind::note;
};

using Event = std::variant<HomeGained, HomeLost, HomeUnreachable, Ready, PathChanged, PeerConnected,
                           PeerLost, PeerUnreachable, StreamOpened, StreamReadable, StreamWritable,
                           StreamUnread, StreamClosed, RoleChanged, SupernodeGained, SupernodeLost,
                           LookedUp, Moved, MappingDoubted, SurveyDone, Step>;

}  // namespace byway

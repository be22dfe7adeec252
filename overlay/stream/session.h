// A QUIC version 1 session between two peers: encrypted, ordered, flow-controlled streams.
//
// The session knows nothing of addresses. It makes and takes packets; which path carries them is
// decided below it, and may change at any time without the session noticing (ngtcp2 is shown one
// constant, made-up path). Packets are told apart by their 8-byte connection ids alone.
//
//   handshaking --both keys proved--> open --close()/refused frame/error--> closing --+
//        |                              '-----------the peer closes-------> draining -+-> closed
//        '--wrong key, timeout------------------------------------------------------->'
//
// Application data is sent and delivered only from `established` on: for the server that is when
// the client's Finished has been verified. There is no 0-RTT. Streams may be opened and written
// before; what they hold waits.
//
// What a peer may make us spend is bounded: 1,024 streams of its own at a time, and unread data
// up to max_stream_window a stream and max_session_window a session, for windows move on only
// when the application reads. A frame that we would never send ends the session (frame_filter.h).
//
// After every input drain poll_packets() and poll_event(), then wake the session at
// next_timeout(). Where that was impossible for a while (session_clock.h) it goes on as if there
// had been no pause. Bidirectional streams only (RFC 9000); raw Ed25519 keys (RFC 7250) pinned both
// ways (tls.h). ngtcp2 and GnuTLS stay behind this header.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "overlay/core/source.h"
#include "overlay/core/spares.h"
#include "overlay/stream/connection_id.h"
#include "overlay/stream/session_clock.h"
#include "protocol/bytes.h"
#include "protocol/random.h"
#include "protocol/result.h"
#include "protocol/time.h"

namespace byway {

using QuicStreamId = std::int64_t;

struct SessionConfig {
  ByteArray<32> seed{};          // our Ed25519 seed
  ByteArray<32> self_public{};   // and its public key
  ByteArray<32> peer_public{};   // the only key accepted from the other side
  Duration initial_rtt = 100ms;  // as the link measured it
  bool cubic = false;            // instead of BBR version 2
  // Flow control starts at the first pair and grows with use up to the second.
  std::uint64_t stream_window = 1 << 20;
  std::uint64_t session_window = 4 << 20;
  std::uint64_t max_stream_window = 16 << 20;
  std::uint64_t max_session_window = 32 << 20;
  // Bytes a stream takes before they are sent. What is sent and not yet acknowledged is kept
  // too, so a stream holds at most this and max_stream_window. Many streams that send at once
  // share `session_send_buffer`, though each has `least_send_buffer`: what waits for long has left
  // the processor's cache when its turn comes.
  std::size_t send_buffer = 1 << 20;
  std::size_t session_send_buffer = 2 << 20;
  std::size_t least_send_buffer = 16 << 10;
  // Where memory for packets comes from, for those who give it back; none: the heap.
  Spares<Bytes>* spares = nullptr;
  // The largest packet poll_packets() will ever be asked for; smaller ones may be asked for.
  std::size_t largest_packet = 1472;
  Duration idle_timeout = 180s;
  Duration handshake_timeout = 10s;
};

// Why a session is over.
enum class SessionEnd : std::uint8_t {
  closed_here,     // close() was called
  closed_by_peer,  // its reason is in the text
  timed_out,       // handshake or idle
  wrong_key,       // the peer is somebody else
  tls_failed,
  refused_frame,  // the text names the frame
  protocol_error,
};
std::string_view to_string(SessionEnd end);

namespace session_event {
struct Established {};
// By the peer.
struct StreamOpened {
  QuicStreamId id;
};
// Something to read, or the end. Not said again until read() has emptied the stream.
struct Readable {
  QuicStreamId id;
};
// Room again after a short write().
struct Writable {
  QuicStreamId id;
};
// The peer gave the stream up, both directions; ours is given up with it.
struct Reset {
  QuicStreamId id;
  std::uint64_t code;
};
// The peer reads no more of it: what we write is thrown away. Its own half goes on.
struct Unread {
  QuicStreamId id;
};
// Nothing of it is left.
struct StreamClosed {
  QuicStreamId id;
};
// Once, and the last event. The reason is a sentence for people; a peer's is made printable.
struct Closed {
  SessionEnd end;
  std::string reason;
};
}  // namespace session_event

using SessionEvent =
    std::variant<session_event::Established, session_event::StreamOpened, session_event::Readable,
                 session_event::Writable, session_event::Reset, session_event::Unread,
                 session_event::StreamClosed, session_event::Closed>;

struct SessionStats {
  Duration smoothed_rtt{};
  Duration min_rtt{};
  std::uint64_t bytes_sent = 0;  // in packets
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_in_flight = 0;
  std::uint64_t congestion_window = 0;
  std::uint64_t packets_lost = 0;     // stream data only: losses that cost a retransmission
  std::uint64_t packets_dropped = 0;  // arrived, but not of a shape we send or not for us
  std::uint64_t frames_refused = 0;
};

class Session {
 public:
  // As the client. The first poll_packets() gives the first flight.
  static Result<std::unique_ptr<Session>> connect(const SessionConfig& config, TimePoint now,
                                                  Random& random);
  // As the server. `first_packet` is an Initial of at least 1,200 bytes and is processed too, so
  // it must not be given to on_packet() again. Error::malformed when it is anything else,
  // unauthentic when it was not made for its own connection id, refused when its TLS is not ours;
  // nothing is answered then.
  static Result<std::unique_ptr<Session>> accept(const SessionConfig& config, TimePoint now,
                                                 Random& random, ByteView first_packet);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void on_packet(TimePoint now, ByteView packet);
  void on_timeout(TimePoint now);
  std::optional<TimePoint> next_timeout() const;

  // Packets one after the other, all of segment_size but the last, which may be shorter: ready
  // for UDP_SEGMENT. max_packet_size is at least 1,200. nullopt: nothing (more) to send now;
  // pacing may have put more off until next_timeout().
  struct Packets {
    Bytes bytes;
    std::size_t segment_size;
  };
  std::optional<Packets> poll_packets(TimePoint now, std::size_t max_packet_size,
                                      std::size_t max_packets);
  std::optional<SessionEvent> poll_event();

  // closing and draining: over, but still answering or swallowing late packets for three probe
  // timeouts. closed: may be destroyed.
  enum class State : std::uint8_t { handshaking, open, closing, draining, closed };
  State state() const;
  bool is_client() const;

  // Error::busy while the peer allows no more, refused when the session is over.
  Result<QuicStreamId> open_stream();
  // Copies as much as there is room for and tells how much; after a short count Writable follows.
  std::size_t write(QuicStreamId id, ByteView bytes);
  // The same with bytes that a source puts where they are to lie: at most `most` at once.
  std::size_t fill(QuicStreamId id, std::size_t most, const StreamSource& source);
  void finish(QuicStreamId id);                     // nothing more from us
  void reset(QuicStreamId id, std::uint64_t code);  // both directions, at once
  // What waits to be read and what still comes is thrown away, and the peer told so; our half goes
  // on.
  void stop_reading(QuicStreamId id);
  // Taking bytes lets the peer send more. `fin` comes once, with the last bytes or after them.
  struct Chunk {
    Bytes bytes;
    bool fin = false;
  };
  // A piece of what waits: read on until it gives none. `spent`: what was read before, for reuse.
  Chunk read(QuicStreamId id, std::size_t max, Bytes spent = {});
  // Streams not finished are lost. The reason is told to the peer.
  void close(TimePoint now, std::string_view reason);

  // The ids by which packets for this session are addressed. They change seldom: the version
  // counts how often. For a server the id that the client made up for it is among them at first.
  std::vector<ConnectionId> local_ids() const;
  std::uint64_t local_ids_version() const;

  std::size_t open_streams() const;
  SessionStats stats() const;

 private:
  class Impl;
  Session(std::unique_ptr<Impl> impl, SessionClock clock);
  std::unique_ptr<Impl> impl_;
  SessionClock clock_;
};

}  // namespace byway

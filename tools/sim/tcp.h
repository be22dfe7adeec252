// TCP as far as a node can notice it: connections that take a round trip to make, bytes that come
// in order or not at all, resets, and the simultaneous open (RFC 9293, section 3.5).
//
//   connect --> syn_sent --SYN+ACK--> established --FIN, RST, 10 s unacknowledged--> gone
//                  '--SYN (theirs)--> syn_received --ACK, SYN+ACK--^
//   a SYN at a listener ------------------^
//
// What is lost is sent again (a SYN after 1 s, 2 s, 4 s, data after two round trips, doubling);
// there is a window but no congestion control. A segment travels as a packet of the Network:
//
//   flags 1 | sequence 4 | acknowledged 4 | bytes n
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>

#include "overlay/core/io.h"
#include "protocol/tcp_frame.h"

namespace byway::sim {

// The two ends of a connection, as its own host sees them.
struct TcpEnds {
  Endpoint local;
  Endpoint remote;
  auto operator<=>(const TcpEnds&) const = default;
};

// One host's.
class TcpStack {
 public:
  static constexpr std::uint8_t syn = 1, ack = 2, fin = 4, rst = 8;

  void listen(std::uint16_t port) { listening_.insert(port); }
  // False: there is one between these two already.
  bool connect(TimePoint now, const TcpEnds& ends);
  // Framed like the real thing. Over 256 KiB unacknowledged it is dropped.
  void send(TimePoint now, const TcpEnds& ends, ByteView datagram);
  void close(const TcpEnds& ends);
  // The machine was switched off: nobody is told.
  void forget_everything();

  void on_segment(TimePoint now, const TcpEnds& ends, ByteView segment);
  void on_timeout(TimePoint now);
  std::optional<TimePoint> next_timeout() const;

  struct Event {
    enum class Kind : std::uint8_t { opened, accepted, ended, datagram };
    Kind kind;
    TcpEnds ends;
    TcpEnd why = TcpEnd::closed;
    Bytes bytes;
  };
  std::optional<Event> poll_event();
  struct Segment {
    TcpEnds ends;
    Bytes bytes;
  };
  std::optional<Segment> poll_segment();

  bool has(const TcpEnds& ends) const { return connections_.contains(ends); }
  std::size_t size() const { return connections_.size(); }

 private:
  enum class State : std::uint8_t { syn_sent, syn_received, established };
  struct Connection {
    State state = State::syn_sent;
    bool ours = false;  // we connected
    Bytes out;          // from `base` on: not acknowledged
    std::uint32_t base = 0;
    std::uint32_t next = 0;  // to be sent
    bool greeted = false;
    std::uint32_t expected = 0;
    std::map<std::uint32_t, Bytes> early;
    TcpFrameReader reader;
    std::optional<TimePoint> resend_at;
    Duration gap{};
    int resends = 0;
    TimePoint waiting_since{};
    Duration rtt{};
    TimePoint timed_at{};  // when the segment that ends at `timed` left
    std::uint32_t timed = 0;
    int repeated_acks = 0;
  };
  using Connections = std::map<TcpEnds, Connection>;

  void emit(const TcpEnds& ends, const Connection* connection, std::uint8_t flags,
            std::uint32_t sequence = 0, ByteView bytes = {});
  void pump(TimePoint now, const TcpEnds& ends, Connection& connection);
  void resend_first(const TcpEnds& ends, Connection& connection);
  void establish(TimePoint now, const TcpEnds& ends, Connection& connection);
  void end(Connections::iterator connection, TcpEnd why);
  void on_acknowledged(TimePoint now, const TcpEnds& ends, Connection& connection,
                       std::uint32_t upto, bool bare);
  bool on_bytes(const TcpEnds& ends, Connection& connection, std::uint32_t sequence,
                ByteView bytes);

  std::set<std::uint16_t> listening_;
  Connections connections_;
  std::deque<Event> events_;
  std::deque<Segment> segments_;
};

}  // namespace byway::sim

#include "overlay/stream/frame_filter.h"

#include <algorithm>

namespace byway {
namespace {

// Reads a payload from front to back. Running out of bytes is remembered rather than reported at
// every step: the caller asks ok() once per frame.
class Reader {
 public:
  explicit Reader(ByteView bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  bool empty() const { return rest_.empty(); }

  std::uint8_t byte() {
    if (rest_.empty()) return fail();
    const auto value = rest_[0];
    rest_ = rest_.subspan(1);
    return value;
  }

  // RFC 9000 section 16: the two top bits of the first byte tell the length.
  std::uint64_t varint() {
    if (rest_.empty()) return fail();
    const std::size_t size = std::size_t{1} << (rest_[0] >> 6);
    if (rest_.size() < size) return fail();
    std::uint64_t value = rest_[0] & 0x3f;
    for (std::size_t i = 1; i < size; ++i) value = value << 8 | rest_[i];
    rest_ = rest_.subspan(size);
    return value;
  }

  void skip(std::uint64_t count) {
    if (rest_.size() < count) {
      fail();
      return;
    }
    rest_ = rest_.subspan(static_cast<std::size_t>(count));
  }

  void skip_rest() { rest_ = {}; }

  void skip_zeros() {
    const auto other = std::find_if(rest_.begin(), rest_.end(), [](auto b) { return b != 0; });
    rest_ = rest_.subspan(static_cast<std::size_t>(other - rest_.begin()));
  }

 private:
  std::uint8_t fail() {
    ok_ = false;
    rest_ = {};
    return 0;
  }

  ByteView rest_;
  bool ok_ = true;
};

namespace frame {
constexpr std::uint8_t padding = 0x00;
constexpr std::uint8_t ping = 0x01;
constexpr std::uint8_t ack = 0x02;
constexpr std::uint8_t reset_stream = 0x04;
constexpr std::uint8_t stop_sending = 0x05;
constexpr std::uint8_t crypto = 0x06;
constexpr std::uint8_t stream_first = 0x08;
constexpr std::uint8_t stream_last = 0x0f;
constexpr std::uint8_t max_data = 0x10;
constexpr std::uint8_t max_stream_data = 0x11;
constexpr std::uint8_t max_streams_bidi = 0x12;
constexpr std::uint8_t new_connection_id = 0x18;
constexpr std::uint8_t transport_close = 0x1c;
constexpr std::uint8_t application_close = 0x1d;
constexpr std::uint8_t handshake_done = 0x1e;

constexpr std::uint8_t stream_has_length = 0x02;
constexpr std::uint8_t stream_has_offset = 0x04;
}  // namespace frame

std::string_view name_of(std::uint8_t type) {
  if (type >= frame::stream_first && type <= frame::stream_last) return "STREAM";
  switch (type) {
    case 0x00:
      return "PADDING";
    case 0x01:
      return "PING";
    case 0x02:
      return "ACK";
    case 0x03:
      return "ACK with ECN counts";
    case 0x04:
      return "RESET_STREAM";
    case 0x05:
      return "STOP_SENDING";
    case 0x06:
      return "CRYPTO";
    case 0x07:
      return "NEW_TOKEN";
    case 0x10:
      return "MAX_DATA";
    case 0x11:
      return "MAX_STREAM_DATA";
    case 0x12:
      return "MAX_STREAMS";
    case 0x13:
      return "MAX_STREAMS for unidirectional streams";
    case 0x14:
      return "DATA_BLOCKED";
    case 0x15:
      return "STREAM_DATA_BLOCKED";
    case 0x16:
      return "STREAMS_BLOCKED";
    case 0x17:
      return "STREAMS_BLOCKED for unidirectional streams";
    case 0x18:
      return "NEW_CONNECTION_ID";
    case 0x19:
      return "RETIRE_CONNECTION_ID";
    case 0x1a:
      return "PATH_CHALLENGE";
    case 0x1b:
      return "PATH_RESPONSE";
    case 0x1c:
      return "CONNECTION_CLOSE";
    case 0x1d:
      return "CONNECTION_CLOSE of the application";
    case 0x1e:
      return "HANDSHAKE_DONE";
    case 0x30:
    case 0x31:
      return "DATAGRAM";
    default:
      return "an unknown frame";
  }
}

// Bit 1 of a stream id marks it unidirectional (RFC 9000 section 2.1); we have none of those.
bool is_bidirectional(std::uint64_t id) {
  return (id & 0x02) == 0;
}
bool read_bidirectional_id(Reader& in) {
  return is_bidirectional(in.varint());
}

void read_ack(Reader& in) {
  in.varint();  // largest acknowledged
  in.varint();  // delay
  const auto ranges = in.varint();
  in.varint();  // first range
  for (std::uint64_t i = 0; i < ranges && in.ok(); ++i) {
    in.varint();  // gap
    in.varint();  // range
  }
}

bool read_stream(Reader& in, std::uint8_t type) {
  if (!read_bidirectional_id(in)) return false;
  if (type & frame::stream_has_offset) in.varint();
  if (type & frame::stream_has_length) {
    in.skip(in.varint());
  } else {
    in.skip_rest();
  }
  return true;
}

// ngtcp2 hands out one spare id, the first after the handshake's, and retires nothing.
bool read_spare_connection_id(Reader& in) {
  constexpr std::size_t id_size = 8, reset_token_size = 16;
  const auto sequence = in.varint();
  const auto retire_prior_to = in.varint();
  const auto size = in.byte();
  in.skip(size);
  in.skip(reset_token_size);
  return sequence == 1 && retire_prior_to == 0 && size == id_size;
}

void read_close(Reader& in, std::uint8_t type) {
  in.varint();                                      // error code
  if (type == frame::transport_close) in.varint();  // the frame that caused it
  in.skip(in.varint());                             // reason
}

// Consumes the frame's body; false when it is none of ours. Truncation shows in in.ok().
bool read_handshake_frame(Reader& in, std::uint8_t type) {
  switch (type) {
    case frame::padding:
      in.skip_zeros();
      return true;
    case frame::ping:
      return true;
    case frame::ack:
      read_ack(in);
      return true;
    case frame::crypto:
      in.varint();  // offset
      in.skip(in.varint());
      return true;
    case frame::transport_close:
      read_close(in, type);
      return true;
    default:
      return false;
  }
}

bool read_one_rtt_frame(Reader& in, std::uint8_t type, bool from_server,
                        std::vector<std::int64_t>* unread) {
  if (type >= frame::stream_first && type <= frame::stream_last) return read_stream(in, type);
  switch (type) {
    case frame::padding:
      in.skip_zeros();
      return true;
    case frame::ping:
      return true;
    case frame::ack:
      read_ack(in);
      return true;
    case frame::reset_stream: {
      const bool ours = read_bidirectional_id(in);
      in.varint();  // error code
      in.varint();  // final size
      return ours;
    }
    case frame::stop_sending: {
      const auto id = in.varint();
      in.varint();  // error code
      if (unread && in.ok()) unread->push_back(static_cast<std::int64_t>(id));
      return is_bidirectional(id);
    }
    case frame::max_stream_data: {
      const bool ours = read_bidirectional_id(in);
      in.varint();
      return ours;
    }
    case frame::max_data:
    case frame::max_streams_bidi:
      in.varint();
      return true;
    case frame::new_connection_id:
      return read_spare_connection_id(in);
    case frame::transport_close:
    case frame::application_close:
      read_close(in, type);
      return true;
    case frame::handshake_done:
      return from_server;
    default:
      return false;
  }
}

}  // namespace

std::optional<RefusedFrame> first_refused_frame(ByteView payload, QuicPacketKind kind,
                                                bool from_server,
                                                std::vector<std::int64_t>* unread) {
  if (payload.empty()) return RefusedFrame{0, "an empty packet"};

  Reader in{payload};
  while (!in.empty()) {
    const auto type = in.byte();
    if (type >= 0x40) return RefusedFrame{type, "a frame type not in shortest form"};

    const bool ours = kind == QuicPacketKind::one_rtt
                          ? read_one_rtt_frame(in, type, from_server, unread)
                          : read_handshake_frame(in, type);
    if (!in.ok()) return RefusedFrame{type, "a truncated frame"};
    if (!ours) return RefusedFrame{type, name_of(type)};
  }
  return std::nullopt;
}

}  // namespace byway

// Datagrams in a TCP connection. Each direction begins with an opening of 8 bytes, so that what
// is no node of ours is known by its first bytes; then comes one frame after another:
//
//   opening 8                      length 2   datagram       length 2   datagram …
//   b7 'b' 'y' 'w' 'a' 'y' 01 0a   1 … 2,048  n
//
// The first byte begins neither a TLS record nor a line of text, and the seventh is the version
// of this framing. Boundaries of what TCP delivers mean nothing. Whoever sends anything else is
// not listened to any further: after a framing error there is no way to find the next frame.
#pragma once

#include <vector>

#include "protocol/bytes.h"

namespace byway {

inline constexpr ByteArray<8> tcp_opening{0xb7, 'b', 'y', 'w', 'a', 'y', 1, 0x0a};
inline constexpr std::size_t tcp_frame_header_size = 2;
// More than any datagram of ours, so that a stranger's frame binds no more memory than that.
inline constexpr std::size_t max_tcp_datagram = 2048;

// datagram: 1 to max_tcp_datagram bytes.
void append_tcp_frame(Bytes& to, ByteView datagram);

// One direction of one connection, as its bytes come in.
class TcpFrameReader {
 public:
  // Adds the datagrams that `chunk` completes to `datagrams`; they point into `chunk`, or into
  // the reader until it is fed again. False: the framing is broken, now and from now on.
  bool feed(ByteView chunk, std::vector<ByteView>& datagrams);

  bool broken() const { return broken_; }
  bool opened() const { return opened_; }                  // the opening has been read
  std::size_t waiting() const { return partial_.size(); }  // bytes kept of an unfinished frame

 private:
  bool read_opening(ByteView& chunk);
  bool complete_partial(ByteView& chunk, std::vector<ByteView>& datagrams);

  Bytes partial_;   // the beginning of the opening or of a frame, with its length
  Bytes complete_;  // a frame that came in pieces, as handed out
  bool opened_ = false;
  bool broken_ = false;
};

}  // namespace byway

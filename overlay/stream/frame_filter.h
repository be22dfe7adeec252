// What a peer may say inside a decrypted QUIC packet: exactly what we say ourselves.
//
// A peer that has proved its key can still send any frame of RFC 9000, and a library meets there
// code that our own nodes never exercise. Debian's ngtcp2 0.12.1 can be made to abort the process
// with a series of NEW_CONNECTION_ID frames whose retire_prior_to is not 0. So every payload is
// read once here, after decryption and before ngtcp2 sees it, and whatever this program never
// sends is refused:
//
//   Initial, Handshake   PADDING PING ACK CRYPTO CONNECTION_CLOSE(transport)
//   1-RTT                PADDING PING ACK RESET_STREAM STOP_SENDING STREAM MAX_DATA
//                        MAX_STREAM_DATA MAX_STREAMS(bidirectional) CONNECTION_CLOSE
//                        NEW_CONNECTION_ID: the single spare one that ngtcp2 issues
//                        HANDSHAKE_DONE: from the server only
//
// That leaves out DATAGRAM, NEW_TOKEN, tokens and tickets (CRYPTO in 1-RTT), everything about
// unidirectional streams, ECN counts, path validation and retired connection ids. Lengths and
// integers must fit the payload, and a frame type must be written in its shortest form.
//
// Frame layouts: RFC 9000 section 19.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "protocol/bytes.h"

namespace byway {

enum class QuicPacketKind : std::uint8_t { initial, handshake, one_rtt };

struct RefusedFrame {
  std::uint64_t type;     // as on the wire; the first byte where it is not a shortest-form type
  std::string_view name;  // "NEW_CONNECTION_ID", or what is wrong with the payload
};

// The first frame that we would never have sent; nullopt when the whole payload is acceptable.
// `unread`: gets the streams that STOP_SENDING names, for ngtcp2 obeys it without a word.
std::optional<RefusedFrame> first_refused_frame(ByteView payload, QuicPacketKind kind,
                                                bool from_server,
                                                std::vector<std::int64_t>* unread = nullptr);

}  // namespace byway

// Connection ids, and what a datagram of ours looks like before it is decrypted.
//
// Every connection id in Byway is 8 bytes, so the destination of any QUIC packet can be read
// without knowing the session. Only QUIC version 1 Initial, Handshake and 1-RTT packets exist
// between us: no Retry, no Version Negotiation, no 0-RTT. Anything else is dropped here, before
// ngtcp2, which knows older and newer versions too and would begin to negotiate.
//
// Header layouts: RFC 9000 section 17.
#pragma once

#include <cstdint>
#include <optional>

#include "protocol/bytes.h"

namespace byway {

using ConnectionId = ByteArray<8>;

// The id a packet is addressed to: of the first packet where several share a datagram.
std::optional<ConnectionId> destination_id(ByteView packet);

// Whether a datagram is made of packets that one of us may have sent, by their visible headers.
bool has_our_shape(ByteView datagram);

}  // namespace byway

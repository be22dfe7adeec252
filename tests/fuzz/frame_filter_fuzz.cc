// Any bytes as the content of a QUIC packet: the filter must answer, and answer the same for the
// same bytes behind padding. What passes in a handshake packet no longer passes once a stranger
// follows it.
#include <cstdlib>

#include "overlay/stream/connection_id.h"
#include "overlay/stream/frame_filter.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace byway;
  if (size < 1) return 0;

  const auto kind = static_cast<QuicPacketKind>(data[0] % 3);
  const bool from_server = (data[0] & 0x80) != 0;
  const ByteView payload{data + 1, size - 1};
  const auto refused = first_refused_frame(payload, kind, from_server);

  Bytes padded{0, 0, 0};
  append(padded, payload);
  const bool same =
      first_refused_frame(padded, kind, from_server).has_value() == refused.has_value();
  if (!payload.empty() && !same) std::abort();

  // CONNECTION_CLOSE ends nothing for the filter: a stranger behind it is still seen.
  if (!refused && kind != QuicPacketKind::one_rtt) {
    padded.push_back(0x30);  // DATAGRAM
    if (!first_refused_frame(padded, kind, from_server)) std::abort();
  }

  // What has our shape is addressed to somebody.
  if (has_our_shape(payload) && !destination_id(payload)) std::abort();
  return 0;
}

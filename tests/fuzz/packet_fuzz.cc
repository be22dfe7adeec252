// The outer framing: whatever arrives has one kind, and no view leaves the datagram.
#include "protocol/packet.h"

using namespace byway;

namespace {

void inside(ByteView part, ByteView whole) {
  ensure(part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView datagram(data, size);
  const PacketKind kind = classify(datagram);
  ensure(to_string(kind) != "unknown" || kind == PacketKind::unknown);
  const auto index = receiver_index(datagram);

  if (const auto packet = parse_handshake1(datagram)) {
    ensure(kind == PacketKind::handshake1 && !index);
    for (ByteView part : {packet->noise, packet->mac1, packet->mac2, packet->before_mac2})
      inside(part, datagram);
    ensure(packet->before_mac2.size() + packet->mac2.size() == size);
  }
  if (const auto packet = parse_handshake2(datagram)) {
    ensure(kind == PacketKind::handshake2 && *index == packet->receiver_index);
    inside(packet->noise, datagram);
    ensure(packet->before_mac1.size() + packet->mac1.size() == size);
  }
  if (const auto packet = parse_cookie(datagram)) {
    ensure(kind == PacketKind::cookie && *index == packet->receiver_index);
    ensure(packet->nonce.size() == 24 && packet->sealed_cookie.size() == 32);
  }
  if (const auto packet = parse_sealed(datagram)) {
    ensure(kind == PacketKind::sealed && *index == packet->receiver_index);
    inside(packet->ciphertext, datagram);
    ensure(packet->ciphertext.size() >= 16);
  }
  if (const auto relayed = parse_relay_frame(datagram)) {
    ensure(kind == PacketKind::relay);
    ensure(make_relay_frame(relayed->lane, relayed->payload) == to_bytes(datagram));
  }
  return 0;
}

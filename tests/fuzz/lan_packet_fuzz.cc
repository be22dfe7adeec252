// Questions and answers of the local network: whatever parses is exactly what it was made of, and a
// node answers nothing that is not about it.
#include "overlay/link/lan_finder.h"
#include "protocol/packet.h"

using namespace byway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  static const NodeId bo = NodeId::trusted(Key{1, 2, 3});
  LanFinder finder(bo, sodium_crypto(), Random{1});
  const TimePoint now{};
  finder.seek(now, NodeId::trusted(Key{4, 5, 6}), true, true);
  while (finder.poll_transmit(now)) {
  }

  const auto packet = parse_lan_packet(bytes);
  const Datagram datagram{.from = {IpAddress::v4({192, 168, 1, 2}), 7000}, .bytes = bytes};
  const auto outcome = finder.on_datagram(now, datagram);
  const auto answer = finder.poll_transmit(now);
  if (!packet) {
    ensure(outcome.drop == Drop::malformed && !outcome.found && !answer);
    return 0;
  }
  ensure(size == lan_packet_size && classify(bytes) == PacketKind::lan);
  const bool for_us = packet->kind == LanKind::ask && is_about(sodium_crypto(), *packet, bo);
  ensure(for_us == answer.has_value());
  if (answer) ensure(answer->bytes.size() <= size && answer->ttl == 1);
  return 0;
}

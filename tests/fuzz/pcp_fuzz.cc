// PCP's answers: whatever parses is built as the format has it; and a client that asks for a
// mapping takes nothing for its answer that does not repeat nonce, protocol and port.
#include "overlay/reach/pcp_client.h"
#include "overlay/reach/pcp_limits.h"
#include "tests/fuzz/change.h"
#include "tests/unit/protocol/pcp_router.h"

using namespace byway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const Endpoint server = *Endpoint::parse("192.168.1.1:5351");
  const TimePoint now{1h};

  PcpClient client(Random{1}, server, *IpAddress::parse("192.168.1.20"));
  client.map(now, Proto::udp, 7000, 7000, 1h);
  const Bytes question = *client.poll_transmit();
  const PcpGrant grant{.outside = *Endpoint::parse("203.0.113.5:7001")};
  const PcpMap asked = *parse_pcp_answer(pcp_answer(question, grant))->map;
  for (const Bytes& heard : {to_bytes(input), change(pcp_answer(question, grant), input)}) {
    const auto answer = parse_pcp_answer(heard);
    (void)is_router_announcement(heard);
    if (answer && answer->map) ensure(heard.size() >= pcp_map_size && heard.size() % 4 == 0);

    const auto ignored = client.ignored();
    const bool taken = client.on_datagram(now, server, heard);
    ensure(client.ignored() == ignored + (taken ? 0 : 1));
    const auto outcome = client.poll_outcome();
    ensure(outcome.has_value() == taken);
    if (!taken) continue;
    ensure(answer.has_value());
    if (outcome->kind == PcpClient::Kind::mapped) {
      ensure(answer->map->nonce == asked.nonce && answer->map->proto == Proto::udp &&
             answer->map->inside == 7000);
      ensure(outcome->lifetime >= limits::pcp::shortest_lifetime &&
             outcome->lifetime <= limits::pcp::longest_lifetime);
    }
    client.map(now + limits::pcp::longest_error, Proto::udp, 7000, 7000, 1h);
    while (client.poll_transmit()) {
    }
  }
  return 0;
}

// STUN: an answer has one of two sizes and says what it was given; a response is read or refused.
#include "protocol/stun.h"

#include "protocol/packet.h"

using namespace byway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView datagram(data, size);
  StunTransaction transaction{};
  if (size >= stun_header_size) std::copy_n(data + 8, transaction.size(), transaction.begin());

  for (const char* from : {"192.0.2.1:7", "[2001:db8::1]:65535"}) {
    const Endpoint source = *Endpoint::parse(from);
    const auto response = stun_binding_response(datagram, source);
    if (!response) continue;
    ensure(classify(datagram) == PacketKind::stun);
    ensure(response->size() == (source.address.is_v4() ? 32u : 44u));
    ensure(*parse_stun_binding_response(*response, transaction) == source);
    ensure(!stun_binding_response(*response, source));  // an answer is never answered
  }
  (void)parse_stun_binding_response(datagram, transaction);
  return 0;
}

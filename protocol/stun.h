// STUN Binding (RFC 8489) and nothing else of STUN: "from which address do you see me?"
//
//   type 2 | length 2 | magic cookie 4 | transaction 12 | attributes: type 2, length 2, value, pad
//
// Every supernode answers it on the port it uses for everything, so that any STUN client can learn
// its address there, and so that a node learns the address of the very socket it will punch from.
// It is the one answer that may be larger than its question (a bare request of 20 bytes gets 32,
// or 44 for IPv6), for which the caller keeps a rate limit.
#pragma once

#include <cstdint>

#include "protocol/bytes.h"
#include "protocol/endpoint.h"
#include "protocol/result.h"

namespace byway {

using StunTransaction = ByteArray<12>;
inline constexpr std::size_t stun_header_size = 20;
inline constexpr std::uint32_t stun_magic_cookie = 0x2112A442;

// Whether it looks like the answer to a Binding request, and not like the request.
bool is_stun_response(ByteView datagram);

Bytes stun_binding_request(const StunTransaction& transaction);

// The answer: XOR-MAPPED-ADDRESS alone. refused where the request demands something we do not
// offer (any comprehension-required attribute: authentication, an answer from another address).
// The RFC would have an error response there; that could exceed the request, so there is silence.
Result<Bytes> stun_binding_response(ByteView request, const Endpoint& source);

// unexpected: answers another transaction. refused: an error response. not_found: no address in it.
Result<Endpoint> parse_stun_binding_response(ByteView response, const StunTransaction& transaction);

}  // namespace byway

// The router's side of PCP, for tests: it repeats the question, as RFC 6887 has it, and fills in
// what it grants.
#pragma once

#include "protocol/pcp.h"

namespace byway {

struct PcpGrant {
  PcpCode code = PcpCode::success;
  std::uint32_t lifetime_s = 3600;
  std::uint32_t epoch_s = 100;
  Endpoint outside{};
};

inline Bytes pcp_answer(ByteView question, const PcpGrant& grant) {
  Bytes answer = to_bytes(question);
  answer[1] |= 0x80;
  answer[2] = 0;
  answer[3] = static_cast<std::uint8_t>(grant.code);
  store_be<std::uint32_t>(MutableBytes(answer).subspan(4, 4), grant.lifetime_s);
  store_be<std::uint32_t>(MutableBytes(answer).subspan(8, 4), grant.epoch_s);
  std::fill_n(answer.begin() + 12, 12, std::uint8_t{0});
  if (answer.size() < pcp_map_size || !grant.outside.is_set()) return answer;
  store_be<std::uint16_t>(MutableBytes(answer).subspan(42, 2), grant.outside.port);
  const auto& address = grant.outside.address.mapped();
  std::copy(address.begin(), address.end(), answer.begin() + 44);
  return answer;
}

// What a router says that speaks NAT-PMP and no PCP (RFC 6886, section 3.5).
inline Bytes nat_pmp_refusal(ByteView question) {
  return {0, static_cast<std::uint8_t>(question[1] | 0x80), 0, 1, 0, 0, 0, 100};
}

}  // namespace byway

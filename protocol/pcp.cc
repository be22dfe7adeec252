#include "protocol/pcp.h"

namespace byway {
namespace {

constexpr std::uint8_t announce = 0;
constexpr std::uint8_t map = 1;
constexpr std::uint8_t answer_bit = 0x80;
constexpr std::uint8_t nat_pmp_version = 0;
constexpr std::size_t nat_pmp_address_size = 12;
constexpr std::size_t shortest_refusal = 4;

// Assigned protocol numbers (IANA).
constexpr std::uint8_t tcp_number = 6;
constexpr std::uint8_t udp_number = 17;

std::uint8_t number_of(Proto proto) {
  return proto == Proto::udp ? udp_number : tcp_number;
}

Result<PcpMap> parse_map(ByteView data) {
  PcpMap parsed;
  std::copy_n(data.begin(), parsed.nonce.size(), parsed.nonce.begin());
  const std::uint8_t number = data[12];
  if (number != udp_number && number != tcp_number) return Error::unexpected;
  parsed.proto = number == udp_number ? Proto::udp : Proto::tcp;
  parsed.inside = load_be<std::uint16_t>(data.subspan(16));
  const auto address = IpAddress::from_bytes(data.subspan(20, 16));
  if (!address) return address.error();
  parsed.outside = {*address, load_be<std::uint16_t>(data.subspan(18))};
  return parsed;
}

// Each: code 1, reserved 1, length 2, and its data up to a multiple of four bytes.
bool are_options(ByteView rest) {
  while (!rest.empty()) {
    if (rest.size() < 4) return false;
    const std::size_t size = 4 + (load_be<std::uint16_t>(rest.subspan(2)) + 3u) / 4 * 4;
    if (rest.size() < size) return false;
    rest = rest.subspan(size);
  }
  return true;
}

}  // namespace

std::string in_words(PcpCode code) {
  switch (code) {
    case PcpCode::success:
      return "the router agreed";
    case PcpCode::unsupported_version:
      return "the router does not speak PCP";
    case PcpCode::not_authorized:
      return "the router does not allow mappings";
    case PcpCode::network_failure:
      return "the router has no address itself";
    case PcpCode::no_resources:
      return "the router has no port left";
    case PcpCode::unsupported_opcode:
      return "the router makes no mappings";
    case PcpCode::unsupported_protocol:
      return "the router does not map this protocol";
    case PcpCode::user_exceeded_quota:
      return "the router has given this host all the ports that it gives one";
    case PcpCode::address_mismatch:
      return "another NAT stands before the router that was asked";
    case PcpCode::malformed_request:
    case PcpCode::unsupported_option:
    case PcpCode::malformed_option:
    case PcpCode::cannot_provide_external:
    case PcpCode::excessive_remote_peers:
      break;
  }
  return "PCP result " + std::to_string(static_cast<int>(code));
}

Bytes encode(const PcpQuestion& question) {
  Bytes out;
  out.reserve(question.map ? pcp_map_size : pcp_header_size);
  out.push_back(pcp_version);
  out.push_back(question.map ? map : announce);
  append_be<std::uint16_t>(out, 0);
  append_be<std::uint32_t>(out, question.lifetime_s);
  append(out, question.own.mapped());
  if (!question.map) return out;

  append(out, question.map->nonce);
  out.push_back(number_of(question.map->proto));
  append(out, ByteArray<3>{});
  append_be<std::uint16_t>(out, question.map->inside);
  append_be<std::uint16_t>(out, question.map->outside.port);
  append(out, question.map->outside.address.mapped());
  return out;
}

Result<PcpAnswer> parse_pcp_answer(ByteView datagram) {
  if (datagram.size() < shortest_refusal) return Error::truncated;
  if (datagram.size() > pcp_max_size) return Error::too_large;
  if ((datagram[1] & answer_bit) == 0) return Error::malformed;
  PcpAnswer answer{.version = datagram[0], .code = static_cast<PcpCode>(datagram[3])};
  if (answer.version != pcp_version) {
    // NAT-PMP's code has two bytes, of which the second is where PCP has its only one.
    if (datagram[2] != 0 || answer.code != PcpCode::unsupported_version) return Error::malformed;
    return answer;
  }

  if (datagram.size() < pcp_header_size) return Error::truncated;
  if (datagram.size() % 4 != 0) return Error::malformed;
  answer.lifetime_s = load_be<std::uint32_t>(datagram.subspan(4));
  answer.epoch_s = load_be<std::uint32_t>(datagram.subspan(8));
  const std::uint8_t opcode = datagram[1] & ~answer_bit;
  if (opcode != announce && opcode != map) return Error::unexpected;
  std::size_t read = pcp_header_size;
  if (opcode == map) {
    if (datagram.size() < pcp_map_size) return Error::truncated;
    const auto parsed = parse_map(datagram.subspan(pcp_header_size));
    if (!parsed) return parsed.error();
    answer.map = *parsed;
    read = pcp_map_size;
  }
  if (!are_options(datagram.subspan(read))) return Error::malformed;
  return answer;
}

bool is_router_announcement(ByteView datagram) {
  if (datagram.size() == nat_pmp_address_size && datagram[0] == nat_pmp_version)
    return datagram[1] == answer_bit && load_be<std::uint16_t>(datagram.subspan(2)) == 0;
  const auto answer = parse_pcp_answer(datagram);
  return answer && answer->version == pcp_version && answer->code == PcpCode::success &&
         !answer->map;
}

}  // namespace byway

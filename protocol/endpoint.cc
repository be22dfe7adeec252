#include "protocol/endpoint.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace byway {
namespace {

constexpr ByteArray<12> v4_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

Scope v4_scope(ByteView a) {
  if (a[0] == 0) return Scope::unspecified;
  if (a[0] == 127) return Scope::loopback;
  if (a[0] == 10 || (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168))
    return Scope::private_net;
  if (a[0] == 169 && a[1] == 254) return Scope::link_local;
  if (a[0] == 100 && (a[1] & 0xc0) == 64) return Scope::shared;
  if ((a[0] & 0xf0) == 224) return Scope::multicast;
  if (a[0] >= 240) return Scope::broadcast;
  return Scope::public_net;
}

Scope v6_scope(ByteView a) {
  const bool zeros = std::all_of(a.begin(), a.begin() + 15, [](std::uint8_t b) { return b == 0; });
  if (zeros && a[15] == 0) return Scope::unspecified;
  if (zeros && a[15] == 1) return Scope::loopback;
  if (a[0] == 0xff) return Scope::multicast;
  if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) return Scope::link_local;
  if ((a[0] & 0xfe) == 0xfc) return Scope::private_net;
  return Scope::public_net;
}

}  // namespace

IpAddress IpAddress::v4(ByteArray<4> octets) {
  IpAddress address;
  std::copy(octets.begin(), octets.end(), address.raw_.begin() + 12);
  return address;
}

IpAddress IpAddress::v6(ByteArray<16> octets) {
  IpAddress address;
  address.raw_ = octets;
  return address;
}

Result<IpAddress> IpAddress::from_bytes(ByteView raw) {
  if (raw.size() == 4) return v4({raw[0], raw[1], raw[2], raw[3]});
  if (raw.size() != 16) return Error::malformed;
  ByteArray<16> octets;
  std::copy(raw.begin(), raw.end(), octets.begin());
  return v6(octets);
}

Result<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string copy(text);
  ByteArray<16> octets;
  if (inet_pton(AF_INET, copy.c_str(), octets.data()) == 1)
    return v4({octets[0], octets[1], octets[2], octets[3]});
  if (inet_pton(AF_INET6, copy.c_str(), octets.data()) == 1) return v6(octets);
  return Error::malformed;
}

bool IpAddress::is_v4() const {
  return high() == 0 && low() >> 32 == 0xffff;
}

ByteView IpAddress::bytes() const {
  return is_v4() ? ByteView(raw_).last(4) : ByteView(raw_);
}

Scope IpAddress::scope() const {
  return is_v4() ? v4_scope(bytes()) : v6_scope(bytes());
}

IpAddress IpAddress::prefix(int bits) const {
  const auto first_of = [](std::uint64_t word, int count) {
    if (count <= 0) return std::uint64_t{0};
    return count >= 64 ? word : word & ~(~std::uint64_t{0} >> count);
  };
  const int kept = (is_v4() ? 96 : 0) + bits;
  IpAddress cut;
  store_be<std::uint64_t>(MutableBytes(cut.raw_).first(8), first_of(high(), kept));
  store_be<std::uint64_t>(MutableBytes(cut.raw_).last(8), first_of(low(), kept - 64));
  return cut;
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes().data(), text, sizeof(text));
  return text;
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return Error::malformed;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!bracketed && host.find(':') != std::string_view::npos) return Error::malformed;

  Endpoint endpoint;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  if (error != std::errc{} || end != port.data() + port.size()) return Error::malformed;
  auto address = IpAddress::parse(host);
  if (!address) return address.error();
  endpoint.address = *address;
  return endpoint;
}

std::string Endpoint::to_string() const {
  const std::string host = address.to_string();
  return (address.is_v4() ? host : "[" + host + "]") + ":" + std::to_string(port);
}

std::string_view to_string(Proto proto) {
  return proto == Proto::udp ? "udp" : "tcp";
}

std::string_view to_string(Scope scope) {
  switch (scope) {
    case Scope::unspecified:
      return "unspecified";
    case Scope::loopback:
      return "loopback";
    case Scope::link_local:
      return "link-local";
    case Scope::private_net:
      return "private";
    case Scope::shared:
      return "shared";
    case Scope::multicast:
      return "multicast";
    case Scope::broadcast:
      return "broadcast";
    case Scope::public_net:
      return "public";
  }
  return "unknown";
}

}  // namespace byway

// Where a datagram comes from or goes to: an IP address and a port, and what kind of address it is.
#pragma once

#include <compare>
#include <string>

#include "protocol/bytes.h"
#include "protocol/result.h"

namespace byway {

// Special-purpose blocks after the IANA registries (RFC 6890). The documentation blocks count as
// public: labs use them as their internet.
enum class Scope {
  unspecified,
  loopback,
  link_local,
  private_net,
  shared,
  multicast,
  broadcast,
  public_net
};

class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0
  static IpAddress v4(ByteArray<4> octets);
  static IpAddress v6(ByteArray<16> octets);          // a v4-mapped address becomes v4
  static Result<IpAddress> from_bytes(ByteView raw);  // 4 or 16 bytes
  static Result<IpAddress> parse(std::string_view text);

  bool is_v4() const;
  bool is_v6() const { return !is_v4(); }
  bool is_unspecified() const { return scope() == Scope::unspecified; }
  Scope scope() const;
  ByteView bytes() const;                               // 4 or 16 bytes
  const ByteArray<16>& mapped() const { return raw_; }  // v4 as ::ffff:a.b.c.d
  // The address with all but its first bits cleared: its netgroup, its /24 …
  IpAddress prefix(int bits) const;
  std::string to_string() const;

  bool operator==(const IpAddress& other) const {
    return high() == other.high() && low() == other.low();
  }
  // As their bytes are ordered.
  std::strong_ordering operator<=>(const IpAddress& other) const {
    return high() != other.high() ? high() <=> other.high() : low() <=> other.low();
  }

 private:
  std::uint64_t high() const { return load_be<std::uint64_t>(raw_); }
  std::uint64_t low() const { return load_be<std::uint64_t>(ByteView(raw_).last(8)); }

  ByteArray<16> raw_{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};
};

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  // "192.0.2.1:7000" or "[2001:db8::1]:7000".
  static Result<Endpoint> parse(std::string_view text);
  std::string to_string() const;
  bool is_set() const { return port != 0; }

  auto operator<=>(const Endpoint&) const = default;
};

enum class Proto : std::uint8_t { udp, tcp };
std::string_view to_string(Proto proto);
std::string_view to_string(Scope scope);

}  // namespace byway

template <>
struct std::hash<byway::Endpoint> {
  std::size_t operator()(const byway::Endpoint& endpoint) const noexcept {
    const byway::ByteView raw = endpoint.address.mapped();
    const auto high = byway::load_be<std::uint64_t>(raw.first(8));
    const auto low = byway::load_be<std::uint64_t>(raw.last(8));
    std::uint64_t h = (high ^ endpoint.port) * 0x9e3779b97f4a7c15u;
    h = (h ^ (h >> 29) ^ low) * 0xbf58476d1ce4e5b9u;
    return static_cast<std::size_t>(h ^ (h >> 32));
  }
};

// A NAT, in the words of RFC 4787, as two functions with time passed in:
//
//     outbound(now, inside, remote)   the endpoint under which the remote sees us
//     inbound(now, outside, remote)   who inside receives it, or why nobody does
//
// Nat describes a kind of NAT, NatBox is one that runs. A mapping ties an inside endpoint to an
// outside one (section 4.1); which remotes may use it from outside is the filter (section 5).
// Both live for `lifetime` after the last packet out (section 4.3, REQ-6). A firewall is a NAT
// that filters and leaves addresses alone (mapping: none).
#pragma once

#include <map>
#include <optional>

#include "protocol/endpoint.h"
#include "protocol/message.h"
#include "protocol/random.h"
#include "protocol/time.h"

namespace byway::sim {

struct Nat {
  Behaviour mapping = Behaviour::endpoint_independent;
  Behaviour filtering = Behaviour::address_port_dependent;
  Ports ports = Ports::preserved;
  std::uint16_t delta = 1;           // between two new mappings, when sequential
  std::uint16_t block_size = 512;    // ports of each inside address, when block
  Duration lifetime = 120s;          // RFC 4787 REQ-5 asks for no less; many give 30 s
  std::optional<Duration> absolute;  // a mapping ends so long after it was made, used or not
  bool hairpins = false;             // inside hosts reach one another by outside endpoints (REQ-9)
  bool inbound_refreshes = false;    // what arrives keeps a mapping alive too (REQ-6, MAY)
  // The router takes uninvited packets for itself and remembers the flow. Whoever inside then
  // sends to that remote is pushed off its usual port, for the flow is already taken. Routers
  // built on Linux do this where their own firewall accepts such packets; and where the mapping
  // does not depend on the destination, all new flows of that inside endpoint then leave from the
  // new port, for the newest one is what such a router goes by. Old flows stay.
  bool poisonable = false;
  // For TCP, which keeps its mappings for two hours (RFC 5382, REQ-5).
  bool blocks_tcp = false;
  std::optional<std::uint16_t> only_tcp_port;  // nothing else gets out
  bool resets_uninvited = false;               // a SYN that nobody waits for is answered

  static Nat public_host();         // no NAT at all
  static Nat firewall();            // public addresses, but only answers come in
  static Nat full_cone();           // whoever knows the outside endpoint gets in
  static Nat address_restricted();  // only addresses that were sent to
  static Nat port_restricted();     // only endpoints that were sent to
  static Nat symmetric_random();    // another, random port for every remote endpoint
  static Nat symmetric_sequential(std::uint16_t delta = 1);
  static Nat symmetric_block(std::uint16_t size);
  static Nat udp_blocked();   // lets no UDP out; port-restricted for TCP
  static Nat tcp_443_only();  // the same, and TCP only to that port
  static Nat all_blocked();

  Nat with_hairpin() const;
  Nat with_lifetime(Duration lifetime) const;
  Nat with_absolute_lifetime(Duration lifetime) const;
  Nat with_poisoning() const;
  Nat with_resets() const;
  // What the box does to TCP.
  Nat for_tcp() const;

  // No box is needed for it.
  bool is_open() const { return mapping == Behaviour::none && filtering == Behaviour::none; }
};

enum class Refusal : std::uint8_t { none, no_mapping, filtered };

class NatBox {
 public:
  // `outside` is not used by a firewall, which leaves addresses alone.
  NatBox(const Nat& nat, IpAddress outside, Random random);

  const Nat& nat() const { return nat_; }
  void become(const Nat& nat) { nat_ = nat; }
  const IpAddress& outside() const { return outside_; }

  // Nothing: no UDP passes, or no port is left.
  std::optional<Endpoint> outbound(TimePoint now, const Endpoint& inside, const Endpoint& remote);

  struct Inbound {
    std::optional<Endpoint> inside;
    Refusal refusal = Refusal::none;
  };
  Inbound inbound(TimePoint now, const Endpoint& outside, const Endpoint& remote);

  // As a router does when it is asked by UPnP or NAT-PMP: whoever sends to this outside port
  // reaches `inside`, whatever the filter; the answers leave from there too.
  void pin(std::uint16_t outside_port, const Endpoint& inside) { pinned_[outside_port] = inside; }

  // Every mapping is lost, pinned ones too; the address may be a new one.
  void reboot(IpAddress outside);
  std::size_t mappings() const { return mappings_.size(); }

 private:
  // What a mapping is chosen by: the inside endpoint and as much of the remote one as the
  // mapping behaviour looks at.
  struct Key {
    Endpoint inside;
    Endpoint remote;
    auto operator<=>(const Key&) const = default;
  };
  struct Mapping {
    Endpoint outside;
    TimePoint made{};
    std::map<Endpoint, TimePoint> sent;  // when a packet last left for each remote
  };
  struct Flow {
    Endpoint outside;
    Endpoint remote;
    auto operator<=>(const Flow&) const = default;
  };

  Key key_for(const Endpoint& inside, const Endpoint& remote) const;
  Mapping* find(TimePoint now, const Key& key);
  Mapping* find_flow(TimePoint now, const Endpoint& inside, const Endpoint& remote);
  Key newest(TimePoint now, const Endpoint& inside, const Endpoint& remote);
  Key pushed_off(const Endpoint& inside, const Endpoint& remote);
  Mapping* create(TimePoint now, const Key& key, std::optional<Endpoint> outside);
  bool admits(TimePoint now, const Mapping& mapping, const Endpoint& remote) const;
  bool fresh(TimePoint now, TimePoint last) const { return now - last < nat_.lifetime; }
  bool taken_by_router(TimePoint now, const Mapping& mapping, const Endpoint& remote) const;
  void uninvited(TimePoint now, const Flow& flow);

  std::optional<Endpoint> choose_outside(TimePoint now, const Endpoint& inside);
  std::optional<Endpoint> random_outside(TimePoint now, std::uint32_t first, std::uint32_t count);
  std::optional<Endpoint> next_outside(TimePoint now);
  std::optional<Endpoint> outside_in_block(TimePoint now, const IpAddress& inside);
  bool is_free(TimePoint now, const Endpoint& outside);

  Nat nat_;
  IpAddress outside_;
  Random random_;
  std::map<Key, Mapping> mappings_;
  std::map<Endpoint, Key> by_outside_;
  std::map<Flow, TimePoint> taken_;           // flows the router keeps for itself
  std::map<Endpoint, std::uint16_t> pushed_;  // how often an inside endpoint was pushed off a port
  std::map<std::uint16_t, Endpoint> pinned_;
  struct Pinned {
    std::uint16_t port;
    TimePoint last;
  };
  std::map<Key, Pinned> pinned_flows_;         // by inside and remote endpoint
  std::map<IpAddress, std::uint32_t> blocks_;  // first port of each inside address's block
  std::uint32_t next_port_;
};

}  // namespace byway::sim

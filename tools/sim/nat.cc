#include "tools/sim/nat.h"

#include <algorithm>

namespace byway::sim {
namespace {

constexpr std::uint32_t first_port = 1024;  // RFC 4787 REQ-3: what is above 1023 stays there
constexpr std::uint32_t port_count = 65536 - first_port;
constexpr std::size_t flows_kept = 4096;
constexpr std::size_t remotes_kept = 4096;

}  // namespace

// --- kinds ----------------------------------------------------------------------------------

Nat Nat::public_host() {
  return {.mapping = Behaviour::none, .filtering = Behaviour::none};
}

Nat Nat::firewall() {
  return {.mapping = Behaviour::none, .filtering = Behaviour::address_port_dependent};
}

Nat Nat::full_cone() {
  return {.filtering = Behaviour::endpoint_independent};
}

Nat Nat::address_restricted() {
  return {.filtering = Behaviour::address_dependent};
}

Nat Nat::port_restricted() {
  return {};
}

Nat Nat::symmetric_random() {
  return {.mapping = Behaviour::address_port_dependent, .ports = Ports::random};
}

Nat Nat::symmetric_sequential(std::uint16_t delta) {
  return {.mapping = Behaviour::address_port_dependent, .ports = Ports::sequential, .delta = delta};
}

Nat Nat::symmetric_block(std::uint16_t size) {
  return {.mapping = Behaviour::address_port_dependent, .ports = Ports::block, .block_size = size};
}

Nat Nat::udp_blocked() {
  return {.mapping = Behaviour::blocked, .filtering = Behaviour::blocked};
}

Nat Nat::tcp_443_only() {
  Nat nat = udp_blocked();
  nat.only_tcp_port = 443;
  return nat;
}

Nat Nat::all_blocked() {
  Nat nat = udp_blocked();
  nat.blocks_tcp = true;
  return nat;
}

Nat Nat::for_tcp() const {
  Nat tcp = *this;
  tcp.lifetime = 2h;
  if (mapping == Behaviour::blocked && !blocks_tcp) {
    tcp.mapping = Nat{}.mapping;
    tcp.filtering = Nat{}.filtering;
  }
  return tcp;
}

Nat Nat::with_resets() const {
  Nat changed = *this;
  changed.resets_uninvited = true;
  return changed;
}

Nat Nat::with_hairpin() const {
  Nat changed = *this;
  changed.hairpins = true;
  return changed;
}

Nat Nat::with_lifetime(Duration how_long) const {
  Nat changed = *this;
  changed.lifetime = how_long;
  return changed;
}

Nat Nat::with_absolute_lifetime(Duration how_long) const {
  Nat changed = *this;
  changed.absolute = how_long;
  return changed;
}

Nat Nat::with_poisoning() const {
  Nat changed = *this;
  changed.poisonable = true;
  return changed;
}

// --- the box --------------------------------------------------------------------------------

NatBox::NatBox(const Nat& nat, IpAddress outside, Random random)
    : nat_(nat), outside_(outside), random_(std::move(random)) {
  next_port_ = first_port + static_cast<std::uint32_t>(random_.below(port_count));
}

std::optional<Endpoint> NatBox::outbound(TimePoint now, const Endpoint& inside,
                                         const Endpoint& remote) {
  if (const auto flow = pinned_flows_.find({inside, remote});
      flow != pinned_flows_.end() && fresh(now, flow->second.last)) {
    flow->second.last = now;
    if (nat_.mapping == Behaviour::none) return inside;
    return Endpoint{outside_, flow->second.port};
  }
  if (nat_.mapping == Behaviour::blocked) return std::nullopt;

  Mapping* mapping = find_flow(now, inside, remote);
  if (!mapping) {
    const Key key = newest(now, inside, remote);
    mapping = find(now, key);
    if (!mapping) mapping = create(now, key, choose_outside(now, inside));
  }
  if (mapping && taken_by_router(now, *mapping, remote))
    mapping = create(now, pushed_off(inside, remote), random_outside(now, first_port, port_count));
  if (!mapping) return std::nullopt;

  if (mapping->sent.size() >= remotes_kept)
    std::erase_if(mapping->sent, [&](const auto& entry) { return !fresh(now, entry.second); });
  mapping->sent[remote] = now;
  return mapping->outside;
}

NatBox::Inbound NatBox::inbound(TimePoint now, const Endpoint& outside, const Endpoint& remote) {
  if (nat_.is_open()) return {outside, Refusal::none};
  if (const auto pinned = pinned_.find(outside.port); pinned != pinned_.end()) {
    if (pinned_flows_.size() >= flows_kept)
      std::erase_if(pinned_flows_,
                    [&](const auto& entry) { return !fresh(now, entry.second.last); });
    pinned_flows_[{pinned->second, remote}] = {outside.port, now};
    return {pinned->second, Refusal::none};
  }

  const auto owner = by_outside_.find(outside);
  const Key key = owner == by_outside_.end() ? Key{} : owner->second;
  Mapping* mapping = owner == by_outside_.end() ? nullptr : find(now, key);
  if (mapping && admits(now, *mapping, remote)) {
    if (nat_.inbound_refreshes)
      if (const auto sent = mapping->sent.find(remote); sent != mapping->sent.end())
        sent->second = now;
    return {key.inside, Refusal::none};
  }

  uninvited(now, {outside, remote});
  return {std::nullopt, mapping ? Refusal::filtered : Refusal::no_mapping};
}

void NatBox::reboot(IpAddress outside) {
  outside_ = outside;
  mappings_.clear();
  by_outside_.clear();
  taken_.clear();
  pushed_.clear();
  pinned_.clear();
  pinned_flows_.clear();
  blocks_.clear();
}

// --- mappings -------------------------------------------------------------------------------

NatBox::Key NatBox::key_for(const Endpoint& inside, const Endpoint& remote) const {
  if (nat_.mapping == Behaviour::address_port_dependent) return {inside, remote};
  if (nat_.mapping == Behaviour::address_dependent) return {inside, {remote.address, 0}};
  return {inside, {}};
}

NatBox::Mapping* NatBox::find(TimePoint now, const Key& key) {
  const auto found = mappings_.find(key);
  if (found == mappings_.end()) return nullptr;

  const auto& sent = found->second.sent;
  const bool ended = nat_.absolute && now - found->second.made >= *nat_.absolute;
  if (!ended && std::any_of(sent.begin(), sent.end(),
                            [&](const auto& entry) { return fresh(now, entry.second); }))
    return &found->second;

  by_outside_.erase(found->second.outside);
  mappings_.erase(found);
  return nullptr;
}

NatBox::Mapping* NatBox::create(TimePoint now, const Key& key, std::optional<Endpoint> outside) {
  if (!outside) return nullptr;
  by_outside_[*outside] = key;
  Mapping& mapping = mappings_[key];
  mapping.outside = *outside;
  mapping.made = now;
  return &mapping;
}

bool NatBox::admits(TimePoint now, const Mapping& mapping, const Endpoint& remote) const {
  if (nat_.filtering == Behaviour::none || nat_.filtering == Behaviour::endpoint_independent)
    return true;
  if (nat_.filtering == Behaviour::address_dependent) {
    const auto first = mapping.sent.lower_bound({remote.address, 0});
    return std::any_of(first, mapping.sent.end(), [&](const auto& entry) {
      return entry.first.address == remote.address && fresh(now, entry.second);
    });
  }
  const auto sent = mapping.sent.find(remote);
  return sent != mapping.sent.end() && fresh(now, sent->second);
}

// --- poisoning ------------------------------------------------------------------------------

bool NatBox::taken_by_router(TimePoint now, const Mapping& mapping, const Endpoint& remote) const {
  const auto taken = taken_.find({mapping.outside, remote});
  if (taken == taken_.end() || !fresh(now, taken->second)) return false;
  const auto sent = mapping.sent.find(remote);
  return sent == mapping.sent.end() || !fresh(now, sent->second);
}

// The keys of an endpoint that was pushed off its port differ in a number in place of the remote.
NatBox::Key NatBox::pushed_off(const Endpoint& inside, const Endpoint& remote) {
  if (nat_.mapping != Behaviour::endpoint_independent) return {inside, remote};
  return {inside, {IpAddress{}, ++pushed_[inside]}};
}

// What a flow uses stays its own, even when others of the same endpoint leave from elsewhere.
NatBox::Mapping* NatBox::find_flow(TimePoint now, const Endpoint& inside, const Endpoint& remote) {
  if (Mapping* own = find(now, {inside, remote})) return own;
  const auto times = pushed_.find(inside);
  if (times == pushed_.end()) return nullptr;
  for (std::uint16_t n = 0; n <= times->second; ++n) {
    Mapping* mapping = find(now, {inside, {IpAddress{}, n}});
    const auto sent =
        mapping ? mapping->sent.find(remote) : std::map<Endpoint, TimePoint>::iterator{};
    if (mapping && sent != mapping->sent.end() && fresh(now, sent->second)) return mapping;
  }
  return nullptr;
}

// What a new flow uses.
NatBox::Key NatBox::newest(TimePoint now, const Endpoint& inside, const Endpoint& remote) {
  for (auto times = pushed_.find(inside); times != pushed_.end() && times->second > 0;
       --times->second) {
    const Key key{inside, {IpAddress{}, times->second}};
    if (find(now, key)) return key;
  }
  return key_for(inside, remote);
}

void NatBox::uninvited(TimePoint now, const Flow& flow) {
  if (!nat_.poisonable) return;
  if (taken_.size() >= flows_kept)
    std::erase_if(taken_, [&](const auto& entry) { return !fresh(now, entry.second); });
  if (taken_.size() < flows_kept) taken_[flow] = now;
}

// --- ports ----------------------------------------------------------------------------------

std::optional<Endpoint> NatBox::choose_outside(TimePoint now, const Endpoint& inside) {
  if (nat_.mapping == Behaviour::none) return inside;
  switch (nat_.ports) {
    case Ports::sequential:
      return next_outside(now);
    case Ports::block:
      return outside_in_block(now, inside.address);
    case Ports::preserved:
      if (is_free(now, {outside_, inside.port})) return Endpoint{outside_, inside.port};
      [[fallthrough]];
    default:
      return random_outside(now, first_port, port_count);
  }
}

std::optional<Endpoint> NatBox::random_outside(TimePoint now, std::uint32_t first,
                                               std::uint32_t count) {
  const auto start = static_cast<std::uint32_t>(random_.below(count));
  for (std::uint32_t i = 0; i < count; ++i) {
    const Endpoint outside{outside_, static_cast<std::uint16_t>(first + (start + i) % count)};
    if (is_free(now, outside)) return outside;
  }
  return std::nullopt;
}

std::optional<Endpoint> NatBox::next_outside(TimePoint now) {
  for (std::uint32_t i = 0; i < port_count; ++i) {
    const Endpoint outside{outside_, static_cast<std::uint16_t>(next_port_)};
    next_port_ = first_port + (next_port_ - first_port + nat_.delta) % port_count;
    if (is_free(now, outside)) return outside;
  }
  return std::nullopt;
}

std::optional<Endpoint> NatBox::outside_in_block(TimePoint now, const IpAddress& inside) {
  auto mine = blocks_.find(inside);
  if (mine == blocks_.end()) {
    const std::uint32_t blocks = port_count / nat_.block_size;
    if (blocks_.size() >= blocks) return std::nullopt;
    const auto used = [&](std::uint32_t first) {
      return std::any_of(blocks_.begin(), blocks_.end(),
                         [&](const auto& entry) { return entry.second == first; });
    };
    std::uint32_t first;
    do {
      first = first_port + nat_.block_size * static_cast<std::uint32_t>(random_.below(blocks));
    } while (used(first));
    mine = blocks_.emplace(inside, first).first;
  }
  return random_outside(now, mine->second, nat_.block_size);
}

bool NatBox::is_free(TimePoint now, const Endpoint& outside) {
  const auto owner = by_outside_.find(outside);
  if (owner == by_outside_.end()) return true;
  const Key key = owner->second;
  return find(now, key) == nullptr;
}

}  // namespace byway::sim

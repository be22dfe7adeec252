#include "overlay/reach/dialback.h"

#include <algorithm>
#include <utility>

#include "overlay/core/timers.h"
#include "overlay/reach/dial_rules.h"
#include "overlay/reach/proof_limits.h"
#include "protocol/attestation.h"

namespace byway {
namespace {

namespace proof = limits::proof;

std::uint32_t seconds_of(Duration duration) {
  return static_cast<std::uint32_t>(std::chrono::ceil<std::chrono::seconds>(duration).count());
}

}  // namespace

Duration DialBudget::wait(TimePoint now) const {
  if (taken_.size() < proof::dials) return {};
  return std::max(Duration{}, taken_.front() + proof::dials_window - now);
}

bool DialBudget::take(TimePoint now) {
  if (wait(now) > Duration{}) return false;
  taken_.push_back(now);
  if (taken_.size() > proof::dials) taken_.pop_front();
  return true;
}

// --- the helper --------------------------------------------------------------------------------

ProofHelper::ProofHelper(const NodeId& self, Random random, int netgroup_bits_v4,
                         int netgroup_bits_v6)
    : self_(self),
      random_(std::move(random)),
      bits_v4_(netgroup_bits_v4),
      bits_v6_(netgroup_bits_v6),
      per_target_(proof::dials_per_target_per_second, 1, proof::tracked_targets) {}

IpAddress ProofHelper::netgroup(const IpAddress& address) const {
  return address.prefix(address.is_v4() ? bits_v4_ : bits_v6_);
}

bool ProofHelper::may_be_dialled(const Asker& asker, const ProveRequest& request) const {
  const Endpoint& target = request.endpoint;
  if (target.address != asker.observed.address) return false;
  if (!is_dialled_port(target.port)) return false;
  if (!is_dialled_scope(target.address.scope(), asker.observed.address.scope())) return false;
  return request.padding >= proof::request_padding;
}

void ProofHelper::on_request(TimePoint now, const Asker& asker, const ProveRequest& request,
                             const IpAddress& own, const Candidates& candidates) {
  const ProveResult refused{.nonce = request.nonce,
                            .outcome = ProofOutcome::refused,
                            .attestation = {},
                            .retry_s = seconds_of(proof::helper_gap)};
  const bool asks_already = std::any_of(pending_.begin(), pending_.end(), [&](const auto& entry) {
    return entry.second.asker == asker.id;
  });
  if (!may_be_dialled(asker, request) || asks_already || pending_.size() >= proof::pending)
    return answer(asker.id, refused);

  const Endpoint& target = request.endpoint;
  auto dialler = draw(asker, request, own, candidates.supernodes, candidates.supernode);
  if (!dialler) dialler = draw(asker, request, own, candidates.leaves, candidates.leaf);
  if (!dialler)
    return answer(asker.id,
                  {.nonce = request.nonce, .outcome = ProofOutcome::no_dialler, .attestation = {}});

  const Key key{dialler->id, request.nonce};
  if (const Duration wait = dials_.wait(now); wait > Duration{}) {
    ProveResult later = refused;
    later.retry_s = seconds_of(wait);
    return answer(asker.id, later);
  }
  if (pending_.contains(key) || !per_target_.take(now, target.address))
    return answer(asker.id, refused);
  dials_.take(now);
  pending_.emplace(key, Pending{asker.id, target.address, now + proof::helper_patience});
  letters_.push_back({dialler->id, DialOrder{asker.id, request.nonce, target, request.proto}});
}

// The first of a random run that is in a netgroup of its own; else one that at least has an
// address of its own.
std::optional<ProofHelper::Candidate> ProofHelper::draw(
    const Asker& asker, const ProveRequest& request, const IpAddress& own, std::size_t count,
    const std::function<std::optional<Candidate>(std::size_t)>& get) {
  if (count == 0) return {};
  const Endpoint& target = request.endpoint;
  const auto& met = request.met;
  const std::size_t start = random_.below(count);
  std::optional<Candidate> second_best;
  for (std::size_t look = 0; look < std::min(count, proof::looks); ++look) {
    const auto candidate = get((start + look) % count);
    if (!candidate || candidate->id == self_ || candidate->id == asker.id) continue;
    const IpAddress& address = candidate->address;
    if (address.is_v6() != target.address.is_v6()) continue;
    if (address == target.address || address == own) continue;
    if (!is_dialled_scope(target.address.scope(), address.scope())) continue;
    if (std::find(asker.named.begin(), asker.named.end(), candidate->id) != asker.named.end())
      continue;
    if (std::find(met.begin(), met.end(), short_id(candidate->id)) != met.end()) continue;
    // Who is dialled by the asker at this moment is no stranger to it either, and who waits for a
    // dial itself had better not make acquaintances.
    bool waits = false, mutual = false;
    for (const auto& [order, pending] : pending_) {
      waits |= pending.asker == candidate->id;
      mutual |= pending.asker == candidate->id && order.dialler == asker.id;
    }
    if (mutual) continue;
    const bool third_netgroup =
        netgroup(address) != netgroup(target.address) && netgroup(address) != netgroup(own);
    if (third_netgroup && !waits) return candidate;
    if (!second_best) second_best = candidate;
  }
  return second_best;
}

bool ProofHelper::on_result(const NodeId& dialler, const DialResult& result) {
  const auto pending = pending_.find(Key{dialler, result.nonce});
  if (pending == pending_.end()) return false;
  // Not dialled by this one, so it may be by another.
  if (result.outcome == ProofOutcome::refused) per_target_.give_back(pending->second.target);
  answer(pending->second.asker, {.nonce = result.nonce,
                                 .outcome = result.outcome,
                                 .attestation = result.attestation,
                                 .retry_s = 0});
  pending_.erase(pending);
  return true;
}

void ProofHelper::on_lost(const NodeId& dialler) {
  auto entry = pending_.lower_bound(Key{dialler, {}});
  while (entry != pending_.end() && entry->first.dialler == dialler) {
    per_target_.give_back(entry->second.target);
    answer(entry->second.asker,
           {.nonce = entry->first.nonce, .outcome = ProofOutcome::no_dialler, .attestation = {}});
    entry = pending_.erase(entry);
  }
}

void ProofHelper::on_timeout(TimePoint now) {
  for (auto entry = pending_.begin(); entry != pending_.end();) {
    if (now < entry->second.deadline) {
      ++entry;
      continue;
    }
    // The dialler would have told us, had it dialled in vain.
    per_target_.give_back(entry->second.target);
    answer(entry->second.asker,
           {.nonce = entry->first.nonce, .outcome = ProofOutcome::no_dialler, .attestation = {}});
    entry = pending_.erase(entry);
  }
}

std::optional<ProofLetter> ProofHelper::poll_letter() {
  if (letters_.empty()) return {};
  ProofLetter letter = std::move(letters_.front());
  letters_.pop_front();
  return letter;
}

std::optional<TimePoint> ProofHelper::next_timeout() const {
  std::optional<TimePoint> next;
  for (const auto& [key, pending] : pending_) next = earlier(next, pending.deadline);
  return next;
}

// --- the dialler -------------------------------------------------------------------------------

Dialler::Dialler(const Identity& identity)
    : identity_(identity),
      per_target_(proof::dials_per_target_per_second, 1, proof::tracked_targets) {}

bool Dialler::accepts(TimePoint now, const Orderer& orderer, const DialOrder& order) {
  if (!orderer.supernode) return false;
  if (order.asker == identity_.id() || order.asker == orderer.id) return false;
  const IpAddress& target = order.endpoint.address;
  if (target == orderer.at) return false;
  if (!is_dialled_port(order.endpoint.port)) return false;
  if (!is_dialled_scope(target.scope(), orderer.at.scope())) return false;
  if (dials_.size() >= proof::pending || dials_.contains(order.nonce)) return false;
  return per_target_.take(now, target) && budget_.take(now);
}

void Dialler::on_order(TimePoint now, const Orderer& orderer, const DialOrder& order) {
  if (!accepts(now, orderer, order)) {
    letters_.push_back({orderer.id, DialResult{order.nonce, ProofOutcome::refused, {}}});
    return;
  }
  dials_.emplace(order.nonce, Dial{.orderer = orderer.id,
                                   .order = order,
                                   .next_send = now,
                                   .deadline = now + proof::dial_patience});
}

bool Dialler::on_echo(TimePoint now, WallTime wall, const Datagram& datagram) {
  const auto nonce = parse_dialback_echo(datagram.bytes);
  if (!nonce) return false;
  const auto dial = dials_.find(*nonce);
  if (dial == dials_.end() || now >= dial->second.deadline) return false;
  const DialOrder& order = dial->second.order;
  const bool from_there = datagram.from == order.endpoint && datagram.proto == order.proto;
  if (!from_there || dial->second.sent == 0) return false;

  const auto attestation = Attestation::sign(identity_, {.subject = order.asker,
                                                         .endpoint = order.endpoint,
                                                         .proto = order.proto,
                                                         .dialler = identity_.id(),
                                                         .at = wall});
  letters_.push_back(
      {dial->second.orderer, DialResult{*nonce, ProofOutcome::proved, attestation.exact_bytes()}});
  dials_.erase(dial);
  return true;
}

void Dialler::on_timeout(TimePoint now) {
  for (auto entry = dials_.begin(); entry != dials_.end();) {
    const Dial& dial = entry->second;
    if (now < dial.deadline) {
      ++entry;
      continue;
    }
    letters_.push_back({dial.orderer, DialResult{entry->first, ProofOutcome::timed_out, {}}});
    entry = dials_.erase(entry);
  }
}

// TCP repeats what is lost by itself.
bool Dialler::wants_to_send(const Dial& dial) const {
  return dial.sent < (dial.order.proto == Proto::tcp ? 1 : proof::dial_sends);
}

std::optional<Transmit> Dialler::poll_transmit(TimePoint now) {
  for (auto& [nonce, dial] : dials_) {
    if (!wants_to_send(dial) || now < dial.next_send) continue;
    ++dial.sent;
    dial.next_send = now + proof::dial_resend;
    return Transmit{
        .to = dial.order.endpoint, .bytes = make_dialback(nonce), .proto = dial.order.proto};
  }
  return {};
}

std::optional<ProofLetter> Dialler::poll_letter() {
  if (letters_.empty()) return {};
  ProofLetter letter = std::move(letters_.front());
  letters_.pop_front();
  return letter;
}

std::optional<TimePoint> Dialler::next_timeout() const {
  std::optional<TimePoint> next;
  for (const auto& [nonce, dial] : dials_) {
    next = earlier(next, dial.deadline);
    if (wants_to_send(dial)) next = earlier(next, dial.next_send);
  }
  return next;
}

}  // namespace byway

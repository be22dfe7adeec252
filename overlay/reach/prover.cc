#include "overlay/reach/prover.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "overlay/core/timers.h"
#include "overlay/reach/proof_limits.h"

namespace byway {
namespace {

namespace proof = limits::proof;

std::string counted(std::size_t n, std::string_view what) {
  return std::to_string(n) + " " + std::string(what) + (n == 1 ? "" : "s");
}

// How near `other` is to us in a space in which every node stands somewhere else.
std::uint64_t distance(const NodeId& self, const NodeId& other) {
  const ByteView a = self.key(), b = other.key();
  return load_be<std::uint64_t>(a.first(8)) ^ load_be<std::uint64_t>(b.first(8));
}

}  // namespace

Prover::Prover(const NodeId& self, const Crypto& crypto, Random random, int netgroup_bits_v4,
               int netgroup_bits_v6)
    : self_(self),
      crypto_(crypto),
      random_(std::move(random)),
      bits_v4_(netgroup_bits_v4),
      bits_v6_(netgroup_bits_v6),
      contacted_{Contacted(proof::silence, proof::contacted, random_.u64()),
                 Contacted(proof::silence, proof::contacted, random_.u64())} {}

IpAddress Prover::netgroup(const IpAddress& address) const {
  return address.prefix(address.is_v4() ? bits_v4_ : bits_v6_);
}

std::size_t Prover::needed() const {
  return std::clamp<std::size_t>(netgroups_, 1, proof::diallers);
}

// --- facts -------------------------------------------------------------------------------------

void Prover::on_started_anew(TimePoint now, WallTime wall, std::vector<KeptDial> dials,
                             std::span<const Endpoint> own) {
  on_change();
  strangers_from_ = now + proof::silence;
  std::sort(dials.begin(), dials.end(),
            [](const KeptDial& a, const KeptDial& b) { return a.at > b.at; });
  for (KeptDial& dial : dials) {
    const Duration age = std::max<Duration>(Duration{}, wall - dial.at);
    if (age < proof::lifetime) kept_.push_back({dial.from, now - age, std::move(dial.attestation)});
  }
  // By UDP, without which nobody serves, at once. Whether by TCP as well is for others to claim.
  for (const Success& success : kept_) {
    const Attested& says = success.attestation.attested();
    const bool ours = std::find(own.begin(), own.end(), says.endpoint) != own.end();
    if (says.proto == Proto::udp && ours && !claims_.contains(door_of(says.endpoint, says.proto)))
      on_claim(now, says.endpoint, says.proto, Front::nothing);
  }
}

Duration Prover::first_ask(Front front) {
  switch (front) {
    case Front::nothing:
    case Front::open:
      return {};
    case Front::unknown:
      return random_.jittered(proof::first_ask_behind_nat);
    case Front::closed:
      return random_.jittered(proof::first_ask_in_vain);
  }
  return {};
}

// The run before was reached at this address.
void Prover::go_on(TimePoint now, const Door& door, Claim& claim) {
  for (const Success& success : kept_) {
    const Attested& says = success.attestation.attested();
    if (says.endpoint == claim.endpoint && says.proto == door.proto &&
        claim.successes.size() < proof::kept_successes)
      claim.successes.push_back(success);
  }
  if (claim.successes.empty()) return;
  claim.next_ask = claim.successes.front().at + random_.jittered(proof::again);
  review(now, door, claim);
}

void Prover::on_claim(TimePoint now, const Endpoint& endpoint, Proto proto, Front front) {
  on_change();
  const Door door = door_of(endpoint, proto);
  Claim& claim = claims_[door];
  const Front before = std::exchange(claim.front, front);
  if (claim.endpoint != endpoint) {
    lose(door, claim, true, "our address is now " + endpoint.to_string());
    claim = Claim{.endpoint = endpoint, .front = front, .next_ask = now + first_ask(front)};
    if (front == Front::nothing) go_on(now, door, claim);
  } else if (before != front && claim.reached.empty() && !claim.proved) {
    claim.next_ask = now + first_ask(front);  // nothing was told by a dial so far
  }
}

void Prover::on_claim_gone(Door door) {
  on_change();
  const auto claim = claims_.find(door);
  if (claim == claims_.end()) return;
  lose(door, claim->second, true, "we no longer have this address");
  claims_.erase(claim);
}

void Prover::on_opened(TimePoint now, const Endpoint& endpoint, Proto proto) {
  on_change();
  const auto found = claims_.find(door_of(endpoint, proto));
  if (found == claims_.end()) return;
  Claim& claim = found->second;
  if (claim.endpoint != endpoint || claim.proved) return;
  claim.reached.clear();
  claim.unreachable = false;
  claim.back_off = {};
  claim.next_ask = now;
}

void Prover::on_dialling(const NodeId& asker, const IpAddress& at) {
  dialled_.push_back({asker, at});
  if (dialled_.size() > max_met) dialled_.pop_front();
}

void Prover::on_linked(const NodeId& supernode, const IpAddress& at) {
  if (const auto known = helpers_.find(supernode); known != helpers_.end()) {
    if (known->second.at != at) on_change();
    known->second.at = at;
    return;
  }
  if (helpers_.size() >= proof::helpers) return;
  on_change();
  helpers_.emplace(supernode, Helper{at});
}

void Prover::on_unlinked(TimePoint now, const NodeId& supernode) {
  on_change();
  helpers_.erase(supernode);
  for (auto& [door, claim] : claims_)
    if (claim.asking && claim.asking->helper == supernode) on_inconclusive(now, claim);
}

void Prover::on_netgroups(TimePoint now, std::size_t known) {
  const std::size_t before = std::exchange(netgroups_, known);
  if (known == before) return;
  on_change();
  for (auto& [door, claim] : claims_) {
    const bool waits_for_somebody = claim.nobody_to_dial && known > before;
    if (waits_for_somebody) claim.back_off = {};
    if (waits_for_somebody || (claim.proved && claim.successes.size() < needed()))
      claim.next_ask = std::min(claim.next_ask, now);
    review(now, door, claim);
  }
}

bool Prover::on_dialback(TimePoint now, const Datagram& datagram) {
  const auto nonce = parse_dialback(datagram.bytes);
  const auto asked = claims_.find(door_of(datagram.from, datagram.proto));
  if (!nonce || asked == claims_.end()) return false;
  auto& asking = asked->second.asking;
  if (!asking || asking->nonce != *nonce) return false;
  // A helper that dials us itself, over the hole we made for it, proves nothing.
  if (datagram.from.address == asking->helper_at) return false;

  if (!asking->dialled_by) {
    asking->dialled_by = datagram.from;
    asking->counts = is_stranger(now, datagram.from.address, datagram.proto);
  }
  if (*asking->dialled_by != datagram.from || asking->echoes >= proof::dial_sends) return false;
  // An echo to one that cannot count would only make sure that it cannot count the next time.
  if (!asking->counts) return true;
  ++asking->echoes;
  on_sent(now, datagram.from.address, datagram.proto);
  transmits_.push_back({.to = datagram.from,
                        .bytes = make_dialback_echo(*nonce),
                        .socket = datagram.socket,
                        .proto = datagram.proto,
                        .connection = datagram.connection});
  return true;
}

bool Prover::on_result(TimePoint now, WallTime wall, const NodeId& helper,
                       const ProveResult& result) {
  const auto asked = std::find_if(claims_.begin(), claims_.end(), [&](const auto& entry) {
    const auto& asking = entry.second.asking;
    return asking && asking->helper == helper && asking->nonce == result.nonce;
  });
  if (asked == claims_.end()) return false;
  on_change();
  auto& [door, claim] = *asked;
  claim.nobody_to_dial = result.outcome == ProofOutcome::no_dialler;

  switch (result.outcome) {
    case ProofOutcome::proved: {
      const auto attestation = Attestation::parse(crypto_, result.attestation);
      const auto says = attestation ? attestation->attested() : Attested{};
      const auto skew = says.at > wall ? says.at - wall : wall - says.at;
      const bool true_to_us = attestation && says.subject == self_ &&
                              says.endpoint == claim.endpoint && says.proto == door.proto &&
                              says.dialler != helper && skew <= proof::clock_skew;
      if (true_to_us && claim.asking->dialled_by && claim.asking->counts)
        on_reached(now, door, claim, *attestation);
      else
        on_inconclusive(now, claim);
      return true;
    }
    case ProofOutcome::timed_out:
      if (!claim.asking->dialled_by) {
        on_unanswered(now, door, claim);
        return true;
      }
      // It arrived. Either its echo was lost, or we know who dialled, and the helper knew no
      // stranger: no reason to give up a proof.
      if (claim.proved && !claim.asking->counts) claim.nobody_to_dial = true;
      on_inconclusive(now, claim);
      return true;
    case ProofOutcome::refused:
      if (const auto known = helpers_.find(helper); known != helpers_.end()) {
        const auto wait = std::clamp<Duration>(std::chrono::seconds{result.retry_s},
                                               proof::asked_again, proof::helper_gap_last);
        known->second.ready_at = now + wait + random_.upto(wait / 4);
      }
      claim.asking.reset();  // and whoever else is ready is asked
      return true;
    case ProofOutcome::no_dialler:
      if (const auto known = helpers_.find(helper); known != helpers_.end())
        known->second.ready_at = now + proof::asked_again;
      on_inconclusive(now, claim);
      return true;
  }
  return true;
}

// Before that nothing of ours happens by itself.
bool Prover::is_due(TimePoint now) const {
  const auto next = next_timeout();
  return next && *next <= now;
}

void Prover::on_timeout(TimePoint now) {
  if (reviewed_ && !is_due(now)) return;
  on_change();
  for (auto& [door, claim] : claims_) {
    if (claim.asking && now >= claim.asking->deadline) on_inconclusive(now, claim);
    review(now, door, claim);
  }
  reviewed_ = true;
}

// --- what became of a dial ---------------------------------------------------------------------

Duration Prover::back_off(Claim& claim, Duration first, Duration last) {
  claim.back_off = std::clamp(2 * claim.back_off, first, last);
  return random_.jittered(claim.back_off);
}

void Prover::on_reached(TimePoint now, const Door& door, Claim& claim,
                        const Attestation& attestation) {
  const NodeId& dialler = attestation.attested().dialler;
  const IpAddress& from = claim.asking->dialled_by->address;
  const std::size_t before = claim.successes.size();
  std::erase_if(claim.successes, [&](const Success& success) {
    return netgroup(success.from) == netgroup(from) || success.dialler() == dialler;
  });
  claim.successes.insert(claim.successes.begin(), {from, now, attestation});
  if (claim.successes.size() > proof::kept_successes) claim.successes.pop_back();

  claim.reached.push_back(true);
  if (claim.reached.size() > proof::remembered_outcomes) claim.reached.pop_front();
  claim.unreachable = false;
  claim.asking.reset();
  claim.next_ask = now;
  review(now, door, claim);
  const bool one_more = claim.successes.size() > before;
  const bool enough = claim.successes.size() >= needed();
  if (one_more || enough) claim.back_off = {};
  // The next one at once, unless we only meet the same diallers again.
  if (enough)
    claim.next_ask = now + random_.jittered(proof::again);
  else if (!one_more)
    claim.next_ask = now + back_off(claim, proof::inconclusive_first, proof::inconclusive_last);
}

void Prover::on_unanswered(TimePoint now, const Door& door, Claim& claim) {
  claim.asking.reset();
  claim.reached.push_back(false);
  if (claim.reached.size() > proof::remembered_outcomes) claim.reached.pop_front();
  const auto failures = std::count(claim.reached.begin(), claim.reached.end(), false);
  if (static_cast<std::size_t>(failures) >= proof::failures_to_lose) {
    claim.unreachable = true;
    lose(door, claim, false,
         "of the last " + counted(claim.reached.size(), "dial") + " " + std::to_string(failures) +
             " were not answered");
    claim.successes.clear();
  }
  const bool own = claim.front == Front::nothing;
  const Duration first = own ? proof::unanswered_first : proof::unanswered_behind_nat;
  const Duration last =
      claim.front == Front::closed ? proof::unanswered_in_vain : proof::unanswered_last;
  claim.next_ask =
      now + (claim.proved ? random_.jittered(proof::doubtful) : back_off(claim, first, last));
}

void Prover::on_inconclusive(TimePoint now, Claim& claim) {
  claim.asking.reset();
  const Duration last =
      std::max(proof::inconclusive_last, std::min(claim.back_off, proof::unanswered_last));
  claim.next_ask = now + back_off(claim, proof::inconclusive_first, last);
  // Whoever comes next could dial us, and nobody tells us that he came.
  const bool likely = claim.front == Front::nothing || claim.front == Front::open;
  if (likely && claim.nobody_to_dial && !claim.proved)
    claim.next_ask = std::min(claim.next_ask, now + random_.jittered(proof::nobody_yet));
}

// Whether the successes that are left make a proof.
void Prover::review(TimePoint now, const Door& door, Claim& claim) {
  // With nobody left who could dial us, an old proof is the best there is.
  const bool stands = claim.proved && claim.nobody_to_dial;
  if (stands) return claim.complete_by.reset();
  while (!claim.successes.empty() && now - claim.successes.back().at >= proof::lifetime)
    claim.successes.pop_back();

  if (claim.successes.size() >= needed()) {
    claim.complete_by.reset();
    if (std::exchange(claim.proved, true)) return;
    events_.push_back(Proved{claim.endpoint, door.proto, claim.successes.size()});
    return;
  }
  if (!claim.proved) return;
  if (!claim.complete_by) {
    claim.complete_by = now + proof::time_to_complete;
    claim.next_ask = std::min(claim.next_ask, now);
  }
  if (claim.successes.empty() || now >= *claim.complete_by)
    lose(door, claim, false,
         "only " + counted(claim.successes.size(), "dialler") + " of " + std::to_string(needed()) +
             " reached us within a day");
}

void Prover::lose(const Door& door, Claim& claim, bool moved, std::string why) {
  claim.complete_by.reset();
  if (!std::exchange(claim.proved, false)) return;
  events_.push_back(Lost{claim.endpoint, door.proto, moved, std::move(why)});
}

// --- decisions ---------------------------------------------------------------------------------

const Prover::Helper* Prover::helper_for(const Door& door) const {
  const Helper* best = nullptr;
  for (const auto& [id, helper] : helpers_)
    if (helper.at.is_v6() == door.v6 && (!best || helper.ready_at < best->ready_at)) best = &helper;
  return best;
}

std::optional<TimePoint> Prover::ask_at(const Door& door, const Claim& claim) const {
  if (claim.asking) return {};
  const TimePoint wanted = std::max(claim.next_ask, strangers_from_);
  // As helper_for; but who is ready before we would ask is as good as the first to be ready.
  std::optional<TimePoint> ready;
  for (const auto& [id, helper] : helpers_) {
    if (helper.at.is_v6() != door.v6) continue;
    ready = earlier(ready, helper.ready_at);
    if (*ready <= wanted) return wanted;
  }
  return ready;
}

bool Prover::is_ask_due(TimePoint now) const {
  if (!is_due(now)) return false;
  return std::any_of(claims_.begin(), claims_.end(), [&](const auto& entry) {
    const auto at = ask_at(entry.first, entry.second);
    return at && *at <= now;
  });
}

// Those whom we sent to, and those who dialled us and whose netgroup would not count again.
std::vector<std::uint64_t> Prover::met(TimePoint now, const Door& door, const Claim& claim) const {
  std::vector<std::uint64_t> met;
  const auto add = [&](const NodeId& id) {
    const auto already = std::find(met.begin(), met.end(), short_id(id));
    if (already == met.end() && met.size() < max_met) met.push_back(short_id(id));
  };
  const bool wants_others = claim.successes.size() < needed();
  for (const Success& success : claim.successes)
    if (wants_others || now - success.at < proof::silence) add(success.dialler());
  for (const Known& asker : dialled_)
    if (!is_stranger(now, asker.at, door.proto)) add(asker.id);
  for (const Known& known : known_)
    if (!is_stranger(now, known.at, door.proto)) add(known.id);
  return met;
}

std::optional<Prover::Ask> Prover::poll_ask(TimePoint now) {
  if (!is_due(now)) return {};
  for (auto& [door, claim] : claims_) {
    const auto at = ask_at(door, claim);
    if (!at || now < *at) continue;
    // Of those who are ready, whoever was not asked for the longest time; the first time, anyone.
    std::vector<std::pair<const NodeId, Helper>*> ready;
    TimePoint longest = TimePoint::max();
    for (auto& entry : helpers_) {
      const Helper& helper = entry.second;
      if (helper.at.is_v6() != door.v6 || helper.ready_at > longest) continue;
      if (helper.ready_at < longest) ready.clear();
      longest = helper.ready_at;
      ready.push_back(&entry);
    }
    auto& [id, helper] = *ready[random_.below(ready.size())];
    on_change();
    helper.ready_at = now + proof::helper_gap;
    claim.asking = Asking{.helper = id,
                          .helper_at = helper.at,
                          .nonce = random_.bytes<16>(),
                          .deadline = now + proof::ask_patience,
                          .dialled_by = std::nullopt};
    return Ask{id, ProveRequest{claim.asking->nonce, claim.endpoint, door.proto,
                                static_cast<std::uint16_t>(proof::request_padding),
                                met(now, door, claim)}};
  }
  return {};
}

std::optional<Transmit> Prover::poll_transmit() {
  if (transmits_.empty()) return {};
  Transmit transmit = std::move(transmits_.front());
  transmits_.pop_front();
  return transmit;
}

std::optional<Prover::Event> Prover::poll_event() {
  if (events_.empty()) return {};
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

std::optional<TimePoint> Prover::next_timeout() const {
  if (std::exchange(next_known_, true)) return next_;
  std::optional<TimePoint> next;
  for (const auto& [door, claim] : claims_) {
    next = earlier(next, claim.asking ? claim.asking->deadline : ask_at(door, claim));
    next = earlier(next, claim.complete_by);
    const bool stands = claim.proved && claim.nobody_to_dial;
    if (!claim.successes.empty() && !stands)
      next = earlier(next, claim.successes.back().at + proof::lifetime);
  }
  return next_ = next;
}

// --- what is known -----------------------------------------------------------------------------

bool Prover::is_proved(Door door) const {
  const auto claim = claims_.find(door);
  return claim != claims_.end() && claim->second.proved;
}

bool Prover::is_proved() const {
  return std::any_of(claims_.begin(), claims_.end(), [](const auto& entry) {
    return entry.first.proto == Proto::udp && entry.second.proved;
  });
}

std::vector<Bytes> Prover::attestations(Door door) const {
  std::vector<Bytes> all;
  if (const auto claim = claims_.find(door); claim != claims_.end())
    for (const Success& success : claim->second.successes)
      all.push_back(success.attestation.exact_bytes());
  return all;
}

std::vector<KeptDial> Prover::kept(TimePoint now, WallTime wall) const {
  std::vector<KeptDial> dials;
  for (const auto& [door, claim] : claims_) {
    if (!claim.proved || claim.front != Front::nothing) continue;
    for (const Success& success : claim.successes)
      dials.push_back({success.from,
                       wall - std::chrono::floor<std::chrono::milliseconds>(now - success.at),
                       success.attestation});
  }
  return dials;
}

bool Prover::may_be_proved() const {
  return std::any_of(claims_.begin(), claims_.end(),
                     [](const auto& entry) { return entry.second.front != Front::closed; });
}

bool Prover::is_hopeless() const {
  return std::all_of(claims_.begin(), claims_.end(), [](const auto& entry) {
    const Claim& claim = entry.second;
    const bool unanswered = !claim.reached.empty() && !claim.reached.back();
    return !claim.proved && (claim.unreachable || (unanswered && claim.front != Front::nothing));
  });
}

bool Prover::needs_strangers() const {
  return may_be_proved() && !is_hopeless();
}

std::vector<NodeId> Prover::reserved(TimePoint now, std::span<const Known> known) const {
  if (!may_be_proved()) return {};
  const bool hopeless = is_hopeless();
  const std::size_t others_need = hopeless ? proof::left_for_homes : 1;
  if (known.size() <= others_need) return {};
  const std::size_t wanted = hopeless || is_proved() ? proof::reserved : proof::diallers;
  const std::size_t count = std::min(wanted, known.size() - others_need);

  // Who dialled us already is worth more as a helper now.
  const auto has_dialled = [&](const NodeId& id) {
    return !is_proved() && std::any_of(claims_.begin(), claims_.end(), [&](const auto& entry) {
      const auto& successes = entry.second.successes;
      return std::any_of(successes.begin(), successes.end(),
                         [&](const Success& success) { return success.dialler() == id; });
    });
  };
  using Rank = std::tuple<bool, std::uint64_t, NodeId>;
  std::vector<Rank> chosen;
  for (const auto& [id, at] : known) {
    if (helpers_.contains(id) || has_dialled(id)) continue;
    // If need be whoever will be a stranger again in ten minutes.
    const Rank rank{!is_stranger(now, at, Proto::udp), distance(self_, id), id};
    chosen.insert(std::lower_bound(chosen.begin(), chosen.end(), rank), rank);
    if (chosen.size() > count) chosen.pop_back();
  }
  std::vector<NodeId> ids;
  for (const Rank& rank : chosen) ids.push_back(std::get<NodeId>(rank));
  return ids;
}

std::string Prover::status(Door door) const {
  const auto known = claims_.find(door);
  if (known == claims_.end()) return "no address to prove is known yet";
  const Claim& claim = known->second;
  const std::string where = claim.endpoint.to_string();
  if (claim.proved)
    return "proved at " + where + " by " + counted(claim.successes.size(), "dialler");
  const bool unanswered = !claim.reached.empty() && !claim.reached.back();
  if (claim.unreachable || (unanswered && claim.front != Front::nothing))
    return "strangers cannot reach " + where + ": no dial was answered";
  if (claim.front == Front::closed && claim.reached.empty())
    return "strangers cannot reach " + where +
           ": the NAT in front lets in only whom it has sent to";
  if (claim.front == Front::unknown && claim.reached.empty() && !claim.asking &&
      !claim.nobody_to_dial)
    return "it is behind a NAT, and whether strangers can reach " + where + " is tried soon";
  if (claim.next_ask < strangers_from_ && claim.reached.empty() && !claim.asking)
    return "whether strangers can reach " + where +
           " is tried ten minutes after the start, when no firewall remembers any more whom the "
           "run "
           "before had sent to";
  if (claim.nobody_to_dial)
    return "nobody can dial " + where + " to prove it: " +
           (known_.size() <= 1 ? "the network has no third address yet"
                               : "everybody has been in touch with this node within 10 min");
  if (!claim.asking && !helper_for(door)) return "no supernode to ask for a proof of " + where;
  return "having " + where + " proved: " + std::to_string(claim.successes.size()) + " of " +
         counted(needed(), "dialler") + " got through";
}

std::string Prover::status() const {
  // As in the map's order where two are equally far: IPv4 first, and UDP before TCP.
  const auto rank = [](const Claim& claim) {
    return claim.proved ? 3 : claim.unreachable ? 0 : claim.nobody_to_dial ? 1 : 2;
  };
  const auto furthest = std::max_element(
      claims_.begin(), claims_.end(),
      [&](const auto& a, const auto& b) { return rank(a.second) < rank(b.second); });
  return status(furthest == claims_.end() ? Door{} : furthest->first);
}

}  // namespace byway

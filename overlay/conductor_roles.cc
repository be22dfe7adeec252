// Roles: proving that strangers can reach us, helping others to prove it, stepping up and down.
#include "overlay/conductor.h"
#include "overlay/reach/proof_limits.h"
#include "protocol/codec.h"
#include "protocol/match.h"

namespace byway {
bool Overlay::Conductor::seeks_proof() const {
  return config_.role != Role::leaf;
}

// --- over a restart ------------------------------------------------------------------------------

// What was proved of an address that is still our own, and whether we served there.
void Overlay::Conductor::start_anew(TimePoint now) {
  auto kept = KeptProof::load(crypto_, id(), config_.kept_proof);
  if (!seeks_proof() || (!kept && book_.size() == 0)) return;
  const bool served = kept && kept->served;
  prover_.on_started_anew(now, wall(now), kept ? std::move(kept->dials) : std::vector<KeptDial>{},
                          self_.local());
  if (prover_.is_proved()) step({}, "started anew, where strangers reached the run before");
  pump_roles(now);
  if (!served) return;
  promotion_.on_served_before(now);
  pump_promotion(now);
}

Bytes Overlay::Conductor::kept_proof() const {
  const bool served = is_supernode() && !config_.role;
  return KeptProof{served, prover_.kept(now_, wall(now_))}.save(crypto_);
}

// --- proofs --------------------------------------------------------------------------------------

Overlay::Conductor::Outcome Overlay::Conductor::on_dialback(TimePoint now,
                                                            const Datagram& datagram) {
  const bool by_tcp = datagram.proto == Proto::tcp;
  if (by_tcp ? on_tcp_arrival(datagram) : on_nat_arrival(now, datagram)) return used;
  const bool is_echo = classify(datagram.bytes) == PacketKind::dialback_echo;
  const bool asked_for = is_echo ? dialler_.on_echo(now, wall(now), datagram)
                                 : prover_.on_dialback(now, datagram) ||
                                       (!by_tcp && survey_.on_dialback(now, datagram));
  if (!asked_for) return Drop::unwanted_dialback;
  if (by_tcp && is_echo) connections_.close(datagram.connection);
  pump_roles(now);
  return used;
}

Overlay::Conductor::Outcome Overlay::Conductor::on_proof(TimePoint now, Peer& from,
                                                         const Route& route, ByteView body) {
  const auto message = decode_proof(body);
  if (!message) return Drop::undecodable;
  if (route.relayed()) return Drop::unexpected;
  Outcome outcome = used;
  std::visit(Match{
                 [&](const ProveRequest& request) {
                   if (is_supernode())
                     help_to_prove(now, from, route, request);
                   else
                     outcome = Drop::unexpected;
                 },
                 [&](const DialOrder& order) {
                   bool known = is_member(from.id) || homes_.is_home(from.id);
                   // Whom we keep as a stranger, to dial us, somebody else has to dial.
                   known = known && !homes_.is_reserved(order.asker) && can_dial(order);
                   if (known) prover_.on_dialling(order.asker, order.endpoint.address);
                   dialler_.on_order(now, {from.id, route.endpoint.address, known}, order);
                 },
                 [&](const DialResult& result) {
                   if (!proof_helper_.on_result(from.id, result)) outcome = Drop::unexpected;
                 },
                 [&](const ProveResult& result) {
                   if (prover_.on_result(now, wall(now), from.id, result))
                     ++proof_version_;
                   else if (!survey_.on_answer(now, from.id, result))
                     outcome = Drop::unexpected;
                 },
             },
             *message);
  pump_roles(now);
  return outcome;
}

void Overlay::Conductor::help_to_prove(TimePoint now, Peer& asker, const Route& route,
                                       const ProveRequest& request) {
  std::vector<NodeId> named;
  if (const RecordPtr record = registrar_.record_of(asker.id)) named = record->record().homes;
  const bool v6 = request.endpoint.address.is_v6();
  const auto address_in_family =
      [v6](const std::optional<Endpoint>& endpoint) -> std::optional<IpAddress> {
    if (!endpoint || endpoint->address.is_v6() != v6) return {};
    return endpoint->address;
  };
  const View& view = membership_->view();
  ProofHelper::Candidates candidates;
  candidates.supernodes = view.known();
  candidates.supernode = [&](std::size_t i) -> std::optional<ProofHelper::Candidate> {
    const View::Member& member = view.at(i);
    if (!member.admitted) return {};
    const auto address = address_in_family(supernode_endpoint(member.id()));
    if (!address) return {};
    return ProofHelper::Candidate{member.id(), *address};
  };
  candidates.leaves = registrar_.size();
  candidates.leaf = [&](std::size_t i) -> std::optional<ProofHelper::Candidate> {
    const Peer* leaf = find(registrar_.at(i));
    const Path* path = leaf ? leaf->paths.best() : nullptr;
    if (!path) return {};
    const auto address = address_in_family(path->route.endpoint);
    if (!address) return {};
    return ProofHelper::Candidate{leaf->id, *address};
  };
  IpAddress own;
  for (const Endpoint& endpoint : own_endpoints())
    if (endpoint.address.is_v6() == v6) own = endpoint.address;
  proof_helper_.on_request(now, {asker.id, route.endpoint, named}, request, own, candidates);
}

// A supernode that we are linked with sees us at this endpoint.
void Overlay::Conductor::on_seen_by(TimePoint now, const NodeId& supernode, const Endpoint& at,
                                    const Endpoint& observed) {
  if (!seeks_proof() || !observed.is_set()) return;
  prover_.on_linked(supernode, at.address);
  // Where supernodes disagree there is a NAT that nobody can dial through; the first one's word
  // is as good as another's.
  Seen& seen = seen_[observed.address.is_v6()];
  if (seen.by.is_nobody()) seen.by = supernode;
  if (seen.by == supernode) {
    seen.as = observed;
    claim_door(now, observed);
  }
  prover_.on_netgroups(now, netgroups_to_dial());
}

// In how many netgroups there is a supernode beside the one that we ask. At least one: who is no
// supernode may dial as well.
std::size_t Overlay::Conductor::netgroups_to_dial() const {
  if (is_supernode()) {
    const std::size_t ourselves = membership_->view().is_admitted(id()) ? 1 : 0;
    return std::max<std::size_t>(membership_->view().netgroups(), 2 + ourselves) - 1 - ourselves;
  }
  std::set<IpAddress> netgroups;
  for (const auto& [id, endpoint] : homes_.living())
    netgroups.insert(endpoint.address.prefix(endpoint.address.is_v4() ? config_.netgroup_bits_v4
                                                                      : config_.netgroup_bits_v6));
  return std::max<std::size_t>(netgroups.size(), 2) - 1;
}

// Before a proof is asked for: who could be drawn to dial us. In a large mesh that may be anybody.
void Overlay::Conductor::tell_prover_whom_we_know() {
  if (!is_supernode()) return prover_.on_known(supernodes_living());
  std::vector<Prover::Known> known;
  if (membership_->view().size() <= limits::proof::small_mesh)
    membership_->view().each_admitted([&](const View::Member& m) {
      if (m.id() != id()) known.push_back({m.id(), m.dossier->address()});
    });
  prover_.on_known(std::move(known));
}

std::vector<Prover::Known> Overlay::Conductor::supernodes_living() const {
  std::vector<Prover::Known> living;
  for (const auto& [id, endpoint] : homes_.living()) living.push_back({id, endpoint.address});
  return living;
}

void Overlay::Conductor::on_unseen_by(TimePoint now, const NodeId& supernode) {
  prover_.on_unlinked(now, supernode);
  nat_service_.on_lost(supernode);
  proof_helper_.on_lost(supernode);
  for (Seen& seen : seen_)
    if (seen.by == supernode) seen.by = {};
}

// --- what comes out of all of them
// -----------------------------------------------------------------

void Overlay::Conductor::pump_roles(TimePoint now) {
  const auto deliver = [&](const ProofLetter& letter) {
    if (!tell(now, letter.to, Area::proof, encode(letter.message)))
      proof_helper_.on_lost(letter.to);
  };
  if (prover_.is_ask_due(now)) tell_prover_whom_we_know();
  while (const auto ask = prover_.poll_ask(now))
    tell(now, ask->helper, Area::proof, encode(ProofMessage(ask->request)));
  while (auto echo = prover_.poll_transmit()) transmit_raw(now, std::move(*echo));
  while (auto dial = dialler_.poll_transmit(now)) dial_to_prove(now, std::move(*dial));
  while (const auto letter = proof_helper_.poll_letter()) deliver(*letter);
  while (const auto letter = dialler_.poll_letter()) deliver(*letter);
  while (const auto event = prover_.poll_event()) {
    if (const auto* proved = std::get_if<Prover::Proved>(&*event))
      on_proved(now, *proved);
    else
      on_proof_lost(now, std::get<Prover::Lost>(*event));
  }
  if (!is_supernode())
    homes_.set_reserved(prover_.may_be_proved() ? prover_.reserved(now, supernodes_living())
                                                : std::vector<NodeId>{});
  pump_promotion(now);
}

void Overlay::Conductor::on_proved(TimePoint now, const Prover::Proved& proved) {
  ++proof_version_;
  const bool by_tcp = proved.proto == Proto::tcp;
  step({}, "proved reachable at " + proved.endpoint.to_string() + (by_tcp ? " (TCP)" : "") +
               " by " + std::to_string(proved.diallers) +
               (proved.diallers == 1 ? " dialler" : " diallers"));
  const bool is_new = (by_tcp ? proved_by_tcp_ : proved_).insert(proved.endpoint).second;
  // What everybody knows already need not be signed, and told to everybody, again.
  const RecordPtr own = own_record();
  const bool told = !by_tcp && own && own->record().endpoints == own_endpoints();
  if (is_new && is_supernode() && !told) sign_own_record(now);
  if (by_tcp) return;
  promotion_.on_proved(now);
  claim_tcp_doors(now);
}

void Overlay::Conductor::on_proof_lost(TimePoint now, const Prover::Lost& lost) {
  ++proof_version_;
  step({}, "no longer proved at " + lost.endpoint.to_string() + ": " + lost.why);
  (lost.proto == Proto::tcp ? proved_by_tcp_ : proved_).erase(lost.endpoint);
  if (prover_.is_proved()) {
    // By another door: only the record changes.
    if (is_supernode()) sign_own_record(now);
  } else if (lost.proto == Proto::udp) {
    if (lost.moved)
      promotion_.on_address_changed(now);
    else
      promotion_.on_proof_lost(now);
    claim_tcp_doors(now);
  }
}

// Where our own network may be in the way, that nothing comes back would say nothing about the
// asker.
bool Overlay::Conductor::can_dial(const DialOrder& order) const {
  return order.proto == Proto::udp || (!tcp_view_.local().empty() && outlet() == Outlet::anything);
}

void Overlay::Conductor::dial_to_prove(TimePoint now, Transmit dial, TcpFrom from) {
  if (dial.proto == Proto::udp) return transmit_raw(now, std::move(dial));
  if (const TcpId id = connect_to(now, dial.to, Connections::Purpose::proof, {}, from))
    tcp_dials_.emplace(id, std::move(dial.bytes));
}

void Overlay::Conductor::pump_promotion(TimePoint now) {
  while (const auto event = promotion_.poll_event()) on_promotion(now, *event);
}

void Overlay::Conductor::on_promotion(TimePoint now, Promotion::Event event) {
  switch (event) {
    case Promotion::Event::became_reserve:
      break;
    case Promotion::Event::became_supernode:
      become_supernode(now);
      break;
    case Promotion::Event::hand_over:
      hand_over(now);
      break;
    case Promotion::Event::became_leaf:
      become_leaf(now);
      break;
  }
  ++proof_version_;
  events_.push_back(RoleChanged{role_word(), role_why(now)});
}

std::string Overlay::Conductor::role_why(TimePoint now) const {
  const bool alone = is_supernode() && membership_->view().size() <= 1 && !prover_.is_proved();
  return promotion_.why(
      now, alone ? "it is the only one, so nobody can prove its address" : prover_.status());
}

std::string Overlay::Conductor::role_word() const {
  switch (promotion_.state()) {
    case Promotion::State::leaf:
      return "leaf";
    case Promotion::State::reserve:
      return "reserve";
    case Promotion::State::supernode:
    case Promotion::State::handing_over:
      return "supernode";
  }
  return "leaf";
}

void Overlay::Conductor::become_supernode(TimePoint now) {
  if (std::exchange(serving_, true)) return;
  if (!std::exchange(ready_, true)) events_.push_back(Ready{});
  homes_.set_reserved({});
  // Who serves needs no homes: whoever looks for it finds it among the members.
  for (const NodeId& home_id : homes_.ids())
    if (Peer* home = find(home_id)) {
      send(*home, Bye{ByeReason::leaving});
      homes_.on_failed(now, home_id);
      on_vantage_lost(home_id);
      keep_for_a_while(now, *home);
    }
  serve_nat();
  join_mesh(now);
}

// Its leaves learn of other homes before this one closes.
void Overlay::Conductor::hand_over(TimePoint now) {
  if (registrar_.size() == 0) promotion_.on_leaves_gone(now);
  for (const NodeId& leaf_id : registrar_.ids())
    if (Peer* leaf = find(leaf_id)) {
      send_samples(now, *leaf);
      send(*leaf, Bye{ByeReason::leaving});
    }
}

void Overlay::Conductor::become_leaf(TimePoint now) {
  if (!std::exchange(serving_, false)) return;
  const std::vector<NodeId> leaves = registrar_.ids();
  for (const NodeId& leaf_id : leaves)
    if (Peer* leaf = find(leaf_id)) lose_leaf(now, *leaf);
  leave_mesh(now);
  stop_serving_nat();
  homes_.on_network_change(now);
}

}  // namespace byway

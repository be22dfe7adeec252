// Registration and introduction: the leaf that seeks homes and is introduced, the supernode that
// takes leaves in and introduces them.
#include <algorithm>

#include "overlay/conductor.h"
#include "protocol/record.h"

namespace byway {

// --- as a leaf -----------------------------------------------------------------------------------

void Overlay::Conductor::run_homes(TimePoint now) {
  if (is_supernode() || leaving_) return;
  do {
    ask_how_far(now);
    while (const auto target = homes_.poll_dial(now)) {
      step(target->id, "asking " + target->endpoint.to_string() + " to register us");
      dial(now, ensure_peer(target->id), Route{.endpoint = target->endpoint},
           registration(now, target->id));
    }
  } while (remember_somebody(now));
}

// Before one is dialled, several are asked how far they are. Not where UDP does not get through,
// nor while strangers are needed to dial us: whoever is asked is no stranger any more.
void Overlay::Conductor::ask_how_far(TimePoint now) {
  homes_.set_asks(!config_.visitor && !lives_by_tcp() && !prover_.needs_strangers());
  if (const auto answers = distance_probe_.poll_answers(now)) {
    std::vector<Homes::Distance> distances;
    for (const auto& [id, rtt] : *answers) distances.push_back({id, rtt});
    homes_.on_distances(now, distances, [&](const NodeId& home) { return !carries_lanes(home); });
  }
  std::vector<DistanceProbe::Whom> whom;
  for (const auto& [id, endpoint] : homes_.poll_question(now)) whom.push_back({id, endpoint});
  if (!whom.empty()) distance_probe_.ask(now, whom);
  while (auto question = distance_probe_.poll_transmit(now))
    transmit_raw(now, std::move(*question));
}

// Something of ours goes through this home.
bool Overlay::Conductor::carries_lanes(const NodeId& home) const {
  return std::any_of(lanes_.begin(), lanes_.end(),
                     [&](const auto& lane) { return lane.second.home == home; });
}

// Nobody is home, and nobody whom we know of is left to be dialled: the book may know more.
bool Overlay::Conductor::remember_somebody(TimePoint now) {
  if (book_.size() == 0 || now < ask_book_at_ || !homes_.is_starving(now)) return false;
  const bool found = ask_book(now);
  ask_book_at_ = now + (found ? limits::home_stagger : limits::rejoin);
  return found;
}

Registration Overlay::Conductor::registration(TimePoint now, const NodeId& to) {
  record_sequence_ = std::max(record_sequence_ + 1, unix_ms(wall(now)));
  Record record{.id = id(), .sequence = record_sequence_, .homes = homes_.ids(), .agent = "byway"};
  if (record.homes.size() > max_record_homes) record.homes.resize(max_record_homes);
  const auto signed_record = SignedRecord::sign(identity_, record);
  return {to_bytes(signed_record.exact_bytes()), homes_.seeking(to)};
}

void Overlay::Conductor::on_registered(TimePoint now, Peer& peer, const Route& route,
                                       const Endpoint& observed) {
  note_observed(now, peer, route, observed);
  step(peer.id, "registered; it sees us at " + observed.to_string());
}

// Our homes have changed: each of them gets the record that says so, and places it.
void Overlay::Conductor::announce_record(TimePoint now) {
  const auto homes = homes_.ids();
  if (homes.empty() || leaving_ || config_.visitor) return;
  announcement_.tell(now, registration(now, homes.front()), homes);
  pump_announcement();
}

void Overlay::Conductor::pump_announcement() {
  while (const auto telling = announcement_.poll()) {
    Peer* home = homes_.is_home(telling->home) && !leaving_ ? find(telling->home) : nullptr;
    if (!home) continue;
    if (telling->again) step(home->id, "has not said that it has our newest record: told again");
    send(*home, announcement_.registration());
  }
}

Overlay::Conductor::Outcome Overlay::Conductor::on_record_taken(const Peer& home) {
  if (!homes_.is_home(home.id)) return Drop::unexpected;
  announcement_.on_taken(home.id);
  return used;
}

void Overlay::Conductor::turned_away(TimePoint now, const NodeId& by, const Refusal& refusal) {
  homes_.on_refused(now, by, refusal);
  for (const Whereabouts& other : refusal.others)
    if (other.id != id()) homes_.add_supernode(now, other.id, other.endpoint);
}

// It had room when we asked, and has none now.
Overlay::Conductor::Outcome Overlay::Conductor::on_refusal(TimePoint now, Peer& peer,
                                                           const Refusal& refusal) {
  if (!homes_.is_home(peer.id) && !homes_.is_dialing(peer.id)) return Drop::unexpected;
  lose_home(now, peer, "it has no room after all");
  turned_away(now, peer.id, refusal);
  touch(peer);
  return used;
}

// Another of our homes is gone, as this one has heard. We ask it ourselves, and not all leaves of
// the dead at once; nobody makes us ask more than now and then.
Overlay::Conductor::Outcome Overlay::Conductor::on_home_gone(TimePoint now, const Peer& by,
                                                             const HomeGone& gone) {
  if (!homes_.is_home(by.id) || !homes_.is_home(gone.home)) return Drop::unexpected;
  Peer* home = find(gone.home);
  const Path* path = home ? home->paths.best() : nullptr;
  if (!path || now - path->last_ping < limits::home_gone_pause) return Drop::quota;
  home->paths.keep_alive_at(now, path->route, now + random_.upto(limits::home_gone_spread));
  touch(*home);
  return used;
}

// The supernode has taken our confirmation in: from now on it can introduce us.
void Overlay::Conductor::on_home_pong(TimePoint now, Peer& peer, const Route& route,
                                      const Pong& pong) {
  note_observed(now, peer, route, pong.observed);
  homes_.on_late(peer.id, false);
  const bool gained = homes_.on_registered(peer.id);
  // Not at its first word already: before the first pong it has said who else there is, and so how
  // many it takes to prove where it sees us.
  if (route.proto == Proto::udp && !route.relayed())
    on_seen_by(now, peer.id, route.endpoint, pong.observed);
  on_vantage(now, peer, route, pong.observed);
  spread_keepalives(now, peer, route);
  if (const auto move = gained ? homes_.move_to(peer.id) : std::nullopt) {
    events_.push_back(
        HomeLost{move->from, homes_.endpoint_of(move->from).value_or(Endpoint{}),
                 move->nearer ? "another is much nearer" : "it is full, and another has room"});
    dismiss_home(now, *find(move->from));
  }
  bool others_dismissed = false;
  while (homes_.sound() > limits::homes_per_leaf) {
    const NodeId last = homes_.ids()[homes_.sound() - 1];
    if (last == peer.id && gained) return dismiss_home(now, peer);
    // It was announced; others have answered again.
    events_.push_back(HomeLost{last, homes_.endpoint_of(last).value_or(Endpoint{}),
                               "there are homes enough without it"});
    dismiss_home(now, *find(last));
    others_dismissed = true;
  }
  if (!gained && others_dismissed) return announce_record(now);
  if (!gained) return;
  events_.push_back(HomeGained{peer.id, route.endpoint, pong.observed, rtt_to(peer)});
  announce_record(now);
  for (Peer& other : peers_) {
    if (!other.talk) continue;
    other.talk->call.add_home(now, peer.id);
    if (other.talk->next_call) other.talk->next_call = now;
    touch(other);
  }
}

// Several were dialled at once, and more answered than are wanted: the last to come goes again.
void Overlay::Conductor::dismiss_home(TimePoint now, Peer& peer) {
  step(peer.id, "there are homes enough without it");
  send(peer, Bye{ByeReason::leaving});
  homes_.on_surplus(now, peer.id);
  self_.forget(peer.id);
  on_unseen_by(now, peer.id);
  on_vantage_lost(peer.id);
  for (Peer& other : peers_)
    if (other.talk) other.talk->call.on_home_lost(peer.id);
  touch(peer);
}

// For how long nobody among the homes may be asked anything: so long the death of all of them goes
// unnoticed. With fewer homes than there should be each is asked more often, but a single one no
// more often than one of two: where there is no other, to know sooner is of little use.
Duration Overlay::Conductor::home_watch(Duration keepalive) const {
  const Duration turn = keepalive / static_cast<std::int64_t>(limits::homes_per_leaf);
  if (nat_probe_.report().udp.lifetime) return turn;
  if (homes_.sound() < 2) return std::min(keepalive, 2 * limits::home_watch);
  return std::min(turn, limits::home_watch);
}

// Homes take turns, so that the death of all of them is noticed by the first whose turn it is, and
// not by the last.
void Overlay::Conductor::spread_keepalives(TimePoint now, Peer& peer, const Route& route) {
  const Path* path = peer.paths.find(route);
  if (!path || !path->keepalive) return;
  const Duration watch = home_watch(*path->keepalive);
  TimePoint latest = now;
  for (const NodeId& other_id : homes_.ids()) {
    const Peer* other = other_id == peer.id ? nullptr : find(other_id);
    const Path* its_path = other ? other->paths.best() : nullptr;
    if (its_path && its_path->next_ping) latest = std::max(latest, *its_path->next_ping);
  }
  const TimePoint turn = std::min(latest + watch, now + *path->keepalive);
  peer.paths.keep_alive_at(now, route, turn - random_.upto(watch / 10));
}

void Overlay::Conductor::lose_home(TimePoint now, Peer& peer, const std::string& why) {
  if (!homes_.is_home(peer.id)) return;
  const auto endpoint = homes_.endpoint_of(peer.id).value_or(Endpoint{});
  homes_.on_failed(now, peer.id);
  remember_silence(now, peer.id);
  self_.forget(peer.id);
  on_unseen_by(now, peer.id);
  on_vantage_lost(peer.id);
  events_.push_back(HomeLost{peer.id, endpoint, why});
  for (Peer& other : peers_)
    if (other.talk) other.talk->call.on_home_lost(peer.id);
  announce_record(now);
}

Overlay::Conductor::Outcome Overlay::Conductor::on_introduction(TimePoint now, Peer& home,
                                                                const Introduction& introduction) {
  if (!homes_.is_home(home.id)) return Drop::unexpected;
  const IpAddress& caller = introduction.caller_endpoint.address;
  if (!introducer_.may_be_called(now, home.id, caller)) return Drop::quota;
  const Path* path = home.paths.best();
  if (!path || introduction.lane == 0) return Drop::unexpected;
  if (const auto known = lanes_.find(introduction.lane);
      known != lanes_.end() && known->second.home != home.id)
    return Drop::unexpected;

  Route route = path->route;
  route.lane = introduction.lane;
  return answer(now, route, introduction.handshake, &introduction, home.id);
}

Overlay::Conductor::Outcome Overlay::Conductor::on_introduce_result(TimePoint now, Peer& home,
                                                                    const IntroduceResult& result) {
  if (is_supernode() && !relay_.other_end(result.lane, home.id).is_nobody())
    return pass_on_result(now, home, result);
  Peer* peer = find(result.target);
  if (!peer || !peer->talk) return Drop::unexpected;
  auto& talk = *peer->talk;
  const auto lane = talk.asked.find(home.id);
  if (lane == talk.asked.end() || lane->second != result.lane) return Drop::unexpected;
  step(peer->id,
       home.id.short_string() +
           " was asked to introduce us: " + std::string(to_string(result.outcome)),
       StepKind::call);
  talk.call.on_result(home.id, result.outcome);
  if (result.outcome != IntroduceOutcome::passed && talk.provisional &&
      talk.provisional->lane == result.lane)
    talk.provisional.reset();
  touch(*peer);
  return used;
}

// For a leaf that we cannot take: those near its place who did not say that they are full.
std::vector<Whereabouts> Overlay::Conductor::others_with_room(const NodeId& leaf) const {
  std::vector<Whereabouts> others;
  for (const NodeId& other : membership_->nearest(leaf, limits::samples)) {
    const View::Member* known = membership_->view().find(other);
    const bool full = known->load != View::load_unknown && known->load >= max_load;
    if (other == id() || full || others.size() >= max_refusal_others) continue;
    others.push_back({other, known->dossier->record->record().endpoints.front()});
  }
  return others;
}

// --- as a supernode ------------------------------------------------------------------------------

// A leaf of ours has signed a new record: its homes may have changed.
Overlay::Conductor::Outcome Overlay::Conductor::on_new_record(TimePoint now, Peer& leaf,
                                                              const Registration& registration) {
  if (!leaf.is_leaf) return Drop::unexpected;
  if (!new_records_.take(now, leaf.id)) return Drop::quota;
  const auto record = archive_->record(registration.record);
  if (!record || (*record)->record().id != leaf.id) return Drop::undecodable;
  registrar_.admit(now, leaf.id, *record);
  keep_record(now, *record);
  introduce_those_waiting(now, leaf.id);
  look_after_leaf(now, leaf);
  send(leaf, Registered{static_cast<std::uint32_t>(limits::lease / 1s)});
  return used;
}

// Their own keepalives would tell them too, a minute later. Where they are very many some wait for
// that.
void Overlay::Conductor::warn_leaves_of(TimePoint now, const NodeId& gone) {
  if (tell_home_gone(gone) > 0 && warnings_.size() < limits::warnings_repeated)
    warnings_.push({now + limits::warned_again, gone});
}

// A warning may be lost; whoever has heard it says no more that the gone one is its home.
void Overlay::Conductor::warn_again(TimePoint now) {
  while (!warnings_.empty() && warnings_.front().at <= now) tell_home_gone(warnings_.pop().gone);
}

// To how many of our leaves.
std::size_t Overlay::Conductor::tell_home_gone(const NodeId& gone) {
  std::size_t warned = 0;
  registrar_.each_with_home(gone, [&](const NodeId& id) {
    Peer* leaf = find(id);
    if (leaf) send(*leaf, HomeGone{gone});
    return ++warned < limits::warned_at_once;
  });
  return warned;
}

// Holders take a record only from a home that it names. The one in a registration was signed before
// we were a home, so the next is waited for: it comes at once, and must not wait for this one.
void Overlay::Conductor::keep_record(TimePoint now, const RecordPtr& record) {
  const auto& homes = record->record().homes;
  if (std::find(homes.begin(), homes.end(), id()) == homes.end()) return;
  keeper_.change().keep(now, record);
  pump_directory(now);
}

void Overlay::Conductor::lose_leaf(TimePoint now, Peer& peer) {
  peer.is_leaf = false;
  keeper_.change().release(peer.id);
  registrar_.remove(peer.id);
  relay_.close_all_of(peer.id);
  step(peer.id, "is registered here no more");
  touch(peer);
  if (registrar_.size() > 0) return;
  promotion_.on_leaves_gone(now);
  pump_promotion(now);
}

// A caller that does not know our address has come through its own home, which carries the lane.
Overlay::Conductor::Outcome Overlay::Conductor::introduced_to_us(TimePoint now, Peer& home,
                                                                 const Path& from,
                                                                 const Introduce& introduce) {
  Route route = from.route;
  route.lane = introduce.lane;
  const Introduction introduction{.lane = introduce.lane,
                                  .handshake = introduce.handshake,
                                  .caller_endpoint = introduce.caller_endpoint,
                                  .caller_rtt_us = introduce.caller_rtt_us,
                                  .target_rtt_us = static_cast<std::uint32_t>(rtt_to(home) / 1us)};
  return answer(now, route, introduce.handshake, &introduction, home.id);
}

Duration Overlay::Conductor::rtt_to(const Peer& peer) const {
  const Path* path = peer.paths.best();
  if (path && path->rtt > Duration{}) return path->rtt;
  return peer.rtt_hint;
}

Overlay::Conductor::Outcome Overlay::Conductor::on_introduce(TimePoint now, Peer& sender,
                                                             const Introduce& introduce) {
  if (!is_supernode() || introduce.lane == 0) return Drop::unexpected;
  const bool from_home = !introduce.caller.is_nobody();
  if (from_home && !is_member(sender.id)) return Drop::unexpected;
  const NodeId caller = from_home ? introduce.caller : sender.id;
  IntroduceResult result{.target = introduce.target, .lane = introduce.lane};
  const auto answer_with = [&](IntroduceOutcome outcome) -> Outcome {
    result.outcome = outcome;
    send(sender, result);
    return used;
  };
  const Path* from = sender.paths.best();
  if (!from) return Drop::unexpected;
  if (from_home) keep_for_a_while(now, sender);
  if (!(from_home ? introducer_.may_forward(now, sender.id) : introducer_.may_call(now, caller)))
    return answer_with(IntroduceOutcome::quota);

  if (introduce.target == id()) return introduced_to_us(now, sender, *from, introduce);
  Peer* target = find(introduce.target);
  const Path* to = target && target->is_leaf ? target->paths.best() : nullptr;
  if (introduce.target == caller) return answer_with(IntroduceOutcome::not_here);
  if (!to) {
    if (from_home || placement_.size() < 2) return answer_with(IntroduceOutcome::not_here);
    seek(now, caller, introduce);
    return used;
  }

  if (const NodeId end = relay_.other_end(introduce.lane, sender.id);
      !end.is_nobody() && end != target->id)
    relay_.close(introduce.lane);  // it led to a home of the target's that is gone
  const auto opened = relays(now) ? relay_.open(now, introduce.lane, caller,
                                                {sender.id, from->route}, {target->id, to->route})
                                  : Relay::Opened::full;
  if (opened != Relay::Opened::yes) return answer_with(IntroduceOutcome::busy);

  const auto us = [](Duration d) { return static_cast<std::uint32_t>(d / 1us); };
  const auto caller_rtt =
      us(rtt_to(sender)) + (from_home ? std::min(introduce.caller_rtt_us, us(2s)) : 0);
  send(*target,
       Introduction{.lane = introduce.lane,
                    .handshake = introduce.handshake,
                    .caller_endpoint = from_home ? introduce.caller_endpoint : from->route.endpoint,
                    .caller_rtt_us = caller_rtt,
                    .target_rtt_us = us(rtt_to(*target))});
  ++counters_.introductions_passed;
  step(target->id, "introduced to " + caller.short_string());
  return answer_with(IntroduceOutcome::passed);
}

}  // namespace byway

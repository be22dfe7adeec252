// The directory: our leaves' records at their holders, records of others here, and look-ups for
// introductions to nodes that are registered elsewhere.
#include <algorithm>

#include "overlay/conductor.h"
#include "protocol/codec.h"
#include "protocol/match.h"

namespace byway {
Overlay::Conductor::Outcome Overlay::Conductor::on_directory(TimePoint now, Peer& from,
                                                             const Route& route, ByteView body) {
  // Supernodes ask and tell one another here, those of the view; guests may look, and no more.
  if (!is_supernode() || !is_member(from.id)) return on_guest_directory(now, from, route, body);
  const auto message = decode_directory(body);
  if (!message) return Drop::undecodable;
  on_directory_message(now, from.id, *message);
  pump_directory(now);
  return used;
}

void Overlay::Conductor::on_directory_message(TimePoint now, const NodeId& from,
                                              const DirectoryMessage& message) {
  const auto answer = [&](const DirectoryMessage& reply) {
    if (from == id())
      on_directory_message(now, from, reply);
    else
      post(now, from, Area::directory, encode(reply));
  };
  std::visit(Match{
                 [&](const Place& place) {
                   const RecordPtr home = member(from);
                   answer(store_.change().on_place(now, from, home.get(), place));
                 },
                 [&](const Placed& placed) { keeper_.change().on_placed(now, from, placed); },
                 [&](const Find& find) { answer(store_.change().on_find(now, from, find)); },
                 [&](const Found& found) { lookup_.change().on_found(now, from, found); },
                 [&](const Locate& locate) {
                   answer(Located{locate.number, registrar_.has(locate.target)});
                 },
                 [&](const Located& located) { lookup_.change().on_located(now, from, located); },
             },
             message);
}

void Overlay::Conductor::pump_directory(TimePoint now) {
  if (!directory_deadline_.may_be_due(now)) return;
  const auto deliver = [&](const NodeId& to, const DirectoryMessage& message) {
    if (to == id()) {
      on_directory_message(now, to, message);
    } else if (!post(now, to, Area::directory, encode(message))) {
      lookup_.change().on_unsent(now, message);
    }
  };
  for (;;) {
    if (const auto place = keeper_.change().poll_message(now)) {
      deliver(place->to, place->message);
    } else if (const auto question = lookup_.change().poll_message()) {
      deliver(question->to, question->message);
    } else if (const auto finding = lookup_.change().poll_finding()) {
      on_finding(now, *finding);
    } else {
      return;
    }
  }
}

// --- introductions to nodes that are registered elsewhere
// -----------------------------------------

void Overlay::Conductor::seek(TimePoint now, const NodeId& caller, const Introduce& introduce) {
  auto& waiting = waiting_[introduce.target];
  const auto same = [&](const Waiting& w) {
    return w.caller == caller && w.introduce.lane == introduce.lane;
  };
  std::erase_if(waiting, same);
  if (waiting.size() >= limits::waiting_per_target || waiting_.size() > limits::waiting_targets) {
    tell_outcome(caller, introduce, IntroduceOutcome::busy);
    if (waiting.empty()) waiting_.erase(introduce.target);
    return;
  }
  waiting.push_back({caller, introduce});
  // Asked again in the same lane: the home that it was passed on to has not helped.
  const bool in_vain = !relay_.other_end(introduce.lane, caller).is_nobody();
  lookup_.change().find(now, introduce.target, in_vain);
  pump_directory(now);
}

// Who is looked for has come to us meanwhile, and has said that we are its home.
void Overlay::Conductor::introduce_those_waiting(TimePoint now, const NodeId& leaf) {
  const auto found = waiting_.find(leaf);
  if (found == waiting_.end()) return;
  auto& waiting = found->second;
  const auto others = std::stable_partition(waiting.begin(), waiting.end(),
                                            [&](const Waiting& w) { return w.caller == id(); });
  const std::vector<Waiting> ready(others, waiting.end());
  waiting.erase(others, waiting.end());
  if (waiting.empty()) waiting_.erase(found);
  for (const Waiting& w : ready)
    if (Peer* caller = find(w.caller)) on_introduce(now, *caller, w.introduce);
}

void Overlay::Conductor::look_up(TimePoint now, const NodeId& target) {
  if (!is_supernode()) return;
  commanded_.insert(target);
  lookup_.change().find(now, target);
  pump_directory(now);
  settle(now);
}

void Overlay::Conductor::on_finding(TimePoint now, const Lookup::Finding& finding) {
  step(finding.target, "looked up: " + std::string(to_string(finding.outcome)) +
                           (finding.home.is_nobody() ? "" : " at " + finding.home.short_string()));
  if (commanded_.erase(finding.target) > 0)
    events_.push_back(LookedUp{finding.target, finding.home, to_string(finding.outcome)});
  const auto found = waiting_.find(finding.target);
  if (found == waiting_.end()) return;
  const auto waiting = std::move(found->second);
  waiting_.erase(found);
  for (const Waiting& w : waiting) {
    if (w.caller == id()) {
      on_own_finding(now, finding);
      continue;
    }
    switch (finding.outcome) {
      case Lookup::Outcome::found:
        forward(now, w.caller, w.introduce, finding.home);
        break;
      case Lookup::Outcome::busy:
        tell_outcome(w.caller, w.introduce, IntroduceOutcome::busy);
        break;
      default:
        tell_outcome(w.caller, w.introduce, IntroduceOutcome::not_here);
    }
  }
}

// We look for it ourselves: its home, if it has one, is asked as any caller asks.
void Overlay::Conductor::on_own_finding(TimePoint now, const Lookup::Finding& finding) {
  Peer* peer = find(finding.target);
  if (!peer || !peer->talk) return;
  if (finding.outcome == Lookup::Outcome::found && finding.home != id())
    peer->talk->call.start(now, {finding.home});
  else
    peer->talk->call.on_result(id(), finding.outcome == Lookup::Outcome::busy
                                         ? IntroduceOutcome::busy
                                         : IntroduceOutcome::not_here);
  touch(*peer);
}

// Home to home. The lane goes through both of us until the two have found a better way: so the
// message needs no round trip of its own, and neither end has to dial anybody first.
void Overlay::Conductor::forward(TimePoint now, const NodeId& caller_id, const Introduce& introduce,
                                 const NodeId& home) {
  Peer* caller = find(caller_id);
  const Path* from = caller ? caller->paths.best() : nullptr;
  const auto endpoint = supernode_endpoint(home);
  if (!from) return;
  if (!endpoint || home == id())
    return tell_outcome(caller_id, introduce, IntroduceOutcome::not_here);

  // A lane that led to a home that is gone turns to the one that is there.
  if (const NodeId end = relay_.other_end(introduce.lane, caller_id);
      !end.is_nobody() && end != home)
    relay_.close(introduce.lane);
  const auto opened = relays(now)
                          ? relay_.open(now, introduce.lane, caller_id, {caller_id, from->route},
                                        {home, Route{.endpoint = *endpoint}}, introduce.target)
                          : Relay::Opened::full;
  if (opened != Relay::Opened::yes)
    return tell_outcome(caller_id, introduce, IntroduceOutcome::busy);
  Introduce onward = introduce;
  onward.caller = caller_id;
  onward.caller_endpoint = from->route.endpoint;
  onward.caller_rtt_us = static_cast<std::uint32_t>(rtt_to(*caller) / 1us);
  step(introduce.target,
       "asking its home " + home.short_string() + " to introduce " + caller_id.short_string());
  post(now, home, Area::link, encode(Message(onward)));
}

void Overlay::Conductor::tell_outcome(const NodeId& caller_id, const Introduce& introduce,
                                      IntroduceOutcome outcome) {
  Peer* caller = find(caller_id);
  if (caller)
    send(*caller,
         IntroduceResult{.target = introduce.target, .lane = introduce.lane, .outcome = outcome});
}

// The home that we asked for one of our leaves has answered.
Overlay::Conductor::Outcome Overlay::Conductor::pass_on_result(TimePoint now, Peer& home,
                                                               const IntroduceResult& result) {
  const NodeId caller_id = relay_.other_end(result.lane, home.id);
  Peer* caller = caller_id.is_nobody() ? nullptr : find(caller_id);
  if (!caller || !caller->is_leaf) return Drop::unexpected;
  if (result.outcome != IntroduceOutcome::passed) relay_.close(result.lane);
  // What we remembered is wrong: the caller asks again soon, and then we look afresh.
  if (result.outcome == IntroduceOutcome::not_here) lookup_.change().find(now, result.target, true);
  send(*caller, result);
  pump_directory(now);
  return used;
}

}  // namespace byway

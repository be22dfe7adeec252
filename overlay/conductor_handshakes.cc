// Links being made: dialled, answered, confirmed, refused, renewed.
#include "overlay/conductor.h"
#include "protocol/codec.h"

namespace byway {

// --- answering ---------------------------------------------------------------------------------

Overlay::Conductor::Outcome Overlay::Conductor::on_handshake1(TimePoint now, const Route& route,
                                                              ByteView bytes) {
  if (bytes.size() > max_handshake_size) return Drop::malformed;
  if (!mac1_matches(crypto_, id(), bytes)) return Drop::bad_mac;
  const bool calm = handshake_load_.take(now);
  if (!calm && !cookies_.mac2_valid(now, route.endpoint, bytes)) {
    if (route.relayed()) return Drop::no_cookie;
    Bytes reply = cookies_.reply(now, route.endpoint, bytes);
    if (reply.empty()) return Drop::malformed;
    ++counters_.cookies_sent;
    transmit(route, std::move(reply));
    return Drop::no_cookie;
  }
  return answer_in_turn(now, route, bytes);
}

// When many come at once, a few are answered and the others wait for the next turn: what is
// relayed, and the keepalives of those who are here, go first. Put aside counts as used.
Overlay::Conductor::Outcome Overlay::Conductor::answer_in_turn(TimePoint now, const Route& route,
                                                               ByteView bytes) {
  if (route.relayed()) return answer(now, route, bytes, nullptr, {});  // its lane may be gone later
  if (handshakes_left_ > 0 && handshakes_waiting_.empty()) {
    --handshakes_left_;
    return answer(now, route, bytes, nullptr, {});
  }
  if (handshakes_waiting_.size() >= limits::handshakes_waiting) return Drop::handshake_queue;
  handshakes_waiting_.push_back({route, to_bytes(bytes)});
  return used;
}

void Overlay::Conductor::answer_waiting(TimePoint now) {
  for (int left = limits::handshakes_in_a_turn; left > 0 && !handshakes_waiting_.empty(); --left) {
    const WaitingHandshake next = std::move(handshakes_waiting_.front());
    handshakes_waiting_.pop_front();
    const Outcome outcome = answer(now, next.route, next.bytes, nullptr, {});
    if (!outcome) continue;
    --counters_.datagrams_used;
    counters_.drop(*outcome);
  }
}

Overlay::Conductor::Outcome Overlay::Conductor::answer(TimePoint now, const Route& route,
                                                       ByteView bytes,
                                                       const Introduction* introduction,
                                                       const NodeId& home) {
  const auto responder = Responder::open(crypto_, identity_, bytes);
  if (!responder) return Drop::bad_handshake;
  const auto hello = decode_hello(responder->payload());
  if (!hello) return Drop::undecodable;
  if (hello->id == id() || !initiator_matches(crypto_, hello->id, responder->initiator_x25519()))
    return Drop::bad_handshake;
  // Who registers is held to the signature on its record, which asks less of its key and is to be
  // verified anyway; the others to the whole test.
  if (!std::holds_alternative<Registration>(hello->wish) &&
      !crypto_.is_canonical_point(hello->id.key()))
    return Drop::bad_handshake;

  Welcome welcome{.observed = route.endpoint, .boot = boot_, .wall = wall(now), .answer = Greet{}};
  // Until its sender has proved its address, nothing longer than the question goes back.
  const auto fits = [&](const Bytes& payload) {
    return route.relayed() || payload.size() <= responder->payload_room();
  };
  const auto refuse = [&](Refusal refusal) -> Outcome {
    welcome.answer = refusal;
    Bytes payload = encode(welcome);
    while (!fits(payload) && !refusal.others.empty()) {
      refusal.others.pop_back();
      welcome.answer = refusal;
      payload = encode(welcome);
    }
    if (!fits(payload)) return Drop::oversize_answer;
    transmit(route, responder->respond(payload, random_.u32(), random_).datagram);
    return used;
  };

  if (hello->version != protocol_version) return refuse({RefusalReason::version, 0});
  switch (stamps_.judge(wall(now), hello->id, hello->wall)) {
    case Stamps::Verdict::fresh:
      break;
    case Stamps::Verdict::stale:
      return refuse({RefusalReason::stale, 0});
    case Stamps::Verdict::repeated: {
      Peer* peer = find(hello->id);
      if (!peer || !peer->pending || peer->pending->stamp != hello->wall)
        return Drop::stale_handshake;
      // The answer was lost, or the question also came another way: the same answer again. But the
      // stamp alone is repeated: this question may be shorter, and come from elsewhere.
      if (!route.relayed() && peer->pending->reply.size() > bytes.size())
        return Drop::oversize_answer;
      if (introduction) remember_lane(*peer, route, home);
      transmit(route, peer->pending->reply);
      return used;
    }
  }

  if (const auto* wish = std::get_if<Registration>(&hello->wish)) {
    if (!is_supernode()) return refuse({RefusalReason::not_supernode, 0});
    const auto verdict = registrar_.judge(hello->id, *wish);
    if (const auto* refusal = std::get_if<Refusal>(&verdict)) {
      Refusal busy = *refusal;
      busy.others = others_with_room(hello->id);
      return refuse(std::move(busy));
    }
    welcome.answer = std::get<Registered>(verdict);
  }
  const auto* wants_to_talk = std::get_if<Talk>(&hello->wish);
  if (wants_to_talk) {
    const Peer* known = find(hello->id);
    if (!(known && known->talk) && talks_ >= limits::conversations)
      return refuse({RefusalReason::busy, 60});
    welcome.answer = our_talk(known);
  }

  Bytes payload = encode(welcome);
  while (wants_to_talk && !fits(payload)) {
    auto& candidates = std::get<Talk>(welcome.answer).candidates;
    if (candidates.empty()) break;
    candidates.pop_back();
    payload = encode(welcome);
  }
  if (!fits(payload)) return Drop::oversize_answer;

  stamps_.accept(wall(now), hello->id, hello->wall);
  Peer& peer = ensure_peer(hello->id);
  touch(peer);
  auto index = indices_.allocate(peer, random_);
  auto reply = responder->respond(payload, index.value(), random_);
  peer.link.on_answered(now, std::move(index), reply.keys);
  ++counters_.handshakes_answered;
  learn_boot(now, peer, hello->boot);
  transmit(route, reply.datagram);

  const bool first = !peer.pending;
  peer.pending =
      std::make_unique<Peer::Pending>(Peer::Pending{.wish = hello->wish,
                                                    .route = route,
                                                    .stamp = hello->wall,
                                                    .reply = std::move(reply.datagram),
                                                    .expires = now + limits::unconfirmed_lifetime});
  if (first) {
    unconfirmed_.push_back(peer.id);
    if (unconfirmed_.size() > limits::unconfirmed_links) {
      if (Peer* oldest = find(unconfirmed_.front()); oldest && oldest->pending) {
        oldest->pending->expires = now;
        touch(*oldest);
        ++counters_.handshakes_evicted;
      }
      unconfirmed_.pop_front();
    }
  }
  if (wants_to_talk) on_asked_to_talk(now, peer, route, *wants_to_talk, introduction, home);
  return used;
}

// The first sealed packet of a session that we answered: its initiator holds the key it claimed,
// and read our answer where we sent it.
void Overlay::Conductor::on_confirmed(TimePoint now, Peer& peer, const Route& route) {
  if (!peer.pending) return;
  const auto pending = std::move(peer.pending);
  std::erase(unconfirmed_, peer.id);
  if (const auto* wish = std::get_if<Registration>(&pending->wish))
    take_in(now, peer, *wish, pending->route);
  if (std::holds_alternative<Greet>(pending->wish)) {
    keep_for_a_while(now, peer);
    if (std::exchange(peer.is_guest, true)) std::erase(greeted_, peer.id);
    greeted_.push_back(peer.id);
    if (greeted_.size() > limits::guests_kept) {
      Peer& oldest = *find(greeted_.front());
      greeted_.pop_front();
      oldest.is_guest = false;
      oldest.wanted_until.reset();
      touch(oldest);
    }
  }
  if (peer.talk) on_connected(now, peer);
  if (route == pending->route) {
    peer.paths.prove(now, route, traits_of(peer, route), peer.link.handshake_rtt());
    on_path_proved(now, peer, route);
  }
  if (peer.is_leaf) look_after_leaf(now, peer);
}

// Many may have asked while there was room: it is now that the places are given.
void Overlay::Conductor::take_in(TimePoint now, Peer& peer, const Registration& wish,
                                 const Route& route) {
  const auto record = archive_->record(wish.record);
  if (!record || (*record)->record().id != peer.id) return;
  const auto verdict = registrar_.judge(peer.id, wish);
  if (const auto* refusal = std::get_if<Refusal>(&verdict)) {
    Refusal busy = *refusal;
    busy.others = others_with_room(peer.id);
    send(peer, route, busy);
    return;
  }
  registrar_.admit(now, peer.id, *record);
  peer.is_leaf = true;
  membership_.change().on_leaf_record(now, *record);
  pump_mesh(now);
  keep_record(now, *record);
  step(peer.id, "registered here from " + route.endpoint.to_string());
}

// --- dialling ----------------------------------------------------------------------------------

bool Overlay::Conductor::dial(TimePoint now, Peer& peer, std::optional<Route> route,
                              std::variant<Greet, Registration, Talk> wish) {
  // Stamps only grow. Those by another's clock are counted apart: one node with a wrong clock, or
  // a false one, must not spoil our stamps for everybody else.
  Peer::Dial& dial = peer.dial();
  WallTime& last = dial.clock_offset ? dial.last_stamp : last_stamp_;
  const auto offset = dial.clock_offset.value_or(std::chrono::milliseconds{0});
  last = std::max(wall(now) + offset, last + std::chrono::milliseconds{1});
  const Hello hello{.id = id(), .boot = boot_, .wall = last, .wish = std::move(wish)};

  auto datagram = peer.link.dial(now, indices_.allocate(peer, random_),
                                 encode(hello, limits::hello_size), random_);
  touch(peer);
  if (!datagram) return false;
  dial.route = route;
  dial.at = now;
  dial.by_tcp = 0;
  if (route) transmit(*route, std::move(*datagram));
  return true;
}

void Overlay::Conductor::redial(TimePoint now, Peer& peer) {
  peer.link.postpone_rekey(now + limits::rekey_retry);
  const Path* path = peer.paths.best();
  if (!path) return;
  const Route route = path->route;
  if (homes_.is_home(peer.id))
    dial(now, peer, route, registration(now, peer.id));
  else if (peer.talk)
    dial(now, peer, route, our_talk(&peer));
  else
    dial(now, peer, route, Greet{});
}

void Overlay::Conductor::pump_handshake(TimePoint now, Peer& peer) {
  peer.link.on_timeout(now);
  dial_by_tcp(now, peer);
  while (auto datagram = peer.link.poll_resend(now))
    if (peer.dialled().route) transmit(*peer.dialled().route, std::move(*datagram));
  if (peer.link.dial_failed(now)) {
    peer.link.give_up_dial();
    if (peer.dialled().route) on_dial_failed(now, peer, "it did not answer");
  }
  if (peer.link.wants_rekey(now)) redial(now, peer);
  if (peer.pending && now >= peer.pending->expires) {
    peer.pending.reset();
    if (peer.talk && !peer.talk->connected && !peer.talk->called) end_talk(now, peer, "");
  }
}

void Overlay::Conductor::on_dial_failed(TimePoint now, Peer& peer, const std::string& why) {
  const auto route = std::exchange(peer.dial().route, std::nullopt);
  on_mesh_dial_failed(now, peer);
  if (route && !route->relayed()) remember_silence(now, peer.id);
  survey_.on_unreachable(now, peer.id, why);
  if (homes_.is_dialing(peer.id) && route && route->proto == Proto::udp)
    nat_probe_.on_unanswered(route->endpoint);
  if (homes_.is_dialing(peer.id) && homes_.on_failed(now, peer.id) && route)
    events_.push_back(HomeUnreachable{route->endpoint, why});
  if (!peer.talk) return;
  if (!peer.talk->connected) return end_talk(now, peer, why);
  peer.talk->next_call = now + random_.jittered(limits::call_retry_last);
}

Overlay::Conductor::Outcome Overlay::Conductor::on_handshake2(TimePoint now, const Route& route,
                                                              ByteView bytes) {
  const auto index = receiver_index(bytes);
  if (!index) return Drop::malformed;
  Peer* peer = indices_.owner(*index);
  if (!peer || !peer->link.dial_awaits(*index)) return Drop::unwanted_handshake;
  if (route.relayed() && lanes_.at(route.lane).peer != peer->id) return Drop::unknown_lane;
  const auto payload = peer->link.on_handshake2(now, bytes);
  if (!payload) return Drop::bad_handshake;
  touch(*peer);
  const auto dialled = std::exchange(peer->dial().route, std::nullopt);
  const auto welcome = decode_welcome(*payload);
  if (!welcome) {
    peer->link.discard_refused();
    return Drop::undecodable;
  }
  learn_boot(now, *peer, welcome->boot);

  if (const auto* refusal = std::get_if<Refusal>(&welcome->answer)) {
    peer->link.discard_refused();
    peer->dial().route = dialled;
    on_refused(now, *peer, *refusal, welcome->wall);
    return used;
  }
  // An answer that came back on the way that the question went proves that it works both ways.
  // From elsewhere it may have been brought by anybody.
  if (dialled ? *dialled == route || was_dialled_by(*peer, route) : route.relayed()) {
    // Before a connection stood the question may have gone out by UDP: no round trip is known.
    const auto rtt = route.proto == Proto::udp ? peer->link.handshake_rtt() : std::nullopt;
    peer->paths.prove(now, route, traits_of(*peer, route), rtt);
    on_path_proved(now, *peer, route);
    if (book_.knows(peer->id) || supernode_endpoint(peer->id) == route.endpoint)
      remember_answer(now, peer->id, route.endpoint);
  } else {
    peer->paths.add(now, route, traits_of(*peer, route));
  }
  if (const auto ping = peer->paths.ping(now, route)) send(*peer, route, *ping);  // confirms

  if (is_supernode()) {
    if (std::exchange(peer->examining, false))
      membership_.change().on_examined(now, peer->id, true);
    on_alive(now, *peer);
    if (route.proto == Proto::udp) on_seen_by(now, peer->id, route.endpoint, welcome->observed);
  }
  flush_outbox(now, *peer);
  survey_.on_linked(now, peer->id, welcome->observed, peer->link.handshake_rtt());
  if (std::holds_alternative<Registered>(welcome->answer))
    on_registered(now, *peer, route, welcome->observed);
  if (const auto* talk = std::get_if<Talk>(&welcome->answer))
    on_welcome_to_talk(now, *peer, route, *talk);
  return used;
}

void Overlay::Conductor::on_refused(TimePoint now, Peer& peer, const Refusal& refusal,
                                    WallTime its_time) {
  const auto route = peer.dialled().route;
  if (refusal.reason == RefusalReason::stale && !peer.dialled().clock_offset) {
    // Our clocks differ: once more by its own.
    const auto offset = its_time - wall(now) + std::chrono::milliseconds{1};
    peer.dial().clock_offset = offset;
    step(peer.id, "its clock differs from ours by " + std::to_string(offset.count()) +
                      " ms; trying by its clock");
    if (homes_.is_dialing(peer.id))
      dial(now, peer, route, registration(now, peer.id));
    else if (peer.talk)
      call(now, peer);
    else if (survey_.awaits(peer.id))
      dial(now, peer, route, Greet{});
    return;
  }
  const std::string why = "it refused: " + std::string(to_string(refusal.reason));
  answered_at_ = now;
  if (refusal.reason == RefusalReason::not_supernode) remember_silence(now, peer.id);
  survey_.on_unreachable(now, peer.id, why);
  if (homes_.is_dialing(peer.id)) {
    turned_away(now, peer.id, refusal);
    if (route) events_.push_back(HomeUnreachable{route->endpoint, why});
  }
  if (peer.talk && !peer.talk->connected) end_talk(now, peer, why);
}

Overlay::Conductor::Outcome Overlay::Conductor::on_cookie(TimePoint now, const Route& route,
                                                          ByteView bytes) {
  const auto index = receiver_index(bytes);
  if (!index) return Drop::malformed;
  Peer* peer = indices_.owner(*index);
  if (!peer || !peer->link.dial_awaits(*index)) return Drop::unwanted_handshake;
  auto again = peer->link.on_cookie(now, bytes);
  if (!again) return Drop::bad_handshake;
  transmit(peer->dialled().route.value_or(route), std::move(*again));
  return used;
}

// A peer that was started anew has forgotten its sessions; ours with it lead nowhere.
void Overlay::Conductor::learn_boot(TimePoint now, Peer& peer, std::uint64_t boot) {
  const bool restarted = peer.boot != 0 && peer.boot != boot;
  peer.boot = boot;
  if (restarted) drop_open_sessions(now, peer, now);
}

}  // namespace byway

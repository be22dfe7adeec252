// Punching where a NAT picks another port for every destination: own NAT and the peer's told to one
// another, witnesses for both, sockets opened and closed (overlay/link/hard_punch.h).
#include <algorithm>

#include "overlay/conductor.h"
#include "overlay/link/candidates.h"
#include "overlay/link/hard_limits.h"
#include "protocol/codec.h"
#include "protocol/match.h"
#include "protocol/punch_message.h"

namespace byway {
namespace {

constexpr int birthdays_tried_again = 2;
constexpr Duration begun_again = 1s;  // not sooner: each time costs a measurement

bool depends_on_destination(const NatSummary& nat) {
  return nat.mapping == Behaviour::address_dependent ||
         nat.mapping == Behaviour::address_port_dependent;
}

}  // namespace

// --- beginning ---------------------------------------------------------------------------------

// How our NAT looks, where supernodes have told enough of it; IPv4 only, for IPv6 needs no NAT.
std::optional<HardPunch::Self> Overlay::Conductor::hard_self() const {
  const NatSummary nat = nat_summary();
  const bool easy =
      nat.mapping == Behaviour::none || nat.mapping == Behaviour::endpoint_independent;
  if (is_supernode() || (!easy && !depends_on_destination(nat))) return {};
  HardPunch::Self self{.hard = !easy, .seen = {}, .supernodes = {}, .homes = homes_.ids()};
  for (const NodeId& home_id : self.homes) {
    const auto endpoint = homes_.endpoint_of(home_id);
    const Endpoint seen = self_.observed_by(home_id);
    if (!endpoint || !endpoint->address.is_v4() || !seen.is_set() || !seen.address.is_v4())
      continue;
    if (!self.seen.is_set()) self.seen = seen;
    const auto same = [&](const Endpoint& other) { return other.address == endpoint->address; };
    if (std::none_of(self.supernodes.begin(), self.supernodes.end(), same) &&
        self.supernodes.size() < limits::hard::sample_supernodes)
      self.supernodes.push_back(*endpoint);
  }
  if (self.supernodes.size() < limits::hard::sample_supernodes) return {};
  return self;
}

// `asked`: the peer has begun, so it has a reason to.
void Overlay::Conductor::begin_hard(TimePoint now, Peer& peer, std::uint16_t round, bool asked) {
  Conversation& talk = *peer.talk;
  if (!talk.connected || leaving_ || peer.paths.best_of(PathKind::direct_udp)) return;
  // Measuring would only use up the ports that a NAT counts, which TCP has foreseen.
  if (lives_by_tcp() || talk.nat.mapping == Behaviour::blocked) return;
  auto self = hard_self();
  const bool hard = self && (self->hard || depends_on_destination(talk.nat));
  // Where neither is hard the knocks of the first round should have been enough.
  if (!self || !(hard || asked || round > 0)) return;
  self->fresh = !self->hard && (talk.hard || !hard);
  self->anew = !hard;
  if (talk.hard) {
    const bool underway = talk.hard->state() == HardPunch::State::acting && !asked;
    if (underway || now < talk.hard_begun + begun_again) return;
  }
  if (hard_active_.size() >= limits::hard::at_once && !hard_active_.contains(peer.id)) return;

  if (!talk.hard) talk.hard = std::make_unique<HardPunch>(random_.fork());
  talk.hard_begun = now;
  hard_active_.insert(peer.id);
  const bool still =
      own_ports_ && now < own_ports_->until && own_ports_->seen == self->seen.address;
  const Path* relay = peer.paths.best_of(PathKind::relay);
  const Duration rtt = relay && relay->rtt > Duration{}
                           ? relay->rtt
                           : peer.link.handshake_rtt().value_or(Duration{});
  talk.hard->start(now, round, *self, rtt, still ? std::optional(own_ports_->known) : std::nullopt);
  step(peer.id,
       self->hard ? "our NAT picks another port for every destination: looking which"
       : hard     ? "the peer's NAT picks another port for every destination"
                  : "knocking from another socket, which no router can have taken anything from",
       StepKind::ports);
  touch(peer);
}

// --- messages ----------------------------------------------------------------------------------

Overlay::Conductor::Outcome Overlay::Conductor::on_punch(TimePoint now, Peer& from, ByteView body) {
  const auto message = decode_punch(body);
  if (!message) return Drop::undecodable;
  return std::visit(
      Match{
          [&](const PunchPlan& plan) { return on_punch_plan(now, from, plan); },
          [&](const PunchPorts& ports) -> Outcome {
            if (!from.talk || !from.talk->hard) return Drop::unexpected;
            from.talk->hard->on_ports(now, ports);
            touch(from);
            return used;
          },
          [&](const Witness& witness) { return on_witness(now, from, witness); },
          [&](const Testimony& testimony) { return on_testimony(now, from, testimony); },
      },
      *message);
}

Overlay::Conductor::Outcome Overlay::Conductor::on_punch_plan(TimePoint now, Peer& peer,
                                                              const PunchPlan& plan) {
  if (!peer.talk || !peer.talk->connected) return Drop::unexpected;
  Conversation& talk = *peer.talk;
  // What is aimed at goes through the same gate as every other candidate.
  if (knockable({{plan.endpoint, Proto::udp, How::predicted}}, self_.local()).empty() ||
      is_inner(plan.endpoint.address))
    return Drop::unexpected;
  if (!talk.hard || plan.round > talk.hard->round()) begin_hard(now, peer, plan.round, true);
  if (!talk.hard) return used;
  const bool first = !talk.hard->theirs();
  talk.hard->on_plan(now, plan);
  if (first && talk.hard->theirs()) {
    step(peer.id,
         "its NAT is " + std::string(to_string(plan.kind)) + ", at " + plan.endpoint.to_string(),
         StepKind::ports);
    seek_witnesses(now, peer, plan);
  }
  count_witnesses(peer);
  touch(peer);
  return used;
}

// --- witnesses ---------------------------------------------------------------------------------

// Where the peer has other homes than we have, ours pass their word on to those.
void Overlay::Conductor::seek_witnesses(TimePoint now, const Peer& peer, const PunchPlan& plan) {
  std::vector<NodeId> apart, theirs = plan.homes;
  for (const NodeId& home : homes_.ids()) {
    const auto common = std::find(theirs.begin(), theirs.end(), home);
    if (common != theirs.end())
      theirs.erase(common);
    else
      apart.push_back(home);
  }
  for (std::size_t i = 0; i < std::min(apart.size(), theirs.size()); ++i)
    tell(now, apart[i], Area::punch, encode(PunchMessage(Witness{peer.id, theirs[i]})));
}

void Overlay::Conductor::count_witnesses(Peer& peer) {
  Conversation& talk = *peer.talk;
  if (!talk.hard) return;
  const auto address = talk.hard->address();
  const auto agree = std::count_if(
      talk.witnesses.begin(), talk.witnesses.end(),
      [&](const auto& entry) { return homes_.is_home(entry.first) && entry.second == address; });
  talk.hard->set_witnessed(static_cast<std::size_t>(agree) >= limits::hard::witnesses);
}

// As a home: this leaf wants another node told where we see it.
Overlay::Conductor::Outcome Overlay::Conductor::on_witness(TimePoint now, Peer& leaf,
                                                           const Witness& witness) {
  const Path* path = leaf.is_leaf ? leaf.paths.best() : nullptr;
  if (!is_supernode() || !path) return Drop::unexpected;
  if (!testimony_rate_.take(now, leaf.id)) return Drop::quota;
  const Testimony testimony{leaf.id, witness.to, path->route.endpoint.address};
  Peer* target = find(witness.to);
  const Path* way = target && target->is_leaf ? target->paths.best() : nullptr;
  if (way)
    send_body(*target, way->route, Area::punch, encode(PunchMessage(testimony)));
  else if (!witness.home.is_nobody() && witness.home != id() && member(witness.home))
    post(now, witness.home, Area::punch, encode(PunchMessage(testimony)));
  return used;
}

// As a home: another supernode sees its leaf there. As a leaf: our home says so.
Overlay::Conductor::Outcome Overlay::Conductor::on_testimony(TimePoint now, Peer& from,
                                                             const Testimony& testimony) {
  if (is_supernode()) {
    if (!member(from.id)) return Drop::unexpected;
    if (!introducer_.may_forward(now, from.id)) return Drop::quota;
    Peer* target = find(testimony.to);
    const Path* way = target && target->is_leaf ? target->paths.best() : nullptr;
    if (!way) return Drop::unexpected;
    send_body(*target, way->route, Area::punch, encode(PunchMessage(testimony)));
    return used;
  }
  Peer* subject = find(testimony.subject);
  if (!homes_.is_home(from.id) || testimony.to != id() || !subject || !subject->talk)
    return Drop::unexpected;
  auto& witnesses = subject->talk->witnesses;
  std::erase_if(witnesses, [&](const auto& entry) { return !homes_.is_home(entry.first); });
  witnesses[from.id] = testimony.address;
  count_witnesses(*subject);
  touch(*subject);
  return used;
}

// --- facts from elsewhere ----------------------------------------------------------------------

Overlay::Conductor::Outcome Overlay::Conductor::on_stun_answer(TimePoint now,
                                                               const Datagram& datagram) {
  if (datagram.proto == Proto::udp &&
      distance_probe_.on_stun(now, datagram.socket, datagram.from, datagram.bytes))
    return used;
  for (const NodeId& id : hard_active_) {
    Peer* peer = find(id);
    if (!peer || !peer->talk || !peer->talk->hard) continue;
    if (!peer->talk->hard->on_stun(now, datagram.socket, datagram.from, datagram.bytes)) continue;
    touch(*peer);
    return used;
  }
  return Drop::unexpected;
}

// An answer to one of many tries. Paths does not know them all.
bool Overlay::Conductor::on_hard_pong(TimePoint now, Peer& peer, const Route& route,
                                      const Pong& pong) {
  if (route.relayed() || route.proto != Proto::udp || !peer.talk || !peer.talk->hard) return false;
  const auto answer = peer.talk->hard->on_pong(now, route.socket, route.endpoint, pong.nonce);
  if (!answer) return false;
  const Path* known = peer.paths.find(route);
  if (known && known->proved) return false;
  peer.paths.prove(now, route, traits_of(peer, route), answer->rtt);
  return true;
}

bool Overlay::Conductor::hard_tried(const Peer& peer, const Route& route) const {
  return !route.relayed() && route.proto == Proto::udp && peer.talk && peer.talk->hard &&
         peer.talk->hard->tried(route.socket, route.endpoint);
}

// --- doing -------------------------------------------------------------------------------------

void Overlay::Conductor::pump_hard(TimePoint now, Peer& peer) {
  Conversation& talk = *peer.talk;
  if (!talk.hard) return;
  HardPunch& hard = *talk.hard;
  hard.on_timeout(now);
  for (;;) {
    if (const std::size_t count = hard.wanted(now); count > 0) {
      hard.on_sockets(now, open_sockets(peer, count));
    } else if (const auto wish = hard.poll(now)) {
      carry_out(now, peer, *wish);
    } else if (hard.wants_to_act(now)) {
      act_hard(now, peer);
    } else {
      break;
    }
  }
  if (const auto learnt = hard.learnt(); learnt && hard.ours())
    own_ports_ = OwnPorts{*learnt, hard.ours()->endpoint.address,
                          talk.hard_begun + limits::hard::forecast_kept};
  if (hard.busy() || hard_active_.erase(peer.id) == 0) return;
  on_hard_end(now, peer);
}

// One birthday at a time: 256 sockets, or 500 probes a second, are enough for one router.
void Overlay::Conductor::act_hard(TimePoint now, Peer& peer) {
  HardPunch& hard = *peer.talk->hard;
  if (hard.is_birthday()) {
    if (now < next_birthday_) return hard.give_up(now, HardPunch::End::busy);
    next_birthday_ = now + limits::hard::birthday_pause;
    ++peer.talk->birthdays;
  }
  step(peer.id,
       hard.is_birthday() ? "many sockets meet many ports (birthday)"
       : hard.is_anew()   ? "both knock from other sockets"
                          : "trying the ports that are foreseen",
       StepKind::ports);
  hard.act(now);
}

void Overlay::Conductor::on_hard_end(TimePoint now, Peer& peer) {
  Conversation& talk = *peer.talk;
  if (talk.hard->state() != HardPunch::State::failed) return;
  step(peer.id, why_not_direct(peer), StepKind::not_found);
  if (!talk.called || talk.hard->end() == HardPunch::End::hopeless) return;
  if (talk.hard->end() == HardPunch::End::busy || talk.hard->is_birthday()) {
    const bool again =
        talk.hard->end() == HardPunch::End::busy || talk.birthdays <= birthdays_tried_again;
    if (again) talk.next_round = std::max(now, next_birthday_) + limits::hard::grace;
    return;
  }
  if (talk.hard_failed >= limits::hard::tried_again.size()) return;
  const TimePoint due = now + random_.jittered(limits::hard::tried_again[talk.hard_failed++]);
  talk.next_round = std::min(talk.next_round.value_or(due), due);
}

void Overlay::Conductor::carry_out(TimePoint now, Peer& peer, const HardPunch::Wish& wish) {
  const auto say = [&](const PunchMessage& message) {
    if (const Path* path = peer.paths.best())
      send_body(peer, path->route, Area::punch, encode(message));
  };
  std::visit(Match{
                 [&](const HardPunch::AskWitnesses&) {
                   for (const NodeId& home : homes_.ids())
                     tell(now, home, Area::punch, encode(PunchMessage(Witness{peer.id, {}})));
                 },
                 [&](const PunchPlan& plan) { say(plan); },
                 [&](const PunchPorts& ports) { say(ports); },
                 [&](const PortSampler::Question& question) {
                   transmit_raw(now, {.to = question.to,
                                      .bytes = stun_binding_request(question.transaction),
                                      .socket = question.socket,
                                      .ttl = question.hops});
                 },
                 [&](const HardPunch::Send& knock) {
                   Bytes plaintext{static_cast<std::uint8_t>(Area::link)};
                   append(plaintext, encode(Message(Ping{.nonce = knock.nonce,
                                                         .rtt_us = 0,
                                                         .padding = limits::ping_padding})));
                   auto sealed = peer.link.seal(plaintext);
                   if (!sealed) return;
                   ++counters_.knocks_sent;
                   transmit_raw(now, {.to = knock.to,
                                      .bytes = std::move(*sealed),
                                      .socket = knock.socket,
                                      .ttl = knock.hops});
                 },
             },
             wish);
}

// --- sockets -----------------------------------------------------------------------------------

std::vector<SocketId> Overlay::Conductor::open_sockets(Peer& peer, std::size_t count) {
  std::vector<SocketId> opened;
  while (opened.size() < count) {
    const auto socket = sockets_.open(SocketUse::punch);
    if (!socket) break;
    opened.push_back(*socket);
    peer.spare.push_back(*socket);
  }
  return opened;
}

// Those that neither a try nor a path needs.
void Overlay::Conductor::close_unused(Peer& peer) {
  const HardPunch* hard = peer.talk ? peer.talk->hard.get() : nullptr;
  std::erase_if(peer.spare, [&](SocketId socket) {
    if (hard && hard->used(socket)) return false;
    const auto& paths = peer.paths.all();
    if (std::any_of(paths.begin(), paths.end(),
                    [&](const Path& path) { return path.route.socket == socket; }))
      return false;
    sockets_.close(socket);
    return true;
  });
}

}  // namespace byway

// Among supernodes: who is a member, and links made when there is something to say.
#include <algorithm>

#include "overlay/conductor.h"
#include "protocol/codec.h"
#include "protocol/match.h"

namespace byway {
namespace {

constexpr std::size_t sponsors = 4;
constexpr std::size_t samples_size = 1000;  // of the records in one datagram

bool is_tcp443(const Endpoint& endpoint) {
  return endpoint.port == 443;
}
bool is_ipv6(const Endpoint& endpoint) {
  return endpoint.address.is_v6();
}

}  // namespace

// --- links on demand -----------------------------------------------------------------------------

// Says this to a supernode. Where there is no link yet it is dialled, and what is to be said waits.
bool Overlay::Conductor::post(TimePoint now, const NodeId& to, Area area, ByteView body) {
  Peer* known = find(to);
  if (known && known->link.confirmed())
    if (const Path* path = known->paths.best()) {
      const Route route = path->route;
      const bool asked = path->unanswered_since.has_value();
      keep_for_a_while(now, *known);
      if (!send_body(*known, route, area, body)) return false;
      // Who speaks with us is there. To others a ping goes along: who was started anew has
      // forgotten us, and would never say so.
      if (!asked && now - known->heard_at >= limits::mesh_link_silence) {
        if (const auto ping = known->paths.ping(now, route)) send(*known, route, *ping);
        touch(*known);
      }
      return true;
    }
  const auto endpoint = supernode_endpoint(to);
  if (!endpoint || leaving_) return false;
  Peer& peer = known ? *known : ensure_peer(to);
  if (peer.dialled().outbox.size() >= limits::outbox) return false;
  keep_for_a_while(now, peer);
  peer.dial().outbox.push_back({area, to_bytes(body)});
  if (!peer.link.dialing()) dial(now, peer, Route{.endpoint = *endpoint}, Greet{});
  return true;
}

// To whom there is a link, or to a supernode.
bool Overlay::Conductor::tell(TimePoint now, const NodeId& to, Area area, ByteView body) {
  Peer* peer = find(to);
  const Path* path = peer && peer->link.confirmed() ? peer->paths.best() : nullptr;
  return path ? send_body(*peer, path->route, area, body) : post(now, to, area, body);
}

void Overlay::Conductor::keep_for_a_while(TimePoint now, Peer& peer) {
  // Not moved with every message: a timer that moves costs more than the message.
  if (peer.wanted_until && *peer.wanted_until >= now + limits::mesh_link_idle * 9 / 10) return;
  peer.wanted_until = now + limits::mesh_link_idle;
  touch(peer);
}

void Overlay::Conductor::flush_outbox(TimePoint now, Peer& peer) {
  for (const auto& letter : std::exchange(peer.dial().outbox, {}))
    post(now, peer.id, letter.area, letter.body);
}

std::optional<Endpoint> Overlay::Conductor::supernode_endpoint(const NodeId& supernode) const {
  if (const RecordPtr record = membership_->record_of(supernode);
      record && !record->record().endpoints.empty()) {
    const auto& endpoints = record->record().endpoints;
    for (const Endpoint& endpoint : endpoints)
      if (self_.has_family(endpoint.address.is_v6())) return endpoint;
    return endpoints.front();
  }
  return homes_.endpoint_of(supernode);
}

// --- membership ----------------------------------------------------------------------------------

RecordPtr Overlay::Conductor::member(const NodeId& supernode) const {
  const View::Member* known = membership_->view().find(supernode);
  return known && known->admitted ? known->dossier->record : nullptr;
}

RecordSource Overlay::Conductor::record_source() {
  return [archive = archive_](ByteView exact_bytes) { return archive->record(exact_bytes); };
}

std::vector<Endpoint> Overlay::Conductor::own_endpoints() const {
  std::vector<Endpoint> endpoints(proved_.begin(), proved_.end());
  const auto add = [&](const Endpoint& endpoint) {
    if (std::find(endpoints.begin(), endpoints.end(), endpoint) == endpoints.end())
      endpoints.push_back(endpoint);
  };
  for (const Endpoint& endpoint : self_.local())
    if (endpoint.address.scope() == Scope::public_net) add(endpoint);
  if (endpoints.empty())
    for (const Endpoint& endpoint : self_.local()) add(endpoint);  // a network on one machine
  if (endpoints.size() > max_record_endpoints) endpoints.resize(max_record_endpoints);
  return endpoints;
}

void Overlay::Conductor::sign_own_record(TimePoint now, std::uint64_t above) {
  record_sequence_ = std::max({record_sequence_ + 1, above + 1, unix_ms(wall(now))});
  const Record record{.id = id(),
                      .sequence = record_sequence_,
                      .role = Record::Role::supernode,
                      .endpoints = own_endpoints(),
                      .agent = "byway",
                      .tcp = {proved_by_tcp_.begin(), proved_by_tcp_.end()}};
  if (record.endpoints.empty()) return;
  const auto own = SignedRecord::sign(identity_, record);
  if (const auto shared = archive_->record(own.exact_bytes()))
    membership_.change().on_own_record(now, *shared);
}

void Overlay::Conductor::join_mesh(TimePoint now) {
  sign_own_record(now);
  rejoin_at_.reset();
  // Half of them from the book: seeds may be dead, or all one person's. Where few are known all are
  // asked, for it takes ten seconds to find out that all who were drawn are dead.
  const bool few = book_.size() <= 2 * sponsors;
  for (std::size_t i = 0; i < (few ? book_.size() : sponsors / 2); ++i) ask_book(now);
  std::vector<NodeId> known = homes_.all();
  const std::size_t asked = known.size() <= 3 * sponsors ? known.size() : sponsors;
  for (std::size_t i = 0; i < asked; ++i) {
    std::swap(known[i], known[i + random_.below(known.size() - i)]);
    membership_.change().join(now, known[i]);
  }
  pump_mesh(now);
}

void Overlay::Conductor::leave_mesh(TimePoint now) {
  record_sequence_ = std::max(record_sequence_ + 1, unix_ms(wall(now)));
  const Record farewell{.id = id(), .sequence = record_sequence_, .agent = "byway"};
  const auto signed_farewell = SignedRecord::sign(identity_, farewell);
  if (const auto shared = archive_->record(signed_farewell.exact_bytes()))
    membership_.change().leave(now, *shared);
  pump_mesh(now);
}

Overlay::Conductor::Outcome Overlay::Conductor::on_mesh(TimePoint now, Peer& from, ByteView body) {
  if (!is_supernode()) return Drop::unexpected;
  const auto message = decode_mesh(body);
  if (!message) return Drop::undecodable;
  keep_for_a_while(now, from);
  membership_.change().on_message(now, from.id, *message);
  pump_mesh(now);
  return used;
}

void Overlay::Conductor::pump_mesh(TimePoint now) {
  if (rejoin_at_ && now >= *rejoin_at_) return join_mesh(now);
  for (;;) {
    if (const auto message = membership_.change().poll_message()) {
      const Bytes body = encode(message->message);
      for (const NodeId& to : message->to) post(now, to, Area::mesh, body);
    } else if (const auto event = membership_.change().poll_event()) {
      on_mesh_event(now, *event);
    } else {
      break;
    }
  }
  if (now >= assess_at_) assess_needs(now);
  pump_directory(now);
}

void Overlay::Conductor::on_mesh_event(TimePoint now, const MeshEvent& event) {
  std::visit(Match{
                 [&](const Examine& wish) { examine(now, wish.record); },
                 [&](const Probe& wish) { probe(now, wish.id); },
                 [&](const Renew& wish) { sign_own_record(now, wish.above); },
                 [&](const MemberAdmitted& admitted) {
                   const Record& record = admitted.record->record();
                   events_.push_back(SupernodeGained{record.id});
                   step(record.id, "is a member of the mesh");
                   remember_heard(now, record, record.endpoints.front().address);
                   if (placement_.add(admitted.record))
                     keeper_.change().on_joined(now, *admitted.record);
                 },
                 [&](const MemberUpdated& updated) {
                   // Perhaps started anew: what it held may be gone.
                   placement_.add(updated.record);
                   keeper_.change().on_renewed(now, *updated.record);
                 },
                 [&](const MemberDropped& dropped) {
                   events_.push_back(SupernodeLost{dropped.record->record().id,
                                                   dropped.why == Departure::gone,
                                                   to_string(dropped.why)});
                   if (placement_.remove(*dropped.record))
                     keeper_.change().on_left(now, *dropped.record);
                   lookup_.change().on_left(dropped.record->record().id);
                   if (dropped.why == Departure::gone || dropped.why == Departure::left)
                     warn_leaves_of(now, dropped.record->record().id);
                 },
                 [&](const Joined& joined) {
                   step({}, "joined the mesh of " + std::to_string(joined.members) + " supernodes");
                 },
                 [&](const JoinFailed&) {
                   rejoin_at_ = now + random_.jittered(limits::rejoin);
                   step({}, "no supernode answered; trying again to join");
                 },
                 [&](const Alone&) {
                   rejoin_at_ = now + random_.jittered(limits::rejoin);
                   step({}, "nobody was heard for a minute; joining again");
                 },
             },
             event);
}

// A network that is old already: everybody in it is known, and nobody is told of.
void Overlay::Conductor::adopt(TimePoint now, const View& view, const Placement& placement) {
  membership_.change().adopt(now, view);
  placement_ = placement;
  pump_mesh(now);
  settle(now);
}

// Is it really there, at the address it claims? A handshake with it at that address, begun by us,
// says so: a NAT in front of it would not have let us in.
void Overlay::Conductor::examine(TimePoint now, const RecordPtr& record) {
  Peer& peer = ensure_peer(record->record().id);
  peer.examining = true;
  keep_for_a_while(now, peer);
  dial(now, peer, Route{.endpoint = record->record().endpoints.front()}, Greet{});
}

void Overlay::Conductor::probe(TimePoint now, const NodeId& target) {
  const auto endpoint = supernode_endpoint(target);
  if (!endpoint) return membership_.change().on_probe_timeout(now, target);
  Peer& peer = ensure_peer(target);
  keep_for_a_while(now, peer);
  const Path* path = peer.link.confirmed() ? peer.paths.best() : nullptr;
  if (path) {
    if (path->unanswered_since && path->last_ping == now) return;  // it went along with a message
    if (const auto ping = peer.paths.ping(now, path->route)) send(peer, path->route, *ping);
  } else if (!peer.link.dialing()) {
    dial(now, peer, Route{.endpoint = *endpoint}, Greet{});
  }
}

void Overlay::Conductor::on_alive(TimePoint now, Peer& peer) {
  membership_.change().on_probe_answer(now, peer.id);
  pump_mesh(now);
}

void Overlay::Conductor::on_mesh_dial_failed(TimePoint now, Peer& peer) {
  peer.dial().outbox.clear();
  peer.wanted_until.reset();
  if (!is_supernode()) return;
  if (std::exchange(peer.examining, false)) membership_.change().on_examined(now, peer.id, false);
  membership_.change().on_probe_timeout(now, peer.id);
  pump_mesh(now);
}

// --- what follows from the view ------------------------------------------------------------------

void Overlay::Conductor::assess_needs(TimePoint now) {
  assess_at_ = now + limits::assess_every;
  Promotion::Needs needs;
  if (is_supernode()) {
    const std::size_t all = membership_->view().size();
    needs.supernodes = all - (membership_->view().is_admitted(id()) ? 1 : 0);
    needs.mean_load = membership_->mean_load_nearby().value_or(0);
    registrar_.set_limit(promotion_.admission_limit(now));
    const std::size_t limit = std::max<std::size_t>(1, config_.max_leaves);
    const auto load =
        static_cast<std::uint8_t>(std::min<std::size_t>(max_load, registrar_.size() * 8 / limit));
    membership_.change().set_load(load);
    seek_relief(now, load);
  } else {
    needs.supernodes = homes_.known();
    const auto offered = homes_.offered();
    needs.lacks_tcp443 = !offered.tcp443 && std::ranges::any_of(proved_by_tcp_, is_tcp443);
    needs.lacks_ipv6 = !offered.ipv6 && std::ranges::any_of(proved_, is_ipv6);
  }
  promotion_.on_needs(now, needs);
}

// A leaf that has fewer homes than it wants may not know where to look for more.
void Overlay::Conductor::look_after_leaf(TimePoint now, Peer& leaf) {
  const RecordPtr record = registrar_.record_of(leaf.id);
  const bool content = record && record->record().homes.size() >= limits::homes_per_leaf;
  if (now - leaf.sampled >= (content ? limits::samples_rarely : limits::samples_soon))
    send_samples(now, leaf);
}

// Leaves take the homes that they find, so who came later stays empty. Who is far fuller than those
// around it asks leaves to move: few at a time, for all see the same, and loads are told with
// delay.
void Overlay::Conductor::seek_relief(TimePoint now, std::uint8_t load) {
  const Duration since = std::min<Duration>(now - std::exchange(relief_sought_, now), 1min);
  const double theirs = membership_->mean_load_nearby().value_or(1) * max_load;
  const double gap = load - theirs;
  if (load < limits::relief_from || gap < limits::relief_gap) {
    relief_due_ = 0;
    return;
  }
  const double excess = gap / 8 * static_cast<double>(config_.max_leaves);
  relief_due_ += excess * std::chrono::duration<double>(since) / limits::relief_time;
  relief_due_ = std::min(relief_due_, static_cast<double>(limits::relief_at_once));
  for (; relief_due_ >= 1 && registrar_.size() > 0; --relief_due_)
    ask_to_move(registrar_.at(random_.below(registrar_.size())), load);
}

// A leaf that has homes enough, to those near its place who said that they are far emptier.
void Overlay::Conductor::ask_to_move(const NodeId& leaf_id, std::uint8_t load) {
  Peer* leaf = find(leaf_id);
  const RecordPtr record = registrar_.record_of(leaf_id);
  if (!leaf || !record || record->record().homes.size() < limits::homes_per_leaf) return;
  Samples roomier{.records = {}, .relief = true};
  std::size_t size = 0;
  for (const NodeId& supernode : membership_->nearest(leaf_id, limits::samples)) {
    const View::Member* known = membership_->view().find(supernode);
    const bool has_room =
        known->load != View::load_unknown && known->load + limits::relief_gap <= load;
    const ByteView bytes = known->dossier->record->exact_bytes();
    if (!has_room || supernode == id() || size + bytes.size() > samples_size) continue;
    if (roomier.records.size() >= max_samples) break;
    roomier.records.push_back(to_bytes(bytes));
    roomier.loads.push_back(known->load);
    size += bytes.size();
  }
  if (!roomier.records.empty()) send(*leaf, roomier);
}

// What a lane of ours goes through stays as it is.
void Overlay::Conductor::on_relief_wanted(TimePoint now, const Peer& home,
                                          const std::vector<NodeId>& by) {
  if (!carries_lanes(home.id)) homes_.on_relief_wanted(now, home.id, by);
}

void Overlay::Conductor::send_samples(TimePoint now, Peer& leaf) {
  leaf.sampled = now;
  std::vector<NodeId> chosen = membership_->nearest(leaf.id, limits::samples);
  Samples samples;
  std::size_t size = 0;
  const auto flush = [&] {
    if (!samples.records.empty()) send(leaf, samples);
    samples.records.clear();
    samples.loads.clear();
    size = 0;
  };
  for (const NodeId& supernode : chosen) {
    const RecordPtr record = membership_->record_of(supernode);
    if (!record || supernode == id()) continue;
    const ByteView bytes = record->exact_bytes();
    if (size + bytes.size() > samples_size || samples.records.size() >= max_samples) flush();
    const View::Member* known = membership_->view().find(supernode);
    samples.loads.push_back(known ? known->load : View::load_unknown);
    samples.records.push_back(to_bytes(bytes));
    size += bytes.size();
  }
  flush();
}

void Overlay::Conductor::on_samples(TimePoint now, Peer& from, const Samples& samples) {
  if (!homes_.is_home(from.id) && !homes_.is_dialing(from.id)) return;
  if (config_.visitor) return;
  std::vector<NodeId> named;
  const Path* path = from.paths.best();
  for (std::size_t place = 0; place < samples.records.size(); ++place) {
    const auto record = archive_->record(samples.records[place]);
    if (!record || (*record)->record().role != Record::Role::supernode) continue;
    const Record& supernode = (*record)->record();
    if (supernode.endpoints.empty() || supernode.id == id()) continue;
    if (path) remember_heard(now, supernode, path->route.endpoint.address);
    for (const Endpoint& endpoint : supernode.endpoints)
      homes_.add_supernode(now, supernode.id, endpoint);
    std::optional<int> load;
    if (place < samples.loads.size() && samples.loads[place] <= max_load)
      load = samples.loads[place];
    homes_.on_named(now, supernode.id,
                    {.tcp443 = std::ranges::any_of(supernode.tcp, is_tcp443),
                     .ipv6 = std::ranges::any_of(supernode.endpoints, is_ipv6)},
                    load);
    named.push_back(supernode.id);
  }
  if (samples.relief) on_relief_wanted(now, from, named);
  assess_needs(now);
  pump_roles(now);
}

// One home is late. Where several died at once, waiting for each one's keepalive would take long.
void Overlay::Conductor::worry_about_homes(TimePoint now, Peer& home) {
  homes_.on_late(home.id, home.paths.is_worried());
  if (!home.paths.is_worried()) {
    home.alarmed = false;
    return;
  }
  // One lost answer is nothing to ask everybody for.
  const Path* late = home.paths.best();
  if (late && !late->doubted()) return;
  if (std::exchange(home.alarmed, true)) return;
  for (const NodeId& other_id : homes_.ids()) {
    Peer* other = other_id == home.id ? nullptr : find(other_id);
    const Path* path = other ? other->paths.best() : nullptr;
    if (!path || other->paths.is_worried()) continue;
    if (const auto ping = other->paths.ping(now, path->route)) send(*other, path->route, *ping);
    touch(*other);
  }
}

}  // namespace byway

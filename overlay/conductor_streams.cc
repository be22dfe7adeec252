// Sessions and their streams: which session a stream belongs to, and what travels where.
#include <algorithm>

#include "overlay/conductor.h"
#include "protocol/codec.h"
#include "protocol/match.h"

namespace byway {
namespace {

constexpr std::size_t remembered_first_flights = 8;
constexpr std::size_t most_head = 2048;  // a header and a little of what follows it
constexpr std::uint64_t reset_malformed = 1;
constexpr std::uint64_t reset_by_application = 2;

bool alive(const SessionSlot& slot) {
  const auto state = slot.session->state();
  return state == Session::State::handshaking || state == Session::State::open;
}

}  // namespace

SessionConfig Overlay::Conductor::session_config(const Peer& peer) {
  SessionConfig config;
  config.seed = identity_.seed();
  config.self_public = id().key();
  config.peer_public = peer.id.key();
  const Duration rtt = rtt_to(peer);
  config.initial_rtt = rtt > Duration{} ? rtt : limits::default_rtt;
  config.cubic = config_.cubic;
  config.stream_window = limits::stream_window;
  config.session_window = limits::session_window;
  config.send_buffer = limits::stream_send_buffer;
  config.spares = &spares_;
  return config;
}

// --- sessions ------------------------------------------------------------------------------------

SessionSlot* Overlay::Conductor::session_for_new_stream(TimePoint now, Peer& peer) {
  auto& slots = peer.talk->sessions;
  for (auto& slot : slots)
    if (!slot->draining && alive(*slot)) return slot.get();
  if (slots.size() >= limits::sessions_per_peer) return nullptr;
  auto session = Session::connect(session_config(peer), now, random_);
  if (!session) return nullptr;
  slots.push_back(std::make_unique<SessionSlot>());
  slots.back()->session = std::move(*session);
  slots.back()->born = now;
  index_ids(peer, *slots.back());
  wants_to_send(peer);
  return slots.back().get();
}

void Overlay::Conductor::index_ids(Peer& peer, SessionSlot& slot) {
  if (slot.ids_version == slot.session->local_ids_version()) return;
  unindex(slot);
  slot.ids_version = slot.session->local_ids_version();
  slot.indexed = slot.session->local_ids();
  for (const ConnectionId& quic_id : slot.indexed) sessions_[quic_id] = {peer.id, &slot};
}

void Overlay::Conductor::unindex(SessionSlot& slot) {
  for (const ConnectionId& quic_id : slot.indexed)
    if (const auto ref = sessions_.find(quic_id);
        ref != sessions_.end() && ref->second.slot == &slot)
      sessions_.erase(ref);
  slot.indexed.clear();
}

Overlay::Conductor::Outcome Overlay::Conductor::on_quic(TimePoint now, const Route& route,
                                                        ByteView bytes) {
  const auto quic_id = destination_id(bytes);
  if (!quic_id) return Drop::malformed;
  const auto ref = sessions_.find(*quic_id);
  if (ref == sessions_.end()) return accept_session(now, route, bytes);
  Peer& peer = *find(ref->second.peer);
  notice_move(now, peer, route);
  ref->second.slot->session->on_packet(now, bytes);
  index_ids(peer, *ref->second.slot);
  wants_to_send(peer);
  stir(peer);
  was_data_ = true;
  return used;
}

// Its session speaks from another port of the address where we know it: its NAT has dropped the
// mapping that was in use. So the old path leads nowhere now, and once the new one is proved data
// follows at once, and does not wait until the old one is given up.
void Overlay::Conductor::notice_move(TimePoint now, Peer& peer, const Route& route) {
  if (route.relayed() || route.proto != Proto::udp || !peer.talk) return;
  const Path* known = peer.paths.find(route);
  if (known && known->proved) return;
  const auto& all = peer.paths.all();
  const auto before = std::find_if(all.begin(), all.end(), [&](const Path& path) {
    return path.proved && path.kind() == PathKind::direct_udp &&
           path.route.endpoint.address == route.endpoint.address;
  });
  if (before == all.end()) return;
  peer.talk->moved_to = route;
  if (known || !knock_budget_.take(now, route.endpoint.address)) return;
  peer.paths.add(now, route, {before->method, {}, before->keepalive});
}

// A session begun by somebody whose link we have accepted; from anybody else not a byte reaches
// QUIC.
Overlay::Conductor::Outcome Overlay::Conductor::accept_session(TimePoint now, const Route& route,
                                                               ByteView bytes) {
  NodeId owner;
  if (route.relayed()) {
    owner = lanes_.at(route.lane).peer;
  } else if (const auto* connection = connections_.find(route.connection)) {
    if (connection->proved) owner = connection->peer;
  } else {
    const auto direct = direct_peers_.find(route.endpoint);
    if (direct != direct_peers_.end()) owner = direct->second;
  }
  Peer* peer = owner.is_nobody() ? nullptr : find(owner);
  if (!peer || !peer->link.has_keys() || classify(bytes) != PacketKind::quic_long)
    return Drop::quic_unknown;
  if (!peer->talk) {
    if (!peer->link.confirmed() || talks_ >= limits::conversations) return Drop::quic_unknown;
    begin_talk(now, *peer, false);
    on_connected(now, *peer);
  }
  auto& begun = peer->talk->begun_sessions;
  const ConnectionId first = destination_id(bytes).value_or(ConnectionId{});
  if (std::find(begun.begin(), begun.end(), first) != begun.end()) return Drop::quic_unknown;
  auto& slots = peer->talk->sessions;
  if (slots.size() >= limits::sessions_per_peer) return Drop::quic_unknown;
  auto session = Session::accept(session_config(*peer), now, random_, bytes);
  if (!session) return Drop::quic_unknown;
  if (begun.size() >= remembered_first_flights) begun.erase(begun.begin());
  begun.push_back(first);

  auto slot = std::make_unique<SessionSlot>();
  slot->session = std::move(*session);
  slot->born = now;
  for (auto& other : slots) {
    if (other->draining || !alive(*other)) continue;
    // Both began one: the smaller NodeId's is kept. Otherwise the newer replaces the older.
    const bool both_began =
        other->session->is_client() && now - other->born < limits::session_drain;
    (both_began && id() < peer->id ? *slot : *other).draining = true;
  }
  slots.push_back(std::move(slot));
  index_ids(*peer, *slots.back());
  wants_to_send(*peer);
  touch(*peer);
  return used;
}

// Time stands still for sessions that have no way out, or none yet: until the peer has answered,
// all that can be done is done by the introduction. QUIC would wait twice as long after each
// question into the dark, and go on waiting when there is a way; so what was overdue is then sent
// at once. Not for ever: a session that has stood still for its idle timeout ends.
bool Overlay::Conductor::is_stranded(TimePoint now, Peer& peer) {
  Conversation& talk = *peer.talk;
  const Path* path = peer.paths.best();
  const bool way = path && !path->doubted();
  if (way || talk.sessions.empty())
    talk.stranded_since.reset();
  else if (!talk.stranded_since)
    talk.stranded_since = now;
  return talk.stranded_since && now - *talk.stranded_since < limits::stranded_at_most;
}

void Overlay::Conductor::pump_sessions(TimePoint now, Peer& peer) {
  auto& slots = peer.talk->sessions;
  const bool stranded = is_stranded(now, peer);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    SessionSlot& slot = *slots[i];
    if (const auto due = slot.session->next_timeout(); due && *due <= now && !stranded) {
      slot.session->on_timeout(now);
      wants_to_send(peer);
    }
    pump_events(now, peer, slot);
    index_ids(peer, slot);
    if (slot.draining && slot.session->open_streams() == 0 && alive(slot)) {
      if (!slot.idle_since) slot.idle_since = now;
      if (now - *slot.idle_since >= limits::session_drain) {
        slot.session->close(now, "replaced by another session");
        wants_to_send(peer);
        slot.idle_since.reset();
      }
    } else {
      slot.idle_since.reset();
    }
  }
  const auto over = [&](const std::unique_ptr<SessionSlot>& slot) {
    if (slot->session->state() != Session::State::closed) return false;
    close_slot(now, *slot, "the session ended");
    return true;
  };
  std::erase_if(slots, over);
}

void Overlay::Conductor::pump_events(TimePoint now, Peer& peer, SessionSlot& slot) {
  const auto number_of = [&](QuicStreamId quic_stream) -> StreamId {
    const auto found = slot.streams.find(quic_stream);
    return found == slot.streams.end() ? 0 : found->second;
  };
  while (const auto event = slot.session->poll_event()) {
    std::visit(Match{
                   [&](const session_event::Established&) {
                     step(peer.id, "the session is established", StepKind::session);
                   },
                   [&](const session_event::StreamOpened& opened) {
                     const StreamId number = ++last_stream_;
                     slot.streams[opened.id] = number;
                     streams_.emplace(number,
                                      Stream{.peer = peer.id, .slot = &slot, .id = opened.id});
                   },
                   [&](const session_event::Readable& readable) {
                     const StreamId number = number_of(readable.id);
                     const auto stream = streams_.find(number);
                     if (stream == streams_.end()) return;
                     if (stream->second.announced)
                       events_.push_back(StreamReadable{number});
                     else
                       try_header(number, stream->second);
                   },
                   [&](const session_event::Writable& writable) {
                     if (const StreamId number = number_of(writable.id))
                       events_.push_back(StreamWritable{number});
                   },
                   [&](const session_event::Reset& reset) {
                     if (const StreamId number = number_of(reset.id))
                       close_stream(number, "the peer gave it up");
                   },
                   [&](const session_event::Unread& unread) {
                     if (const StreamId number = number_of(unread.id))
                       events_.push_back(StreamUnread{number});
                   },
                   [&](const session_event::StreamClosed& closed) {
                     if (const StreamId number = number_of(closed.id)) {
                       close_stream(number, "");
                       slot.streams.erase(closed.id);
                     }
                   },
                   [&](const session_event::Closed& closed) {
                     counters_.quic_refused_frames += slot.session->stats().frames_refused;
                     const std::string why = std::string(to_string(closed.end)) +
                                             (closed.reason.empty() ? "" : ": " + closed.reason);
                     step(peer.id, "the session ended: " + why, StepKind::session);
                     close_slot(now, slot, why);
                   },
               },
               *event);
  }
}

// What stirred peers' sessions have to tell, while nothing else has to be done first.
void Overlay::Conductor::hear_sessions() {
  for (std::size_t i = 0; i < touched_.size() && !settle_due_; ++i) {
    Peer* peer = touched_[i];
    if (!peer || !peer->talk) continue;
    for (auto& slot : peer->talk->sessions) pump_events(now_, *peer, *slot);
  }
}

void Overlay::Conductor::close_slot(TimePoint now, SessionSlot& slot, const std::string& why) {
  for (const auto& [quic_stream, number] : std::exchange(slot.streams, {}))
    close_stream(number, why);
  if (alive(slot)) slot.session->close(now, why);
  slot.draining = true;
  if (slot.session->state() == Session::State::closed) unindex(slot);
}

// The peer holds none of our sessions any more. What we established with it before `since`, when
// it must have known of it, leads nowhere.
void Overlay::Conductor::drop_open_sessions(TimePoint now, Peer& peer, TimePoint since) {
  if (!peer.talk) return;
  for (auto& slot : peer.talk->sessions)
    if (slot->session->state() == Session::State::open && slot->born < since)
      close_slot(now, *slot, "the peer has lost the session");
}

void Overlay::Conductor::close_sessions(TimePoint now, Peer& peer, const std::string& why) {
  for (auto& slot : peer.talk->sessions) {
    close_slot(now, *slot, why);
    // The goodbye leaves at once; there will be no session left to repeat it.
    const Path* path = peer.paths.best();
    while (path) {
      auto packets = slot->session->poll_packets(now, limits::packet_size, 1);
      if (!packets) break;
      transmit(path->route, std::move(packets->bytes));
    }
    unindex(*slot);
  }
  peer.talk->sessions.clear();
}

// One batch of packets, framed for the path it takes.
std::optional<Transmit> Overlay::Conductor::poll_session(TimePoint now, Peer& peer) {
  Conversation& talk = *peer.talk;
  const Path* path = peer.paths.best();
  if (!path && !talk.provisional) return {};
  const Route route = path ? path->route : *talk.provisional;
  const bool direct = path && !route.relayed();
  const std::size_t size = direct ? path->packet_size : limits::packet_size;

  for (auto& slot : talk.sessions) {
    auto packets = slot->session->poll_packets(now, size, limits::packets_per_poll);
    if (!packets) continue;
    index_ids(peer, *slot);
    peer.paths.on_data_sent(now, route);
    if (!path && packets->bytes.size() <= packets->segment_size)
      slot->first_flight = packets->bytes;
    const Route carried = carrier(route);
    Transmit transmit{.to = carried.endpoint,
                      .bytes = {},
                      .segment_size = packets->segment_size,
                      .socket = carried.socket,
                      .proto = carried.proto,
                      .connection = carried.connection};
    const std::size_t count =
        (packets->bytes.size() + packets->segment_size - 1) / packets->segment_size;
    if (route.relayed()) {
      transmit.bytes = spares_.take();
      transmit.bytes.clear();
      transmit.bytes.reserve(packets->bytes.size() + count * relay_header_size);
      const Bytes header = make_relay_frame(route.lane, {});
      for (ByteView rest = packets->bytes; !rest.empty();) {
        const ByteView packet = rest.first(std::min(rest.size(), packets->segment_size));
        append(transmit.bytes, header);
        append(transmit.bytes, packet);
        rest = rest.subspan(packet.size());
      }
      transmit.segment_size += relay_header_size;
      reuse(std::move(packets->bytes));
    } else {
      transmit.bytes = std::move(packets->bytes);
    }
    if (count == 1) transmit.segment_size = 0;
    counters_.datagrams_out += count;
    counters_.bytes_out += transmit.bytes.size();
    return transmit;
  }
  return {};
}

// Whose sessions may have something to send.
Peer* Overlay::Conductor::next_to_send() {
  while (!sendable_.empty()) {
    Peer* peer = find(sendable_.first());
    if (peer && peer->talk) return peer;
    sendable_.pop();
  }
  return nullptr;
}

std::optional<Transmit> Overlay::Conductor::poll_data(TimePoint now) {
  if (settle_due_ || !transmits_.empty()) return {};
  now_ = now;
  while (Peer* peer = next_to_send()) {
    if (auto packets = poll_session(now, *peer)) return packets;
    sendable_.erase(peer->id);
    stir(*peer);  // pacing says when to go on
  }
  return {};
}

// A peer in our own network has answered before the home's introduction reached it, which then is
// old news: what travels in that lane is for nobody.
void Overlay::Conductor::repeat_first_flight(Peer& peer, const Path& path) {
  for (auto& slot : peer.talk->sessions) {
    const Bytes flight = std::exchange(slot->first_flight, {});
    if (flight.empty() || path.route.relayed()) continue;
    if (slot->session->state() == Session::State::handshaking) transmit(path.route, flight);
  }
}

// --- streams -------------------------------------------------------------------------------------

Result<StreamId> Overlay::Conductor::open_stream(TimePoint now, const NodeId& id,
                                                 const StreamHeader& header) {
  if (!may_talk_to(id)) return Error::refused;
  if (header.service.empty() || header.service.size() > max_service_name ||
      header.detail.size() > max_stream_detail)
    return Error::too_large;
  Peer& peer = reach_for(now, id);
  SessionSlot* slot = session_for_new_stream(now, peer);
  if (!slot) return Error::busy;
  const auto quic_stream = slot->session->open_stream();
  if (!quic_stream) return quic_stream.error();

  const StreamId number = ++last_stream_;
  slot->streams[*quic_stream] = number;
  streams_.emplace(number, Stream{.peer = id, .slot = slot, .id = *quic_stream, .announced = true});
  write(now, number, encode(header));
  return number;
}

// A stream that the peer opened says first what it is for.
void Overlay::Conductor::try_header(StreamId number, Stream& stream) {
  auto chunk = stream.slot->session->read(stream.id, most_head - stream.head.size());
  append(stream.head, chunk.bytes);
  const auto parsed = decode_stream_header(stream.head);
  const bool never = chunk.fin || stream.head.size() >= most_head;
  if (!parsed || (!*parsed && never)) {
    stream.slot->session->reset(stream.id, reset_malformed);
    stream.ended = true;
    return;
  }
  if (!*parsed) return;
  stream.head.erase(stream.head.begin(),
                    stream.head.begin() + static_cast<std::ptrdiff_t>((*parsed)->size));
  stream.announced = true;
  stream.at_end = chunk.fin;
  events_.push_back(StreamOpened{number, stream.peer, std::move((*parsed)->header)});
  events_.push_back(StreamReadable{number});
}

// What it causes is done when the shell asks next, once for all that an app does in a turn.
void Overlay::Conductor::after_stream_call(TimePoint now, const NodeId& id) {
  now_ = now;
  Peer* peer = find(id);
  if (!peer) return;
  wants_to_send(*peer);
  stir(*peer);
}

std::size_t Overlay::Conductor::write(TimePoint now, StreamId number, ByteView bytes) {
  const auto stream = streams_.find(number);
  if (stream == streams_.end()) return 0;
  const std::size_t taken = stream->second.slot->session->write(stream->second.id, bytes);
  after_stream_call(now, stream->second.peer);
  return taken;
}

std::size_t Overlay::Conductor::fill(TimePoint now, StreamId number, std::size_t most,
                                     const StreamSource& source) {
  const auto stream = streams_.find(number);
  if (stream == streams_.end()) return 0;
  const std::size_t taken = stream->second.slot->session->fill(stream->second.id, most, source);
  after_stream_call(now, stream->second.peer);
  return taken;
}

void Overlay::Conductor::finish(TimePoint now, StreamId number) {
  const auto stream = streams_.find(number);
  if (stream == streams_.end()) return;
  stream->second.slot->session->finish(stream->second.id);
  after_stream_call(now, stream->second.peer);
}

void Overlay::Conductor::reset(TimePoint now, StreamId number) {
  const auto stream = streams_.find(number);
  if (stream == streams_.end()) return;
  stream->second.ended = true;  // whoever resets need not be told
  stream->second.slot->session->reset(stream->second.id, reset_by_application);
  after_stream_call(now, stream->second.peer);
}

void Overlay::Conductor::stop_reading(TimePoint now, StreamId number) {
  const auto stream = streams_.find(number);
  if (stream == streams_.end()) return;
  stream->second.head.clear();
  stream->second.at_end = false;
  stream->second.slot->session->stop_reading(stream->second.id);
  after_stream_call(now, stream->second.peer);
}

Overlay::Read Overlay::Conductor::read(TimePoint now, StreamId number, std::size_t max,
                                       Bytes spent) {
  const auto found = streams_.find(number);
  if (found == streams_.end() || max == 0) return {};
  Stream& stream = found->second;
  Read read;
  if (!stream.head.empty()) {
    const std::size_t count = std::min(max, stream.head.size());
    const auto cut = stream.head.begin() + static_cast<std::ptrdiff_t>(count);
    read.bytes.assign(stream.head.begin(), cut);
    stream.head.erase(stream.head.begin(), cut);
    read.end = stream.head.empty() && stream.at_end;
    return read;
  }
  if (std::exchange(stream.at_end, false)) return {{}, true};
  auto chunk = stream.slot->session->read(stream.id, max, std::move(spent));
  read.bytes = std::move(chunk.bytes);
  read.end = chunk.fin;
  const NodeId peer = stream.peer;
  after_stream_call(now, peer);
  return read;
}

void Overlay::Conductor::close_stream(StreamId number, const std::string& why) {
  const auto stream = streams_.find(number);
  if (stream == streams_.end()) return;
  if (stream->second.announced && !stream->second.ended)
    events_.push_back(StreamClosed{number, why});
  streams_.erase(stream);
}

}  // namespace byway

#include "tools/sim/tcp.h"

#include <algorithm>

#include "overlay/core/timers.h"

namespace byway::sim {
namespace {

constexpr std::size_t header_size = 9;
constexpr std::size_t segment_size = 1400;
constexpr std::size_t window = 128 * 1024;
constexpr std::size_t send_buffer = 256 * 1024;
constexpr std::size_t early_kept = 128;
constexpr Duration syn_gap = 1s;
constexpr Duration least_gap = 200ms;
constexpr Duration user_timeout = 10s;
constexpr Duration give_up_connecting = 60s;
constexpr int fast_resend_after = 3;

}  // namespace

void TcpStack::emit(const TcpEnds& ends, const Connection* connection, std::uint8_t flags,
                    std::uint32_t sequence, ByteView bytes) {
  Bytes segment{flags};
  append_be(segment, sequence);
  append_be(segment, connection ? connection->expected : std::uint32_t{0});
  append(segment, bytes);
  segments_.push_back({ends, std::move(segment)});
}

bool TcpStack::connect(TimePoint now, const TcpEnds& ends) {
  if (connections_.contains(ends) || ends.local == ends.remote) return false;
  Connection& connection = connections_[ends];
  connection.ours = true;
  connection.gap = syn_gap;
  connection.resend_at = now + syn_gap;
  connection.waiting_since = now;
  emit(ends, nullptr, syn);
  return true;
}

void TcpStack::send(TimePoint now, const TcpEnds& ends, ByteView datagram) {
  const auto found = connections_.find(ends);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  if (connection.out.size() > send_buffer) return;
  if (!std::exchange(connection.greeted, true)) append(connection.out, tcp_opening);
  append_tcp_frame(connection.out, datagram);
  pump(now, ends, connection);
}

void TcpStack::close(const TcpEnds& ends) {
  const auto found = connections_.find(ends);
  if (found == connections_.end()) return;
  const Connection& connection = found->second;
  if (connection.state == State::established)
    emit(ends, &connection, fin | ack,
         connection.base + static_cast<std::uint32_t>(connection.out.size()));
  connections_.erase(found);
}

void TcpStack::forget_everything() {
  connections_.clear();
  listening_.clear();
  events_.clear();
  segments_.clear();
}

void TcpStack::end(Connections::iterator connection, TcpEnd why) {
  events_.push_back({Event::Kind::ended, connection->first, why, {}});
  connections_.erase(connection);
}

void TcpStack::establish(TimePoint now, const TcpEnds& ends, Connection& connection) {
  connection.state = State::established;
  connection.resend_at.reset();
  connection.resends = 0;
  events_.push_back(
      {connection.ours ? Event::Kind::opened : Event::Kind::accepted, ends, TcpEnd::closed, {}});
  pump(now, ends, connection);
}

void TcpStack::pump(TimePoint now, const TcpEnds& ends, Connection& connection) {
  if (connection.state != State::established) return;
  const auto end = connection.base + static_cast<std::uint32_t>(connection.out.size());
  while (connection.next < end && connection.next - connection.base < window) {
    const ByteView rest = ByteView(connection.out).subspan(connection.next - connection.base);
    const ByteView bytes = rest.first(std::min(rest.size(), segment_size));
    emit(ends, &connection, ack, connection.next, bytes);
    connection.next += static_cast<std::uint32_t>(bytes.size());
    if (connection.timed <= connection.base) {
      connection.timed = connection.next;
      connection.timed_at = now;
    }
    if (connection.resend_at) continue;
    connection.gap = std::max(least_gap, connection.rtt * 2);
    connection.resend_at = now + connection.gap;
    connection.waiting_since = now;
  }
}

void TcpStack::resend_first(const TcpEnds& ends, Connection& connection) {
  const std::size_t sent = connection.next - connection.base;
  emit(ends, &connection, ack, connection.base,
       ByteView(connection.out).first(std::min({sent, connection.out.size(), segment_size})));
  connection.timed = connection.base;  // of what is sent twice no time can be taken
}

// --- in ------------------------------------------------------------------------------------------

void TcpStack::on_segment(TimePoint now, const TcpEnds& ends, ByteView segment) {
  if (segment.size() < header_size) return;
  const std::uint8_t flags = segment[0];
  const auto sequence = load_be<std::uint32_t>(segment.subspan(1));
  const auto acknowledged = load_be<std::uint32_t>(segment.subspan(5));
  const ByteView bytes = segment.subspan(header_size);
  auto found = connections_.find(ends);

  if (flags & rst) {
    if (found == connections_.end()) return;
    const bool refused = found->second.ours && found->second.state != State::established;
    return end(found, refused ? TcpEnd::refused : TcpEnd::closed);
  }
  if (found == connections_.end()) {
    if (!(flags & syn) || (flags & ack) || !listening_.contains(ends.local.port))
      return emit(ends, nullptr, rst);
    Connection& accepted = connections_[ends];
    accepted.state = State::syn_received;
    accepted.gap = syn_gap;
    accepted.resend_at = now + syn_gap;
    accepted.waiting_since = now;
    return emit(ends, &accepted, syn | ack);
  }

  Connection& connection = found->second;
  if (flags & syn) {
    if (flags & ack) {
      const bool fresh = connection.state != State::established;
      emit(ends, &connection, ack, connection.next);
      if (fresh) establish(now, ends, connection);
    } else if (connection.state != State::established) {
      connection.state = State::syn_received;  // both at once, or theirs came twice
      emit(ends, &connection, syn | ack);
    }
    return;
  }
  if (connection.state == State::syn_sent) return emit(ends, nullptr, rst);
  if (connection.state == State::syn_received) establish(now, ends, connection);
  on_acknowledged(now, ends, connection, acknowledged, bytes.empty());
  if (!bytes.empty()) {
    if (!on_bytes(ends, connection, sequence, bytes)) {
      emit(ends, &connection, rst);
      return end(connections_.find(ends), TcpEnd::broken);
    }
    emit(ends, &connection, ack, connection.next);
  }
  if (flags & fin) end(connections_.find(ends), TcpEnd::closed);
}

void TcpStack::on_acknowledged(TimePoint now, const TcpEnds& ends, Connection& connection,
                               std::uint32_t upto, bool bare) {
  if (upto > connection.next) return;
  if (upto <= connection.base) {
    const bool waiting = connection.next > connection.base;
    if (bare && waiting && upto == connection.base &&
        ++connection.repeated_acks == fast_resend_after)
      resend_first(ends, connection);
    return;
  }
  connection.repeated_acks = 0;
  if (connection.timed > connection.base && upto >= connection.timed) {
    const Duration sample = now - connection.timed_at;
    connection.rtt = connection.rtt == Duration{} ? sample : (connection.rtt * 7 + sample) / 8;
    connection.timed = upto;
  }
  connection.out.erase(
      connection.out.begin(),
      connection.out.begin() + static_cast<std::ptrdiff_t>(upto - connection.base));
  connection.base = upto;
  connection.timed = std::max(connection.timed, connection.base);
  connection.resends = 0;
  connection.resend_at.reset();
  if (connection.next > connection.base) {
    connection.gap = std::max(least_gap, connection.rtt * 2);
    connection.resend_at = now + connection.gap;
    connection.waiting_since = now;
  }
  pump(now, ends, connection);
}

// False: not our framing.
bool TcpStack::on_bytes(const TcpEnds& ends, Connection& connection, std::uint32_t sequence,
                        ByteView bytes) {
  if (sequence > connection.expected) {
    if (connection.early.size() < early_kept) connection.early[sequence] = to_bytes(bytes);
    return true;
  }
  const auto take = [&](ByteView chunk) {
    std::vector<ByteView> datagrams;
    const bool sound = connection.reader.feed(chunk, datagrams);
    for (const ByteView datagram : datagrams)
      events_.push_back({Event::Kind::datagram, ends, TcpEnd::closed, to_bytes(datagram)});
    connection.expected += static_cast<std::uint32_t>(chunk.size());
    return sound;
  };
  const std::size_t known = connection.expected - sequence;
  if (known >= bytes.size()) return true;
  if (!take(bytes.subspan(known))) return false;
  while (!connection.early.empty() && connection.early.begin()->first <= connection.expected) {
    const auto first = connection.early.begin();
    const std::size_t overlap = connection.expected - first->first;
    const Bytes chunk = std::move(first->second);
    connection.early.erase(first);
    if (overlap < chunk.size() && !take(ByteView(chunk).subspan(overlap))) return false;
  }
  return true;
}

// --- time and what comes out ---------------------------------------------------------------------

void TcpStack::on_timeout(TimePoint now) {
  for (auto it = connections_.begin(); it != connections_.end();) {
    const auto here = it++;
    auto& [ends, connection] = *here;
    if (!connection.resend_at || now < *connection.resend_at) continue;
    const bool stands = connection.state == State::established;
    if (now - connection.waiting_since >= (stands ? user_timeout : give_up_connecting)) {
      // Nobody was told of one that never was accepted.
      if (stands || connection.ours)
        end(here, stands ? TcpEnd::closed : TcpEnd::timed_out);
      else
        connections_.erase(here);
      continue;
    }
    connection.gap *= 2;
    connection.resend_at = now + connection.gap;
    ++connection.resends;
    if (connection.state == State::syn_sent)
      emit(ends, nullptr, syn);
    else if (connection.state == State::syn_received)
      emit(ends, &connection, syn | ack);
    else
      resend_first(ends, connection);
  }
}

std::optional<TimePoint> TcpStack::next_timeout() const {
  std::optional<TimePoint> next;
  for (const auto& [ends, connection] : connections_) next = earlier(next, connection.resend_at);
  return next;
}

std::optional<TcpStack::Event> TcpStack::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event next = std::move(events_.front());
  events_.pop_front();
  return next;
}

std::optional<TcpStack::Segment> TcpStack::poll_segment() {
  if (segments_.empty()) return std::nullopt;
  Segment next = std::move(segments_.front());
  segments_.pop_front();
  return next;
}

}  // namespace byway::sim

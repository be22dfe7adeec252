// Opening, writing, reading, resetting and forgetting streams.
#include <algorithm>

#include "overlay/stream/session_impl.h"

namespace byway {
namespace {

constexpr std::size_t most_early_streams = 64;

// Memory that is kept for the next: a megabyte of each kind for all streams of a session, and more
// where so many are open that all may want some at once.
constexpr std::size_t least_spare_blocks = 32, blocks_a_stream = 2;
constexpr std::size_t least_spare_pieces = 16, pieces_a_stream = 1;
constexpr std::size_t most_that_count = 128;  // streams

}  // namespace

SessionStream& Session::Impl::make_stream(QuicStreamId id) {
  SessionStream& stream = streams_.try_emplace(id, blocks_, pieces_).first->second;
  keep_spares();
  return stream;
}

void Session::Impl::drop_stream(QuicStreamId id) {
  streams_.erase(id);
  keep_spares();
}

void Session::Impl::keep_spares() {
  const std::size_t count = std::min(streams_.size(), most_that_count);
  blocks_.keep_at_most(std::max(least_spare_blocks, blocks_a_stream * count));
  pieces_.keep_at_most(std::max(least_spare_pieces, pieces_a_stream * count));
}

SessionStream* Session::Impl::find(QuicStreamId id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : &found->second;
}

SessionStream* Session::Impl::find_for_writing(QuicStreamId id) {
  auto* stream = usable() ? find(id) : nullptr;
  const bool writable = stream && !stream->finishing && !stream->given_up && !stream->unread_there;
  return writable ? stream : nullptr;
}

// --- opening ----------------------------------------------------------------------------------

Result<QuicStreamId> Session::Impl::open_stream() {
  if (!usable() || !connection_) return Error::refused;

  // Ids are dealt in order (RFC 9000 section 2.1), so one can be promised before ngtcp2 may open
  // any stream at all.
  if (!streams_may_send_) {
    if (early_.size() >= most_early_streams) return Error::busy;
    const auto id = static_cast<QuicStreamId>(4 * early_.size() + (client_ ? 0 : 1));
    early_.push_back(id);
    make_stream(id);
    return id;
  }

  QuicStreamId id = -1;
  if (ngtcp2_conn_open_bidi_stream(connection_, &id, nullptr) != 0) return Error::busy;
  make_stream(id).open_below = true;
  return id;
}

void Session::Impl::open_early_streams() {
  if (!streams_may_send_) return;
  for (const auto promised : std::exchange(early_, {})) {
    QuicStreamId id = -1;
    auto& stream = make_stream(promised);
    if (ngtcp2_conn_open_bidi_stream(connection_, &id, nullptr) != 0) {
      // The peer allows fewer streams than were promised: this one never was.
      tell(session_event::Reset{promised, 0});
      tell(session_event::StreamClosed{promised});
      drop_stream(promised);
      continue;
    }
    ensure(id == promised);
    stream.open_below = true;
    if (stream.given_up) {
      ngtcp2_conn_shutdown_stream_read(connection_, id, stream.reset_code);
      owing_reset_.insert(id);
    } else if (stream.unread_here) {
      ngtcp2_conn_shutdown_stream_read(connection_, id, 0);
    }
    queue(id, stream);
  }
}

void Session::Impl::on_stream_opened(QuicStreamId id) {
  auto& stream = make_stream(id);
  stream.open_below = stream.peer_knows = true;
  tell(session_event::StreamOpened{id});
}

// --- writing ----------------------------------------------------------------------------------

// What each stream may hold unsent, by how many have something to send.
std::size_t Session::Impl::send_share() const {
  const auto share = config_.session_send_buffer / std::max<std::size_t>(1, sendable_.size());
  return std::min(std::max(share, config_.least_send_buffer), config_.send_buffer);
}

std::size_t Session::Impl::room(const SessionStream& stream) const {
  const auto unsent = stream.out.unsent_size();
  const auto kept = stream.out.size();
  const auto share = send_share();
  const auto most_kept = static_cast<std::size_t>(config_.max_stream_window) + config_.send_buffer;
  if (unsent >= share || kept >= most_kept) return 0;
  return std::min(share - unsent, most_kept - kept);
}

std::size_t Session::Impl::write(QuicStreamId id, ByteView bytes) {
  auto* stream = find_for_writing(id);
  if (!stream) return 0;

  const auto count = std::min(bytes.size(), room(*stream));
  stream->out.push(bytes.first(count));
  stream->short_write |= count < bytes.size();
  queue(id, *stream);
  return count;
}

std::size_t Session::Impl::fill(QuicStreamId id, std::size_t most, const StreamSource& source) {
  auto* stream = find_for_writing(id);
  if (!stream) return 0;

  const auto roomy = std::min(most, room(*stream));
  const auto count = roomy > 0 ? stream->out.fill(roomy, source) : 0;
  stream->short_write |= count == roomy && roomy < most;
  queue(id, *stream);
  return count;
}

void Session::Impl::finish(QuicStreamId id) {
  auto* stream = find_for_writing(id);
  if (!stream) return;
  stream->finishing = true;
  queue(id, *stream);
}

void Session::Impl::queue(QuicStreamId id, SessionStream& stream) {
  const bool has_something = !stream.fin_sent && (stream.out.unsent_size() > 0 || stream.finishing);
  if (stream.queued || !has_something || !stream.open_below) return;
  if (stream.given_up || stream.unread_there) return;
  stream.queued = true;
  sendable_.push(id);
}

void Session::Impl::tell_writable_if_roomy(QuicStreamId id, SessionStream& stream) {
  // A quarter free, so that a writer wakes for a good portion and not for every packet.
  if (!stream.short_write || stream.given_up || stream.unread_there) return;
  if (room(stream) < send_share() / 4) return;
  stream.short_write = false;
  tell(session_event::Writable{id});
}

void Session::Impl::on_stream_acknowledged(QuicStreamId id, std::uint64_t offset) {
  auto* stream = find(id);
  if (!stream) return;
  stream->peer_knows = true;
  stream->out.acknowledge(offset);
  tell_writable_if_roomy(id, *stream);
}

void Session::Impl::on_stream_window(QuicStreamId id) {
  if (auto* stream = find(id)) queue(id, *stream);
}

// --- reading ----------------------------------------------------------------------------------

int Session::Impl::on_stream_data(QuicStreamId id, ByteView bytes, std::uint32_t flags) {
  if (flags & NGTCP2_STREAM_DATA_FLAG_EARLY || state_ != State::open)
    return NGTCP2_ERR_CALLBACK_FAILURE;

  auto* stream = find(id);
  if (!stream || stream->given_up || stream->unread_here) return 0;
  stream->peer_knows = true;
  stream->in.push(bytes);
  stream->fin_arrived |= (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0;
  tell_readable(id, *stream);
  return 0;
}

void Session::Impl::tell_readable(QuicStreamId id, SessionStream& stream) {
  if (std::exchange(stream.told_readable, true)) return;
  tell(session_event::Readable{id});
}

Session::Chunk Session::Impl::read(QuicStreamId id, std::size_t max, Bytes spent) {
  auto* stream = usable() ? find(id) : nullptr;
  if (!stream || stream->given_up || stream->unread_here) return {};

  Chunk chunk;
  chunk.bytes = stream->in.take(max, std::move(spent));
  give_back_credit(id, *stream, chunk.bytes.size());
  if (stream->in.size() == 0) {
    stream->told_readable = false;
    chunk.fin = stream->fin_arrived && !std::exchange(stream->fin_told, stream->fin_arrived);
  }
  forget_if_done(id);
  return chunk;
}

// Lets the peer send as much again.
void Session::Impl::give_back_credit(QuicStreamId id, const SessionStream& stream,
                                     std::size_t count) {
  if (count == 0 || !connection_) return;
  ngtcp2_conn_extend_max_offset(connection_, count);
  if (stream.open_below && !stream.gone_below)
    ngtcp2_conn_extend_max_stream_offset(connection_, id, count);
}

// --- giving up --------------------------------------------------------------------------------

void Session::Impl::reset(QuicStreamId id, std::uint64_t code) {
  auto* stream = usable() ? find(id) : nullptr;
  if (!stream || stream->given_up) return;

  stream->given_up = true;
  stream->reset_code = code;
  stream->owes_reset = true;
  give_back_credit(id, *stream, stream->in.discard());
  if (stream->gone_below) {
    forget_if_done(id);
    return;
  }
  if (!stream->open_below) return;  // open_early_streams() goes on with it

  ngtcp2_conn_shutdown_stream_read(connection_, id, code);
  owing_reset_.insert(id);
  send_owed_resets();
}

// A RESET_STREAM that overtakes everything else of its stream makes ngtcp2 0.12.1 forget the
// stream at once: it never answers our STOP_SENDING, and our side waits for ever. So ours is only
// sent when the peer has shown that it has the stream; the STOP_SENDING makes it show that.
void Session::Impl::send_owed_resets() {
  for (auto it = owing_reset_.begin(); it != owing_reset_.end();) {
    auto* stream = find(*it);
    if (stream && !stream->gone_below && !stream->peer_knows) {
      ++it;
      continue;
    }
    if (stream && !stream->gone_below)
      ngtcp2_conn_shutdown_stream_write(connection_, *it, stream->reset_code);
    it = owing_reset_.erase(it);
  }
}

// STOP_SENDING alone (RFC 9000 section 3.5): the peer answers it by resetting its half.
void Session::Impl::stop_reading(QuicStreamId id) {
  auto* stream = usable() ? find(id) : nullptr;
  if (!stream || stream->given_up || stream->unread_here) return;

  stream->unread_here = true;
  stream->fin_told = stream->fin_arrived;
  give_back_credit(id, *stream, stream->in.discard());
  if (stream->gone_below)
    forget_if_done(id);
  else if (stream->open_below)
    ngtcp2_conn_shutdown_stream_read(connection_, id, 0);
}

// ngtcp2 resets our half by itself. What it holds of it stays until the stream is gone.
void Session::Impl::on_stream_unread(QuicStreamId id) {
  auto* stream = find(id);
  if (!stream || stream->given_up || std::exchange(stream->unread_there, true)) return;
  tell(session_event::Unread{id});
}

// The peer gave up sending, and with it the whole stream: our half goes too, unless we asked for
// it.
void Session::Impl::on_stream_reset(QuicStreamId id, std::uint64_t code) {
  auto* stream = find(id);
  if (!stream) return;
  stream->peer_knows = true;
  if (stream->unread_here && !stream->given_up) return;
  owing_reset_.insert(id);
  if (stream->given_up) return;

  stream->given_up = true;
  stream->reset_code = code;
  ngtcp2_conn_extend_max_offset(connection_, stream->in.discard());
  tell(session_event::Reset{id, code});
}

// --- forgetting -------------------------------------------------------------------------------

void Session::Impl::on_stream_forgotten(QuicStreamId id) {
  auto* stream = find(id);
  if (!stream) return;
  stats_.packets_lost += ngtcp2_conn_get_stream_loss_count(connection_, id);
  stream->gone_below = true;
  forgotten_.insert(id);
}

// A stream is done when ngtcp2 has forgotten it and everything that arrived was read.
bool Session::Impl::forget_if_done(QuicStreamId id) {
  auto* stream = find(id);
  if (!stream || !stream->gone_below) return false;
  if (!stream->given_up && (stream->in.size() > 0 || stream->fin_arrived != stream->fin_told))
    return false;

  const bool opened_by_peer = ((id & 1) == 0) != client_;
  if (opened_by_peer && connection_) ngtcp2_conn_extend_max_streams_bidi(connection_, 1);
  drop_stream(id);
  tell(session_event::StreamClosed{id});
  return true;
}

}  // namespace byway

#include "overlay/stream/session.h"

#include <algorithm>
#include <utility>

#include "overlay/stream/session_impl.h"

namespace byway {
namespace {

constexpr std::size_t longest_reason = 256;

// What the peer wrote may end up on a terminal.
std::string printable(ByteView text) {
  std::string out;
  for (const auto byte : text.first(std::min(text.size(), longest_reason)))
    out += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '?';
  return out;
}

bool is_tls_alert(const ngtcp2_connection_close_error& error) {
  return error.type == NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_TRANSPORT &&
         error.error_code >= NGTCP2_CRYPTO_ERROR && error.error_code < NGTCP2_CRYPTO_ERROR + 0x100;
}

std::string alert_text(std::uint64_t alert) {
  const char* name = gnutls_alert_get_name(static_cast<gnutls_alert_description_t>(alert));
  return "TLS alert " + std::to_string(alert) + (name ? ": " + std::string{name} : "");
}

}  // namespace

std::string_view to_string(SessionEnd end) {
  switch (end) {
    case SessionEnd::closed_here:
      return "closed here";
    case SessionEnd::closed_by_peer:
      return "closed by the peer";
    case SessionEnd::timed_out:
      return "timed out";
    case SessionEnd::wrong_key:
      return "wrong key";
    case SessionEnd::tls_failed:
      return "TLS failed";
    case SessionEnd::refused_frame:
      return "refused frame";
    case SessionEnd::protocol_error:
      return "protocol error";
  }
  return "unknown";
}

// --- inputs -----------------------------------------------------------------------------------

void Session::Impl::on_packet(TimePoint now, ByteView packet) {
  stats_.bytes_received += packet.size();
  if (farewell_) {
    // Answer ever more seldom, and never with more than was sent (RFC 9000 section 10.2.1).
    if (++farewell_->heard < farewell_->answer_at) return;
    farewell_->answer_at *= 2;
    farewell_->due = packet.size() >= farewell_->packet.size();
    return;
  }
  if (!connection_) return;

  const auto to = destination_id(packet);
  const bool ours = to && (*to == id_ || to == original_id_) && has_our_shape(packet);
  if (!ours) {
    ++stats_.packets_dropped;
    return;
  }

  Inside inside{*this};
  const ngtcp2_pkt_info no_ecn{};
  conclude(now, ngtcp2_conn_read_pkt(connection_, &constant_path(), &no_ecn, packet.data(),
                                     packet.size(), to_timestamp(now)));
  settle();
}

void Session::Impl::on_timeout(TimePoint now) {
  if (linger_until_) {
    if (now >= *linger_until_) state_ = State::closed;
    if (state_ == State::closed) linger_until_.reset();
    return;
  }
  if (!connection_ || farewell_) return;

  Inside inside{*this};
  if (ngtcp2_conn_get_expiry(connection_) > to_timestamp(now)) return;
  conclude(now, ngtcp2_conn_handle_expiry(connection_, to_timestamp(now)));
  settle();
}

std::optional<TimePoint> Session::Impl::next_timeout() const {
  if (linger_until_) return linger_until_;
  if (!connection_ || farewell_) return std::nullopt;

  const auto expiry = ngtcp2_conn_get_expiry(connection_);
  if (expiry == UINT64_MAX) return std::nullopt;
  return from_timestamp(expiry);
}

std::optional<SessionEvent> Session::Impl::poll_event() {
  if (events_.empty()) return std::nullopt;
  return events_.pop();
}

std::vector<ConnectionId> Session::Impl::local_ids() const {
  std::vector<ConnectionId> ids{id_};
  if (original_id_) ids.push_back(*original_id_);
  return ids;
}

SessionStats Session::Impl::stats() const {
  auto stats = stats_;
  if (!connection_) return stats;

  ngtcp2_conn_stat below;
  ngtcp2_conn_get_conn_stat(connection_, &below);
  stats.smoothed_rtt = Duration{static_cast<Duration::rep>(below.smoothed_rtt)};
  if (below.min_rtt != UINT64_MAX)
    stats.min_rtt = Duration{static_cast<Duration::rep>(below.min_rtt)};
  stats.bytes_in_flight = below.bytes_in_flight;
  stats.congestion_window = below.cwnd;
  for (const auto& [id, stream] : streams_)
    if (stream.open_below && !stream.gone_below)
      stats.packets_lost += ngtcp2_conn_get_stream_loss_count(connection_, id);
  return stats;
}

// --- how it ends ------------------------------------------------------------------------------

void Session::Impl::close(std::string_view reason) {
  if (!usable()) return;
  end(SessionEnd::closed_here, std::string{reason.substr(0, longest_reason)}, State::closing);
  ngtcp2_connection_close_error_set_application_error(
      &farewell_->error, 0, reinterpret_cast<const std::uint8_t*>(farewell_->reason.data()),
      farewell_->reason.size());
}

// Makes sense of what ngtcp2 returned.
void Session::Impl::conclude(TimePoint now, int ngtcp2_error) {
  if (ngtcp2_error == 0 || !usable()) return;

  linger_ = Duration{static_cast<Duration::rep>(3 * ngtcp2_conn_get_pto(connection_))};
  switch (ngtcp2_error) {
    case NGTCP2_ERR_DRAINING:
      conclude_by_peer();
      linger_until_ = now + linger_;
      return;
    case NGTCP2_ERR_IDLE_CLOSE:
      return end(SessionEnd::timed_out, "nothing heard for too long", State::closed);
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
      return end(SessionEnd::timed_out, "the handshake took too long", State::closed);
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_RETRY:
      return end(SessionEnd::protocol_error, "not a connection of ours", State::closed);
    default:
      break;
  }

  if (refused_) {
    return end_with_packet(
        SessionEnd::refused_frame,
        "refused " + std::string{refused_->name} + " (type " + std::to_string(refused_->type) + ")",
        NGTCP2_PROTOCOL_VIOLATION);
  }
  if (ngtcp2_error == NGTCP2_ERR_CRYPTO) {
    const auto alert = ngtcp2_conn_get_tls_alert(connection_);
    const auto code = alert ? NGTCP2_CRYPTO_ERROR + alert : NGTCP2_INTERNAL_ERROR;
    if (tls_->peer_had_another_key())
      return end_with_packet(SessionEnd::wrong_key, "the peer's key is not the one expected", code);
    return end_with_packet(SessionEnd::tls_failed, alert_text(alert), code);
  }
  end_with_packet(SessionEnd::protocol_error, ngtcp2_strerror(ngtcp2_error),
                  ngtcp2_err_infer_quic_transport_error_code(ngtcp2_error));
}

void Session::Impl::conclude_by_peer() {
  ngtcp2_connection_close_error error;
  ngtcp2_conn_get_connection_close_error(connection_, &error);
  auto reason = printable({error.reason, error.reasonlen});
  if (is_tls_alert(error) && reason.empty()) reason = alert_text(error.error_code & 0xff);
  end(SessionEnd::closed_by_peer, std::move(reason), State::draining);
}

void Session::Impl::end_with_packet(SessionEnd why, std::string reason,
                                    std::uint64_t transport_code) {
  end(why, std::move(reason), State::closing);
  ngtcp2_connection_close_error_set_transport_error(
      &farewell_->error, transport_code,
      reinterpret_cast<const std::uint8_t*>(farewell_->reason.data()), farewell_->reason.size());
}

// The one way out. The connection is kept only while it is needed to write the close packet.
void Session::Impl::end(SessionEnd why, std::string reason, State next) {
  tell(session_event::Closed{why, reason});
  state_ = next;
  if (next == State::closing) {
    farewell_.emplace();
    farewell_->reason = std::move(reason);
    return;
  }
  drop_connection();
}

void Session::Impl::drop_connection() {
  stats_ = stats();
  if (connection_) ngtcp2_conn_del(std::exchange(connection_, nullptr));
  tls_.reset();
  streams_.clear();
  sendable_.clear();
  owing_reset_.clear();
  forgotten_.clear();
  unread_.clear();
  early_.clear();
}

// What callbacks noted and could not do themselves.
void Session::Impl::settle() {
  if (!usable() || !connection_) return;
  open_early_streams();
  send_owed_resets();
  for (const auto id : unread_) on_stream_unread(id);
  unread_.clear();
  for (const auto id : std::exchange(forgotten_, {})) forget_if_done(id);

  // A quiet stream is no reason to lose the session; a session without streams may go.
  const auto idle = static_cast<ngtcp2_duration>(config_.idle_timeout.count());
  ngtcp2_conn_set_keep_alive_timeout(connection_, streams_.empty() ? 0 : idle / 3);
}

// --- the public face --------------------------------------------------------------------------

// Whoever was gone for nearly the idle timeout is let go by the other side too.
static SessionClock clock_of(const SessionConfig& config, TimePoint now) {
  return {now, config.idle_timeout * 9 / 10};
}

Session::Session(std::unique_ptr<Impl> impl, SessionClock clock)
    : impl_(std::move(impl)), clock_(clock) {}
Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::connect(const SessionConfig& config, TimePoint now,
                                                  Random& random) {
  auto impl = std::make_unique<Impl>(config, now, random, true);
  if (auto made = impl->connect(now); !made) return made.error();
  return std::unique_ptr<Session>{new Session{std::move(impl), clock_of(config, now)}};
}

Result<std::unique_ptr<Session>> Session::accept(const SessionConfig& config, TimePoint now,
                                                 Random& random, ByteView first_packet) {
  auto impl = std::make_unique<Impl>(config, now, random, false);
  if (auto made = impl->accept(now, first_packet); !made) return made.error();
  return std::unique_ptr<Session>{new Session{std::move(impl), clock_of(config, now)}};
}

void Session::on_packet(TimePoint now, ByteView packet) {
  impl_->on_packet(clock_.at(now, impl_->next_timeout()), packet);
}
void Session::on_timeout(TimePoint now) {
  impl_->on_timeout(clock_.at(now, impl_->next_timeout()));
}
std::optional<TimePoint> Session::next_timeout() const {
  const auto next = impl_->next_timeout();
  return next ? std::optional(clock_.outside(*next)) : std::nullopt;
}
std::optional<Session::Packets> Session::poll_packets(TimePoint now, std::size_t max_packet_size,
                                                      std::size_t max_packets) {
  return impl_->poll_packets(clock_.at(now, impl_->next_timeout()), max_packet_size, max_packets);
}
std::optional<SessionEvent> Session::poll_event() {
  return impl_->poll_event();
}
Session::State Session::state() const {
  return impl_->state();
}
bool Session::is_client() const {
  return impl_->is_client();
}
Result<QuicStreamId> Session::open_stream() {
  return impl_->open_stream();
}
std::size_t Session::write(QuicStreamId id, ByteView bytes) {
  return impl_->write(id, bytes);
}
std::size_t Session::fill(QuicStreamId id, std::size_t most, const StreamSource& source) {
  return impl_->fill(id, most, source);
}
void Session::finish(QuicStreamId id) {
  impl_->finish(id);
}
void Session::reset(QuicStreamId id, std::uint64_t code) {
  impl_->reset(id, code);
}
Session::Chunk Session::read(QuicStreamId id, std::size_t max, Bytes spent) {
  return impl_->read(id, max, std::move(spent));
}
void Session::stop_reading(QuicStreamId id) {
  impl_->stop_reading(id);
}
void Session::close(TimePoint, std::string_view reason) {
  impl_->close(reason);
}
std::vector<ConnectionId> Session::local_ids() const {
  return impl_->local_ids();
}
std::uint64_t Session::local_ids_version() const {
  return impl_->local_ids_version();
}
std::size_t Session::open_streams() const {
  return impl_->open_streams();
}
SessionStats Session::stats() const {
  return impl_->stats();
}

}  // namespace byway

// Packets: which stream goes next, batches, pacing, and the last packet of all.
#include <algorithm>
#include <array>

#include "overlay/core/foresight.h"
#include "overlay/stream/session_impl.h"

namespace byway {
namespace {

constexpr std::size_t smallest_packet_size = 1200;  // RFC 9000 section 14
// A full packet may fall short of the path's size by what a length field could not express.
constexpr std::size_t rounding = 8;
// A wake-up that comes late by less than this costs the stream nothing: what should have left
// meanwhile leaves with it.
constexpr Duration made_up_for = 1ms;
// What leaves at once: a millisecond's worth of the pace and 64 KiB at most, two packets at least
// (draft-cardwell-iccrg-bbr-congestion-control-02, 4.6.3); and the first window all together (RFC
// 9002, 7.7). ngtcp2 0.12 says 64 KiB at any pace, which is 50 ms of a DSL line.
constexpr double burst_ns = 1e6;
constexpr std::size_t least_burst = 2;  // packets
constexpr std::size_t first_window = 10;
// Streams take turns. Each turn costs both ends something, so on a fast path one is several packets
// long; on a slow one it is one packet.
constexpr std::size_t turns_in_a_burst = 4;
// A stream so fast that a batch is gone sooner than this sends several before it waits: every wait
// costs a timer of the system's, and so short a queue on the way nobody notices.
constexpr Duration worth_a_wait = 250us;
// So much at least is paced exactly, also where little is sent at a time.
constexpr std::size_t most_untold = 64 * 1024;

}  // namespace

std::optional<Session::Packets> Session::Impl::poll_packets(TimePoint now,
                                                            std::size_t max_packet_size,
                                                            std::size_t max_packets) {
  if (farewell_) return close_packet(now, max_packet_size);
  const auto size = std::min(max_packet_size, config_.largest_packet);
  if (!connection_ || size < smallest_packet_size || max_packets == 0) return std::nullopt;

  Inside inside{*this};
  if (!sendable_.empty() && next_departure_ > now) tell_pace();
  const auto quantum = send_quantum();
  const auto least = stats_.bytes_sent < first_window * size ? first_window : least_burst;
  const auto burst = std::max(least, quantum / size);
  longest_turn_ = quantum / turns_in_a_burst;
  const auto most = std::min(max_packets, burst);

  // The first packet sets the size of all. A batch goes on only behind a full one.
  if (batch_.size() < most * size) batch_.resize(most * size);
  std::size_t used = 0, segment = size;
  for (std::size_t i = 0; i < most; ++i) {
    const auto count = write_packet(now, MutableBytes{batch_}.subspan(used, segment));
    if (count == 0) break;
    if (i == 0) segment = count;
    used += count;
    const bool full = segment + rounding >= size;
    if (count < segment || !full || count < smallest_packet_size) break;
  }

  settle();
  if (connection_) pace(now, used);
  if (used == 0) {
    if (farewell_) return close_packet(now, max_packet_size);
    return std::nullopt;
  }
  stats_.bytes_sent += used;
  return Packets{hand_out(used), segment};
}

// A good part of the batch's memory is handed out as it is, and replaced by what others gave back;
// a little is copied.
Bytes Session::Impl::hand_out(std::size_t used) {
  Bytes spare = config_.spares ? config_.spares->take() : Bytes{};
  if (2 * used < batch_.size()) {
    spare.assign(batch_.begin(), batch_.begin() + static_cast<std::ptrdiff_t>(used));
    return spare;
  }
  spare.reserve(batch_.capacity());  // one that held little grows once, and then is kept
  batch_.resize(used);
  return std::exchange(batch_, std::move(spare));
}

// One packet with what is most urgent to ngtcp2 and then as many streams as fit. 0: nothing now.
std::size_t Session::Impl::write_packet(TimePoint now, MutableBytes dest) {
  std::size_t blocked = 0;  // streams that the session's window holds up
  while (usable()) {
    const auto id = blocked < sendable_.size() ? next_sendable() : -1;
    auto* stream = id < 0 ? nullptr : find(id);

    std::array<ngtcp2_vec, 4> data;
    std::size_t pieces = 0, offered = 0;
    std::uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_NONE;
    if (stream) {
      std::array<ByteView, 4> unsent;
      pieces = stream->out.unsent(unsent);
      for (std::size_t i = 0; i < pieces; ++i) {
        data[i] = {const_cast<std::uint8_t*>(unsent[i].data()), unsent[i].size()};
        offered += unsent[i].size();
      }
      // What the packet after this one will carry comes from memory while this one is encrypted.
      const auto rest = unsent[0].subspan(std::min(unsent[0].size(), dest.size()));
      ask_for(rest.data(), std::min(rest.size(), dest.size()));
      if (sendable_.size() > 1) flags |= NGTCP2_WRITE_STREAM_FLAG_MORE;  // others may fit too
      if (stream->finishing && offered == stream->out.unsent_size())
        flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
    }

    ngtcp2_ssize taken = -1;
    const auto written =
        ngtcp2_conn_writev_stream(connection_, nullptr, nullptr, dest.data(), dest.size(), &taken,
                                  flags, id, data.data(), pieces, to_timestamp(now));
    if (stream && taken >= 0) {
      const auto count = static_cast<std::size_t>(taken);
      sent(id, *stream, count, (flags & NGTCP2_WRITE_STREAM_FLAG_FIN) && count == offered);
    }
    if (written >= 0) return static_cast<std::size_t>(written);

    switch (written) {
      case NGTCP2_ERR_WRITE_MORE:
        break;
      case NGTCP2_ERR_STREAM_DATA_BLOCKED:
        sendable_.drop();
        if (ngtcp2_conn_get_max_data_left(connection_) == 0) {
          ++blocked;
          sendable_.push(id);
        } else {
          stream->queued = false;  // on_stream_window() brings it back
        }
        break;
      case NGTCP2_ERR_STREAM_SHUT_WR:
      case NGTCP2_ERR_STREAM_NOT_FOUND:
        // The peer wants no more of it, and will reset its own half too.
        sendable_.drop();
        stream->queued = false;
        stream->finishing = stream->fin_sent = true;
        break;
      default:
        conclude(now, static_cast<int>(written));
        return 0;
    }
  }
  return 0;
}

// The stream at the front of the queue, past those that were given up meanwhile.
QuicStreamId Session::Impl::next_sendable() {
  while (!sendable_.empty()) {
    const auto id = sendable_.front();
    auto* stream = find(id);
    if (stream && !stream->given_up && !stream->unread_there) return id;
    if (stream) stream->queued = false;
    sendable_.drop();
  }
  return -1;
}

// At the end of its turn a stream goes to the back of the queue.
void Session::Impl::sent(QuicStreamId id, SessionStream& stream, std::size_t count, bool with_fin) {
  stream.out.mark_sent(count);
  stream.fin_sent |= with_fin;
  turn_ = id == turn_of_ ? turn_ + count : count;
  turn_of_ = id;
  if (turn_ >= longest_turn_ || stream.out.unsent_size() == 0) {
    sendable_.drop();
    stream.queued = false;
    queue(id, stream);
    turn_of_ = -1;
  }
  tell_writable_if_roomy(id, stream);
}

double Session::Impl::bytes_per_ns() const {
  ngtcp2_conn_stat stat;
  ngtcp2_conn_get_conn_stat(connection_, &stat);
  if (stat.pacing_rate > 0) return stat.pacing_rate;
  return 1.25 * static_cast<double>(stat.cwnd) / static_cast<double>(stat.smoothed_rtt);
}

Duration Session::Impl::time_of(std::size_t count) const {
  return Duration{static_cast<Duration::rep>(static_cast<double>(count) / bytes_per_ns())};
}

std::size_t Session::Impl::send_quantum() const {
  return std::min<std::size_t>(ngtcp2_conn_get_send_quantum(connection_),
                               static_cast<std::size_t>(burst_ns * bytes_per_ns()));
}

// ngtcp2 spaces batches by its pacing rate but forgives what is under a millisecond, each time
// anew. Counting from the end of the previous batch keeps many small ones honest too, and lets a
// late one catch up; were its lateness lost, a stream would never reach the rate that BBR measured.
// `count`: bytes of the batch just written; none: there is nothing more to send in this turn.
void Session::Impl::pace(TimePoint now, std::size_t count) {
  unpaced_ += count;
  if (unpaced_ == 0) return;
  const auto taken = time_of(unpaced_);
  if (count > 0 && taken < worth_a_wait) return;

  next_departure_ = std::max(now - made_up_for, next_departure_) + taken;
  untold_ += std::exchange(unpaced_, 0);
  // ngtcp2 would wake us then, and where nothing waits that is for nothing: after every word that
  // somebody types. It is told before something is sent again.
  if (count > 0 || !sendable_.empty() || untold_ >= most_untold) tell_pace();
}

// ngtcp2 reckons by the bytes that it has written since it was last told.
void Session::Impl::tell_pace() {
  if (untold_ == 0) return;
  const auto start = next_departure_ - time_of(untold_);
  ngtcp2_conn_update_pkt_tx_time(connection_, to_timestamp(start));
  untold_ = 0;
}

// Written once, kept for those who did not hear it, and then nothing else is needed of ngtcp2.
std::optional<Session::Packets> Session::Impl::close_packet(TimePoint now,
                                                            std::size_t max_packet_size) {
  if (!farewell_->due || state_ != State::closing) return std::nullopt;
  farewell_->due = false;

  if (connection_) {
    Inside inside{*this};
    linger_ = Duration{static_cast<Duration::rep>(3 * ngtcp2_conn_get_pto(connection_))};
    Bytes packet(std::min(max_packet_size, config_.largest_packet));
    const auto size =
        ngtcp2_conn_write_connection_close(connection_, nullptr, nullptr, packet.data(),
                                           packet.size(), &farewell_->error, to_timestamp(now));
    packet.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    farewell_->packet = std::move(packet);
    drop_connection();
    linger_until_ = now + linger_;
  }
  if (farewell_->packet.empty()) {
    state_ = State::closed;
    linger_until_.reset();
    return std::nullopt;
  }
  stats_.bytes_sent += farewell_->packet.size();
  return Packets{farewell_->packet, farewell_->packet.size()};
}

}  // namespace byway

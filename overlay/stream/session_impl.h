// The inside of a Session. Only the files session*.cc see this, and with it ngtcp2.
//
// One class in four files, by what they are about:
//   session.cc            the public face, inputs, and how a session ends
//   session_setup.cc      making the ngtcp2 connection, and what it calls back
//   session_streams.cc    opening, writing, reading, resetting, forgetting streams
//   session_output.cc     packets: which stream goes next, batches, pacing
//
// ngtcp2 calls back in the middle of its work. Callbacks only note facts; whatever needs another
// call into ngtcp2 is done by settle(), after it has returned.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <map>
#include <set>
#include <utility>

#include "overlay/stream/frame_filter.h"
#include "overlay/stream/session.h"
#include "overlay/stream/stream_buffers.h"
#include "overlay/stream/tls.h"

namespace byway {

struct SessionStream {
  SessionStream(Spares<SendBuffer::Block>& blocks, Spares<Bytes>& pieces)
      : out(blocks), in(pieces) {}

  SendBuffer out;
  ReceiveBuffer in;

  bool open_below = false;  // ngtcp2 has it; not yet while the handshake goes on
  bool gone_below = false;  // ngtcp2 has forgotten it
  bool peer_knows = false;  // the peer has shown that it has this stream
  bool queued = false;      // in Impl::sendable_
  bool finishing = false;   // finish() was called
  bool fin_sent = false;
  bool short_write = false;  // owes a Writable
  bool told_readable = false;
  bool fin_arrived = false;
  bool fin_told = false;
  bool given_up = false;      // reset, by either side
  bool unread_here = false;   // stop_reading() was called
  bool unread_there = false;  // by the peer
  bool owes_reset = false;    // RESET_STREAM waits until the peer knows the stream
  std::uint64_t reset_code = 0;
};

// The close packet and how often it has been asked for.
struct Farewell {
  ngtcp2_connection_close_error error{};
  std::string reason;
  Bytes packet;                 // once written
  bool due = true;              // to be sent (again)
  std::uint64_t heard = 0;      // packets that arrived since it was written
  std::uint64_t answer_at = 1;  // answered when this many have been heard: 1, 2, 4, 8 …
};

class Session::Impl {
 public:
  Impl(const SessionConfig& config, TimePoint now, Random& random, bool client);
  ~Impl();

  // session_setup.cc
  Result<void> connect(TimePoint now);
  Result<void> accept(TimePoint now, ByteView first_packet);

  // session.cc
  void on_packet(TimePoint now, ByteView packet);
  void on_timeout(TimePoint now);
  std::optional<TimePoint> next_timeout() const;
  void close(std::string_view reason);
  SessionStats stats() const;

  // session_streams.cc
  Result<QuicStreamId> open_stream();
  std::size_t write(QuicStreamId id, ByteView bytes);
  std::size_t fill(QuicStreamId id, std::size_t most, const StreamSource& source);
  void finish(QuicStreamId id);
  void reset(QuicStreamId id, std::uint64_t code);
  void stop_reading(QuicStreamId id);
  Chunk read(QuicStreamId id, std::size_t max, Bytes spent);

  // session_output.cc
  std::optional<Packets> poll_packets(TimePoint now, std::size_t max_packet_size,
                                      std::size_t max_packets);

  std::optional<SessionEvent> poll_event();
  State state() const { return state_; }
  bool is_client() const { return client_; }
  std::vector<ConnectionId> local_ids() const;
  std::uint64_t local_ids_version() const { return local_ids_version_; }
  std::size_t open_streams() const { return streams_.size(); }

 private:
  // --- setup and callbacks ---
  static ngtcp2_callbacks callbacks(bool client);
  ngtcp2_settings settings(TimePoint now);
  ngtcp2_transport_params transport_params() const;
  int on_handshake_completed();
  int on_stream_data(QuicStreamId id, ByteView bytes, std::uint32_t flags);
  void on_stream_opened(QuicStreamId id);
  void on_stream_acknowledged(QuicStreamId id, std::uint64_t offset);
  void on_stream_reset(QuicStreamId id, std::uint64_t code);
  void on_stream_unread(QuicStreamId id);
  void on_stream_forgotten(QuicStreamId id);
  void on_stream_window(QuicStreamId id);
  static int decrypt(std::uint8_t* dest, const ngtcp2_crypto_aead* aead,
                     const ngtcp2_crypto_aead_ctx* aead_ctx, const std::uint8_t* ciphertext,
                     std::size_t ciphertextlen, const std::uint8_t* nonce, std::size_t noncelen,
                     const std::uint8_t* aad, std::size_t aadlen);
  bool admits(ByteView payload, QuicPacketKind kind);

  // --- how it ends ---
  void conclude(TimePoint now, int ngtcp2_error);
  void conclude_by_peer();
  void end(SessionEnd why, std::string reason, State next);
  void end_with_packet(SessionEnd why, std::string reason, std::uint64_t transport_code);
  void drop_connection();
  void settle();

  template <typename Happened>
  void tell(Happened event) {
    events_.push(SessionEvent{std::move(event)});
  }

  // --- streams ---
  bool usable() const { return state_ == State::handshaking || state_ == State::open; }
  SessionStream& make_stream(QuicStreamId id);
  void drop_stream(QuicStreamId id);
  void keep_spares();
  SessionStream* find(QuicStreamId id);
  SessionStream* find_for_writing(QuicStreamId id);
  void queue(QuicStreamId id, SessionStream& stream);
  void tell_readable(QuicStreamId id, SessionStream& stream);
  void tell_writable_if_roomy(QuicStreamId id, SessionStream& stream);
  std::size_t send_share() const;
  std::size_t room(const SessionStream& stream) const;
  void give_back_credit(QuicStreamId id, const SessionStream& stream, std::size_t count);
  void open_early_streams();
  void send_owed_resets();
  bool forget_if_done(QuicStreamId id);

  // --- output ---
  std::optional<Packets> close_packet(TimePoint now, std::size_t max_packet_size);
  std::size_t write_packet(TimePoint now, MutableBytes dest);
  QuicStreamId next_sendable();
  void sent(QuicStreamId id, SessionStream& stream, std::size_t count, bool with_fin);
  double bytes_per_ns() const;  // the pace
  std::size_t send_quantum() const;
  Duration time_of(std::size_t count) const;  // at that pace
  void pace(TimePoint now, std::size_t count);
  void tell_pace();
  Bytes hand_out(std::size_t used);

  // ngtcp2's decrypt callback is not told whose packet it decrypts. While a session is inside
  // ngtcp2 it stands here.
  class Inside;
  static Impl*& inside();

  const SessionConfig config_;
  const bool client_;
  Random random_;
  std::unique_ptr<Tls> tls_;
  bool made_ = false;                  // the connection, and it may have random numbers
  ngtcp2_conn* connection_ = nullptr;  // none once nothing can be sent but the close packet
  State state_ = State::handshaking;

  ConnectionId id_{};
  std::optional<ConnectionId> original_id_;  // server: the one the client made up
  std::uint64_t local_ids_version_ = 1;

  // What streams keep their bytes in. Whatever there is, most of it is with the streams.
  Spares<SendBuffer::Block> blocks_{0};
  Spares<Bytes> pieces_{0};
  std::map<QuicStreamId, SessionStream> streams_;
  Fifo<QuicStreamId> sendable_;  // streams with something to send, next first
  QuicStreamId turn_of_ = -1;    // who sent last, and may go on
  std::size_t turn_ = 0;         // so much it has sent in this turn
  std::size_t longest_turn_ = 0;
  std::set<QuicStreamId> owing_reset_;
  std::set<QuicStreamId> forgotten_;  // gone below, to be told about
  std::vector<QuicStreamId> unread_;  // named by the peer in the packet at hand
  std::vector<QuicStreamId> early_;   // opened here before the handshake was done
  bool streams_may_send_ = false;

  Fifo<SessionEvent> events_;
  std::optional<RefusedFrame> refused_;

  Bytes batch_;                 // where packets are written, kept between polls
  TimePoint next_departure_{};  // pacing: what is sent so far ends its turn here,
  std::size_t unpaced_ = 0;     // but for this much
  std::size_t untold_ = 0;      // and of these bytes ngtcp2 is not told when they end it

  std::optional<Farewell> farewell_;
  std::optional<TimePoint> linger_until_;
  Duration linger_{};

  SessionStats stats_;
};

class Session::Impl::Inside {
 public:
  explicit Inside(Impl& impl) : before_(std::exchange(inside(), &impl)) {}
  ~Inside() { inside() = before_; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  Impl* before_;
};

// ngtcp2 counts nanoseconds from an origin of its own and treats the very first ones specially.
inline constexpr Duration timestamp_origin = 1h;
inline ngtcp2_tstamp to_timestamp(TimePoint time) {
  return static_cast<ngtcp2_tstamp>((time.time_since_epoch() + timestamp_origin).count());
}
inline TimePoint from_timestamp(ngtcp2_tstamp stamp) {
  return TimePoint{Duration{static_cast<Duration::rep>(stamp)} - timestamp_origin};
}

// The one path ngtcp2 ever sees.
const ngtcp2_path& constant_path();

}  // namespace byway

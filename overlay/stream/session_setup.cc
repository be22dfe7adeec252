// Making the ngtcp2 connection, and what it calls back.
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include <algorithm>
#include <cstring>

#include "overlay/stream/session_impl.h"

namespace byway {
namespace {

constexpr std::uint64_t most_remote_streams = 1024;

ngtcp2_cid cid_of(const ConnectionId& id) {
  ngtcp2_cid cid;
  ngtcp2_cid_init(&cid, id.data(), id.size());
  return cid;
}

ConnectionId id_of(const ngtcp2_cid& cid) {
  ConnectionId id{};
  std::copy_n(cid.data, std::min(cid.datalen, id.size()), id.begin());
  return id;
}

QuicPacketKind kind_of(std::uint8_t first_byte) {
  if (!(first_byte & 0x80)) return QuicPacketKind::one_rtt;
  return ((first_byte >> 4) & 0x03) == 0 ? QuicPacketKind::initial : QuicPacketKind::handshake;
}

}  // namespace

Session::Impl*& Session::Impl::inside() {
  thread_local Impl* inside = nullptr;
  return inside;
}

const ngtcp2_path& constant_path() {
  static const struct Path {
    Path() {
      local.sin_family = remote.sin_family = AF_INET;
      local.sin_addr.s_addr = htonl(0xc0000201);   // 192.0.2.1, for documentation (RFC 5737)
      remote.sin_addr.s_addr = htonl(0xc0000202);  // 192.0.2.2
      local.sin_port = remote.sin_port = htons(1);
      path.local = {reinterpret_cast<ngtcp2_sockaddr*>(&local), sizeof(local)};
      path.remote = {reinterpret_cast<ngtcp2_sockaddr*>(&remote), sizeof(remote)};
    }
    ngtcp2_sockaddr_in local{}, remote{};
    ngtcp2_path path{};
  } constant;
  return constant.path;
}

Session::Impl::Impl(const SessionConfig& config, TimePoint, Random& random, bool client)
    : config_(config), client_(client), random_(random.fork()), id_(random_.bytes<8>()) {
  keep_spares();
}

Session::Impl::~Impl() {
  if (connection_) ngtcp2_conn_del(connection_);
}

Result<void> Session::Impl::connect(TimePoint now) {
  auto tls = Tls::create({config_.seed, config_.self_public, config_.peer_public}, client_);
  if (!tls) return tls.error();
  tls_ = std::move(*tls);

  const auto to = cid_of(random_.bytes<8>());
  const auto from = cid_of(id_);
  const auto calls = callbacks(client_);
  const auto set = settings(now);
  const auto params = transport_params();
  if (ngtcp2_conn_client_new(&connection_, &to, &from, &constant_path(), NGTCP2_PROTO_VER_V1,
                             &calls, &set, &params, nullptr, this) != 0)
    return Error::busy;

  made_ = true;
  tls_->attach(connection_);
  ngtcp2_conn_set_tls_native_handle(connection_, tls_->native());
  return {};
}

Result<void> Session::Impl::accept(TimePoint now, ByteView first_packet) {
  ngtcp2_pkt_hd header;
  if (first_packet.size() < NGTCP2_MAX_UDP_PAYLOAD_SIZE || !has_our_shape(first_packet) ||
      ngtcp2_accept(&header, first_packet.data(), first_packet.size()) != 0)
    return Error::malformed;

  auto tls = Tls::create({config_.seed, config_.self_public, config_.peer_public}, client_);
  if (!tls) return tls.error();
  tls_ = std::move(*tls);

  original_id_ = id_of(header.dcid);
  const auto from = cid_of(id_);
  const auto calls = callbacks(client_);
  const auto set = settings(now);
  auto params = transport_params();
  params.original_dcid = header.dcid;
  if (ngtcp2_conn_server_new(&connection_, &header.scid, &from, &constant_path(),
                             NGTCP2_PROTO_VER_V1, &calls, &set, &params, nullptr, this) != 0)
    return Error::busy;

  made_ = true;
  tls_->attach(connection_);
  ngtcp2_conn_set_tls_native_handle(connection_, tls_->native());

  on_packet(now, first_packet);
  if (state_ == State::closed) return Error::unauthentic;
  if (state_ != State::handshaking) return Error::refused;
  return {};
}

ngtcp2_settings Session::Impl::settings(TimePoint now) {
  ngtcp2_settings settings;
  ngtcp2_settings_default(&settings);
  // Of the library's two BBRs the second: on a 5 MB/s link with 1 % loss both fill it, but the
  // first keeps the queue full and loses a tenth of what it sends.
  settings.cc_algo = config_.cubic ? NGTCP2_CC_ALGO_CUBIC : NGTCP2_CC_ALGO_BBR2;
  settings.initial_ts = to_timestamp(now);
  settings.initial_rtt =
      static_cast<ngtcp2_duration>(std::max<Duration>(config_.initial_rtt, 1ms).count());
  settings.handshake_timeout = static_cast<ngtcp2_duration>(config_.handshake_timeout.count());
  settings.max_window = config_.max_session_window;
  settings.max_stream_window = config_.max_stream_window;
  settings.rand_ctx.native_handle = this;
  // The path's size is known below us and given with every poll.
  settings.max_tx_udp_payload_size = config_.largest_packet;
  settings.no_tx_udp_payload_size_shaping = 1;
  settings.no_pmtud = 1;
  return settings;
}

ngtcp2_transport_params Session::Impl::transport_params() const {
  ngtcp2_transport_params params;
  ngtcp2_transport_params_default(&params);
  params.initial_max_stream_data_bidi_local = config_.stream_window;
  params.initial_max_stream_data_bidi_remote = config_.stream_window;
  params.initial_max_stream_data_uni = 0;
  params.initial_max_data = config_.session_window;
  params.initial_max_streams_bidi = most_remote_streams;
  params.initial_max_streams_uni = 0;
  params.max_idle_timeout = static_cast<ngtcp2_duration>(config_.idle_timeout.count());
  params.active_connection_id_limit = 2;  // the least there is: one in use, one spare
  params.disable_active_migration = 1;
  params.max_datagram_frame_size = 0;
  return params;
}

// Everything that must be dealt with; what is not set we never ask for.
ngtcp2_callbacks Session::Impl::callbacks(bool client) {
  ngtcp2_callbacks calls{};
  if (client) {
    calls.client_initial = ngtcp2_crypto_client_initial_cb;
    calls.recv_retry = ngtcp2_crypto_recv_retry_cb;  // wanted by ngtcp2; Retry never gets there
  } else {
    calls.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
  }
  calls.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
  calls.encrypt = ngtcp2_crypto_encrypt_cb;
  calls.decrypt = &Impl::decrypt;
  calls.hp_mask = ngtcp2_crypto_hp_mask_cb;
  calls.update_key = ngtcp2_crypto_update_key_cb;
  calls.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
  calls.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
  calls.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
  calls.version_negotiation = ngtcp2_crypto_version_negotiation_cb;

  // ngtcp2 0.12 announces the greased fixed bit whatever the transport parameters say, and tosses a
  // coin when it is made whether to use it. Ours must stay set: it is how a datagram is known to
  // be QUIC. So that one toss is not left to chance.
  calls.rand = [](std::uint8_t* dest, std::size_t size, const ngtcp2_rand_ctx* context) {
    auto& self = *static_cast<Impl*>(context->native_handle);
    if (self.made_)
      self.random_.fill({dest, size});
    else
      std::fill_n(dest, size, std::uint8_t{0});
  };
  // The spare id is told to the peer because QUIC wants one; packets sent to it are dropped.
  calls.get_new_connection_id = [](ngtcp2_conn*, ngtcp2_cid* id, std::uint8_t* token, std::size_t,
                                   void* self) {
    auto& random = static_cast<Impl*>(self)->random_;
    *id = cid_of(random.bytes<8>());
    random.fill({token, NGTCP2_STATELESS_RESET_TOKENLEN});
    return 0;
  };
  calls.handshake_completed = [](ngtcp2_conn*, void* self) {
    return static_cast<Impl*>(self)->on_handshake_completed();
  };
  calls.stream_open = [](ngtcp2_conn*, std::int64_t id, void* self) {
    static_cast<Impl*>(self)->on_stream_opened(id);
    return 0;
  };
  calls.recv_stream_data = [](ngtcp2_conn*, std::uint32_t flags, std::int64_t id, std::uint64_t,
                              const std::uint8_t* data, std::size_t size, void* self, void*) {
    return static_cast<Impl*>(self)->on_stream_data(id, {data, size}, flags);
  };
  calls.acked_stream_data_offset = [](ngtcp2_conn*, std::int64_t id, std::uint64_t offset,
                                      std::uint64_t size, void* self, void*) {
    static_cast<Impl*>(self)->on_stream_acknowledged(id, offset + size);
    return 0;
  };
  calls.stream_reset = [](ngtcp2_conn*, std::int64_t id, std::uint64_t, std::uint64_t code,
                          void* self, void*) {
    static_cast<Impl*>(self)->on_stream_reset(id, code);
    return 0;
  };
  calls.stream_close = [](ngtcp2_conn*, std::uint32_t, std::int64_t id, std::uint64_t, void* self,
                          void*) {
    static_cast<Impl*>(self)->on_stream_forgotten(id);
    return 0;
  };
  calls.extend_max_stream_data = [](ngtcp2_conn*, std::int64_t id, std::uint64_t, void* self,
                                    void*) {
    static_cast<Impl*>(self)->on_stream_window(id);
    return 0;
  };
  return calls;
}

int Session::Impl::on_handshake_completed() {
  const auto* params = ngtcp2_conn_get_remote_transport_params(connection_);
  if (!tls_->peer_verified() || !params || params->preferred_address_present)
    return NGTCP2_ERR_CALLBACK_FAILURE;

  state_ = State::open;
  streams_may_send_ = true;
  tell(session_event::Established{});
  if (original_id_) {
    original_id_.reset();
    ++local_ids_version_;
  }
  return 0;
}

int Session::Impl::decrypt(std::uint8_t* dest, const ngtcp2_crypto_aead* aead,
                           const ngtcp2_crypto_aead_ctx* aead_ctx, const std::uint8_t* ciphertext,
                           std::size_t ciphertextlen, const std::uint8_t* nonce,
                           std::size_t noncelen, const std::uint8_t* aad, std::size_t aadlen) {
  const int failed = ngtcp2_crypto_decrypt_cb(dest, aead, aead_ctx, ciphertext, ciphertextlen,
                                              nonce, noncelen, aad, aadlen);
  if (failed) return failed;

  // The visible header is what the packet was authenticated with. Initial keys are no secret, so
  // a bad Initial may come from anybody: it is lost, as if it had not decrypted. Behind any other
  // key stands the peer itself, and the session ends.
  const auto kind = kind_of(aad[0]);
  ensure(inside() != nullptr);
  if (inside()->admits({dest, ciphertextlen - aead->max_overhead}, kind)) return 0;
  return kind == QuicPacketKind::initial ? NGTCP2_ERR_DECRYPT : NGTCP2_ERR_CALLBACK_FAILURE;
}

bool Session::Impl::admits(ByteView payload, QuicPacketKind kind) {
  const auto refused = first_refused_frame(payload, kind, client_, &unread_);
  if (!refused) return true;
  ++stats_.frames_refused;
  if (kind != QuicPacketKind::initial) refused_ = refused;
  return false;
}

}  // namespace byway

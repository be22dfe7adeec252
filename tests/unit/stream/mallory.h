// A peer with the right key and bad manners: speaks QUIC through ngtcp2 as we do, but may swap the
// content of a packet for anything at the moment it is sealed.
#pragma once

#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>
#include <functional>

#include "overlay/stream/session_impl.h"
#include "tests/unit/stream/pair.h"

namespace byway::testing {

class Mallory {
 public:
  Mallory(const SessionConfig& config, TimePoint now, Random& random)
      : random_(random.fork()),
        tls_(std::move(*Tls::create({config.seed, config.self_public, config.peer_public}, true))) {
    ngtcp2_callbacks calls{};
    calls.client_initial = ngtcp2_crypto_client_initial_cb;
    calls.recv_retry = ngtcp2_crypto_recv_retry_cb;
    calls.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
    calls.encrypt = &Mallory::seal;
    calls.decrypt = ngtcp2_crypto_decrypt_cb;
    calls.hp_mask = ngtcp2_crypto_hp_mask_cb;
    calls.update_key = ngtcp2_crypto_update_key_cb;
    calls.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
    calls.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
    calls.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
    calls.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
    calls.rand = [](std::uint8_t* dest, std::size_t size, const ngtcp2_rand_ctx*) {
      std::fill_n(dest, size, std::uint8_t{0});
    };
    calls.get_new_connection_id = [](ngtcp2_conn*, ngtcp2_cid* id, std::uint8_t*, std::size_t size,
                                     void* self) {
      const auto raw = static_cast<Mallory*>(self)->random_.bytes<8>();
      ngtcp2_cid_init(id, raw.data(), size);
      return 0;
    };

    ngtcp2_settings settings;
    ngtcp2_settings_default(&settings);
    settings.initial_ts = to_timestamp(now);
    settings.no_pmtud = 1;
    ngtcp2_transport_params params;
    ngtcp2_transport_params_default(&params);
    params.initial_max_streams_bidi = 10;
    params.initial_max_data = params.initial_max_stream_data_bidi_local = 100'000;

    const auto to_raw = random_.bytes<8>(), from_raw = random_.bytes<8>();
    ngtcp2_cid to, from;
    ngtcp2_cid_init(&to, to_raw.data(), to_raw.size());
    ngtcp2_cid_init(&from, from_raw.data(), from_raw.size());
    ensure(ngtcp2_conn_client_new(&connection_, &to, &from, &constant_path(), NGTCP2_PROTO_VER_V1,
                                  &calls, &settings, &params, nullptr, this) == 0);
    tls_->attach(connection_);
    ngtcp2_conn_set_tls_native_handle(connection_, tls_->native());
  }
  ~Mallory() { ngtcp2_conn_del(connection_); }
  Mallory(const Mallory&) = delete;
  Mallory& operator=(const Mallory&) = delete;

  Bytes poll(TimePoint now) {
    Bytes packet(1200);
    const auto size = ngtcp2_conn_write_pkt(connection_, nullptr, nullptr, packet.data(),
                                            packet.size(), to_timestamp(now));
    packet.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return packet;
  }
  void on_packet(TimePoint now, ByteView packet) {
    ngtcp2_conn_read_pkt(connection_, &constant_path(), nullptr, packet.data(), packet.size(),
                         to_timestamp(now));
  }
  bool established() const { return ngtcp2_conn_get_handshake_completed(connection_) != 0; }

  // A full 1-RTT packet holding `frames` and padding. Empty when her own library has had enough.
  Bytes packet_with(TimePoint now, ByteView frames) {
    const Bytes filler(1100);
    Bytes packet(1200);
    smuggled_ = to_bytes(frames);
    smuggler_ = this;
    ngtcp2_ssize size = 0;
    for (int attempt = 0; attempt < 2 && size <= 0; ++attempt) {
      if (stream_ < 0 && ngtcp2_conn_open_bidi_stream(connection_, &stream_, nullptr) != 0) break;
      size = ngtcp2_conn_write_stream(connection_, nullptr, nullptr, packet.data(), packet.size(),
                                      nullptr, 0, stream_, filler.data(), filler.size(),
                                      to_timestamp(now));
      if (size < 0) stream_ = -1;  // the victim wants no more of that one
    }
    smuggler_ = nullptr;
    packet.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return packet;
  }

 private:
  static int seal(std::uint8_t* dest, const ngtcp2_crypto_aead* aead,
                  const ngtcp2_crypto_aead_ctx* aead_ctx, const std::uint8_t* plaintext,
                  std::size_t plaintextlen, const std::uint8_t* nonce, std::size_t noncelen,
                  const std::uint8_t* aad, std::size_t aadlen) {
    Bytes content(plaintext, plaintext + plaintextlen);
    const bool roomy = smuggler_ && smuggler_->smuggled_.size() <= content.size();
    if (roomy && !(aad[0] & 0x80)) {
      std::fill(content.begin(), content.end(), std::uint8_t{0});
      std::copy(smuggler_->smuggled_.begin(), smuggler_->smuggled_.end(), content.begin());
    }
    return ngtcp2_crypto_encrypt_cb(dest, aead, aead_ctx, content.data(), content.size(), nonce,
                                    noncelen, aad, aadlen);
  }

  static inline Mallory* smuggler_ = nullptr;
  Random random_;
  std::unique_ptr<Tls> tls_;
  ngtcp2_conn* connection_ = nullptr;
  std::int64_t stream_ = -1;
  Bytes smuggled_;
};

}  // namespace byway::testing

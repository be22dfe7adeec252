// The TLS 1.3 half of a QUIC session: raw Ed25519 keys, pinned both ways.
//
// There are no certificates. Each side shows its bare public key (RFC 7250) and proves that it
// holds the seed; the other side accepts exactly the one key that the link already proved. So a
// session can only be opened between the two ends of its link, whoever carries the packets.
//
// TLS 1.3 only, X25519, Ed25519, ALPN "byway/1"; AES-128-GCM first where the processor has AES
// instructions, else ChaCha20-Poly1305. No tickets, no early data.
//
// GnuTLS draws the key shares from its own generator and reads the clock for its bookkeeping: the
// one place below the core where chance and time are not arguments. Neither changes what our
// machines decide.
#pragma once

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <memory>

#include "protocol/bytes.h"
#include "protocol/result.h"

namespace byway {

struct TlsKeys {
  ByteArray<32> seed;
  ByteArray<32> self_public;
  ByteArray<32> peer_public;
};

class Tls {
 public:
  static Result<std::unique_ptr<Tls>> create(const TlsKeys& keys, bool client);
  ~Tls();
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;

  // ngtcp2's TLS helper finds the connection to feed through this object.
  void attach(ngtcp2_conn* connection) { connection_ = connection; }
  gnutls_session_t native() const { return session_; }
  // The peer has shown the pinned key. Checked again when the handshake completes.
  bool peer_verified() const { return peer_verified_; }
  bool peer_had_another_key() const { return wrong_key_; }

 private:
  Tls() = default;
  bool set_up(const TlsKeys& keys, bool client);
  int verify_peer();

  ByteArray<32> peer_public_{};
  ngtcp2_conn* connection_ = nullptr;
  ngtcp2_crypto_conn_ref connection_ref_{};
  gnutls_certificate_credentials_t credentials_ = nullptr;
  gnutls_session_t session_ = nullptr;
  bool peer_verified_ = false;
  bool wrong_key_ = false;
};

}  // namespace byway

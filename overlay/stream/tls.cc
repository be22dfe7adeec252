#include "overlay/stream/tls.h"

#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include <algorithm>
#include <string>

namespace byway {
namespace {

constexpr std::string_view alpn = "byway/1";

// RFC 8410: an Ed25519 SubjectPublicKeyInfo is these bytes and the key; a PrivateKeyInfo these
// and the seed. Ed25519 has no parameters, so both encodings are unique.
constexpr ByteArray<12> public_key_prefix{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                          0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
constexpr ByteArray<16> private_key_prefix{0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                           0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};

template <std::size_t N>
ByteArray<N + 32> with_prefix(const ByteArray<N>& prefix, const ByteArray<32>& key) {
  ByteArray<N + 32> out;
  std::copy(prefix.begin(), prefix.end(), out.begin());
  std::copy(key.begin(), key.end(), out.begin() + N);
  return out;
}

gnutls_datum_t datum_of(MutableBytes bytes) {
  return {bytes.data(), static_cast<unsigned int>(bytes.size())};
}

bool has_aes_instructions() {
#if defined(__x86_64__) || defined(__i386__)
  return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#else
  return false;
#endif
}

Tls* owner_of(void* connection_ref) {
  return static_cast<Tls*>(static_cast<ngtcp2_crypto_conn_ref*>(connection_ref)->user_data);
}

std::string priorities() {
  const std::string_view ciphers = has_aes_instructions() ? "+AES-128-GCM:+CHACHA20-POLY1305"
                                                          : "+CHACHA20-POLY1305:+AES-128-GCM";
  return "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:" + std::string{ciphers} +
         ":-GROUP-ALL:+GROUP-X25519:-SIGN-ALL:+SIGN-EDDSA-ED25519"
         ":-CTYPE-ALL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK:%DISABLE_TLS13_COMPAT_MODE";
}

}  // namespace

Result<std::unique_ptr<Tls>> Tls::create(const TlsKeys& keys, bool client) {
  std::unique_ptr<Tls> tls{new Tls};
  if (!tls->set_up(keys, client)) return Error::bad_key;
  return tls;
}

Tls::~Tls() {
  if (session_) gnutls_deinit(session_);
  if (credentials_) gnutls_certificate_free_credentials(credentials_);
}

bool Tls::set_up(const TlsKeys& keys, bool client) {
  peer_public_ = keys.peer_public;
  if (gnutls_certificate_allocate_credentials(&credentials_) != 0) return false;

  auto public_key = with_prefix(public_key_prefix, keys.self_public);
  auto private_key = with_prefix(private_key_prefix, keys.seed);
  const auto public_datum = datum_of(public_key);
  const auto private_datum = datum_of(private_key);
  const int loaded = gnutls_certificate_set_rawpk_key_mem(
      credentials_, &public_datum, &private_datum, GNUTLS_X509_FMT_DER, nullptr,
      GNUTLS_KEY_DIGITAL_SIGNATURE, nullptr, 0, 0);
  gnutls_memset(private_key.data(), 0, private_key.size());
  if (loaded < 0) return false;

  const unsigned flags = (client ? GNUTLS_CLIENT : GNUTLS_SERVER) | GNUTLS_ENABLE_RAWPK |
                         GNUTLS_NO_TICKETS | GNUTLS_NO_AUTO_SEND_TICKET;
  if (gnutls_init(&session_, flags) != 0) return false;
  if (gnutls_priority_set_direct(session_, priorities().c_str(), nullptr) != 0) return false;
  if (gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, credentials_) != 0) return false;

  ByteArray<alpn.size()> name;
  std::copy(alpn.begin(), alpn.end(), name.begin());
  const auto name_datum = datum_of(name);
  if (gnutls_alpn_set_protocols(session_, &name_datum, 1, GNUTLS_ALPN_MANDATORY) != 0) return false;

  if (!client) gnutls_certificate_server_set_request(session_, GNUTLS_CERT_REQUIRE);

  connection_ref_ = {[](ngtcp2_crypto_conn_ref* ref) { return owner_of(ref)->connection_; }, this};
  gnutls_session_set_ptr(session_, &connection_ref_);
  gnutls_session_set_verify_function(session_, [](gnutls_session_t session) {
    return owner_of(gnutls_session_get_ptr(session))->verify_peer();
  });
  return (client ? ngtcp2_crypto_gnutls_configure_client_session(session_)
                 : ngtcp2_crypto_gnutls_configure_server_session(session_)) == 0;
}

// Called by GnuTLS when the peer has shown its key; anything but 0 fails the handshake.
int Tls::verify_peer() {
  if (gnutls_certificate_type_get2(session_, GNUTLS_CTYPE_PEERS) != GNUTLS_CRT_RAWPK)
    return GNUTLS_E_CERTIFICATE_ERROR;

  unsigned count = 0;
  const auto* shown = gnutls_certificate_get_peers(session_, &count);
  const auto expected = with_prefix(public_key_prefix, peer_public_);
  peer_verified_ = shown && count == 1 && shown->size == expected.size() &&
                   std::equal(expected.begin(), expected.end(), shown->data);
  wrong_key_ = !peer_verified_;
  return peer_verified_ ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

}  // namespace byway

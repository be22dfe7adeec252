// One QUIC stream with nothing around it: ngtcp2 and GnuTLS as Byway uses them (AES-128-GCM, BBR
// version 2, trains by UDP_SEGMENT and UDP_GRO), but no overlay, no frame filter, no buffers of
// its own, no event loop. What `byway bench` is held against.
//
//   bench_quic serve LISTEN SECONDS SIZE      counts what arrives
//   bench_quic send TO SECONDS SIZE           sends; SIZE is that of a datagram
//   bench_quic echo LISTEN SECONDS SIZE       sends back what arrives
//   bench_quic ping TO COUNT INTERVAL_MS      has a few bytes echoed
//
// Each prints one JSON object: gbit_s, bytes, cpu_s; ping: received, and medians of rtt_ms (from
// the system call until the kernel had the answer, as `byway ping`) and app_ms (until it was read).
#include <arpa/inet.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "node/clock.h"
#include "overlay/stream/tls.h"
#include "protocol/identity.h"

namespace {

using namespace byway;
using Clock = std::chrono::steady_clock;

constexpr std::size_t room = 65'536;
constexpr std::size_t receive_batch = 16;
constexpr std::size_t echo_size = 16;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

ngtcp2_tstamp now() {
  return static_cast<ngtcp2_tstamp>(
      std::chrono::nanoseconds(Clock::now().time_since_epoch()).count());
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

sockaddr_in address(const std::string& text) {
  sockaddr_in to{};
  const auto colon = text.rfind(':');
  to.sin_family = AF_INET;
  if (colon == std::string::npos ||
      ::inet_pton(AF_INET, text.substr(0, colon).c_str(), &to.sin_addr) != 1)
    fail("give ADDRESS:PORT");
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(text.substr(colon + 1))));
  return to;
}

struct End {
  bool client = false;
  int fd = -1;
  sockaddr_in peer{};
  std::size_t size = 0;
  std::unique_ptr<Tls> tls;
  ngtcp2_conn* connection = nullptr;
  std::int64_t stream = -1;
  bool open = false;
  std::uint64_t received = 0, acknowledged = 0;
  Clock::time_point first{}, last{};
  std::vector<std::uint8_t> out, data;
  bool endless = true;                  // the data again and again, else each byte once
  bool echoes = false;                  // what arrives is what is sent
  std::size_t sent = 0;                 // of the data
  Clock::time_point left{}, arrived{};  // the last datagram, at the kernel
  ngtcp2_sockaddr_in a{}, b{};
  ngtcp2_path path{};
};

End* self(void* user) {
  return static_cast<End*>(user);
}

ngtcp2_callbacks callbacks(bool client) {
  ngtcp2_callbacks calls{};
  if (client) {
    calls.client_initial = ngtcp2_crypto_client_initial_cb;
    calls.recv_retry = ngtcp2_crypto_recv_retry_cb;
  } else {
    calls.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
  }
  calls.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
  calls.encrypt = ngtcp2_crypto_encrypt_cb;
  calls.decrypt = ngtcp2_crypto_decrypt_cb;
  calls.hp_mask = ngtcp2_crypto_hp_mask_cb;
  calls.update_key = ngtcp2_crypto_update_key_cb;
  calls.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
  calls.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
  calls.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
  calls.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
  calls.rand = [](std::uint8_t* dest, std::size_t size, const ngtcp2_rand_ctx*) {
    std::memset(dest, 0, size);
  };
  calls.get_new_connection_id = [](ngtcp2_conn*, ngtcp2_cid* id, std::uint8_t* token,
                                   std::size_t length, void*) {
    id->datalen = length;
    gnutls_rnd(GNUTLS_RND_NONCE, id->data, length);
    gnutls_rnd(GNUTLS_RND_NONCE, token, NGTCP2_STATELESS_RESET_TOKENLEN);
    return 0;
  };
  calls.handshake_completed = [](ngtcp2_conn*, void* user) {
    self(user)->open = true;
    return 0;
  };
  calls.recv_stream_data = [](ngtcp2_conn* connection, std::uint32_t, std::int64_t id,
                              std::uint64_t, const std::uint8_t* bytes, std::size_t size,
                              void* user, void*) {
    End& end = *self(user);
    end.last = Clock::now();
    if (end.received == 0) end.first = end.last;
    end.received += size;
    if (end.echoes) {
      end.stream = id;
      end.data.insert(end.data.end(), bytes, bytes + size);
    }
    ngtcp2_conn_extend_max_stream_offset(connection, id, size);
    ngtcp2_conn_extend_max_offset(connection, size);
    return 0;
  };
  return calls;
}

void make(End& end, const ngtcp2_pkt_hd* first) {
  const Identity one = Identity::from_seed(Key{1}), other = Identity::from_seed(Key{2});
  const Identity& mine = end.client ? one : other;
  const Identity& theirs = end.client ? other : one;
  auto tls = Tls::create({mine.seed(), mine.id().key(), theirs.id().key()}, end.client);
  if (!tls) fail("tls");
  end.tls = std::move(*tls);
  end.a.sin_family = end.b.sin_family = AF_INET;
  end.a.sin_addr.s_addr = htonl(0xc0000201);
  end.b.sin_addr.s_addr = htonl(0xc0000202);
  end.path.local = {reinterpret_cast<ngtcp2_sockaddr*>(&end.a), sizeof(end.a)};
  end.path.remote = {reinterpret_cast<ngtcp2_sockaddr*>(&end.b), sizeof(end.b)};

  ngtcp2_settings settings;
  ngtcp2_settings_default(&settings);
  settings.cc_algo = NGTCP2_CC_ALGO_BBR2;
  settings.initial_ts = now();
  settings.initial_rtt = 1'000'000;
  settings.max_window = 32 << 20;
  settings.max_stream_window = 16 << 20;
  settings.max_tx_udp_payload_size = end.size;
  settings.no_tx_udp_payload_size_shaping = 1;
  settings.no_pmtud = 1;
  ngtcp2_transport_params params;
  ngtcp2_transport_params_default(&params);
  params.initial_max_stream_data_bidi_local = params.initial_max_stream_data_bidi_remote = 16 << 20;
  params.initial_max_data = 32 << 20;
  params.initial_max_streams_bidi = 4;
  const auto calls = callbacks(end.client);
  ngtcp2_cid own{}, other_id{};
  own.datalen = other_id.datalen = 8;
  gnutls_rnd(GNUTLS_RND_NONCE, own.data, 8);
  gnutls_rnd(GNUTLS_RND_NONCE, other_id.data, 8);
  int made;
  if (end.client) {
    made = ngtcp2_conn_client_new(&end.connection, &other_id, &own, &end.path, NGTCP2_PROTO_VER_V1,
                                  &calls, &settings, &params, nullptr, &end);
  } else {
    params.original_dcid = first->dcid;
    made = ngtcp2_conn_server_new(&end.connection, &first->scid, &own, &end.path,
                                  NGTCP2_PROTO_VER_V1, &calls, &settings, &params, nullptr, &end);
  }
  if (made != 0) fail("ngtcp2");
  end.tls->attach(end.connection);
  ngtcp2_conn_set_tls_native_handle(end.connection, end.tls->native());
}

void send_train(End& end, std::size_t used, std::size_t segment) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(std::uint16_t))> control{};
  iovec vector{end.out.data(), used};
  msghdr header{};
  header.msg_name = &end.peer;
  header.msg_namelen = sizeof(end.peer);
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  if (segment < used) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto size = static_cast<std::uint16_t>(segment);
    std::memcpy(CMSG_DATA(c), &size, sizeof(size));
  }
  end.left = Clock::now();
  while (::sendmsg(end.fd, &header, 0) < 0 && errno == EAGAIN) {
    pollfd wait{end.fd, POLLOUT, 0};
    ::poll(&wait, 1, 10);
  }
}

void write(End& end) {
  if (end.client && end.open && end.stream < 0)
    ngtcp2_conn_open_bidi_stream(end.connection, &end.stream, nullptr);
  for (;;) {
    const std::size_t most = std::min<std::size_t>(
        44, std::max<std::size_t>(1, ngtcp2_conn_get_send_quantum(end.connection) / end.size));
    std::size_t used = 0, segment = end.size;
    const auto stamp = now();
    for (std::size_t i = 0; i < most; ++i) {
      ngtcp2_vec data{end.data.data() + end.sent, end.data.size() - end.sent};
      const bool any = end.stream >= 0 && data.len > 0;
      ngtcp2_ssize taken = -1;
      const auto count = ngtcp2_conn_writev_stream(
          end.connection, nullptr, nullptr, end.out.data() + used, segment, &taken,
          NGTCP2_WRITE_STREAM_FLAG_NONE, any ? end.stream : -1, &data, any ? 1 : 0, stamp);
      if (taken > 0 && !end.endless) end.sent += static_cast<std::size_t>(taken);
      if (count == NGTCP2_ERR_STREAM_DATA_BLOCKED) {
        const auto more =
            ngtcp2_conn_writev_stream(end.connection, nullptr, nullptr, end.out.data() + used,
                                      segment, nullptr, 0, -1, nullptr, 0, stamp);
        if (more > 0) used += static_cast<std::size_t>(more);
        break;
      }
      if (count < 0) fail(ngtcp2_strerror(static_cast<int>(count)));
      if (count == 0) break;
      if (i == 0) segment = static_cast<std::size_t>(count);
      used += static_cast<std::size_t>(count);
      if (static_cast<std::size_t>(count) < segment || segment + 8 < end.size) break;
    }
    ngtcp2_conn_update_pkt_tx_time(end.connection, stamp);
    if (used == 0) return;
    send_train(end, used, segment);
  }
}

bool read(End& end) {
  static std::vector<std::uint8_t> bytes(receive_batch * room);
  static std::array<mmsghdr, receive_batch> messages;
  static std::array<iovec, receive_batch> vectors;
  struct alignas(cmsghdr) Control {
    std::array<char, 64> raw;
  };
  static std::array<Control, receive_batch> control;
  static std::array<sockaddr_in, receive_batch> from;
  for (std::size_t i = 0; i < receive_batch; ++i) {
    vectors[i] = {bytes.data() + i * room, room};
    msghdr& header = messages[i].msg_hdr;
    header = {};
    header.msg_name = &from[i];
    header.msg_namelen = sizeof(from[i]);
    header.msg_iov = &vectors[i];
    header.msg_iovlen = 1;
    header.msg_control = &control[i];
    header.msg_controllen = sizeof(control[i]);
  }
  const int count = ::recvmmsg(end.fd, messages.data(), receive_batch, MSG_DONTWAIT, nullptr);
  for (int k = 0; k < count; ++k) {
    const auto i = static_cast<std::size_t>(k);
    msghdr& header = messages[i].msg_hdr;
    std::size_t segment = messages[i].msg_len;
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c))
      if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
        int size = 0;
        std::memcpy(&size, CMSG_DATA(c), sizeof(size));
        segment = static_cast<std::size_t>(size);
      } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
        timespec stamp{};
        std::memcpy(&stamp, CMSG_DATA(c), sizeof(stamp));
        end.arrived = Clock::now() - age_of(stamp);
      }
    for (std::size_t at = 0; at < messages[i].msg_len; at += segment) {
      const std::uint8_t* packet = bytes.data() + i * room + at;
      const std::size_t size = std::min<std::size_t>(segment, messages[i].msg_len - at);
      if (!end.connection) {
        ngtcp2_pkt_hd first;
        if (ngtcp2_accept(&first, packet, size) != 0) continue;
        end.peer = from[i];
        make(end, &first);
      }
      const ngtcp2_pkt_info info{};
      ngtcp2_conn_read_pkt(end.connection, &end.path, &info, packet, size, now());
    }
  }
  return count == static_cast<int>(receive_batch);
}

// Until `stop`, or as long as `more` says so; sleeps at most so long at a time.
template <typename More>
void run(End& end, Clock::time_point stop, std::chrono::milliseconds longest, More&& more) {
  while (Clock::now() < stop && more()) {
    Clock::duration rest = std::min<Clock::duration>(longest, stop - Clock::now());
    if (end.connection) {
      write(end);
      const auto expiry = ngtcp2_conn_get_expiry(end.connection), at = now();
      const std::uint64_t until = expiry <= at ? 0 : expiry - at;
      if (until < static_cast<std::uint64_t>(rest.count())) rest = std::chrono::nanoseconds(until);
    }
    // Who is in a hurry would rather turn in a circle than be late.
    if (end.endless) rest = std::chrono::floor<std::chrono::milliseconds>(rest);
    const auto ns = std::max<std::int64_t>(0, std::chrono::nanoseconds(rest).count());
    const timespec patience{ns / 1'000'000'000, ns % 1'000'000'000};
    pollfd wait{end.fd, POLLIN, 0};
    ::ppoll(&wait, 1, &patience, nullptr);
    while (read(end)) {
    }
    if (end.connection && ngtcp2_conn_get_expiry(end.connection) <= now())
      ngtcp2_conn_handle_expiry(end.connection, now());
  }
}

int carry(End& end, double seconds) {
  end.data.assign(256 * 1024, 0x5a);
  run(end,
      Clock::now() +
          std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds)),
      std::chrono::milliseconds{10}, [] { return true; });
  const double span = std::chrono::duration<double>(end.last - end.first).count();
  std::printf("{\"gbit_s\":%.3f,\"bytes\":%llu,\"cpu_s\":%.3f}\n",
              span > 0 ? 8e-9 * static_cast<double>(end.received) / span : 0,
              static_cast<unsigned long long>(end.received), cpu_seconds());
  return 0;
}

int echo(End& end, double seconds) {
  end.endless = false;
  end.echoes = true;
  end.data.reserve(1 << 20);  // what is on its way must not move
  run(end,
      Clock::now() +
          std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds)),
      std::chrono::seconds{1}, [&] { return end.data.size() < end.data.capacity() / 2; });
  return 0;
}

int ping(End& end, int count, int interval_ms) {
  end.endless = false;
  end.data.reserve(static_cast<std::size_t>(count) * echo_size);
  const auto deadline = [] { return Clock::now() + std::chrono::seconds{2}; };
  const auto ms = [](Clock::duration d) {
    return std::chrono::duration<double, std::milli>(d).count();
  };
  run(end, deadline(), std::chrono::seconds{1}, [&] { return !end.open; });
  std::vector<double> rtt, app;
  for (int i = 0; i < count; ++i) {
    const auto next = Clock::now() + std::chrono::milliseconds{interval_ms};
    end.data.insert(end.data.end(), echo_size, 0x5a);
    const auto begun = Clock::now();
    write(end);
    const auto left = end.left;
    const auto wanted = static_cast<std::uint64_t>(i + 1) * echo_size;
    run(end, deadline(), std::chrono::seconds{1}, [&] { return end.received < wanted; });
    if (end.received < wanted) break;
    rtt.push_back(ms(end.arrived - left));
    app.push_back(ms(end.last - begun));
    run(end, next, std::chrono::seconds{1}, [] { return true; });
  }
  const auto median = [](std::vector<double>& all) {
    std::sort(all.begin(), all.end());
    return all.empty() ? 0 : all[all.size() / 2];
  };
  std::printf("{\"received\":%zu,\"rtt_ms\":%.4f,\"app_ms\":%.4f}\n", rtt.size(), median(rtt),
              median(app));
  return rtt.size() == static_cast<std::size_t>(count) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const bool pings = what == "ping", echoes = what == "echo";
  if (argc != 5 || (what != "serve" && what != "send" && !pings && !echoes)) {
    std::fprintf(stderr,
                 "usage: bench_quic serve|send|echo ADDRESS:PORT SECONDS SIZE\n"
                 "       bench_quic ping ADDRESS:PORT COUNT INTERVAL_MS\n");
    return 2;
  }
  End end;
  end.client = pings || what == "send";
  end.size = pings ? 1400 : std::stoul(argv[4]);
  end.out.resize(64 * 1500);
  end.fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  const int buffer = 4 << 20, on = 1;
  ::setsockopt(end.fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
  ::setsockopt(end.fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
  ::setsockopt(end.fd, SOL_UDP, UDP_GRO, &on, sizeof(on));
  if (pings) ::setsockopt(end.fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
  const sockaddr_in given = address(argv[2]);
  if (end.client) {
    end.peer = given;
    make(end, nullptr);
  } else if (::bind(end.fd, reinterpret_cast<const sockaddr*>(&given), sizeof(given)) != 0) {
    fail("bind");
  }
  if (pings) return ping(end, std::stoi(argv[3]), std::stoi(argv[4]));
  return echoes ? echo(end, std::stod(argv[3])) : carry(end, std::stod(argv[3]));
}

// Datagrams without Byway: what the machine gives to whoever asks it plainly. The references of
// the relay's benchmark, and the two ends around it.
//
//   bench_packets forward LISTEN TO [trains]
//       a bare forwarder: recvmmsg, sendmmsg
//   bench_packets send TO SECONDS SIZE BURST SOCKETS RATE [LANE…]
//       each socket into a lane of its own
//   bench_packets sink LISTEN SECONDS SIZE
//       counts what arrives
//   bench_packets echo LISTEN
//       sends everything back
//   bench_packets ping TO COUNT INTERVAL_MS
//       the median round trip to an echo
//
// LISTEN and TO are ADDRESS:PORT of IPv4. A lane of 0 sends datagrams with no frame around them.
// RATE is datagrams a second over all; 0: as fast as it goes. Each prints one JSON object.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t batch = 64;
constexpr std::size_t room = 65'536;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

sockaddr_in address(const std::string& text) {
  sockaddr_in to{};
  const auto colon = text.rfind(':');
  to.sin_family = AF_INET;
  if (colon == std::string::npos ||
      ::inet_pton(AF_INET, text.substr(0, colon).c_str(), &to.sin_addr) != 1) {
    std::fprintf(stderr, "give ADDRESS:PORT instead of %s\n", text.c_str());
    std::exit(2);
  }
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(text.substr(colon + 1))));
  return to;
}

int open_socket(const sockaddr_in& at) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) fail("socket");
  const int size = 4 << 20;
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
  if (::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof(at)) != 0) fail("bind");
  return fd;
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

union Control {
  cmsghdr header;
  std::array<char, 64> raw;
};

void set_segment(msghdr& header, Control& control, std::size_t segment) {
  header.msg_control = &control;
  header.msg_controllen = CMSG_SPACE(sizeof(std::uint16_t));
  cmsghdr* c = CMSG_FIRSTHDR(&header);
  c->cmsg_level = SOL_UDP;
  c->cmsg_type = UDP_SEGMENT;
  c->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
  const auto size = static_cast<std::uint16_t>(segment);
  std::memcpy(CMSG_DATA(c), &size, sizeof(size));
}

std::size_t segment_of(msghdr& header) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO) continue;
    int size = 0;
    std::memcpy(&size, CMSG_DATA(c), sizeof(size));
    return static_cast<std::size_t>(size);
  }
  return 0;
}

struct Batch {
  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(batch * room);
  std::array<mmsghdr, batch> messages{};
  std::array<iovec, batch> vectors{};
  std::array<Control, batch> control{};
};

int forward(const std::string& listen, const std::string& target, bool trains) {
  const int fd = open_socket(address(listen));
  sockaddr_in to = address(target);
  const int on = trains ? 1 : 0;
  ::setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on));
  Batch b;
  for (;;) {
    for (std::size_t i = 0; i < batch; ++i) {
      b.vectors[i] = {b.bytes.data() + i * room, room};
      msghdr& header = b.messages[i].msg_hdr;
      header = {};
      header.msg_iov = &b.vectors[i];
      header.msg_iovlen = 1;
      header.msg_control = &b.control[i];
      header.msg_controllen = sizeof(b.control[i]);
    }
    const int count = ::recvmmsg(fd, b.messages.data(), batch, MSG_WAITFORONE, nullptr);
    if (count < 0) continue;
    for (int i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      msghdr& header = b.messages[at].msg_hdr;
      const std::size_t segment = segment_of(header);
      const std::size_t size = b.messages[at].msg_len;
      header = {};
      header.msg_name = &to;
      header.msg_namelen = sizeof(to);
      b.vectors[at] = {b.bytes.data() + at * room, size};
      header.msg_iov = &b.vectors[at];
      header.msg_iovlen = 1;
      if (segment != 0 && segment < size) set_segment(header, b.control[at], segment);
    }
    for (int sent = 0; sent < count;) {
      const int n =
          ::sendmmsg(fd, b.messages.data() + sent, static_cast<unsigned>(count - sent), 0);
      sent += n > 0 ? n : 1;
    }
  }
}

int send(int argc, char** argv) {
  const sockaddr_in to = address(argv[2]);
  const double seconds = std::stod(argv[3]);
  const auto size = static_cast<std::size_t>(std::stoul(argv[4]));
  const auto burst = static_cast<std::size_t>(std::stoul(argv[5]));
  const auto sockets = static_cast<std::size_t>(std::stoul(argv[6]));
  const double per_second = std::stod(argv[7]);
  std::vector<std::vector<std::uint8_t>> trains;
  std::vector<int> fds;
  for (std::size_t i = 0; i < sockets; ++i) {
    sockaddr_in any{};
    any.sin_family = AF_INET;
    // The ports in order, so that whoever bound the lanes' ends knows them.
    any.sin_port = htons(static_cast<std::uint16_t>(20'000 + i));
    fds.push_back(open_socket(any));
    const std::uint64_t lane =
        argc > 8 ? std::stoull(argv[8 + i % static_cast<std::size_t>(argc - 8)]) : 0;
    std::vector<std::uint8_t> datagram(size, 0x5a);
    if (lane != 0) {
      datagram[0] = 0x14;
      for (std::size_t k = 0; k < 8; ++k)
        datagram[1 + k] = static_cast<std::uint8_t>(lane >> (56 - 8 * k));
    }
    std::vector<std::uint8_t> train;
    for (std::size_t k = 0; k < burst; ++k)
      train.insert(train.end(), datagram.begin(), datagram.end());
    trains.push_back(std::move(train));
  }
  const auto begun = Clock::now();
  std::uint64_t sent = 0, failed = 0;
  Control control;
  double elapsed = 0;
  for (std::size_t next = 0;; next = next + 1 < sockets ? next + 1 : 0) {
    if (next == 0 || sent % 256 == 0) {
      elapsed = std::chrono::duration<double>(Clock::now() - begun).count();
      if (elapsed >= seconds) break;
    }
    while (per_second > 0 && static_cast<double>(sent) > elapsed * per_second && elapsed < seconds)
      elapsed = std::chrono::duration<double>(Clock::now() - begun).count();
    iovec vector{trains[next].data(), trains[next].size()};
    msghdr header{};
    header.msg_name = const_cast<sockaddr_in*>(&to);
    header.msg_namelen = sizeof(to);
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    if (burst > 1) set_segment(header, control, size);
    if (::sendmsg(fds[next], &header, 0) >= 0)
      sent += burst;
    else
      ++failed;
  }
  std::printf("{\"sent\":%llu,\"failed\":%llu,\"seconds\":%.3f,\"cpu_s\":%.3f}\n",
              static_cast<unsigned long long>(sent), static_cast<unsigned long long>(failed),
              elapsed, cpu_seconds());
  return 0;
}

// Counts bytes without copying them (MSG_TRUNC with no room), so that it is not what is measured.
int sink(const std::string& listen, double seconds, std::size_t size) {
  const int fd = open_socket(address(listen));
  const int on = 1;
  ::setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on));
  Batch b;
  std::uint64_t bytes = 0, first_bytes = 0;
  Clock::time_point first{}, last{};
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end) {
    pollfd wait{fd, POLLIN, 0};
    if (::poll(&wait, 1, 50) <= 0) continue;
    for (std::size_t i = 0; i < batch; ++i) {
      b.vectors[i] = {b.bytes.data() + i, 1};
      b.messages[i].msg_hdr = {};
      b.messages[i].msg_hdr.msg_iov = &b.vectors[i];
      b.messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int count = ::recvmmsg(fd, b.messages.data(), batch, MSG_DONTWAIT | MSG_TRUNC, nullptr);
    std::uint64_t now_bytes = 0;
    for (int i = 0; i < count; ++i) now_bytes += b.messages[static_cast<std::size_t>(i)].msg_len;
    if (count <= 0) continue;
    last = Clock::now();
    if (bytes == 0) first = last, first_bytes = now_bytes;
    bytes += now_bytes;
  }
  const double span = std::chrono::duration<double>(last - first).count();
  const double count = static_cast<double>(bytes) / static_cast<double>(size);
  const double later = static_cast<double>(bytes - first_bytes) / static_cast<double>(size);
  std::printf("{\"received\":%.0f,\"seconds\":%.3f,\"per_second\":%.0f,\"cpu_s\":%.3f}\n", count,
              span, span > 0 ? later / span : 0, cpu_seconds());
  return 0;
}

int echo(const std::string& listen) {
  const int fd = open_socket(address(listen));
  std::array<std::uint8_t, 2048> bytes;
  for (;;) {
    sockaddr_in from{};
    socklen_t length = sizeof(from);
    const auto size =
        ::recvfrom(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (size >= 0)
      ::sendto(fd, bytes.data(), static_cast<std::size_t>(size), 0,
               reinterpret_cast<const sockaddr*>(&from), length);
  }
}

int ping(const std::string& target, int count, int interval_ms) {
  const sockaddr_in to = address(target);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  const int fd = open_socket(any);
  std::vector<double> times;
  std::array<std::uint8_t, 64> bytes{};
  for (int i = 0; i < count; ++i) {
    const auto begun = Clock::now();
    ::sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
    pollfd wait{fd, POLLIN, 0};
    if (::poll(&wait, 1, 1000) > 0 && ::recv(fd, bytes.data(), bytes.size(), 0) > 0)
      times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begun).count());
    ::poll(nullptr, 0, interval_ms);
  }
  std::sort(times.begin(), times.end());
  std::printf("{\"received\":%zu,\"rtt_ms\":%.4f}\n", times.size(),
              times.empty() ? 0 : times[times.size() / 2]);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "forward" && argc >= 4) return forward(argv[2], argv[3], argc > 4);
  if (what == "send" && argc >= 8) return send(argc, argv);
  if (what == "echo" && argc >= 3) return echo(argv[2]);
  if (what == "ping" && argc >= 5) return ping(argv[2], std::stoi(argv[3]), std::stoi(argv[4]));
  if (what == "sink" && argc >= 5) return sink(argv[2], std::stod(argv[3]), std::stoul(argv[4]));
  std::fprintf(stderr,
               "usage: bench_packets forward LISTEN TO [trains]\n"
               "       bench_packets send TO SECONDS SIZE BURST SOCKETS RATE [LANE…]\n"
               "       bench_packets sink LISTEN SECONDS SIZE\n"
               "       bench_packets echo LISTEN\n"
               "       bench_packets ping TO COUNT INTERVAL_MS\n");
  return 2;
}

// Datagrams without Byway: what the machine gives to whoever asks it plainly. The references of
// the relay's benchmark, and the two ends around it.
//
//   bench_packets forward LISTEN TO trains|singles [THREADS]
//       a bare forwarder: recvmmsg, sendmmsg; with several threads a socket each (SO_REUSEPORT)
//   bench_packets through TO LISTEN SECONDS SIZE BURST SOCKETS WINDOW RATE WORTH [FRAME…]
//       sends to TO and counts what arrives at LISTEN, with at most WINDOW datagrams on the way;
//       each counts as WORTH, for whoever lets no more than one of so many through to LISTEN
//   bench_packets turn SERVER PEER COUNT
//       opens TURN allocations towards PEER for the ports that `through` sends from
//   bench_packets echo LISTEN
//       sends everything back
//   bench_packets ping TO COUNT INTERVAL_MS
//       the median round trip to an echo
//   bench_packets source BYTES
//       so many bytes into standard output, a pipe, with no copy: what stands before a pipe must
//       not cost what is to be measured
//   bench_packets sink
//       counts what comes out of standard input, a pipe, likewise
//   bench_packets send TO BYTES [CONGESTION]
//       so many bytes into a TCP connection, from pages that are there already (sendfile), with
//       that congestion control
//   bench_packets drain LISTEN
//       counts what comes out of one TCP connection, thrown away in the kernel (MSG_TRUNC)
//
// LISTEN, TO, SERVER and PEER are ADDRESS:PORT of IPv4. FRAME, of each socket in turn: a lane,
// "turn", or 0 for none. RATE is datagrams a second over all; 0: as fast as it goes. Each prints
// one JSON object.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
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

int open_socket(const sockaddr_in& at, bool shared = false) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) fail("socket");
  const int on = 1;
  if (shared) ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
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

[[noreturn]] void forward_from(int fd, sockaddr_in to, bool trains) {
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

int forward(const std::string& listen, const std::string& target, bool trains,
            std::size_t threads) {
  const sockaddr_in to = address(target);
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < threads; ++i)
    others.emplace_back(forward_from, open_socket(address(listen), true), to, trains);
  forward_from(open_socket(address(listen), threads > 1), to, trains);
}

// One socket of those that send, and the train that it sends again and again.
struct Sender {
  int fd;
  std::vector<std::uint8_t> train;
};

constexpr std::uint16_t first_port = 20'000;  // whoever opened lanes or channels used the same

int open_sender(std::size_t number) {
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(static_cast<std::uint16_t>(first_port + number));
  return open_socket(any);
}

// `frame`: a lane's number, "turn" for data in the first TURN channel (RFC 8656), or "0" for none.
std::vector<std::uint8_t> make_datagram(std::size_t size, const std::string& frame) {
  std::vector<std::uint8_t> datagram(size, 0x5a);
  if (frame == "turn") {
    const auto length = static_cast<std::uint16_t>(size - 4);
    datagram[0] = 0x40, datagram[1] = 0x00;
    datagram[2] = static_cast<std::uint8_t>(length >> 8);
    datagram[3] = static_cast<std::uint8_t>(length);
  } else if (const std::uint64_t lane = std::stoull(frame); lane != 0) {
    datagram[0] = 0x14;
    for (std::size_t k = 0; k < 8; ++k)
      datagram[1 + k] = static_cast<std::uint8_t>(lane >> (56 - 8 * k));
  }
  return datagram;
}

void send_train(const Sender& sender, const sockaddr_in& to, std::size_t size) {
  Control control;
  iovec vector{const_cast<std::uint8_t*>(sender.train.data()), sender.train.size()};
  msghdr header{};
  header.msg_name = const_cast<sockaddr_in*>(&to);
  header.msg_namelen = sizeof(to);
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  if (sender.train.size() > size) set_segment(header, control, size);
  ::sendmsg(sender.fd, &header, 0);  // what fails is counted as lost
}

// What waits at the socket, counted without copying it (MSG_TRUNC with no room).
std::uint64_t take_arrived(int fd, Batch& b) {
  std::uint64_t datagrams = 0;
  for (;;) {
    for (std::size_t i = 0; i < batch; ++i) {
      b.vectors[i] = {b.bytes.data() + i, 1};
      msghdr& header = b.messages[i].msg_hdr;
      header = {};
      header.msg_iov = &b.vectors[i];
      header.msg_iovlen = 1;
      header.msg_control = &b.control[i];
      header.msg_controllen = sizeof(b.control[i]);
    }
    const int count = ::recvmmsg(fd, b.messages.data(), batch, MSG_DONTWAIT | MSG_TRUNC, nullptr);
    if (count <= 0) return datagrams;
    for (int i = 0; i < count; ++i) {
      auto& message = b.messages[static_cast<std::size_t>(i)];
      const std::size_t segment = segment_of(message.msg_hdr);
      datagrams += segment == 0 ? 1 : (message.msg_len + segment - 1) / segment;
    }
    if (static_cast<std::size_t>(count) < batch) return datagrams;
  }
}

// Both ends in one loop, so that on one core neither starves the other; and never more on the way
// than the window, so that what is measured is what the middle carries and not what it drops.
int through(int argc, char** argv) {
  const sockaddr_in to = address(argv[2]);
  const int sink = open_socket(address(argv[3]));
  const double seconds = std::stod(argv[4]);
  const auto size = static_cast<std::size_t>(std::stoul(argv[5]));
  const auto burst = static_cast<std::size_t>(std::stoul(argv[6]));
  const auto sockets = static_cast<std::size_t>(std::stoul(argv[7]));
  const auto window = static_cast<std::uint64_t>(std::stoull(argv[8]));
  const double per_second = std::stod(argv[9]);
  const auto worth = static_cast<std::uint64_t>(std::stoull(argv[10]));
  const int on = 1;
  ::setsockopt(sink, SOL_UDP, UDP_GRO, &on, sizeof(on));
  std::vector<Sender> senders;
  for (std::size_t i = 0; i < sockets; ++i) {
    const auto datagram =
        make_datagram(size, argc > 11 ? argv[11 + i % static_cast<std::size_t>(argc - 11)] : "0");
    Sender sender{open_sender(i), {}};
    for (std::size_t k = 0; k < burst; ++k)
      sender.train.insert(sender.train.end(), datagram.begin(), datagram.end());
    senders.push_back(std::move(sender));
  }

  Batch b;
  std::uint64_t sent = 0, received = 0, given_up = 0;
  const auto begun = Clock::now();
  auto last_heard = begun;
  const auto since = [](Clock::time_point then) {
    return std::chrono::duration<double>(Clock::now() - then).count();
  };
  double elapsed = 0;
  for (std::size_t next = 0; elapsed < seconds; elapsed = since(begun)) {
    const double due = per_second > 0 ? elapsed * per_second : 1e18;
    for (std::uint64_t turns = 0; turns < batch; ++turns) {
      if (sent - received - given_up + burst > window || static_cast<double>(sent) >= due) break;
      send_train(senders[next], to, size);
      sent += burst;
      next = next + 1 < sockets ? next + 1 : 0;
    }
    if (const auto count = worth * take_arrived(sink, b); count > 0) {
      received += count;
      given_up = std::min(given_up, sent - received);
      last_heard = Clock::now();
    } else if (since(last_heard) > 0.02) {  // what is missing will not come
      given_up = sent - received;
      last_heard = Clock::now();
    } else {
      pollfd wait{sink, POLLIN, 0};
      const timespec a_moment{0, 100'000};
      ::ppoll(&wait, 1, &a_moment, nullptr);
    }
  }
  const std::uint64_t in_time = received;
  for (const auto end = Clock::now(); since(end) < 0.2;) received += worth * take_arrived(sink, b);
  std::printf(
      "{\"sent\":%llu,\"received\":%llu,\"seconds\":%.3f,\"per_second\":%.0f,"
      "\"cpu_s\":%.3f}\n",
      static_cast<unsigned long long>(sent), static_cast<unsigned long long>(received), elapsed,
      static_cast<double>(in_time) / elapsed, cpu_seconds());
  return 0;
}

// --- TURN, for the relay that is held against ours ----------------------------------------------

void append16(std::vector<std::uint8_t>& bytes, unsigned value) {
  bytes.push_back(static_cast<std::uint8_t>(value >> 8));
  bytes.push_back(static_cast<std::uint8_t>(value));
}

// Sends a request (RFC 8656 without credentials) and waits for its success.
bool turn_request(int fd, const sockaddr_in& server, unsigned type,
                  const std::vector<std::uint8_t>& attributes) {
  std::vector<std::uint8_t> request;
  append16(request, type);
  append16(request, static_cast<unsigned>(attributes.size()));
  for (const unsigned half : {0x2112u, 0xa442u}) append16(request, half);
  for (unsigned i = 0; i < 6; ++i) append16(request, type * 7 + i + static_cast<unsigned>(fd));
  request.insert(request.end(), attributes.begin(), attributes.end());
  for (int tries = 0; tries < 5; ++tries) {
    ::sendto(fd, request.data(), request.size(), 0, reinterpret_cast<const sockaddr*>(&server),
             sizeof(server));
    pollfd wait{fd, POLLIN, 0};
    std::array<std::uint8_t, 2048> answer;
    if (::poll(&wait, 1, 500) <= 0) continue;
    const auto size = ::recv(fd, answer.data(), answer.size(), 0);
    if (size >= 20) return (unsigned{answer[0]} << 8 | answer[1]) == (type | 0x100);
  }
  return false;
}

// An allocation for each of the senders' ports, with its first channel bound to one peer.
int turn(const std::string& server_text, const std::string& peer_text, std::size_t count) {
  const sockaddr_in server = address(server_text), peer = address(peer_text);
  const std::vector<std::uint8_t> allocate{0, 0x19, 0, 4, 17, 0, 0, 0};  // REQUESTED-TRANSPORT: UDP
  std::vector<std::uint8_t> bind{0, 0x0c, 0, 4, 0x40, 0, 0, 0, 0, 0x12, 0, 8, 0, 1};
  append16(bind, ntohs(peer.sin_port) ^ 0x2112u);
  const std::uint32_t host = ntohl(peer.sin_addr.s_addr) ^ 0x2112a442u;
  append16(bind, host >> 16);
  append16(bind, host & 0xffff);
  for (std::size_t i = 0; i < count; ++i) {
    const int fd = open_sender(i);
    if (!turn_request(fd, server, 0x003, allocate) || !turn_request(fd, server, 0x009, bind)) {
      std::fprintf(stderr, "bench_packets: the TURN server refused allocation %zu\n", i);
      return 1;
    }
    ::close(fd);
  }
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

constexpr int pipe_size = 1 << 20;

// One block again and again, as `byway bench` sends it: what is measured is not how quickly memory
// is read.
int source(std::uint64_t left) {
  ::fcntl(STDOUT_FILENO, F_SETPIPE_SZ, pipe_size);
  constexpr std::size_t block_size = 64 << 10;
  std::vector<std::uint8_t> block(block_size, 0x5a);
  while (left > 0) {
    std::array<iovec, pipe_size / block_size> blocks;
    std::uint64_t offered = 0;
    for (iovec& one : blocks) {
      one = {block.data(), std::min<std::uint64_t>(left - offered, block.size())};
      offered += one.iov_len;
    }
    const auto n = ::vmsplice(STDOUT_FILENO, blocks.data(), blocks.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail("vmsplice");
    left -= static_cast<std::uint64_t>(n);
  }
  return 0;
}

// Counts what `take` gets, from the first byte to the end.
template <typename Take>
int count_all(const char* what, Take&& take) {
  std::uint64_t bytes = 0;
  auto begun = Clock::now();
  for (;;) {
    const ssize_t n = take();
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(what);
    if (n == 0) break;
    if (bytes == 0) begun = Clock::now();
    bytes += static_cast<std::uint64_t>(n);
  }
  const std::chrono::duration<double> seconds = Clock::now() - begun;
  std::printf("{\"bytes\":%llu,\"seconds\":%.4f}\n", static_cast<unsigned long long>(bytes),
              seconds.count());
  return 0;
}

int sink() {
  const int nothing = ::open("/dev/null", O_WRONLY);
  return count_all("splice",
                   [&] { return ::splice(STDIN_FILENO, nullptr, nothing, nullptr, pipe_size, 0); });
}

int send_by_tcp(const std::string& target, std::uint64_t left, const std::string& congestion) {
  const sockaddr_in to = address(target);
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  if (!congestion.empty() && ::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion.data(),
                                          static_cast<socklen_t>(congestion.size())) != 0)
    fail("TCP_CONGESTION");
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) fail("connect");
  const int pages = ::memfd_create("pages", 0);
  if (pages < 0 || ::ftruncate(pages, pipe_size) != 0) fail("memfd_create");
  while (left > 0) {
    off_t at = 0;
    const auto n = ::sendfile(fd, pages, &at, std::min<std::uint64_t>(left, pipe_size));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail("sendfile");
    left -= static_cast<std::uint64_t>(n);
  }
  ::shutdown(fd, SHUT_WR);
  std::uint8_t byte;
  return ::recv(fd, &byte, 1, 0) == 0 ? 0 : 1;  // the other end has it all
}

int drain(const std::string& listen) {
  const sockaddr_in at = address(listen);
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&at), sizeof(at)) != 0) fail("bind");
  if (::listen(listener, 1) != 0) fail("listen");
  const int fd = ::accept(listener, nullptr, nullptr);
  if (fd < 0) fail("accept");
  return count_all("recv", [&] { return ::recv(fd, nullptr, pipe_size, MSG_TRUNC); });
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "forward" && argc >= 5)
    return forward(argv[2], argv[3], std::string(argv[4]) == "trains",
                   argc > 5 ? std::stoul(argv[5]) : 1);
  if (what == "through" && argc >= 11) return through(argc, argv);
  if (what == "turn" && argc == 5) return turn(argv[2], argv[3], std::stoul(argv[4]));
  if (what == "echo" && argc >= 3) return echo(argv[2]);
  if (what == "ping" && argc >= 5) return ping(argv[2], std::stoi(argv[3]), std::stoi(argv[4]));
  if (what == "source" && argc >= 3) return source(std::stoull(argv[2]));
  if (what == "sink") return sink();
  if (what == "send" && argc >= 4)
    return send_by_tcp(argv[2], std::stoull(argv[3]), argc > 4 ? argv[4] : "");
  if (what == "drain" && argc >= 3) return drain(argv[2]);
  std::fprintf(stderr,
               "usage: bench_packets forward LISTEN TO trains|singles [THREADS]\n"
               "       bench_packets through TO LISTEN SECONDS SIZE BURST SOCKETS WINDOW RATE "
               "WORTH [FRAME…]\n"
               "       bench_packets turn SERVER PEER COUNT\n"
               "       bench_packets echo LISTEN\n"
               "       bench_packets ping TO COUNT INTERVAL_MS\n"
               "       bench_packets source BYTES\n"
               "       bench_packets sink\n"
               "       bench_packets send TO BYTES [CONGESTION]\n"
               "       bench_packets drain LISTEN\n");
  return 2;
}

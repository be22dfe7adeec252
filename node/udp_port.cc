#include "node/udp_port.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "node/clock.h"
#include "node/socket_address.h"
#include "overlay/core/fifo.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace byway {
namespace {

// The listening sockets after the first are numbered from here on.
constexpr SocketId first_further_socket = last_spare_socket + 1;
constexpr std::size_t batch_messages = 16;
constexpr std::size_t message_room = 65'536;
constexpr int batches_per_wake_up = 4;          // then others have their turn
constexpr std::size_t max_train_segments = 64;  // UDP_MAX_SEGMENTS of the older kernels
constexpr std::size_t max_train_bytes = 65'000;
constexpr std::size_t gather_at_most = 64;  // transmits, before they are sent
constexpr std::size_t max_waiting = 1024;   // transmits held back while a socket is full

void set_quietly(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof(value));  // best effort
}

// As root the system's usual limit (net.core.rmem_max, often 200 kB: not a hundred full packets)
// can be passed; others get as much as it allows.
void set_buffers(int fd, int bytes) {
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0)
    set_quietly(fd, SOL_SOCKET, SO_RCVBUF, bytes);
  if (::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) != 0)
    set_quietly(fd, SOL_SOCKET, SO_SNDBUF, bytes);
}

// What the kernel says beside a message.
struct Beside {
  std::size_t segment = 0;          // the size of the datagrams joined in it; 0: it is one datagram
  std::optional<timespec> stamped;  // when it arrived, by the wall clock
};

Beside beside(msghdr& header) {
  Beside found;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
      int size = 0;
      std::memcpy(&size, CMSG_DATA(c), sizeof(size));
      if (size > 0) found.segment = static_cast<std::size_t>(size);
    } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
      std::memcpy(&found.stamped.emplace(), CMSG_DATA(c), sizeof(timespec));
    }
  }
  return found;
}

// The same moment by our clock, if it can be one: the wall clock may have been set in between.
std::optional<TimePoint> by_our_clock(const timespec& stamped) {
  constexpr Duration believable = 1s;
  const Duration age = age_of(stamped);
  if (age < Duration::zero() || age > believable) return {};
  return monotonic_now() - age;
}

// The messages of one sendmmsg, built over transmits that stay where they are.
struct Outgoing {
  struct alignas(cmsghdr) Control {
    std::array<char, CMSG_SPACE(sizeof(std::uint16_t)) + CMSG_SPACE(sizeof(int))> raw;
  };
  static constexpr std::size_t room = 64;
  static constexpr std::size_t vector_room = 1024;

  std::array<mmsghdr, room> messages;
  std::array<SocketAddress, room> to;
  std::array<Control, room> control;
  std::array<std::size_t, room> transmits;  // how many each message carries
  std::array<bool, room> train;
  std::array<iovec, vector_room> vectors;
  std::size_t count = 0;
  std::size_t vectors_used = 0;
  std::size_t taken = 0;  // transmits in all messages
};

std::size_t segments_of(const Transmit& t) {
  if (t.segment_size == 0) return 1;
  return (t.view().size() + t.segment_size - 1) / t.segment_size;
}
std::size_t segment_of(const Transmit& t) {
  return t.segment_size == 0 ? t.view().size() : std::min(t.segment_size, t.view().size());
}
bool is_whole(const Transmit& t) {
  return t.view().size() % segment_of(t) == 0;
}

// How many transmits from `first` on can be one train: the same target, and every datagram of
// the same size but the very last, which may be shorter.
std::size_t train_length(const Fifo<Transmit>& all, std::size_t first, std::size_t vectors) {
  const Transmit& head = all[first];
  const std::size_t segment = segment_of(head);
  std::size_t bytes = head.view().size(), segments = segments_of(head), length = 1;
  while (first + length < all.size() && length < vectors) {
    const Transmit& last = all[first + length - 1];
    const Transmit& next = all[first + length];
    if (next.view().empty() || next.to != head.to || next.ttl != head.ttl) break;
    if (!is_whole(last) || last.view().size() < segment) break;
    const bool same = segment_of(next) == segment;
    const bool shorter_end = segments_of(next) == 1 && next.view().size() < segment;
    if (!same && !shorter_end) break;
    bytes += next.view().size();
    segments += segments_of(next);
    if (bytes > max_train_bytes || segments > max_train_segments) break;
    ++length;
    if (shorter_end) break;
  }
  return length;
}

void add_control(msghdr& header, Outgoing::Control& control, std::size_t segment,
                 const Transmit& t) {
  if (segment == 0 && t.ttl == 0) return;
  control.raw.fill(0);
  header.msg_control = control.raw.data();
  header.msg_controllen = control.raw.size();
  std::size_t used = 0;
  cmsghdr* c = CMSG_FIRSTHDR(&header);
  if (segment != 0) {
    const auto size = static_cast<std::uint16_t>(segment);
    c->cmsg_level = SOL_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof(size));
    std::memcpy(CMSG_DATA(c), &size, sizeof(size));
    used += CMSG_SPACE(sizeof(size));
    c = CMSG_NXTHDR(&header, c);
  }
  if (t.ttl != 0) {
    const int hops = t.ttl;
    c->cmsg_level = t.to.address.is_v4() ? IPPROTO_IP : IPPROTO_IPV6;
    c->cmsg_type = t.to.address.is_v4() ? IP_TTL : IPV6_HOPLIMIT;
    c->cmsg_len = CMSG_LEN(sizeof(hops));
    std::memcpy(CMSG_DATA(c), &hops, sizeof(hops));
    used += CMSG_SPACE(sizeof(hops));
  }
  header.msg_controllen = used;
}

// One message made of `vectors` pieces of memory, all to the target of `t`.
void add_message(Outgoing& out, const Transmit& t, std::size_t segment, std::size_t vectors,
                 std::size_t transmits) {
  const std::size_t i = out.count++;
  msghdr& header = out.messages[i].msg_hdr;
  header = {};
  header.msg_name = &out.to[i];
  header.msg_namelen = fill(out.to[i], t.to);
  header.msg_iov = &out.vectors[out.vectors_used - vectors];
  header.msg_iovlen = vectors;
  add_control(header, out.control[i], segment, t);
  out.transmits[i] = transmits;
  out.train[i] = segment != 0;
  out.taken += transmits;
}

void add_vector(Outgoing& out, ByteView bytes) {
  out.vectors[out.vectors_used++] = {const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
}

void gather_trains(Outgoing& out, const Fifo<Transmit>& all) {
  while (out.taken < all.size() && out.count < Outgoing::room) {
    const std::size_t room = Outgoing::vector_room - out.vectors_used;
    if (room < max_train_segments) break;
    const Transmit& head = all[out.taken];
    const std::size_t length =
        head.view().empty() ? 1 : train_length(all, out.taken, max_train_segments);
    std::size_t segments = 0;
    for (std::size_t k = 0; k < length; ++k) {
      const Transmit& t = all[out.taken + k];
      segments += t.view().empty() ? 1 : segments_of(t);
      add_vector(out, t.view());
    }
    add_message(out, head, segments > 1 ? segment_of(head) : 0, length, length);
  }
}

// Every datagram a message of its own. A transmit is finished with its last datagram; one whose
// sending is interrupted in the middle starts again, which only makes duplicates.
void gather_singles(Outgoing& out, const Fifo<Transmit>& all, std::size_t limit) {
  while (out.taken < std::min(all.size(), limit)) {
    const Transmit& t = all[out.taken];
    const std::size_t segments = t.view().empty() ? 1 : segments_of(t);
    if (out.count > 0 && out.count + segments > Outgoing::room) break;
    const std::size_t size = t.view().empty() ? 0 : segment_of(t);
    for (std::size_t k = 0; k < segments && out.count < Outgoing::room; ++k) {
      const ByteView all_bytes = t.view();
      add_vector(out, all_bytes.subspan(k * size, std::min(size, t.view().size() - k * size)));
      const bool last = k + 1 == segments || out.count + 1 == Outgoing::room;
      add_message(out, t, 0, 1, last ? 1 : 0);
    }
  }
}

}  // namespace

struct UdpPort::Socket : std::enable_shared_from_this<UdpPort::Socket> {
  Socket(boost::asio::io_context& io, SocketId its_id) : handle(io), id(its_id) {}
  boost::asio::ip::udp::socket handle;
  SocketId id;
  Endpoint bound;
  bool trains = false;     // UDP_SEGMENT works here
  bool full = false;       // waiting until it is writable
  std::size_t singly = 0;  // so many of the gathered go one by one: their train was refused
  Fifo<Transmit> gathered;
};

// One set for all sockets: they are drained in turn, and the datagrams are used at once.
struct UdpPort::Buffers {
  std::unique_ptr<std::uint8_t[]> bytes{new std::uint8_t[batch_messages * message_room]};
  std::array<mmsghdr, batch_messages> messages;
  std::array<iovec, batch_messages> vectors;
  std::array<SocketAddress, batch_messages> from;
  struct alignas(cmsghdr) Control {
    std::array<char, CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(timespec))> raw;
  };
  std::array<Control, batch_messages> control;
  std::vector<Datagram> datagrams;
  Outgoing out;
};

UdpPort::Counters& UdpPort::Counters::operator+=(const Counters& other) {
  receive_calls += other.receive_calls;
  trains_in += other.trains_in;
  send_calls += other.send_calls;
  trains_out += other.trains_out;
  send_errors += other.send_errors;
  dropped_full += other.dropped_full;
  no_socket += other.no_socket;
  return *this;
}

UdpPort::UdpPort(boost::asio::io_context& io, Options options)
    : io_(io), options_(options), buffers_(std::make_unique<Buffers>()) {
  buffers_->datagrams.reserve(batch_messages);
}

UdpPort::~UdpPort() = default;

int UdpPort::main_handle(bool v6) const {
  for (const auto& socket : sockets_)
    if (socket->id == main_socket && socket->bound.address.is_v6() == v6)
      return const_cast<boost::asio::ip::udp::socket&>(socket->handle).native_handle();
  return -1;
}

// The first of its family is a main socket.
SocketId UdpPort::id_for(const Endpoint& endpoint) const {
  const bool first = std::none_of(sockets_.begin(), sockets_.end(), [&](const auto& socket) {
    return socket->bound.address.is_v4() == endpoint.address.is_v4();
  });
  return first ? main_socket : static_cast<SocketId>(first_further_socket + sockets_.size() - 1);
}

Outcome<Endpoint> UdpPort::bind(const Endpoint& endpoint) {
  auto socket = make_socket(id_for(endpoint), endpoint);
  if (!socket) return socket.error();
  sockets_.push_back(std::move(*socket));
  return sockets_.back()->bound;
}

std::optional<Endpoint> UdpPort::open_spare(SocketId id, const std::optional<Endpoint>& bind) {
  if (sockets_.empty() || spare_.contains(id)) return {};
  Endpoint endpoint = bind.value_or(Endpoint{sockets_.front()->bound.address, 0});
  if (endpoint.address.scope() == Scope::unspecified)
    for (const auto& listening : sockets_) {
      if (listening->bound.address.is_v4() != endpoint.address.is_v4()) continue;
      endpoint.address = listening->bound.address;
      break;
    }
  auto socket = make_socket(id, endpoint);
  if (!socket) return {};
  if (receive_) wait_readable(*socket);
  return spare_.emplace(id, std::move(*socket)).first->second->bound;
}

void UdpPort::close_spare(SocketId id) {
  const auto spare = spare_.find(id);
  if (spare == spare_.end()) return;
  const std::shared_ptr<Socket> socket = std::move(spare->second);
  spare_.erase(spare);
  if (!socket->full) send_gathered(*socket);
  boost::system::error_code ignored;
  socket->handle.close(ignored);
}

Outcome<std::shared_ptr<UdpPort::Socket>> UdpPort::make_socket(SocketId id,
                                                               const Endpoint& endpoint) {
  namespace ip = boost::asio::ip;
  auto socket = std::make_shared<Socket>(io_, id);
  const bool v4 = endpoint.address.is_v4();
  boost::system::error_code error;
  const auto failed = [&](const std::string& remedy) {
    return Problem{"--listen " + endpoint.to_string() + ": " + error.message() + remedy};
  };
  socket->handle.open(v4 ? ip::udp::v4() : ip::udp::v6(), error);
  if (error) return failed("; this system may lack the address family, leave it out");

  const int fd = socket->handle.native_handle();
  socket->handle.non_blocking(true, error);
  if (error) return failed("");
  set_buffers(fd, options_.buffer_bytes);
  if (v4) {
    set_quietly(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  } else {
    set_quietly(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    set_quietly(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
  }
  if (options_.receive_trains) set_quietly(fd, SOL_UDP, UDP_GRO, 1);
  if (stamps_) set_quietly(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
  // Setting the size to 0 changes nothing, but an old kernel refuses the option's name.
  const int none = 0;
  socket->trains =
      options_.send_trains && ::setsockopt(fd, SOL_UDP, UDP_SEGMENT, &none, sizeof(none)) == 0;

  if (options_.joins) set_quietly(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  SocketAddress address;
  const socklen_t length = fill(address, endpoint);
  if (::bind(fd, &address.any, length) != 0) {
    error = {errno, boost::system::system_category()};
    if (errno == EADDRINUSE)
      return Problem{"--listen " + endpoint.to_string() +
                     ": the port is in use; choose another, or stop the program that has it"};
    if (errno == EADDRNOTAVAIL)
      return failed("; it must be an address of this host, or 0.0.0.0 for all of them");
    if (errno == EACCES) return failed("; ports below 1024 need privileges, choose a higher one");
    return failed("");
  }
  socklen_t size = sizeof(address);
  ::getsockname(fd, &address.any, &size);
  socket->bound = endpoint_of(address);
  return socket;
}

void UdpPort::share() {
  for (const auto& socket : sockets_)
    set_quietly(socket->handle.native_handle(), SOL_SOCKET, SO_REUSEPORT, 1);
}

void UdpPort::stamp_arrivals(bool wanted) {
  if (std::exchange(stamps_, wanted) == wanted) return;
  const auto tell = [&](Socket& socket) {
    set_quietly(socket.handle.native_handle(), SOL_SOCKET, SO_TIMESTAMPNS, wanted ? 1 : 0);
  };
  for (const auto& socket : sockets_) tell(*socket);
  for (const auto& [id, socket] : spare_) tell(*socket);
}

void UdpPort::start(Receive receive) {
  receive_ = std::move(receive);
  for (const auto& socket : sockets_) wait_readable(socket);
  for (const auto& [id, socket] : spare_) wait_readable(socket);
}

void UdpPort::close() {
  boost::system::error_code ignored;
  for (auto& socket : sockets_) socket->handle.close(ignored);
  for (auto& [id, socket] : spare_) socket->handle.close(ignored);
}

std::vector<Endpoint> UdpPort::bound() const {
  std::vector<Endpoint> all;
  for (const auto& socket : sockets_) all.push_back(socket->bound);
  return all;
}

// --- in
// -------------------------------------------------------------------------------------------

void UdpPort::wait_readable(const std::shared_ptr<Socket>& socket) {
  socket->handle.async_wait(
      boost::asio::ip::udp::socket::wait_read,
      [this, socket, alive = std::weak_ptr<int>(alive_)](const boost::system::error_code&) {
        if (!alive.expired()) on_readable(socket);
      });
}

// What arrives on a spare socket may be the reason to close it.
void UdpPort::on_readable(const std::shared_ptr<Socket>& socket) {
  for (int i = 0; i < batches_per_wake_up && socket->handle.is_open(); ++i)
    if (!receive_batch(*socket)) break;
  if (socket->handle.is_open()) wait_readable(socket);
}

// Whether there may be more.
bool UdpPort::receive_batch(Socket& socket) {
  Buffers& b = *buffers_;
  for (std::size_t i = 0; i < batch_messages; ++i) {
    b.vectors[i] = {b.bytes.get() + i * message_room, message_room};
    msghdr& header = b.messages[i].msg_hdr;
    header = {};
    header.msg_name = &b.from[i];
    header.msg_namelen = sizeof(b.from[i]);
    header.msg_iov = &b.vectors[i];
    header.msg_iovlen = 1;
    header.msg_control = b.control[i].raw.data();
    header.msg_controllen = b.control[i].raw.size();
  }
  const int count = ::recvmmsg(socket.handle.native_handle(), b.messages.data(), batch_messages,
                               MSG_DONTWAIT, nullptr);
  // An error here is an ICMP message about something sent earlier, or nothing to read.
  if (count < 0) return errno != EAGAIN && errno != EWOULDBLOCK && errno != EBADF;
  ++counters_.receive_calls;

  b.datagrams.clear();
  std::optional<timespec> last;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    msghdr& header = b.messages[i].msg_hdr;
    if (header.msg_flags & MSG_TRUNC) continue;
    const Endpoint from = endpoint_of(b.from[i]);
    const ByteView all{b.bytes.get() + i * message_room, b.messages[i].msg_len};
    const auto [segment, stamped] = beside(header);
    if (stamped) last = stamped;
    if (segment == 0 || segment >= all.size()) {
      b.datagrams.push_back({from, all, socket.id, Proto::udp});
      continue;
    }
    ++counters_.trains_in;
    b.datagrams.push_back({from, all, socket.id, Proto::udp, segment});
  }
  if (last) arrived_ = by_our_clock(*last);
  if (!b.datagrams.empty()) receive_(b.datagrams);
  arrived_.reset();
  return static_cast<std::size_t>(count) == batch_messages;
}

// --- out
// ------------------------------------------------------------------------------------------

// The socket the core names, or where a listening socket speaks another address family the first
// that fits.
UdpPort::Socket* UdpPort::socket_for(const Transmit& transmit) {
  const bool v4 = transmit.to.address.is_v4();
  const auto fits = [&](const Socket& socket) { return socket.bound.address.is_v4() == v4; };
  if (transmit.proto != Proto::udp) return nullptr;
  if (transmit.socket >= first_spare_socket && transmit.socket <= last_spare_socket) {
    const auto spare = spare_.find(transmit.socket);
    return spare != spare_.end() && fits(*spare->second) ? spare->second.get() : nullptr;
  }
  Socket* first = nullptr;
  for (auto& socket : sockets_) {
    if (!fits(*socket)) continue;
    if (socket->id == transmit.socket) return socket.get();
    if (!first) first = socket.get();
  }
  return first;
}

void UdpPort::send(Transmit transmit) {
  Socket* socket = socket_for(transmit);
  if (!socket) {
    ++counters_.no_socket;
    return;
  }
  if (socket->id != gathering_) {
    const auto before = spare_.find(std::exchange(gathering_, socket->id));
    if (before != spare_.end() && !before->second->full) send_gathered(*before->second);
  }
  if (socket->gathered.size() >= max_waiting) {
    ++counters_.dropped_full;
    return;
  }
  socket->gathered.push(std::move(transmit));
  if (!socket->full && socket->gathered.size() >= gather_at_most) send_gathered(*socket);
}

void UdpPort::flush() {
  gathering_ = main_socket;
  const auto flush_one = [&](Socket& socket) {
    if (!socket.full && !socket.gathered.empty()) send_gathered(socket);
    // What has to wait must not lie in the receive buffer.
    for (std::size_t i = 0; i < socket.gathered.size(); ++i) socket.gathered[i].own();
  };
  for (auto& socket : sockets_) flush_one(*socket);
  for (auto& [id, socket] : spare_) flush_one(*socket);
}

void UdpPort::send_gathered(Socket& socket) {
  if (!socket.handle.is_open()) return socket.gathered.clear();
  Outgoing& out = buffers_->out;
  const auto pop = [&](std::size_t count) {
    for (; count > 0; --count) {
      if (Bytes& sent = socket.gathered.front().bytes; spent_ && !sent.empty())
        spent_(std::move(sent));
      socket.gathered.drop();
      if (socket.singly > 0) --socket.singly;
    }
  };

  while (!socket.gathered.empty()) {
    out.count = out.vectors_used = out.taken = 0;
    if (!socket.trains)
      gather_singles(out, socket.gathered, socket.gathered.size());
    else if (socket.singly > 0)
      gather_singles(out, socket.gathered, socket.singly);
    else
      gather_trains(out, socket.gathered);

    std::size_t sent = 0;
    while (sent < out.count) {
      if (before_call_) std::exchange(before_call_, nullptr)();
      const int count = ::sendmmsg(socket.handle.native_handle(), out.messages.data() + sent,
                                   static_cast<unsigned>(out.count - sent), MSG_DONTWAIT);
      const int error = errno;
      ++counters_.send_calls;
      if (count > 0) {
        for (int k = 0; k < count; ++k, ++sent) {
          if (out.train[sent]) ++counters_.trains_out;
          pop(out.transmits[sent]);
        }
        continue;
      }
      if (error == EINTR) continue;
      if (error == EAGAIN || error == EWOULDBLOCK) return wait_writable(socket);
      if (out.train[sent] && (error == EIO || error == EINVAL || error == EMSGSIZE)) {
        // EIO: the device cannot checksum trains, nor will it later. Otherwise this one was too
        // large for the path, and most of its datagrams may still fit.
        if (error == EIO) socket.trains = false;
        socket.singly = out.transmits[sent];
        break;
      }
      ++counters_.send_errors;
      pop(out.transmits[sent]);
      ++sent;
    }
  }
}

void UdpPort::wait_writable(Socket& socket) {
  socket.full = true;
  socket.handle.async_wait(boost::asio::ip::udp::socket::wait_write,
                           [this, kept = socket.shared_from_this(),
                            alive = std::weak_ptr<int>(alive_)](const boost::system::error_code&) {
                             if (alive.expired()) return;
                             kept->full = false;
                             send_gathered(*kept);
                           });
}

}  // namespace byway

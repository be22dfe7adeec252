#include "node/lent_ends.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace byway {
namespace {

constexpr std::uint8_t lends_in = 1, lends_out = 2;
constexpr std::size_t most = 2;

bool is_pipe(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

bool is_connection(int fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

UniqueFd opened_anew(int fd, int mode) {
  if (!is_pipe(fd)) return {};
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  return UniqueFd{::open(path.c_str(), mode | O_NONBLOCK | O_CLOEXEC)};
}

// Room for so many descriptors beside a byte.
struct Beside {
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(most * sizeof(int))> bytes{};
};

}  // namespace

LentEnds lendable(int in, int out) {
  return {opened_anew(in, O_RDONLY), opened_anew(out, O_WRONLY)};
}

LentEnds lendable_connection(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (!is_connection(fd) || flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return {};
  return {UniqueFd{::fcntl(fd, F_DUPFD_CLOEXEC, 0)}, UniqueFd{::fcntl(fd, F_DUPFD_CLOEXEC, 0)}};
}

bool lend(int socket, const LentEnds& ends) {
  std::vector<int> fds;
  std::uint8_t which = 0;
  if (ends.in.is_open()) which |= lends_in, fds.push_back(ends.in.get());
  if (ends.out.is_open()) which |= lends_out, fds.push_back(ends.out.get());
  Beside beside;
  iovec byte{&which, 1};
  msghdr header{};
  header.msg_iov = &byte;
  header.msg_iovlen = 1;
  if (!fds.empty()) {
    header.msg_control = beside.bytes.data();
    header.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(rights), fds.data(), fds.size() * sizeof(int));
  }
  ssize_t n;
  do n = ::sendmsg(socket, &header, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  return n == 1;
}

std::optional<LentEnds> take_lent(int socket) {
  std::uint8_t which = 0;
  Beside beside;
  iovec byte{&which, 1};
  msghdr header{};
  header.msg_iov = &byte;
  header.msg_iovlen = 1;
  header.msg_control = beside.bytes.data();
  header.msg_controllen = beside.bytes.size();
  const ssize_t n = ::recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  std::vector<UniqueFd> fds;
  for (cmsghdr* c = n < 0 ? nullptr : CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t at = 0; CMSG_LEN(at + sizeof(int)) <= c->cmsg_len; at += sizeof(int)) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
      fds.emplace_back(fd);
    }
  }
  const std::size_t named = (which & lends_in ? 1u : 0u) + (which & lends_out ? 1u : 0u);
  if (n != 1 || (which & ~(lends_in | lends_out)) != 0 || fds.size() != named) return {};
  LentEnds ends;
  std::size_t at = 0;
  if (which & lends_in) ends.in = std::move(fds[at++]);
  if (which & lends_out) ends.out = std::move(fds[at]);
  // Whatever their maker said, a node never waits in a call.
  for (const UniqueFd* end : {&ends.in, &ends.out}) {
    if (!end->is_open()) continue;
    const int flags = ::fcntl(end->get(), F_GETFL);
    const bool is_lendable = is_pipe(end->get()) || is_connection(end->get());
    if (!is_lendable || flags < 0 || !(flags & O_NONBLOCK)) return {};
  }
  return ends;
}

}  // namespace byway

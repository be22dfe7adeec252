#include "node/cli/copy.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

namespace byway::cli {
namespace {

constexpr std::size_t buffer_size = 256 * 1024;
constexpr int pipe_size = 1 << 20;  // what anybody may ask for; a fresh one has 64 KiB
constexpr int socket_size = 1 << 20;

enum class FdKind { socket, file, pipe, other };

FdKind kind_of(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return FdKind::other;
  if (S_ISSOCK(status.st_mode)) return FdKind::socket;
  if (S_ISFIFO(status.st_mode)) return FdKind::pipe;
  return S_ISREG(status.st_mode) ? FdKind::file : FdKind::other;
}

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

// One direction: what was read and not yet written.
class Direction {
 public:
  Direction(int from, int to)
      : from_{from},
        to_{to},
        from_kind_{kind_of(from)},
        to_kind_{kind_of(to)},
        splices_{(from_kind_ == FdKind::pipe && to_kind_ == FdKind::socket) ||
                 (from_kind_ == FdKind::socket && to_kind_ == FdKind::pipe)} {}

  bool wants_read() const { return !done_ && (splices_ ? !full_ : begin_ == end_); }
  bool wants_write() const { return !done_ && (splices_ ? full_ : begin_ < end_); }
  bool done() const { return done_; }
  std::uint64_t moved() const { return moved_; }
  int error() const { return error_; }
  bool reading_failed() const { return reading_failed_; }
  bool was_told() const { return told_; }

  void finish() { done_ = true; }
  // The node writes what comes. Here it only tells the end, or by a byte that nobody reads `out`.
  void only_watch() {
    watches_ = true;
    splices_ = false;
  }

  // Poll said that reading will not block.
  void read_some() {
    if (splices_) return splice_some();
    if (buffer_.empty()) buffer_.resize(buffer_size);
    const ssize_t n = from_kind_ == FdKind::socket
                          ? recv(from_, buffer_.data(), buffer_.size(), MSG_DONTWAIT)
                          : read(from_, buffer_.data(), buffer_.size());
    if (n < 0 && would_block(errno)) return;
    begin_ = 0;
    end_ = n > 0 ? static_cast<std::size_t>(n) : 0;
    if (n > 0 && watches_) return told_ = true, fail(EPIPE, false);
    if (n > 0) return;
    done_ = true;
    // A terminal that went away (EIO) and an input that was never open (EBADF) are ends as well.
    if (n < 0 && errno != EIO && errno != EBADF) fail(errno, true);
  }

  // Poll said that there is room; how much, the descriptor tells when it is asked not to block.
  void write_some() {
    if (splices_) return splice_some();
    const ssize_t n = write_without_blocking(buffer_.data() + begin_, end_ - begin_);
    if (n < 0 && would_block(errno)) return;
    if (n < 0) return fail(errno, false);
    begin_ += static_cast<std::size_t>(n);
    moved_ += static_cast<std::uint64_t>(n);
  }

 private:
  // From the one straight into the other. That it would block tells not which of them: the one that
  // poll called ready is not it, so the other is waited for next.
  void splice_some() {
    const ssize_t n = splice(from_, nullptr, to_, nullptr, pipe_size, SPLICE_F_NONBLOCK);
    if (n > 0) {
      moved_ += static_cast<std::uint64_t>(n);
      full_ = false;
      return;
    }
    if (n == 0) return finish();
    if (errno == EINTR) return;
    if (would_block(errno)) {
      full_ = !full_;
      return;
    }
    if (errno == EINVAL || errno == ENOSYS) {
      splices_ = full_ = false;  // nothing was taken out: it goes by the buffer then
      return;
    }
    fail(errno, from_kind_ == FdKind::socket && errno != EPIPE);
  }

  // Its flags are not ours to change: others may share the descriptor. Where the kernel does not
  // take the wish with the call (pipes before Linux 6.4, terminals), a pipe with room takes
  // PIPE_BUF at once.
  ssize_t write_without_blocking(const std::uint8_t* bytes, std::size_t size) {
    if (to_kind_ == FdKind::socket) return send(to_, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (to_kind_ == FdKind::file) return write(to_, bytes, size);
    if (can_ask_) {
      const iovec all{const_cast<std::uint8_t*>(bytes), size};
      const ssize_t n = pwritev2(to_, &all, 1, -1, RWF_NOWAIT);
      can_ask_ = n >= 0 || errno == EAGAIN || errno == EINTR || errno == EPIPE;
      if (can_ask_) return n;
    }
    return write(to_, bytes, std::min<std::size_t>(size, PIPE_BUF));
  }

  void fail(int error, bool reading) {
    error_ = error;
    reading_failed_ = reading;
    done_ = true;
  }

  int from_, to_;
  FdKind from_kind_, to_kind_;
  bool splices_;
  bool watches_ = false;
  bool told_ = false;
  bool full_ = false;  // splicing: `to` is waited for
  std::vector<std::uint8_t> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  bool can_ask_ = true;  // the kernel knows of writing to this without blocking
  bool done_ = false;
  bool reading_failed_ = false;
  int error_ = 0;
  std::uint64_t moved_ = 0;
};

std::string reason(const CopyEnds& ends, const Direction& up, const Direction& down) {
  if (down.error() != 0)
    return down.reading_failed() ? "the stream broke off"
           : down.error() == EPIPE
               ? "nobody reads " + ends.out_name + " any more"
               : ends.out_name + " cannot be written: " + strerrordesc_np(down.error());
  if (up.error() == 0) return {};
  return up.reading_failed() ? ends.in_name + " cannot be read: " + strerrordesc_np(up.error())
                             : "the peer closed the stream before it had taken everything";
}

}  // namespace

CopyResult copy_both_ways(const CopyEnds& ends) {
  for (const int fd : {ends.in, ends.out}) fcntl(fd, F_SETPIPE_SZ, pipe_size);  // if it is one
  fcntl(ends.stream, F_SETFL, fcntl(ends.stream, F_GETFL) | O_NONBLOCK);  // what splice goes by
  setsockopt(ends.stream, SOL_SOCKET, SO_SNDBUF, &socket_size, sizeof(socket_size));
  Direction up{ends.in, ends.stream};
  Direction down{ends.stream, ends.out};
  if (ends.in_lent) up.finish();
  if (ends.out_lent) down.only_watch();
  bool told_end = ends.in_lent;  // by the node, when it has it
  bool node_reads = ends.in_lent;
  CopyResult result;

  while (!up.done() || !down.done() || node_reads) {
    if (up.done() && !told_end) {
      told_end = true;
      shutdown(ends.stream, SHUT_WR);
    }
    const short stream_events =
        static_cast<short>((up.wants_write() ? POLLOUT : 0) | (down.wants_read() ? POLLIN : 0));
    // An fd of -1 is skipped: an end we do not wait for must not wake us. The stream is watched as
    // long as the peer's closing it could spare us waiting for `in`.
    const bool watch_stream = stream_events != 0 || node_reads || (down.done() && up.wants_read());
    std::array<pollfd, 4> polled{{{watch_stream ? ends.stream : -1, stream_events, 0},
                                  {up.wants_read() ? ends.in : -1, POLLIN, 0},
                                  {down.wants_write() ? ends.out : -1, POLLOUT, 0},
                                  {ends.stop, POLLIN, 0}}};
    if (poll(polled.data(), polled.size(), -1) < 0) continue;  // EINTR: nothing else can happen
    const auto [stream, in, out, stop] = polled;

    if (stop.revents != 0) {
      result.stopped = true;
      break;
    }
    if (up.wants_write() && (stream.revents & (POLLOUT | POLLERR | POLLHUP))) up.write_some();
    if (down.wants_read() && (stream.revents & (POLLIN | POLLERR | POLLHUP))) down.read_some();
    if (up.wants_read() && in.revents != 0) up.read_some();
    if (down.wants_write() && out.revents != 0) down.write_some();
    if (stream.revents & (POLLHUP | POLLERR)) node_reads = false;
    // Closed both ways, and nothing of ours is waiting: there is nobody left to read for.
    if (down.done() && up.wants_read() && (stream.revents & (POLLHUP | POLLERR))) up.finish();
    if (ends.until_peers_end && down.done() && up.wants_read()) up.finish();
    // Nobody takes what comes: let the peer know, and do not wait for more input either.
    if (down.error() != 0) {
      if (!up.done()) up.finish();
      node_reads = false;
    }
  }
  if (!told_end) shutdown(ends.stream, SHUT_WR);

  result.sent = up.moved();
  result.received = down.moved();
  result.told = down.was_told();
  result.broken = reason(ends, up, down);
  result.our_fault = (down.error() != 0 && !down.reading_failed()) || up.reading_failed();
  return result;
}

}  // namespace byway::cli

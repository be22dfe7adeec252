#include "node/apps/bridge.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace byway {
namespace {

using ErrorCode = boost::system::error_code;

constexpr std::size_t in_at_once = 256 * 1024;  // or what lies in one piece
constexpr int pieces_in_a_turn = 16;            // then others have theirs
constexpr std::size_t out_at_once = 256 * 1024;
constexpr int socket_size = 1 << 20;  // asked of the kernel; it may give less
constexpr Duration linger_for = 30s;  // what was written may still be on its way for so long

}  // namespace

Bridge::Bridge(AppContext context, StreamId stream, const NodeId& peer, Bytes first_out,
               Overlay::Read first_in, Over over)
    : context_(context),
      stream_(stream),
      peer_(peer),
      over_(std::move(over)),
      linger_(context.runtime),
      in_(std::move(first_in.bytes)),
      in_end_(first_in.end),
      first_out_(std::move(first_out)) {}

void Bridge::start(Replies::Socket socket) {
  socket_.emplace(std::move(socket));
  ::setsockopt(socket_->native_handle(), SOL_SOCKET, SO_SNDBUF, &socket_size, sizeof(socket_size));
  pump_out();
  pump_in();
}

// stream ──► socket
void Bridge::pump_in() {
  if (!socket_ || in_writing_ || in_done_) return;
  if (command_gone_) {
    while (!stream_closed_ && !context_.streams.read(stream_, in_at_once).bytes.empty()) {
    }
    return;
  }
  for (int pieces = 0;;) {
    if (in_used_ < in_.size()) {
      const ByteView rest = ByteView{in_}.subspan(in_used_);
      const ssize_t n =
          ::send(socket_->native_handle(), rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return wait_for_room();
      if (n < 0 && !stream_closed_) return on_command_gone();
      in_used_ = n < 0 ? in_.size() : in_used_ + static_cast<std::size_t>(n);
      continue;
    }
    in_used_ = 0;
    in_.clear();  // before anything can come between: what was sent must not be sent again
    if (in_end_ || stream_closed_) break;
    if (++pieces > pieces_in_a_turn) return wait_for_room();
    Overlay::Read read = context_.streams.read(stream_, in_at_once, std::move(in_));
    in_ = std::move(read.bytes);
    if (read.end) in_end_ = true;
    if (in_.empty() && !in_end_) return;
  }
  in_done_ = true;
  ErrorCode ignored;
  if (in_end_) socket_->shutdown(Replies::Socket::shutdown_send, ignored);
  finish_if_done();
}

void Bridge::wait_for_room() {
  in_writing_ = true;
  socket_->async_wait(Replies::Socket::wait_write, [self = shared_from_this()](const ErrorCode&) {
    self->in_writing_ = false;
    self->pump_in();
    self->context_.runtime.settle();
  });
}

// socket ──► stream
void Bridge::pump_out() {
  if (!socket_ || out_waiting_ || out_done_ || stream_closed_) return;
  while (!first_out_.empty()) {
    const std::size_t taken = context_.streams.write(stream_, first_out_);
    if (taken == 0) return;
    first_out_.erase(first_out_.begin(), first_out_.begin() + static_cast<std::ptrdiff_t>(taken));
  }
  if (!out_end_) {
    out_empty_ = false;
    const std::size_t taken = context_.streams.fill(
        stream_, out_at_once,
        [this](std::span<const MutableBytes> rooms) { return receive(rooms); });
    if (out_broken_) on_command_gone();
    if (!out_end_ && taken == 0 && !out_empty_) return;  // the stream takes no more for now
  }
  if (!out_end_) return wait_for_command();
  if (std::exchange(out_done_, true)) return;
  context_.streams.finish(stream_);
}

// What the socket has, into the stream's memory.
std::size_t Bridge::receive(std::span<const MutableBytes> rooms) {
  std::array<iovec, 16> pieces;
  const std::size_t count = std::min(rooms.size(), pieces.size());
  for (std::size_t i = 0; i < count; ++i) pieces[i] = {rooms[i].data(), rooms[i].size()};
  msghdr header{};
  header.msg_iov = pieces.data();
  header.msg_iovlen = count;
  const ssize_t n = ::recvmsg(socket_->native_handle(), &header, MSG_DONTWAIT);
  if (n > 0) return static_cast<std::size_t>(n);
  out_empty_ = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  if (!out_empty_) out_end_ = true;
  if (n < 0 && !out_empty_) out_broken_ = true;
  return 0;
}

void Bridge::wait_for_command() {
  out_waiting_ = true;
  socket_->async_wait(Replies::Socket::wait_read,
                      [self = shared_from_this()](const ErrorCode& error) {
                        self->out_waiting_ = false;
                        if (error) self->out_end_ = true;
                        if (error) self->on_command_gone();
                        self->pump_out();
                        self->context_.runtime.settle();
                      });
}

// It closed its socket altogether: nobody reads what the peer still sends.
void Bridge::on_command_gone() {
  if (command_gone_ || stream_closed_) return;
  command_gone_ = true;
  in_.clear();
  in_used_ = 0;
  linger_.after(linger_for, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->stream_closed_) return;
    self->stream_closed_ = true;
    self->context_.streams.reset(self->stream_);
    self->tell_over("the command went away before the stream's end");
  });
  pump_out();
  pump_in();
}

void Bridge::on_closed(const StreamEnd& end) {
  stream_closed_ = true;
  linger_.cancel();
  broken_ = end.why;
  if (broken_.empty() && !(in_end_ && out_done_) && !command_gone_)
    broken_ = "it ended before its time";
  if (command_gone_ || !socket_) {
    if (socket_) {
      ErrorCode ignored;
      socket_->close(ignored);
    }
    return tell_over(broken_);
  }
  pump_in();
  finish_if_done();
}

// The sentence is known before the command can see the end of its socket.
void Bridge::finish_if_done() {
  if (!stream_closed_ || !in_done_) return;
  tell_over(broken_);
  ErrorCode ignored;
  socket_->close(ignored);
}

void Bridge::tell_over(const std::string& why) {
  const auto over = std::exchange(over_, nullptr);
  if (!over) return;
  if (why.empty()) return over({});
  over("the stream to " + context_.contacts.call(peer_) + " broke: " + why);
}

}  // namespace byway

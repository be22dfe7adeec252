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
constexpr std::size_t pieces_at_once = 16;      // of 64 KiB at most: what waits for a slow reader
constexpr int turns_at_once = 4;                // then others have theirs
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
      in_end_(first_in.end),
      first_out_(std::move(first_out)) {
  if (!first_in.bytes.empty()) in_.push_back(std::move(first_in.bytes));
}

void Bridge::start(Replies::Socket socket, bool borrows) {
  socket_.emplace(std::move(socket));
  ::setsockopt(socket_->native_handle(), SOL_SOCKET, SO_SNDBUF, &socket_size, sizeof(socket_size));
  if (borrows)
    borrow();
  else
    watch_command();
  started_ = !borrows;
  pump_out();
  pump_in();
}

void Bridge::borrow() {
  ended_.lent = true;
  socket_->async_wait(Replies::Socket::wait_read, [self = shared_from_this()](const ErrorCode&) {
    self->started_ = true;
    auto ends = take_lent(self->socket_->native_handle());
    const auto pipe_of = [&](UniqueFd& end, std::optional<Pipe>& to) {
      if (end.is_open()) to.emplace(self->socket_->get_executor(), end.release());
    };
    if (ends) {
      pipe_of(ends->in, self->lent_in_);
      pipe_of(ends->out, self->lent_out_);
      self->watch_command();
    } else {
      self->out_end_ = true;
      self->on_command_gone();
    }
    self->pump_out();
    self->pump_in();
    self->context_.runtime.settle();
  });
}

// That the command is gone would be noticed late where nothing comes for it, and not at all where
// nothing goes by the socket.
void Bridge::watch_command() {
  socket_->async_wait(Replies::Socket::wait_error, [weak = weak_from_this()](const ErrorCode&) {
    const auto self = weak.lock();
    if (!self) return;
    // Where both sides have shut their sending, a socket hangs up with nobody gone.
    const bool is_lent_in = self->lent_in_.has_value();
    if (self->in_done_ && !is_lent_in) return;
    if (is_lent_in && !self->out_end_ && !self->command_gone_) {
      self->on_interrupted();
    } else {
      if (is_lent_in) self->out_end_ = true;
      self->lent_in_.reset();
      self->on_command_gone();
      self->pump_out();
    }
    self->context_.runtime.settle();
  });
}

// stream ──► command
void Bridge::pump_in() {
  if (!started_ || in_writing_ || in_done_ || command_gone_) return;
  for (int turns = 0;;) {
    gather();
    if (in_.empty() && !in_end_ && !stream_closed_) return;
    if (in_.empty()) break;
    if (++turns > turns_at_once) return wait_for_room();
    const ssize_t n = send_pieces();
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return wait_for_room();
    if (n < 0 && !stream_closed_) return on_command_gone();
    if (n < 0)
      in_.clear();
    else
      forget_sent(static_cast<std::size_t>(n));
  }
  in_done_ = true;
  // The other direction of a connection goes on by itself; a pipe ends when it is closed.
  if (lent_out_ && in_end_) ::shutdown(lent_out_->native_handle(), SHUT_WR);
  lent_out_.reset();
  ErrorCode ignored;
  if (in_end_) socket_->shutdown(Replies::Socket::shutdown_send, ignored);
  finish_if_done();
}

void Bridge::wait_for_room() {
  in_writing_ = true;
  const auto go_on = [self = shared_from_this()](const ErrorCode&) {
    self->in_writing_ = false;
    self->pump_in();
    self->context_.runtime.settle();
  };
  if (lent_out_)
    lent_out_->async_wait(Pipe::wait_write, go_on);
  else
    socket_->async_wait(Replies::Socket::wait_write, go_on);
}

// What waits to be read, so that it goes on in one call: every call may wake a reader.
void Bridge::gather() {
  while (in_.size() < pieces_at_once && !in_end_ && !stream_closed_) {
    Bytes spent;
    if (!spent_.empty()) spent = std::move(spent_.back()), spent_.pop_back();
    Overlay::Read read = context_.streams.read(stream_, in_at_once, std::move(spent));
    if (read.end) in_end_ = true;
    if (read.bytes.empty()) return;
    in_.push_back(std::move(read.bytes));
  }
}

ssize_t Bridge::send_pieces() {
  std::array<iovec, pieces_at_once> pieces;
  std::size_t count = 0;
  for (Bytes& piece : in_) pieces[count++] = {piece.data(), piece.size()};
  pieces[0] = {in_.front().data() + in_used_, in_.front().size() - in_used_};
  if (lent_out_) {
    const ssize_t n = ::writev(lent_out_->native_handle(), pieces.data(), static_cast<int>(count));
    if (n > 0) ended_.to_command += static_cast<std::uint64_t>(n);
    const bool failed = n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
    if (failed) tell_reader_gone();
    return n;
  }
  msghdr header{};
  header.msg_iov = pieces.data();
  header.msg_iovlen = count;
  return ::sendmsg(socket_->native_handle(), &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void Bridge::forget_sent(std::size_t count) {
  while (count > 0) {
    const std::size_t rest = in_.front().size() - in_used_;
    if (count < rest) {
      in_used_ += count;
      return;
    }
    count -= rest;
    in_used_ = 0;
    spent_.push_back(std::move(in_.front()));
    in_.pop_front();
  }
}

// With a byte on the socket, where nothing else goes. The command says it, and hangs up.
void Bridge::tell_reader_gone() {
  const std::uint8_t byte = 0;
  ::send(socket_->native_handle(), &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  tell_over("nobody reads what it brings any more");
  errno = EPIPE;
}

// command ──► stream
void Bridge::pump_out() {
  if (!socket_ || out_waiting_ || out_done_ || stream_closed_) return;
  while (!first_out_.empty()) {
    const std::size_t taken = context_.streams.write(stream_, first_out_);
    if (taken == 0) return;
    first_out_.erase(first_out_.begin(), first_out_.begin() + static_cast<std::ptrdiff_t>(taken));
  }
  if (!started_) return;
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

// What the command has, into the stream's memory.
std::size_t Bridge::receive(std::span<const MutableBytes> rooms) {
  std::array<iovec, 16> pieces;
  const std::size_t count = std::min(rooms.size(), pieces.size());
  for (std::size_t i = 0; i < count; ++i) pieces[i] = {rooms[i].data(), rooms[i].size()};
  msghdr header{};
  header.msg_iov = pieces.data();
  header.msg_iovlen = count;
  const ssize_t n = lent_in_
                        ? ::readv(lent_in_->native_handle(), pieces.data(), static_cast<int>(count))
                        : ::recvmsg(socket_->native_handle(), &header, MSG_DONTWAIT);
  if (n > 0 && lent_in_) ended_.from_command += static_cast<std::uint64_t>(n);
  if (n > 0) return static_cast<std::size_t>(n);
  out_empty_ = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  if (!out_empty_) out_end_ = true;
  if (n < 0 && !out_empty_) out_broken_ = true;
  return 0;
}

void Bridge::wait_for_command() {
  out_waiting_ = true;
  const auto go_on = [self = shared_from_this()](const ErrorCode& error) {
    self->out_waiting_ = false;
    if (self->out_done_) return;
    if (error) self->out_end_ = true;
    if (error) self->on_command_gone();
    self->pump_out();
    self->context_.runtime.settle();
  };
  if (lent_in_)
    lent_in_->async_wait(Pipe::wait_read, go_on);
  else
    socket_->async_wait(Replies::Socket::wait_read, go_on);
}

// It closed its socket altogether, or nobody has the other end of the pipe that it lent: nobody
// reads what the peer still sends.
void Bridge::on_command_gone() {
  if (command_gone_ || stream_closed_) return;
  command_gone_ = true;
  lent_out_.reset();
  in_.clear();
  in_used_ = 0;
  if (!in_end_) context_.streams.stop_reading(stream_);
  linger_.after(linger_for, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->stream_closed_) return;
    self->stream_closed_ = true;
    self->context_.streams.reset(self->stream_);
    self->tell_over("the command went away before the stream's end");
  });
  pump_out();
}

// While what it lent had more to give: the peer must not take what it has for everything.
void Bridge::on_interrupted() {
  command_gone_ = stream_closed_ = true;
  lent_in_.reset();
  lent_out_.reset();
  in_.clear();
  context_.streams.reset(stream_);
  tell_over("the command was ended before its input was");
}

// What the command still sends has no taker; what the peer sends goes on to its end.
bool Bridge::on_unread() {
  broken_ = "nobody there reads what it brings any more";
  first_out_.clear();
  out_end_ = out_done_ = true;
  lent_in_.reset();
  ErrorCode ignored;
  if (socket_) socket_->shutdown(Replies::Socket::shutdown_receive, ignored);
  return true;
}

void Bridge::on_closed(const StreamEnd& end) {
  stream_closed_ = true;
  linger_.cancel();
  if (!end.why.empty()) broken_ = end.why;
  if (broken_.empty() && !(in_end_ && out_done_) && !command_gone_)
    broken_ = "it ended before its time";
  if (command_gone_ || !started_) {
    if (started_) {
      ErrorCode ignored;
      lent_in_.reset();
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
  lent_in_.reset();
  ErrorCode ignored;
  socket_->close(ignored);
}

void Bridge::tell_over(const std::string& why) {
  const auto over = std::exchange(over_, nullptr);
  if (!over) return;
  if (!why.empty())
    ended_.sentence = "the stream to " + context_.contacts.call(peer_) + " broke: " + why;
  over(ended_);
}

}  // namespace byway

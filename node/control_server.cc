#include "node/control_server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/asio/write.hpp>
#include <deque>
#include <set>
#include <vector>

#include "node/json_text.h"

namespace byway {
namespace {

using Protocol = boost::asio::local::stream_protocol;
using ErrorCode = boost::system::error_code;

constexpr std::size_t max_clients = 128;
constexpr std::size_t room_below = 256 * 1024;  // waiting bytes: more may be said below this,
constexpr std::size_t hang_up_above = 4 << 20;  // and nobody listens above this
constexpr std::size_t path_limit = sizeof(sockaddr_un{}.sun_path) - 1;

}  // namespace

// What connections share with the server; they may outlive it for a moment.
struct ControlServer::Shared {
  Handle handle;
  std::function<void()> settle;
  std::set<Connection*> clients;
  bool open = true;

  std::vector<std::shared_ptr<Connection>> all() const;
};

class ControlServer::Connection final : public Replies,
                                        public std::enable_shared_from_this<Connection> {
 public:
  Connection(Socket socket, std::shared_ptr<Shared> shared)
      : socket_(std::move(socket)), shared_(std::move(shared)) {
    shared_->clients.insert(this);
  }
  ~Connection() override { shared_->clients.erase(this); }

  void read() {
    socket_.async_read_some(boost::asio::buffer(input_),
                            [self = shared_from_this()](const ErrorCode& error, std::size_t size) {
                              if (error || !self->shared_->open) return;
                              self->on_input({self->input_.data(), size});
                            });
  }

  void line(const boost::json::object& object) override { say(control::Line{json_text(object)}); }
  void fail(const std::string& sentence) override {
    say(control::Failed{sentence});
    end();
  }
  void done() override {
    say(control::Done{});
    end();
  }
  void raw(std::uint64_t token, bool borrows, std::function<void(Socket)> take) override {
    say(control::Raw{token, borrows});
    take_ = std::move(take);
    over_ = true;
    on_gone_ = on_drained_ = nullptr;
    write();
  }
  void dismiss(const std::string& sentence) {
    if (over_) return;
    if (const auto tell = std::exchange(on_gone_, nullptr)) tell();
    if (!over_) fail(sentence);
  }
  // Nobody will answer any more. What was to be told of its end holds on to this connection.
  void abandon() {
    over_ = true;
    on_gone_ = on_drained_ = nullptr;
  }
  bool has_room() const override { return waiting_bytes_ < room_below; }
  void on_gone(std::function<void()> tell) override {
    if (!over_) on_gone_ = std::move(tell);
  }
  void on_drained(std::function<void()> tell) override {
    if (!over_) on_drained_ = std::move(tell);
  }

 private:
  void on_input(ByteView bytes) {
    frames_.feed(bytes);
    auto frame = frames_.next();
    if (!frame) return fail("the command and the running node do not speak the same protocol");
    if (!*frame) return read();

    const auto request = control::decode_request(**frame);
    if (!request)
      return fail("the running node does not understand this command; it may be older, restart it");
    watch();
    shared_->handle(*request, shared_from_this());
    shared_->settle();
  }

  // Nothing more is expected: readable now means that the command is gone.
  void watch() {
    socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const ErrorCode& error) {
      if (error || self->over_ || !self->shared_->open) return;
      std::uint8_t byte;
      const auto size = ::recv(self->socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
      if (size > 0) return;  // it talks out of turn: leave it unread
      // At its end: gone, or it has only stopped asking and still reads the last of the answer.
      if (const auto tell = std::exchange(self->on_gone_, nullptr)) tell();
      if (!self->over_) self->hang_up();
      self->shared_->settle();
    });
  }

  void say(const control::ControlReply& reply) {
    if (over_) return;
    Bytes frame = control::encode(reply);
    if (frame.size() > control::max_control_frame + control::control_frame_header)
      frame = control::encode(control::Failed{"the answer is too large to be told"});
    waiting_bytes_ += frame.size();
    waiting_.push_back(std::move(frame));
    if (waiting_bytes_ > hang_up_above) return hang_up();
    write();
  }

  void end() {
    over_ = true;
    on_gone_ = on_drained_ = nullptr;
    write();
  }

  void hang_up() {
    over_ = true;
    waiting_.clear();
    waiting_bytes_ = 0;
    on_drained_ = nullptr;
    if (const auto tell = std::exchange(on_gone_, nullptr)) tell();
    ErrorCode ignored;
    socket_.close(ignored);
    // Whoever was to have the connection sees for itself that it is closed.
    if (const auto take = std::exchange(take_, nullptr)) take(std::move(socket_));
  }

  void write() {
    if (writing_) return;
    if (waiting_.empty()) return on_written();
    writing_ = true;
    current_ = std::move(waiting_.front());
    waiting_.pop_front();
    boost::asio::async_write(socket_, boost::asio::buffer(current_),
                             [self = shared_from_this()](const ErrorCode& error, std::size_t) {
                               self->writing_ = false;
                               self->waiting_bytes_ -=
                                   std::min(self->waiting_bytes_, self->current_.size());
                               if (!self->shared_->open) return;
                               if (error)
                                 self->hang_up();
                               else
                                 self->write();
                               self->shared_->settle();
                             });
  }

  void on_written() {
    if (!over_) {
      if (const auto tell = on_drained_; tell && has_room()) tell();
      return;
    }
    if (const auto take = std::exchange(take_, nullptr)) {
      ErrorCode ignored;
      socket_.cancel(ignored);
      return take(std::move(socket_));
    }
    ErrorCode ignored;
    socket_.shutdown(Socket::shutdown_both, ignored);
    socket_.close(ignored);
  }

  Socket socket_;
  std::shared_ptr<Shared> shared_;
  std::array<std::uint8_t, 4096> input_;
  control::FrameReader frames_;
  std::deque<Bytes> waiting_;
  std::size_t waiting_bytes_ = 0;
  Bytes current_;
  bool writing_ = false;
  bool over_ = false;  // the last reply has been said, or nobody is there to hear it
  std::function<void()> on_gone_;
  std::function<void()> on_drained_;
  std::function<void(Socket)> take_;
};

// Held, as what is done to one may be the end of it.
std::vector<std::shared_ptr<ControlServer::Connection>> ControlServer::Shared::all() const {
  std::vector<std::shared_ptr<Connection>> held;
  for (Connection* client : clients) held.push_back(client->shared_from_this());
  return held;
}

Outcome<std::unique_ptr<ControlServer>> ControlServer::open(boost::asio::io_context& io,
                                                            const std::string& path, Handle handle,
                                                            std::function<void()> settle) {
  if (path.size() > path_limit)
    return Problem{"--state-dir: the path " + path + " is longer than the " +
                   std::to_string(path_limit) +
                   " bytes a Unix socket may have; choose a shorter directory"};
  auto shared = std::make_shared<Shared>();
  shared->handle = std::move(handle);
  shared->settle = std::move(settle);
  std::unique_ptr<ControlServer> server(new ControlServer(io, path, shared));

  // Left over by a node that was killed: the lock says that none is running.
  ::unlink(path.c_str());
  ErrorCode error;
  auto& acceptor = server->acceptor_;
  acceptor.open(Protocol(), error);
  if (!error) ::fchmod(acceptor.native_handle(), 0600);
  if (!error) acceptor.bind(Protocol::endpoint(path), error);
  if (!error && ::chmod(path.c_str(), 0600) != 0) error = {errno, boost::system::system_category()};
  if (!error) acceptor.listen(64, error);
  if (error) return Problem{"--state-dir: cannot listen at " + path + ": " + error.message()};
  server->accept();
  return server;
}

ControlServer::ControlServer(boost::asio::io_context& io, std::string path,
                             std::shared_ptr<Shared> shared)
    : acceptor_(io), path_(std::move(path)), shared_(std::move(shared)) {}

ControlServer::~ControlServer() {
  shared_->open = false;
  shared_->handle = nullptr;
  for (const auto& client : shared_->all()) client->abandon();
  if (acceptor_.is_open()) ::unlink(path_.c_str());
}

void ControlServer::dismiss(const std::string& sentence) {
  for (const auto& client : shared_->all()) client->dismiss(sentence);
}

void ControlServer::accept() {
  acceptor_.async_accept([this, shared = shared_](const ErrorCode& error, Replies::Socket socket) {
    if (!shared->open || error == boost::asio::error::operation_aborted) return;
    if (!error && shared->clients.size() < max_clients)
      std::make_shared<Connection>(std::move(socket), shared)->read();
    accept();
  });
}

}  // namespace byway

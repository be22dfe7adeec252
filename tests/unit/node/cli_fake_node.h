// A node that answers commands from a script: a real control socket in a directory of its own, and
// in place of a network what the test says.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "node/control_codec.h"
#include "node/unique_fd.h"

namespace byway::cli {

class FakeNode {
 public:
  using Replies = std::vector<control::ControlReply>;
  using Answer = std::function<Replies(const control::ControlRequest&)>;
  // What becomes of a connection after the scripted replies; without one it is closed.
  using Afterwards = std::function<void(const control::ControlRequest&, int fd)>;

  explicit FakeNode(Answer answer, Afterwards afterwards = {})
      : answer_{std::move(answer)}, afterwards_{std::move(afterwards)} {
    std::string pattern = std::filesystem::temp_directory_path() / "byway-cli-XXXXXX";
    dir_ = mkdtemp(pattern.data());
    listener_ = UniqueFd{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = dir_ + "/control";
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    listen(listener_.get(), 16);
    thread_ = std::jthread{[this] { serve(); }};
  }
  ~FakeNode() {
    stop();
    std::filesystem::remove_all(dir_);
  }

  // Takes nobody new and waits until every conversation has ended.
  void stop() {
    if (!thread_.joinable()) return;
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
    connections_.clear();
  }

  const std::string& dir() const { return dir_; }
  std::vector<control::ControlRequest> requests() const {
    const std::lock_guard lock{mutex_};
    return requests_;
  }

 private:
  void serve() {
    while (true) {
      const int fd = accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      connections_.emplace_back([this, fd] { converse(UniqueFd{fd}); });
    }
  }

  void converse(UniqueFd socket) {
    control::FrameReader frames;
    std::array<std::uint8_t, 4096> chunk;
    while (true) {
      auto frame = frames.next();
      if (!frame) return;
      if (*frame) {
        const auto request = control::decode_request(**frame);
        if (request) reply(socket.get(), *request);
        return;
      }
      const ssize_t n = recv(socket.get(), chunk.data(), chunk.size(), 0);
      if (n <= 0) return;
      frames.feed(ByteView{chunk}.first(static_cast<std::size_t>(n)));
    }
  }

  void reply(int fd, const control::ControlRequest& request) {
    {
      const std::lock_guard lock{mutex_};
      requests_.push_back(request);
    }
    Bytes bytes;
    for (const control::ControlReply& reply : answer_(request))
      append(bytes, control::encode(reply));
    // In one piece, so that a stream's first bytes may come right behind the raw reply.
    send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (afterwards_) afterwards_(request, fd);
  }

  Answer answer_;
  Afterwards afterwards_;
  std::string dir_;
  UniqueFd listener_;
  mutable std::mutex mutex_;
  std::vector<control::ControlRequest> requests_;
  std::vector<std::jthread> connections_;
  std::jthread thread_;
};

}  // namespace byway::cli

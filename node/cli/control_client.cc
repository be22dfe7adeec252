#include "node/cli/control_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace byway::cli {
namespace {

constexpr const char* node_went_away = "the node ended the conversation: see its log for why";

std::string why_not(const std::string& state_dir, int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED:
      return "no node is running in " + state_dir + ": start it with `byway run`";
    case EACCES:
    case EPERM:
      return "the node in " + state_dir + " belongs to another user: name yours with --state-dir";
    default:
      return "the node in " + state_dir + " cannot be reached: " + strerrordesc_np(error);
  }
}

}  // namespace

std::optional<ControlClient> ControlClient::connect(const std::string& state_dir,
                                                    std::string& problem) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = state_dir + "/control";
  if (path.size() >= sizeof address.sun_path) {
    problem = "the state directory's path is too long for a socket (" +
              std::to_string(path.size()) + " bytes): choose one below " +
              std::to_string(sizeof address.sun_path - 8) + " with --state-dir";
    return {};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);

  UniqueFd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (!socket.is_open() ||
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    problem = why_not(state_dir, errno);
    return {};
  }
  return ControlClient{std::move(socket)};
}

void ControlClient::send(const control::ControlRequest& request) {
  const Bytes frame = control::encode(request);
  if (frame.size() > control::max_control_frame) {
    trouble_ = "that is too much for one request: make it shorter";
    return;
  }
  ByteView rest = frame;
  while (!rest.empty()) {
    const ssize_t n = ::send(fd(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;  // the reply, or its absence, tells the reason
    rest = rest.subspan(static_cast<std::size_t>(n));
  }
}

void ControlClient::say_enough() {
  ::shutdown(fd(), SHUT_WR);
}

std::optional<control::ControlReply> ControlClient::next(int stop_fd) {
  while (true) {
    if (auto reply = next_if_there()) return reply;
    std::array<pollfd, 2> polled{{{fd(), POLLIN, 0}, {stop_fd, POLLIN, 0}}};
    if (poll(polled.data(), polled.size(), -1) < 0) continue;
    if (polled[1].revents != 0) return {};
  }
}

std::optional<control::ControlReply> ControlClient::next_if_there() {
  while (true) {
    if (!trouble_.empty()) return control::Failed{trouble_};
    if (auto reply = take()) return reply;
    if (trouble_.empty() && !read_some()) return {};
  }
}

std::optional<control::ControlReply> ControlClient::take() {
  if (frame_.size() < control::control_frame_header) return {};
  const auto size = load_be<std::uint32_t>(frame_);
  if (size > control::max_control_frame) {
    trouble_ = "the node's answer makes no sense: is it another version of byway?";
    return {};
  }
  if (frame_.size() < control::control_frame_header + size) return {};

  auto reply = control::decode_reply(ByteView{frame_}.subspan(control::control_frame_header));
  frame_.clear();
  if (reply) return std::move(*reply);
  trouble_ = "the node's answer makes no sense: is it another version of byway?";
  return {};
}

// False: nothing to read at present.
bool ControlClient::read_some() {
  std::size_t whole = control::control_frame_header;
  if (frame_.size() >= whole) whole += load_be<std::uint32_t>(frame_);
  const std::size_t have = frame_.size();
  frame_.resize(whole);
  const ssize_t n = recv(fd(), frame_.data() + have, whole - have, MSG_DONTWAIT);
  const int error = errno;
  frame_.resize(have + static_cast<std::size_t>(n > 0 ? n : 0));
  if (n > 0) return true;
  if (n < 0 && (error == EAGAIN || error == EINTR)) return false;
  trouble_ = node_went_away;
  return true;
}

}  // namespace byway::cli

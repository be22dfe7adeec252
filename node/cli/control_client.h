// A command's end of the conversation with the running node: one request, then replies.
//
//   connect ──► send ──► next ──► line … line ──► done | failed      the usual
//                           '───► raw ──► take_stream()              pipe, accept
//
// It reads a frame's length and then exactly the frame, never further: behind a raw reply the
// socket carries a stream's bytes, and they must still be in it when it is handed to a child.
// Sentences in failures are ready to be printed.
#pragma once

#include <optional>
#include <string>

#include "node/control_codec.h"
#include "node/unique_fd.h"

namespace byway::cli {

class ControlClient {
 public:
  // The node of this state directory; else `problem` says in one sentence why not.
  static std::optional<ControlClient> connect(const std::string& state_dir, std::string& problem);
  explicit ControlClient(UniqueFd socket) : socket_{std::move(socket)} {}

  void send(const control::ControlRequest& request);
  // Wants no more than what the node says last.
  void say_enough();

  // Waits for the next reply. A connection that ends early, or talks nonsense, is told as Failed.
  // Nothing: `stop_fd` became readable first.
  std::optional<control::ControlReply> next(int stop_fd = -1);
  // The same without waiting: nothing when there is none yet. For those who poll fd() themselves.
  std::optional<control::ControlReply> next_if_there();

  int fd() const { return socket_.get(); }
  // After a raw reply.
  UniqueFd take_stream() { return std::move(socket_); }

 private:
  std::optional<control::ControlReply> take();
  bool read_some();

  UniqueFd socket_;
  Bytes frame_;          // length and message so far
  std::string trouble_;  // the connection is of no use any more
};

}  // namespace byway::cli

// Copies between a command's Unix socket and a stream, both ways at once, until both directions
// are at their end.
//
//   stream ──► a piece as it lies there ──► socket     the next when that is written
//   socket ──► as much as the stream takes ──► stream  read into the stream's own memory
//
// An end on one side is passed on as an end (half-close). A stream that breaks closes the socket
// after what came before; a command that goes away finishes the stream, and what the peer still
// sends is thrown away for a while and then refused by a reset.
#pragma once

#include <functional>
#include <memory>

#include "node/apps/context.h"

namespace byway {

class Bridge final : public StreamUser, public std::enable_shared_from_this<Bridge> {
 public:
  // Empty sentence: both directions came to their end.
  using Over = std::function<void(const std::string& sentence)>;

  // `first_out`: to be sent before what the command sends; `first_in`: was read already, perhaps
  // with the peer's end behind it.
  Bridge(AppContext context, StreamId stream, const NodeId& peer, Bytes first_out,
         Overlay::Read first_in, Over over);
  // Until then nothing is read from the stream.
  void start(Replies::Socket socket);

  void on_readable() override { pump_in(); }
  void on_writable() override { pump_out(); }
  void on_closed(const StreamEnd& end) override;

 private:
  void pump_in();
  void pump_out();
  std::size_t receive(std::span<const MutableBytes> rooms);
  void wait_for_command();
  void wait_for_room();
  void on_command_gone();
  void finish_if_done();
  void tell_over(const std::string& sentence);

  AppContext context_;
  StreamId stream_;
  NodeId peer_;
  Over over_;
  std::optional<Replies::Socket> socket_;
  Timer linger_;

  Bytes in_;  // read from the stream, being written to the socket
  std::size_t in_used_ = 0;
  bool in_writing_ = false;  // waits for room
  bool in_end_ = false;      // the peer finished, and all of it was read
  bool in_done_ = false;     // and written
  bool command_gone_ = false;

  Bytes first_out_;
  bool out_waiting_ = false;  // until the socket is readable
  bool out_empty_ = false;    // the socket has no more at present
  bool out_broken_ = false;   // the command is gone
  bool out_end_ = false;      // the command finished
  bool out_done_ = false;     // and the stream has it all

  bool stream_closed_ = false;
  std::string broken_;
};

}  // namespace byway

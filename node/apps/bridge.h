// Copies between a command and a stream, both ways at once, until both directions are at their end.
//
//   stream ──► pieces as they lie there ──► command     the next when they are written
//   command ──► as much as the stream takes ──► stream  read into the stream's own memory
//
// The command's end of either direction is its Unix socket, or what it has lent: a pipe, or one
// direction of a connection. The socket stays open also where both are lent: its hanging up is how
// either learns that the other is gone.
//
// An end on one side is passed on as an end (half-close). A stream that breaks closes the socket
// after what came before. A command that goes away finishes the stream, and the peer is told that
// nobody reads what it still sends; the stream is reset if its end does not come for a while. Where
// what it lent had not ended the stream is reset at once: it was interrupted.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "node/apps/context.h"
#include "node/lent_ends.h"

namespace byway {

class Bridge final : public StreamUser, public std::enable_shared_from_this<Bridge> {
 public:
  struct Ended {
    std::string sentence;                            // empty: both directions came to their end
    bool lent = false;                               // there were lent ends, and of those:
    std::uint64_t from_command = 0, to_command = 0;  // bytes
  };
  using Over = std::function<void(const Ended&)>;

  // `first_out`: to be sent before what the command sends; `first_in`: was read already, perhaps
  // with the peer's end behind it.
  Bridge(AppContext context, StreamId stream, const NodeId& peer, Bytes first_out,
         Overlay::Read first_in, Over over);
  // Until then nothing is read from the stream. `borrows`: lent ends come with the first byte.
  void start(Replies::Socket socket, bool borrows);

  void on_readable() override { pump_in(); }
  void on_writable() override { pump_out(); }
  bool on_unread() override;
  void on_closed(const StreamEnd& end) override;

 private:
  using Pipe = boost::asio::posix::stream_descriptor;

  void borrow();
  void watch_command();
  void pump_in();
  void pump_out();
  void gather();
  ssize_t send_pieces();
  void forget_sent(std::size_t count);
  void tell_reader_gone();
  std::size_t receive(std::span<const MutableBytes> rooms);
  void wait_for_command();
  void wait_for_room();
  void on_command_gone();
  void on_interrupted();
  void finish_if_done();
  void tell_over(const std::string& sentence);

  AppContext context_;
  StreamId stream_;
  NodeId peer_;
  Over over_;
  std::optional<Replies::Socket> socket_;
  std::optional<Pipe> lent_in_, lent_out_;  // in place of the socket
  Ended ended_;
  Timer linger_;

  std::deque<Bytes> in_;      // read from the stream, being written to the command
  std::size_t in_used_ = 0;   // of the first
  std::vector<Bytes> spent_;  // memory of what was written, for what comes
  bool in_writing_ = false;   // waits for room
  bool in_end_ = false;       // the peer finished, and all of it was read
  bool in_done_ = false;      // and written
  bool command_gone_ = false;

  Bytes first_out_;
  bool out_waiting_ = false;  // until the command has something
  bool out_empty_ = false;    // it has no more at present
  bool out_broken_ = false;   // the command is gone
  bool out_end_ = false;      // the command finished
  bool out_done_ = false;     // and the stream has it all, or the peer wants no more

  bool started_ = false;
  bool stream_closed_ = false;
  std::string broken_;
};

}  // namespace byway

// The switchboard between the core's streams and the apps that use them: it knows for every
// stream who uses it, and for every service who serves it.
//
// A user lives as long as its stream (or as others hold it). Everyone who accepts a stream says
// so first: the opener of a stream for a service that nobody serves, or not for it, reads
// Refused. Bytes of the apps' messages are cut and joined by MessageStream.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "node/apps/app_codec.h"
#include "node/control_codec.h"
#include "node/runtime.h"
#include "node/timer.h"

namespace byway {

struct StreamEnd {
  std::string why;           // empty: a clean end
  bool unreachable = false;  // the peer could not be reached at all
};

class StreamUser {
 public:
  virtual ~StreamUser() = default;
  virtual void on_readable() = 0;
  virtual void on_writable() = 0;
  // The peer reads no more of it. True: what it still sends is wanted. False: the stream is closed,
  // and reset.
  virtual bool on_unread() { return false; }
  // The stream is gone and its number with it.
  virtual void on_closed(const StreamEnd& end) = 0;
};

class Streams {
 public:
  using Serve = std::function<void(const StreamOpened&)>;

  explicit Streams(Runtime& runtime) : runtime_(runtime), end_timer_(runtime) {}

  void serve(const std::string& service, Serve serve) { services_[service] = std::move(serve); }
  // A new stream to the peer. attach() it in the same breath.
  Result<StreamId> open(const NodeId& peer, const StreamHeader& header);
  void attach(StreamId stream, const NodeId& peer, std::shared_ptr<StreamUser> user);
  // Says why, and takes nothing of what still comes.
  void refuse(StreamId stream, const NodeId& peer, apps::Refusal reason);

  std::size_t write(StreamId stream, ByteView bytes);
  std::size_t fill(StreamId stream, std::size_t most, const StreamSource& source);
  void finish(StreamId stream);
  void reset(StreamId stream);  // its user hears nothing more
  // Nothing that still comes is wanted; the peer is told. Ours may go on.
  void stop_reading(StreamId stream);
  Overlay::Read read(StreamId stream, std::size_t max, Bytes spent = {});

  void on_event(const Event& event);

 private:
  struct Used {
    NodeId peer;
    std::shared_ptr<StreamUser> user;
  };
  std::shared_ptr<StreamUser> user_of(StreamId stream) const;
  void close(StreamId stream, const StreamEnd& end);
  void end_all();

  Runtime& runtime_;
  std::map<std::string, Serve> services_;
  std::map<StreamId, Used> used_;
  // Broken streams whose users are not told yet: the core closes a peer's streams first and
  // says only then whether the peer was never reached.
  std::map<StreamId, StreamEnd> ended_;
  Timer end_timer_;
};

// Messages over one stream. send() never blocks: what finds no room waits here, so whoever sends
// without being asked looks at backlog() first.
class MessageStream {
 public:
  MessageStream(Streams& streams, StreamId stream) : streams_(streams), stream_(stream) {}

  StreamId id() const { return stream_; }
  void send(const apps::AppMessage& message);
  std::size_t backlog() const { return waiting_.size(); }
  void flush();
  // Nothing: no more now. An error: the peer talks nonsense; reset the stream.
  Result<std::optional<apps::AppMessage>> next();
  bool at_end() const { return at_end_; }
  // What was read behind the last message: bytes, and the end if the peer's came with them.
  Overlay::Read rest() { return {frames_.rest(), at_end_}; }

 private:
  Streams& streams_;
  StreamId stream_;
  control::FrameReader frames_;
  Bytes waiting_;
  bool at_end_ = false;
};

}  // namespace byway

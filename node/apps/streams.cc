#include "node/apps/streams.h"

namespace byway {
namespace {

constexpr std::size_t read_at_once = 16 * 1024;
constexpr std::size_t discard_at_once = 256 * 1024;

// Whoever was refused may have sent already; it is read so that the stream can end.
class Discard final : public StreamUser {
 public:
  Discard(Streams& streams, StreamId stream) : streams_(streams), stream_(stream) {}
  void on_readable() override {
    while (!streams_.read(stream_, discard_at_once).bytes.empty()) {
    }
  }
  void on_writable() override {}
  void on_closed(const StreamEnd&) override {}

 private:
  Streams& streams_;
  StreamId stream_;
};

}  // namespace

Result<StreamId> Streams::open(const NodeId& peer, const StreamHeader& header) {
  return runtime_.overlay().open_stream(runtime_.now(), peer, header);
}

void Streams::attach(StreamId stream, const NodeId& peer, std::shared_ptr<StreamUser> user) {
  used_[stream] = {peer, std::move(user)};
}

void Streams::refuse(StreamId stream, const NodeId& peer, apps::Refusal reason) {
  attach(stream, peer, std::make_shared<Discard>(*this, stream));
  write(stream, apps::encode(apps::Refused{reason}));
  finish(stream);
}

std::size_t Streams::write(StreamId stream, ByteView bytes) {
  return runtime_.overlay().write(runtime_.now(), stream, bytes);
}

std::size_t Streams::fill(StreamId stream, std::size_t most, const StreamSource& source) {
  return runtime_.overlay().fill(runtime_.now(), stream, most, source);
}

void Streams::finish(StreamId stream) {
  runtime_.overlay().finish(runtime_.now(), stream);
}

void Streams::reset(StreamId stream) {
  runtime_.overlay().reset(runtime_.now(), stream);
  used_.erase(stream);
}

void Streams::stop_reading(StreamId stream) {
  runtime_.overlay().stop_reading(runtime_.now(), stream);
}

Overlay::Read Streams::read(StreamId stream, std::size_t max, Bytes spent) {
  return runtime_.overlay().read(runtime_.now(), stream, max, std::move(spent));
}

std::shared_ptr<StreamUser> Streams::user_of(StreamId stream) const {
  const auto found = used_.find(stream);
  return found == used_.end() ? nullptr : found->second.user;
}

// The user is held while it is told: being told may be the last thing it hears.
void Streams::close(StreamId stream, const StreamEnd& end) {
  const auto user = user_of(stream);
  if (!user) return;
  user->on_closed(end);
  used_.erase(stream);
}

void Streams::on_event(const Event& event) {
  if (const auto* opened = std::get_if<StreamOpened>(&event)) {
    const auto service = services_.find(opened->header.service);
    if (service == services_.end())
      return refuse(opened->stream, opened->peer, apps::Refusal::unavailable);
    return service->second(*opened);
  }
  if (const auto* readable = std::get_if<StreamReadable>(&event)) {
    if (const auto user = user_of(readable->stream)) user->on_readable();
    return;
  }
  if (const auto* writable = std::get_if<StreamWritable>(&event)) {
    if (const auto user = user_of(writable->stream)) user->on_writable();
    return;
  }
  if (const auto* unread = std::get_if<StreamUnread>(&event)) {
    const auto user = user_of(unread->stream);
    if (!user || user->on_unread()) return;
    user->on_closed({"nobody there reads it any more", false});
    return reset(unread->stream);
  }
  if (const auto* closed = std::get_if<StreamClosed>(&event)) {
    if (closed->why.empty()) return close(closed->stream, {});
    ended_[closed->stream] = {closed->why, false};
    return end_timer_.after(Duration::zero(), [this] { end_all(); });
  }
  if (const auto* unreachable = std::get_if<PeerUnreachable>(&event)) {
    for (const auto& [stream, used] : used_)
      if (used.peer == unreachable->peer) ended_[stream] = {unreachable->why, true};
    end_all();
  }
}

void Streams::end_all() {
  for (const auto& [stream, end] : std::exchange(ended_, {})) close(stream, end);
}

void MessageStream::send(const apps::AppMessage& message) {
  append(waiting_, apps::encode(message));
  flush();
}

void MessageStream::flush() {
  while (!waiting_.empty()) {
    const std::size_t taken = streams_.write(stream_, waiting_);
    if (taken == 0) return;
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(taken));
  }
}

Result<std::optional<apps::AppMessage>> MessageStream::next() {
  while (true) {
    auto frame = frames_.next();
    if (!frame) return frame.error();
    if (*frame) {
      auto message = apps::decode(**frame);
      if (!message) return message.error();
      return std::optional(std::move(*message));
    }
    const Overlay::Read read = streams_.read(stream_, read_at_once);
    if (read.end) at_end_ = true;
    if (read.bytes.empty()) return std::optional<apps::AppMessage>{};
    frames_.feed(read.bytes);
  }
}

}  // namespace byway

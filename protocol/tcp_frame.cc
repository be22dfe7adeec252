#include "protocol/tcp_frame.h"

#include <algorithm>

#include "protocol/result.h"

namespace byway {
namespace {

bool acceptable(std::size_t length) {
  return length > 0 && length <= max_tcp_datagram;
}

// Moves bytes from the front of `chunk` until `to` has `size` of them.
void take(Bytes& to, ByteView& chunk, std::size_t size) {
  const std::size_t count = std::min(chunk.size(), size - std::min(size, to.size()));
  append(to, chunk.first(count));
  chunk = chunk.subspan(count);
}

}  // namespace

void append_tcp_frame(Bytes& to, ByteView datagram) {
  ensure(acceptable(datagram.size()));
  append_be(to, static_cast<std::uint16_t>(datagram.size()));
  append(to, datagram);
}

bool TcpFrameReader::feed(ByteView chunk, std::vector<ByteView>& datagrams) {
  if (broken_) return false;
  if (!opened_ && !read_opening(chunk)) return !broken_;
  if (!partial_.empty() && !complete_partial(chunk, datagrams)) return !broken_;

  while (chunk.size() >= tcp_frame_header_size) {
    const std::size_t length = load_be<std::uint16_t>(chunk);
    if (!acceptable(length)) return !(broken_ = true);
    if (chunk.size() < tcp_frame_header_size + length) break;
    datagrams.push_back(chunk.subspan(tcp_frame_header_size, length));
    chunk = chunk.subspan(tcp_frame_header_size + length);
  }
  append(partial_, chunk);
  return true;
}

// True when it is complete and `chunk` stands behind it.
bool TcpFrameReader::read_opening(ByteView& chunk) {
  take(partial_, chunk, tcp_opening.size());
  if (!std::equal(partial_.begin(), partial_.end(), tcp_opening.begin())) {
    broken_ = true;
    return false;
  }
  if (partial_.size() < tcp_opening.size()) return false;
  partial_.clear();
  return opened_ = true;
}

// True when the frame begun earlier is complete and `chunk` stands behind it.
bool TcpFrameReader::complete_partial(ByteView& chunk, std::vector<ByteView>& datagrams) {
  take(partial_, chunk, tcp_frame_header_size);
  if (partial_.size() < tcp_frame_header_size) return false;
  const std::size_t length = load_be<std::uint16_t>(partial_);
  if (!acceptable(length)) {
    broken_ = true;
    return false;
  }
  take(partial_, chunk, tcp_frame_header_size + length);
  if (partial_.size() < tcp_frame_header_size + length) return false;
  complete_.swap(partial_);
  partial_.clear();
  datagrams.push_back(ByteView(complete_).subspan(tcp_frame_header_size));
  return true;
}

}  // namespace byway

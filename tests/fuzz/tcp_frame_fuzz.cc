// What comes out of a TCP connection: cut in any way it reads the same, breaks at the same place,
// and never keeps more than one frame; and what two peers tell one another about it.
#include "protocol/tcp_frame.h"
#include "protocol/tcp_message.h"

using namespace byway;

namespace {

struct Read {
  std::vector<Bytes> datagrams;
  bool broken = false;
};

Read read(ByteView stream, std::size_t piece) {
  TcpFrameReader reader;
  Read result;
  while (!stream.empty()) {
    const ByteView chunk = stream.first(std::min(piece, stream.size()));
    stream = stream.subspan(chunk.size());
    std::vector<ByteView> datagrams;
    const bool sound = reader.feed(chunk, datagrams);
    ensure(sound != reader.broken());
    ensure(reader.waiting() <= max_tcp_datagram + tcp_frame_header_size);
    for (const ByteView datagram : datagrams) {
      ensure(!datagram.empty() && datagram.size() <= max_tcp_datagram);
      result.datagrams.push_back(to_bytes(datagram));
    }
  }
  result.broken = reader.broken();
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const ByteView input(data + 1, size - 1);
  Bytes opened = to_bytes(tcp_opening);
  append(opened, input);
  for (const ByteView stream : {input, ByteView(opened)}) {
    const Read whole = read(stream, stream.size() + 1);
    const Read cut = read(stream, 1 + data[0] % 64);
    ensure(whole.datagrams == cut.datagrams && whole.broken == cut.broken);
  }
  if (const auto meet = decode_meet(input)) {
    ensure(meet->endpoints.size() <= max_meet_endpoints);
    ensure(*decode_meet(encode(*meet)) == *meet);
  }
  return 0;
}

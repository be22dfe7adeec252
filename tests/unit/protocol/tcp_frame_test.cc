#include "protocol/tcp_frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/random.h"

namespace byway::tcp_frame_test {
namespace {

using ::testing::IsEmpty;

// What a reader that is fed in pieces of these sizes hands out.
std::vector<Bytes> read_in_pieces(TcpFrameReader& reader, ByteView all, Random& random,
                                  std::size_t most) {
  std::vector<Bytes> read;
  while (!all.empty()) {
    const std::size_t size = std::min(all.size(), 1 + random.below(most));
    std::vector<ByteView> datagrams;
    reader.feed(all.first(size), datagrams);
    for (const ByteView datagram : datagrams) read.push_back(to_bytes(datagram));
    all = all.subspan(size);
  }
  return read;
}

Bytes opened() {
  return to_bytes(tcp_opening);
}

TEST(TcpFrame, HowEverItIsCutWhatWasSentIsWhatIsRead) {
  Random random(1);
  for (int i = 0; i < 300; ++i) {
    Bytes stream = opened();
    std::vector<Bytes> sent;
    for (std::size_t n = random.below(20); n > 0; --n) {
      Bytes datagram(1 + random.below(random.chance(0.2) ? max_tcp_datagram : 50));
      random.fill(datagram);
      append_tcp_frame(stream, datagram);
      sent.push_back(std::move(datagram));
    }
    TcpFrameReader reader;
    EXPECT_EQ(read_in_pieces(reader, stream, random, i % 2 ? 3 : 5000), sent);
    EXPECT_FALSE(reader.broken());
    EXPECT_EQ(reader.waiting(), 0u);
  }
}

TEST(TcpFrame, OtherLanguagesAreKnownByTheirFirstByte) {
  for (const std::string_view first : {"GET / HTTP/1.1\r\n", "\x16\x03\x01\x02", "SSH-2.0-", "\n",
                                       "\xb7"
                                       "bywax"}) {
    TcpFrameReader reader;
    std::vector<ByteView> datagrams;
    EXPECT_FALSE(reader.feed(bytes_of(first), datagrams)) << first;
    EXPECT_FALSE(reader.feed(opened(), datagrams)) << "and there is no second chance";
    EXPECT_THAT(datagrams, IsEmpty());
  }
}

TEST(TcpFrame, ALengthThatNoDatagramHasEndsIt) {
  for (const std::uint16_t length : std::vector<std::uint16_t>{0, max_tcp_datagram + 1, 0xffff}) {
    for (const bool in_pieces : {false, true}) {
      Bytes stream = opened();
      append_tcp_frame(stream, Bytes{7});
      append_be(stream, length);
      append(stream, Bytes(30));
      TcpFrameReader reader;
      Random random(2);
      const auto read = read_in_pieces(reader, stream, random, in_pieces ? 1 : 5000);
      EXPECT_EQ(read, std::vector<Bytes>{Bytes{7}});
      EXPECT_TRUE(reader.broken());
    }
  }
}

TEST(TcpFrame, AStrangerBindsOneFrameOfMemoryAtMost) {
  TcpFrameReader reader;
  Random random(3);
  Bytes stream = opened();
  for (int i = 0; i < 100; ++i) append_tcp_frame(stream, Bytes(max_tcp_datagram, 1));
  stream.pop_back();
  for (const std::uint8_t byte : stream) {
    std::vector<ByteView> datagrams;
    ASSERT_TRUE(reader.feed(ByteView(&byte, 1), datagrams));
    ASSERT_LE(reader.waiting(), max_tcp_datagram + tcp_frame_header_size);
  }
  EXPECT_EQ(reader.waiting(), max_tcp_datagram + 1);
}

}  // namespace
}  // namespace byway::tcp_frame_test

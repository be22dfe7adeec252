// Commands and apps understand one another, and nobody else makes them fall over.
#include "node/control_codec.h"

#include <gtest/gtest.h>

#include "node/apps/app_codec.h"
#include "protocol/random.h"

namespace byway::control_codec_test {
namespace {

using namespace control;

const std::vector<ControlRequest>& requests() {
  static const std::vector<ControlRequest> all{
      Status{},
      control::Ping{"bob", 0, 250, Until::direct, 9000},
      Say{"bob", "grüß dich", 1},
      Inbox{true},
      Chat{},
      ContactAdd{"bob", "id"},
      ContactList{},
      ContactRemove{"bob"},
      Listen{"in", {"ana", "bob"}},
      Accept{1ull << 60, true},
      Pipe{"bob", "in", true},
      Bench{"bob", 7, true, 100},
      Stop{},
      control::Outcome{17},
      Supernodes{3},
      Trace{"bob"},
      Whois{"bob"},
  };
  return all;
}

ByteView without_length(const Bytes& frame) {
  return ByteView{frame}.subspan(control_frame_header);
}

TEST(ControlCodec, EveryRequestArrivesAsItWasSent) {
  ASSERT_EQ(requests().size(), std::variant_size_v<ControlRequest>);
  for (const ControlRequest& request : requests()) {
    const auto decoded = decode_request(without_length(encode(request)));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, request);
  }
}

TEST(ControlCodec, EveryReplyArrivesAsItWasSent) {
  for (const ControlReply& reply :
       {ControlReply{Line{R"({"id":"x"})"}}, ControlReply{Failed{"no"}}, ControlReply{Done{}},
        ControlReply{Raw{99}}, ControlReply{Raw{98, true}}}) {
    const auto decoded = decode_reply(without_length(encode(reply)));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, reply);
  }
}

TEST(ControlCodec, GarbageIsAnErrorAndNotAnEnd) {
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    Bytes noise(8 * random.below(16));
    random.fill(noise);
    if (const auto request = decode_request(noise); request) {
      EXPECT_TRUE(decode_request(without_length(encode(*request))));
    }
    (void)decode_reply(noise);
    (void)apps::decode(noise);
  }
  for (const ControlRequest& request : requests()) {
    const Bytes whole = to_bytes(without_length(encode(request)));
    for (std::size_t size = 0; size < whole.size(); ++size)
      (void)decode_request(ByteView{whole}.first(size));
    for (std::size_t i = 0; i < whole.size(); ++i) {
      Bytes flipped = whole;
      flipped[i] ^= static_cast<std::uint8_t>(1u << random.below(8));
      (void)decode_request(flipped);
    }
  }
  EXPECT_FALSE(decode_request({}));
  EXPECT_FALSE(decode_request(Bytes(max_control_frame + 8)));
}

TEST(FrameReader, CutsAStreamOfBytesWhereverItWasBroken) {
  Bytes stream;
  for (const ControlRequest& request : requests()) append(stream, encode(request));
  append(stream, bytes_of("rest"));

  FrameReader reader;
  std::vector<ControlRequest> read;
  for (const std::uint8_t byte : stream) {
    reader.feed({&byte, 1});
    const auto frame = reader.next();
    if (!frame) break;  // the rest looks like a huge length
    if (*frame) read.push_back(*decode_request(**frame));
  }
  EXPECT_EQ(read, requests());
  EXPECT_EQ(reader.rest(), to_bytes(bytes_of("rest")));
}

TEST(FrameReader, RefusesAFrameThatIsTooLargeBeforeItComes) {
  FrameReader reader;
  Bytes header;
  append_be<std::uint32_t>(header, max_control_frame + 1);
  reader.feed(header);
  EXPECT_FALSE(reader.next());
}

TEST(AppCodec, EveryMessageArrivesAsItWasSent) {
  for (const apps::AppMessage& message :
       {apps::AppMessage{apps::Accepted{}}, apps::AppMessage{apps::Refused{apps::Refusal::full}},
        apps::AppMessage{apps::Echo{7}}, apps::AppMessage{apps::ChatText{1, 2, "žluťoučký 🐎"}},
        apps::AppMessage{apps::Received{3}}, apps::AppMessage{apps::BenchStart{5, true}},
        apps::AppMessage{apps::BenchReport{1, 2, 3}}}) {
    const auto decoded = apps::decode(without_length(apps::encode(message)));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, message);
  }
}

TEST(AppCodec, TakesOnlyTextThatIsTextAndOfBearableLength) {
  for (const std::string bad : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"})
    EXPECT_FALSE(apps::decode(without_length(apps::encode(apps::ChatText{1, 2, bad})))) << bad;
  const std::string longest(apps::max_chat_text, 'x');
  EXPECT_TRUE(apps::decode(without_length(apps::encode(apps::ChatText{1, 2, longest}))));
  EXPECT_FALSE(apps::decode(without_length(apps::encode(apps::ChatText{1, 2, longest + "x"}))));
}

}  // namespace
}  // namespace byway::control_codec_test

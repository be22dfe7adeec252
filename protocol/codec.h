// From bytes to the structs of message.h and back: the only door between the program and
// Cap'n Proto. Garbage makes Cap'n Proto throw; here it becomes Error::malformed. What is longer
// than its limit, or carries an unusable key or address, is refused here as well, so that what
// comes out may be trusted to be well formed (not to be true).
#pragma once

#include "protocol/message.h"

namespace byway {

constexpr std::size_t max_candidates = 12;
constexpr std::size_t max_samples = 8;  // in one message
constexpr std::size_t max_stream_detail = 512;
constexpr std::size_t max_service_name = 64;

// `size`: the encoding is padded to at least this many bytes.
Bytes encode(const Hello& hello, std::size_t size = 0);
Bytes encode(const Welcome& welcome);
Bytes encode(const Message& message);
// With its 16-bit length in front.
Bytes encode(const StreamHeader& header);

Result<Hello> decode_hello(ByteView bytes);
Result<Welcome> decode_welcome(ByteView bytes);
Result<Message> decode_message(ByteView bytes);

// The header at the front of a stream: nothing yet (more bytes are needed), or it and how many
// bytes it took.
struct ParsedStreamHeader {
  StreamHeader header;
  std::size_t size;
};
Result<std::optional<ParsedStreamHeader>> decode_stream_header(ByteView bytes);

}  // namespace byway

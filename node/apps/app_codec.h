// What the apps say to one another on their streams, as plain structs; the wire form is
// protocol/apps.capnp. Every byte of it comes from another node: garbage is Error::malformed, and
// so is text that is not UTF-8.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "protocol/bytes.h"
#include "protocol/result.h"

namespace byway::apps {

constexpr std::size_t max_app_message = 16 * 1024;
// So short that even escaped for JSON it fits a control frame.
constexpr std::size_t max_chat_text = 8 * 1024;

struct Accepted {
  bool operator==(const Accepted&) const = default;
};
enum class Refusal : std::uint8_t { unavailable, busy, full };
struct Refused {
  Refusal reason = Refusal::unavailable;
  bool operator==(const Refused&) const = default;
};
struct Echo {
  std::uint32_t sequence = 0;
  bool operator==(const Echo&) const = default;
};
struct ChatText {
  std::uint64_t id = 0;
  std::uint64_t sent_ms = 0;  // Unix time
  std::string body;
  bool operator==(const ChatText&) const = default;
};
struct Received {
  std::uint64_t id = 0;
  bool operator==(const Received&) const = default;
};
struct BenchStart {
  std::uint32_t seconds = 0;
  bool reverse = false;
  bool operator==(const BenchStart&) const = default;
};
struct BenchReport {
  std::uint64_t bytes = 0;
  std::uint64_t elapsed_us = 0;
  std::uint64_t cpu_us = 0;
  bool operator==(const BenchReport&) const = default;
};

using AppMessage =
    std::variant<Accepted, Refused, Echo, ChatText, Received, BenchStart, BenchReport>;

// With the 32-bit length in front.
Bytes encode(const AppMessage& message);
// Without it.
Result<AppMessage> decode(ByteView message);

bool is_utf8(std::string_view text);

}  // namespace byway::apps

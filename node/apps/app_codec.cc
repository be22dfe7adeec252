#include "node/apps/app_codec.h"

#include <capnp/message.h>
#include <capnp/serialize-packed.h>
#include <kj/io.h>

#include <iterator>

#include "protocol/apps.capnp.h"

namespace byway::apps {
namespace {

namespace wire = apps_wire;

template <typename... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <typename... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

Result<AppMessage> read(wire::AppMessage::Reader from) {
  using Kind = wire::AppMessage;
  switch (from.which()) {
    case Kind::ACCEPTED:
      return AppMessage{Accepted{}};
    case Kind::REFUSED:
      if (from.getRefused() > wire::AppMessage::Refusal::FULL) return AppMessage{Refused{}};
      return AppMessage{Refused{static_cast<Refusal>(from.getRefused())}};
    case Kind::ECHO:
      return AppMessage{Echo{from.getEcho().getSequence()}};
    case Kind::TEXT: {
      const auto text = from.getText();
      const auto body = text.getBody();
      if (body.size() > max_chat_text) return Error::too_large;
      ChatText out{text.getId(), text.getSentMs(), {body.begin(), body.size()}};
      if (!is_utf8(out.body)) return Error::malformed;
      return AppMessage{std::move(out)};
    }
    case Kind::RECEIVED:
      return AppMessage{Received{from.getReceived()}};
    case Kind::BENCH_START: {
      const auto start = from.getBenchStart();
      return AppMessage{BenchStart{start.getSeconds(), start.getReverse()}};
    }
    case Kind::BENCH_REPORT: {
      const auto report = from.getBenchReport();
      return AppMessage{BenchReport{report.getBytes(), report.getElapsedUs(), report.getCpuUs()}};
    }
  }
  return Error::malformed;
}

void write(wire::AppMessage::Builder to, const AppMessage& message) {
  std::visit(Overloaded{
                 [&](const Accepted&) { to.setAccepted(); },
                 [&](const Refused& refused) {
                   to.setRefused(static_cast<wire::AppMessage::Refusal>(refused.reason));
                 },
                 [&](const Echo& echo) { to.initEcho().setSequence(echo.sequence); },
                 [&](const ChatText& text) {
                   auto out = to.initText();
                   out.setId(text.id);
                   out.setSentMs(text.sent_ms);
                   out.setBody(kj::StringPtr{text.body.c_str(), text.body.size()});
                 },
                 [&](const Received& received) { to.setReceived(received.id); },
                 [&](const BenchStart& start) {
                   auto out = to.initBenchStart();
                   out.setSeconds(start.seconds);
                   out.setReverse(start.reverse);
                 },
                 [&](const BenchReport& report) {
                   auto out = to.initBenchReport();
                   out.setBytes(report.bytes);
                   out.setElapsedUs(report.elapsed_us);
                   out.setCpuUs(report.cpu_us);
                 },
             },
             message);
}

}  // namespace

Bytes encode(const AppMessage& message) {
  capnp::word scratch[64] = {};
  capnp::MallocMessageBuilder builder(kj::arrayPtr(scratch, std::size(scratch)));
  write(builder.initRoot<wire::AppMessage>(), message);
  kj::VectorOutputStream packed(256);
  capnp::writePackedMessage(packed, builder);
  const auto raw = packed.getArray();
  Bytes out;
  append_be<std::uint32_t>(out, static_cast<std::uint32_t>(raw.size()));
  append(out, {raw.begin(), raw.size()});
  return out;
}

Result<AppMessage> decode(ByteView message) {
  if (message.size() > max_app_message) return Error::too_large;
  try {
    kj::ArrayInputStream stream(kj::arrayPtr(message.data(), message.size()));
    capnp::ReaderOptions options;
    options.traversalLimitInWords = 4 * max_app_message / sizeof(capnp::word);
    options.nestingLimit = 8;
    capnp::word scratch[64];
    capnp::PackedMessageReader reader(stream, options, kj::arrayPtr(scratch, std::size(scratch)));
    return read(reader.getRoot<wire::AppMessage>());
  } catch (const kj::Exception&) {
    return Error::malformed;
  } catch (const std::exception&) {
    return Error::malformed;
  }
}

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text) {
  const ByteView raw = bytes_of(text);
  for (std::size_t i = 0; i < raw.size();) {
    const std::uint8_t first = raw[i++];
    if (first < 0x80) continue;
    if (first < 0xc2 || first > 0xf4) return false;
    const int more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    std::uint8_t low = 0x80, high = 0xbf;  // what the second byte may be
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
    for (int k = 0; k < more; ++k) {
      if (i == raw.size() || raw[i] < low || raw[i] > high) return false;
      low = 0x80, high = 0xbf;
      ++i;
    }
  }
  return true;
}

}  // namespace byway::apps

#include "node/control_codec.h"

#include <capnp/message.h>
#include <capnp/serialize.h>

#include <cstring>

#include "protocol/control.capnp.h"

namespace byway::control {
namespace {

namespace wire = control_wire;

template <typename... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <typename... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

kj::StringPtr text(const std::string& from) {
  return {from.c_str(), from.size()};
}
std::string text(capnp::Text::Reader from) {
  return {from.begin(), from.size()};
}

Bytes framed(capnp::MessageBuilder& message) {
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(message);
  const auto raw = words.asBytes();
  Bytes out;
  out.reserve(control_frame_header + raw.size());
  append_be<std::uint32_t>(out, static_cast<std::uint32_t>(raw.size()));
  append(out, {raw.begin(), raw.size()});
  return out;
}

capnp::ReaderOptions strict() {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = 4 * max_control_frame / sizeof(capnp::word);
  options.nestingLimit = 8;
  return options;
}

// Opens `message` and hands its root to `read`; whatever Cap'n Proto throws becomes a value.
template <typename Root, typename Read>
auto opened(ByteView message, Read read) -> decltype(read(std::declval<typename Root::Reader>())) {
  if (message.size() > max_control_frame) return Error::too_large;
  if (message.empty() || message.size() % sizeof(capnp::word) != 0) return Error::malformed;
  try {
    // A copy, because Cap'n Proto reads whole words at their own alignment.
    auto words = kj::heapArray<capnp::word>(message.size() / sizeof(capnp::word));
    std::memcpy(words.begin(), message.data(), message.size());
    capnp::FlatArrayMessageReader reader(words, strict());
    return read(reader.getRoot<Root>());
  } catch (const kj::Exception&) {
    return Error::malformed;
  } catch (const std::exception&) {
    return Error::malformed;
  }
}

Result<ControlRequest> read_ping(wire::Ping::Reader from) {
  if (from.getUntil() > wire::Ping::Until::RELAY) return Error::malformed;
  Ping ping;
  ping.peer = text(from.getPeer());
  ping.count = from.getCount();
  ping.interval_ms = from.getIntervalMs();
  ping.until = static_cast<Until>(from.getUntil());
  ping.timeout_ms = from.getTimeoutMs();
  return ControlRequest{ping};
}

Result<ControlRequest> read_listen(wire::Listen::Reader from) {
  Listen listen{.service = text(from.getService()), .allow = {}};
  for (const auto allowed : from.getAllow()) listen.allow.push_back(text(allowed));
  return ControlRequest{listen};
}

Result<ControlRequest> read_request(wire::Request::Reader from) {
  using Kind = wire::Request;
  switch (from.which()) {
    case Kind::STATUS:
      return ControlRequest{Status{}};
    case Kind::PING:
      return read_ping(from.getPing());
    case Kind::SAY: {
      const auto say = from.getSay();
      return ControlRequest{Say{text(say.getPeer()), text(say.getText()), say.getTimeoutMs()}};
    }
    case Kind::INBOX:
      return ControlRequest{Inbox{from.getInbox().getFollow()}};
    case Kind::CHAT:
      return ControlRequest{Chat{}};
    case Kind::CONTACT_ADD: {
      const auto contact = from.getContactAdd();
      return ControlRequest{ContactAdd{text(contact.getName()), text(contact.getId())}};
    }
    case Kind::CONTACT_LIST:
      return ControlRequest{ContactList{}};
    case Kind::CONTACT_REMOVE:
      return ControlRequest{ContactRemove{text(from.getContactRemove())}};
    case Kind::LISTEN:
      return read_listen(from.getListen());
    case Kind::ACCEPT:
      return ControlRequest{Accept{from.getAccept(), from.getLends()}};
    case Kind::PIPE: {
      const auto pipe = from.getPipe();
      return ControlRequest{Pipe{text(pipe.getPeer()), text(pipe.getService()), from.getLends()}};
    }
    case Kind::BENCH: {
      const auto bench = from.getBench();
      return ControlRequest{
          Bench{text(bench.getPeer()), bench.getSeconds(), bench.getReverse(), bench.getStreams()}};
    }
    case Kind::STOP:
      return ControlRequest{Stop{}};
    case Kind::OUTCOME:
      return ControlRequest{Outcome{from.getOutcome()}};
    case Kind::SUPERNODES:
      return ControlRequest{Supernodes{from.getSupernodes()}};
    case Kind::TRACE:
      return ControlRequest{Trace{text(from.getTrace())}};
    case Kind::WHOIS:
      return ControlRequest{Whois{text(from.getWhois())}};
  }
  return Error::malformed;
}

Result<ControlReply> read_reply(wire::Reply::Reader from) {
  switch (from.which()) {
    case wire::Reply::LINE:
      return ControlReply{Line{text(from.getLine())}};
    case wire::Reply::FAILED:
      return ControlReply{Failed{text(from.getFailed())}};
    case wire::Reply::DONE:
      return ControlReply{Done{}};
    case wire::Reply::RAW:
      return ControlReply{Raw{from.getRaw(), from.getBorrows()}};
  }
  return Error::malformed;
}

void write_ping(wire::Ping::Builder to, const Ping& ping) {
  to.setPeer(text(ping.peer));
  to.setCount(ping.count);
  to.setIntervalMs(ping.interval_ms);
  to.setUntil(static_cast<wire::Ping::Until>(ping.until));
  to.setTimeoutMs(ping.timeout_ms);
}

void write_listen(wire::Listen::Builder to, const Listen& listen) {
  to.setService(text(listen.service));
  auto allow = to.initAllow(static_cast<unsigned>(listen.allow.size()));
  for (unsigned i = 0; i < allow.size(); ++i) allow.set(i, text(listen.allow[i]));
}

}  // namespace

Bytes encode(const ControlRequest& request) {
  capnp::MallocMessageBuilder message;
  auto to = message.initRoot<wire::Request>();
  std::visit(Overloaded{
                 [&](const Status&) { to.setStatus(); },
                 [&](const Ping& ping) { write_ping(to.initPing(), ping); },
                 [&](const Say& say) {
                   auto out = to.initSay();
                   out.setPeer(text(say.peer));
                   out.setText(text(say.text));
                   out.setTimeoutMs(say.timeout_ms);
                 },
                 [&](const Inbox& inbox) { to.initInbox().setFollow(inbox.follow); },
                 [&](const Chat&) { to.setChat(); },
                 [&](const ContactAdd& contact) {
                   auto out = to.initContactAdd();
                   out.setName(text(contact.name));
                   out.setId(text(contact.id));
                 },
                 [&](const ContactList&) { to.setContactList(); },
                 [&](const ContactRemove& remove) { to.setContactRemove(text(remove.name_or_id)); },
                 [&](const Listen& listen) { write_listen(to.initListen(), listen); },
                 [&](const Accept& accept) {
                   to.setAccept(accept.token);
                   to.setLends(accept.lends);
                 },
                 [&](const Pipe& pipe) {
                   auto out = to.initPipe();
                   out.setPeer(text(pipe.peer));
                   out.setService(text(pipe.service));
                   to.setLends(pipe.lends);
                 },
                 [&](const Bench& bench) {
                   auto out = to.initBench();
                   out.setPeer(text(bench.peer));
                   out.setSeconds(bench.seconds);
                   out.setReverse(bench.reverse);
                   out.setStreams(bench.streams);
                 },
                 [&](const Stop&) { to.setStop(); },
                 [&](const Outcome& outcome) { to.setOutcome(outcome.token); },
                 [&](const Supernodes& ask) { to.setSupernodes(ask.most); },
                 [&](const Trace& trace) { to.setTrace(text(trace.peer)); },
                 [&](const Whois& whois) { to.setWhois(text(whois.peer)); },
             },
             request);
  return framed(message);
}

Bytes encode(const ControlReply& reply) {
  capnp::MallocMessageBuilder message;
  auto to = message.initRoot<wire::Reply>();
  std::visit(Overloaded{
                 [&](const Line& line) { to.setLine(text(line.json)); },
                 [&](const Failed& failed) { to.setFailed(text(failed.sentence)); },
                 [&](const Done&) { to.setDone(); },
                 [&](const Raw& raw) {
                   to.setRaw(raw.token);
                   to.setBorrows(raw.borrows);
                 },
             },
             reply);
  return framed(message);
}

Result<ControlRequest> decode_request(ByteView message) {
  return opened<wire::Request>(message, read_request);
}

Result<ControlReply> decode_reply(ByteView message) {
  return opened<wire::Reply>(message, read_reply);
}

Result<std::optional<Bytes>> FrameReader::next() {
  if (buffer_.size() < control_frame_header) return std::optional<Bytes>{};
  const std::size_t size = load_be<std::uint32_t>(buffer_);
  if (size > max_control_frame) return Error::too_large;
  const std::size_t end = control_frame_header + size;
  if (buffer_.size() < end) return std::optional<Bytes>{};

  const auto begin = buffer_.begin();
  Bytes frame(begin + control_frame_header, begin + static_cast<std::ptrdiff_t>(end));
  buffer_.erase(begin, begin + static_cast<std::ptrdiff_t>(end));
  return std::optional<Bytes>{std::move(frame)};
}

Bytes FrameReader::rest() {
  return std::exchange(buffer_, {});
}

}  // namespace byway::control

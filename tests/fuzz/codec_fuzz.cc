// Everything that Cap'n Proto reads from strangers: as it comes, and as a change to something good.
// Whatever is let through keeps the limits, and is heard again as the same when we say it.
#include "protocol/codec.h"

#include "tests/fuzz/change.h"

using namespace byway;

namespace {

Talk good_talk() {
  Talk talk;
  for (const char* where : {"198.51.100.7:7000", "[2001:db8::7]:7000", "192.168.1.7:7000"})
    talk.candidates.push_back({*Endpoint::parse(where), Proto::udp, How::observed});
  talk.nat = {Behaviour::endpoint_independent, Behaviour::address_dependent, Ports::block, 2, 512};
  return talk;
}

struct Good {
  Identity ana = Identity::from_seed(Key{1});
  Endpoint there = *Endpoint::parse("[2001:db8::7]:7000");
  std::vector<Bytes> hellos, welcomes, messages;
  Bytes header = encode(StreamHeader{"chat", to_bytes(bytes_of("a first word"))});

  Good() {
    for (std::variant<Greet, Registration, Talk> wish :
         {decltype(Hello::wish)(Greet{}), decltype(Hello::wish)(Registration{Bytes(90, 7), 2}),
          decltype(Hello::wish)(good_talk())})
      hellos.push_back(encode(Hello{.id = ana.id(), .boot = 7, .wish = wish}, 120));
    for (decltype(Welcome::answer) answer :
         {decltype(Welcome::answer)(Greet{}), decltype(Welcome::answer)(Registered{90}),
          decltype(Welcome::answer)(good_talk()),
          decltype(Welcome::answer)(Refusal{RefusalReason::stale, 30, {{ana.id(), there}}})})
      welcomes.push_back(encode(Welcome{.observed = there, .boot = 7, .answer = answer}));
    for (const Message& message :
         {Message(Ping{7, 20'000, 28}), Message(Pong{7, there}),
          Message(Registration{Bytes(90), 1}), Message(Registered{90}),
          Message(Introduce{ana.id(), 77, Bytes(300, 7)}),
          Message(Introduce{ana.id(), 77, Bytes(300, 7), ana.id(), there, 10}),
          Message(IntroduceResult{ana.id(), 77, IntroduceOutcome::busy, 5}),
          Message(Introduction{77, Bytes(300, 7), there, 10, 20}),
          Message(Reach{.round = 2, .talk = good_talk(), .answer = true}),
          Message(Bye{ByeReason::idle}), Message(Refusal{RefusalReason::busy, 30})})
      messages.push_back(encode(message));
  }
};

void keeps_limits(const Talk& talk) {
  ensure(talk.candidates.size() <= max_candidates);
}
template <class Other>
void keeps_limits(const Other&) {}
void keeps_limits(const Introduce& introduce) {
  ensure(introduce.handshake.size() <= 1200);
}
void keeps_limits(const Introduction& introduced) {
  ensure(introduced.handshake.size() <= 1200);
}
void keeps_limits(const Registration& wish) {
  ensure(wish.record.size() <= 1100);
}
void keeps_limits(const Reach& reach) {
  keeps_limits(reach.talk);
}

void hear_hello(ByteView bytes) {
  const auto hello = decode_hello(bytes);
  if (!hello) return;
  std::visit([](const auto& wish) { keeps_limits(wish); }, hello->wish);
  ensure(!hello->id.is_nobody());
  ensure(*decode_hello(encode(*hello, 240)) == *hello);
}
void hear_welcome(ByteView bytes) {
  const auto welcome = decode_welcome(bytes);
  if (!welcome) return;
  std::visit([](const auto& answer) { keeps_limits(answer); }, welcome->answer);
  ensure(*decode_welcome(encode(*welcome)) == *welcome);
}
void hear_message(ByteView bytes) {
  const auto message = decode_message(bytes);
  if (!message) return;
  std::visit([](const auto& kind) { keeps_limits(kind); }, *message);
  const auto again = decode_message(encode(*message));
  ensure(again.has_value());
  if (const auto* pong = std::get_if<Pong>(&*message); pong && !pong->observed.is_set()) return;
  ensure(*again == *message);
}
void hear_header(ByteView bytes) {
  const auto parsed = decode_stream_header(bytes);
  if (!parsed || !*parsed) return;
  const auto& [header, size] = **parsed;
  ensure(size <= bytes.size());
  ensure(!header.service.empty() && header.service.size() <= max_service_name);
  ensure(header.detail.size() <= max_stream_detail);
  ensure((*decode_stream_header(encode(header)))->header == header);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Good good;
  if (size < 1) return 0;
  const ByteView input(data + 1, size - 1);
  hear_hello(input);
  hear_welcome(input);
  hear_message(input);
  hear_header(input);
  hear_hello(change(good.hellos[data[0] % good.hellos.size()], input));
  hear_welcome(change(good.welcomes[data[0] % good.welcomes.size()], input));
  hear_message(change(good.messages[data[0] % good.messages.size()], input));
  hear_header(change(good.header, input));
  return 0;
}

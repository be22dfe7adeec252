// What is said about a punch through hard NATs: as it comes, and as a change to something good.
// Whatever is let through keeps the limits, and is heard again as the same when we say it.
#include "protocol/punch_message.h"

#include "tests/fuzz/change.h"

using namespace byway;

namespace {

struct Good {
  NodeId ana = Identity::from_seed(Key{1}).id(), bo = Identity::from_seed(Key{2}).id();
  Endpoint there = *Endpoint::parse("198.51.100.7:40007");
  std::vector<Bytes> messages;

  Good() {
    for (const PunchMessage& message :
         {PunchMessage(PunchPlan{.round = 1, .endpoint = there, .homes = {ana, bo}}),
          PunchMessage(PunchPlan{
              .answer = true, .kind = NatKind::sequential, .endpoint = there, .delta = 2}),
          PunchMessage(
              PunchPlan{.kind = NatKind::block, .endpoint = there, .first = 2048, .last = 2303}),
          PunchMessage(PunchPorts{3, {40008, 40009}}), PunchMessage(Witness{bo, ana}),
          PunchMessage(Testimony{ana, bo, there.address})})
      messages.push_back(encode(message));
  }
};

void hear(ByteView bytes) {
  const auto message = decode_punch(bytes);
  if (!message) return;
  if (const auto* plan = std::get_if<PunchPlan>(&*message)) {
    ensure(plan->endpoint.port != 0 && plan->homes.size() <= max_plan_homes);
    ensure(plan->kind != NatKind::sequential || plan->delta != 0);
    ensure(plan->kind != NatKind::block || (plan->first != 0 && plan->first <= plan->last));
  }
  if (const auto* ports = std::get_if<PunchPorts>(&*message))
    ensure(ports->ports.size() <= max_punch_ports);
  const auto again = decode_punch(encode(*message));
  ensure(again.has_value());
  ensure(*again == *message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Good good;
  if (size < 1) return 0;
  const ByteView input(data + 1, size - 1);
  hear(input);
  hear(change(good.messages[data[0] % good.messages.size()], input));
  return 0;
}

// What is said about NATs, as it comes and as a change to something good: whatever is understood
// keeps the limits, and is understood again when we say it.
#include "protocol/nat_message.h"

#include "tests/fuzz/change.h"

using namespace byway;

namespace {

std::vector<Bytes> good() {
  const Endpoint there = *Endpoint::parse("[2001:db8::7]:7000");
  std::vector<Bytes> all;
  for (const NatMessage& message :
       {NatMessage(Look{7, 64}), NatMessage(TryFilter{8, ProofNonce{1}, 480}),
        NatMessage(TryLate{9, ProofNonce{2}, there, Tag{3}}),
        NatMessage(Sighting{7, there, 40'000, Tag{3}}), NatMessage(StrangerTried{8, true}),
        NatMessage(StrangerOrder{ProofNonce{1}, there}),
        NatMessage(StrangerDone{ProofNonce{1}, true})})
    all.push_back(encode(message));
  return all;
}

void hear(ByteView bytes) {
  const auto message = decode_nat(bytes);
  if (!message) return;
  if (const auto* look = std::get_if<Look>(&*message)) ensure(look->padding <= 1000);
  if (const auto* wish = std::get_if<TryFilter>(&*message)) ensure(wish->padding <= 1000);
  if (const auto* late = std::get_if<TryLate>(&*message)) ensure(late->target.is_set());
  if (const auto* seen = std::get_if<Sighting>(&*message)) ensure(seen->observed.is_set());
  ensure(*decode_nat(encode(*message)) == *message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<Bytes> all = good();
  if (size < 1) return 0;
  const ByteView input(data + 1, size - 1);
  hear(input);
  hear(change(all[data[0] % all.size()], input));
  return 0;
}

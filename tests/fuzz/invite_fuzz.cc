// Invitations: the text as it comes, and a body of the fuzzer's own with a right checksum, so that
// all of the reader is within reach.
#include "protocol/invite.h"

#include "protocol/base32.h"
#include "protocol/crypto.h"
#include "tests/fuzz/change.h"

using namespace byway;

namespace {

void hear(std::string_view line) {
  const auto invite = Invite::parse(line);
  if (!invite) return;
  ensure(invite->supernodes.size() <= max_invite_supernodes);
  for (const Invite::Supernode& supernode : invite->supernodes) ensure(supernode.endpoint.is_set());
  ensure(*Invite::parse(invite->to_line()) == *invite);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Bytes good = [] {
    const Identity ana = Identity::from_seed(Key{1});
    const Identity hub = Identity::from_seed(Key{2});
    const Invite invite{ana.id(),
                        {{hub.id(), *Endpoint::parse("203.0.113.10:7000")},
                         {ana.id(), *Endpoint::parse("[2001:db8::1]:443")}}};
    Bytes body = *from_base32(std::string_view(invite.to_line()).substr(invite_prefix.size()));
    body.resize(body.size() - 4);
    return body;
  }();
  hear(text_of({data, size}));
  Bytes body = change(good, {data, size});
  Bytes summed = to_bytes(bytes_of("byway invite 1"));
  append(summed, body);
  append(body, ByteView(sodium_crypto().hash(summed)).first(4));
  hear(std::string(invite_prefix) + to_base32(body));
  return 0;
}

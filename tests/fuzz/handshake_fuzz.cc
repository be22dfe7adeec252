// The handshake: each message as it comes, then changed. Noise is also reached behind mac1, which
// would otherwise stop every change at the door.
#include "protocol/handshake.h"

#include "protocol/cookie.h"
#include "tests/fuzz/change.h"

using namespace byway;

namespace {

struct Story {
  const Crypto& crypto = sodium_crypto();
  Random random{7};
  Identity ana = Identity::from_seed(Key{1}), bo = Identity::from_seed(Key{2});
  Endpoint home = *Endpoint::parse("192.0.2.1:7000");
  Initiator call = *Initiator::make(crypto, ana, bo.id(), 11, random);
  Bytes hello = call.start(bytes_of("it is me"));
  Bytes welcome = Responder::open(crypto, bo, hello)->respond(bytes_of("hi"), 22, random).datagram;
  CookieMint mint{crypto, bo.id(), random};
  Bytes cookie = mint.reply({}, home, hello);

  KeyPair a = KeyPair::from_secret(crypto, Key{3}), b = KeyPair::from_secret(crypto, Key{4});
  Bytes message1 = *NoiseInitiator(crypto, {}, a, b.pub).write_message1(a, bytes_of("it is me"));
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Story story;
  const ByteView input(data, size);
  for (const Bytes& hello : {to_bytes(input), change(story.hello, input)}) {
    const auto answer = Responder::open(story.crypto, story.bo, hello);
    // mac2 is not the responder's to judge; all before it must be as sent.
    const bool untouched = hello.size() == story.hello.size() &&
                           std::equal(hello.begin(), hello.end() - mac_size, story.hello.begin());
    ensure(answer.has_value() == untouched);
    ensure(story.mint.reply({}, story.home, hello).size() <= hello.size());
    ensure(!story.mint.mac2_valid({}, story.home, hello));
  }
  const Bytes welcome = change(story.welcome, input), cookie = change(story.cookie, input);
  ensure(story.call.finish(welcome).has_value() == (welcome == story.welcome));
  ensure(story.call.open_cookie(cookie).has_value() == (cookie == story.cookie));

  const Bytes message1 = change(story.message1, input);
  ensure(NoiseResponder::read_message1(story.crypto, {}, story.b, message1).has_value() ==
         (message1 == story.message1));
  return 0;
}

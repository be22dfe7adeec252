// Sealed datagrams: opened when unchanged and only once; nothing else moves the window.
#include "protocol/seal.h"

#include "tests/fuzz/change.h"

using namespace byway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const Crypto& crypto = sodium_crypto();
  Seal ana(crypto, {Key{1}, Key{2}, {}, 11, 22});
  Seal bo(crypto, {Key{2}, Key{1}, {}, 22, 11});

  const Bytes good = ana.seal(bytes_of("hello"));
  const Bytes changed = change(good, input);
  ensure(Seal(crypto, {Key{2}, Key{1}, {}, 22, 11}).open(input).has_value() ==
         std::equal(input.begin(), input.end(), good.begin(), good.end()));
  ensure(bo.open(changed).has_value() == (changed == good));
  ensure(bo.open(good).has_value() == (changed != good));
  ensure(!bo.open(good));
  return 0;
}

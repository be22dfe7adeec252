// Between our structs and Cap'n Proto's packed bytes: what the codecs share, and only they include.
//
// A codec writes `pack<wire::X>(fill)` and `unpack<wire::X>(bytes, get)`. Inside `get` a refusal is
// thrown (require, value_or_refuse …) and Cap'n Proto throws as well where it meets garbage; both
// end at the one door, unpack(), and come out as an Error. No message of ours unpacks to more than
// 8 KiB, so a few bytes from a stranger cannot grow into many.
#pragma once

#include <capnp/message.h>
#include <capnp/serialize-packed.h>
#include <kj/exception.h>
#include <kj/io.h>

#include <algorithm>
#include <iterator>
#include <type_traits>
#include <utility>

#include "protocol/bytes.h"
#include "protocol/endpoint.h"
#include "protocol/identity.h"
#include "protocol/match.h"
#include "protocol/result.h"
#include "protocol/time.h"

namespace byway::packing {

inline constexpr std::size_t max_words = 1024;
inline constexpr std::size_t small_words = 96;  // of what most messages have: packed on the stack

// --- out ---------------------------------------------------------------------------------------

inline capnp::Data::Reader to_data(ByteView bytes) {
  return {bytes.data(), bytes.size()};
}

template <class Builder>  // of any struct with an address and a port
void put_endpoint(Builder to, const Endpoint& endpoint) {
  to.setAddress(to_data(endpoint.address.bytes()));
  to.setPort(endpoint.port);
}

// Padding must not pack away, so it is not zeros.
inline void pad(capnp::Data::Builder padding) {
  std::fill(padding.begin(), padding.end(), static_cast<kj::byte>(0x2e));
}

template <class Root, class Fill>
Bytes pack(Fill&& fill) {
  capnp::word scratch[128] = {};
  capnp::MallocMessageBuilder builder(kj::arrayPtr(scratch, std::size(scratch)));
  fill(builder.initRoot<Root>());
  const std::size_t words = capnp::computeSerializedSizeInWords(builder);
  if (words <= small_words) {
    kj::byte room[10 * small_words];  // what a word packs to at most: a tag, itself, and a count
    kj::ArrayOutputStream out(kj::arrayPtr(room, std::size(room)));
    capnp::writePackedMessage(out, builder);
    const auto packed = out.getArray();
    return {packed.begin(), packed.end()};
  }
  kj::VectorOutputStream out(16 * words);
  capnp::writePackedMessage(out, builder);
  const auto packed = out.getArray();
  return {packed.begin(), packed.end()};
}

// --- in ----------------------------------------------------------------------------------------

struct Refused {
  Error error;
};

inline void require(bool holds) {
  if (!holds) throw Refused{Error::malformed};
}

template <typename T>
T value_or_refuse(Result<T> result) {
  if (!result) throw Refused{Error::malformed};
  return std::move(*result);
}

template <class Ours, class Theirs>
Ours enum_of(Theirs theirs, Ours last) {
  require(static_cast<unsigned>(theirs) <= static_cast<unsigned>(last));
  return static_cast<Ours>(theirs);
}

inline ByteView view(capnp::Data::Reader from) {
  return {from.begin(), from.size()};
}

inline Bytes bounded(capnp::Data::Reader from, std::size_t limit) {
  require(from.size() <= limit);
  return to_bytes(view(from));
}

template <std::size_t N>
ByteArray<N> array_of(capnp::Data::Reader from) {
  require(from.size() == N);
  ByteArray<N> array;
  std::copy(from.begin(), from.end(), array.begin());
  return array;
}

// An id that is only compared with ids known already, or that a handshake or signature will prove.
inline NodeId get_id(capnp::Data::Reader from) {
  return NodeId::trusted(array_of<sizeof(Key)>(from));
}

inline IpAddress get_address(capnp::Data::Reader from) {
  return value_or_refuse(IpAddress::from_bytes(view(from)));
}

// One that somebody is to write to or was seen at: port 0 is neither.
template <class Reader>
Endpoint get_endpoint(Reader from) {
  require(from.getPort() != 0);
  return {get_address(from.getAddress()), from.getPort()};
}

inline WallTime get_wall(std::uint64_t ms) {
  require(ms <= last_unix_ms);
  return wall_from_unix_ms(ms);
}

// While a reader is put away because of one exception, it meets the rest of the garbage and reports
// that on stderr, with a stack trace. A stranger must not write our log, nor make us trace stacks.
class Silence : public kj::ExceptionCallback {
 public:
  void logMessage(kj::LogSeverity, const char*, int, int, kj::String&&) override {}
  StackTraceMode stackTraceMode() override { return StackTraceMode::NONE; }
};

// The one place where garbage may throw. `get` makes our struct of the root's reader.
template <class Root, class Get>
auto unpack(ByteView bytes, Get&& get)
    -> Result<std::decay_t<std::invoke_result_t<Get, typename Root::Reader>>> {
  const Silence silence;
  try {
    kj::ArrayInputStream in(kj::arrayPtr(bytes.data(), bytes.size()));
    capnp::ReaderOptions options;
    options.traversalLimitInWords = max_words;
    options.nestingLimit = 8;
    capnp::word scratch[128];
    capnp::PackedMessageReader reader(in, options, kj::arrayPtr(scratch, std::size(scratch)));
    return get(reader.getRoot<Root>());
  } catch (const Refused& refused) {
    return refused.error;
  } catch (const kj::Exception&) {
    return Error::malformed;
  }
}

}  // namespace byway::packing

// Records: the content is changed first and signed by its author afterwards, so that all of the
// decoder is within reach; whatever it lets through keeps every limit.
#include "protocol/record.h"

#include "tests/fuzz/change.h"

using namespace byway;

namespace {

Record good_record(const Identity& author) {
  Record record;
  record.id = author.id();
  record.sequence = 7;
  record.role = Record::Role::supernode;
  record.endpoints = {*Endpoint::parse("192.0.2.1:7000"), *Endpoint::parse("[2001:db8::1]:7000")};
  record.homes = {author.id()};
  record.agent = "byway";
  return record;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Identity author = Identity::from_seed(Key{1});
  static const SignedRecord good = SignedRecord::sign(author, good_record(author));
  const ByteView input(data, size);
  (void)SignedRecord::parse(sodium_crypto(), input);

  const Bytes content = change(good.exact_bytes().subspan(sizeof(Signature)), input);
  Bytes bytes = to_bytes(author.sign(record_context, content));
  append(bytes, content);
  const auto parsed = SignedRecord::parse(sodium_crypto(), bytes);
  if (!parsed) return 0;

  const Record& record = parsed->record();
  ensure(bytes.size() <= max_record_size);
  ensure(record.id == author.id());
  ensure(record.endpoints.size() <= max_record_endpoints);
  ensure(record.homes.size() <= max_record_homes);
  ensure(record.agent.size() <= max_record_agent);
  for (const Endpoint& endpoint : record.endpoints) ensure(endpoint.is_set());
  // What we would say ourselves in its place is read back as the same.
  const SignedRecord ours = SignedRecord::sign(author, record);
  ensure(SignedRecord::parse(sodium_crypto(), ours.exact_bytes())->record() == record);
  return 0;
}

#include "protocol/record.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "protocol/packing.h"
#include "protocol/record.capnp.h"

namespace byway {
namespace {

constexpr std::size_t word_size = sizeof(capnp::word);
constexpr std::size_t max_content_size = max_record_size - sizeof(Signature);
using ContentWords = std::array<capnp::word, max_content_size / word_size>;

using packing::to_data;

bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

Result<NodeId> unchecked_id(ByteView bytes) {
  Key key;
  if (bytes.size() != key.size()) return Error::malformed;
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return NodeId::trusted(key);
}

Result<Endpoint> read_endpoint(wire::RecordEndpoint::Reader reader) {
  const auto address = IpAddress::from_bytes(packing::view(reader.getAddress()));
  if (!address) return address.error();
  if (reader.getPort() == 0) return Error::malformed;
  return Endpoint{*address, reader.getPort()};
}

using EndpointList = capnp::List<wire::RecordEndpoint>;

// A list's size is only a claim until its elements are read, hence the limit before the loop.
Result<std::vector<Endpoint>> read_endpoints(EndpointList::Reader list, std::size_t most) {
  if (list.size() > most) return Error::too_large;
  std::vector<Endpoint> endpoints;
  for (const auto element : list) {
    const auto endpoint = read_endpoint(element);
    if (!endpoint) return endpoint.error();
    endpoints.push_back(*endpoint);
  }
  return endpoints;
}

void write_endpoints(EndpointList::Builder list, const std::vector<Endpoint>& endpoints) {
  for (unsigned i = 0; i < list.size(); ++i) packing::put_endpoint(list[i], endpoints[i]);
}

Result<Record> read_record(wire::NodeRecord::Reader reader) {
  Record record;
  const auto id = unchecked_id(packing::view(reader.getId()));
  if (!id) return id.error();
  record.id = *id;
  record.sequence = reader.getSequence();

  switch (reader.getRole()) {
    case wire::NodeRecord::Role::LEAF:
      record.role = Record::Role::leaf;
      break;
    case wire::NodeRecord::Role::SUPERNODE:
      record.role = Record::Role::supernode;
      break;
    default:
      return Error::malformed;
  }

  auto endpoints = read_endpoints(reader.getEndpoints(), max_record_endpoints);
  if (!endpoints) return endpoints.error();
  record.endpoints = std::move(*endpoints);

  const auto homes = reader.getHomes();
  if (homes.size() > max_record_homes) return Error::too_large;
  for (const auto element : homes) {
    const auto home = unchecked_id(packing::view(element));
    if (!home) return home.error();
    record.homes.push_back(*home);
  }

  const auto agent = reader.getAgent();
  if (agent.size() > max_record_agent) return Error::too_large;
  record.agent.assign(agent.begin(), agent.size());
  if (!printable(record.agent)) return Error::malformed;

  auto tcp = read_endpoints(reader.getTcp(), max_record_tcp);
  if (!tcp) return tcp.error();
  record.tcp = std::move(*tcp);
  return record;
}

// Cap'n Proto reads whole aligned words, follows pointers a stranger has written, and throws on
// the bad ones. All three end here.
Result<Record> decode(ByteView content) {
  ContentWords words;
  std::memcpy(words.data(), content.data(), content.size());
  const kj::ArrayPtr<const capnp::word> message(words.data(), content.size() / word_size);

  capnp::ReaderOptions options;
  options.traversalLimitInWords = 2 * words.size();  // some slack, for lists are counted twice
  options.nestingLimit = 4;
  try {
    capnp::FlatArrayMessageReader reader(message, options);
    if (reader.getEnd() != message.end()) return Error::malformed;  // something hides behind it
    return read_record(reader.getRoot<wire::NodeRecord>());
  } catch (const kj::Exception&) {
    return Error::malformed;
  }
}

Bytes encode(const Record& record) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<wire::NodeRecord>();
  root.setId(to_data(record.id.key()));
  root.setSequence(record.sequence);
  root.setRole(record.role == Record::Role::supernode ? wire::NodeRecord::Role::SUPERNODE
                                                      : wire::NodeRecord::Role::LEAF);
  write_endpoints(root.initEndpoints(static_cast<unsigned>(record.endpoints.size())),
                  record.endpoints);
  auto homes = root.initHomes(static_cast<unsigned>(record.homes.size()));
  for (unsigned i = 0; i < homes.size(); ++i) homes.set(i, to_data(record.homes[i].key()));
  root.setAgent(record.agent);
  // Where there is none the list is left out, and the record is as short as before there was one.
  if (!record.tcp.empty())
    write_endpoints(root.initTcp(static_cast<unsigned>(record.tcp.size())), record.tcp);

  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = words.asBytes();
  return {bytes.begin(), bytes.end()};
}

bool keeps_limits(const Record& record) {
  const auto all_set = [](const std::vector<Endpoint>& endpoints) {
    return std::all_of(endpoints.begin(), endpoints.end(),
                       [](const Endpoint& endpoint) { return endpoint.is_set(); });
  };
  return record.endpoints.size() <= max_record_endpoints && all_set(record.endpoints) &&
         record.tcp.size() <= max_record_tcp && all_set(record.tcp) &&
         record.homes.size() <= max_record_homes && record.agent.size() <= max_record_agent &&
         printable(record.agent);
}

}  // namespace

SignedRecord SignedRecord::sign(const Identity& identity, const Record& record) {
  ensure(record.id == identity.id());
  ensure(keeps_limits(record));
  const Bytes content = encode(record);
  Bytes exact_bytes = to_bytes(identity.sign(record_context, content));
  append(exact_bytes, content);
  ensure(exact_bytes.size() <= max_record_size);
  return {record, std::move(exact_bytes)};
}

Result<SignedRecord> SignedRecord::parse(const Crypto& crypto, ByteView exact_bytes) {
  if (exact_bytes.size() > max_record_size) return Error::too_large;
  if (exact_bytes.size() <= sizeof(Signature)) return Error::truncated;
  Signature signature;
  std::copy_n(exact_bytes.begin(), signature.size(), signature.begin());
  const ByteView content = exact_bytes.subspan(signature.size());
  if (content.size() % word_size != 0) return Error::malformed;

  auto record = decode(content);
  if (!record) return record.error();
  if (!verify(crypto, record->id, record_context, content, signature)) return Error::bad_signature;
  return SignedRecord(std::move(*record), to_bytes(exact_bytes));
}

}  // namespace byway

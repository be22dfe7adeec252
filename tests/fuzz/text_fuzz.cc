// What people type: ids, base32, endpoints. Whatever is accepted has one way to be written.
#include "protocol/base32.h"
#include "protocol/endpoint.h"
#include "protocol/identity.h"

using namespace byway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = text_of({data, size});
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);

  if (const auto bytes = from_base32(text)) ensure(to_base32(*bytes) == lower);
  if (const auto id = NodeId::parse(text)) ensure(id->to_string() == lower);
  if (const auto endpoint = Endpoint::parse(text))
    ensure(*Endpoint::parse(endpoint->to_string()) == *endpoint);
  return 0;
}

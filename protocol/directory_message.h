// What homes and holders say to one another about where a leaf is registered.
//
//   home  --Place--> holder    keep this record of my leaf        <--Placed-- done, or why not
//   home  --Find---> holder    what do you know of this leaf?     <--Found--- its record, or
//   unknown home  --Locate-> home      is it registered with you?         <--Located- yes, or not
//   here
//
// All of it travels on links, so both ends' keys and addresses are proved already: that is why
// Found may be larger than the Find that asked for it. Every question carries a number drawn at
// random; an answer counts only with that number and from the node that was asked. Records travel
// as the exact bytes that were signed and come out of here unverified. A guest may Find and Locate
// as well, rarely (survey_message.h): what it is told, an introduction would tell.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

#include "protocol/bytes.h"
#include "protocol/identity.h"
#include "protocol/result.h"

namespace byway {

struct Place {
  std::uint64_t number = 0;
  NodeId target;
  Bytes record;  // at most max_record_size bytes
  bool operator==(const Place&) const = default;
};
// not_mine: by the holder's view others are responsible. refused: no proper record, or the sender
// is no home named in it.
enum class PlaceOutcome : std::uint8_t { kept, newer_known, not_mine, refused, busy };
std::string_view to_string(PlaceOutcome outcome);
struct Placed {
  std::uint64_t number = 0;
  PlaceOutcome outcome = PlaceOutcome::kept;
  bool operator==(const Placed&) const = default;
};

struct Find {
  std::uint64_t number = 0;
  NodeId target;
  bool operator==(const Find&) const = default;
};
enum class FindOutcome : std::uint8_t { known, unknown, busy };
std::string_view to_string(FindOutcome outcome);
struct Found {
  std::uint64_t number = 0;
  FindOutcome outcome = FindOutcome::unknown;
  Bytes record;  // when known
  bool operator==(const Found&) const = default;
};

struct Locate {
  std::uint64_t number = 0;
  NodeId target;
  bool operator==(const Locate&) const = default;
};
struct Located {
  std::uint64_t number = 0;
  bool here = false;
  bool operator==(const Located&) const = default;
};

using DirectoryMessage = std::variant<Place, Placed, Find, Found, Locate, Located>;

// At most 1,150 bytes.
Bytes encode(const DirectoryMessage& message);
// malformed: garbage, or over a limit.
Result<DirectoryMessage> decode_directory(ByteView bytes);

}  // namespace byway

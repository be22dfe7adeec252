#include "protocol/directory_message.h"

#include "protocol/directory.capnp.h"
#include "protocol/packing.h"
#include "protocol/record.h"

namespace byway {
namespace {

using namespace packing;

void put(wire::DirectoryMessage::Builder to, const Place& place) {
  auto out = to.initPlace();
  out.setNumber(place.number);
  out.setTarget(to_data(place.target.key()));
  out.setRecord(to_data(place.record));
}
void put(wire::DirectoryMessage::Builder to, const Placed& placed) {
  auto out = to.initPlaced();
  out.setNumber(placed.number);
  out.setOutcome(static_cast<wire::Placed::Outcome>(placed.outcome));
}
void put(wire::DirectoryMessage::Builder to, const Find& find) {
  auto out = to.initFind();
  out.setNumber(find.number);
  out.setTarget(to_data(find.target.key()));
}
void put(wire::DirectoryMessage::Builder to, const Found& found) {
  auto out = to.initFound();
  out.setNumber(found.number);
  out.setOutcome(static_cast<wire::Found::Outcome>(found.outcome));
  out.setRecord(to_data(found.record));
}
void put(wire::DirectoryMessage::Builder to, const Locate& locate) {
  auto out = to.initLocate();
  out.setNumber(locate.number);
  out.setTarget(to_data(locate.target.key()));
}
void put(wire::DirectoryMessage::Builder to, const Located& located) {
  auto out = to.initLocated();
  out.setNumber(located.number);
  out.setHere(located.here);
}

Place get(wire::Place::Reader from) {
  return {from.getNumber(), get_id(from.getTarget()), bounded(from.getRecord(), max_record_size)};
}
Placed get(wire::Placed::Reader from) {
  return {from.getNumber(), enum_of(from.getOutcome(), PlaceOutcome::busy)};
}
Find get(wire::Find::Reader from) {
  return {from.getNumber(), get_id(from.getTarget())};
}
Found get(wire::Found::Reader from) {
  return {from.getNumber(), enum_of(from.getOutcome(), FindOutcome::busy),
          bounded(from.getRecord(), max_record_size)};
}
Locate get(wire::Locate::Reader from) {
  return {from.getNumber(), get_id(from.getTarget())};
}
Located get(wire::Located::Reader from) {
  return {from.getNumber(), from.getHere()};
}

DirectoryMessage get(wire::DirectoryMessage::Reader from) {
  switch (from.which()) {
    case wire::DirectoryMessage::PLACE:
      return get(from.getPlace());
    case wire::DirectoryMessage::PLACED:
      return get(from.getPlaced());
    case wire::DirectoryMessage::FIND:
      return get(from.getFind());
    case wire::DirectoryMessage::FOUND:
      return get(from.getFound());
    case wire::DirectoryMessage::LOCATE:
      return get(from.getLocate());
    case wire::DirectoryMessage::LOCATED:
      return get(from.getLocated());
  }
  throw Refused{Error::malformed};
}

}  // namespace

std::string_view to_string(PlaceOutcome outcome) {
  switch (outcome) {
    case PlaceOutcome::kept:
      return "kept";
    case PlaceOutcome::newer_known:
      return "newer known";
    case PlaceOutcome::not_mine:
      return "not mine";
    case PlaceOutcome::refused:
      return "refused";
    case PlaceOutcome::busy:
      return "busy";
  }
  return "?";
}

std::string_view to_string(FindOutcome outcome) {
  switch (outcome) {
    case FindOutcome::known:
      return "known";
    case FindOutcome::unknown:
      return "unknown";
    case FindOutcome::busy:
      return "busy";
  }
  return "?";
}

Bytes encode(const DirectoryMessage& message) {
  return pack<wire::DirectoryMessage>([&](wire::DirectoryMessage::Builder to) {
    std::visit([&](const auto& kind) { put(to, kind); }, message);
  });
}

Result<DirectoryMessage> decode_directory(ByteView bytes) {
  return unpack<wire::DirectoryMessage>(
      bytes, [](wire::DirectoryMessage::Reader from) { return get(from); });
}

}  // namespace byway

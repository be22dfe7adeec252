#include "protocol/nat_message.h"

#include "protocol/nat.capnp.h"
#include "protocol/packing.h"

namespace byway {
namespace {

using packing::array_of;
using packing::require;
using packing::to_data;

constexpr std::size_t max_look_padding = 1000;

// --- out ---------------------------------------------------------------------------------------

void put(wire::NatMessage::Builder to, const Look& look) {
  auto out = to.initLook();
  out.setId(look.id);
  if (look.padding > 0) packing::pad(out.initPadding(look.padding));
}
void put(wire::NatMessage::Builder to, const TryFilter& wish) {
  auto out = to.initTryFilter();
  out.setId(wish.id);
  out.setNonce(to_data(wish.nonce));
  if (wish.padding > 0) packing::pad(out.initPadding(wish.padding));
}
void put(wire::NatMessage::Builder to, const TryLate& wish) {
  auto out = to.initTryLate();
  out.setId(wish.id);
  out.setNonce(to_data(wish.nonce));
  packing::put_endpoint(out.initTarget(), wish.target);
  out.setTicket(to_data(wish.ticket));
}
void put(wire::NatMessage::Builder to, const Sighting& view) {
  auto out = to.initSighting();
  out.setId(view.id);
  packing::put_endpoint(out.initObserved(), view.observed);
  out.setOtherPort(view.other_port);
  out.setTicket(to_data(view.ticket));
}
void put(wire::NatMessage::Builder to, const StrangerTried& tried) {
  auto out = to.initStrangerTried();
  out.setId(tried.id);
  out.setSent(tried.sent);
}
void put(wire::NatMessage::Builder to, const StrangerOrder& order) {
  auto out = to.initOrder();
  out.setNonce(to_data(order.nonce));
  packing::put_endpoint(out.initTarget(), order.target);
  out.setByTcp(order.proto == Proto::tcp);
}
void put(wire::NatMessage::Builder to, const StrangerDone& done) {
  auto out = to.initDone();
  out.setNonce(to_data(done.nonce));
  out.setSent(done.sent);
}

// --- in ----------------------------------------------------------------------------------------

std::uint16_t get_padding(capnp::Data::Reader from) {
  require(from.size() <= max_look_padding);
  return static_cast<std::uint16_t>(from.size());
}
NatMessage get(wire::NatMessage::Reader from) {
  switch (from.which()) {
    case wire::NatMessage::LOOK: {
      const auto look = from.getLook();
      return Look{look.getId(), get_padding(look.getPadding())};
    }
    case wire::NatMessage::TRY_FILTER: {
      const auto wish = from.getTryFilter();
      return TryFilter{wish.getId(), array_of<16>(wish.getNonce()), get_padding(wish.getPadding())};
    }
    case wire::NatMessage::TRY_LATE: {
      const auto wish = from.getTryLate();
      return TryLate{wish.getId(), array_of<16>(wish.getNonce()),
                     packing::get_endpoint(wish.getTarget()), array_of<16>(wish.getTicket())};
    }
    case wire::NatMessage::SIGHTING: {
      const auto view = from.getSighting();
      return Sighting{view.getId(), packing::get_endpoint(view.getObserved()), view.getOtherPort(),
                      array_of<16>(view.getTicket())};
    }
    case wire::NatMessage::STRANGER_TRIED: {
      const auto tried = from.getStrangerTried();
      return StrangerTried{tried.getId(), tried.getSent()};
    }
    case wire::NatMessage::ORDER: {
      const auto order = from.getOrder();
      return StrangerOrder{array_of<16>(order.getNonce()), packing::get_endpoint(order.getTarget()),
                           order.getByTcp() ? Proto::tcp : Proto::udp};
    }
    case wire::NatMessage::DONE: {
      const auto done = from.getDone();
      return StrangerDone{array_of<16>(done.getNonce()), done.getSent()};
    }
  }
  throw packing::Refused{Error::malformed};
}

}  // namespace

std::string_view name_of(const NatMessage& message) {
  constexpr std::string_view names[] = {"look",         "try-filter",     "try-late",
                                        "sighting",     "stranger-tried", "stranger-order",
                                        "stranger-done"};
  static_assert(std::size(names) == std::variant_size_v<NatMessage>);
  return names[message.index()];
}

Bytes encode(const NatMessage& message) {
  return packing::pack<wire::NatMessage>([&](wire::NatMessage::Builder to) {
    std::visit([&](const auto& kind) { put(to, kind); }, message);
  });
}

Result<NatMessage> decode_nat(ByteView bytes) {
  return packing::unpack<wire::NatMessage>(bytes,
                                           [](wire::NatMessage::Reader from) { return get(from); });
}

}  // namespace byway

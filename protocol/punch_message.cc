#include "protocol/punch_message.h"

#include "protocol/packing.h"
#include "protocol/punch.capnp.h"

namespace byway {
namespace {

using packing::enum_of;
using packing::require;
using packing::to_data;

// --- out ---------------------------------------------------------------------------------------

void put(wire::PunchMessage::Builder to, const PunchPlan& plan) {
  auto out = to.initPlan();
  out.setRound(plan.round);
  out.setAnswer(plan.answer);
  out.setKind(static_cast<wire::PunchPlan::NatKind>(plan.kind));
  packing::put_endpoint(out.initEndpoint(), plan.endpoint);
  out.setDelta(plan.delta);
  out.setFirst(plan.first);
  out.setLast(plan.last);
  out.setWaitUs(std::min(plan.wait_us, max_plan_wait_us));
  const std::size_t count = std::min(plan.homes.size(), max_plan_homes);
  auto homes = out.initHomes(static_cast<unsigned>(count));
  for (unsigned i = 0; i < count; ++i) homes.set(i, to_data(plan.homes[i].key()));
}
void put(wire::PunchMessage::Builder to, const PunchPorts& ports) {
  auto out = to.initPorts();
  out.setRound(ports.round);
  const std::size_t count = std::min(ports.ports.size(), max_punch_ports);
  auto list = out.initPorts(static_cast<unsigned>(count));
  for (unsigned i = 0; i < count; ++i) list.set(i, ports.ports[i]);
}
void put(wire::PunchMessage::Builder to, const Witness& witness) {
  auto out = to.initWitness();
  out.setTo(to_data(witness.to.key()));
  if (!witness.home.is_nobody()) out.setHome(to_data(witness.home.key()));
}
void put(wire::PunchMessage::Builder to, const Testimony& testimony) {
  auto out = to.initTestimony();
  out.setSubject(to_data(testimony.subject.key()));
  out.setTo(to_data(testimony.to.key()));
  out.setAddress(to_data(testimony.address.bytes()));
}

// --- in ----------------------------------------------------------------------------------------

NodeId somebody(capnp::Data::Reader from) {
  const NodeId id = packing::get_id(from);
  require(!id.is_nobody());
  return id;
}
PunchMessage get(wire::PunchPlan::Reader from) {
  PunchPlan plan{.round = from.getRound(),
                 .answer = from.getAnswer(),
                 .kind = enum_of(from.getKind(), NatKind::random),
                 .endpoint = {packing::get_address(from.getEndpoint().getAddress()),
                              from.getEndpoint().getPort()},
                 .delta = from.getDelta(),
                 .first = from.getFirst(),
                 .last = from.getLast(),
                 .homes = {},
                 .wait_us = from.getWaitUs()};
  require(plan.endpoint.port != 0 && plan.wait_us <= max_plan_wait_us);
  if (plan.kind == NatKind::sequential) require(plan.delta != 0);
  if (plan.kind == NatKind::block) require(plan.first != 0 && plan.first <= plan.last);
  require(from.getHomes().size() <= max_plan_homes);
  for (const auto home : from.getHomes()) plan.homes.push_back(somebody(home));
  return plan;
}
PunchMessage get(wire::PunchPorts::Reader from) {
  PunchPorts ports{from.getRound(), {}};
  require(from.getPorts().size() <= max_punch_ports);
  for (const std::uint16_t port : from.getPorts()) {
    require(port != 0);
    ports.ports.push_back(port);
  }
  return ports;
}
PunchMessage get(wire::Witness::Reader from) {
  Witness witness{somebody(from.getTo()), {}};
  if (from.getHome().size() > 0) witness.home = somebody(from.getHome());
  return witness;
}
PunchMessage get(wire::Testimony::Reader from) {
  return Testimony{somebody(from.getSubject()), somebody(from.getTo()),
                   packing::get_address(from.getAddress())};
}
PunchMessage get(wire::PunchMessage::Reader from) {
  switch (from.which()) {
    case wire::PunchMessage::PLAN:
      return get(from.getPlan());
    case wire::PunchMessage::PORTS:
      return get(from.getPorts());
    case wire::PunchMessage::WITNESS:
      return get(from.getWitness());
    case wire::PunchMessage::TESTIMONY:
      return get(from.getTestimony());
  }
  throw packing::Refused{Error::malformed};
}

}  // namespace

std::string_view to_string(NatKind kind) {
  switch (kind) {
    case NatKind::easy:
      return "easy";
    case NatKind::sequential:
      return "sequential";
    case NatKind::block:
      return "block";
    case NatKind::random:
      return "random";
  }
  return "unknown";
}

std::string_view name_of(const PunchMessage& message) {
  constexpr std::string_view names[] = {"punch-plan", "punch-ports", "witness", "testimony"};
  static_assert(std::size(names) == std::variant_size_v<PunchMessage>);
  return names[message.index()];
}

Bytes encode(const PunchMessage& message) {
  return packing::pack<wire::PunchMessage>([&](wire::PunchMessage::Builder to) {
    std::visit([&](const auto& kind) { put(to, kind); }, message);
  });
}

Result<PunchMessage> decode_punch(ByteView bytes) {
  return packing::unpack<wire::PunchMessage>(
      bytes, [](wire::PunchMessage::Reader from) { return get(from); });
}

}  // namespace byway

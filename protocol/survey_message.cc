#include "protocol/survey_message.h"

#include <algorithm>

#include "protocol/packing.h"
#include "protocol/record.h"
#include "protocol/survey.capnp.h"

namespace byway {
namespace {

using namespace packing;

constexpr std::size_t max_padding = 1150;

// --- out ---------------------------------------------------------------------------------------

void put(wire::SurveyMessage::Builder to, const StateRequest& request) {
  auto out = to.initStateRequest();
  out.setNumber(request.number);
  if (request.padding > 0) pad(out.initPadding(request.padding));
}
void put(wire::SurveyMessage::Builder to, const SupernodeState& state) {
  auto out = to.initState();
  out.setNumber(state.number);
  out.setVersion(state.version);
  out.setNetgroupBitsV4(state.netgroup_bits_v4);
  out.setNetgroupBitsV6(state.netgroup_bits_v6);
  out.setRelays(state.relays);
  out.setEstablished(state.established);
  out.setHandingOver(state.handing_over);
  out.setAgent({state.agent.c_str(), state.agent.size()});
  out.setUptimeS(state.uptime_s);
  out.setLeaves(state.leaves);
  out.setLimit(state.limit);
  out.setLanes(state.lanes);
  out.setRelayRate(state.relay_rate);
  out.setRelayedBytes(state.relayed_bytes);
  out.setKnown(state.known);
  out.setAdmitted(state.admitted);
  out.setNetgroups(state.netgroups);
  out.setRoot(state.root);
  out.setSequence(state.sequence);
}
void put(wire::SurveyMessage::Builder to, const MembersRequest& request) {
  auto out = to.initMembersRequest();
  out.setNumber(request.number);
  out.setFrom(request.from);
  out.setLast(request.last);
  if (request.padding > 0) pad(out.initPadding(request.padding));
}
void put(wire::SurveyMessage::Builder to, const MembersPage& page) {
  auto out = to.initMembers();
  out.setNumber(page.number);
  out.setRoot(page.root);
  auto members = out.initMembers(static_cast<unsigned>(page.members.size()));
  for (unsigned i = 0; i < members.size(); ++i) {
    members[i].setRecord(to_data(page.members[i].record));
    members[i].setAdmitted(page.members[i].admitted);
    members[i].setLoad(page.members[i].load);
  }
  out.setMore(page.more);
  out.setNext(page.next);
}

// --- in ----------------------------------------------------------------------------------------

std::uint16_t get_padding(capnp::Data::Reader from) {
  require(from.size() <= max_padding);
  return static_cast<std::uint16_t>(from.size());
}
std::string get_agent(capnp::Text::Reader from) {
  require(from.size() <= max_survey_agent);
  std::string agent(from.begin(), from.size());
  require(std::all_of(agent.begin(), agent.end(), [](char c) { return c >= ' ' && c <= '~'; }));
  return agent;
}

StateRequest get(wire::StateRequest::Reader from) {
  return {from.getNumber(), get_padding(from.getPadding())};
}
SupernodeState get(wire::SupernodeState::Reader from) {
  require(from.getNetgroupBitsV4() >= 1 && from.getNetgroupBitsV4() <= 32);
  require(from.getNetgroupBitsV6() >= 1 && from.getNetgroupBitsV6() <= 128);
  return {.number = from.getNumber(),
          .version = from.getVersion(),
          .netgroup_bits_v4 = from.getNetgroupBitsV4(),
          .netgroup_bits_v6 = from.getNetgroupBitsV6(),
          .relays = from.getRelays(),
          .established = from.getEstablished(),
          .handing_over = from.getHandingOver(),
          .agent = get_agent(from.getAgent()),
          .uptime_s = from.getUptimeS(),
          .leaves = from.getLeaves(),
          .limit = from.getLimit(),
          .lanes = from.getLanes(),
          .relay_rate = from.getRelayRate(),
          .relayed_bytes = from.getRelayedBytes(),
          .known = from.getKnown(),
          .admitted = from.getAdmitted(),
          .netgroups = from.getNetgroups(),
          .root = from.getRoot(),
          .sequence = from.getSequence()};
}
MembersRequest get(wire::MembersRequest::Reader from) {
  return {from.getNumber(), from.getFrom(), from.getLast(), get_padding(from.getPadding())};
}
MembersPage get(wire::MembersPage::Reader from) {
  MembersPage page{.number = from.getNumber(),
                   .root = from.getRoot(),
                   .members = {},
                   .more = from.getMore(),
                   .next = from.getNext()};
  const auto members = from.getMembers();
  require(members.size() <= max_surveyed_members);
  for (const auto member : members) {
    require(member.getLoad() <= 7 || member.getLoad() == surveyed_load_unknown);
    page.members.push_back(
        {bounded(member.getRecord(), max_record_size), member.getAdmitted(), member.getLoad()});
  }
  return page;
}

SurveyMessage get(wire::SurveyMessage::Reader from) {
  switch (from.which()) {
    case wire::SurveyMessage::STATE_REQUEST:
      return get(from.getStateRequest());
    case wire::SurveyMessage::STATE:
      return get(from.getState());
    case wire::SurveyMessage::MEMBERS_REQUEST:
      return get(from.getMembersRequest());
    case wire::SurveyMessage::MEMBERS:
      return get(from.getMembers());
  }
  throw Refused{Error::malformed};
}

}  // namespace

Bytes encode(const SurveyMessage& message) {
  return pack<wire::SurveyMessage>([&](wire::SurveyMessage::Builder to) {
    std::visit([&](const auto& kind) { put(to, kind); }, message);
  });
}

Result<SurveyMessage> decode_survey(ByteView bytes) {
  return unpack<wire::SurveyMessage>(bytes,
                                     [](wire::SurveyMessage::Reader from) { return get(from); });
}

}  // namespace byway

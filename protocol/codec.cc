#include "protocol/codec.h"

#include <algorithm>

#include "protocol/match.h"
#include "protocol/packing.h"
#include "protocol/wire.capnp.h"

namespace byway {
namespace {

using namespace packing;

constexpr std::size_t max_handshake = 1200;
constexpr std::size_t max_record = 1100;

// --- out ---------------------------------------------------------------------------------------

void put(wire::NatSummary::Builder to, const NatSummary& nat) {
  to.setMapping(static_cast<wire::Behaviour>(nat.mapping));
  to.setFiltering(static_cast<wire::Behaviour>(nat.filtering));
  to.setPorts(static_cast<wire::Ports>(nat.ports));
  to.setDelta(nat.delta);
  to.setBlockSize(nat.block_size);
}

void put(wire::Talk::Builder to, const Talk& talk) {
  const std::size_t count = std::min(talk.candidates.size(), max_candidates);
  auto list = to.initCandidates(static_cast<unsigned>(count));
  for (unsigned i = 0; i < count; ++i) {
    put_endpoint(list[i].initEndpoint(), talk.candidates[i].endpoint);
    list[i].setProto(static_cast<wire::Proto>(talk.candidates[i].proto));
    list[i].setHow(static_cast<wire::How>(talk.candidates[i].how));
  }
  put(to.initNat(), talk.nat);
  to.setSessions(talk.sessions);
}

void put(wire::Registration::Builder to, const Registration& registration) {
  to.setRecord(to_data(registration.record));
  to.setSeeking(registration.seeking);
}

void put(wire::Refusal::Builder to, const Refusal& refusal) {
  to.setReason(static_cast<wire::Refusal::Reason>(refusal.reason));
  to.setRetryS(refusal.retry_s);
  if (refusal.others.empty()) return;
  auto others = to.initOthers(static_cast<unsigned>(refusal.others.size()));
  for (unsigned i = 0; i < others.size(); ++i) {
    others[i].setId(to_data(refusal.others[i].id.key()));
    put_endpoint(others[i].initEndpoint(), refusal.others[i].endpoint);
  }
}

void put(wire::Hello::Builder to, const Hello& hello) {
  to.setVersion(hello.version);
  to.setId(to_data(hello.id.key()));
  to.setBoot(hello.boot);
  to.setWallMs(unix_ms(hello.wall));
  std::visit(Match{[&](const Greet&) { to.setGreet(); },
                   [&](const Registration& r) { put(to.initRegister(), r); },
                   [&](const Talk& talk) { put(to.initTalk(), talk); }},
             hello.wish);
}

void put(wire::Welcome::Builder to, const Welcome& welcome) {
  put_endpoint(to.initObserved(), welcome.observed);
  to.setBoot(welcome.boot);
  to.setWallMs(unix_ms(welcome.wall));
  std::visit(Match{[&](const Greet&) { to.setGreeted(); },
                   [&](const Registered& r) { to.initRegistered().setLeaseS(r.lease_s); },
                   [&](const Talk& talk) { put(to.initTalk(), talk); },
                   [&](const Refusal& refusal) { put(to.initRefused(), refusal); }},
             welcome.answer);
}

void put(wire::Message::Builder to, const Ping& ping) {
  auto out = to.initPing();
  out.setNonce(ping.nonce);
  out.setRttUs(ping.rtt_us);
}
void put(wire::Message::Builder to, const Pong& pong) {
  auto out = to.initPong();
  out.setNonce(pong.nonce);
  if (pong.observed.is_set()) put_endpoint(out.initObserved(), pong.observed);
}
void put(wire::Message::Builder to, const Registration& r) {
  put(to.initRegister(), r);
}
void put(wire::Message::Builder to, const Registered& r) {
  to.initRegistered().setLeaseS(r.lease_s);
}
void put(wire::Message::Builder to, const Introduce& introduce) {
  auto out = to.initIntroduce();
  out.setTarget(to_data(introduce.target.key()));
  out.setLane(introduce.lane);
  out.setHandshake(to_data(introduce.handshake));
  if (introduce.caller.is_nobody()) return;
  out.setCaller(to_data(introduce.caller.key()));
  put_endpoint(out.initCallerEndpoint(), introduce.caller_endpoint);
  out.setCallerRttUs(introduce.caller_rtt_us);
}
void put(wire::Message::Builder to, const IntroduceResult& result) {
  auto out = to.initIntroduceResult();
  out.setTarget(to_data(result.target.key()));
  out.setLane(result.lane);
  out.setOutcome(static_cast<wire::IntroduceResult::Outcome>(result.outcome));
  out.setRetryS(result.retry_s);
}
void put(wire::Message::Builder to, const Introduction& introduction) {
  auto out = to.initIntroduction();
  out.setLane(introduction.lane);
  out.setHandshake(to_data(introduction.handshake));
  put_endpoint(out.initCallerEndpoint(), introduction.caller_endpoint);
  out.setCallerRttUs(introduction.caller_rtt_us);
  out.setTargetRttUs(introduction.target_rtt_us);
}
void put(wire::Message::Builder to, const Reach& reach) {
  auto out = to.initReach();
  out.setRound(reach.round);
  put(out.initTalk(), reach.talk);
  out.setDelayUs(reach.delay_us);
  out.setAnswer(reach.answer);
}
void put(wire::Message::Builder to, const Bye& bye) {
  to.initBye().setReason(static_cast<wire::Bye::Reason>(bye.reason));
}
void put(wire::Message::Builder to, const Samples& samples) {
  const auto count = std::min(samples.records.size(), max_samples);
  auto out = to.initSamples();
  out.setRelief(samples.relief);
  auto list = out.initRecords(static_cast<unsigned>(count));
  for (unsigned i = 0; i < count; ++i) list.set(i, to_data(samples.records[i]));
  if (!samples.loads.empty())
    out.setLoads(
        to_data(ByteView(samples.loads).first(std::min(samples.loads.size(), max_samples))));
}
void put(wire::Message::Builder to, const Refusal& refusal) {
  put(to.initRefused(), refusal);
}
void put(wire::Message::Builder to, const HomeGone& gone) {
  to.initHomeGone().setHome(to_data(gone.home.key()));
}

// --- in ----------------------------------------------------------------------------------------

Endpoint get(wire::Endpoint::Reader from) {
  return {value_or_refuse(IpAddress::from_bytes(view(from.getAddress()))), from.getPort()};
}

NatSummary get(wire::NatSummary::Reader from) {
  return {.mapping = enum_of(from.getMapping(), Behaviour::blocked),
          .filtering = enum_of(from.getFiltering(), Behaviour::blocked),
          .ports = enum_of(from.getPorts(), Ports::random),
          .delta = from.getDelta(),
          .block_size = from.getBlockSize()};
}

Talk get(wire::Talk::Reader from) {
  Talk talk;
  const auto list = from.getCandidates();
  require(list.size() <= max_candidates);
  for (const auto candidate : list)
    talk.candidates.push_back({get(candidate.getEndpoint()),
                               enum_of(candidate.getProto(), Proto::tcp),
                               enum_of(candidate.getHow(), How::predicted)});
  talk.nat = get(from.getNat());
  talk.sessions = from.getSessions();
  return talk;
}

Registration get(wire::Registration::Reader from) {
  return {bounded(from.getRecord(), max_record), from.getSeeking()};
}
Registered get(wire::Registered::Reader from) {
  return {from.getLeaseS()};
}
Refusal get(wire::Refusal::Reader from) {
  require(from.getOthers().size() <= max_refusal_others);
  Refusal refusal{enum_of(from.getReason(), RefusalReason::version), from.getRetryS(), {}};
  for (const auto other : from.getOthers()) {
    refusal.others.push_back(
        {value_or_refuse(NodeId::from_bytes(view(other.getId()))), get(other.getEndpoint())});
    require(refusal.others.back().endpoint.is_set());
  }
  return refusal;
}

Hello get(wire::Hello::Reader from) {
  Hello hello{.version = from.getVersion(),
              .id = get_id(from.getId()),  // held against the handshake's key: initiator_matches
              .boot = from.getBoot(),
              .wall = get_wall(from.getWallMs()),
              .wish = {}};
  require(!hello.id.is_nobody());
  switch (from.which()) {
    case wire::Hello::GREET:
      hello.wish = Greet{};
      return hello;
    case wire::Hello::REGISTER:
      hello.wish = get(from.getRegister());
      return hello;
    case wire::Hello::TALK:
      hello.wish = get(from.getTalk());
      return hello;
  }
  throw Refused{Error::malformed};
}

Welcome get(wire::Welcome::Reader from) {
  Welcome welcome{.observed = get(from.getObserved()),
                  .boot = from.getBoot(),
                  .wall = get_wall(from.getWallMs()),
                  .answer = {}};
  switch (from.which()) {
    case wire::Welcome::GREETED:
      welcome.answer = Greet{};
      return welcome;
    case wire::Welcome::REGISTERED:
      welcome.answer = get(from.getRegistered());
      return welcome;
    case wire::Welcome::TALK:
      welcome.answer = get(from.getTalk());
      return welcome;
    case wire::Welcome::REFUSED:
      welcome.answer = get(from.getRefused());
      return welcome;
  }
  throw Refused{Error::malformed};
}

Ping get(wire::Ping::Reader from) {
  return {from.getNonce(), from.getRttUs(), static_cast<std::uint16_t>(from.getPadding().size())};
}
Pong get(wire::Pong::Reader from) {
  return {from.getNonce(), from.hasObserved() ? get(from.getObserved()) : Endpoint{}};
}
Introduce get(wire::Introduce::Reader from) {
  Introduce introduce{get_id(from.getTarget()), from.getLane(),
                      bounded(from.getHandshake(), max_handshake)};
  if (!from.hasCaller()) return introduce;
  introduce.caller = get_id(from.getCaller());
  require(!introduce.caller.is_nobody());
  introduce.caller_endpoint = get(from.getCallerEndpoint());
  introduce.caller_rtt_us = from.getCallerRttUs();
  return introduce;
}
IntroduceResult get(wire::IntroduceResult::Reader from) {
  return {get_id(from.getTarget()), from.getLane(),
          enum_of(from.getOutcome(), IntroduceOutcome::quota), from.getRetryS()};
}
Introduction get(wire::Introduction::Reader from) {
  return {from.getLane(), bounded(from.getHandshake(), max_handshake),
          get(from.getCallerEndpoint()), from.getCallerRttUs(), from.getTargetRttUs()};
}
Reach get(wire::Reach::Reader from) {
  return {from.getRound(), get(from.getTalk()), from.getDelayUs(), from.getAnswer()};
}
Bye get(wire::Bye::Reader from) {
  return {enum_of(from.getReason(), ByeReason::idle)};
}

Samples get(wire::Samples::Reader from) {
  Samples samples{.records = {}, .relief = from.getRelief()};
  const auto list = from.getRecords();
  require(list.size() <= max_samples);
  for (const auto record : list) samples.records.push_back(bounded(record, max_record));
  samples.loads = bounded(from.getLoads(), max_samples);
  return samples;
}

Message get(wire::Message::Reader from) {
  switch (from.which()) {
    case wire::Message::PING:
      return get(from.getPing());
    case wire::Message::PONG:
      return get(from.getPong());
    case wire::Message::REGISTER:
      return get(from.getRegister());
    case wire::Message::REGISTERED:
      return get(from.getRegistered());
    case wire::Message::INTRODUCE:
      return get(from.getIntroduce());
    case wire::Message::INTRODUCE_RESULT:
      return get(from.getIntroduceResult());
    case wire::Message::INTRODUCTION:
      return get(from.getIntroduction());
    case wire::Message::REACH:
      return get(from.getReach());
    case wire::Message::BYE:
      return get(from.getBye());
    case wire::Message::REFUSED:
      return get(from.getRefused());
    case wire::Message::SAMPLES:
      return get(from.getSamples());
    case wire::Message::HOME_GONE:
      return HomeGone{get_id(from.getHomeGone().getHome())};
  }
  throw Refused{Error::malformed};
}

StreamHeader get(wire::StreamHeader::Reader from) {
  const auto text = from.getService();
  const std::string service(text.begin(), text.size());
  require(!service.empty() && service.size() <= max_service_name);
  require(service.find('\0') == std::string::npos);
  return {service, bounded(from.getDetail(), max_stream_detail)};
}

}  // namespace

Bytes encode(const Hello& hello, std::size_t size) {
  std::size_t padding = 0;
  const auto fill = [&](wire::Hello::Builder to) {
    put(to, hello);
    if (padding > 0) pad(to.initPadding(static_cast<unsigned>(padding)));
  };
  Bytes bytes = pack<wire::Hello>(fill);
  if (bytes.size() >= size) return bytes;
  padding = size - bytes.size();
  return pack<wire::Hello>(fill);
}

Bytes encode(const Welcome& welcome) {
  return pack<wire::Welcome>([&](wire::Welcome::Builder to) { put(to, welcome); });
}

Bytes encode(const Message& message) {
  return pack<wire::Message>([&](wire::Message::Builder to) {
    std::visit([&](const auto& kind) { put(to, kind); }, message);
    if (const auto* ping = std::get_if<Ping>(&message); ping && ping->padding > 0)
      pad(to.getPing().initPadding(ping->padding));
  });
}

Bytes encode(const StreamHeader& header) {
  const Bytes packed = pack<wire::StreamHeader>([&](wire::StreamHeader::Builder to) {
    to.setService(header.service);
    to.setDetail(to_data(header.detail));
  });
  Bytes framed;
  append_be<std::uint16_t>(framed, static_cast<std::uint16_t>(packed.size()));
  append(framed, packed);
  return framed;
}

Result<Hello> decode_hello(ByteView bytes) {
  return unpack<wire::Hello>(bytes, [](wire::Hello::Reader from) { return get(from); });
}
Result<Welcome> decode_welcome(ByteView bytes) {
  return unpack<wire::Welcome>(bytes, [](wire::Welcome::Reader from) { return get(from); });
}
Result<Message> decode_message(ByteView bytes) {
  return unpack<wire::Message>(bytes, [](wire::Message::Reader from) { return get(from); });
}

Result<std::optional<ParsedStreamHeader>> decode_stream_header(ByteView bytes) {
  using Parsed = std::optional<ParsedStreamHeader>;
  if (bytes.size() < 2) return Parsed{};
  const std::size_t size = load_be<std::uint16_t>(bytes);
  if (size > 2 * max_stream_detail) return Error::too_large;
  if (bytes.size() < 2 + size) return Parsed{};
  auto header = unpack<wire::StreamHeader>(
      bytes.subspan(2, size), [](wire::StreamHeader::Reader from) { return get(from); });
  if (!header) return header.error();
  return Parsed{{std::move(*header), 2 + size}};
}

}  // namespace byway

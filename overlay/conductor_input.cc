// What arrives. Most of what a busy supernode receives it only passes on, so that comes first: the
// segments of a train are told apart by their headers alone, and neighbours in one lane are judged
// together and leave together, from where they lie.
#include "overlay/conductor.h"
#include "protocol/packet.h"

namespace byway {
namespace {

// The lane that a datagram names, without believing it; 0: it is no relay frame with a payload
// that has to be told apart from its neighbours.
LaneId lane_of(ByteView datagram) {
  if (datagram.size() < relay_header_size) return 0;
  if (datagram[0] != static_cast<std::uint8_t>(PacketKind::relay)) return 0;
  return load_be<LaneId>(datagram.subspan(1, 8));
}

std::size_t count_of(std::size_t bytes, std::size_t segment) {
  return (bytes + segment - 1) / segment;
}

}  // namespace

void Overlay::Conductor::on_datagrams(TimePoint now, std::span<const Datagram> datagrams) {
  now_ = now;
  handshakes_left_ = limits::handshakes_in_a_turn;
  for (const Datagram& train : datagrams) on_train(now, train);
  settle(now);
}

void Overlay::Conductor::release_input() {
  for (std::size_t i = 0; borrowed_ > 0; ++i) {
    if (transmits_[i].borrowed.empty()) continue;
    transmits_[i].own();
    --borrowed_;
  }
}

void Overlay::Conductor::on_train(TimePoint now, const Datagram& train) {
  const std::size_t whole = train.bytes.size();
  const std::size_t segment = train.segment_size == 0 ? whole : train.segment_size;
  const auto segment_at = [&](std::size_t at) {
    return train.bytes.subspan(at, std::min(segment, whole - at));
  };
  std::size_t at = 0;
  do {
    Datagram run = train;
    run.bytes = segment_at(at);
    run.segment_size = 0;
    if (const LaneId lane = lane_of(run.bytes);
        lane != 0 && is_supernode() && !(!lanes_.empty() && lanes_.contains(lane))) {
      std::size_t end = at + run.bytes.size();
      while (end < whole && lane_of(segment_at(end)) == lane) end += segment_at(end).size();
      run.bytes = train.bytes.subspan(at, end - at);
      pass_on(now, run, lane, segment);
    } else {
      ++counters_.datagrams_in;
      counters_.bytes_in += run.bytes.size();
      if (const Outcome outcome = on_one(now, run))
        counters_.drop(*outcome);
      else
        ++counters_.datagrams_used;
    }
    at += run.bytes.size();
  } while (at < whole);
}

// Neighbours that name one lane. The relay says how many of them go on; the others are dropped.
void Overlay::Conductor::pass_on(TimePoint now, const Datagram& run, LaneId lane,
                                 std::size_t segment) {
  const std::size_t count = count_of(run.bytes.size(), segment);
  counters_.datagrams_in += count;
  counters_.bytes_in += run.bytes.size();
  const auto* connection = connections_.find(run.connection);
  const NodeId sender = connection && connection->proved ? connection->peer : NodeId{};
  const auto verdict = relay_.judge(now, route_of(run), lane, run.bytes.size(), segment, sender);
  const std::size_t passed = verdict.forward_to ? count_of(verdict.bytes, segment) : 0;
  counters_.drop(verdict.drop, count - passed);
  if (passed == 0) return;

  counters_.datagrams_used += passed;
  counters_.relayed_datagrams += passed;
  counters_.relayed_bytes += verdict.bytes;
  counters_.datagrams_out += passed;
  counters_.bytes_out += verdict.bytes;
  const Route& to = *verdict.forward_to;
  prover_.on_sent(now, to.endpoint.address, to.proto);
  Transmit transmit{.to = to.endpoint,
                    .bytes = {},
                    .borrowed = run.bytes.first(verdict.bytes),
                    .segment_size = passed > 1 ? segment : 0,
                    .socket = to.socket,
                    .proto = to.proto,
                    .connection = to.connection};
  if (to.proto == Proto::udp)
    ++borrowed_;
  else
    transmit.own();  // a stream of bytes may have to hold it back
  transmits_.push(std::move(transmit));
}

Overlay::Conductor::Outcome Overlay::Conductor::on_one(TimePoint now, const Datagram& datagram) {
  if (datagram.bytes.empty()) return Drop::empty;
  if (datagram.proto == Proto::tcp && !connections_.find(datagram.connection))
    return Drop::unknown_connection;
  const PacketKind kind = classify(datagram.bytes);
  if (datagram.socket == lan_socket && kind != PacketKind::lan) return Drop::unknown_kind;
  switch (kind) {
    case PacketKind::lan:
      return on_lan(now, datagram);
    case PacketKind::stun:
      return on_stun(now, datagram);
    case PacketKind::relay:
      return on_own_lane(now, datagram);
    case PacketKind::dialback:
    case PacketKind::dialback_echo:
      return on_dialback(now, datagram);
    default:
      return take(now, route_of(datagram), datagram.bytes);
  }
}

// A relay frame that is not to be passed on: what is in it is for us, if the lane is ours.
Overlay::Conductor::Outcome Overlay::Conductor::on_own_lane(TimePoint now,
                                                            const Datagram& datagram) {
  const auto frame = parse_relay_frame(datagram.bytes);
  if (!frame) return Drop::malformed;
  const auto own = lanes_.find(frame->lane);
  if (own == lanes_.end() || !is_carried_by(own->second, datagram) || frame->payload.empty())
    return Drop::unknown_lane;
  return take(now, Route(own->second.route), frame->payload);
}

}  // namespace byway

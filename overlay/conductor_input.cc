// What arrives. Most of what a busy supernode receives it only passes on, so that comes first: the
// segments of a train are told apart by their headers alone, and neighbours in one lane are judged
// together and leave together, from where they lie.
#include "overlay/conductor.h"
#include "overlay/link/lane_run.h"

namespace byway {
void Overlay::Conductor::on_datagrams(TimePoint now, std::span<const Datagram> datagrams) {
  now_ = now;
  handshakes_left_ = limits::handshakes_in_a_turn;
  for (const Datagram& train : datagrams) on_train(now, train);
  if (settle_due_) settle(now);
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
      run.bytes = lane_run(train.bytes.subspan(at), segment, lane);
      pass_on(now, run, lane, segment);
      settle_due_ = true;
    } else {
      ++counters_.datagrams_in;
      counters_.bytes_in += run.bytes.size();
      was_data_ = false;
      if (const Outcome outcome = on_one(now, run))
        counters_.drop(*outcome);
      else
        ++counters_.datagrams_used;
      settle_due_ |= !was_data_;
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
  count_relayed(now, passed, verdict.bytes);
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

void Overlay::Conductor::count_relayed(TimePoint now, std::uint64_t datagrams,
                                       std::uint64_t bytes) {
  counters_.relayed_datagrams += datagrams;
  counters_.relayed_bytes += bytes;
  counters_.datagrams_out += datagrams;
  counters_.bytes_out += bytes;
  relay_month_.add(wall(now), bytes);
  if (!relay_month_.is_used_up(wall(now)) || relay_.lanes() == 0) return;
  step({}, "has carried what it gives for others in a month");
  relay_.close_all();
}

// Whether lanes are opened for others.
bool Overlay::Conductor::relays(TimePoint now) const {
  return config_.relay && !relay_month_.is_used_up(wall(now));
}

std::optional<LaneChange> Overlay::Conductor::poll_lane_change() {
  auto change = relay_.poll_change();
  // A lane of our own with the same number comes first.
  if (change && lanes_.contains(change->lane)) change->ends.reset();
  return change;
}

void Overlay::Conductor::on_forwarded(TimePoint now, const Forwarded& forwarded) {
  now_ = now;
  for (const LaneUse& use : forwarded.lanes) {
    const auto carried = relay_.on_use(now, use);
    counters_.datagrams_in += carried.datagrams;
    counters_.bytes_in += carried.bytes;
    counters_.datagrams_used += carried.datagrams;
    counters_.relayed_by_others += carried.datagrams;
    count_relayed(now, carried.datagrams, carried.bytes);
    for (std::size_t i = 0; carried.ends && i < 2; ++i)
      if (const Route& to = (*carried.ends)[i]; use.datagrams[i] > 0)
        prover_.on_sent(now, to.endpoint.address, to.proto);
  }
  counters_.datagrams_in += forwarded.dropped;
  counters_.bytes_in += forwarded.dropped_bytes;
  counters_.drop(Drop::owner_busy, forwarded.dropped);
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

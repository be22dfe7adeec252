#include "tools/overlay/load_leaves.h"
#include "node/runtime.h"

#include <algorithm>
#include <deque>

#include "node/clock.h"
#include "overlay/core/limits.h"
#include "protocol/codec.h"
#include "protocol/record.h"

namespace byway {
namespace {

constexpr Duration patience = 500ms;  // for one answer
constexpr std::uint8_t most_sends = 8;
constexpr std::size_t train_bytes = 60'000;
constexpr std::size_t train_datagrams = 48;

}  // namespace

LoadLeaves::LoadLeaves(const Seed& supernode, Random random)
    : supernode_(supernode), random_(std::move(random)), port_(io_) {}

Outcome<std::unique_ptr<LoadLeaves>> LoadLeaves::open(const Seed& supernode, std::size_t sockets,
                                                      std::uint16_t first_port) {
  sodium_crypto();
  std::unique_ptr<LoadLeaves> leaves(new LoadLeaves(supernode, strong_random()));
  const bool v4 = supernode.endpoint.address.is_v4();
  for (std::size_t i = 0; i < sockets; ++i) {
    Endpoint any{v4 ? IpAddress{} : IpAddress::v6({}), 0};
    if (first_port != 0) any.port = static_cast<std::uint16_t>(first_port + i);
    if (i == 0) {
      const auto bound = leaves->port_.bind(any);
      if (!bound) return bound.error();
    } else if (!leaves->port_.open_spare(static_cast<SocketId>(i), any)) {
      return Problem{"--sockets " + std::to_string(sockets) + ": the system gave only " +
                     std::to_string(i) + "; raise the limit of open files or give fewer"};
    }
  }
  leaves->socket_of_ = [sockets](std::size_t leaf) {
    return static_cast<SocketId>(leaf % sockets);
  };
  leaves->port_.start(
      [all = leaves.get()](std::span<const Datagram> datagrams) { all->on_datagrams(datagrams); });
  return leaves;
}

// --- in and out ----------------------------------------------------------------------------------

void LoadLeaves::serve(bool may_wait) {
  port_.flush();
  if (io_.poll() == 0 && may_wait) io_.run_one_for(std::chrono::milliseconds{2});
}

void LoadLeaves::send(const Leaf& leaf, Bytes bytes) {
  port_.send({.to = supernode_.endpoint, .bytes = std::move(bytes), .socket = leaf.socket});
}

void LoadLeaves::on_datagrams(std::span<const Datagram> datagrams) {
  for (const Datagram& train : datagrams) {
    const std::size_t whole = train.bytes.size();
    const std::size_t segment = train.segment_size ? train.segment_size : whole;
    if (train.from != supernode_.endpoint) continue;
    for (std::size_t at = 0; at < whole; at += segment) {
      const ByteView bytes = train.bytes.subspan(at, std::min(segment, whole - at));
      switch (classify(bytes)) {
        case PacketKind::relay:
          ++tally_.frames_in;
          break;
        case PacketKind::handshake2:
          on_handshake2(bytes);
          break;
        case PacketKind::cookie:
          on_cookie(bytes);
          break;
        case PacketKind::sealed:
          on_sealed(bytes);
          break;
        default:
          ++tally_.garbage;
      }
    }
  }
}

// Indices are the leaves' numbers and one more.
LoadLeaves::Leaf* LoadLeaves::leaf_of(ByteView bytes) {
  const auto index = receiver_index(bytes);
  if (!index || *index == 0 || *index > leaves_.size()) return nullptr;
  return &leaves_[*index - 1];
}

void LoadLeaves::end_hello(Leaf& leaf) {
  leaf.initiator.reset();
  leaf.identity.reset();
  leaf.asked_at = {};
  --waiting_;
}

void LoadLeaves::on_handshake2(ByteView bytes) {
  Leaf* leaf = leaf_of(bytes);
  if (!leaf || !leaf->initiator || leaf->asked_at == TimePoint{}) return void(++tally_.garbage);
  auto finished = leaf->initiator->finish(bytes);
  if (!finished) return void(++tally_.garbage);
  const auto welcome = decode_welcome(finished->payload);
  if (!welcome || !std::holds_alternative<Registered>(welcome->answer)) {
    ++tally_.refused;
    return end_hello(*leaf);
  }
  leaf->seal.emplace(sodium_crypto(), finished->keys);
  leaf->initiator.reset();
  ping(static_cast<std::size_t>(leaf - leaves_.data()));  // confirms
}

void LoadLeaves::on_cookie(ByteView bytes) {
  Leaf* leaf = leaf_of(bytes);
  if (!leaf || !leaf->initiator) return void(++tally_.garbage);
  const auto cookie = leaf->initiator->open_cookie(bytes);
  if (!cookie) return void(++tally_.garbage);
  send(*leaf, leaf->initiator->with_cookie(*cookie));
}

void LoadLeaves::on_sealed(ByteView bytes) {
  Leaf* leaf = leaf_of(bytes);
  if (!leaf || !leaf->seal) return void(++tally_.garbage);
  const auto plaintext = leaf->seal->open(bytes);
  if (!plaintext || plaintext->empty()) return void(++tally_.garbage);
  if (static_cast<Area>(plaintext->front()) != Area::link) return;
  const auto message = decode_message(ByteView(*plaintext).subspan(1));
  if (!message) return void(++tally_.garbage);

  if (const auto* pong = std::get_if<Pong>(&*message)) {
    if (pong->nonce != leaf->nonce || leaf->asked_at == TimePoint{}) return;
    leaf->asked_at = {};
    --waiting_;
    ++tally_.pongs;
    leaf->heard_at = monotonic_now();
    if (std::exchange(leaf->registered, true)) return;
    ++tally_.registered;
    leaf->identity.reset();
  } else if (const auto* result = std::get_if<IntroduceResult>(&*message)) {
    if (result->lane != leaf->nonce || leaf->asked_at == TimePoint{}) return;
    leaf->asked_at = {};
    --waiting_;
    ++tally_.answers;
    if (result->outcome == IntroduceOutcome::passed) ++tally_.lanes_opened;
  } else if (const auto* asked = std::get_if<Ping>(&*message)) {
    Bytes answer{static_cast<std::uint8_t>(Area::link)};
    append(answer, encode(Message{Pong{asked->nonce, supernode_.endpoint}}));
    send(*leaf, leaf->seal->seal(answer));
  }
}

// --- questions -----------------------------------------------------------------------------------

std::size_t LoadLeaves::make(std::size_t count) {
  const Crypto& crypto = sodium_crypto();
  const std::size_t first = leaves_.size();
  leaves_.reserve(first + count);
  for (std::size_t i = first; i < first + count; ++i) {
    Leaf leaf;
    leaf.identity = std::make_unique<Identity>(Identity::generate(random_, crypto));
    leaf.id = leaf.identity->id();
    leaf.socket = socket_of_(i);
    auto initiator = Initiator::make(crypto, *leaf.identity, supernode_.id,
                                     static_cast<std::uint32_t>(i + 1), random_);
    if (!initiator) break;  // the supernode's id is no key; overlay_load has checked that
    leaf.initiator = std::make_unique<Initiator>(std::move(*initiator));
    const WallTime wall = wall_now();
    const Record record{.id = leaf.id,
                        .sequence = static_cast<std::uint64_t>(wall.time_since_epoch().count()),
                        .homes = {supernode_.id},
                        .agent = "byway-load"};
    const auto signed_record = SignedRecord::sign(*leaf.identity, record);
    const Hello hello{.id = leaf.id,
                      .boot = i + 1,
                      .wall = wall,
                      .wish = Registration{to_bytes(signed_record.exact_bytes()), 1}};
    leaf.initiator->start(encode(hello, limits::hello_size));
    leaves_.push_back(std::move(leaf));
  }
  return first;
}

void LoadLeaves::ping(std::size_t number) {
  Leaf& leaf = leaves_[number];
  leaf.nonce = random_.u64();
  leaf.asked_at = monotonic_now();
  Bytes body{static_cast<std::uint8_t>(Area::link)};
  append(body, encode(Message{Ping{.nonce = leaf.nonce, .padding = limits::ping_padding}}));
  send(leaf, leaf.seal->seal(body));
}

void LoadLeaves::register_all(std::size_t first, std::size_t in_flight) {
  std::size_t next = first;
  std::deque<std::size_t> asked;  // by when they were asked
  while (next < leaves_.size() || !asked.empty()) {
    const TimePoint now = monotonic_now();
    for (; next < leaves_.size() && waiting_ < in_flight; ++next) {
      Leaf& leaf = leaves_[next];
      leaf.asked_at = now;
      leaf.sends = 1;
      ++waiting_;
      send(leaf, leaf.initiator->datagram());
      asked.push_back(next);
    }
    serve(true);
    for (std::size_t turns = asked.size(); turns > 0; --turns) {
      const std::size_t number = asked.front();
      Leaf& leaf = leaves_[number];
      if (leaf.asked_at == TimePoint{}) {
        asked.pop_front();
        continue;
      }
      if (now < leaf.asked_at + patience) break;
      asked.pop_front();
      if (leaf.sends >= most_sends) {
        ++tally_.unanswered;
        end_hello(leaf);
        continue;
      }
      ++leaf.sends;
      if (leaf.seal) {
        ping(number);
      } else {
        leaf.asked_at = now;
        send(leaf, leaf.initiator->datagram());
      }
      asked.push_back(number);
    }
  }
}

void LoadLeaves::refresh(Duration silence, std::size_t in_flight) {
  std::deque<std::size_t> asked;
  for (std::size_t next = 0; next < leaves_.size() || !asked.empty();) {
    const TimePoint now = monotonic_now();
    for (; next < leaves_.size() && waiting_ < in_flight; ++next) {
      if (!leaves_[next].registered || now - leaves_[next].heard_at < silence) continue;
      ++waiting_;
      ping(next);
      asked.push_back(next);
    }
    serve(true);
    while (!asked.empty()) {
      Leaf& leaf = leaves_[asked.front()];
      if (leaf.asked_at != TimePoint{}) {
        if (now < leaf.asked_at + patience) break;
        leaf.asked_at = {};
        --waiting_;
        ++tally_.pings_lost;
      }
      asked.pop_front();
    }
  }
}

void LoadLeaves::ask_round(Duration span, std::size_t in_flight,
                           const std::function<void(std::size_t)>& question, std::uint64_t& lost) {
  if (tally_.registered == 0) return;
  const TimePoint end = monotonic_now() + span;
  std::deque<std::size_t> asked;
  std::size_t next = 0;
  for (;;) {
    const TimePoint now = monotonic_now();
    if (now >= end && waiting_ == 0) return;
    while (now < end && waiting_ < std::min<std::size_t>(in_flight, tally_.registered)) {
      next = next + 1 < leaves_.size() ? next + 1 : 0;
      if (!leaves_[next].registered || leaves_[next].asked_at != TimePoint{}) continue;
      ++waiting_;
      question(next);
      asked.push_back(next);
    }
    serve(true);
    while (!asked.empty()) {
      Leaf& leaf = leaves_[asked.front()];
      if (leaf.asked_at != TimePoint{}) {
        if (now < leaf.asked_at + patience) break;
        leaf.asked_at = {};
        --waiting_;
        ++lost;
      }
      asked.pop_front();
    }
  }
}

void LoadLeaves::keep_alive(Duration span, std::size_t in_flight) {
  ask_round(
      span, in_flight, [this](std::size_t number) { ping(number); }, tally_.pings_lost);
}

void LoadLeaves::look_up(Duration span, std::size_t in_flight) {
  Introduce introduce{.target = leaves_[0].id, .lane = 0, .handshake = Bytes(handshake1_overhead)};
  ask_round(
      span, in_flight,
      [&](std::size_t number) {
        Leaf& leaf = leaves_[number];
        introduce.target = leaf.id;  // who asks for itself is told "not here", as for a stranger
        introduce.lane = leaf.nonce = random_.u64() | 1;
        leaf.asked_at = monotonic_now();
        Bytes body{static_cast<std::uint8_t>(Area::link)};
        append(body, encode(Message{introduce}));
        send(leaf, leaf.seal->seal(body));
      },
      tally_.answers_lost);
}

void LoadLeaves::open_lanes(std::size_t count) {
  std::uint64_t opened = tally_.lanes_opened;
  for (std::size_t i = 0; i < count && 2 * i + 1 < leaves_.size(); ++i) {
    Leaf& from = leaves_[2 * i];
    const Leaf& to = leaves_[2 * i + 1];
    if (!from.registered || !to.registered) continue;
    const Introduce introduce{
        .target = to.id, .lane = random_.u64() | 1, .handshake = Bytes(handshake1_overhead)};
    for (int tries = 0; tries < 5 && tally_.lanes_opened == opened; ++tries) {
      from.nonce = introduce.lane;
      from.asked_at = monotonic_now();
      ++waiting_;
      Bytes body{static_cast<std::uint8_t>(Area::link)};
      append(body, encode(Message{introduce}));
      send(from, from.seal->seal(body));
      const TimePoint deadline = from.asked_at + patience;
      while (from.asked_at != TimePoint{} && monotonic_now() < deadline) serve(true);
      if (std::exchange(from.asked_at, TimePoint{}) != TimePoint{}) --waiting_;
    }
    if (tally_.lanes_opened == opened) continue;
    opened = tally_.lanes_opened;
    lanes_.push_back({introduce.lane, 2 * i});
  }
}

std::uint64_t LoadLeaves::fill_lanes(Duration span, std::size_t burst, std::size_t frame_size) {
  if (lanes_.empty()) return 0;
  const std::size_t most = std::min(train_datagrams, train_bytes / frame_size);
  burst = std::clamp<std::size_t>(burst, 1, most);
  // No more on the way than this: what a socket's buffer holds, or packets are only lost.
  const std::uint64_t room = std::max<std::uint64_t>(4 * burst, 128);
  const std::uint64_t received_before = tally_.frames_in;
  std::vector<Bytes> trains;
  for (const OpenLane& lane : lanes_) {
    const Bytes payload(frame_size - relay_header_size, 0x5a);
    Bytes train;
    for (std::size_t i = 0; i < burst; ++i) append(train, make_relay_frame(lane.lane, payload));
    trains.push_back(std::move(train));
  }
  const TimePoint end = monotonic_now() + span;
  std::uint64_t sent = 0, given_up = 0;
  TimePoint last_heard = monotonic_now();
  std::uint64_t heard = tally_.frames_in;
  for (std::size_t next = 0; monotonic_now() < end;) {
    while (sent - given_up - (tally_.frames_in - received_before) < room) {
      const OpenLane& lane = lanes_[next];
      port_.send({.to = supernode_.endpoint,
                  .bytes = {},
                  .borrowed = trains[next],
                  .segment_size = burst > 1 ? frame_size : 0,
                  .socket = leaves_[lane.from].socket});
      sent += burst;
      next = next + 1 < lanes_.size() ? next + 1 : 0;
    }
    serve(true);
    const TimePoint now = monotonic_now();
    if (tally_.frames_in != heard) {
      heard = tally_.frames_in;
      last_heard = now;
    } else if (now - last_heard > 20ms) {  // what is missing will not come
      given_up = sent - (tally_.frames_in - received_before);
      last_heard = now;
    }
  }
  const TimePoint drained = monotonic_now() + 100ms;
  while (monotonic_now() < drained) serve(true);
  return sent;
}

void LoadLeaves::leave() {
  Bytes body{static_cast<std::uint8_t>(Area::link)};
  append(body, encode(Message{Bye{ByeReason::leaving}}));
  std::size_t count = 0;
  for (Leaf& leaf : leaves_) {
    if (!leaf.registered) continue;
    send(leaf, leaf.seal->seal(body));
    if (++count % 64 == 0) serve(false);
  }
  serve(false);
}

}  // namespace byway

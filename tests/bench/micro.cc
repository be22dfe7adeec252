// What single steps cost, and how often each asks for memory ("allocations", per operation).
#include <benchmark/benchmark.h>

#include "overlay/link/relay.h"
#include "overlay/overlay.h"
#include "overlay/stream/session.h"
#include "protocol/codec.h"
#include "protocol/directory_message.h"
#include "protocol/packet.h"
#include "protocol/record.h"
#include "protocol/seal.h"
#include "tests/bench/allocations.h"

namespace byway {
namespace {

constexpr TimePoint noon{100h};
constexpr WallTime wall_noon{std::chrono::hours{24 * 365 * 50}};
const Crypto& crypto = sodium_crypto();

Endpoint at(std::string_view text) {
  return *Endpoint::parse(text);
}
Identity person(std::uint64_t number) {
  Random random{number};
  return Identity::generate(random);
}

// Counts from its construction on; call report() behind the loop.
class Allocations {
 public:
  void report(benchmark::State& state, double per = 1) {
    state.counters["allocations"] = static_cast<double>(allocations() - before_) /
                                    (static_cast<double>(state.iterations()) * per);
  }

 private:
  std::uint64_t before_ = allocations();
};

// --- cryptography and codec ------------------------------------------------------------------

struct Linked {
  Linked() {
    auto initiator = *Initiator::make(crypto, ana, bo.id(), 1, random);
    const auto hello = initiator.start(Bytes(100));
    const auto responder = *Responder::open(crypto, bo, hello);
    const auto reply = responder.respond(Bytes(20), 2, random);
    from.emplace(crypto, initiator.finish(reply.datagram)->keys);
    to.emplace(crypto, reply.keys);
  }
  Random random{1};
  Identity ana = person(1), bo = person(2);
  std::optional<Seal> from, to;
};

void BM_Seal(benchmark::State& state) {
  Linked link;
  const Bytes plaintext(static_cast<std::size_t>(state.range(0)));
  Allocations counted;
  for (auto _ : state) benchmark::DoNotOptimize(link.from->seal(plaintext));
  counted.report(state);
}
BENCHMARK(BM_Seal)->Arg(64)->Arg(1200);

void BM_SealAndOpen(benchmark::State& state) {
  Linked link;
  const Bytes plaintext(static_cast<std::size_t>(state.range(0)));
  Allocations counted;
  for (auto _ : state) benchmark::DoNotOptimize(link.to->open(link.from->seal(plaintext)));
  counted.report(state);
}
BENCHMARK(BM_SealAndOpen)->Arg(64)->Arg(1200);

void BM_EncodeAndDecodePing(benchmark::State& state) {
  Allocations counted;
  for (auto _ : state)
    benchmark::DoNotOptimize(decode_message(encode(Message{Ping{.nonce = 7, .padding = 28}})));
  counted.report(state);
}
BENCHMARK(BM_EncodeAndDecodePing);

SignedRecord record_of(const Identity& who, const NodeId& home) {
  return SignedRecord::sign(who,
                            {.id = who.id(), .sequence = 7, .homes = {home}, .agent = "bench"});
}

void BM_RecordVerification(benchmark::State& state) {
  const auto record = record_of(person(1), person(2).id());
  for (auto _ : state) benchmark::DoNotOptimize(SignedRecord::parse(crypto, record.exact_bytes()));
}
BENCHMARK(BM_RecordVerification);

// What a supernode cannot do without for one new leaf: the responder's half of the handshake (four
// products and a new key), the conversion of the leaf's key, and its record's signature.
void BM_RegistrationCryptography(benchmark::State& state) {
  Random random{1};
  const Identity leaf = person(1), hub = person(2);
  const auto record = record_of(leaf, hub.id());
  auto initiator = *Initiator::make(crypto, leaf, hub.id(), 1, random);
  const auto hello = initiator.start(Bytes(240));
  const Bytes welcome(60);
  for (auto _ : state) {
    const auto responder = Responder::open(crypto, hub, hello);
    benchmark::DoNotOptimize(initiator_matches(crypto, leaf.id(), responder->initiator_x25519()));
    benchmark::DoNotOptimize(responder->respond(welcome, 2, random));
    benchmark::DoNotOptimize(SignedRecord::parse(crypto, record.exact_bytes()));
  }
}
BENCHMARK(BM_RegistrationCryptography);

// --- a supernode, and leaves by hand -----------------------------------------------------------

struct Leaf {
  Identity identity;
  Endpoint endpoint;
  std::optional<Seal> seal;
};

struct Hub {
  Hub() { drain(); }
  void hear(const Endpoint& from, ByteView bytes, std::size_t segment = 0) {
    const Datagram datagram{.from = from, .bytes = bytes, .segment_size = segment};
    overlay.on_datagrams(now, {&datagram, 1});
  }
  void drain() {
    while (auto transmit = overlay.poll_transmit(now)) last = std::move(transmit);
    while (overlay.poll_event()) {
    }
  }
  Bytes sealed(Leaf& leaf, const Message& message) {
    Bytes body{static_cast<std::uint8_t>(Area::link)};
    append(body, encode(message));
    return leaf.seal->seal(body);
  }
  Leaf join(std::uint64_t number) {
    Leaf leaf{person(100 + number),
              {IpAddress::v4({198, 51, 100, static_cast<std::uint8_t>(number % 200)}),
               static_cast<std::uint16_t>(1000 + number)},
              {}};
    auto initiator = *Initiator::make(crypto, leaf.identity, overlay.id(), 7, random);
    const auto record = record_of(leaf.identity, overlay.id());
    const Hello hello{.id = leaf.identity.id(),
                      .wall = wall_noon + std::chrono::milliseconds(1 + number),
                      .wish = Registration{to_bytes(record.exact_bytes()), 1}};
    hear(leaf.endpoint, initiator.start(encode(hello, 300)));
    drain();
    last->own();
    leaf.seal.emplace(crypto, initiator.finish(last->bytes)->keys);
    hear(leaf.endpoint, sealed(leaf, Ping{.nonce = 1, .padding = 40}));
    drain();
    now += 1ms;
    return leaf;
  }

  TimePoint now = noon;
  Random random{5};
  Identity identity = person(9);
  Overlay overlay{{.role = Role::supernode, .local_endpoints = {at("192.0.2.1:7000")}},
                  identity,
                  crypto,
                  Random(1),
                  noon,
                  wall_noon};
  std::optional<Transmit> last;
};

void BM_RelayedTrain(benchmark::State& state) {
  Hub hub;
  Leaf ana = hub.join(1), bo = hub.join(2);
  hub.hear(ana.endpoint, hub.sealed(ana, Introduce{.target = bo.identity.id(),
                                                   .lane = 77,
                                                   .handshake = Bytes(handshake1_overhead)}));
  hub.drain();
  const auto count = static_cast<std::size_t>(state.range(0));
  Bytes train;
  for (std::size_t i = 0; i < count; ++i) append(train, make_relay_frame(77, Bytes(1191)));
  const auto pass = [&] {
    hub.hear(ana.endpoint, train, 1200);
    while (auto transmit = hub.overlay.poll_transmit(hub.now)) benchmark::DoNotOptimize(transmit);
  };
  for (int i = 0; i < 100; ++i) pass();
  const auto relayed = hub.overlay.counters().relayed_datagrams;
  Allocations counted;
  for (auto _ : state) {
    hub.now += 1us;
    pass();
  }
  counted.report(state, static_cast<double>(count));
  if (hub.overlay.counters().relayed_datagrams - relayed != state.iterations() * count)
    state.SkipWithError("not all of it was passed on");
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * count));
}
BENCHMARK(BM_RelayedTrain)->Arg(1)->Arg(4)->Arg(16);

void BM_Keepalive(benchmark::State& state) {
  Hub hub;
  std::vector<Leaf> leaves;
  for (int i = 0; i < state.range(0); ++i)
    leaves.push_back(hub.join(static_cast<std::uint64_t>(i)));
  std::size_t next = 0;
  Allocations counted;
  for (auto _ : state) {
    state.PauseTiming();
    Leaf& leaf = leaves[next++ % leaves.size()];
    const Bytes ping = hub.sealed(leaf, Ping{.nonce = next, .padding = 40});
    hub.now += 10us;
    hub.last.reset();
    state.ResumeTiming();
    hub.hear(leaf.endpoint, ping);
    hub.drain();
    if (!hub.last) state.SkipWithError("no answer");
  }
  counted.report(state);
}
BENCHMARK(BM_Keepalive)->Arg(10)->Arg(1000);

void BM_Judge(benchmark::State& state) {
  Relay relay({}, 99);
  Random random{3};
  std::vector<std::pair<LaneId, Route>> lanes;
  for (int i = 0; i < state.range(0); ++i) {
    const auto id = NodeId::trusted(random.bytes<32>()),
               other = NodeId::trusted(random.bytes<32>());
    const Route from{.endpoint = {IpAddress::v4(random.bytes<4>()), 7}};
    const LaneId lane = random.u64();
    relay.open(noon, lane, id, {id, from}, {other, {.endpoint = {IpAddress::v4({1, 2, 3, 4}), 9}}});
    lanes.emplace_back(lane, from);
  }
  std::size_t next = 0;
  Allocations counted;
  for (auto _ : state) {
    const auto& [lane, from] = lanes[next++ % lanes.size()];
    benchmark::DoNotOptimize(relay.judge(noon, from, lane, 1200));
  }
  counted.report(state);
}
BENCHMARK(BM_Judge)->Arg(1)->Arg(1000)->Arg(65'000);

// --- streams -------------------------------------------------------------------------------------

// A megabyte through two sessions in memory: handed over as it is written, no network between.
// Memory is given back as the node does it.
void BM_StreamMegabyte(benchmark::State& state) {
  Spares<Bytes> spares{spare_batches};
  Random random{1};
  const Identity ana = person(1), bo = person(2);
  const auto config = [&](const Identity& self, const Identity& peer) {
    SessionConfig c;
    c.spares = &spares;
    c.seed = self.seed();
    c.self_public = self.id().key();
    c.peer_public = peer.id().key();
    c.initial_rtt = 1ms;
    return c;
  };
  TimePoint now = noon;
  auto client = *Session::connect(config(ana, bo), now, random);
  auto first = client->poll_packets(now, 1400, 1);
  auto server = *Session::accept(config(bo, ana), now, random, first->bytes);
  std::uint64_t packets = 0;
  const auto carry = [&](Session& from, Session& to) {
    bool any = false;
    while (auto batch = from.poll_packets(now, 1400, 44)) {
      any = true;
      for (std::size_t i = 0; i < batch->bytes.size(); i += batch->segment_size, ++packets)
        to.on_packet(now, ByteView(batch->bytes)
                              .subspan(i, std::min(batch->segment_size, batch->bytes.size() - i)));
      spares.give(std::move(batch->bytes));
    }
    return any;
  };
  std::uint64_t read = 0;
  Session::Chunk chunk;
  const auto listen = [&](Session& session) {
    while (auto event = session.poll_event())
      if (auto* readable = std::get_if<session_event::Readable>(&*event))
        for (;;) {
          chunk = session.read(readable->id, 256 * 1024, std::move(chunk.bytes));
          read += chunk.bytes.size();
          if (chunk.bytes.empty()) break;
        }
  };
  const auto turn = [&] {
    now += 20us;
    for (Session* session : {client.get(), server.get()})
      if (const auto due = session->next_timeout(); due && *due <= now) session->on_timeout(now);
    carry(*client, *server);
    listen(*server);
    carry(*server, *client);
    listen(*client);
  };
  for (int i = 0; i < 200; ++i) turn();
  const auto stream = *client->open_stream();
  const Bytes block(64 * 1024, 0x5a);
  const auto push = [&](std::uint64_t upto) {
    for (std::uint64_t written = read; read < upto;) {
      (void)written;
      client->write(stream, block);
      turn();
    }
  };
  push(8 << 20);
  packets = 0;
  Allocations counted;
  for (auto _ : state) push(read + (1 << 20));
  counted.report(state, static_cast<double>(packets) / static_cast<double>(state.iterations()));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) << 20);
}
BENCHMARK(BM_StreamMegabyte);

}  // namespace
}  // namespace byway

BENCHMARK_MAIN();

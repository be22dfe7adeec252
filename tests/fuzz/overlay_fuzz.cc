// Two whole nodes among enemies: a supernode where Eve is registered, and a leaf whose home is Eve.
//
// The input is a list of acts: what kind, how many bytes, the bytes. A stranger sends anything, or
// something genuine with changes; Eve, whose keys are good, seals whatever the input says, or a
// proper message with changes, or opens a QUIC session; and time goes by. After each act: every
// arrival was used or dropped for a reason, no deadline stays in the past, a stranger never got
// more than it sent (but for STUN), and what is sent at once is bounded.
#include "overlay/overlay.h"

#include "overlay/core/limits.h"
#include "overlay/peer.h"
#include "protocol/codec.h"
#include "protocol/directory_message.h"
#include "protocol/mesh_message.h"
#include "protocol/nat_message.h"
#include "protocol/proof_message.h"
#include "protocol/punch_message.h"
#include "protocol/record.h"
#include "protocol/survey_message.h"
#include "protocol/tcp_message.h"
#include "tests/fuzz/change.h"

using namespace byway;

namespace {

const Endpoint node_at = *Endpoint::parse("192.0.2.1:7000");
const Endpoint eve_at = *Endpoint::parse("198.51.100.66:7000");
const Endpoint stranger_at = *Endpoint::parse("203.0.113.99:9");
constexpr WallTime wall{std::chrono::hours{24 * 365 * 50}};

// What is sealed: the area, then the message.
Bytes plaintext(Area area, const Bytes& message) {
  Bytes bytes{static_cast<std::uint8_t>(area)};
  append(bytes, message);
  return bytes;
}

struct World {
  const Crypto& crypto = sodium_crypto();
  Identity self = Identity::from_seed(Key{1}), eve = Identity::from_seed(Key{2}),
           ana = Identity::from_seed(Key{3});
  std::vector<Bytes> messages;  // one of everything, ready to be sealed

  World() {
    about_links();
    about_the_mesh();
    about_nats();
  }

 private:
  void add(Area area, const auto& message) { messages.push_back(plaintext(area, encode(message))); }

  void about_links() {
    Talk talk;
    for (const char* where : {"198.51.100.66:7001", "[2001:db8::7]:7000", "192.168.1.7:7000"})
      talk.candidates.push_back({*Endpoint::parse(where), Proto::udp, How::observed});
    Random random(5);
    const Hello hello{.id = ana.id(), .wall = wall + 1min, .wish = talk};
    const Bytes call =
        Initiator::make(crypto, ana, self.id(), 33, random)->start(encode(hello, 240));
    for (const Message& message :
         {Message(Ping{7, 20'000, 28}), Message(Pong{7, node_at}),
          Message(Registration{Bytes(90), 1}), Message(Registered{90}),
          Message(Introduce{ana.id(), 77, call}), Message(Introduce{self.id(), 78, call}),
          Message(Introduce{eve.id(), 79, call, ana.id(), stranger_at, 10}),
          Message(IntroduceResult{ana.id(), 77, IntroduceOutcome::busy, 5}),
          Message(Introduction{77, call, eve_at, 10'000, 20'000}),
          Message(Reach{.round = 2, .talk = talk}), Message(Bye{ByeReason::idle}),
          Message(Bye{ByeReason::leaving}), Message(Refusal{RefusalReason::busy, 30}),
          Message(Samples{}), Message(HomeGone{eve.id()})})
      add(Area::link, message);
  }

  void about_the_mesh() {
    const auto record = to_bytes(
        SignedRecord::sign(eve, {.id = eve.id(), .sequence = 9, .agent = "eve"}).exact_bytes());
    const Gone gone{eve.id(), 9, {}};
    for (const MeshMessage& message :
         {MeshMessage(Gossip{77, 3, {News{eve.id(), record, {}, {gone}}}}),
          MeshMessage(Compare{1000, {Sums{2, 255, {1, 2, 3}}}, {Bucket{0xabc, {{7, 8}}}}}),
          MeshMessage(Want{{1, 2, 3}}), MeshMessage(Pull{1, 99}),
          MeshMessage(Page{1, 9, true, {News{eve.id(), record, {}, {}}}}),
          MeshMessage(ProbeFor{ana.id()}), MeshMessage(ProbeFound{ana.id(), true}),
          MeshMessage(Suspect{ana.id(), 77})})
      add(Area::mesh, message);
    for (const DirectoryMessage& message :
         {DirectoryMessage(Place{1, eve.id(), record}),
          DirectoryMessage(Placed{1, PlaceOutcome::kept}), DirectoryMessage(Find{2, ana.id()}),
          DirectoryMessage(Found{2, FindOutcome::known, record}),
          DirectoryMessage(Locate{3, ana.id()}), DirectoryMessage(Located{3, true})})
      add(Area::directory, message);
    for (const ProofMessage& message :
         {ProofMessage(ProveRequest{.nonce = {7}, .endpoint = eve_at, .padding = 300}),
          ProofMessage(DialOrder{ana.id(), {8}, stranger_at, Proto::udp}),
          ProofMessage(DialResult{{8}, ProofOutcome::proved, Bytes(150, 3)}),
          ProofMessage(ProveResult{{7}, ProofOutcome::no_dialler, {}, 10})})
      add(Area::proof, message);
    for (const SurveyMessage& message :
         {SurveyMessage(StateRequest{5}), SurveyMessage(MembersRequest{6}),
          SurveyMessage(SupernodeState{.number = 5}), SurveyMessage(MembersPage{.number = 6})})
      add(Area::survey, message);
  }

  void about_nats() {
    for (const NatMessage& message :
         {NatMessage(Look{1, 100}), NatMessage(TryFilter{2, {5}, 100}),
          NatMessage(TryLate{3, {6}, stranger_at, {}}), NatMessage(Sighting{1, node_at, 7001, {}}),
          NatMessage(StrangerTried{2, true}), NatMessage(StrangerOrder{{5}, stranger_at}),
          NatMessage(StrangerDone{{5}, true})})
      add(Area::nat, message);
    for (const PunchMessage& message :
         {PunchMessage(
              PunchPlan{.round = 1, .kind = NatKind::sequential, .endpoint = eve_at, .delta = 2}),
          PunchMessage(PunchPlan{.round = 1, .answer = true, .endpoint = eve_at}),
          PunchMessage(PunchPorts{1, {40'001, 40'003}}), PunchMessage(Witness{ana.id(), {}}),
          PunchMessage(Testimony{eve.id(), self.id(), eve_at.address})})
      add(Area::punch, message);
    add(Area::tcp, Meet{.endpoints = {{eve_at, Proto::tcp, How::observed}},
                        .mapping = Behaviour::endpoint_independent,
                        .outlet = Outlet::tcp});
  }
};

// The node under attack, and Eve's end of a good link with it.
class Siege {
 public:
  Siege(const World& world, Role role)
      : world_(world),
        peer_(world.crypto, world.eve, world.self.id(), Random(12)),
        node_(
            OverlayConfig{.role = role,
                          .seeds = role == Role::leaf ? std::vector<Seed>{{world.eve.id(), eve_at}}
                                                      : std::vector<Seed>{},
                          .local_endpoints = {node_at}},
            world.self, world.crypto, Random(7), now_, wall) {
    if (role == Role::supernode)
      register_eve();
    else
      take_in();
    genuine_.clear();
    settle(eve_at, 0, 0);
  }

  void act(std::uint8_t kind, ByteView bytes) {
    switch (kind % 8) {
      case 0:
        return deliver(stranger_at, to_bytes(bytes));
      case 1:
        return deliver(eve_at, to_bytes(bytes));
      case 2:
        if (genuine_.empty()) return;
        return deliver(stranger_at, change(genuine_[(kind >> 3) % genuine_.size()], bytes));
      case 3:
        if (const auto sealed = link_.seal(bytes)) deliver(eve_at, *sealed);
        return;
      case 4: {
        const Bytes& good = world_.messages[(kind >> 3) % world_.messages.size()];
        if (const auto sealed = link_.seal(change(good, bytes))) deliver(eve_at, *sealed);
        return;
      }
      case 5: {
        Bytes packet = to_bytes(bytes);
        packet.resize(std::max<std::size_t>(packet.size(), 1200));
        packet[0] |= 0xc0;
        return deliver(eve_at, packet);
      }
      case 6:
        return deliver(eve_at, make_relay_frame(77 + (kind >> 7), bytes));
      case 7:
        now_ += std::chrono::milliseconds{1 << (kind >> 4)};
        node_.on_timeout(now_);
        return settle(stranger_at, 0, 0);
    }
  }

 private:
  // As a leaf does: message 1 with a registration, its answer, a first sealed ping.
  void register_eve() {
    Record record{.id = world_.eve.id(), .sequence = 7, .agent = "eve"};
    const auto signed_record = SignedRecord::sign(world_.eve, record);
    const Hello hello{.id = world_.eve.id(),
                      .wall = wall + 1s,
                      .wish = Registration{to_bytes(signed_record.exact_bytes()), 1}};
    const auto call = link_.dial(now_, indices_.allocate(peer_, random_),
                                 encode(hello, limits::hello_size), random_);
    deliver(eve_at, *call);
    for (const Bytes& answer : std::exchange(genuine_, {})) link_.on_handshake2(now_, answer);
    deliver(eve_at, *link_.seal(plaintext(Area::link, encode(Ping{1, 0, 28}))));
    ensure(node_.status(now_).leaves == 1);
  }
  // As a home does: the answer, and a pong to each ping.
  void take_in() {
    collect(eve_at);
    for (int turns = 0; turns < 3; ++turns)
      for (const Bytes& bytes : std::exchange(genuine_, {})) {
        if (const auto call = Responder::open(world_.crypto, world_.eve, bytes)) {
          auto index = indices_.allocate(peer_, random_);
          const Welcome welcome{.observed = node_at, .wall = wall, .answer = Registered{90}};
          auto reply = call->respond(encode(welcome), index.value(), random_);
          link_.on_answered(now_, std::move(index), reply.keys);
          deliver(eve_at, reply.datagram);
        } else if (const auto opened = link_.open(now_, bytes)) {
          const auto message = decode_message(ByteView(opened->plaintext).subspan(1));
          if (const auto* ping = message ? std::get_if<Ping>(&*message) : nullptr)
            deliver(eve_at, *link_.seal(plaintext(Area::link, encode(Pong{ping->nonce, node_at}))));
        }
      }
    ensure(node_.status(now_).homes.size() == 1);
  }

  void deliver(const Endpoint& from, Bytes bytes) {
    const auto stun = node_.counters().stun_answered;
    node_.on_datagram(now_, {from, bytes});
    const bool answers_stun = node_.counters().stun_answered > stun;
    settle(from, bytes.size(), answers_stun ? 24 : 0);
  }

  struct Sent {
    std::size_t to_him = 0, all = 0;
  };
  Sent collect(const Endpoint& whom) {
    Sent sent;
    while (const auto transmit = node_.poll_transmit(now_)) {
      ensure(!transmit->bytes.empty());
      ensure(++sent.all < 500);
      if (transmit->to == whom) sent.to_him += transmit->bytes.size();
      if (genuine_.size() < 32) genuine_.push_back(transmit->bytes);
    }
    while (node_.poll_event()) {
    }
    return sent;
  }
  void settle(const Endpoint& from, std::size_t received, std::size_t more) {
    const Sent sent = collect(from);
    if (from == stranger_at) ensure(sent.to_him <= received + more);
    for (int wakes = 0;; ++wakes) {
      const auto next = node_.next_timeout();
      if (!next || *next > now_) break;
      ensure(wakes < 1000);
      node_.on_timeout(now_);
      collect(from);
    }
    const Counters& counters = node_.counters();
    ensure(counters.datagrams_in == counters.datagrams_used + counters.dropped());
  }

  const World& world_;
  TimePoint now_{100h};
  Random random_{11};
  IndexTable indices_;
  Peer peer_;
  Link& link_ = peer_.link;
  Overlay node_;
  std::vector<Bytes> genuine_;  // what the node sent last
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const World world;
  for (const Role role : {Role::supernode, Role::leaf}) {
    Siege siege(world, role);
    ByteView rest(data, size);
    for (int acts = 0; acts < 40 && rest.size() >= 2; ++acts) {
      const std::uint8_t kind = rest[0];
      const std::size_t length = std::min<std::size_t>(rest[1] * 4u, rest.size() - 2);
      siege.act(kind, rest.subspan(2, length));
      rest = rest.subspan(2 + length);
    }
  }
  return 0;
}

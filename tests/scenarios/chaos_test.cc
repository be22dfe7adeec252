// Stories that chance writes: random NATs, random wires, random mishaps. When all is well again,
// whoever can talk must talk, and directly where a direct path is possible.
//
// BYWAY_SEEDS=FIRST,COUNT in the environment tells other stories than the usual ones; a seed that
// fails deserves to become a scenario with a name.
#include <charconv>
#include <cstdlib>

#include "tests/scenarios/scenario.h"

namespace byway::scenarios::chaos_test {
namespace {

struct Seeds {
  std::uint64_t first = 1000;
  std::uint64_t count = 25;
};

Seeds chosen_seeds() {
  Seeds seeds;
  const char* text = std::getenv("BYWAY_SEEDS");
  if (!text) return seeds;
  const char* end = text + std::string_view(text).size();
  const auto first = std::from_chars(text, end, seeds.first);
  if (first.ptr != end && *first.ptr == ',') std::from_chars(first.ptr + 1, end, seeds.count);
  return seeds;
}

Nat random_nat(Random& random) {
  static const Nat kinds[] = {Nat::public_host(),       Nat::firewall(),
                              Nat::full_cone(),         Nat::address_restricted(),
                              Nat::port_restricted(),   Nat::port_restricted(),
                              Nat::symmetric_random(),  Nat::symmetric_sequential(),
                              Nat::symmetric_block(512)};
  Nat nat = kinds[random.below(std::size(kinds))];
  if (random.chance(0.3)) nat.ports = random.chance(0.5) ? Ports::random : nat.ports;
  nat.inbound_refreshes = random.chance(0.5);
  nat.lifetime = random.chance(0.5) ? Duration(30s) : Duration(120s);
  return nat;
}

Wire random_wire(Random& random) {
  Wire wire;
  wire.delay = 1ms + random.upto(80ms);
  wire.jitter = random.upto(10ms);
  if (random.chance(0.3)) wire.loss = 0.1 * random.unit();
  if (random.chance(0.3)) wire.duplicate = 0.2 * random.unit();
  if (random.chance(0.3)) wire.reorder = 0.2 * random.unit();
  return wire;
}

// Networks that let out no UDP, or nothing but TCP to port 443, among the others.
Nat random_nat_or_block(Random& random) {
  if (random.chance(0.6)) return random_nat(random);
  return random.chance(0.7) ? Nat::udp_blocked() : Nat::tcp_443_only();
}

// Is there a way for these two?
bool is_possible(const Nat& a, const Nat& b) {
  const bool by_udp = a.mapping != Behaviour::blocked && b.mapping != Behaviour::blocked;
  return by_udp ? direct_by_knocking(a, b) : tcp_possible(a, b);
}

// A small town of leaves and what may happen to it.
class Town {
 public:
  explicit Town(std::uint64_t seed, Nat (*nat_by_chance)(Random&) = random_nat)
      : world(Seed{seed}), random_(seed ^ 0xc4a05) {
    for (std::uint64_t i = 0; i <= random_.below(2); ++i)
      hubs.push_back(&world.supernode("hub " + std::to_string(i)).wire(random_wire(random_)));
    for (std::uint64_t i = 0; i < 3; ++i) {
      nats.push_back(nat_by_chance(random_));
      leaves.push_back(
          &world.leaf("leaf " + std::to_string(i)).behind(nats.back()).wire(random_wire(random_)));
    }
  }

  void mishap() {
    Host& one = any_leaf();
    Host& other = any_leaf();
    switch (random_.below(9)) {
      case 0:
        return world.cut(one, other);
      case 1:
        return world.cut_one_way(one, other);
      case 2:
        return one.unplug();
      case 3:
        return one.plug_in();
      case 4:
        return one.restart();
      case 5:
        return any_hub().restart();
      case 6:
        return any_hub().crash();
      case 7:
        if (!nats[index_of(one)].is_open()) one.router_reboots(random_.chance(0.5));
        return;
      default:
        return say(one, other);
    }
  }

  void all_is_well_again() {
    for (Host* a : leaves)
      for (Host* b : leaves) world.heal(*a, *b);
    for (Host* leaf : leaves) leaf->plug_in();
    for (Host* leaf : leaves)
      if (!leaf->is_running()) leaf->restart();
    for (Host* hub : hubs)
      if (!hub->is_running()) hub->restart();
  }

  void say(Host& one, Host& other) {
    if (&one == &other || !one.is_running()) return;
    one.say(other, "word " + std::to_string(++words_));
  }

  Host& any_leaf() { return *leaves[random_.below(leaves.size())]; }
  Host& any_hub() { return *hubs[random_.below(hubs.size())]; }
  std::size_t index_of(const Host& leaf) const {
    return static_cast<std::size_t>(std::find(leaves.begin(), leaves.end(), &leaf) -
                                    leaves.begin());
  }
  Duration a_while() { return random_.upto(6s); }

  World world;
  std::vector<Host*> hubs, leaves;
  std::vector<Nat> nats;

 private:
  Random random_;
  int words_ = 0;
};

void tell(std::uint64_t seed, Nat (*nat_by_chance)(Random&) = random_nat) {
  SCOPED_TRACE("BYWAY_SEEDS=" + std::to_string(seed) + ",1");
  Town town(seed, nat_by_chance);
  World& world = town.world;
  world.run_for(2s);
  for (int i = 0; i < 12; ++i) {
    town.mishap();
    world.run_for(town.a_while());
  }
  town.all_is_well_again();
  // Homes were away for up to a minute: their leaves come back with back-off.
  world.run_for(100s);

  for (Host* one : town.leaves)
    for (Host* other : town.leaves) {
      if (one == other) continue;
      const std::string text = "at last, " + one->name() + " to " + other->name();
      one->say(*other, text);
      ASSERT_TRUE(world.run_until(
          [&] {
            const auto inbox = other->inbox();
            return std::find(inbox.begin(), inbox.end(), text) != inbox.end();
          },
          15s))
          << text;
      const bool possible =
          is_possible(town.nats[town.index_of(*one)], town.nats[town.index_of(*other)]);
      if (possible) {
        ASSERT_TRUE(world.are_direct(*one, *other, 70s)) << text;
      } else if (!one->reaches(*other, Via::direct)) {
        EXPECT_FALSE(one->path_to(*other).why.empty()) << text;
      }
    }
  for (const Host* leaf : town.leaves) {
    auto inbox = leaf->inbox();
    std::sort(inbox.begin(), inbox.end());
    EXPECT_EQ(std::adjacent_find(inbox.begin(), inbox.end()), inbox.end()) << "twice";
  }
}

TEST(Chaos, WhenAllIsWellAgainWhoeverCanTalkTalks) {
  const Seeds seeds = chosen_seeds();
  for (std::uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
    tell(seed);
    if (HasFailure()) return;  // one story is enough to read
  }
}

TEST(Chaos, WhenAllIsWellAgainWhoHasNoUdpTalksToo) {
  const Seeds seeds = chosen_seeds();
  for (std::uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
    tell(seed, random_nat_or_block);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace byway::scenarios::chaos_test

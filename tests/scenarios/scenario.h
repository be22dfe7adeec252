// What every scenario shares: a world that checks at its end what must always hold, and tells
// its story when a test has failed.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>

#include "tools/sim/oracle.h"
#include "tools/sim/world.h"

namespace byway::scenarios {

using sim::direct_by_any_means;
using sim::direct_by_knocking;
using sim::direct_possible;
using sim::Fate;
using sim::Host;
using sim::Nat;
using sim::PacketLine;
using sim::Router;
using sim::Seed;
using sim::Toward;
using sim::Via;
using sim::Wire;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;
using ::testing::UnorderedElementsAreArray;

// Every arrival was used, or dropped for one named reason.
inline void expect_arrivals_accounted_for(const Host& host) {
  const Counters& counters = host.counters();
  EXPECT_EQ(counters.datagrams_in, counters.datagrams_used + counters.dropped()) << host.name();
}

class World : public sim::World {
 public:
  using sim::World::World;
  ~World() {
    for (const Host& host : hosts())
      if (host.is_running()) expect_arrivals_accounted_for(host);
    if (::testing::Test::HasFailure()) std::cout << "--- the story ---\n" << story(2000);
  }

  bool are_direct(const Host& a, const Host& b, Duration limit) {
    return run_until([&] { return a.reaches(b, Via::direct) && b.reaches(a, Via::direct); }, limit);
  }
};

// Two people who want to talk, and somebody who introduces them.
struct Meeting {
  Meeting(Seed seed, const Nat& ana_nat, const Nat& bo_nat, std::size_t supernodes = 1)
      : world(seed),
        hub(world.supernode("hub")),
        ana(further(supernodes).world.leaf("ana").behind(ana_nat)),
        bo(world.leaf("bo").behind(bo_nat)) {}

  // Both have a home before the first word.
  bool registered() {
    return world.run_until([&] { return ana.is_ready() && bo.is_ready(); }, 5s);
  }
  // And as many as there are, so that both know what kind of NAT they are behind.
  bool registered_at(std::size_t homes) {
    const auto all = [&](const Host& host) { return host.status().homes.size() == homes; };
    return world.run_until([&] { return all(ana) && all(bo); }, 5s);
  }

  World world;
  Host& hub;
  Host& ana;
  Host& bo;

 private:
  Meeting& further(std::size_t supernodes) {
    for (std::size_t i = 2; i <= supernodes; ++i) world.supernode("hub" + std::to_string(i));
    return *this;
  }
};

}  // namespace byway::scenarios

#include "tools/sim/oracle.h"

#include <gtest/gtest.h>

namespace byway::sim::oracle_test {
namespace {

TEST(Oracle, EasyNatsAlwaysMeet) {
  const Nat easy[] = {Nat::public_host(), Nat::firewall(), Nat::full_cone(),
                      Nat::address_restricted(), Nat::port_restricted()};
  for (const Nat& a : easy)
    for (const Nat& b : easy) EXPECT_TRUE(direct_possible(a, b));
}

TEST(Oracle, ASymmetricNatMeetsOnlyWhoDoesNotLookAtPorts) {
  for (const Nat& hard : {Nat::symmetric_random(), Nat::symmetric_sequential()}) {
    EXPECT_TRUE(direct_by_knocking(hard, Nat::public_host()));
    EXPECT_TRUE(direct_by_knocking(Nat::full_cone(), hard));
    EXPECT_TRUE(direct_by_knocking(hard, Nat::address_restricted()));
    EXPECT_FALSE(direct_by_knocking(hard, Nat::port_restricted()));
    EXPECT_FALSE(direct_by_knocking(Nat::firewall(), hard));
    EXPECT_FALSE(direct_by_knocking(hard, Nat::symmetric_random()));
  }
}

TEST(Oracle, PortsCanBeGuessedWhereOnlyOneSidesAreByChance) {
  for (const Nat& easy : {Nat::firewall(), Nat::full_cone(), Nat::port_restricted()})
    for (const Nat& hard :
         {Nat::symmetric_random(), Nat::symmetric_sequential(), Nat::symmetric_block(512)}) {
      EXPECT_TRUE(direct_possible(easy, hard));
      EXPECT_TRUE(direct_possible(hard, easy));
    }
  EXPECT_TRUE(direct_possible(Nat::symmetric_sequential(), Nat::symmetric_sequential()));
  EXPECT_FALSE(direct_possible(Nat::symmetric_sequential(), Nat::symmetric_random()));
  EXPECT_FALSE(direct_possible(Nat::symmetric_random(), Nat::symmetric_random()));
}

TEST(Oracle, BlockedUdpMeetsNobody) {
  EXPECT_FALSE(direct_possible(Nat::udp_blocked(), Nat::public_host()));
  EXPECT_FALSE(direct_possible(Nat::full_cone(), Nat::udp_blocked()));
}

}  // namespace
}  // namespace byway::sim::oracle_test

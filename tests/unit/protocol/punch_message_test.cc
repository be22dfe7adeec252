#include "protocol/punch_message.h"

#include <gtest/gtest.h>

#include "tests/unit/protocol/people.h"

namespace byway::punch_message_test {
namespace {

const Endpoint there = *Endpoint::parse("198.51.100.7:40007");

std::vector<PunchMessage> one_of_each() {
  const NodeId ana = person(1).id(), bo = person(2).id(), hub = person(3).id();
  return {PunchPlan{.round = 1, .kind = NatKind::easy, .endpoint = there, .homes = {hub}},
          PunchPlan{.round = 2,
                    .answer = true,
                    .kind = NatKind::sequential,
                    .endpoint = there,
                    .delta = -2,
                    .homes = {hub, ana, bo},
                    .wait_us = 60'000},
          PunchPlan{.kind = NatKind::block, .endpoint = there, .first = 2048, .last = 2303},
          PunchPlan{.kind = NatKind::random, .endpoint = there},
          PunchPorts{3, {40008, 40009}},
          Witness{bo, {}},
          Witness{bo, hub},
          Testimony{ana, bo, there.address},
          Testimony{ana, bo, *IpAddress::parse("2001:db8::7")}};
}

TEST(PunchMessage, WhatIsSaidIsHeardAsItWasSaid) {
  for (const PunchMessage& message : one_of_each()) {
    const auto heard = decode_punch(encode(message));
    ASSERT_TRUE(heard) << name_of(message);
    EXPECT_EQ(*heard, message) << name_of(message);
  }
}

TEST(PunchMessage, WhatMakesNoSenseIsRefused) {
  const NodeId bo = person(2).id();
  for (const PunchMessage& message :
       {PunchMessage(PunchPlan{.endpoint = {there.address, 0}}),
        PunchMessage(PunchPlan{.kind = NatKind::sequential, .endpoint = there, .delta = 0}),
        PunchMessage(PunchPlan{.kind = NatKind::block, .endpoint = there, .first = 9, .last = 8}),
        PunchMessage(PunchPlan{.kind = NatKind::block, .endpoint = there}),
        PunchMessage(PunchPlan{.endpoint = there, .homes = {NodeId{}}}),
        PunchMessage(PunchPorts{1, {40008, 0}}), PunchMessage(Witness{NodeId{}, bo}),
        PunchMessage(Testimony{bo, NodeId{}, there.address})})
    EXPECT_FALSE(decode_punch(encode(message))) << name_of(message);
}

TEST(PunchMessage, MoreThanIsAllowedIsNotEvenSaid) {
  const NodeId bo = person(2).id();
  const auto plan =
      decode_punch(encode(PunchPlan{.endpoint = there, .homes = std::vector<NodeId>(5, bo)}));
  ASSERT_TRUE(plan);
  EXPECT_EQ(std::get<PunchPlan>(*plan).homes.size(), max_plan_homes);
  const auto ports = decode_punch(encode(PunchPorts{1, std::vector<std::uint16_t>(50, 7)}));
  ASSERT_TRUE(ports);
  EXPECT_EQ(std::get<PunchPorts>(*ports).ports.size(), max_punch_ports);
}

TEST(PunchMessage, NoGarbageGetsThroughAsMoreThanAnError) {
  Random random(1);
  for (const PunchMessage& message : one_of_each()) {
    const Bytes good = encode(message);
    for (std::size_t size = 0; size < good.size(); ++size)
      (void)decode_punch(ByteView(good).first(size));
    for (int i = 0; i < 2'000; ++i) {
      Bytes bad = good;
      bad[random.below(bad.size())] = static_cast<std::uint8_t>(random.u32());
      const auto heard = decode_punch(bad);
      if (!heard) continue;
      if (const auto* plan = std::get_if<PunchPlan>(&*heard)) {
        EXPECT_LE(plan->homes.size(), max_plan_homes);
        EXPECT_NE(plan->endpoint.port, 0);
      }
      if (const auto* ports = std::get_if<PunchPorts>(&*heard)) {
        EXPECT_LE(ports->ports.size(), max_punch_ports);
      }
    }
  }
  EXPECT_FALSE(decode_punch({}));
  EXPECT_FALSE(decode_punch(Bytes(100, 0xff)));
}

}  // namespace
}  // namespace byway::punch_message_test

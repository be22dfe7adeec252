#include "overlay/core/sockets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace byway::sockets_test {
namespace {

using testing::ElementsAre;

// The orders as the shell gets them: +1 opens, -1 closes.
std::vector<int> orders(Sockets& sockets, bool all_sent) {
  std::vector<int> all;
  while (const auto order = sockets.poll(all_sent)) {
    if (const auto* open = std::get_if<OpenSocket>(&*order))
      all.push_back(open->id);
    else
      all.push_back(-std::get<CloseSocket>(*order).id);
  }
  return all;
}

TEST(Sockets, OpenBeforeAnythingIsSentAndCloseAfterEverythingIs) {
  Sockets sockets;
  const auto first = sockets.open(SocketUse::nat);
  const auto second = sockets.open(SocketUse::punch);
  sockets.close(*first);
  EXPECT_THAT(orders(sockets, false), ElementsAre(*first, *second));
  EXPECT_THAT(orders(sockets, true), ElementsAre(-*first));
  EXPECT_EQ(sockets.use_of(*first), std::nullopt);
  EXPECT_EQ(sockets.use_of(*second), SocketUse::punch);
}

TEST(Sockets, NumbersComeBackOnlyAfterAllOthersHaveBeenUsed) {
  Sockets sockets;
  std::set<SocketId> seen;
  for (int i = first_spare_socket; i <= last_spare_socket; ++i) {
    const auto id = sockets.open(SocketUse::nat);
    ASSERT_TRUE(id);
    EXPECT_TRUE(seen.insert(*id).second) << *id;
    sockets.close(*id);
  }
  EXPECT_FALSE(seen.contains(main_socket));
  EXPECT_EQ(*seen.rbegin(), last_spare_socket);
  EXPECT_EQ(sockets.open(SocketUse::nat), first_spare_socket);
}

TEST(Sockets, ThereIsAnEndToThem) {
  Sockets sockets;
  for (std::size_t i = 0; i < limits::spare_sockets; ++i)
    ASSERT_TRUE(sockets.open(SocketUse::punch));
  EXPECT_EQ(sockets.open(SocketUse::nat), std::nullopt);
  sockets.close(7);
  EXPECT_TRUE(sockets.open(SocketUse::nat));
}

TEST(Sockets, OneThatCouldNotBeOpenedIsNobodysAndIsNotClosedEither) {
  Sockets sockets;
  const auto id = sockets.open(SocketUse::nat);
  orders(sockets, false);
  EXPECT_EQ(sockets.on_failed(*id), SocketUse::nat);
  EXPECT_EQ(sockets.on_failed(*id), std::nullopt);
  sockets.close(*id);
  EXPECT_THAT(orders(sockets, true), ElementsAre());
  EXPECT_EQ(sockets.size(), 0u);
}

}  // namespace
}  // namespace byway::sockets_test

// Connections over the loopback interface.
#include "node/tcp_port.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/tcp_frame.h"

namespace byway::tcp_port_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Endpoint loopback(std::uint16_t port = 0) {
  return *Endpoint::parse("127.0.0.1:" + std::to_string(port));
}

// A port with what it heard.
struct Party {
  Party(boost::asio::io_context& io, TcpPort::Options options = {}) : port(io, options) {
    at = *port.listen(loopback());
    port.start({[this](std::span<const Datagram> datagrams) {
                  for (const Datagram& datagram : datagrams) {
                    EXPECT_EQ(datagram.proto, Proto::tcp);
                    from.push_back(datagram.from);
                    heard.push_back(to_bytes(datagram.bytes));
                  }
                },
                [this](const Endpoint&, const Endpoint& remote) -> TcpId {
                  callers.push_back(remote);
                  return take_callers ? last = ++given + 1000 : 0;
                },
                [this](TcpId id, const Endpoint& local) {
                  opened.push_back(id);
                  local_end = local;
                },
                [this](TcpId id, TcpEnd why) { ended.emplace_back(id, why); }});
  }
  void send(TcpId connection, Bytes bytes, std::size_t segment_size = 0) {
    port.send({.bytes = std::move(bytes),
               .segment_size = segment_size,
               .proto = Proto::tcp,
               .connection = connection});
  }

  TcpPort port;
  Endpoint at, local_end;
  bool take_callers = true;
  TcpId given = 0, last = 0;
  std::vector<Endpoint> callers, from;
  std::vector<Bytes> heard;
  std::vector<TcpId> opened;
  std::vector<std::pair<TcpId, TcpEnd>> ended;
};

class TcpPortTest : public testing::Test {
 protected:
  template <typename Holds>
  bool run_until(Holds holds) {
    for (int i = 0; i < 1000 && !holds(); ++i) io.run_one_for(std::chrono::milliseconds(5));
    return holds();
  }
  void connect() {
    ana.port.carry_out(OpenTcp{1, bo.at});
    ASSERT_TRUE(run_until([&] { return !ana.opened.empty() && !bo.callers.empty(); }));
  }

  boost::asio::io_context io;
  Party ana{io}, bo{io};
};

TEST_F(TcpPortTest, ConnectsFromThePortOnWhichItListens) {
  connect();
  EXPECT_EQ(ana.local_end, ana.at);
  EXPECT_THAT(bo.callers, ElementsAre(ana.at));
}

TEST_F(TcpPortTest, DatagramsArriveBothWaysAndTrainsAreCut) {
  connect();
  Bytes train(2500, 7);
  ana.send(1, train, 1000);
  ana.send(1, Bytes{9});
  ana.port.flush();
  ASSERT_TRUE(run_until([&] { return bo.heard.size() == 4; }));
  EXPECT_THAT(bo.heard, ElementsAre(Bytes(1000, 7), Bytes(1000, 7), Bytes(500, 7), Bytes{9}));
  EXPECT_EQ(bo.from[0], ana.at);
  bo.send(bo.last, Bytes{8});
  bo.port.flush();
  ASSERT_TRUE(run_until([&] { return ana.heard.size() == 1; }));
  EXPECT_THAT(ana.heard, ElementsAre(Bytes{8}));
}

TEST_F(TcpPortTest, BothConnectingAtOnceGetOneConnection) {
  // On the loopback one is always first; whose attempt then finds the connection made is told.
  ana.port.carry_out(OpenTcp{1, bo.at, TcpFrom::listening_only});
  bo.port.carry_out(OpenTcp{2, ana.at, TcpFrom::listening_only});
  ASSERT_TRUE(run_until([&] {
    return (ana.opened.size() + ana.callers.size()) > 0 &&
           (bo.opened.size() + bo.callers.size()) > 0 && ana.ended.size() + bo.ended.size() > 0;
  }));
  EXPECT_EQ(ana.port.connections(), 1u);
  EXPECT_EQ(bo.port.connections(), 1u);
  for (const auto& ended : {ana.ended, bo.ended})
    for (const auto& [id, why] : ended) EXPECT_EQ(why, TcpEnd::taken);
}

TEST_F(TcpPortTest, ASecondConnectionToTheSamePlaceLeavesFromAnotherPortOnlyWhereThatIsAllowed) {
  connect();
  ana.port.carry_out(OpenTcp{2, bo.at, TcpFrom::listening_only});
  ASSERT_TRUE(run_until([&] { return !ana.ended.empty(); }));
  EXPECT_THAT(ana.ended, ElementsAre(std::pair(TcpId{2}, TcpEnd::taken)));
  ana.port.carry_out(OpenTcp{3, bo.at, TcpFrom::listening});
  ASSERT_TRUE(run_until([&] { return ana.opened.size() == 2 && bo.callers.size() == 2; }));
  EXPECT_NE(ana.local_end, ana.at);
}

TEST_F(TcpPortTest, NobodyThereIsRefusedAndAnEndIsHeard) {
  Endpoint nowhere;
  {
    Party gone{io};
    nowhere = gone.at;
    gone.port.close();
  }
  ana.port.carry_out(OpenTcp{7, nowhere});
  ASSERT_TRUE(run_until([&] { return !ana.ended.empty(); }));
  EXPECT_THAT(ana.ended, ElementsAre(std::pair(TcpId{7}, TcpEnd::refused)));

  connect();
  ana.port.carry_out(CloseTcp{1});
  ASSERT_TRUE(run_until([&] { return !bo.ended.empty(); }));
  EXPECT_THAT(bo.ended, ElementsAre(std::pair(bo.last, TcpEnd::closed)));
  EXPECT_EQ(ana.ended.size(), 1u) << "who closed is not told";
}

TEST_F(TcpPortTest, WhatIsSaidLastIsHeardBeforeTheEnd) {
  connect();
  ana.send(1, Bytes{7});
  ana.port.carry_out(CloseTcp{1});
  ASSERT_TRUE(run_until([&] { return !bo.ended.empty(); }));
  EXPECT_THAT(bo.heard, ElementsAre(Bytes{7}));
}

TEST_F(TcpPortTest, ACallerWhoIsOneTooManyIsTurnedAway) {
  bo.take_callers = false;
  ana.port.carry_out(OpenTcp{1, bo.at});
  ASSERT_TRUE(run_until([&] { return !ana.ended.empty(); }));
  EXPECT_EQ(bo.port.connections(), 0u);
}

TEST_F(TcpPortTest, AnotherLanguageIsNotListenedTo) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(bo.at.port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  constexpr std::string_view words = "GET / HTTP/1.1\r\n\r\n";
  ASSERT_EQ(::send(fd, words.data(), words.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(words.size()));
  ASSERT_TRUE(run_until([&] { return !bo.ended.empty(); }));
  EXPECT_EQ(bo.ended[0].second, TcpEnd::broken);
  EXPECT_THAT(bo.heard, IsEmpty());
  char answer;
  EXPECT_LE(::recv(fd, &answer, 1, 0), 0) << "and gets no word";
  ::close(fd);
}

TEST_F(TcpPortTest, ForASlowReaderTheOldestIsDroppedAndNobodyWaits) {
  // Somebody who connects and never reads.
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(bo.at.port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  ASSERT_TRUE(run_until([&] { return bo.port.connections() == 1; }));
  for (int i = 0; i < 20'000; ++i) {
    bo.send(bo.last, Bytes(1400, 7));
    if (i % 50 == 0) bo.port.flush();
  }
  bo.port.flush();
  EXPECT_GT(bo.port.counters().dropped_full, 1000u);
  EXPECT_EQ(bo.port.connections(), 1u);

  // What does come is whole all the same.
  TcpFrameReader reader;
  std::vector<std::uint8_t> room(1 << 16);
  std::size_t frames = 0;
  for (int quiet = 0; quiet < 20;) {
    io.run_for(std::chrono::milliseconds(1));
    const ssize_t count = ::recv(fd, room.data(), room.size(), MSG_DONTWAIT);
    if (count <= 0) {
      ++quiet;
      continue;
    }
    quiet = 0;
    std::vector<ByteView> datagrams;
    ASSERT_TRUE(reader.feed(ByteView(room).first(static_cast<std::size_t>(count)), datagrams));
    frames += datagrams.size();
  }
  EXPECT_GT(frames, 100u);
  EXPECT_EQ(frames + bo.port.counters().dropped_full, 20'000u);
  ::close(fd);
}

TEST_F(TcpPortTest, APortInUseNamesTheOptionAndTheRemedy) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in taken{};
  taken.sin_family = AF_INET;
  taken.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(taken);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&taken), size), 0);
  ASSERT_EQ(::listen(fd, 1), 0);
  ASSERT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&taken), &size), 0);
  const auto listening = ana.port.listen(loopback(ntohs(taken.sin_port)));
  ASSERT_FALSE(listening);
  EXPECT_THAT(listening.error().sentence, HasSubstr("--listen"));
  EXPECT_THAT(listening.error().sentence, HasSubstr("choose another port"));
  ::close(fd);
}

}  // namespace
}  // namespace byway::tcp_port_test

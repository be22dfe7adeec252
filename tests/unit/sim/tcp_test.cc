// Two stacks and a wire between them that may do anything.
#include "tools/sim/tcp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "overlay/core/timers.h"
#include "protocol/random.h"

namespace byway::sim::tcp_test {
namespace {

using ::testing::ElementsAre;
using Kind = TcpStack::Event::Kind;

const Endpoint a_at = *Endpoint::parse("192.0.2.1:7000"), b_at = *Endpoint::parse("192.0.2.2:7000");
const TcpEnds at_a{a_at, b_at}, at_b{b_at, a_at};

struct Pair {
  struct Flying {
    TimePoint at;
    bool to_a;
    Bytes bytes;
  };

  void run_for(Duration time) {
    const TimePoint end = now + time;
    for (;;) {
      collect(a, false);
      collect(b, true);
      std::optional<TimePoint> next = earlier(a.next_timeout(), b.next_timeout());
      for (const Flying& f : flying) next = earlier(next, f.at);
      if (!next || *next > end) break;
      now = std::max(now, *next);
      const auto due = std::stable_partition(flying.begin(), flying.end(),
                                             [&](const Flying& f) { return f.at > now; });
      std::vector<Flying> arrived(due, flying.end());
      flying.erase(due, flying.end());
      for (const Flying& f : arrived)
        f.to_a ? a.on_segment(now, at_a, f.bytes) : b.on_segment(now, at_b, f.bytes);
      a.on_timeout(now);
      b.on_timeout(now);
    }
    now = end;
  }
  void collect(TcpStack& from, bool to_a) {
    while (auto segment = from.poll_segment()) {
      if (random.chance(loss)) continue;
      flying.push_back({now + 10ms + random.upto(jitter), to_a, std::move(segment->bytes)});
    }
  }
  std::vector<Kind> heard_by(TcpStack& stack, std::vector<Bytes>* datagrams = nullptr) {
    std::vector<Kind> kinds;
    while (auto event = stack.poll_event()) {
      if (event->kind == Kind::datagram && datagrams)
        datagrams->push_back(std::move(event->bytes));
      else
        kinds.push_back(event->kind);
    }
    return kinds;
  }

  TimePoint now{1h};
  Random random{5};
  double loss = 0;
  Duration jitter{};
  TcpStack a, b;
  std::vector<Flying> flying;
};

TEST(SimTcp, ConnectsWhereSomebodyListensAndIsRefusedWhereNobodyDoes) {
  Pair pair;
  pair.a.connect(pair.now, at_a);
  pair.run_for(30ms);
  EXPECT_THAT(pair.heard_by(pair.a), ElementsAre(Kind::ended));
  pair.b.listen(7000);
  EXPECT_TRUE(pair.a.connect(pair.now, at_a));
  EXPECT_FALSE(pair.a.connect(pair.now, at_a)) << "taken";
  pair.run_for(35ms);
  EXPECT_THAT(pair.heard_by(pair.a), ElementsAre(Kind::opened));
  EXPECT_THAT(pair.heard_by(pair.b), ElementsAre(Kind::accepted));
}

TEST(SimTcp, BothAtOnceMakeOneConnectionThatNeitherAccepted) {
  Pair pair;
  pair.a.connect(pair.now, at_a);
  pair.run_for(5ms);
  pair.b.connect(pair.now, at_b);
  pair.run_for(50ms);
  EXPECT_THAT(pair.heard_by(pair.a), ElementsAre(Kind::opened));
  EXPECT_THAT(pair.heard_by(pair.b), ElementsAre(Kind::opened));
  pair.a.send(pair.now, at_a, Bytes{7});
  pair.run_for(50ms);
  std::vector<Bytes> heard;
  pair.heard_by(pair.b, &heard);
  EXPECT_THAT(heard, ElementsAre(Bytes{7}));
}

TEST(SimTcp, WhateverTheWireDoesAllComesAndInOrder) {
  for (const double loss : {0.0, 0.05, 0.1}) {
    Pair pair;
    pair.loss = loss;
    pair.jitter = 20ms;
    pair.b.listen(7000);
    pair.a.connect(pair.now, at_a);
    pair.run_for(30s);
    std::vector<Bytes> sent, heard;
    for (int i = 0; i < 300; ++i) {
      Bytes datagram(1 + pair.random.below(1400));
      pair.random.fill(datagram);
      pair.a.send(pair.now, at_a, datagram);
      sent.push_back(std::move(datagram));
      pair.run_for(50ms);
    }
    pair.run_for(60s);
    pair.heard_by(pair.b, &heard);
    EXPECT_TRUE(heard == sent) << loss << ": " << heard.size() << " of " << sent.size();
  }
}

TEST(SimTcp, WhoIsClosedHearsItAndWhoIsCutOffNotices) {
  Pair pair;
  pair.b.listen(7000);
  pair.a.connect(pair.now, at_a);
  pair.run_for(1s);
  pair.heard_by(pair.a);
  pair.heard_by(pair.b);
  pair.a.close(at_a);
  pair.run_for(1s);
  EXPECT_THAT(pair.heard_by(pair.b), ElementsAre(Kind::ended));

  pair.a.connect(pair.now, at_a);
  pair.run_for(1s);
  pair.heard_by(pair.a);
  pair.loss = 1;
  pair.a.send(pair.now, at_a, Bytes{7});
  pair.run_for(60s);
  EXPECT_THAT(pair.heard_by(pair.a), ElementsAre(Kind::ended));
}

}  // namespace
}  // namespace byway::sim::tcp_test

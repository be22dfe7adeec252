// What sessions have to send may be had before everything else is looked after: poll_data().
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "overlay/overlay.h"
#include "protocol/packet.h"
#include "tests/unit/overlay/cast.h"
#include "tests/unit/protocol/people.h"

namespace byway::data_first_test {
namespace {

using ::testing::SizeIs;

const Bytes question = to_bytes(bytes_of("?"));

// Two leaves with public addresses and their home, in a network that loses nothing and takes no
// time. Between them is a stream, which has been quiet for a while.
class DataFirst : public testing::Test {
 protected:
  void SetUp() override {
    live_until([&] { return ana_->status(now_).ready && bo_->status(now_).ready; });
    const auto stream = ana_->open_stream(now_, bo_->id(), {"echo", {}});
    ASSERT_TRUE(stream);
    asked_ = *stream;
    live_until(
        [&] { return answering_ != 0 && ana_->peer(bo_->id())->path == PathKind::direct_udp; });
    const TimePoint calm = now_ + 3s;
    live_until([&] { return now_ >= calm; });
  }

  // Bo hears what Ana writes into the stream, and does nothing yet.
  void ask() {
    ASSERT_EQ(ana_->write(now_, asked_, question), question.size());
    const auto packet = ana_->poll_data(now_);
    ASSERT_TRUE(packet);
    bo_->on_datagram(now_, {.from = ana_at, .bytes = packet->bytes});
  }
  // Bo's program reads what there is, and writes it back.
  void answer() {
    while (const auto event = bo_->poll_event()) {
      const auto* readable = std::get_if<StreamReadable>(&*event);
      if (!readable || readable->stream != answering_) continue;
      const auto read = bo_->read(now_, answering_, 100);
      heard_ += std::string(read.bytes.begin(), read.bytes.end());
      bo_->write(now_, answering_, read.bytes);
    }
  }
  std::vector<Transmit> all_transmits(Overlay& node) {
    std::vector<Transmit> all;
    while (auto transmit = node.poll_transmit(now_)) all.push_back(std::move(*transmit));
    return all;
  }
  // What Ana reads once these have come.
  std::string read_from(const std::vector<Transmit>& transmits) {
    for (const Transmit& t : transmits)
      if (t.to == ana_at) ana_->on_datagram(now_, {.from = bo_at, .bytes = t.bytes});
    while (ana_->poll_event()) {
    }
    const auto read = ana_->read(now_, asked_, 100);
    return {read.bytes.begin(), read.bytes.end()};
  }

  const Endpoint hub_at = at("192.0.2.1:7000"), ana_at = at("198.51.100.7:7001"),
                 bo_at = at("203.0.113.9:7002");
  std::unique_ptr<Overlay> hub_ = make(2, Role::supernode, hub_at, {});
  std::unique_ptr<Overlay> ana_ = make(1, Role::leaf, ana_at, {{hub_->id(), hub_at}}),
                           bo_ = make(3, Role::leaf, bo_at, {{hub_->id(), hub_at}});
  TimePoint now_ = noon;
  StreamId asked_ = 0, answering_ = 0;
  std::string heard_;

 private:
  static std::unique_ptr<Overlay> make(std::uint8_t who, Role role, const Endpoint& where,
                                       std::vector<Seed> seeds) {
    return std::make_unique<Overlay>(
        OverlayConfig{
            .role = role, .seeds = std::move(seeds), .local_endpoints = {where}, .lan = false},
        person(who), sodium_crypto(), Random(person(who).id().key()), noon, wall_noon);
  }

  // Until then everything goes where it is sent, and who wants to be woken is woken. Nothing is
  // left to be done after it.
  template <typename Done>
  void live_until(Done&& done) {
    const std::map<Endpoint, Overlay*> town{
        {hub_at, hub_.get()}, {ana_at, ana_.get()}, {bo_at, bo_.get()}};
    for (int turns = 0;; ++turns) {
      ASSERT_LT(turns, 20'000) << "it takes too long";
      bool quiet = true;
      std::optional<TimePoint> next;
      for (const auto& [where, node] : town) {
        while (const auto event = node->poll_event()) {
          const auto* opened = std::get_if<StreamOpened>(&*event);
          if (opened && node == bo_.get()) answering_ = opened->stream;
        }
        while (const auto transmit = node->poll_transmit(now_)) {
          quiet = false;
          const auto to = town.find(transmit->to);
          const ByteView bytes = transmit->view();
          const std::size_t size =
              transmit->segment_size == 0 ? bytes.size() : transmit->segment_size;
          for (std::size_t i = 0; to != town.end() && i < bytes.size(); i += size)
            to->second->on_datagram(
                now_, {.from = where, .bytes = bytes.subspan(i, std::min(size, bytes.size() - i))});
        }
        const auto alarm = node->next_timeout();
        if (alarm && (!next || *alarm < *next)) next = alarm;
      }
      if (!quiet) continue;
      if (done()) return;
      ASSERT_TRUE(next);
      now_ = std::max(now_, *next);
      for (const auto& [where, node] : town) {
        const auto alarm = node->next_timeout();
        if (alarm && *alarm <= now_) node->on_timeout(now_);
      }
    }
  }
};

TEST_F(DataFirst, AnAnswerLeavesBeforeAnythingElseIsLookedAfter) {
  ask();
  answer();
  EXPECT_EQ(heard_, "?");
  auto packet = bo_->poll_data(now_);
  ASSERT_TRUE(packet);
  EXPECT_FALSE(bo_->poll_data(now_));
  std::vector<Transmit> first;
  first.push_back(std::move(*packet));
  EXPECT_EQ(read_from(first), "?");
}

TEST_F(DataFirst, WhoNeverAsksForItGetsTheSameLater) {
  ask();
  answer();
  EXPECT_EQ(read_from(all_transmits(*bo_)), "?");
}

TEST_F(DataFirst, TheRestIsLookedAfterAllTheSame) {
  ask();
  answer();
  ASSERT_TRUE(bo_->poll_data(now_));
  ASSERT_FALSE(bo_->poll_data(now_));
  all_transmits(*bo_);
  // Its packet is not acknowledged, and the session's own clock says when to say it again.
  const TimePoint answered = now_;
  for (bool again = false; !again;) {
    const auto alarm = bo_->next_timeout();
    ASSERT_TRUE(alarm);
    ASSERT_LT(*alarm - answered, 300ms);
    now_ = std::max(now_, *alarm);
    bo_->on_timeout(now_);
    for (const Transmit& t : all_transmits(*bo_))
      again |= t.to == ana_at && classify(t.view()) == PacketKind::quic_short;
  }
}

TEST_F(DataFirst, WhatMustBeSettledBeforeIsNotOvertaken) {
  ask();
  answer();
  // Somebody new is called: whom to ask for the way is not a matter of sessions.
  ASSERT_TRUE(bo_->open_stream(now_, person(9).id(), {"echo", {}}));
  EXPECT_FALSE(bo_->poll_data(now_));
  const auto transmits = all_transmits(*bo_);
  EXPECT_THAT(transmits, SizeIs(testing::Ge(2u)));
  EXPECT_EQ(transmits.front().to, hub_at);
  EXPECT_EQ(read_from(transmits), "?");
}

}  // namespace
}  // namespace byway::data_first_test

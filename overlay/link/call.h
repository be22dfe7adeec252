// Gets the first message to a peer: asks one home after another to pass it on.
//
// The homes are asked 150 ms apart, so that a dead one costs little; one that does not answer is
// asked again. Done when the peer answers, or failed: every home said no, or time ran out.
//
//   resting --start--> calling --the peer answered--> resting
//                         '----everybody said no, or 10 s---> failed
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocol/message.h"
#include "protocol/time.h"

namespace byway {

class Call {
 public:
  enum class State : std::uint8_t { resting, calling, failed };

  void start(TimePoint now, const std::vector<NodeId>& homes);
  // A home that was gained while calling: asked as well.
  void add_home(TimePoint now, const NodeId& home);
  void on_result(const NodeId& home, IntroduceOutcome outcome);
  void on_home_lost(const NodeId& home);
  void on_answered() { state_ = State::resting; }

  // Ask this home (again).
  std::optional<NodeId> poll_ask(TimePoint now);
  void on_timeout(TimePoint now);
  std::optional<TimePoint> next_timeout() const;

  State state() const { return state_; }
  // Why it failed, as the end of a sentence about the peer: "it is not registered at …".
  std::string why() const;

 private:
  struct Home {
    NodeId id;
    TimePoint ask_at;
    Duration gap;
    bool asked = false;
    std::optional<IntroduceOutcome> outcome;
  };
  bool all_refused() const;

  State state_ = State::resting;
  TimePoint deadline_{};
  std::vector<Home> homes_;
};

}  // namespace byway

// Opens a direct path between two peers that may both sit behind NATs.
//
// An introducer tells each side where the other may be; then both knock at the same moment. Our
// knock opens our own NAT, and the peer's knock walks in through it. The relay carries traffic
// until a knock is answered, so trying costs a few datagrams.
//
//   resting --start--> knocking --a path is proved--> open
//                          '----all knocks silent---> failed --start--> knocking (the next round)
//
// A candidate that needs no simultaneity (a public address of the peer's own, one that its router
// maps to it, or one on our own network) is knocked at at once; the others wait for the agreed
// moment, since a knock that arrives uninvited can spoil the mapping that it wanted to use.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "protocol/message.h"
#include "protocol/time.h"

namespace byway {

class Punch {
 public:
  enum class State : std::uint8_t { resting, knocking, open, failed };

  // The candidates have been through knockable(). `moment`: when both sides knock.
  void start(TimePoint now, TimePoint moment, const std::vector<Candidate>& candidates);
  void on_direct_path() { state_ = State::open; }
  // The peer is who it should be: until then no more than 16 knocks leave.
  void on_confirmed() { confirmed_ = true; }
  // A ping of ours was answered from there: no stranger's address any more.
  void on_heard_from(const IpAddress& address);
  // Allows another round after a direct path was lost.
  void rest() { state_ = State::resting; }

  struct Knock {
    Candidate candidate;
    bool stranger;  // to be paid for from the budget
  };
  std::optional<Knock> poll_knock(TimePoint now);
  void on_timeout(TimePoint now);
  std::optional<TimePoint> next_timeout() const;

  State state() const { return state_; }
  int rounds() const { return rounds_; }
  int knocks() const { return knocks_; }  // over all rounds
  std::size_t targets() const { return targets_.size(); }
  std::size_t remembered() const { return spent_.size(); }  // addresses

 private:
  struct Target {
    Candidate candidate;
    TimePoint first;
    std::size_t sent = 0;
    std::size_t limit = 0;
  };
  std::optional<TimePoint> due(const Target& target) const;
  bool allowed(const Target& target) const;

  State state_ = State::resting;
  bool confirmed_ = false;
  int rounds_ = 0;
  int knocks_ = 0;
  std::vector<Target> targets_;
  TimePoint deadline_{};
  // To each address in this introduction; -1: it answered.
  std::map<IpAddress, int> spent_;
};

}  // namespace byway

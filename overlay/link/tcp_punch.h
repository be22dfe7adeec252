// Opens a TCP connection between two peers that both sit behind NATs, for a pair of which one
// side has no UDP: both connect to the other at the same moment (simultaneous open, RFC 9293,
// section 3.5; RFC 5382 asks NATs to let it through).
//
// Our SYN opens our own NAT, and the peer's SYN walks in through it: it is enough that one of the
// two arrives after the other has left, so the kernel's own repetition is seldom needed. A SYN
// that comes too early is dropped by most NATs and costs nothing; some answer it with a reset,
// which ends the attempt, and then it is begun again a little later. An attempt of ours that the
// peer's came before is the same connection: it is accepted, not opened.
//
//   resting --start--> trying --a path is proved--> open
//                         '----2.5 s---------------> failed --start--> trying (the next round)
//
// A public address of the peer's own needs no simultaneity and is tried at once. A port that is
// only guessed is tried once.
#pragma once

#include <optional>
#include <vector>

#include "overlay/core/io.h"
#include "protocol/message.h"
#include "protocol/time.h"

namespace byway {

class TcpPunch {
 public:
  enum class State : std::uint8_t { resting, trying, open, failed };

  // The candidates have been through tcp_knockable(). `moment`: when both sides connect. Told again
  // within two seconds of it the moment stands, and only what is new is tried as well. True: a
  // new round, and the attempts of the one before are to be given up.
  bool start(TimePoint now, TimePoint moment, const std::vector<Candidate>& candidates);
  void on_direct_path() { state_ = State::open; }
  void rest() { state_ = State::resting; }
  // An attempt ended without a connection.
  void on_ended(TimePoint now, const Endpoint& to, TcpEnd why);

  // Connect to this now.
  std::optional<Endpoint> poll_attempt(TimePoint now);
  void on_timeout(TimePoint now);
  std::optional<TimePoint> next_timeout() const;

  State state() const { return state_; }
  int rounds() const { return rounds_; }
  int attempts() const { return attempts_; }  // over all rounds

 private:
  struct Target {
    Candidate candidate;
    std::optional<TimePoint> next;  // none: under way, or done with
    std::size_t refused = 0;
  };

  State state_ = State::resting;
  int rounds_ = 0;
  int attempts_ = 0;
  std::vector<Target> targets_;
  TimePoint moment_{};
};

// What is left of `offered`: TCP, public, at port 443 or above 1023, and none of our own. Not more
// than eight: a candidate is a stranger's claim, and a connection costs more than a knock.
std::vector<Candidate> tcp_knockable(const std::vector<Candidate>& offered,
                                     const std::vector<Candidate>& own);

}  // namespace byway

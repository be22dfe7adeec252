// How far away are those? Asked before a home is dialled, of more supernodes than are wanted.
//
// The question is STUN's (RFC 8489), which every supernode answers on the port of everything else:
// 20 bytes tell whether somebody is there at all, and how long it takes, where a handshake with the
// dead costs 2 kB and twelve seconds. The answers are not authenticated: each counts only from the
// address asked and with the 96-bit transaction that was drawn for it, and all it can do is to put
// one supernode before another. Who is not answered may be dead, or its rate of answers used up
// (20 a second to a /24), or UDP does not get through here: that is no more than an objection.
//
//   resting --ask--> asking --all have answered, or time is up--> told, resting
//
// An unanswered question is asked again, with another transaction, so that nobody mistakes the late
// answer to the first for a quick one to the second. Where only the slowest are missing they are
// not waited for longer than as long again as the others took.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "overlay/core/io.h"
#include "protocol/identity.h"
#include "protocol/random.h"
#include "protocol/stun.h"

namespace byway {

class DistanceProbe {
 public:
  explicit DistanceProbe(Random random) : random_(std::move(random)) {}

  struct Whom {
    NodeId id;
    Endpoint endpoint;
  };
  struct Answer {
    NodeId id;
    std::optional<Duration> rtt;  // none: it did not answer
  };

  // What is still being asked is forgotten.
  void ask(TimePoint now, std::span<const Whom> whom);
  // True when it answers a question of ours.
  bool on_stun(TimePoint now, SocketId socket, const Endpoint& from, ByteView response);

  std::optional<Transmit> poll_transmit(TimePoint now);
  // Once, when all have answered or had their time.
  std::optional<std::vector<Answer>> poll_answers(TimePoint now);
  bool is_asking() const { return !questions_.empty(); }
  std::optional<TimePoint> next_timeout() const;

 private:
  struct Sent {
    StunTransaction transaction{};
    TimePoint at{};
  };
  struct Question {
    Whom whom;
    std::vector<Sent> sent;
    std::optional<Duration> rtt;
  };
  std::optional<TimePoint> due(const Question& question) const;
  TimePoint over_at() const;

  Random random_;
  TimePoint begun_{};
  std::vector<Question> questions_;
};

}  // namespace byway

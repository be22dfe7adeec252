// Takes samples of how our NAT gives ports: fresh sockets ask supernodes for their address, by
// STUN (RFC 8489), one right after another.
//
//   resting --start--> asking --all have answered, or time is up--> done
//
// Who is not answered asks again, from the same socket: that makes no new mapping. The answers are
// not authenticated; each counts only from the supernode that was asked, on the socket that asked,
// with the 96-bit transaction id that was drawn for it. Who sits on the way and forges them can
// only make a punch fail.
//
// Before that the first socket sends its first question with 2, 3 … hops to live: with one hop less
// than reached the supernode, a packet passes our own NAT and dies soon after.
#pragma once

#include <optional>
#include <vector>

#include "overlay/core/io.h"
#include "overlay/link/port_prediction.h"
#include "protocol/random.h"
#include "protocol/stun.h"

namespace byway {

class PortSampler {
 public:
  // In this order; of the sockets the first one first, to every supernode.
  void start(TimePoint now, const std::vector<SocketId>& sockets,
             const std::vector<Endpoint>& supernodes, bool with_hops, Random& random);
  void stop() { questions_.clear(); }

  struct Question {
    SocketId socket;
    Endpoint to;
    StunTransaction transaction;
    std::uint8_t hops;  // 0: the system's
  };
  std::optional<Question> poll(TimePoint now);
  // True when it answers a question of ours.
  bool on_answer(SocketId socket, const Endpoint& from, ByteView response);
  bool done(TimePoint now) const;
  std::optional<TimePoint> next_timeout() const;

  bool idle() const { return questions_.empty(); }
  // What was answered, in the order in which it was asked.
  std::vector<PortSample> samples() const;
  std::optional<IpAddress> address() const;  // as the first that answered sees it
  // Hops that pass our own NAT and reach no supernode; none: more than were tried.
  std::optional<std::uint8_t> hops_to_pass() const;
  // Where this socket is seen, by anybody.
  std::optional<Endpoint> seen_of(SocketId socket) const;

 private:
  struct Asked {
    Question question;
    TimePoint sent{};
    std::size_t sends = 0;
    std::optional<Endpoint> seen;
  };
  std::optional<TimePoint> due(const Asked& asked) const;

  TimePoint begun_{};
  std::vector<Asked> questions_;
};

}  // namespace byway

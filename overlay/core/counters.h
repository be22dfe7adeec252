// Numbers for three readers: the operator, the test, and the fuzzer's invariant
// (every arrival is either used or dropped for one named reason).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace byway {

#define BYWAY_DROPS(X)                                                         \
  X(empty, "empty datagram")                                                   \
  X(unknown_kind, "first byte of no known kind")                               \
  X(malformed, "framing not as its kind demands")                              \
  X(undecodable, "sealed or handshake content that does not decode")           \
  X(bad_mac, "handshake without the right mac1")                               \
  X(no_cookie, "handshake under load without a valid cookie")                  \
  X(bad_handshake, "handshake that does not open, or names another key")       \
  X(stale_handshake, "handshake replayed or with a clock too far off")         \
  X(unwanted_handshake, "handshake answer that nobody waits for")              \
  X(unknown_session, "sealed for no session of ours")                          \
  X(unauthentic, "sealed, but not by the session's peer")                      \
  X(replayed, "sealed message seen before or too old")                         \
  X(unexpected, "a message that makes no sense now")                           \
  X(unknown_lane, "relay frame of an unknown lane or from another address")    \
  X(lane_budget, "relay frame over the lane's or the node's budget")           \
  X(quic_unknown, "QUIC packet of no session, or from somebody not accepted")  \
  X(stun_rate, "STUN request over the rate, or not a Binding request")         \
  X(oversize_answer, "an answer that would have been larger than its request") \
  X(unwanted_dialback, "dial-back or echo that nobody asked for")              \
  X(lan_other, "question in the local network about somebody else")            \
  X(lan_unasked, "answer in the local network that nobody asked for")          \
  X(lan_rate, "question in the local network over the rate")                   \
  X(quota, "introduction over its quota")                                      \
  X(unknown_connection, "came by a TCP connection that is closed")             \
  X(survey_rate, "survey question over its rate")                              \
  X(probe_quota, "question about a NAT over its quota, or too small")          \
  X(handshake_queue, "handshake behind too many others")                       \
  X(owner_busy, "heard by a forwarding thread while the node was too busy")

enum class Drop : std::uint8_t {
#define X(name, text) name,
  BYWAY_DROPS(X)
#undef X
};
#define X(name, text) +1
constexpr std::size_t drop_kinds = 0 BYWAY_DROPS(X);
#undef X
std::string_view name_of(Drop drop);
std::string_view explain(Drop drop);

struct Counters {
  std::uint64_t datagrams_in = 0;
  std::uint64_t datagrams_used = 0;  // datagrams_in == datagrams_used + all drops
  std::uint64_t datagrams_out = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t relayed_datagrams = 0;
  std::uint64_t relayed_bytes = 0;
  std::uint64_t relayed_by_others = 0;  // datagrams of those: by threads beside the node's own
  std::uint64_t knocks_sent = 0;
  std::uint64_t punches_opened = 0;
  std::uint64_t punches_given_up = 0;
  std::uint64_t handshakes_answered = 0;
  std::uint64_t handshakes_evicted = 0;  // unconfirmed ones that made room
  std::uint64_t cookies_sent = 0;
  std::uint64_t stun_answered = 0;
  std::uint64_t introductions_passed = 0;
  std::uint64_t quic_refused_frames = 0;
  std::uint64_t tcp_opened = 0;    // connections that we asked for, and that stood
  std::uint64_t tcp_accepted = 0;  // by others
  std::uint64_t tcp_refused = 0;   // by others, over the limits
  std::uint64_t tcp_unproved = 0;  // closed because nobody proved to be at the other end
  std::uint64_t tcp_attempts = 0;  // connections asked for in punching
  std::uint64_t surveys_answered = 0;
  std::array<std::uint64_t, drop_kinds> drops{};

  void drop(Drop reason, std::uint64_t count = 1) {
    drops[static_cast<std::size_t>(reason)] += count;
  }
  std::uint64_t dropped(Drop reason) const { return drops[static_cast<std::size_t>(reason)]; }
  std::uint64_t dropped() const;
};

}  // namespace byway

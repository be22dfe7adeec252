// Asks one router, by PCP, to let strangers in at a port of ours: the client's side of RFC 6887.
//
// One question at a time, to one server, from one address of ours. Whoever uses it carries the
// bytes, tells the time, and reads what came out:
//
//   idle --announce(), map(), unmap()--> asking --its answer--> idle, with an outcome
//                                        |   ^  '--nobody answers: again, three times; then
//                                        |   |      silent--> idle
//                                        '---'
//   (a refused unmap() goes on by itself: the mapping is asked for once more, for a second)
//
// A mapping is recognised by its nonce, drawn when it is first asked for and the same for as long
// as this object lives: renewing and removing take it. A renewal suggests the port that was
// assigned before, so that a router that was started anew gives the same one if it can. No address
// is ever suggested: a router has one, and it may be another one by now.
//
// Every answer tells the router's epoch. If that runs behind what it should be by our clock, the
// router has forgotten its mappings (has_restarted()), and all have to be asked for again.
//
// The router may be anybody. What does not come from the server's endpoint, is not built like an
// answer, or answers something else (nonce, protocol, port) is counted and forgotten, and the
// question stays open. Lifetimes are cut to what limits::pcp believes. Whether the endpoint that is
// named is ours is not known here.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "overlay/reach/router_epoch.h"
#include "protocol/pcp.h"
#include "protocol/random.h"
#include "protocol/time.h"

namespace byway {

class PcpClient {
 public:
  // `own`: the address that the questions are sent from.
  PcpClient(Random random, const Endpoint& server, const IpAddress& own);

  // --- commands; each takes the place of a question that is still open ---
  // Is there a server, and since when?
  void announce(TimePoint now);
  // `wish`: the outside port suggested the first time.
  void map(TimePoint now, Proto proto, std::uint16_t inside, std::uint16_t wish, Duration lifetime);
  void unmap(TimePoint now, Proto proto, std::uint16_t inside);

  // --- facts ---
  // True: it answers what was asked.
  bool on_datagram(TimePoint now, const Endpoint& from, ByteView datagram);
  void on_timeout(TimePoint now);

  // --- decisions; drain after every input ---
  std::optional<Bytes> poll_transmit();  // to the server
  std::optional<TimePoint> next_timeout() const;
  enum class Kind : std::uint8_t {
    there,   // ANNOUNCE was answered: the server speaks PCP
    mapped,  // and until when, and where
    removed,
    refused,
    no_pcp,  // it speaks another version, NAT-PMP perhaps
    silent
  };
  struct Outcome {
    Kind kind = Kind::silent;
    Endpoint outside{};
    Duration lifetime{};
    PcpCode code = PcpCode::success;  // of a refusal
  };
  std::optional<Outcome> poll_outcome();

  // --- what is known ---
  // Whether the server has forgotten its mappings since this was last asked.
  bool take_restart() { return std::exchange(restarted_, false); }
  std::uint64_t ignored() const { return ignored_; }  // datagrams that were no answer
  const Endpoint& server() const { return server_; }
  const IpAddress& own() const { return own_; }

 private:
  enum class Wish : std::uint8_t { announce, map, unmap, shorten };
  struct Asking {
    Wish wish;
    PcpQuestion question;
    TimePoint due;  // to be sent again
    Duration wait;
    int sent = 0;
  };
  using MapKey = std::pair<Proto, std::uint16_t>;

  void ask(TimePoint now, Wish wish, PcpQuestion question);
  PcpMap& known(Proto proto, std::uint16_t inside);
  void end(const Outcome& outcome);
  void on_map(const PcpAnswer& answer);
  void on_refusal(TimePoint now, const PcpAnswer& answer);
  bool is_answer(const PcpAnswer& answer) const;

  Random random_;
  Endpoint server_;
  IpAddress own_;
  std::map<MapKey, PcpMap> maps_;
  // Errors that say for how long they hold; the same is not asked before.
  std::map<MapKey, std::pair<TimePoint, PcpCode>> refused_;
  std::optional<Asking> asking_;
  std::optional<Bytes> transmit_;
  std::optional<Outcome> outcome_;
  RouterEpoch epoch_;
  bool restarted_ = false;
  std::uint64_t ignored_ = 0;
};

}  // namespace byway

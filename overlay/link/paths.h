// The ways to one node: which are proved to work both ways, which is best, and whether the one in
// use still works.
//
// A path is proved when a ping that went out on it was answered over it. Only pings and pongs
// count: a packet that merely arrived proves one direction. Direct beats relay; within a tier a
// path has to be 5 ms quicker to be preferred, so that traffic does not flap.
//
//   added --pong--> proved --no pong for 3 s--> removed (who sends from it again starts over)
//     '----unanswered: removed
//
// A path that carries data is pinged every second, an idle one only as its keepalive says. A late
// answer is asked for again every 500 ms; with two of them missing the path is doubted and traffic
// goes another way if there is one; what stays silent for 3 s is left. A new path puts the others
// to the test, so that a peer whose address has moved is followed at once.
//
// A path in use is asked with pings as large as its data, and only what is asked again is small: so
// a path that has ceased to carry large packets is told from one that carries nothing.
#pragma once

#include <optional>
#include <vector>

#include "overlay/core/events.h"
#include "overlay/core/foresight.h"
#include "overlay/link/route.h"
#include "protocol/message.h"
#include "protocol/random.h"

namespace byway {

// A supernode keeps one for each of its leaves: the small members stand together.
struct Path {
  Route route;
  Method method = Method::none;
  bool proved = false;
  // Bookkeeping of Paths, as is everything after packet_size.
  bool chosen = false;           // the best one
  std::uint8_t size_probes = 0;  // of the size that is being tried
  std::uint8_t large_lost = 0;   // large pings in a row that only small ones survived
  std::uint8_t pings_left = 0;   // while unproved
  bool measured = false;         // by a pong: how long a handshake took is only a first guess
  int unanswered = 0;

  NodeId via;                          // the relay; nobody when direct
  Duration rtt{};                      // smoothed; 0 until measured
  std::optional<TimePoint> proved_at;  // since when it works
  std::size_t packet_size = 0;         // largest datagram known to pass

  std::optional<Duration> keepalive;
  std::optional<TimePoint> next_ping;
  std::optional<TimePoint> unanswered_since;
  TimePoint last_ping{};
  std::optional<TimePoint> last_data;
  struct Asked {
    std::uint64_t nonce;
    TimePoint at;
    std::size_t size;  // of the whole datagram, where it is a probe of size; else 0
  };
  std::vector<Asked> asked;  // the last few pings
  std::optional<TimePoint> next_size_probe;

  bool doubted() const { return unanswered > 2; }  // answers to the last pings are missing
  PathKind kind() const {
    if (route.relayed()) return PathKind::relay;
    return route.proto == Proto::udp ? PathKind::direct_udp : PathKind::direct_tcp;
  }
};

class Paths {
 public:
  explicit Paths(Random random) : random_(std::move(random)) {}

  struct Traits {
    Method method = Method::none;
    NodeId via;
    std::optional<Duration> keepalive;  // none: the other end keeps it alive
  };
  // A way worth trying: pinged a few times at once, unless it is known already. Where there is no
  // room an unproved one makes it.
  void add(TimePoint now, const Route& route, const Traits& traits);
  // Pings once, now; for knocks, which keep their own time. Adds the path without more pings.
  std::optional<Ping> knock(TimePoint now, const Route& route, const Traits& traits);
  // Puts a proved path to the test now.
  std::optional<Ping> ping(TimePoint now, const Route& route);
  // Proved by other means: a handshake went both ways on it.
  void prove(TimePoint now, const Route& route, const Traits& traits, std::optional<Duration> rtt);
  void on_data_sent(TimePoint now, const Route& route);
  // True when this pong proved the path. Unknown nonces are ignored.
  bool on_pong(TimePoint now, const Route& route, std::uint64_t nonce);
  // The node has one socket, and this is where it is now: what was proved before has to answer
  // before it is used again.
  void follow(TimePoint now, const Route& route);
  // Nothing is certain any more: every proved path has to answer now, with its full time to do so.
  void test_all(TimePoint now);
  // We are at another address: what led straight to the node has to answer before it is used
  // again, where there is a lane to use meanwhile.
  void doubt_direct(TimePoint now);
  void remove_lane(LaneId lane);
  void remove_connection(TcpId connection);  // it is closed: what it carried is lost
  void set_keepalive(const Route& route, std::optional<Duration> keepalive);
  // From now on finds out how large packets may be on this path, in steps; where large ones cease
  // to pass while it is in use, it goes back to the size that every path carries.
  void find_size(TimePoint now, const Route& route);
  // The next keepalive of a path that carries nothing now, at another moment than was drawn.
  void keep_alive_at(TimePoint now, const Route& route, TimePoint at);
  // Try the size on this path; a pong to it raises packet_size.
  std::optional<Ping> probe_size(TimePoint now, const Route& route, std::size_t size);

  struct Probe {
    Route route;
    Ping ping;
  };
  std::optional<Probe> poll_ping(TimePoint now);
  // Paths that were left since the last call, proved ones only.
  std::vector<Path> take_lost();
  void on_timeout(TimePoint now);
  std::optional<TimePoint> next_timeout() const;

  // A proved path has not answered in time.
  bool is_worried() const;
  const Path* best() const;
  const Path* best_of(PathKind kind) const;
  const Path* find(const Route& route) const;
  const std::vector<Path>& all() const { return paths_; }
  bool empty() const { return paths_.empty(); }
  void foresee() const { ask_for(paths_.data(), paths_.size() * sizeof(Path)); }

 private:
  Path* lookup(const Route& route);
  Path& insert(const Route& route, const Traits& traits);
  Ping check(TimePoint now, Path& path);
  Ping ask(TimePoint now, Path& path, std::size_t size = 0);
  std::optional<Ping> next_size_probe(TimePoint now, Path& path);
  void notice_size(TimePoint now, Path& path, std::size_t answered);
  void schedule(TimePoint now, Path& path);
  void doubt(TimePoint now, Path& path);
  void test_others(TimePoint now, const Path& newcomer);
  Duration late_after(const Path& path) const;
  void choose();

  Random random_;
  std::vector<Path> paths_;
  std::vector<Path> lost_;
};

}  // namespace byway

// What happened, datagram by datagram: the first thing to read when a test fails.
//
//      0.040 s  ana 192.168.1.10:7000 as 20.1.113.7:7000 -> hub 21.1.113.7:7000  handshake1  1200 B
//      delivered after 20.2 ms 0.061 s  bo: home gained …
//
// One line is written when a datagram's fate is known. The last `size` lines are kept; the hash
// covers all of them, so two runs of one seed can be compared without keeping either. It covers
// times, routes, kinds, sizes and fates but not contents: TLS draws key shares of its own.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "protocol/endpoint.h"
#include "protocol/packet.h"
#include "protocol/time.h"

namespace byway::sim {

// A host or router of the simulated internet, by number.
using StationId = std::uint32_t;

enum class Fate : std::uint8_t {
  delivered,
  lost,           // chance, on some wire
  cut,            // a cut or partition between the two ends
  no_mapping,     // a NAT knows nobody inside for it
  filtered,       // a NAT knows whom it is for, but not this sender
  no_hairpin,     // the NAT does not turn packets round
  blocked,        // the NAT does not let it out, or has no port left
  no_such_host,   // nobody has this address
  not_listening,  // the host is there, but not this port
  expired,        // its TTL ran out
  too_big,        // larger than the wire's MTU allows
  unplugged       // an end is off the network
};
constexpr std::size_t fate_kinds = static_cast<std::size_t>(Fate::unplugged) + 1;
std::string_view to_string(Fate fate);

struct PacketLine {
  TimePoint sent;
  TimePoint decided;
  StationId origin = 0;
  StationId at = 0;  // where its fate was decided: the receiver, or who dropped it
  Endpoint from;     // as the sender wrote it
  Endpoint seen_as;  // as the last NAT on the way rewrote it
  Endpoint to;       // as the sender wrote it
  PacketKind kind = PacketKind::unknown;
  std::optional<PacketKind> relayed;  // what a relay frame carries
  std::size_t size = 0;
  Fate fate = Fate::delivered;
  bool copy = false;                // the wire made a second one
  std::optional<std::uint8_t> tcp;  // a segment, with these flags (tcp.h)
};

class Story {
 public:
  // `size` lines are kept; 0 tells no story and hashes nothing. Times are shown since `start`.
  Story(std::size_t size, TimePoint start) : size_(size), start_(start) {}

  void name(StationId station, std::string name);
  const std::string& name_of(StationId station) const { return names_[station]; }

  bool is_told() const { return size_ > 0; }
  void packet(const PacketLine& line);
  void note(TimePoint now, StationId station, std::string text);

  // The last `lines` lines, oldest first.
  std::string text(std::size_t lines = 400) const;
  std::uint64_t hash() const { return hash_; }
  std::string in_words(const PacketLine& line) const;

 private:
  struct Note {
    TimePoint at;
    StationId station;
    std::string text;
  };
  using Line = std::variant<PacketLine, Note>;

  void keep(Line line);
  void mix(std::uint64_t value);
  void mix(std::string_view text);
  void mix(const Endpoint& endpoint);

  std::size_t size_;
  TimePoint start_;
  std::vector<std::string> names_;
  std::deque<Line> lines_;
  std::uint64_t told_ = 0;
  std::uint64_t hash_ = 0xcbf29ce484222325u;  // FNV-1a
};

}  // namespace byway::sim

// Which port will a NAT give to the next new mapping?
//
// Fresh sockets have just asked supernodes for their address, one after another, each a mapping of
// its own. What they got says how the NAT chooses:
//
//   sequential   the next one, or the one after so many (delta): the counter can be extrapolated.
//                Other hosts behind the same NAT draw from it too, so the guess is a run of ports
//   block        by chance out of a few: those of a carrier's customer (RFC 7422)
//   random       by chance out of all (RFC 6056): nothing to be predicted, only to be found
//
// For a counting NAT the number of other mappings made between our last sample and our packet
// decides. It is taken as Poisson, with a rate that the samples themselves tell something of:
// gaps of more than one delta were other people's.
//
// Units: ports, and times as the sender's clock tells them. No state, no chance: pure functions.
#pragma once

#include <span>
#include <vector>

#include "protocol/message.h"
#include "protocol/time.h"

namespace byway {

// One fresh mapping, as a supernode saw it. Samples are in the order in which they were sent.
struct PortSample {
  std::uint16_t port = 0;
  TimePoint sent{};
};

struct PortForecast {
  Ports ports = Ports::unknown;  // sequential, block or random; unknown: too few samples
  std::uint16_t last = 0;        // the newest sample's
  TimePoint at{};                // when that left
  std::int16_t delta = 0;        // sequential
  std::uint16_t lowest = 0;      // of the samples
  std::uint16_t highest = 0;
  int others = 0;      // mappings of other hosts seen between the samples
  Duration watched{};  // in this time
  bool operator==(const PortForecast&) const = default;
};

PortForecast forecast(std::span<const PortSample> samples);

struct PortGuess {
  std::uint16_t port = 0;
  int others = 0;   // if so many other mappings are made before it
  double odds = 0;  // that the mapping gets this port
};
// For a mapping made `elapsed` after the last sample; sequential only, likeliest first.
std::vector<PortGuess> guesses(const PortForecast& forecast, Duration elapsed);
// How many ports to pass over, so that the `width` after them hold the most of the odds: 0 but
// where others use the NAT a lot.
int passed_over(const PortForecast& forecast, Duration elapsed, std::size_t width);

// What a peer is to try, given only where the counter stood: last + 1 … 16 delta, the same again
// (one of them may be lost), up to 50 either way, and the first once more.
std::vector<std::uint16_t> ports_to_try(std::uint16_t last, std::int16_t delta);

// `steps` deltas further on, never among the ports that are not given.
std::uint16_t port_after(std::uint16_t port, std::int16_t delta, int steps);

}  // namespace byway

#include "overlay/reach/nat_behaviour.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <numeric>
#include <vector>

#include "overlay/reach/nat_limits.h"

namespace byway {
namespace {

namespace nat = limits::nat;

std::vector<int> differences(std::span<const MappedPort> samples) {
  std::vector<int> all;
  for (std::size_t i = 1; i < samples.size(); ++i)
    all.push_back(static_cast<std::int16_t>(samples[i].outside - samples[i - 1].outside));
  return all;
}

// One port after the other, in steps. Others' flows come in between and make a step a multiple;
// at the end of its range the NAT begins anew, which is the one leap allowed.
PortVerdict judge_steps(std::span<const MappedPort> samples) {
  const std::vector<int> steps = differences(samples);
  const auto count = [&](auto&& holds) {
    return static_cast<std::size_t>(std::count_if(steps.begin(), steps.end(), holds));
  };
  const auto up = count([](int d) { return d > 0 && d <= nat::largest_step; });
  const auto down = count([](int d) { return d < 0 && d >= -nat::largest_step; });
  const int sign = up >= down ? 1 : -1;
  const std::size_t regular = std::max(up, down);
  const auto leaps = count([](int d) { return std::abs(d) > nat::largest_step; });
  if (steps.size() < 3 || leaps > 1 || regular + leaps < steps.size()) return {};

  // Every step is a multiple of the NAT's own.
  int delta = 0;
  for (const int step : steps)
    if (std::abs(step) <= nat::largest_step) delta = std::gcd(delta, step);
  delta *= sign;
  const std::size_t times = count([&](int d) { return d == delta; });
  PortVerdict verdict{.ports = Ports::sequential, .delta = static_cast<std::int16_t>(delta)};
  // Ports drawn from a small block may rise by chance, but hardly by equal steps, or often.
  const bool even = times * 2 >= steps.size() && times >= 2;
  verdict.sure =
      samples.size() >= nat::samples_sized || (samples.size() >= nat::samples_told && even);
  return verdict;
}

// The smallest block of a usual size, at a usual place, that holds all samples; where none does,
// the size that samples so far apart come from on average (the largest of n is at n of n + 1).
std::uint32_t block_around(std::uint32_t lowest, std::uint32_t highest, std::size_t samples) {
  for (std::uint32_t size = 64; size <= nat::largest_block; size *= 2)
    for (const std::uint32_t base : {0u, 1024u})  // some count from the first port they give out
      if (lowest >= base && (lowest - base) / size == (highest - base) / size) return size;
  const std::uint32_t spread = highest - lowest + 1;
  const auto expected = static_cast<std::uint32_t>(spread * (static_cast<double>(samples) + 1) /
                                                   (static_cast<double>(samples) - 1));
  return std::min(std::bit_ceil(expected), nat::largest_block);
}

}  // namespace

Behaviour judge_mapping(const Sightings& seen) {
  if (seen.unchanged) return Behaviour::none;
  if (!seen.there) return Behaviour::unknown;
  if (seen.there_other_port && seen.there_other_port != seen.there)
    return Behaviour::address_port_dependent;
  if (!seen.elsewhere) return Behaviour::unknown;
  if (seen.elsewhere == seen.there) return Behaviour::endpoint_independent;
  // At the least by address. Without the other port's word it may be by port as well, and whoever
  // relies on this should expect so.
  return seen.there_other_port ? Behaviour::address_dependent : Behaviour::address_port_dependent;
}

PortVerdict judge_ports(std::span<const MappedPort> samples) {
  const std::size_t count = samples.size();
  if (count == 0) return {};
  const auto kept = static_cast<std::size_t>(
      std::count_if(samples.begin(), samples.end(),
                    [](const MappedPort& s) { return s.local != 0 && s.local == s.outside; }));
  if (kept == count) return {.ports = Ports::preserved, .sure = count >= nat::samples_kept};
  // A port that somebody else had already is another one; the NAT still tries to keep them.
  if (kept * 4 >= count * 3) return {.ports = Ports::preserved, .sure = count >= nat::samples_told};

  if (const PortVerdict steps = judge_steps(samples); steps.ports != Ports::unknown) return steps;

  const auto [lowest, highest] = std::minmax_element(
      samples.begin(), samples.end(),
      [](const MappedPort& a, const MappedPort& b) { return a.outside < b.outside; });
  const std::uint32_t spread = highest->outside - lowest->outside + 1u;
  if (spread > nat::largest_block || count < 3)
    return {.ports = Ports::random, .sure = count >= nat::samples_told};
  return {.ports = Ports::block,
          .block_size =
              static_cast<std::uint16_t>(block_around(lowest->outside, highest->outside, count)),
          .sure = count >= nat::samples_sized};
}

Behaviour judge_filtering(const Arrivals& arrivals) {
  if (arrivals.stranger.value_or(false)) return Behaviour::endpoint_independent;
  if (arrivals.other_port == false) return Behaviour::address_port_dependent;
  if (arrivals.other_port == true && arrivals.stranger == false)
    return Behaviour::address_dependent;
  return Behaviour::unknown;
}

}  // namespace byway

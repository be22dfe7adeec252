#include "overlay/link/port_prediction.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "overlay/link/hard_limits.h"

namespace byway {
namespace {

constexpr int largest_gap = 8;  // deltas between two samples that still count as a run
constexpr int guesses_made = 64;

// From one port to another, around the corner where that is nearer.
int step_between(std::uint16_t from, std::uint16_t to) {
  return static_cast<std::int16_t>(static_cast<std::uint16_t>(to - from));
}

// How many deltas a step is; 0: it is none.
int deltas_in(int step, int delta) {
  if (step % delta != 0) return 0;
  const int count = step / delta;
  return count >= 1 && count <= largest_gap ? count : 0;
}

struct Run {
  int delta = 0;
  int fitting = 0;
  int others = 0;
};

// The delta that explains the most steps; of two, the larger one.
Run best_run(const std::vector<int>& steps) {
  Run best;
  for (const int delta : steps) {
    if (delta == 0 || std::abs(delta) > limits::hard::largest_delta) continue;
    Run run{.delta = delta};
    for (const int step : steps)
      if (const int count = deltas_in(step, delta); count > 0) {
        ++run.fitting;
        run.others += count - 1;
      }
    const bool better = run.fitting != best.fitting ? run.fitting > best.fitting
                                                    : std::abs(delta) > std::abs(best.delta);
    if (better) best = run;
  }
  return best;
}

}  // namespace

PortForecast forecast(std::span<const PortSample> samples) {
  PortForecast result;
  if (samples.size() < limits::hard::samples_needed) return result;
  const auto by_port = [](const PortSample& a, const PortSample& b) { return a.port < b.port; };
  const auto [lowest, highest] = std::minmax_element(samples.begin(), samples.end(), by_port);
  result.lowest = lowest->port;
  result.highest = highest->port;
  result.last = samples.back().port;
  result.at = samples.back().sent;
  result.watched = samples.back().sent - samples.front().sent;

  std::vector<int> steps;
  for (std::size_t i = 1; i < samples.size(); ++i)
    steps.push_back(step_between(samples[i - 1].port, samples[i].port));
  const Run run = best_run(steps);
  // One step may be the counter's return to its beginning, or two packets that overtook another.
  if (run.fitting >= 2 && run.fitting + 1 >= static_cast<int>(steps.size())) {
    result.ports = Ports::sequential;
    result.delta = static_cast<std::int16_t>(run.delta);
    result.others = run.others;
    return result;
  }
  result.ports =
      result.highest - result.lowest < limits::hard::largest_block ? Ports::block : Ports::random;
  return result;
}

std::uint16_t port_after(std::uint16_t port, std::int16_t delta, int steps) {
  constexpr int count = 65'536 - limits::hard::first_port;
  const int from = std::max<int>(port, limits::hard::first_port) - limits::hard::first_port;
  const int moved = (from + delta * steps) % count;
  return static_cast<std::uint16_t>(limits::hard::first_port + (moved + count) % count);
}

std::vector<PortGuess> guesses(const PortForecast& forecast, Duration elapsed) {
  if (forecast.ports != Ports::sequential) return {};
  // Other hosts' mappings a second, and how likely each rate was before we looked: most NATs are
  // quiet, a few are never.
  constexpr std::array<double, 4> rates{0.5, 5, 20, 80};
  constexpr std::array<double, 4> prior{0.55, 0.25, 0.15, 0.05};
  const double watched = std::chrono::duration<double>(forecast.watched).count();
  const double ahead = std::chrono::duration<double>(elapsed).count();
  const auto poisson = [](double mean, int k) {
    return std::exp(-mean + k * std::log(mean) - std::lgamma(k + 1.0));
  };
  std::array<double, 4> weight;
  double sum = 0;
  for (std::size_t i = 0; i < rates.size(); ++i)
    sum += weight[i] = prior[i] * poisson(rates[i] * std::max(watched, 1e-4), forecast.others);

  std::vector<PortGuess> all;
  for (int others = 0; others < guesses_made; ++others) {
    double odds = 0;
    for (std::size_t i = 0; i < rates.size(); ++i)
      odds += weight[i] / sum * poisson(rates[i] * std::max(ahead, 1e-4), others);
    all.push_back({port_after(forecast.last, forecast.delta, others + 1), others, odds});
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const PortGuess& a, const PortGuess& b) { return a.odds > b.odds; });
  return all;
}

int passed_over(const PortForecast& forecast, Duration elapsed, std::size_t width) {
  std::array<double, guesses_made> odds{};
  for (const PortGuess& guess : guesses(forecast, elapsed))
    odds[static_cast<std::size_t>(guess.others)] = guess.odds;
  int best = 0;
  double best_sum = 0;
  for (std::size_t first = 0; first + width <= odds.size(); ++first) {
    double sum = 0;
    for (std::size_t i = first; i < first + width; ++i) sum += odds[i];
    if (sum > best_sum + 1e-3) {
      best_sum = sum;
      best = static_cast<int>(first);
    }
  }
  return best;
}

std::vector<std::uint16_t> ports_to_try(std::uint16_t last, std::int16_t delta) {
  std::vector<std::uint16_t> near, all;
  for (int k = 1; k <= static_cast<int>(limits::hard::near_guesses); ++k)
    near.push_back(port_after(last, delta, k));
  const auto add = [&](std::uint16_t port) {
    if (std::find(all.begin(), all.end(), port) == all.end()) all.push_back(port);
  };
  for (const std::uint16_t port : near) add(port);
  const std::size_t distinct = all.size();
  all.insert(all.end(), near.begin(), near.end());
  std::vector<std::uint16_t> wide;
  for (int k = static_cast<int>(limits::hard::near_guesses) + 1; k <= limits::hard::wide_guesses;
       ++k)
    wide.push_back(port_after(last, delta, k));
  for (int k = 0; k <= limits::hard::wide_guesses; ++k) wide.push_back(port_after(last, delta, -k));
  for (const std::uint16_t port : wide) add(port);
  all.insert(all.end(), all.begin(), all.begin() + static_cast<std::ptrdiff_t>(distinct));
  return all;
}

}  // namespace byway

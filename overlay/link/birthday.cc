#include "overlay/link/birthday.h"

#include <algorithm>
#include <bitset>

#include "overlay/link/hard_limits.h"

namespace byway {

// --- the hard side -----------------------------------------------------------------------------

void Openers::start(TimePoint now, std::size_t sockets, std::vector<Wave> waves, Pace pace,
                    Random& random) {
  begun_ = now;
  waves_ = std::move(waves);
  pace_ = pace;
  wave_ = next_ = sent_ = 0;
  nonces_.clear();
  for (std::size_t i = 0; i < sockets; ++i) nonces_.push_back(random.u64());
  if (sockets == 0) stop();
}

std::optional<TimePoint> Openers::due() const {
  if (wave_ >= waves_.size()) return {};
  return begun_ + waves_[wave_].after + pace_.every * (next_ / pace_.at_once);
}

std::optional<Openers::Knock> Openers::poll(TimePoint now) {
  const auto at = due();
  if (!at || now < *at) return {};
  const Knock knock{next_, nonces_[next_], waves_[wave_].hops};
  ++sent_;
  if (++next_ == nonces_.size()) {
    next_ = 0;
    ++wave_;
  }
  return knock;
}

std::optional<TimePoint> Openers::next_timeout() const {
  return due();
}

bool Openers::is_answer(std::size_t socket, std::uint64_t nonce) const {
  return sent_ > 0 && socket < nonces_.size() && nonces_[socket] == nonce;
}

// --- the easy side -----------------------------------------------------------------------------

void Probes::start(TimePoint now, std::vector<std::uint16_t> ports, Pace pace) {
  ports_ = std::move(ports);
  std::reverse(ports_.begin(), ports_.end());
  pace_ = pace;
  next_at_ = now;
  in_burst_ = 0;
  asked_.clear();
  asked_.reserve(ports_.size());
}

void Probes::hurry(TimePoint now, const std::vector<std::uint16_t>& ports) {
  for (int times = 0; times < 3; ++times) ports_.insert(ports_.end(), ports.rbegin(), ports.rend());
  next_at_ = now;
  in_burst_ = 0;
}

std::optional<Probes::Probe> Probes::poll(TimePoint now, Random& random) {
  if (ports_.empty() || now < next_at_) return {};
  const std::uint16_t port = ports_.back();
  ports_.pop_back();
  const std::uint64_t nonce = random.u64();
  asked_.push_back({port, nonce, now});
  if (++in_burst_ == pace_.at_once) {
    in_burst_ = 0;
    // From when it was due, so that a late wake-up costs no speed, but never in one heap.
    next_at_ = std::max(next_at_ + pace_.every, now - 3 * pace_.every);
  }
  return Probe{port, nonce};
}

std::optional<TimePoint> Probes::next_timeout() const {
  if (ports_.empty()) return {};
  return next_at_;
}

std::optional<TimePoint> Probes::asked_at(std::uint16_t port, std::uint64_t nonce) const {
  const auto found = std::find_if(asked_.begin(), asked_.end(), [&](const Asked& asked) {
    return asked.port == port && asked.nonce == nonce;
  });
  return found == asked_.end() ? std::nullopt : std::optional(found->at);
}

bool Probes::has_asked(std::uint16_t port) const {
  return std::any_of(asked_.begin(), asked_.end(),
                     [&](const Asked& asked) { return asked.port == port; });
}

// --- which ports -------------------------------------------------------------------------------

std::vector<std::uint16_t> ports_by_chance(std::uint16_t first, std::uint16_t last,
                                           std::size_t count, Random& random) {
  const std::size_t all = static_cast<std::size_t>(last) - first + 1;
  std::vector<std::uint16_t> ports;
  ports.reserve(std::min(count, all));
  std::bitset<65'536> drawn;
  while (ports.size() < std::min(count, all)) {
    const auto port = static_cast<std::uint16_t>(first + random.below(all));
    if (drawn.test(port)) continue;
    drawn.set(port);
    ports.push_back(port);
  }
  return ports;
}

std::vector<std::uint16_t> ports_of_block(std::uint16_t lowest, std::uint16_t highest,
                                          Random& random) {
  std::vector<std::uint16_t> ports =
      ports_by_chance(lowest, highest, static_cast<std::size_t>(highest) - lowest + 1, random);
  const int room = limits::hard::largest_block - (highest - lowest);
  for (int out = 1; out < room; ++out) {
    if (highest + out <= 65'535) ports.push_back(static_cast<std::uint16_t>(highest + out));
    if (lowest - out >= limits::hard::first_port)
      ports.push_back(static_cast<std::uint16_t>(lowest - out));
  }
  if (ports.size() > limits::hard::birthday_probes) ports.resize(limits::hard::birthday_probes);
  return ports;
}

}  // namespace byway

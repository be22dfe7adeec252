#include "overlay/mesh/promotion.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "overlay/core/timers.h"

namespace byway {
namespace {

namespace figures = limits::promotion;

std::string percent(double share) {
  return std::to_string(std::lround(100 * std::clamp(share, 0.0, 10.0))) + " %";
}
// In the unit in which a person would say it.
std::string wait(Duration left) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(std::max(left, Duration{})).count();
  return seconds < 120 ? std::to_string(seconds) + " s"
                       : std::to_string((seconds + 59) / 60) + " min";
}
std::string supernodes(std::size_t n) {
  if (n == 0) return "no other supernode known";
  return n == 1 ? "only one other supernode known"
                : "only " + std::to_string(n) + " other supernodes known";
}

}  // namespace

Promotion::Promotion(TimePoint now, Random random, const Config& config)
    : random_(std::move(random)), config_(config), stable_since_(now) {
  if (config_.told == Told::supernode) become(now, State::supernode);
}

// --- facts -------------------------------------------------------------------------------------

void Promotion::on_proved(TimePoint now) {
  proved_ = true;
  prove_by_.reset();
  if (state_ == State::leaf && may_serve()) become(now, State::reserve);
  if (state_ == State::handing_over && may_serve()) become(now, State::supernode);
  settle(now);
}

void Promotion::on_proof_lost(TimePoint now) {
  proved_ = false;
  prove_by_.reset();
  if (config_.told == Told::supernode) return;
  if (state_ == State::reserve) become(now, State::leaf);
  if (state_ == State::supernode)
    begin_hand_over(now, "this address is no longer proved reachable");
}

void Promotion::on_address_changed(TimePoint now) {
  proved_ = false;
  stable_since_ = now;
  if (config_.told == Told::supernode) return;
  if (state_ == State::reserve) become(now, State::leaf);
  if (state_ == State::supernode) prove_by_ = now + figures::unproved_grace;
}

void Promotion::on_served_before(TimePoint now) {
  if (state_ != State::reserve) return;
  needed_for_ = "it had served here until it was started anew";
  become(now, State::supernode);
}

void Promotion::on_capacity(TimePoint now, std::size_t leaves) {
  config_.capacity = leaves;
  settle(now);
}

void Promotion::on_volunteers(TimePoint now, bool volunteers) {
  config_.volunteers = volunteers;
  if (config_.told != Told::automatic) return;
  if (!volunteers && state_ == State::reserve) become(now, State::leaf);
  if (!volunteers && state_ == State::supernode)
    begin_hand_over(now, "this node no longer volunteers");
  if (volunteers && proved_ && state_ == State::leaf) become(now, State::reserve);
  settle(now);
}

void Promotion::on_needs(TimePoint now, const Needs& needs) {
  needs_ = needs;
  usual_ = std::max(usual_, needs.supernodes);
  if (!shrunk())
    shrunk_since_.reset();
  else if (!shrunk_since_)
    shrunk_since_ = now;
  settle(now);
}

void Promotion::on_leaves_gone(TimePoint now) {
  if (state_ == State::handing_over) become(now, State::leaf);
}

void Promotion::on_timeout(TimePoint now) {
  if (shrunk_since_ && now - *shrunk_since_ >= figures::shrink_remembered) {
    usual_ = needs_.supernodes;
    shrunk_since_.reset();
  }
  if (prove_by_ && now >= *prove_by_) {
    prove_by_.reset();
    if (state_ == State::supernode)
      begin_hand_over(now, "the new address was not proved reachable in time");
  }
  if (state_ == State::handing_over && now >= hand_over_until_) become(now, State::leaf);
  settle(now);
}

// --- whether we are needed ---------------------------------------------------------------------

bool Promotion::shrunk() const {
  const auto whole = static_cast<double>(usual_);
  return usual_ > 0 && static_cast<double>(needs_.supernodes) <= whole * (1 - figures::shrink);
}

std::string Promotion::new_need() const {
  if (needs_.supernodes < figures::supernodes_wanted) return supernodes(needs_.supernodes);
  if (needs_.mean_load > figures::load_high)
    return "the nearest supernodes " + percent(needs_.mean_load) + " loaded";
  if (shrunk())
    return std::to_string(usual_ - needs_.supernodes) + " of " + std::to_string(usual_) +
           " supernodes gone";
  if (needs_.lacks_tcp443) return "no supernode known that offers TCP 443";
  if (needs_.lacks_ipv6) return "no supernode known that offers IPv6";
  return {};
}

// A need that was seen goes on until it is clearly relieved.
std::string Promotion::need() const {
  std::string seen = new_need();
  if (!seen.empty() || needed_for_.empty()) return seen;
  const bool relieved = needs_.supernodes >= figures::supernodes_relieved &&
                        needs_.mean_load < figures::load_relieved;
  return relieved ? std::string{} : needed_for_;
}

TimePoint Promotion::earliest() const {
  return std::max(stable_since_ + config_.promote_after, not_before_);
}

// Where everything a reserve waits for is looked at together.
void Promotion::settle(TimePoint now) {
  if (state_ != State::reserve) return;
  needed_for_ = need();
  if (needed_for_.empty() || config_.capacity < figures::least_capacity) {
    step_up_at_.reset();
    return;
  }
  if (!step_up_at_)
    step_up_at_ =
        std::max(now, earliest()) + random_.upto(std::min(figures::spread, config_.promote_after));
  if (now >= *step_up_at_) become(now, State::supernode);
}

void Promotion::become(TimePoint now, State state) {
  const State before = std::exchange(state_, state);
  step_up_at_.reset();
  switch (state) {
    case State::leaf:
      if (before == State::handing_over) {
        const int doublings = std::min(stepped_down_++, figures::most_doublings);
        not_before_ = now + config_.promote_after * (1 << doublings);
      }
      prove_by_.reset();
      needed_for_.clear();
      because_.clear();
      events_.push_back(Event::became_leaf);
      // What was lost while the leaves were being told may have come back.
      if (proved_ && may_serve()) become(now, State::reserve);
      return;
    case State::reserve:
      events_.push_back(Event::became_reserve);
      return;
    case State::supernode:
      because_ = needed_for_;
      served_since_ = now;
      events_.push_back(Event::became_supernode);
      return;
    case State::handing_over:
      events_.push_back(Event::hand_over);
      return;
  }
}

void Promotion::begin_hand_over(TimePoint now, std::string why) {
  if (now - served_since_ >= figures::steady) stepped_down_ = 0;
  become(now, State::handing_over);
  because_ = std::move(why);
  hand_over_until_ = now + figures::hand_over;
}

// --- decisions ---------------------------------------------------------------------------------

std::optional<Promotion::Event> Promotion::poll_event() {
  if (events_.empty()) return {};
  const Event event = events_.front();
  events_.pop_front();
  return event;
}

std::optional<TimePoint> Promotion::next_timeout() const {
  std::optional<TimePoint> next;
  if (state_ == State::reserve) next = step_up_at_;
  if (state_ == State::handing_over) next = hand_over_until_;
  next = earlier(next, prove_by_);
  if (shrunk_since_) next = earlier(next, *shrunk_since_ + figures::shrink_remembered);
  return next;
}

std::size_t Promotion::admission_limit(TimePoint now) const {
  if (state_ != State::supernode) return 0;
  // With nobody else there, to say BUSY would help nobody.
  if (needs_.supernodes == 0 || now - served_since_ >= figures::ramp) return config_.capacity;
  const double done = std::chrono::duration<double>(now - served_since_) / figures::ramp;
  const double share = figures::ramp_from + (1 - figures::ramp_from) * std::max(done, 0.0);
  const auto limit = static_cast<std::size_t>(static_cast<double>(config_.capacity) * share);
  return std::min(config_.capacity, std::max(limit, figures::least_capacity));
}

std::string Promotion::why(TimePoint now, std::string_view proof) const {
  switch (state_) {
    case State::leaf:
      if (config_.told == Told::leaf) return "told to be a leaf (--role leaf)";
      if (!config_.volunteers) return "this node does not volunteer to serve others";
      return std::string(proof);
    case State::reserve: {
      if (config_.capacity < figures::least_capacity)
        return "proved reachable, but too small: it could serve " +
               std::to_string(config_.capacity) + " leaves, and " +
               std::to_string(figures::least_capacity) + " are the least";
      if (!step_up_at_)
        return "proved reachable, but not needed: " + std::to_string(needs_.supernodes) +
               " supernodes are known, and the nearest are " + percent(needs_.mean_load) +
               " loaded";
      const std::string needed = "proved reachable and needed (" + needed_for_ + "): ";
      if (now < earliest()) {
        const std::string what = not_before_ > stable_since_ + config_.promote_after
                                     ? "it stepped down lately, and waits another "
                                     : "its address has to stay the same for another ";
        return needed + what + wait(earliest() - now);
      }
      return needed + "steps up within " + wait(*step_up_at_ - now);
    }
    case State::supernode:
      if (config_.told == Told::supernode)
        return "told to be a supernode (--role supernode); " + std::string(proof);
      if (prove_by_) return "its address has changed and is being proved again";
      return "proved reachable and needed when it stepped up (" + because_ + ")";
    case State::handing_over:
      return because_ + ", so its leaves are told other homes first";
  }
  return {};
}

}  // namespace byway

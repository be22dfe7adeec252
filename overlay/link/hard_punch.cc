#include "overlay/link/hard_punch.h"

#include <algorithm>
#include <cstdlib>

#include "overlay/core/limits.h"
#include "overlay/core/timers.h"
#include "overlay/link/hard_limits.h"
#include "protocol/match.h"

namespace byway {
namespace {

constexpr std::size_t plans_at_most = 6;
constexpr int hurries_at_most = 2;

HardPunch::Part part_for(NatKind mine, NatKind theirs) {
  using Part = HardPunch::Part;
  const auto by_chance = [](NatKind kind) {
    return kind == NatKind::block || kind == NatKind::random;
  };
  if (mine == NatKind::easy && theirs == NatKind::sequential) return Part::probe_next;
  if (mine == NatKind::easy && by_chance(theirs)) return Part::probe_all;
  if (mine == NatKind::sequential && theirs == NatKind::easy) return Part::open_one;
  if (by_chance(mine) && theirs == NatKind::easy) return Part::open_many;
  if (mine == NatKind::sequential && theirs == NatKind::sequential) return Part::meet;
  if (mine == NatKind::easy && theirs == NatKind::easy) return Part::knock_anew;
  return Part::none;
}

std::vector<Wave> waves(std::optional<std::uint8_t> hops) {
  // They pass our own NAT and no more: once more for what is lost. Where it is not known how many
  // hops that takes, it may be that only the later ones do.
  if (hops) return {{0ms, *hops}, {250ms, *hops}, {500ms, *hops}, {1500ms, *hops}};
  return {{0ms, limits::hard::first_hops},
          {250ms, limits::hard::first_hops},
          {500ms, limits::hard::second_hops},
          {1s, 0},
          {2s, 0}};
}

std::vector<Wave> knocks() {
  std::vector<Wave> all;
  for (const Duration at : limits::knock_times) all.push_back({at, 0});
  return all;
}

}  // namespace

// --- measuring ---------------------------------------------------------------------------------

void HardPunch::start(TimePoint now, std::uint16_t round, Self self, Duration relay_rtt,
                      const std::optional<Known>& known) {
  state_ = State::measuring;
  end_ = End::none;
  round_ = round;
  self_ = std::move(self);
  relay_rtt_ = relay_rtt > Duration{} ? relay_rtt : limits::hard::round_trip_guess;
  started_ = now;
  deadline_ = now + limits::hard::plan_patience;
  witnessed_ = false;
  known_ = known;
  sampler_.stop();
  sampling_.clear();
  probing_ = main_socket;
  witnesses_asked_ = 0;
  mine_.reset();
  theirs_.reset();
  plans_sent_ = 0;
  plan_at_.reset();
  answered_ = false;
  act_at_.reset();
  acting_since_ = {};
  sockets_.clear();
  opened_ = 0;
  openers_ = {};
  probes_ = {};
  around_.stop();
  beside_.clear();
  asked_before_ = false;
  between_.reset();
  hurried_ = 0;
  if (self_.hard ? known_.has_value() : !self_.fresh) offer(now);
}

// A counter is looked at when the ordinary punch has knocked; how an easy NAT sees a socket does
// not depend on that.
TimePoint HardPunch::measure_at() const {
  return self_.hard ? started_ + limits::hard::measured_after : started_;
}

// Where there is one port for all destinations the first answer tells it.
bool HardPunch::measured(TimePoint now) const {
  return sampler_.done(now) || (!self_.hard && sampler_.seen_of(sampling_.front()));
}

std::size_t HardPunch::wanted(TimePoint now) const {
  if (state_ == State::measuring) {
    const bool due = sampling_.empty() && now >= measure_at();
    return due ? (self_.hard ? limits::hard::sample_sockets : 1) : 0;
  }
  if (state_ == State::acting && sockets_.empty()) return openers_wanted();
  return 0;
}

std::size_t HardPunch::openers_wanted() const {
  switch (part()) {
    case Part::open_one:
      return 3;  // with one on either side, to see the ports beside its own
    case Part::meet:
      return limits::hard::meeting_sockets;
    case Part::open_many:
      return mine_->kind == NatKind::block ? limits::hard::block_sockets
                                           : limits::hard::birthday_sockets;
    default:
      return 0;
  }
}

void HardPunch::on_sockets(TimePoint now, const std::vector<SocketId>& sockets) {
  if (sockets.empty() && state_ == State::measuring && !self_.hard) return offer(now);
  if (sockets.empty()) return give_up(now, End::unmeasured);
  if (state_ == State::measuring) {
    sampling_ = sockets;
    sampler_.start(now, sockets, self_.supernodes, self_.hard, random_);
    return;
  }
  if (state_ != State::acting) return;
  sockets_ = sockets;
  if (part() == Part::open_one && sockets.size() == 3) {
    beside_ = {sockets[0], sockets[2]};
    sockets_ = {sockets[1]};
    around_.start(now, beside_, {self_.supernodes.front()}, false, random_);
  }
  opened_ = sockets_.size();
  openers_.start(now, sockets_.size(),
                 part() == Part::open_many ? waves(known_ ? known_->hops : std::nullopt) : knocks(),
                 {limits::hard::openers_at_once, limits::hard::openers_every}, random_);
}

bool HardPunch::on_stun(TimePoint now, SocketId socket, const Endpoint& from, ByteView response) {
  if (sampler_.on_answer(socket, from, response)) {
    on_timeout(now);
    return true;
  }
  if (!around_.on_answer(socket, from, response)) return false;
  look_around();
  return true;
}

// Both neighbours of the opener's port are known: so is the port, or it is one of a few.
void HardPunch::look_around() {
  const auto before = around_.seen_of(beside_[0]), after = around_.seen_of(beside_[1]);
  if (!before || !after || state_ != State::acting) return;
  PunchPorts ports{round_, {}};
  for (int steps = 1; ports.ports.size() < max_punch_ports; ++steps) {
    const std::uint16_t port = port_after(before->port, mine_->delta, steps);
    if (port == after->port) break;
    ports.ports.push_back(port);
  }
  if (!ports.ports.empty() && ports.ports.size() < max_punch_ports) between_ = std::move(ports);
}

// --- agreeing ----------------------------------------------------------------------------------

void HardPunch::offer(TimePoint now) {
  PunchPlan plan{.round = round_, .endpoint = self_.seen, .homes = self_.homes};
  if (plan.homes.size() > max_plan_homes) plan.homes.resize(max_plan_homes);
  const auto seen_anew =
      self_.hard || sampling_.empty() ? std::nullopt : sampler_.seen_of(sampling_.front());
  if (seen_anew) {
    plan.endpoint = *seen_anew;
    probing_ = sampling_.front();
  }
  if (self_.hard) {
    if (!known_) {
      known_ = Known{forecast(sampler_.samples()), sampler_.hops_to_pass()};
      if (const auto address = sampler_.address()) plan.endpoint.address = *address;
    }
    const PortForecast& seen = known_->forecast;
    switch (seen.ports) {
      case Ports::sequential:
        plan.kind = NatKind::sequential;
        plan.delta = seen.delta;
        break;
      case Ports::block:
        plan.kind = NatKind::block;
        plan.first = seen.lowest;
        plan.last = seen.highest;
        break;
      case Ports::random:
        plan.kind = NatKind::random;
        break;
      default:
        return give_up(now, End::unmeasured);
    }
    plan.endpoint.port = seen.last;
    // Where others use our NAT a lot, the count will have moved on when we act on this.
    if (plan.kind == NatKind::sequential)
      plan.endpoint.port =
          port_after(seen.last, seen.delta,
                     passed_over(seen, now - seen.at + relay_rtt_ / 2, limits::hard::near_guesses));
  }
  state_ = State::agreeing;
  deadline_ = now + limits::hard::plan_patience;
  plan.answer = theirs_.has_value();
  mine_ = std::move(plan);
  offered_ = now;
  plan_at_ = now;
  const TimePoint arrives = now + relay_rtt_ / 2;
  TimePoint ready = std::max(arrives, not_before());
  if (theirs_) {
    agreed(arrives);
    ready = std::max(arrives, *act_at_);
  }
  mine_->wait_us = static_cast<std::uint32_t>(
      std::min<Duration>(ready - arrives, std::chrono::microseconds{max_plan_wait_us}) / 1us);
}

void HardPunch::on_plan(TimePoint now, const PunchPlan& plan) {
  if (plan.round != round_) return;
  if (theirs_) {
    // It does not know ours yet.
    if (mine_ && !plan.answer && plans_sent_ < plans_at_most) plan_at_ = now;
    return;
  }
  if (!busy()) return;
  theirs_ = plan;
  ready_there_ = now + std::chrono::microseconds{plan.wait_us};
  if (!mine_) return;
  mine_->answer = true;
  plan_at_ = plan.answer ? std::nullopt : std::optional(now);
  agreed(now);
}

// Not before the ordinary punch had its chance, on either side.
TimePoint HardPunch::not_before() const {
  return started_ + relay_rtt_ * (self_.anew ? 2 : 1) + limits::hard::grace;
}

void HardPunch::agreed(TimePoint earliest) {
  act_at_ = part() == Part::none ? started_ : std::max({earliest, ready_there_, not_before()});
}

Method HardPunch::method() const {
  if (part() == Part::knock_anew) return Method::punch;
  return is_birthday() ? Method::birthday : Method::predicted;
}

HardPunch::Part HardPunch::part() const {
  return mine_ && theirs_ ? part_for(mine_->kind, theirs_->kind) : Part::none;
}

bool HardPunch::wants_to_act(TimePoint now) const {
  return state_ == State::agreeing && act_at_ && now >= *act_at_ &&
         (witnessed_ || part() == Part::none);
}

// --- acting ------------------------------------------------------------------------------------

void HardPunch::act(TimePoint now) {
  if (part() == Part::none) return give_up(now, End::hopeless);
  state_ = State::acting;
  acting_since_ = now;
  deadline_ =
      now + (is_birthday() ? limits::hard::birthday_patience : limits::hard::predicted_patience);
  const PunchPlan& plan = *theirs_;
  if (part() == Part::knock_anew) {
    sockets_ = {probing_};
    opened_ = 1;
    openers_.start(now, 1, knocks(), {1, Duration{}}, random_);
  }
  if (part() == Part::probe_next)
    probes_.start(now, ports_to_try(plan.endpoint.port, plan.delta),
                  {limits::hard::guesses_at_once, limits::hard::guesses_every});
  if (part() == Part::probe_all)
    probes_.start(now,
                  plan.kind == NatKind::block
                      ? ports_of_block(plan.first, plan.last, random_)
                      : ports_by_chance(limits::hard::first_port, 65'535,
                                        limits::hard::birthday_probes, random_),
                  {limits::hard::probes_at_once, limits::hard::probes_every});
}

void HardPunch::on_ports(TimePoint now, const PunchPorts& ports) {
  if (state_ != State::acting || part() != Part::probe_next || ports.round != round_) return;
  if (hurried_++ < hurries_at_most) probes_.hurry(now, ports.ports);
}

// It leaves now. Once the other's is there it answers that, and goes twice; until then it is
// repeated a few times.
void HardPunch::schedule_plan(TimePoint now) {
  ++plans_sent_;
  plan_at_.reset();
  if (plans_sent_ >= plans_at_most) return;
  if (mine_->answer && !std::exchange(answered_, true)) plan_at_ = now + limits::hard::answer_again;
  if (!mine_->answer && plans_sent_ < limits::hard::plan_times.size())
    plan_at_ = offered_ + limits::hard::plan_times[plans_sent_];
}

std::optional<TimePoint> HardPunch::witnesses_at() const {
  if (!busy() || witnesses_asked_ >= limits::hard::witness_times.size()) return {};
  return started_ + limits::hard::witness_times[witnesses_asked_];
}

std::optional<HardPunch::Wish> HardPunch::poll(TimePoint now) {
  if (const auto question = sampler_.poll(now); question && state_ == State::measuring)
    return Wish{*question};
  if (const auto at = witnesses_at(); at && now >= *at) {
    ++witnesses_asked_;
    return Wish{AskWitnesses{}};
  }
  if (plan_at_ && now >= *plan_at_) {
    schedule_plan(now);
    return Wish{*mine_};
  }
  if (state_ != State::acting) return {};
  if (between_) return Wish{*std::exchange(between_, std::nullopt)};
  // First the one before it, then the knock, then the one after it.
  const auto beside = [&]() -> std::optional<Wish> {
    if (const auto question = around_.poll(now)) return Wish{*question};
    return {};
  };
  if (openers_.sent() == 0 && !beside_.empty() && !std::exchange(asked_before_, true))
    if (const auto wish = beside()) return wish;
  if (const auto knock = openers_.poll(now)) {
    const Endpoint to =
        part() == Part::meet
            ? Endpoint{theirs_->endpoint.address, port_after(theirs_->endpoint.port, theirs_->delta,
                                                             limits::hard::meeting_offset)}
            : theirs_->endpoint;
    return Wish{Send{sockets_[knock->socket], to, knock->nonce, knock->hops}};
  }
  if (const auto wish = beside()) return wish;
  if (const auto probe = probes_.poll(now, random_))
    return Wish{Send{probing_, {theirs_->endpoint.address, probe->port}, probe->nonce, 0}};
  return {};
}

std::optional<HardPunch::Answer> HardPunch::on_pong(TimePoint now, SocketId socket,
                                                    const Endpoint& from, std::uint64_t nonce) {
  if (state_ != State::acting || from.address != theirs_->endpoint.address) return {};
  if (socket == probing_ && part() != Part::knock_anew) {
    const auto asked = probes_.asked_at(from.port, nonce);
    return asked ? std::optional(Answer{now - *asked}) : std::nullopt;
  }
  const auto own = std::find(sockets_.begin(), sockets_.end(), socket);
  if (own == sockets_.end()) return {};
  // Which of its knocks was answered nobody knows.
  const auto index = static_cast<std::size_t>(own - sockets_.begin());
  return openers_.is_answer(index, nonce) ? std::optional(Answer{}) : std::nullopt;
}

bool HardPunch::tried(SocketId socket, const Endpoint& from) const {
  if (!theirs_ || acting_since_ == TimePoint{} || from.address != theirs_->endpoint.address)
    return false;
  if (socket == probing_ && probes_.has_asked(from.port)) return true;
  return std::find(sockets_.begin(), sockets_.end(), socket) != sockets_.end();
}

bool HardPunch::used(SocketId socket) const {
  const auto in = [&](const std::vector<SocketId>& list) {
    return std::find(list.begin(), list.end(), socket) != list.end();
  };
  if (busy() && !self_.hard && in(sampling_)) return true;
  if (state_ == State::measuring) return in(sampling_);
  return state_ == State::acting && (in(sockets_) || in(beside_));
}

std::optional<IpAddress> HardPunch::address() const {
  return theirs_ ? std::optional(theirs_->endpoint.address) : std::nullopt;
}

std::optional<HardPunch::Known> HardPunch::learnt() const {
  if (!mine_ || !known_) return {};
  if (mine_->kind != NatKind::block && mine_->kind != NatKind::random) return {};
  return known_;
}

// --- the end -----------------------------------------------------------------------------------

void HardPunch::finish(TimePoint now, State state, End end) {
  if (state_ == State::acting) took_ = now - acting_since_;
  state_ = state;
  end_ = end;
  plan_at_.reset();
  sampler_.stop();
  around_.stop();
  openers_.stop();
  probes_.stop();
}

void HardPunch::give_up(TimePoint now, End end) {
  finish(now, State::failed, end);
}

void HardPunch::on_open() {
  if (busy()) finish(acting_since_, State::open, End::none);
}

void HardPunch::on_timeout(TimePoint now) {
  if (state_ == State::measuring && !sampling_.empty() && measured(now)) {
    offer(now);
    sampler_.stop();
  }
  if (around_.done(now)) around_.stop();
  if (!busy() || now < deadline_) return;
  if (state_ == State::acting) return give_up(now, End::not_found);
  give_up(now, !mine_ ? End::unmeasured : !theirs_ ? End::no_plan : End::unwitnessed);
}

std::optional<TimePoint> HardPunch::next_timeout() const {
  if (!busy()) return {};
  std::optional<TimePoint> next = deadline_;
  if (state_ == State::measuring)
    next = earlier(next, sampling_.empty() ? measure_at() : sampler_.next_timeout());
  next = earlier(next, earlier(plan_at_, witnesses_at()));
  if (state_ == State::agreeing && (witnessed_ || part() == Part::none))
    next = earlier(next, act_at_);
  if (state_ == State::acting) {
    next = earlier(next, openers_.next_timeout());
    next = earlier(next, probes_.next_timeout());
    next = earlier(next, around_.next_timeout());
  }
  return next;
}

}  // namespace byway

#include "overlay/directory/keeper.h"

#include <algorithm>

#include "overlay/core/timers.h"

namespace byway {
namespace {

constexpr Duration pace{static_cast<Duration::rep>(1e9 / limits::placements_per_second)};
constexpr Duration saved_up = pace * static_cast<Duration::rep>(limits::placements_burst);

Duration doubled(Duration first, int tries, Duration last) {
  return std::min(first * (1 << std::min(tries, 16)), last);
}

}  // namespace

void Keeper::keep(TimePoint now, RecordPtr record) {
  const Record& content = record->record();
  if (std::find(content.homes.begin(), content.homes.end(), self_) == content.homes.end()) return;
  const auto [position, is_new] = leaves_.try_emplace(content.id);
  Leaf& leaf = position->second;
  if (is_new) {
    leaf.place = static_cast<std::uint32_t>(bars_.size());
    bars_.push_back({.draw = placement_.draw(content.id), .leaf = &leaf});
  } else {
    if (leaf.record->record().sequence >= content.sequence) return;
    // Whoever signs a new record every moment has it placed at our pace, not at his.
    leaf.changed = std::max(now, leaf.changed + limits::record_gap);
  }
  if (is_new) leaf.changed = now;
  leaf.record = std::move(record);
  for (Seat& seat : leaf.seats) reopen(seat, leaf.changed + turn(leaf, seat.holder));
  reseat(now, leaf, Duration{});
  schedule(leaf);
}

void Keeper::release(const NodeId& id) {
  const auto leaf = leaves_.find(id);
  if (leaf == leaves_.end()) return;
  for (const Seat& seat : leaf->second.seats) questions_.erase(seat.number);
  alarms_.set(leaf->second, std::nullopt);
  const std::uint32_t place = leaf->second.place;
  bars_[place] = bars_.back();
  bars_[place].leaf->place = place;
  bars_.pop_back();
  leaves_.erase(leaf);  // what is queued for it is skipped when its turn comes
}

// In the order of their ids.
std::vector<Keeper::Leaf*> Keeper::concerned(std::uint64_t group) const {
  std::vector<Leaf*> leaves;
  for (const Bar& bar : bars_)
    if (Placement::concerns(bar.draw, bar.bar, group)) leaves.push_back(bar.leaf);
  std::sort(leaves.begin(), leaves.end(),
            [](const Leaf* a, const Leaf* b) { return a->id() < b->id(); });
  return leaves;
}

void Keeper::on_joined(TimePoint now, const SignedRecord& member) {
  const auto group = placement_.group_of(member);
  if (!group) return;
  for (Leaf* leaf : concerned(*group)) {
    reseat(now, *leaf, limits::replace_spread);
    schedule(*leaf);
  }
}

void Keeper::on_renewed(TimePoint now, const SignedRecord& member) {
  const auto group = placement_.group_of(member);
  if (!group) return;
  for (Leaf* leaf : concerned(*group)) {
    const auto seat = std::find_if(leaf->seats.begin(), leaf->seats.end(),
                                   [&](const Seat& s) { return s.holder == member.record().id; });
    if (seat == leaf->seats.end()) continue;
    reopen(*seat, now + random_.upto(limits::replace_spread) + turn(*leaf, seat->holder));
    schedule(*leaf);
  }
}

void Keeper::on_left(TimePoint now, const SignedRecord& member) {
  const auto group = placement_.group_of(member);
  if (!group) return;
  for (Leaf* leaf : concerned(*group)) {
    reseat(now, *leaf, limits::replace_spread);
    schedule(*leaf);
  }
}

// Seats whose holder stays are left as they are.
void Keeper::reseat(TimePoint now, Leaf& leaf, Duration spread) {
  Bar& bar = bars_[leaf.place];
  Placement::Seats wanted = placement_.seats(bar.draw);
  bar.bar = wanted.bar;
  std::vector<Seat> seats;
  seats.reserve(wanted.holders.size());
  for (const NodeId& holder : wanted.holders) {
    const auto same = std::find_if(leaf.seats.begin(), leaf.seats.end(),
                                   [&](const Seat& seat) { return seat.holder == holder; });
    if (same != leaf.seats.end()) {
      seats.push_back(*same);
      same->number = 0;  // taken over
    } else {
      seats.push_back({.holder = holder, .due = now + random_.upto(spread) + turn(leaf, holder)});
    }
  }
  for (const Seat& lost : leaf.seats) questions_.erase(lost.number);
  leaf.seats = std::move(seats);
}

// Until we see to this holder: nothing, where of all homes that is ours to do.
Duration Keeper::turn(const Leaf& leaf, const NodeId& holder) {
  const auto& homes = leaf.record->record().homes;
  const auto drawn = load_be<std::uint64_t>(leaf.id().key()) ^ load_be<std::uint64_t>(holder.key());
  const std::size_t whose = drawn % homes.size();
  return homes[whose] == self_ ? Duration{} : random_.jittered(limits::place_for_others);
}

// A seat that waits in the queue stays there: it will be sent what is newest then.
void Keeper::reopen(Seat& seat, TimePoint due) {
  seat.tries = 0;
  if (seat.state == Seat::State::queued) return;
  questions_.erase(seat.number);
  seat.number = 0;
  seat.state = Seat::State::open;
  seat.due = due;
}

void Keeper::schedule(Leaf& leaf) {
  std::optional<TimePoint> next;
  for (const Seat& seat : leaf.seats)
    if (seat.state != Seat::State::queued) next = earlier(next, seat.due);
  alarms_.set(leaf, next);
}

void Keeper::on_timeout(TimePoint now) {
  while (Leaf* leaf = alarms_.pop_due(now)) {
    for (Seat& seat : leaf->seats) {
      if (seat.state == Seat::State::queued || seat.due > now) continue;
      questions_.erase(seat.number);
      if (seat.state == Seat::State::filled) seat.tries = 0;
      seat.state = Seat::State::queued;
      seat.number = random_.u64();
      queue_.emplace_back(leaf->id(), seat.number);
    }
    schedule(*leaf);
  }
  // Seats that were lost while they waited are passed over when their turn comes, or here, before
  // there are more of them than of the others.
  if (queue_.size() > 2 * limits::holders_per_record * leaves_.size() + 64)
    std::erase_if(queue_, [&](const auto& ticket) { return !queued_seat(ticket); });
}

Keeper::Seat* Keeper::queued_seat(const Ticket& ticket) {
  const auto leaf = leaves_.find(ticket.first);
  if (leaf == leaves_.end()) return nullptr;
  for (Seat& seat : leaf->second.seats)
    if (seat.state == Seat::State::queued && seat.number == ticket.second) return &seat;
  return nullptr;
}

bool Keeper::may_send(TimePoint now) const {
  return paid_until_ <= now + saved_up;
}

std::optional<Keeper::Outgoing> Keeper::poll_message(TimePoint now) {
  while (!queue_.empty() && may_send(now)) {
    const Ticket ticket = queue_.front();
    queue_.pop_front();
    Seat* seat = queued_seat(ticket);
    if (!seat) continue;

    paid_until_ = std::max(paid_until_, now) + pace;
    seat->state = Seat::State::asked;
    const Duration wait = doubled(limits::place_patience, seat->tries, limits::place_retry_last);
    seat->due = now + random_.jittered(wait);
    if (seat->tries < 255) ++seat->tries;
    questions_.emplace(seat->number, ticket.first);
    Leaf& leaf = leaves_.at(ticket.first);
    schedule(leaf);
    return Outgoing{seat->holder,
                    {seat->number, ticket.first, to_bytes(leaf.record->exact_bytes())}};
  }
  return {};
}

void Keeper::on_placed(TimePoint now, const NodeId& from, const Placed& placed) {
  const auto question = questions_.find(placed.number);
  if (question == questions_.end()) return;
  const NodeId id = question->second;
  Leaf& leaf = leaves_.at(id);
  const auto seat = std::find_if(leaf.seats.begin(), leaf.seats.end(), [&](const Seat& s) {
    return s.number == placed.number && s.holder == from;
  });
  if (seat == leaf.seats.end()) return;
  questions_.erase(question);
  seat->number = 0;
  switch (placed.outcome) {
    case PlaceOutcome::kept:
    case PlaceOutcome::newer_known:  // the leaf went on to another home, which sees to it
      seat->state = Seat::State::filled;
      seat->due = now + random_.jittered(limits::place_refresh);
      break;
    case PlaceOutcome::not_mine:
    case PlaceOutcome::refused:  // both may be a view that lags behind
    case PlaceOutcome::busy:
      seat->state = Seat::State::open;
      seat->due = now + random_.jittered(doubled(limits::not_mine_retry, seat->tries - 1,
                                                 limits::place_retry_last));
      break;
  }
  schedule(leaf);
}

std::optional<TimePoint> Keeper::next_timeout() const {
  const auto timer = alarms_.next();
  if (queue_.empty()) return timer;
  return earlier(timer, paid_until_ - saved_up);
}

std::size_t Keeper::filled(const NodeId& id) const {
  const auto leaf = leaves_.find(id);
  if (leaf == leaves_.end()) return 0;
  const auto& seats = leaf->second.seats;
  return static_cast<std::size_t>(std::count_if(seats.begin(), seats.end(), [](const Seat& seat) {
    return seat.state == Seat::State::filled;
  }));
}

}  // namespace byway

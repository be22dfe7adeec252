#include "overlay/reach/registrar.h"

#include <algorithm>
#include <utility>

#include "overlay/core/foresight.h"
#include "overlay/core/limits.h"

namespace byway {
namespace {

// How full the house may be for a leaf that seeks its first home, its second or third, or a better
// one than it has.
constexpr double first_home_share = 1.3;
constexpr double further_home_share = 0.9;
constexpr double move_share = 0.7;
constexpr std::uint32_t busy_retry_s = 30;

}  // namespace

std::variant<Registered, Refusal> Registrar::judge(const NodeId& leaf,
                                                   const Registration& wish) const {
  const auto lease_s = static_cast<std::uint32_t>(limits::lease / 1s);
  if (has(leaf)) return Registered{lease_s};
  const double share = wish.seeking <= 1                        ? first_home_share
                       : wish.seeking <= limits::homes_per_leaf ? further_home_share
                                                                : move_share;
  if (static_cast<double>(leaves_->size()) >= share * static_cast<double>(max_leaves_))
    return Refusal{RefusalReason::busy, busy_retry_s, {}};
  return Registered{lease_s};
}

void Registrar::admit(TimePoint now, const NodeId& leaf, RecordPtr record) {
  const auto known = places_.find(leaf);
  const Place place = known != places_.end() ? *known : static_cast<Place>(leaves_->size());
  if (known == places_.end()) {
    leaves_->push_back({.id = leaf, .record = {}, .heard = now});
    marks_.push_back(0);
    places_.insert(place);
    link_last(place);
  }
  marks_[place] = 0;
  if (record)
    for (const NodeId& home : record->record().homes) marks_[place] |= mark_of(home);
  (*leaves_)[place].record = std::move(record);
  hear(now, place);
}

Registrar::Marks Registrar::mark_of(const NodeId& home) {
  return Marks{1} << (home.key()[0] & 31);
}

bool Registrar::names(const Leaf& leaf, const NodeId& home) {
  const auto& homes = leaf.record->record().homes;
  return std::find(homes.begin(), homes.end(), home) != homes.end();
}

RecordPtr Registrar::record_of(const NodeId& leaf) const {
  const auto known = places_.find(leaf);
  return known == places_.end() ? nullptr : (*leaves_)[*known].record;
}

std::vector<NodeId> Registrar::ids() const {
  std::vector<NodeId> ids;
  ids.reserve(leaves_->size());
  for (const Leaf& leaf : *leaves_) ids.push_back(leaf.id);
  return ids;
}

void Registrar::on_heard_from(TimePoint now, const NodeId& leaf) {
  if (const auto known = places_.find(leaf); known != places_.end()) hear(now, *known);
}

void Registrar::remove(const NodeId& leaf) {
  if (const auto known = places_.find(leaf); known != places_.end()) erase(*known);
}

std::optional<TimePoint> Registrar::next_timeout() const {
  if (first_ == nowhere) return {};
  return (*leaves_)[first_].heard + limits::lease;
}

void Registrar::foresee(int round) const {
  if (first_ == nowhere) return;
  if (round == 0)
    ask_for(leaves_.get(), sizeof(Leaves));
  else
    ask_for(&(*leaves_)[first_], sizeof(Leaf));
}

std::optional<NodeId> Registrar::poll_expired(TimePoint now) {
  const auto due = next_timeout();
  if (!due || now < *due) return {};
  const NodeId leaf = (*leaves_)[first_].id;
  erase(first_);
  return leaf;
}

// --- the row -----------------------------------------------------------------------------------

void Registrar::hear(TimePoint now, Place place) {
  (*leaves_)[place].heard = now;
  if (place == last_) return;
  unlink(place);
  link_last(place);
}

void Registrar::link_last(Place place) {
  (*leaves_)[place].before = last_;
  (*leaves_)[place].after = nowhere;
  (last_ == nowhere ? first_ : (*leaves_)[last_].after) = place;
  last_ = place;
}

void Registrar::unlink(Place place) {
  const auto [before, after] = std::pair((*leaves_)[place].before, (*leaves_)[place].after);
  (before == nowhere ? first_ : (*leaves_)[before].after) = after;
  (after == nowhere ? last_ : (*leaves_)[after].before) = before;
}

// The last in memory moves into the gap.
void Registrar::erase(Place place) {
  unlink(place);
  places_.erase(place);
  const Place moved = static_cast<Place>(leaves_->size() - 1);
  if (place != moved) {
    places_.erase(moved);
    Leaf& leaf = (*leaves_)[place] = std::move((*leaves_)[moved]);
    marks_[place] = marks_[moved];
    places_.insert(place);
    (leaf.before == nowhere ? first_ : (*leaves_)[leaf.before].after) = place;
    (leaf.after == nowhere ? last_ : (*leaves_)[leaf.after].before) = place;
  }
  leaves_->pop_back();
  marks_.pop_back();
}

}  // namespace byway

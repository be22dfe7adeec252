#include "overlay/reach/registrar.h"

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
  if (static_cast<double>(leaves_.size()) >= share * static_cast<double>(max_leaves_))
    return Refusal{RefusalReason::busy, busy_retry_s, {}};
  return Registered{lease_s};
}

void Registrar::admit(TimePoint now, const NodeId& leaf, RecordPtr record) {
  const auto [known, is_new] = leaves_.try_emplace(leaf, Leaf{record, now, ids_.size()});
  if (is_new) ids_.push_back(leaf);
  known->second.record = std::move(record);
  known->second.heard = now;
  leases_.set(leaf, now + limits::lease);
}

RecordPtr Registrar::record_of(const NodeId& leaf) const {
  const auto known = leaves_.find(leaf);
  return known == leaves_.end() ? nullptr : known->second.record;
}

void Registrar::erase(Leaves::iterator leaf) {
  const std::size_t place = leaf->second.place;
  ids_[place] = ids_.back();
  leaves_.at(ids_[place]).place = place;
  ids_.pop_back();
  leaves_.erase(leaf);
}

void Registrar::on_heard_from(TimePoint now, const NodeId& leaf) {
  const auto known = leaves_.find(leaf);
  if (known != leaves_.end()) known->second.heard = now;
}

void Registrar::remove(const NodeId& leaf) {
  if (const auto known = leaves_.find(leaf); known != leaves_.end()) erase(known);
  leases_.set(leaf, std::nullopt);
}

std::optional<NodeId> Registrar::poll_expired(TimePoint now) {
  while (const auto due = leases_.pop_due(now)) {
    const auto leaf = leaves_.find(*due);
    if (leaf == leaves_.end()) continue;
    const TimePoint end = leaf->second.heard + limits::lease;
    if (now < end) {
      leases_.set(*due, end);
      continue;
    }
    erase(leaf);
    return *due;
  }
  return {};
}

}  // namespace byway

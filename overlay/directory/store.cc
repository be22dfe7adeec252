#include "overlay/directory/store.h"

#include <algorithm>

namespace byway {
namespace {

bool names_as_home(const Record& record, const NodeId& id) {
  return std::find(record.homes.begin(), record.homes.end(), id) != record.homes.end();
}

}  // namespace

Store::Store(const NodeId& self, const Placement& placement, RecordSource source, Room room)
    : self_(self),
      placement_(placement),
      source_(std::move(source)),
      room_(room),
      places_(limits::places_per_home, limits::places_burst, limits::tracked_askers),
      finds_(limits::finds_per_asker, limits::finds_burst, limits::tracked_askers),
      verifications_(limits::verifications, limits::verifications_burst) {}

Placed Store::on_place(TimePoint now, const NodeId& from, const SignedRecord* home,
                       const Place& place) {
  const auto answer = [&](PlaceOutcome outcome) { return Placed{place.number, outcome}; };
  const auto netgroup = home ? placement_.netgroup_of(*home) : std::nullopt;
  if (!netgroup || home->record().id != from) return answer(PlaceOutcome::refused);
  if (!places_.take(now, from)) return answer(PlaceOutcome::busy);
  if (!placement_.may_hold(self_, place.target)) return answer(PlaceOutcome::not_mine);

  auto known = entries_.find(place.target);
  const bool same = known != entries_.end() &&
                    std::ranges::equal(known->second.record->exact_bytes(), ByteView(place.record));
  RecordPtr record = same ? known->second.record : nullptr;
  if (!record) {
    if (!verifications_.take(now)) return answer(PlaceOutcome::busy);
    auto verified = source_(place.record);
    if (!verified || (*verified)->record().id != place.target) return answer(PlaceOutcome::refused);
    record = std::move(*verified);
  }
  if (!names_as_home(record->record(), from)) return answer(PlaceOutcome::refused);
  if (known != entries_.end() && !same &&
      known->second.record->record().sequence >= record->record().sequence)
    return answer(PlaceOutcome::newer_known);

  Entry entry{std::move(record), now, from, *netgroup};
  const auto placed = per_home_.find(from);
  const bool has_quota = placed == per_home_.end() || placed->second < room_.per_home;
  if (known == entries_.end()) {
    if (!has_quota) return answer(PlaceOutcome::busy);
  } else {
    // Charged to the lighter burdened of the two netgroups.
    const Entry& before = known->second;
    const bool moves = has_quota && charged_to(*netgroup) + 1 < charged_to(before.netgroup);
    if (!moves) {
      entry.home = before.home;
      entry.netgroup = before.netgroup;
    }
    erase(known);
  }
  charge(place.target, entry);
  make_room();
  return answer(find(place.target) ? PlaceOutcome::kept : PlaceOutcome::busy);
}

Found Store::on_find(TimePoint now, const NodeId& from, const Find& question) {
  if (!finds_.take(now, from)) return {question.number, FindOutcome::busy, {}};
  const RecordPtr record = find(question.target);
  if (!record) return {question.number, FindOutcome::unknown, {}};
  return {question.number, FindOutcome::known, to_bytes(record->exact_bytes())};
}

void Store::on_timeout(TimePoint now) {
  while (!ages_.empty() && ages_.begin()->first + limits::record_lifetime <= now)
    erase(entries_.find(ages_.begin()->second));
}

std::optional<TimePoint> Store::next_timeout() const {
  if (ages_.empty()) return {};
  return ages_.begin()->first + limits::record_lifetime;
}

RecordPtr Store::find(const NodeId& target) const {
  const auto known = entries_.find(target);
  return known == entries_.end() ? nullptr : known->second.record;
}

std::size_t Store::charged_to(const IpAddress& netgroup) const {
  const auto known = netgroups_.find(netgroup);
  return known == netgroups_.end() ? 0 : known->second.size();
}

void Store::charge(const NodeId& target, const Entry& entry) {
  bytes_ += entry.record->exact_bytes().size();
  ages_.emplace(entry.received, target);
  ByAge& burden = netgroups_[entry.netgroup];
  burdens_.erase({burden.size(), entry.netgroup});
  burden.emplace(entry.received, target);
  burdens_.emplace(burden.size(), entry.netgroup);
  ++per_home_[entry.home];
  entries_.insert_or_assign(target, entry);
}

void Store::discharge(const NodeId& target, const Entry& entry) {
  bytes_ -= entry.record->exact_bytes().size();
  ages_.erase({entry.received, target});
  const auto burden = netgroups_.find(entry.netgroup);
  burdens_.erase({burden->second.size(), entry.netgroup});
  burden->second.erase({entry.received, target});
  if (burden->second.empty())
    netgroups_.erase(burden);
  else
    burdens_.emplace(burden->second.size(), entry.netgroup);
  const auto home = per_home_.find(entry.home);
  if (--home->second == 0) per_home_.erase(home);
}

void Store::erase(Entries::iterator entry) {
  discharge(entry->first, entry->second);
  entries_.erase(entry);
}

void Store::make_room() {
  while (entries_.size() > room_.records || bytes_ > room_.bytes) {
    const IpAddress& heaviest = burdens_.rbegin()->second;
    erase(entries_.find(netgroups_.at(heaviest).begin()->second));
  }
}

}  // namespace byway

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
      verifications_(limits::verifications, limits::verifications_burst),
      entries_(0, SaltedHash(this)) {}

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

  const auto placed = per_home_.find(from);
  const bool has_quota = placed == per_home_.end() || placed->second < room_.per_home;
  if (known == entries_.end()) {
    if (!has_quota) return answer(PlaceOutcome::busy);
    Entry& entry = entries_[place.target];
    ages_.push_back(entry);
    charge(entry, from, *netgroup);
    refresh(entry, now, std::move(record));
  } else {
    Entry& entry = known->second;
    refresh(entry, now, std::move(record));
    // Charged to the lighter burdened of the two netgroups.
    if (entry.charged->netgroup != *netgroup && has_quota &&
        charged_to(*netgroup) + 1 < entry.charged->records.size()) {
      discharge(entry);
      charge(entry, from, *netgroup);
    }
  }
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
  while (!ages_.empty() && ages_.front().received + limits::record_lifetime <= now)
    erase(ages_.front());
}

std::optional<TimePoint> Store::next_timeout() const {
  if (ages_.empty()) return {};
  return ages_.front().received + limits::record_lifetime;
}

RecordPtr Store::find(const NodeId& target) const {
  const auto known = entries_.find(target);
  return known == entries_.end() ? nullptr : known->second.record;
}

std::size_t Store::charged_to(const IpAddress& netgroup) const {
  const auto known = netgroups_.find(netgroup);
  return known == netgroups_.end() ? 0 : known->second.records.size();
}

void Store::charge(Entry& entry, const NodeId& home, const IpAddress& netgroup) {
  Burden& burden = netgroups_[netgroup];
  burden.netgroup = netgroup;
  burdens_.erase({burden.records.size(), netgroup});
  burden.records.push_back(entry);
  burdens_.emplace(burden.records.size(), netgroup);
  entry.charged = &burden;
  entry.home = home;
  ++per_home_[home];
}

void Store::discharge(Entry& entry) {
  Burden& burden = *entry.charged;
  burdens_.erase({burden.records.size(), burden.netgroup});
  burden.records.erase(burden.records.iterator_to(entry));
  if (!burden.records.empty()) burdens_.emplace(burden.records.size(), burden.netgroup);
  const auto home = per_home_.find(entry.home);
  if (--home->second == 0) per_home_.erase(home);
  if (burden.records.empty()) netgroups_.erase(IpAddress(burden.netgroup));
}

// It is the youngest now.
void Store::refresh(Entry& entry, TimePoint now, RecordPtr record) {
  if (entry.record) bytes_ -= entry.record->exact_bytes().size();
  bytes_ += record->exact_bytes().size();
  entry.record = std::move(record);
  entry.received = now;
  ages_.splice(ages_.end(), ages_, ages_.iterator_to(entry));
  auto& beside = entry.charged->records;
  beside.splice(beside.end(), beside, beside.iterator_to(entry));
}

void Store::erase(Entry& entry) {
  bytes_ -= entry.record->exact_bytes().size();
  discharge(entry);
  ages_.erase(ages_.iterator_to(entry));
  entries_.erase(NodeId(entry.target()));
}

void Store::make_room() {
  while (entries_.size() > room_.records || bytes_ > room_.bytes) {
    const IpAddress& heaviest = burdens_.rbegin()->second;
    erase(netgroups_.at(heaviest).records.front());
  }
}

}  // namespace byway
